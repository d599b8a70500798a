"""Marks on a case: a hold stops every call, an approval lets one happen, an event asks for consideration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.bulk import Bulk, Query
from voicebot.store.database import Store
from voicebot.store.models import MarkRow

HOLDS = ("open_complaint", "open_dispute", "legal_hold", "paid_unconfirmed")
APPROVALS = ("contact_call_approved", "guarantee_in_force", "debtor_deceased_or_incapable")
EVENTS = ("bereavement", "wedding", "festival")
CONSENT = "prior_express_consent_id"
"""Its fact is the evidence itself."""
MARKS = (*HOLDS, *APPROVALS, *EVENTS, CONSENT)

_IN_FORCE = Query(
    """SELECT case_id, mark, evidence FROM case_mark
        WHERE institution = ? AND case_id IN ?text[]
          AND cleared_ms IS NULL AND (expires_ms IS NULL OR expires_ms > ?)"""
)


@dataclass(frozen=True)
class Mark:
    """A mark in force."""

    institution: str
    case_id: str
    mark: str
    made_by: str
    evidence: str
    made_ms: int
    expires_ms: int | None


class CaseMarks:
    """Sets, clears and asks."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._audit = AuditChain(store, clock)

    def set(
        self,
        institution: str,
        case_id: str,
        mark: str,
        *,
        made_by: str,
        evidence: str = "",
        expires: datetime | None = None,
    ) -> None:
        """Sets a mark.  InputError when it is none of MARKS, or a consent without evidence."""
        with self._store.begin() as connection:
            self.set_in(connection, institution, case_id, mark, made_by, evidence, expires)
            self._store.barrier(connection)

    def set_in(
        self,
        connection: Connection,
        institution: str,
        case_id: str,
        mark: str,
        made_by: str,
        evidence: str = "",
        expires: datetime | None = None,
    ) -> None:
        """Sets a mark within a transaction."""
        if mark not in MARKS:
            raise InputError(f"unknown mark {mark!r}", f"Allowed: {', '.join(MARKS)}.", key="mark")
        if mark == CONSENT and not evidence.strip():
            raise InputError("a consent needs evidence", "Name the recording or document.", key="evidence")
        connection.execute(
            insert(MarkRow).values(
                institution=institution,
                case_id=case_id,
                mark=mark,
                made_by=made_by,
                evidence=evidence,
                made_ms=moment_ms(self._clock.now()),
                expires_ms=moment_ms(expires) if expires else None,
            )
        )
        about = {"institution": institution, "mark": mark, "made_by": made_by, "evidence": evidence}
        self._audit.append_in(connection, "case_marked", case_id, about)

    def clear(self, institution: str, case_id: str, mark: str, *, made_by: str, why: str) -> None:
        """Ends a mark now.  InputError when it is not in force, or without a reason."""
        if not why.strip():
            raise InputError("ending a mark needs a reason", "Say why it ends.", key="why")
        with self._store.begin() as connection:
            values = {"cleared_ms": moment_ms(self._clock.now()), "cleared_by": made_by}
            statement = update(MarkRow).where(
                MarkRow.institution == institution,
                MarkRow.case_id == case_id,
                MarkRow.mark == mark,
                MarkRow.cleared_ms.is_(None),
            )
            if not connection.execute(statement.values(values).returning(MarkRow.id)).all():
                raise InputError(f"the case has no mark {mark}", "Look it up with `case list`.", key="mark")
            about = {"institution": institution, "mark": mark, "made_by": made_by, "why": why.strip()}
            self._audit.append_in(connection, "case_mark_cleared", case_id, about)

    def facts_in(self, connection: Connection, institution: str, case_id: str) -> dict[str, Any]:
        """The marks in force as facts."""
        return self.facts(Bulk(connection), institution, [case_id])().get(case_id, {})

    def facts(
        self, bulk: Bulk, institution: str, case_ids: Iterable[str]
    ) -> Callable[[], dict[str, dict[str, Any]]]:
        """The same for many cases, without those that have none; asked for here and answered when what is
        returned is called."""
        asked = bulk.later(_IN_FORCE, institution, sorted(set(case_ids)), moment_ms(self._clock.now()))

        def found() -> dict[str, dict[str, Any]]:
            facts: dict[str, dict[str, Any]] = {}
            for case_id, mark, evidence in asked.rows():
                facts.setdefault(case_id, {})[mark] = evidence if mark == CONSENT else True
            return facts

        return found

    def all(self) -> list[Mark]:
        """Every mark in force, oldest first."""
        with self._store.reading() as connection:
            rows = connection.execute(self._in_force(select(MarkRow.__table__)).order_by(MarkRow.id)).all()
        return [Mark(*(getattr(row, name) for name in Mark.__annotations__)) for row in rows]

    def _in_force(self, query: Any) -> Any:
        now = moment_ms(self._clock.now())
        return query.where(
            MarkRow.cleared_ms.is_(None), or_(MarkRow.expires_ms.is_(None), MarkRow.expires_ms > now)
        )
