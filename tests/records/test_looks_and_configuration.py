"""Looks at data and changes of the files that runs work by stand in the chain, without anything personal."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from tests.campaign.site import LedgerSite
from tests.records.conftest import NAME, NUMBER
from voicebot.store.audit_check import check
from voicebot.store.configuration import note_configuration
from voicebot.store.looks import note_look
from voicebot.store.models import AuditRow, OutboxRow


def test_files_are_noted_when_they_change(site: LedgerSite, tmp_path: Path) -> None:
    files = [tmp_path / "site.yaml", tmp_path / "trunks.yaml"]
    files[0].write_text("a")
    assert note_configuration(site.store, site.clock, "spring", files) == [str(files[0])]
    assert note_configuration(site.store, site.clock, "spring", files) == []
    files[1].write_text("b")
    assert note_configuration(site.store, site.clock, "spring", files) == [str(files[1])]
    files[1].unlink()
    assert note_configuration(site.store, site.clock, "spring", files) == [str(files[1])]
    with site.store.reading() as connection:
        kinds = connection.execute(select(AuditRow.kind)).scalars().all()
    assert kinds.count("configuration") == 3


def test_nothing_personal_stands_in_the_chain(site: LedgerSite, called: list[str]) -> None:
    note_look(site.store, site.clock, "compliance-zhao", "recording", called[0], "complaint 17")
    assert check(site.store).faults == []
    with site.store.reading() as connection:
        links = connection.execute(select(AuditRow.data, AuditRow.subject)).all()
        rows = connection.execute(select(OutboxRow.events)).all()
    written = repr(links) + repr(rows)
    assert "complaint 17" in written and called[1] in written
    assert all(one not in written for one in (NAME, NUMBER.format(2), "13800000002", "520.40", "52040"))
