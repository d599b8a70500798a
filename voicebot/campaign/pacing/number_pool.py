"""The campaign's caller numbers take turns; one that is rejected too often rests.  All resting: no dial."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock

from voicebot.campaign.pacing.alarms import AlarmKind, Alarms
from voicebot.campaign.pacing.reputation import Reputation, Sign
from voicebot.clock import Clock
from voicebot.store.masking import mask_phone


@dataclass
class NumberChange:
    """What is new of a number since it was last written down."""

    calls: int = 0
    answered: int = 0
    signs: dict[Sign, int] = field(default_factory=dict)
    last_used_ms: int = 0
    rest: Reputation | None = None
    "It was sent to rest; the counts above are of after that."

    def counted(self, answered: bool, sign: Sign | None) -> None:
        """One more call."""
        self.calls += 1
        self.answered += answered
        if sign is not None:
            self.signs[sign] = self.signs.get(sign, 0) + 1

    def on(self, known: Reputation, now_ms: int) -> Reputation:
        """What is known with this added.  Of two rests the one that lasts longer holds."""
        if self.rest is not None and self.rest.resting_until_ms >= known.resting_until_ms:
            known = self.rest
        now = known.at(now_ms)
        signs = {sign: now.signs.get(sign, 0.0) + self.signs.get(sign, 0) for sign in Sign}
        return replace(
            now,
            calls=now.calls + self.calls,
            answered=now.answered + self.answered,
            signs={sign: count for sign, count in signs.items() if count},
            last_used_ms=max(now.last_used_ms, self.last_used_ms),
        )

    def __add__(self, later: NumberChange) -> NumberChange:
        if later.rest is not None:
            return replace(later, last_used_ms=max(self.last_used_ms, later.last_used_ms))
        signs = {one: self.signs.get(one, 0) + later.signs.get(one, 0) for one in {*self.signs, *later.signs}}
        return NumberChange(
            self.calls + later.calls,
            self.answered + later.answered,
            signs,
            max(self.last_used_ms, later.last_used_ms),
            self.rest,
        )


class NumberPool:
    """`choose` may be called by the store's thread, everything else by the event loop."""

    def __init__(self, clock: Clock, alarms: Alarms) -> None:
        self._clock, self._alarms = clock, alarms
        self._numbers: dict[str, Reputation] = {}
        self._changes: dict[str, NumberChange] = {}
        self._wanting: dict[tuple[str, ...], bool] = {}
        "Groups of numbers that were asked for, and whether all of a group rest."
        self._lock = Lock()

    # ---- asked

    def choose(self, callers: Sequence[str]) -> str | None:
        """The fit number of `callers` that was not used for longest; None when all of them rest."""
        with self._lock:
            now_ms = self._now_ms()
            fit = [one for one in callers if not self._of(one).rests_at(now_ms)]
            self._wanting[tuple(callers)] = not fit
            if not fit:
                return None
            chosen = min(fit, key=lambda one: self._of(one).last_used_ms)
            # Several may be chosen within one millisecond: each is later than all before it.
            used_ms = max(now_ms, 1 + max(one.last_used_ms for one in self._numbers.values()))
            self._numbers[chosen] = replace(self._of(chosen), last_used_ms=used_ms)
            self._change(chosen).last_used_ms = used_ms
            return chosen

    @property
    def any_fit(self) -> bool:
        """False when every number that was ever asked for rests."""
        with self._lock:
            now_ms = self._now_ms()
            return not self._wanting or any(
                not self._of(one).rests_at(now_ms) for group in self._wanting for one in group
            )

    def resting(self) -> dict[str, datetime]:
        """The numbers that rest, and until when."""
        with self._lock:
            now_ms = self._now_ms()
            zone = self._clock.now().tzinfo
            return {
                number: datetime.fromtimestamp(one.resting_until_ms / 1000, zone)
                for number, one in self._numbers.items()
                if one.rests_at(now_ms)
            }

    # ---- told

    def called(self, caller: str, *, answered: bool, sign: Sign | None) -> None:
        """A call from this number is over."""
        with self._lock:
            now_ms = self._now_ms()
            self._numbers[caller] = self._of(caller).with_call(now_ms, answered, sign)
            self._change(caller).counted(answered, sign)
            self._judge(caller, now_ms)
        self.sweep()

    def sweep(self) -> None:
        """Raises and clears the alarms of numbers; to be called once a second."""
        with self._lock:
            now_ms = self._now_ms()
            rests = {number: one for number, one in self._numbers.items() if one.rests_at(now_ms)}
            fit = self._numbers.keys() - rests.keys()
            starved = {group: all(one in rests for one in group) for group in self._wanting if group}
        for number, one in rests.items():
            minutes = math.ceil((one.resting_until_ms - now_ms) / 60_000)
            self._alarms.raised(
                AlarmKind.NUMBER_RESTING, mask_phone(number), f"{one.reason}; rests {minutes} min more"
            )
        for number in fit:
            self._alarms.cleared(AlarmKind.NUMBER_RESTING, mask_phone(number))
        for group, all_rest in starved.items():
            subject = ", ".join(mask_phone(one) for one in group)
            if all_rest:
                self._alarms.raised(AlarmKind.NO_NUMBER, subject, "all of them rest: no dial from them")
            else:
                self._alarms.cleared(AlarmKind.NO_NUMBER, subject)

    # ---- kept

    def take_changes(self) -> dict[str, NumberChange]:
        """What is new since the last time, to be written down."""
        with self._lock:
            changes, self._changes = self._changes, {}
            return changes

    def give_back(self, changes: Mapping[str, NumberChange]) -> None:
        """It could not be written: kept for the next time."""
        with self._lock:
            for number, earlier in changes.items():
                later = self._changes.get(number)
                self._changes[number] = earlier + later if later else earlier

    def restore(self, known: Mapping[str, Reputation]) -> None:
        """What all machines know of the numbers, with what is new here on top."""
        with self._lock:
            now_ms = self._now_ms()
            for number, reputation in known.items():
                change = self._changes.get(number, NumberChange())
                self._numbers[number] = change.on(reputation, now_ms)
                self._judge(number, now_ms)
        self.sweep()

    def _judge(self, number: str, now_ms: int) -> None:
        """Sends a number to rest whose name has become too bad."""
        one = self._numbers[number]
        if (reason := one.bad()) and not one.rests_at(now_ms):
            rested = self._numbers[number] = one.rested(now_ms, reason)
            self._changes[number] = NumberChange(last_used_ms=one.last_used_ms, rest=rested)

    def _of(self, number: str) -> Reputation:
        return self._numbers.setdefault(number, Reputation())

    def _change(self, number: str) -> NumberChange:
        return self._changes.setdefault(number, NumberChange())

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
