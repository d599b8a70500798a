"""Deleting records when their time has come, and a record of what was deleted.

The policy pack decides about each one (rule CN-RC-03): its years have passed, and its case is under no legal
hold.  Recording and transcript go; what the call came to, the decisions and the audit chain stay, for nothing
personal is in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, func, select, update

from voicebot.clock import Clock
from voicebot.policy.gate import Decision, Gate
from voicebot.policy.overrides import with_overrides
from voicebot.settings import Site
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.bindings import record_binding
from voicebot.store.case_marks import CaseMarks
from voicebot.store.chained_evidence import DELETED
from voicebot.store.database import Store
from voicebot.store.models import AttemptRow, CampaignRow, CaseRow, RecordingRow, RecordRow

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
    sha256: str

    @property
    def may_go(self) -> bool:
        return self.decision.allowed


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
        """Records and recordings that are so old, the oldest first, with the decision on each."""
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
            .where((RecordRow.attempt_id.isnot(None)) | (RecordingRow.state != "deleted"))
            .order_by(at_ms)
        )
        with self._store.reading() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            sealed = self._store.keys.decrypt(row.record_ct, record_binding(row.campaign_id, row.case_id))
            product = json.loads(sealed).get("product", ("text", ""))[1]
            at = datetime.fromtimestamp(row.at_ms / 1000, now.tzinfo)
            age = (now - at).total_seconds() / 86_400 / YEAR_DAYS
            with self._store.reading() as connection:
                marks = self._marks.facts_in(connection, row.institution, row.case_id)
            facts = {"action": "delete_recording", "age_years": round(age, 3)}
            facts["legal_hold"] = bool(marks.get("legal_hold"))
            decision = self._gate(row.institution, product).decide("data_access", facts)
            there = row.file if row.state not in (None, "deleted") else None
            yield Kept(
                attempt_id=row.id,
                case_id=row.case_id,
                institution=row.institution,
                product=product,
                at=at,
                age_years=age,
                decision=decision,
                file=Path(there) if there else None,
                sha256=row.sha256 or "",
            )

    def delete(self, one: Kept, by: str) -> None:
        """Record and recording; the link that says so is written first.  ValueError when it may not go.

        A file that is gone already is no fault: a run that broke off is repeated.
        """
        if not one.may_go:
            raise ValueError(f"{one.attempt_id} may not be deleted: {one.decision.refusals[0].reason}")
        with self._store.begin() as connection:
            about = {
                "by": by,
                "sha256": one.sha256 or None,
                "age_years": round(one.age_years, 2),
                "pack": one.decision.pack,
            }
            AuditChain(self._store, self._clock).append_in(connection, DELETED, one.attempt_id, about)
            connection.execute(delete(RecordRow).where(RecordRow.attempt_id == one.attempt_id))
            state = update(RecordingRow).where(RecordingRow.attempt_id == one.attempt_id)
            connection.execute(state.values(state="deleted"))
        if one.file is not None:
            one.file.unlink(missing_ok=True)
