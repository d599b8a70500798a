"""Bringing a list into the store: debtors, numbers, cases, contacts with their points, planned attempts."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.contact_list import ListRow, cases
from voicebot.store.database import Store
from voicebot.store.models import (
    AttemptRow,
    CampaignRow,
    CaseRow,
    ContactPointRow,
    ContactRow,
    DebtorRow,
    PhoneRow,
)
from voicebot.store.states import AttemptState
from voicebot.store.stop_list import debtor_index

CHUNK = 500
"""Cases a transaction."""


class Enrolment:
    """Writes one campaign's list."""

    def __init__(self, store: Store, campaign: Campaign, digest: str, now_ms: int) -> None:
        self._store, self._campaign, self._digest, self._now_ms = store, campaign, digest, now_ms
        self._insert = postgresql_insert if store.is_postgresql else sqlite_insert

    def run(self, campaign_id: str, rows: Sequence[ListRow]) -> None:
        """Everything or, when an error leaves it, a campaign that is still `paused`."""
        with self._store.begin() as connection:
            connection.execute(
                insert(CampaignRow).values(
                    id=campaign_id,
                    name=self._campaign.name,
                    state="paused",
                    institution=self._campaign.institution,
                    digest=self._digest,
                    file=self._campaign.model_dump(mode="json"),
                    created_ms=self._now_ms,
                )
            )
        ordered = _ordered(list(cases(rows).values()), self._campaign.order)
        for start in range(0, len(ordered), CHUNK):
            with self._store.begin() as connection:
                self._write(connection, campaign_id, ordered[start : start + CHUNK], start)
        with self._store.begin() as connection:
            table = CampaignRow.__table__
            connection.execute(table.update().where(table.c.id == campaign_id).values(state="running"))  # type: ignore[attr-defined]

    def _write(
        self, connection: Connection, campaign_id: str, chunk: list[list[ListRow]], first: int
    ) -> None:
        debtors = self._debtors(connection, chunk)
        self._phones(connection, chunk)
        for rank, points in enumerate(chunk, first):
            head = points[0]
            debtor_id = debtors[debtor_index(self._store, self._campaign.institution, head.debtor_id)]
            case_pk = self._case(connection, campaign_id, points, debtor_id)
            for party, people in _by_person(points).items():
                contact_id = self._contact(connection, campaign_id, case_pk, party, people)
                attempt = planned(
                    campaign_id, case_pk, contact_id, debtor_id, 1, self._now_ms, self._now_ms, rank
                )
                connection.execute(insert(AttemptRow).values(attempt))

    def _debtors(self, connection: Connection, chunk: list[list[ListRow]]) -> dict[bytes, int]:
        institution = self._campaign.institution
        indexes = sorted({debtor_index(self._store, institution, points[0].debtor_id) for points in chunk})
        new = [{"bix": bix, "institution": institution} for bix in indexes]
        connection.execute(self._insert(DebtorRow).on_conflict_do_nothing(), new)
        query = select(DebtorRow.bix, DebtorRow.id).where(DebtorRow.bix.in_(indexes))
        return {bix: debtor_id for bix, debtor_id in connection.execute(query)}

    def _phones(self, connection: Connection, chunk: list[list[ListRow]]) -> None:
        keys = self._store.keys
        numbers = {keys.blind_index(row.phone): row.phone for points in chunk for row in points}
        new = [
            {"bix": bix, "e164_ct": keys.encrypt(phone, phone_binding(bix))}
            for bix, phone in sorted(numbers.items())
        ]
        connection.execute(self._insert(PhoneRow).on_conflict_do_nothing(), new)

    def _case(self, connection: Connection, campaign_id: str, points: list[ListRow], debtor_id: int) -> int:
        head, keys = points[0], self._store.keys
        record = json.dumps(case_slots(head), ensure_ascii=False)
        tail = next((row.id_tail for row in points if row.party == "debtor" and row.id_tail), "")
        values = {
            "campaign_id": campaign_id,
            "case_id": head.case_id,
            "debtor_id": debtor_id,
            "agency": head.agency or self._campaign.agency,
            "record_ct": keys.encrypt(record, record_binding(campaign_id, head.case_id)),
            "flags": {flag: True for flag in head.flags},
            "tail_mac": keys.tail_mac(head.case_id, tail) if tail else None,
        }
        case_pk = connection.execute(insert(CaseRow).values(values).returning(CaseRow.id)).scalar_one()
        return int(case_pk)

    def _contact(
        self,
        connection: Connection,
        campaign_id: str,
        case_pk: int,
        party: tuple[str, str],
        people: list[ListRow],
    ) -> int:
        values = {
            "campaign_id": campaign_id,
            "case_pk": case_pk,
            "party": party[0],
            "name_ct": self._store.keys.encrypt(people[0].name, f"contact.name:{case_pk}"),
            "state": "open",
        }
        contact_id = connection.execute(
            insert(ContactRow).values(values).returning(ContactRow.id)
        ).scalar_one()
        connection.execute(
            insert(ContactPointRow),
            [
                {
                    "contact_id": contact_id,
                    "ord": number,
                    "bix": self._store.keys.blind_index(row.phone),
                    "source": row.phone_source,
                    "evidence": row.phone_evidence or None,
                }
                for number, row in enumerate(people)
            ],
        )
        return int(contact_id)


def planned(
    campaign_id: str,
    case_pk: int,
    contact_id: int,
    debtor_id: int,
    number: int,
    due_ms: int,
    now_ms: int,
    rank: int,
) -> dict[str, Any]:
    """The values of a new planned attempt."""
    return {
        "id": uuid.uuid4().hex,
        "campaign_id": campaign_id,
        "case_pk": case_pk,
        "contact_id": contact_id,
        "debtor_id": debtor_id,
        "number": number,
        "state": AttemptState.PLANNED,
        "due_ms": due_ms,
        "rank": rank,
        "reserved": [],
        "sip_code": 0,
        "planned_ms": now_ms,
    }


def phone_binding(bix: bytes) -> str:
    """What a number's ciphertext is bound to."""
    return f"phone.e164:{bix.hex()}"


def record_binding(campaign_id: str, case_id: str) -> str:
    """What a case record's ciphertext is bound to."""
    return f"case_file.record:{campaign_id}/{case_id}"


def case_slots(row: ListRow) -> dict[str, tuple[str, str | int]]:
    """The case slots of the debtor's own row, typed: money in fen, dates ISO."""
    slots: dict[str, tuple[str, str | int]] = {
        "debtor_name": ("name", row.name),
        "amount_due": ("money", row.amount_due),
    }
    for name in ("principal", "interest", "penalty"):
        if (fen := getattr(row, name)) is not None:
            slots[name] = ("money", fen)
    if row.product:
        slots["product"] = ("text", row.product)
    if row.due_date:
        slots["due_date"] = ("date", row.due_date.isoformat())
    if row.overdue_days is not None:
        slots["overdue_days"] = ("count", row.overdue_days)
    if row.loan_last4:
        slots["loan_last4"] = ("tail", row.loan_last4)
    return slots


def _by_person(points: list[ListRow]) -> dict[tuple[str, str], list[ListRow]]:
    """The debtor is one person whatever the name's spelling; others are told apart by name."""
    found: dict[tuple[str, str], list[ListRow]] = {}
    for row in points:
        key = (row.party, "" if row.party == "debtor" else row.name)
        found.setdefault(key, []).append(row)
    return found


def _ordered(groups: list[list[ListRow]], order: str) -> list[list[ListRow]]:
    def place(points: list[ListRow]) -> Iterator[int]:
        head = points[0]
        if order == "amount":
            yield -head.amount_due
        elif order == "overdue":
            yield -(head.overdue_days or 0)
        elif order == "newest":
            yield -(head.due_date.toordinal() if head.due_date else 0)

    return sorted(groups, key=lambda points: tuple(place(points)))
