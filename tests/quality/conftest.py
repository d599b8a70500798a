"""Made-up calls and a made-up recording: what a demo leaves behind, without placing a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf

from voicebot.call.record import (
    CallRecord,
    Decision,
    Engines,
    Event,
    HandoffRecord,
    Latency,
    RecordingRef,
    Turn,
)
from voicebot.store.bindings import recording_binding
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import AttemptRow, CampaignRow, CaseRow, ContactRow, DebtorRow
from voicebot.store.records import save_record
from voicebot.store.sealed_file import seal_file
from voicebot.store.states import Disposition

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 6, 10, 10, 0, tzinfo=ZONE)
DIGEST = "9f2c41d07be35a6888d1e0c4b7a95f3320c6e1d4aa0b7c55e2f19d8834ab6f01"
ENGINES = Engines(asr="whisper-base-int8", tts="kokoro:zf_xiaoxiao", vad="webrtcvad+silero")


def voice(seconds: float, seed: int) -> npt.NDArray[np.float64]:
    """Something with the loudness pattern of speech: noise in syllables of 0.2 s."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 8000)) / 8000
    syllables = np.abs(np.sin(np.pi * t / 0.22)) * (0.5 + 0.5 * np.abs(np.sin(t * 1.7 + seed)))
    return rng.normal(0, 0.14, len(t)) * syllables


KEYS = KeyRing(1, {1: bytes(32)}, bytes(32))
"""Those that the recordings are sealed with."""


def record_sound(path: Path, attempt_id: str, turns: list[Turn], seconds: float) -> RecordingRef:
    """A sealed stereo file whose channels sound where the turns say so."""
    sound = np.random.default_rng(1).normal(0, 0.0008, (int(seconds * 8000), 2))
    for number, turn in enumerate(turns):
        at = int(turn.start_s * 8000)
        spoken = voice(turn.end_s - turn.start_s, number)[: len(sound) - at]
        sound[at : at + len(spoken), 0 if turn.speaker in ("bot", "agent") else 1] += spoken
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, np.clip(sound, -1, 1), 8000, subtype="PCM_16")
    sealed = path.with_name(path.name + ".sealed")
    digest = seal_file(path, sealed, KEYS, recording_binding(attempt_id))
    path.unlink()
    return RecordingRef(path=str(sealed), sha256=digest, seconds=seconds)


def call(
    number: int, disposition: Disposition, *, answered: bool = True, seconds: float = 20, **more: object
) -> CallRecord:
    """One call; the number makes ids, phone and times."""
    dialled = START + timedelta(seconds=7 * number)
    fields: dict[str, object] = {
        "attempt_id": f"a{number:03d}7c41e09d2b84",
        "campaign": "demo",
        "case_id": f"DEMO-{number:03d}",
        "phone_masked": f"138****{1000 + number}",
        "digest": DIGEST,
        "pack": "cn-gbt45251-2025 0.1.0",
        "caller": "+862150001234",
        "worker": "worker-1",
        "dialled_at": dialled,
        "ringing_at": dialled + timedelta(seconds=0.4),
        "answered_at": dialled + timedelta(seconds=2) if answered else None,
        "ended_at": dialled + timedelta(seconds=2 + seconds),
        "sip_code": 200,
        "sip_reason": "OK",
        "ended_by": "bot",
        "disposition": disposition,
        "engines": ENGINES if answered else None,
    }
    return CallRecord.model_validate(fields | more)


def promise(folder: Path) -> CallRecord:
    turns = [
        Turn(
            speaker="bot",
            start_s=0.9,
            end_s=8.4,
            line_id="C.open",
            text="您好，本次通话由AI合成语音提供，并会全程录音。我是晨光消费金融的客服，请问您是张伟本人吗？",
        ),
        Turn(speaker="debtor", start_s=9.1, end_s=9.9, text="是我", confidence=0.93),
        Turn(
            speaker="bot",
            start_s=10.5,
            end_s=15.8,
            line_id="C.verify",
            text="为保护您的个人信息，请说一下身份证号码的最后四位，在键盘上输入也可以。",
        ),
        Turn(speaker="debtor", start_s=16.6, end_s=18.5, text="一二三四", confidence=0.81),
        Turn(
            speaker="bot",
            start_s=19.2,
            end_s=24.9,
            line_id="A.post",
            interrupted=True,
            text="跟您核对一下，截至今天，您的消费贷本期一千二百三十四元五角还没有入账",
        ),
        Turn(
            speaker="debtor",
            start_s=24.1,
            end_s=26.6,
            text="周五还，打我13812345678",
            confidence=0.77,
        ),
        Turn(
            speaker="bot",
            start_s=27.3,
            end_s=31.6,
            line_id="A.ptp",
            text="好的，我记一下，您打算六月十二号星期五处理一千二百三十四元五角，对吗？",
        ),
        Turn(speaker="debtor", start_s=32.2, end_s=32.9, text="对", confidence=0.95),
        Turn(
            speaker="bot",
            start_s=33.4,
            end_s=38.0,
            line_id="C.bye",
            text="好的，感谢接听。这通电话您可以随时拨打95533核实，祝您生活愉快，再见。",
        ),
    ]
    decisions = [
        Decision(at_s=0.8, event="start", stage="open", lines=["C.open"], policy_ms=21.4),
        Decision(
            at_s=10.3, event="speech", text="是我", intent="C.yes_self", confidence=0.97, stage="verify",
            level=1, lines=["C.verify"], policy_ms=34.0,
        ),
        Decision(at_s=19.0, event="verified", stage="state", level=2, lines=["A.post"], policy_ms=18.2),
        Decision(
            at_s=27.1, event="speech", text="周五还，打我13812345678", intent="A.promise",
            confidence=0.91, stage="confirm", level=2, lines=["A.ptp"], policy_ms=29.9,
        ),
        Decision(
            at_s=33.2, event="speech", text="对", intent="yes", confidence=0.99, stage="close", level=2,
            lines=["C.bye"], command="hangup PTP", policy_ms=25.1,
        ),
    ]  # fmt: skip
    return call(
        1,
        Disposition.PTP,
        seconds=38.4,
        promise_date="2026-06-12",
        turns=turns,
        decisions=decisions,
        events=[
            Event(at_s=16.9, kind="dtmf", detail="1"),
            Event(at_s=17.2, kind="dtmf", detail="2"),
            Event(at_s=17.6, kind="dtmf", detail="3"),
            Event(at_s=18.0, kind="dtmf", detail="4"),
            Event(at_s=24.3, kind="barge_in", detail="yield"),
        ],
        latencies=[
            Latency(end_of_speech_s=9.9, first_audio_s=10.5),
            Latency(end_of_speech_s=18.5, first_audio_s=19.22),
            Latency(end_of_speech_s=26.6, first_audio_s=28.2),
            Latency(end_of_speech_s=32.9, first_audio_s=33.42),
        ],
        recording=record_sound(folder / "a001.wav", "a0017c41e09d2b84", turns, 38.4),
    )


def handed_over(folder: Path) -> CallRecord:
    turns = [
        Turn(speaker="bot", start_s=0.8, end_s=7.6, line_id="C.open", text="您好，本次通话会全程录音。"),
        Turn(speaker="debtor", start_s=8.3, end_s=9.4, text="转人工，快点", confidence=0.9),
        Turn(
            speaker="bot",
            start_s=10.0,
            end_s=14.1,
            line_id="C.human",
            text="好的，正在转接人工。",
        ),
        Turn(speaker="agent", start_s=21.5, end_s=25.0, text="您好，我是客服，请讲。"),
        Turn(speaker="debtor", start_s=25.8, end_s=30.9, text="我想问一下分期的事情", confidence=0.86),
        Turn(speaker="agent", start_s=31.6, end_s=36.0, text="可以的，我帮您登记。"),
    ]
    return call(
        2,
        Disposition.HUMAN,
        seconds=37.0,
        ended_by="callee",
        turns=turns,
        decisions=[
            Decision(
                at_s=9.9, event="speech", text="转人工，快点", intent="C.ask_human", confidence=0.98,
                stage="handoff", lines=["C.human"], command="handoff general", policy_ms=27.0,
            )
        ],
        events=[Event(at_s=10.1, kind="handoff_reserving")],
        latencies=[Latency(end_of_speech_s=9.4, first_audio_s=10.0)],
        handoff=HandoffRecord(
            asked_s=10.0, ringing_s=14.2, whisper_s=16.4, bridged_s=21.2, ended_s=37.0,
            agent="agent1001", result="wrap_up",
        ),
        recording=record_sound(folder / "a002.wav", "a0027c41e09d2b84", turns, 37.0),
    )  # fmt: skip


def empty_number() -> CallRecord:
    said = "您好，您拨打的号码是空号，请核对后再拨。"
    return call(
        3,
        Disposition.EMPTY_NUMBER,
        answered=False,
        seconds=6.0,
        sip_code=404,
        sip_reason="Not Found",
        ended_by="network",
        turns=[Turn(speaker="network", start_s=-5.2, end_s=-0.8, text=said, confidence=0.88)],
        decisions=[Decision(at_s=-0.5, event="machine", text=said)],
    )


class Refused:
    """As the ledger's RefusedRow."""

    def __init__(self, case_id: str, phone_masked: str, rule: str, reason: str, zh: str) -> None:
        self.case_id, self.phone_masked = case_id, phone_masked
        self.rule, self.reason, self.zh = rule, reason, zh


@pytest.fixture
def records(tmp_path: Path) -> list[CallRecord]:
    folder = tmp_path / "recordings"
    return [
        promise(folder),
        handed_over(folder),
        empty_number(),
        call(4, Disposition.BUSY, answered=False, seconds=1, sip_code=486, sip_reason="Busy Here"),
    ]


@pytest.fixture
def refused() -> list[Refused]:
    return [
        Refused("DEMO-019", "139****0019", "G09", "STOP_LIST", "已列入禁拨名单"),
        Refused("DEMO-020", "139****0020", "G11", "TOOL_NOT_FILED", "外呼号码未备案或已失效"),
    ]


@pytest.fixture
def make_call() -> Callable[..., CallRecord]:
    return call


@pytest.fixture
def engines() -> Engines:
    return ENGINES


@pytest.fixture
def start() -> datetime:
    return START


@pytest.fixture
def store(tmp_path: Path, records: list[CallRecord]) -> Iterator[Store]:
    """A real store with the made-up calls; each case knows two people."""
    keys = KeyRing.create(tmp_path / "keys.json")
    opened = Store.open(f"sqlite:///{tmp_path / 'store.sqlite'}", keys)
    with opened.session() as session:
        session.add(
            CampaignRow(
                id="c1", name="demo", state="done", institution="晨光", digest="d", file={}, created_ms=1
            )
        )
        session.flush()
        for number, record in enumerate(records, start=1):
            session.add(DebtorRow(id=number, bix=bytes([number]) * 16, institution="晨光"))
            session.flush()
            session.add(
                CaseRow(
                    id=number,
                    campaign_id="c1",
                    case_id=record.case_id,
                    debtor_id=number,
                    record_ct=b"",
                    flags={},
                )
            )
            session.flush()
            for which, name in ((number, "张伟"), (100 + number, "李娜")):
                session.add(
                    ContactRow(
                        id=which,
                        campaign_id="c1",
                        case_pk=number,
                        party="debtor",
                        name_ct=keys.encrypt(name, f"contact.name:{number}"),
                        state="done",
                    )
                )
            session.flush()
            session.add(
                AttemptRow(
                    id=record.attempt_id,
                    campaign_id="c1",
                    case_pk=number,
                    contact_id=number,
                    debtor_id=number,
                    number=1,
                    state="closed",
                    due_ms=0,
                    rank=number,
                    reserved=[],
                    disposition=record.disposition,
                    sip_code=record.sip_code,
                    planned_ms=0,
                )
            )
    for record in records:
        save_record(opened, record)
    yield opened
    opened.close()


@pytest.fixture
def recording_keys() -> KeyRing:
    """What opens the recordings."""
    return KEYS
