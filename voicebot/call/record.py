"""The record of one call: what was said, heard, decided and measured, in seconds since the answer.

The store keeps it encrypted; the report, `voicebot call show` and the inspection read it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from voicebot.store.states import Disposition

Speaker = Literal["bot", "debtor", "agent", "network"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Turn(_Part):
    """One stretch of speech.  Times are seconds since the 200 OK (negative: early media)."""

    speaker: Speaker
    start_s: float
    end_s: float
    text: str
    line_id: str | None = None
    "The approved line, for the bot's turns."
    interrupted: bool = False
    played_to: int | None = None
    "Sample (8 kHz) of the line's prompt up to which the bot's turn was played."
    confidence: float | None = None
    "ASR confidence 0..1, for the callee's turns."


class Decision(_Part):
    """One turn of the dialog policy: what it was told and what it decided."""

    at_s: float
    event: str
    "start, speech, silence, dtmf, machine, verified, not_verified, handoff_failed, hangup"
    text: str = ""
    intent: str | None = None
    confidence: float | None = None
    stage: str | None = None
    level: int = 0
    "Verification: 0 nobody, 1 said it is them, 2 knowledge check passed."
    lines: list[str] = Field(default_factory=list)
    command: str | None = None
    policy_ms: float = 0.0


class Latency(_Part):
    """Answer times of one of the callee's turns, by the bot's own clock."""

    end_of_speech_s: float
    first_audio_s: float
    committed_s: float | None = None
    "The endpointing took the turn for finished."
    text_s: float | None = None
    "Its text was there."
    decided_s: float | None = None
    "The dialog had answered."
    expects: str | None = None
    "What the bot had asked for: digits, a date …"

    @property
    def ms(self) -> float:
        return (self.first_audio_s - self.end_of_speech_s) * 1000


class Event(_Part):
    """Anything else on the timeline: barge_in, dtmf, handoff states, faults."""

    at_s: float
    kind: str
    detail: str = ""


class HandoffRecord(_Part):
    """Times are seconds since the answer; None when the step was not reached."""

    asked_s: float
    ringing_s: float | None = None
    whisper_s: float | None = None
    bridged_s: float | None = None
    ended_s: float | None = None
    agent: str | None = None
    queue: str = "general"
    result: str = "requested"
    "The last state of the handoff's state machine."


class RecordingRef(_Part):
    """Where the stereo recording lies: left is ours (bot and agent), right is the callee."""

    path: str
    sha256: str
    "Of the audio inside the seal (voicebot.store.sealed_file)."
    seconds: float
    sample_rate: int = 8000
    gaps: int = 0
    sealed: bool = True
    "False: the disk had no room for the sealed copy; the next start seals it."


class Rtp(_Part):
    """The call's RTP, both ways.  Loss is a share (0..1); MOS is estimated from loss and delay (G.107)."""

    codec: str
    srtp: bool = False
    received: int
    loss: float
    "Of what the callee sent: never came, or too late to be heard."
    jitter_ms: float
    jitter_max_ms: float
    sent: int
    sent_loss: float | None = None
    "By the callee's RTCP reports; None when there were none."
    rtt_ms: float | None = None
    mos: float | None = None
    "Of what we heard."
    sent_mos: float | None = None
    "Of what the callee heard."
    one_way: Literal["nothing_heard", "not_heard"] | None = None
    "nothing_heard: no packet came; not_heard: the callee reports that ours do not arrive."


class Engines(_Part):
    """What really worked in this call; a silent fall-back would show here."""

    asr: str
    tts: str
    vad: str


class CallRecord(_Part):
    attempt_id: str
    campaign: str
    case_id: str
    phone_masked: str
    digest: str
    "Digest of the approved talk track the call was pinned to."
    pack: str
    "Policy pack id and version."
    caller: str
    worker: str
    dialled_at: datetime
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime
    sip_code: int = 0
    sip_reason: str = ""
    cause: str = ""
    "Why the leg ended, as a kind of `sip.cause`."
    q850: int | None = None
    "The Q.850 cause of the network's Reason header, when it sent one."
    ended_by: Literal["bot", "callee", "agent", "network", "nobody"] = "nobody"
    disposition: Disposition
    promise_date: str | None = None
    callback_at: str | None = None
    stop_list: str | None = None
    hold: str | None = None
    "Stop-list reason and case hold that the call led to."
    turns: list[Turn] = Field(default_factory=list)
    decisions: list[Decision] = Field(default_factory=list)
    events: list[Event] = Field(default_factory=list)
    latencies: list[Latency] = Field(default_factory=list)
    handoff: HandoffRecord | None = None
    recording: RecordingRef | None = None
    rtp: Rtp | None = None
    engines: Engines | None = None
