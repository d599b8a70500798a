"""What the page of one call shows, read from its record: no HTML here, no personal data out of here."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import soundfile as sf

from voicebot.call.record import CallRecord, Decision, Event, HandoffRecord, Latency, Rtp, Turn
from voicebot.call.recording_file import open_recording
from voicebot.quality.envelope import Envelope, read_envelope
from voicebot.quality.redaction import redact, redact_events, redact_turns
from voicebot.quality.timeline import TimelinePicture, draw_timeline
from voicebot.quality.wording import DISPOSITIONS, ENDED_BY, Meaning, length, stamp
from voicebot.store.encryption import KeyRing, Unreadable

SEALED = "The recording is sealed: voicebot call listen, or the desk, opens it for who may hear it."


@dataclass(frozen=True)
class Said:
    """One turn of the dialogue, with the answer time of the bot when this turn is an answer."""

    number: int
    turn: Turn
    answered_in: Latency | None


@dataclass(frozen=True)
class Sound:
    """The recording beside the page.  `note` says why it cannot be played, empty when it can."""

    envelope: Envelope | None
    note: str


@dataclass(frozen=True)
class CallPage:
    record: CallRecord
    meaning: Meaning
    said: list[Said]
    decisions: list[Decision]
    events: list[Event]
    sound: Sound | None
    picture: TimelinePicture | None
    facts: list[tuple[str, str]]

    @property
    def seconds(self) -> float | None:
        """Talk time, answer to end; None when nobody answered."""
        return talk_seconds(self.record)

    @property
    def median_ms(self) -> float | None:
        """Median answer time by the bot's own clock."""
        answers = [latency.ms for latency in self.record.latencies]
        return statistics.median(answers) if answers else None

    @property
    def handoff(self) -> str:
        """One word for the table: empty when nobody asked for an agent."""
        handoff = self.record.handoff
        if handoff is None:
            return ""
        return "bridged" if handoff.bridged_s is not None else handoff.result.replace("_", " ")


def talk_seconds(record: CallRecord) -> float | None:
    """Seconds from answer to end, None when the call was not answered."""
    if record.answered_at is None:
        return None
    return (record.ended_at - record.answered_at).total_seconds()


def read_call(record: CallRecord, names: Sequence[str] = (), keys: KeyRing | None = None) -> CallPage:
    """Reads the recording, draws the picture, masks the words.  `names` are the people of the case.

    Without `keys` the recording stays sealed.
    """
    turns = redact_turns(record, names)
    sound = _sound(record, keys) if record.recording else None
    envelope = sound.envelope if sound else None
    picture = draw_timeline(record, envelope, [turn.text for turn in turns]) if turns or envelope else None
    return CallPage(
        record=record,
        meaning=DISPOSITIONS[record.disposition],
        said=_dialogue(turns, record.latencies),
        decisions=[
            decision.model_copy(update={"text": redact(decision.text, "debtor", names)})
            for decision in record.decisions
        ],
        events=redact_events(record, names),
        sound=sound,
        picture=picture,
        facts=call_facts(record),
    )


def _sound(record: CallRecord, keys: KeyRing | None) -> Sound:
    assert record.recording is not None
    if keys is None:
        return Sound(None, SEALED)
    try:
        with open_recording(record.recording, record.attempt_id, keys) as audio:
            if hashlib.file_digest(audio, "sha256").hexdigest() != record.recording.sha256:
                return Sound(None, "The recording does not match its checksum: it was changed.")
            audio.seek(0)
            return Sound(read_envelope(audio), "")
    except FileNotFoundError:
        return Sound(None, "The recording is not where the record says: it cannot be played here.")
    except Unreadable as fault:
        return Sound(None, f"The recording cannot be opened: {fault}.")
    except sf.LibsndfileError:
        return Sound(None, "The recording is no audio file: it cannot be played here.")


def _dialogue(turns: Sequence[Turn], latencies: Sequence[Latency]) -> list[Said]:
    """Gives each answer time to the bot's turn in which it ended."""
    answers: dict[int, Latency] = {}
    ours = [number for number, turn in enumerate(turns) if turn.speaker == "bot"]
    for latency in latencies:
        if ours:
            nearest = min(ours, key=lambda number: abs(turns[number].start_s - latency.first_audio_s))
            answers[nearest] = latency
    order = sorted(range(len(turns)), key=lambda number: turns[number].start_s)
    return [Said(number + 1, turns[number], answers.get(number)) for number in order]


def _sound_fact(rtp: Rtp) -> str:
    """One line: what was heard, and what the callee says it heard."""
    if rtp.one_way == "nothing_heard":
        return f"{rtp.codec}: no packet came"
    mos = f", MOS about {rtp.mos:.1f}" if rtp.mos is not None else ""
    heard = f"{rtp.loss:.1%} lost, jitter {rtp.jitter_ms:.0f} ms{mos}"
    if rtp.one_way == "not_heard":
        sent = "the callee reports that it hears nothing"
    elif rtp.sent_loss is None:
        sent = "the callee does not report what it hears"
    else:
        sent = f"of ours {rtp.sent_loss:.1%} lost"
    return f"{rtp.codec}{' over SRTP' if rtp.srtp else ''}: {heard}; {sent}"


def call_facts(record: CallRecord) -> list[tuple[str, str]]:
    """The header of a call as (name, value), nothing personal among them."""
    seconds = talk_seconds(record)
    sip = f"{record.sip_code} {record.sip_reason}".strip() if record.sip_code else "none"
    if record.q850 is not None:
        sip += f" (Q.850 cause {record.q850})"
    facts = [
        ("Dialled", f"{record.dialled_at:%Y-%m-%d %H:%M:%S %Z}"),
        ("Ringing", f"{record.ringing_at:%H:%M:%S}" if record.ringing_at else "no"),
        ("Answered", f"{record.answered_at:%H:%M:%S}" if record.answered_at else "no"),
        ("Ended", f"{record.ended_at:%H:%M:%S}, by {ENDED_BY[record.ended_by]}"),
        ("Talk time", length(seconds) if seconds is not None else "none"),
        ("SIP result", sip),
        ("Caller number", record.caller),
        ("Worker", record.worker),
        ("Policy pack", record.pack),
        ("Talk track", record.digest),
    ]
    if record.rtp:
        facts.append(("Sound", _sound_fact(record.rtp)))
    if record.engines:
        engines = record.engines
        facts.append(("Engines", f"{engines.asr} · {engines.tts} · {engines.vad}"))
    if record.promise_date:
        facts.append(("Promised for", record.promise_date))
    if record.callback_at:
        facts.append(("Call-back at", record.callback_at))
    if record.handoff:
        facts.append(("Handoff", _handoff_fact(record.handoff)))
    if recording := record.recording:
        gaps = f", {recording.gaps} gaps" if recording.gaps else ", no gaps"
        facts.append(("Recording", f"{length(recording.seconds)}{gaps}, sha256 {recording.sha256[:16]}…"))
    return facts


def _handoff_fact(handoff: HandoffRecord) -> str:
    words = [f"asked at {stamp(handoff.asked_s)}"]
    if handoff.bridged_s is not None:
        words.append(f"bridged {handoff.bridged_s - handoff.asked_s:.1f} s later")
    if handoff.agent:
        words.append(handoff.agent)
    return ", ".join([*words, f"ended as {handoff.result.replace('_', ' ')}"])
