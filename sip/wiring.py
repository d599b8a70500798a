"""Who hears whom on the conference bridge: the wanted links are derived, the difference is applied.

For each leg: its own voice goes to the `theirs` port; its player and the legs it listens to go to its slot
(what is sent) and to its `ours` port (the same, for the recording).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pjsua2.pjsua2 as pj

if TYPE_CHECKING:
    from sip.pj_call import PjCall

LinkKey = tuple[str, int, str]
Link = tuple[pj.AudioMedia, pj.AudioMedia]


class Wiring:
    """Links of all legs.  `playing(leg_id, player_id, sample)` is called when a player begins or resumes."""

    def __init__(self, calls: Mapping[int, PjCall], playing: Callable[[int, int, int], None]) -> None:
        self._calls, self._playing = calls, playing
        self.silence: pj.AudioMedia | None = None
        "Feeds every slot, so that RTP flows from the first moment on, spoken or not."

    def rewire(self, call: PjCall) -> None:
        """Brings the links into a leg in line with its player, its sources and its slot.

        The slot is linked before and unlinked after the port that records it, so that the player never
        moves on unheard.
        """
        wanted = self._wanted(call)
        over = [key for key in call.links if key not in wanted]
        for key in sorted(over, key=lambda key: key[2] == "slot"):
            source, sink = call.links.pop(key)
            source.stopTransmit(sink)
        for key, (source, sink) in wanted.items():
            if key not in call.links:
                source.startTransmit(sink)
                call.links[key] = (source, sink)
        player = call.player
        if player is not None:
            running = ("player", player.id, "slot") in call.links
            if running and not player.started:
                self._playing(call.leg_id, player.id, int(player.media.getPos()))
            player.started = running

    def _wanted(self, call: PjCall) -> dict[LinkKey, Link]:
        links: dict[LinkKey, Link] = {}
        if call.slot is None or call.pair is None:
            return links
        links["self", 0, "theirs"] = (call.slot, call.pair.theirs)
        if self.silence is not None:
            links["silence", 0, "slot"] = (self.silence, call.slot)
        feeds: list[tuple[str, int, pj.AudioMedia]] = []
        if call.player is not None and not call.player.paused and call.may_speak:
            feeds.append(("player", call.player.id, call.player.media))
        for leg_id in sorted(call.sources):
            source = self._calls.get(leg_id)
            if source is not None and source.slot is not None:
                feeds.append(("leg", leg_id, source.slot))
        for kind, number, media in feeds:
            links[kind, number, "slot"] = (media, call.slot)
            links[kind, number, "ours"] = (media, call.pair.ours)
        return links

    def rewire_around(self, call: PjCall) -> None:
        """Rewires a leg and all who listen to it."""
        self.rewire(call)
        for other in list(self._calls.values()):
            if call.leg_id in other.sources:
                self.rewire(other)

    def change_slot(self, call: PjCall, slot: pj.AudioMedia | None) -> None:
        """The leg's place on the bridge is another one: its links are made anew by the next rewire.

        The old ones are forgotten, never stopped: they went with the old place, and the bridge takes
        "stop" from a place that is gone as "stop everything" at the other end, or aborts.
        """
        old, call.slot = call.slot, slot
        if old is None:
            return
        for other in self._calls.values():
            for key, link in list(other.links.items()):
                if any(media is old for media in link):
                    del other.links[key]

    def lose_slot(self, call: PjCall) -> None:
        """The leg is leaving the bridge: nobody feeds it or hears it any more."""
        if call.slot is not None:
            self.change_slot(call, None)
            self.rewire_around(call)
