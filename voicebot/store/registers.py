"""Registers that the store decides by: caller numbers (作业工具), agencies, agreements, case marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select, update

from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.database import Store
from voicebot.store.models import AgencyRow, AgreementRow, MarkRow, ToolRow
from voicebot.store.stop_list import debtor_index

HOLDS = ("open_complaint", "open_dispute", "legal_hold", "paid_unconfirmed")
APPROVALS = ("contact_call_approved", "guarantee_in_force", "debtor_deceased_or_incapable")


@dataclass(frozen=True)
class Tool:
    """A registered caller number.  `agency` None: the institution's own."""

    number: str
    institution: str
    agency: str | None
    genuine_cli: bool
    valid_from: date
    valid_to: date
    registered_by: str
    approved_by: str | None


class Tools:
    """Caller numbers: registered by one person, approved by another, valid for a time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(self, tool: Tool) -> None:
        """Adds or replaces a tool.  InputError when its registrar approved it or its dates are reversed."""
        if tool.approved_by is not None and tool.approved_by == tool.registered_by:
            raise InputError("a tool is approved by another person than registered it", key=tool.number)
        if tool.valid_to < tool.valid_from:
            raise InputError("the tool's validity ends before it begins", key=tool.number)
        values = {
            **tool.__dict__,
            "valid_from": tool.valid_from.toordinal(),
            "valid_to": tool.valid_to.toordinal(),
        }
        with self._store.begin() as connection:
            connection.execute(delete(ToolRow).where(ToolRow.number == tool.number))
            connection.execute(insert(ToolRow).values(values))

    def approve(self, number: str, approved_by: str) -> None:
        """Approves a registered tool.  InputError when it is unknown or registered by the same person."""
        with self._store.begin() as connection:
            row = connection.execute(select(ToolRow.registered_by).where(ToolRow.number == number)).first()
            if row is None:
                raise InputError("this caller number is not registered", "Register it first.", key=number)
            if row.registered_by == approved_by:
                raise InputError("a tool is approved by another person than registered it", key=number)
            connection.execute(
                update(ToolRow).where(ToolRow.number == number).values(approved_by=approved_by)
            )

    def facts_in(
        self, connection: Connection, number: str | None, institution: str, agency: str | None, day: date
    ) -> dict[str, bool] | None:
        """The gate's facts about a caller number; None when it is not registered."""
        row = connection.execute(select(ToolRow.__table__).where(ToolRow.number == number)).first()
        if row is None:
            return None
        return {
            "approved": row.approved_by is not None,
            "in_validity": row.valid_from <= day.toordinal() <= row.valid_to,
            "agency_matches": row.agency == agency and row.institution == institution,
            "genuine_cli": row.genuine_cli,
        }

    def all(self) -> list[Tool]:
        """Every tool, by number."""
        with self._store.reading() as connection:
            rows = connection.execute(select(ToolRow.__table__).order_by(ToolRow.number)).mappings().all()
        return [
            Tool(
                **{
                    **row,
                    "valid_from": date.fromordinal(row["valid_from"]),
                    "valid_to": date.fromordinal(row["valid_to"]),
                }
            )
            for row in rows
        ]


class Agencies:
    """Outside agencies: on the list, with a mandate of named institutions, evaluated on a day."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(self, name: str, *, listed: bool, mandates: Sequence[str], evaluated: date | None) -> None:
        """Adds or replaces an agency."""
        with self._store.begin() as connection:
            connection.execute(delete(AgencyRow).where(AgencyRow.name == name))
            connection.execute(
                insert(AgencyRow).values(
                    name=name,
                    listed=listed,
                    mandates=list(mandates),
                    evaluated=evaluated.toordinal() if evaluated else None,
                )
            )

    def facts_in(
        self, connection: Connection, name: str, institution: str, day: date
    ) -> dict[str, Any] | None:
        """The gate's facts about an agency; None when it is unknown."""
        row = connection.execute(select(AgencyRow.__table__).where(AgencyRow.name == name)).first()
        if row is None:
            return None
        facts: dict[str, Any] = {"listed": row.listed, "mandate_covers_case": institution in row.mandates}
        if row.evaluated is not None and row.evaluated <= day.toordinal():
            facts["days_since_evaluation"] = day.toordinal() - row.evaluated
        return facts


class Agreements:
    """约定: a debtor's agreement to other hours or to one more call, with its evidence."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        institution: str,
        debtor_id: str,
        kind: Literal["window", "extra_call"],
        start: datetime,
        end: datetime,
        *,
        evidence_id: str,
        made_by: str,
    ) -> None:
        """InputError without evidence or when it ends before it begins."""
        if not evidence_id.strip():
            raise InputError(
                "an agreement needs evidence", "Name the recording or document.", key="evidence_id"
            )
        if end <= start:
            raise InputError("the agreement ends before it begins", key="end")
        with self._store.begin() as connection:
            connection.execute(
                insert(AgreementRow).values(
                    debtor_bix=debtor_index(self._store, institution, debtor_id),
                    kind=kind,
                    from_ms=moment_ms(start),
                    to_ms=moment_ms(end),
                    evidence_id=evidence_id,
                    made_by=made_by,
                )
            )

    def facts_in(self, connection: Connection, debtor_bix: bytes, at: datetime) -> dict[str, Any]:
        """agreed_windows and agreed_extra_call_evidence, as far as they cover `at`."""
        now = moment_ms(at)
        rows = connection.execute(
            select(AgreementRow.__table__).where(
                AgreementRow.debtor_bix == debtor_bix,
                AgreementRow.revoked_ms.is_(None),
                AgreementRow.from_ms <= now,
                AgreementRow.to_ms > now,
            )
        ).all()
        facts: dict[str, Any] = {}
        for row in rows:
            if row.kind == "window":
                start, end = (datetime.fromtimestamp(ms / 1000, at.tzinfo) for ms in (row.from_ms, row.to_ms))
                window = {"from": start.isoformat(), "to": end.isoformat(), "evidence_id": row.evidence_id}
                facts.setdefault("agreed_windows", []).append(window)
            else:
                facts["agreed_extra_call_evidence"] = row.evidence_id
        return facts


class CaseMarks:
    """Holds and approvals on a case.  A hold stops every call; an approval lets one happen."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._audit = AuditChain(store, clock)

    def set(self, institution: str, case_id: str, mark: str, *, made_by: str, evidence: str = "") -> None:
        """Sets a mark.  InputError when it is none of HOLDS and APPROVALS."""
        with self._store.begin() as connection:
            self.set_in(connection, institution, case_id, mark, made_by, evidence)

    def set_in(
        self,
        connection: Connection,
        institution: str,
        case_id: str,
        mark: str,
        made_by: str,
        evidence: str = "",
    ) -> None:
        """Sets a mark within a transaction."""
        if mark not in HOLDS + APPROVALS:
            raise InputError(
                f"unknown mark {mark!r}", f"Allowed: {', '.join(HOLDS + APPROVALS)}.", key="mark"
            )
        connection.execute(
            insert(MarkRow).values(
                institution=institution,
                case_id=case_id,
                mark=mark,
                made_by=made_by,
                evidence=evidence,
                made_ms=moment_ms(self._clock.now()),
            )
        )
        about = {"institution": institution, "mark": mark, "made_by": made_by, "evidence": evidence}
        self._audit.append_in(connection, "case_marked", case_id, about)

    def facts_in(self, connection: Connection, institution: str, case_id: str) -> dict[str, bool]:
        """The marks in force as facts."""
        query = select(MarkRow.mark).where(
            MarkRow.institution == institution, MarkRow.case_id == case_id, MarkRow.cleared_ms.is_(None)
        )
        return {mark: True for mark in connection.execute(query).scalars()}
