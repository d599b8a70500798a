"""What happened in one call, as it happens; at the end it becomes the CallRecord."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from dialogs.policy import Reply, TurnEvent
from sip.cause import Cause, q850_cause
from sip.rtp_stats import RtpStats
from voicebot.call.listening import Utterance
from voicebot.call.order import DialOrder
from voicebot.call.record import (
    CallRecord,
    Decision,
    Engines,
    Event,
    HandoffRecord,
    Latency,
    RecordingRef,
    Speaker,
    Turn,
)
from voicebot.call.sound import rtp_of
from voicebot.call.verification import MASKED_TEXT
from voicebot.store.states import Disposition

EndedBy = Literal["bot", "callee", "agent", "network", "nobody"]
SILENCE = bytes(320)


class Transcript:
    """Collects turns, decisions and events with times in seconds since the answer."""

    def __init__(self, order: DialOrder, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._order, self._now, self._monotonic = order, now, monotonic
        self.dialled_at = now()
        self.ringing_at: datetime | None = None
        self.answered_at: datetime | None = None
        self._answered: float | None = None
        self.turns: list[Turn] = []
        self.decisions: list[Decision] = []
        self.events: list[Event] = []
        self.latencies: list[Latency] = []
        self.handoff: HandoffRecord | None = None
        self._unanswered: Utterance | None = None
        self._asked_for: str | None = None
        self._decided_s: float | None = None
        self._bot_ended_s = 0.0
        self.stop_list: str | None = None
        self.hold: str | None = None

    def answered(self) -> None:
        """The 200 OK: clocks start here."""
        self.answered_at, self._answered = self._now(), self._monotonic()

    @property
    def at_s(self) -> float:
        """Seconds since the answer; negative while it rings is not known yet and is 0."""
        return 0.0 if self._answered is None else round(self._monotonic() - self._answered, 3)

    def event(self, kind: str, detail: str = "") -> None:
        self.events.append(Event(at_s=self.at_s, kind=kind, detail=detail))

    def heard(self, utterance: Utterance, speaker: Speaker, *, masked: bool = False) -> None:
        """A finished utterance.  `masked`: it held the digits of the knowledge check."""
        turn = Turn(
            speaker=speaker,
            start_s=round(utterance.start_s, 2),
            end_s=round(utterance.end_s, 2),
            text=MASKED_TEXT if masked else utterance.text,
            confidence=round(utterance.confidence, 3),
        )
        self.turns.append(turn)

    def speech_ended(self, utterance: Utterance, asked_for: str | None = None) -> None:
        """The callee's turn that the bot answers next: the latency runs from its end.

        What began while the bot was speaking waited for its line to end; that is no answer time.
        """
        if utterance.start_s >= self._bot_ended_s:
            self._unanswered, self._asked_for, self._decided_s = utterance, asked_for, None

    def bot_audible(self) -> None:
        """The first audible tick of a prompt."""
        if (said := self._unanswered) is not None:
            self.latencies.append(
                Latency(
                    end_of_speech_s=said.end_s,
                    first_audio_s=self.at_s,
                    committed_s=round(said.committed_s, 3),
                    text_s=round(said.text_s, 3),
                    decided_s=self._decided_s,
                    expects=self._asked_for,
                )
            )
            self._unanswered = None

    def said(
        self,
        line_id: str,
        text: str,
        start_s: float,
        end_s: float,
        *,
        interrupted: bool,
        played_to: int | None = None,
    ) -> None:
        """A line of ours; `played_to` is the sample of its prompt up to which it was played."""
        self._bot_ended_s = end_s
        self.turns.append(
            Turn(
                speaker="bot",
                start_s=round(start_s, 2),
                end_s=round(end_s, 2),
                text=text,
                line_id=line_id,
                interrupted=interrupted,
                played_to=played_to,
            )
        )

    def wishes(self, stop_list: str | None, hold: str | None) -> None:
        """What the callee's words oblige us to; kept in the record in case writing it at once failed."""
        self.stop_list, self.hold = stop_list or self.stop_list, hold or self.hold

    def decided(self, event: TurnEvent, reply: Reply, *, masked: bool = False) -> None:
        command = reply.command
        self._decided_s = self.at_s
        self.decisions.append(
            Decision(
                at_s=self.at_s,
                event=event.kind,
                text=MASKED_TEXT if masked else event.text,
                intent=reply.intent,
                confidence=reply.confidence,
                stage=reply.stage,
                level=reply.level,
                lines=[line.id for line in reply.lines],
                command=f"{command.action} {command.disposition}" if command else None,
                policy_ms=round(reply.took_ms, 1),
            )
        )

    def record(
        self,
        disposition: Disposition,
        *,
        worker: str,
        ended_by: EndedBy,
        cause: Cause | None,
        rtp: RtpStats,
        promise_date: str | None = None,
        callback_at: str | None = None,
        recording: RecordingRef | None = None,
        engines: Engines | None = None,
    ) -> CallRecord:
        order = self._order
        return CallRecord(
            attempt_id=order.attempt_id,
            campaign=order.campaign,
            case_id=order.case_id,
            phone_masked=order.phone_masked,
            digest=order.digest,
            pack=order.pack,
            caller=order.caller,
            worker=worker,
            dialled_at=self.dialled_at,
            ringing_at=self.ringing_at,
            answered_at=self.answered_at,
            ended_at=self._now(),
            sip_code=cause.code if cause else 200 if self.answered_at else 0,
            sip_reason=cause.reason if cause else "",
            cause=cause.kind.value if cause else "",
            q850=q850_cause(cause.headers) if cause else None,
            rtp=rtp_of(rtp),
            ended_by=ended_by,
            disposition=disposition,
            promise_date=promise_date,
            callback_at=callback_at,
            stop_list=self.stop_list,
            hold=self.hold,
            turns=sorted(self.turns, key=lambda turn: turn.start_s),
            decisions=self.decisions,
            events=self.events,
            latencies=self.latencies,
            handoff=self.handoff,
            recording=recording,
            engines=engines,
        )
