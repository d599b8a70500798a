"""What a power cut or the machine's rights did is no reason to read nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.site import LedgerSite, build
from tests.records.conftest import three_calls
from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain
from voicebot.store.audit_check import check
from voicebot.store.checkpoints import Checkpoints, read_checkpoints
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing


@pytest.fixture
def site(clock: ManualClock, keys: KeyRing, tmp_path: Path) -> LedgerSite:
    return build(Store.open(f"sqlite:///{tmp_path / 'store.db'}", keys), clock, tmp_path, lambda: True)


@pytest.fixture
def called(site: LedgerSite, tmp_path: Path) -> list[str]:
    return three_calls(site, tmp_path)


def test_a_torn_line_of_the_checkpoints_takes_no_other_with_it(
    site: LedgerSite, called: list[str], tmp_path: Path
) -> None:
    """A full disk or a power cut: the next one begins on a line of its own, and the whole ones are read."""
    file = tmp_path / "checkpoints.jsonl"
    before = read_checkpoints(file)
    for kept in (5, 60, -1):
        with file.open("ab") as lines:
            lines.write(file.read_bytes().splitlines(keepends=True)[0][:kept].rstrip(b"\n")[:-1])
        assert read_checkpoints(file) == before
        AuditChain(site.store, site.clock).append("note", "x", {})
        made = Checkpoints(site.store, site.clock, file).sign()
        assert made is not None
        before.append(made)
        assert read_checkpoints(file) == before
    file.write_bytes(file.read_bytes() + b"something else\n")
    with pytest.raises(InputError):
        read_checkpoints(file)


def test_a_recording_that_cannot_be_read_stops_no_verification(
    site: LedgerSite, called: list[str], tmp_path: Path
) -> None:
    (file,) = tmp_path.rglob(f"{called[1]}*.sealed")
    file.unlink()
    file.mkdir()
    verdict = check(site.store)
    assert [called[1] in fault.record and "cannot be read" in fault.why for fault in verdict.faults] == [True]
