"""A small site over each engine, with calls that were made and recorded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.campaign.site import LedgerSite, build, row
from tests.store.stores import clock, keys, postgresql, store, store_url
from voicebot.call.record import CallRecord, RecordingRef, Turn
from voicebot.call.recorder import Recorder
from voicebot.call.recording_file import part_file
from voicebot.campaign.ledger import Claim
from voicebot.clock import ManualClock
from voicebot.store.audit import AuditChain
from voicebot.store.checkpoints import Checkpoints
from voicebot.store.database import Store
from voicebot.store.records import save_record
from voicebot.store.states import AttemptState, Disposition

__all__ = ["clock", "keys", "postgresql", "store", "store_url"]
NAME, NUMBER = "张伟", "+86138{:08d}"


@pytest.fixture
def site(store: Store, clock: ManualClock, tmp_path: Path) -> LedgerSite:
    return build(store, clock, tmp_path, lambda: True)


@pytest.fixture
def called(site: LedgerSite, tmp_path: Path) -> Iterator[list[str]]:
    """Three recorded calls; everything is sealed and signed."""
    yield three_calls(site, tmp_path)


def three_calls(site: LedgerSite, folder: Path) -> list[str]:
    made = calls(site, folder / "runs" / "spring" / "one" / "recordings", 3)
    AuditChain(site.store, site.clock).append("stop_list_added", "a person", {"reason": "STOP_REQUEST"})
    seal(site, folder)
    return made


def calls(site: LedgerSite, folder: Path, n: int) -> list[str]:
    campaign = site.enrol(*(row(number) for number in range(1, n + 1)))
    claims = site.ledger.claim(campaign, "w1", n)
    for claim in claims:
        site.dial(claim)
        site.ledger.mark(claim.attempt_id, AttemptState.ANSWERED)
        save_record(site.store, record_of(site, claim, recorded(site, folder, claim.attempt_id)))
        site.ledger.close(claim.attempt_id, Disposition.PTP, answered=True)
    return [claim.attempt_id for claim in claims]


def dialled(site: LedgerSite) -> str:
    claim = site.claim_one(site.enrol(row(1)))
    site.dial(claim)
    return claim.attempt_id


def died(site: LedgerSite, folder: Path) -> tuple[str, Path]:
    """A call whose process died: two seconds of samples that nobody holds."""
    folder.mkdir(parents=True, exist_ok=True)
    attempt_id = dialled(site)
    part = part_file(folder, attempt_id, "flac")
    part.write_bytes(bytes(2 * 32000))
    return attempt_id, part


def recorded(site: LedgerSite, folder: Path, attempt_id: str) -> RecordingRef:
    recorder = Recorder(folder, attempt_id, site.store.keys)
    for tick in range(60):
        recorder.on_tick(bytes([tick, 1]) * 160, bytes([tick, 2]) * 160, tick * 0.02)
    sealed = recorder.seal()
    assert sealed is not None
    return sealed


def record_of(site: LedgerSite, claim: Claim, recording: RecordingRef | None) -> CallRecord:
    now = site.clock.now()
    return CallRecord(
        attempt_id=claim.attempt_id,
        campaign=claim.campaign,
        case_id=claim.case_id,
        phone_masked=claim.phone_masked,
        digest=claim.digest,
        pack=claim.pack,
        caller=claim.caller,
        worker="w1",
        dialled_at=now,
        answered_at=now + timedelta(seconds=4),
        ended_at=now + timedelta(seconds=40),
        sip_code=200,
        ended_by="bot",
        disposition=Disposition.PTP,
        promise_date="2026-03-06",
        turns=[
            Turn(speaker="bot", start_s=0.5, end_s=6.0, text="您好", line_id="C.open", played_to=44000),
            Turn(speaker="debtor", start_s=6.5, end_s=7.5, text="是我，周五还"),
        ],
        recording=recording,
    )


def seal(site: LedgerSite, folder: Path) -> None:
    Checkpoints(site.store, site.clock, folder / "checkpoints.jsonl").sign_all()
