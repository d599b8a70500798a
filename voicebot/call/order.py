"""What the supervisor tells a worker about one call to place, and about the services it may use."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from sip.ports import HIGHEST, LOWEST
from sip.trunk import Trunk


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class CaseSlot(_Message):
    """A typed value of the ledger: money in fen, dates ISO, text as it is."""

    type: str
    value: str


class DialOrder(_Message):
    """One attempt that the gate allowed.  Lives in memory and on the Unix socket only."""

    attempt_id: str
    campaign: str
    case_id: str
    phone_masked: str
    request_uri: str
    "SIP Request-URI, with the number: personal data."
    caller_uri: str
    caller: str
    headers: tuple[tuple[str, str], ...] = ()
    "Further headers of the INVITE, as the trunk wants them."
    digest: str
    pack: str
    voice: str
    slots: dict[str, CaseSlot]
    run_slots: dict[str, str]
    "callback_time, agent_eta: normalised values fixed before the call."
    flags: dict[str, bool]
    tail_mac: str | None
    "Keyed hash of the identity number's last four, to compare with."
    queue: str
    ring_s: float
    voicemail: Literal["hang_up", "leave_line"] = "hang_up"
    simulated_now: datetime | None = None
    "The simulation clock when the order was given, in simulated campaigns."
    today: date


class Services(_Message):
    """Where a worker finds the rest of the site."""

    speech_socket: Path
    dialog_url: str
    dialog_token: str
    tracks: Path
    prompts: Path
    recordings: Path
    recording_format: Literal["flac", "opus"] = "flac"
    silero: Path
    key_file: Path
    "The site's keys: for the knowledge check's keyed hash, and to seal recordings."
    sip_ip: str
    sip_ports: tuple[int, int] = (LOWEST, HIGHEST)
    trunk: Trunk
    "Where debtor legs go out.  Its secret is not in here: the worker reads it where the settings say."
    calls: int
    "Debtor legs that this worker may have at once."
    asr_engine: str
    queues_file: Path
