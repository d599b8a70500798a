"""What a worker lends to each of its calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dialogs.manifest import Manifest
from dialogs.policy import DialogPolicy
from handoff.settings import QueueSettings
from sip.softphone import Softphone
from voicebot.call.link import Link
from voicebot.call.record import Engines
from voicebot.call.recording_file import Format
from voicebot.speech.asr.client import SpeechService
from voicebot.speech.tts.cache import PromptCache
from voicebot.speech.vad import TwoStageVad
from voicebot.store.encryption import KeyRing


@dataclass(frozen=True)
class Equipment:
    """Shared by the calls of one worker; a call owns none of it."""

    phone: Softphone
    speech: SpeechService
    policy: DialogPolicy
    cache: PromptCache
    link: Link
    manifest: Callable[[str], Manifest]
    new_vad: Callable[[], TwoStageVad]
    mac_of: Callable[[str, str], str]
    "Keyed hash of (case id, four digits)."
    recordings: Path
    recording_format: Format
    keys: KeyRing
    "Recordings are sealed with them."
    hold: Path
    queues: dict[str, QueueSettings]
    engines: Engines
    worker: str
    lead_in_s: float
    "Silence that the trunk wants before the first word."
    now: Callable[[], datetime]
