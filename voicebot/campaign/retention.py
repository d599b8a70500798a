"""Deleting records when their time has come, and a record of what was deleted.

The policy pack decides about each one (rule CN-RC-03): its years have passed, and its case is under no legal
hold.  Recording, transcript and the agent's form go; what the call came to, the decisions and the audit chain
stay, for nothing personal is in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from voicebot.clock import Clock
from voicebot.policy.gate import Decision, Gate
from voicebot.policy.overrides import with_overrides
from voicebot.settings import Site
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.bindings import record_binding
from voicebot.store.case_marks import CaseMarks
from voicebot.store.chained_evidence import DELETED
from voicebot.store.database import Store
from voicebot.store.models import (
    AttemptRow,
    CampaignRow,
    CaseRow,
    DeskCallRow,
    RecordingRow,
    RecordRow,
)
from voicebot.store.records import keep_recording, load_record

YEAR_DAYS = 365.25
YEARS = "retention.years"


@dataclass(frozen=True)
class Kept:
    """A record or recording, how old it is, and what the pack says about deleting it."""

    attempt_id: str
    case_id: str
    institution: str
    product: str
    at: datetime
    age_years: float
    decision: Decision
    file: Path | None
    "None: there is no recording, or it is gone already."
    sha256: str

    @property
    def may_go(self) -> bool:
        return self.decision.allowed


class NotHere(Exception):
    """The recording is not on this machine: another one of the site has it, or it is lost."""


class Retention:
    """Asks the pack about each record, and deletes what may go."""

    def __init__(self, store: Store, site: Site, clock: Clock) -> None:
        """InputError when a product's years are below the pack's bound."""
        self._store, self._site, self._clock = store, site, clock
        self._marks = CaseMarks(store, clock)
        self._gates: dict[tuple[str, str], Gate] = {}
        for product in site.recording.retention_years:
            self._gate("", product)

    def _gate(self, institution: str, product: str) -> Gate:
        """The packs with the years of a product, where the site sets them."""
        key = (institution, product)
        if key not in self._gates:
            packs = self._site.packs(institution or None)
            if (years := self._site.recording.retention_years.get(product)) is not None:
                packs = [
                    with_overrides(pack, {YEARS: years} if YEARS in pack.params else {}) for pack in packs
                ]
            self._gates[key] = Gate(packs, self._clock)
        return self._gates[key]

    def due(self, older_than_years: float = 0.0) -> Iterator[Kept]:
        """Records and recordings that are so old, the oldest first, with the decision on each.

        Also those that were deleted while the file stayed: the machine stopped, or did not let it go.
        """
        now = self._clock.now()
        before_ms = moment_ms(now) - int(older_than_years * YEAR_DAYS * 86_400_000)
        at_ms = func.coalesce(RecordRow.saved_ms, RecordingRow.saved_ms)
        query = (
            select(
                AttemptRow.id,
                CaseRow.campaign_id,
                CaseRow.case_id,
                CaseRow.record_ct,
                CampaignRow.institution,
                RecordRow.attempt_id.label("kept"),
                RecordingRow.file,
                RecordingRow.sha256,
                RecordingRow.state,
                at_ms.label("at_ms"),
            )
            .join(CaseRow, CaseRow.id == AttemptRow.case_pk)
            .join(CampaignRow, CampaignRow.id == CaseRow.campaign_id)
            .outerjoin(RecordRow, RecordRow.attempt_id == AttemptRow.id)
            .outerjoin(RecordingRow, RecordingRow.attempt_id == AttemptRow.id)
            .where(at_ms < before_ms)
            .order_by(at_ms)
        )
        with self._store.reading() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            gone = row.state == "deleted"
            file, sha256 = self._recording(row)
            if gone and file is not None and not _is_here(file):
                file = None
            if gone and file is None and row.kept is None:
                continue
            sealed = self._store.keys.decrypt(row.record_ct, record_binding(row.campaign_id, row.case_id))
            product = json.loads(sealed).get("product", ("text", ""))[1]
            at = datetime.fromtimestamp(row.at_ms / 1000, now.tzinfo)
            age = (now - at).total_seconds() / 86_400 / YEAR_DAYS
            with self._store.reading() as connection:
                marks = self._marks.facts_in(connection, row.institution, row.case_id)
            facts = {"action": "delete_recording", "age_years": round(age, 3)}
            facts["legal_hold"] = bool(marks.get("legal_hold"))
            decision = self._gate(row.institution, product).decide("data_access", facts)
            yield Kept(
                attempt_id=row.id,
                case_id=row.case_id,
                institution=row.institution,
                product=product,
                at=at,
                age_years=age,
                decision=decision,
                file=file,
                sha256=sha256,
            )

    def _recording(self, row: Any) -> tuple[Path | None, str]:
        """File and digest; of calls before recordings had rows, as the record says."""
        if row.file is not None:
            return Path(row.file), row.sha256
        recording = load_record(self._store, row.id).recording
        return (Path(recording.path), recording.sha256) if recording is not None else (None, "")

    def delete(self, one: Kept, by: str, *, lost: bool = False) -> None:
        """Record, form and recording; the link that says so is written first.

        ValueError when it may not go; NotHere when the file is not on this machine, unless it is `lost`;
        OSError when the machine does not let it go: the next `due` has it again.
        """
        if not one.may_go:
            raise ValueError(f"{one.attempt_id} may not be deleted: {one.decision.refusals[0].reason}")
        with self._store.begin() as connection:
            query = select(RecordingRow.state).where(RecordingRow.attempt_id == one.attempt_id)
            told = connection.execute(query).scalar() == "deleted"
            here = one.file is None or _is_here(one.file)
            if not (told or here or lost):
                raise NotHere(str(one.file))
            if not told or self._kept_in(connection, one.attempt_id):
                self._delete_in(connection, one, by, lost=not here)
        if one.file is not None:
            one.file.unlink(missing_ok=True)

    @staticmethod
    def _kept_in(connection: Connection, attempt_id: str) -> bool:
        query = select(RecordRow.attempt_id).where(RecordRow.attempt_id == attempt_id)
        return connection.execute(query).first() is not None

    def _delete_in(self, connection: Connection, one: Kept, by: str, *, lost: bool) -> None:
        about = {
            "by": by,
            "sha256": one.sha256 or None,
            "age_years": round(one.age_years, 2),
            "pack": one.decision.pack,
            **({"lost": True} if lost else {}),
        }
        AuditChain(self._store, self._clock).append_in(connection, DELETED, one.attempt_id, about)
        connection.execute(delete(RecordRow).where(RecordRow.attempt_id == one.attempt_id))
        form = update(DeskCallRow).where(DeskCallRow.attempt_id == one.attempt_id)
        connection.execute(form.values(form_ct=None))
        row = update(RecordingRow).where(RecordingRow.attempt_id == one.attempt_id)
        if connection.execute(row.values(state="deleted")).rowcount == 0 and one.file is not None:
            keep_recording(
                connection,
                one.attempt_id,
                file=str(one.file),
                sha256=one.sha256,
                seconds=0.0,  # nothing is left of it
                state="deleted",
                at_ms=moment_ms(one.at),
            )


def _is_here(file: Path) -> bool:
    """Also when it may not be looked at: deleting it will say so."""
    try:
        return file.exists()
    except OSError:
        return True
