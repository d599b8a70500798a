"""A talk with a built track by texts and events: no phone, no sound, the real policy.

Reviewers try a track with it, and the tests go through the tracks with it.  What was heard is written as in
a script:

    喂，你好                    what somebody says
    下周三还|date=2025-12-03    the same with the value that our readers find in it
    <verified>                  an event: silence, verified, not_verified, machine, handoff_failed, returned,
                                time_up, hangup
    <0>                         a key
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import get_args

from dialogs.errors import TrackError
from dialogs.manifest import Manifest
from dialogs.policy import Command, Conversation, DialogPolicy, EventKind, Reply, TurnEvent

SAMPLE_SLOTS = {
    "callback_day": "今天",
    "callback_time": "16:30",
    "call_time": "14:30",
    "agent_eta": "一两分钟",
}
"""Run-time values that a campaign fixes before each call."""
Reader = Callable[[str, date], Mapping[str, str]]
"""Finds date, time and money in a text, as the call does; none are found without it."""


@dataclass(frozen=True)
class Spoken:
    """A line that the bot speaks; slots that the ledger fills stand in braces."""

    id: str
    text: str


@dataclass(frozen=True)
class Answer:
    """What the bot says to one thing that was heard, and where the call stands then."""

    heard: str
    intent: str | None
    lines: tuple[Spoken, ...]
    stage: str
    level: int
    listener: str
    asks: int
    "Asks for a promise so far."
    command: Command | None
    reply: Reply

    @property
    def ids(self) -> str:
        """The ids of the lines, joined with +."""
        return "+".join(line.id for line in self.lines)


class Rehearsal:
    """One call.  `policy` serves the digest of `manifest`: DialogService.policy() of the folder of builds."""

    def __init__(
        self,
        policy: DialogPolicy,
        manifest: Manifest,
        *,
        today: date,
        flags: Mapping[str, bool] | None = None,
        slots: Mapping[str, str] = SAMPLE_SLOTS,
        read: Reader = lambda text, today: {},
    ) -> None:
        self._policy, self._manifest, self._today = policy, manifest, today
        self._flags, self._slots, self._read = flags or {}, slots, read
        self._call: Conversation | None = None
        self.answers: list[Answer] = []

    async def __aenter__(self) -> Rehearsal:
        """The callee answers; the first of `answers` is the opening.  DialogUnavailable as policy.open."""
        unknown = set(self._flags) - set(self._manifest.flags)
        if unknown:
            known = ", ".join(self._manifest.flags)
            raise TrackError(f"the track has no flag {sorted(unknown)[0]!r}", f"Known: {known}.")
        self._call = await self._policy.open(
            f"rehearsal-{uuid.uuid4().hex}",
            self._manifest.digest,
            flags=self._flags,
            slots=self._slots,
            today=self._today,
        )
        await self._turn("<start>", TurnEvent("start"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._call is not None:
            await self._call.close()

    @property
    def now(self) -> Answer:
        """The latest answer."""
        return self.answers[-1]

    @property
    def over(self) -> bool:
        """True when the bot has hung up.  A handoff is not the end: tell what came of it."""
        return self.now.command is not None and self.now.command.action == "hangup"

    @property
    def disposition(self) -> str | None:
        """What the call came to, when it is over or a person has it."""
        return self.now.command.disposition if self.now.command else None

    async def hear(self, heard: str) -> Answer:
        """One line of a script.  TrackError when it is written wrongly."""
        return await self._turn(heard, event_of(heard, self._read, self._today))

    async def say(self, text: str) -> Answer:
        """Somebody says `text`, whatever signs it holds."""
        return await self._turn(text, TurnEvent("speech", text=text, values=self._read(text, self._today)))

    async def key(self, digit: str) -> Answer:
        """A key is pressed."""
        return await self._turn(f"<{digit}>", TurnEvent("dtmf", digit=digit))

    async def happens(self, kind: EventKind, text: str = "") -> Answer:
        """An event; `text` is "assistant" for a phone assistant in place of a voicemail box."""
        return await self._turn(f"<{kind}>", TurnEvent(kind, text=text))

    async def _turn(self, heard: str, event: TurnEvent) -> Answer:
        assert self._call is not None, "use the rehearsal as a context: async with Rehearsal(…)"
        reply = await self._call.turn(event)
        answer = Answer(
            heard=heard,
            intent=reply.intent,
            lines=tuple(Spoken(line.id, self._text(line.id, line.slots)) for line in reply.lines),
            stage=reply.stage,
            level=reply.level,
            listener=reply.listener,
            asks=reply.asks,
            command=reply.command,
            reply=reply,
        )
        self.answers.append(answer)
        return answer

    def _text(self, line_id: str, run_slots: Mapping[str, str]) -> str:
        text = self._manifest.lines[line_id].text
        for name, value in run_slots.items():
            text = text.replace(f"{{{name}}}", value)
        return text


def event_of(heard: str, read: Reader = lambda text, today: {}, today: date | None = None) -> TurnEvent:
    """The event that a line of a script stands for.  TrackError when it is no event that there is."""
    if heard.startswith("<") and heard.endswith(">"):
        name, _, detail = heard.strip("<>").partition(" ")
        if name in ("*", "#") or (name.isdigit() and len(name) == 1):
            return TurnEvent("dtmf", digit=name)
        kinds: dict[str, EventKind] = {kind: kind for kind in get_args(EventKind)}
        if name not in kinds:
            raise TrackError(f"there is no event {name!r}", f"Use one of: {', '.join(kinds)}.")
        return TurnEvent(kinds[name], text=detail)
    text, *given = heard.split("|")
    found = dict(read(text, today)) if today else {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign:
            raise TrackError(f"{one!r} gives no value", "Write it as date=2025-12-03.")
        found[name] = value
    return TurnEvent("speech", text=text, values=found)
