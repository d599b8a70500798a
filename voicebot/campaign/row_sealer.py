"""Cases ready for the store: names, numbers and records encrypted, keys of look-ups computed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from voicebot.campaign.contact_list import PLAN, SECOND_PLAN, ListRow, people_of
from voicebot.store.bindings import name_binding, notes_binding, phone_binding, record_binding
from voicebot.store.encryption import KeyRing
from voicebot.store.stop_list import debtor_key

CHUNK = 2000
"""Cases that are written in one transaction."""
HIGHEST_RANK = 2**31 - 1
"""What the column holds."""


@dataclass(frozen=True)
class SealingJob:
    """What is constant for all cases of an enrolment.  Ids count up from `next_case` and `next_contact`."""

    keys: KeyRing = field(repr=False)
    campaign_id: str
    institution: str
    agency: str | None
    order: str
    cases_done: int
    next_case: int
    next_contact: int


@dataclass
class SealedChunk:
    """Rows of the tables, as tuples in the order of the writer's columns."""

    debtors: set[bytes] = field(default_factory=set)
    phones: dict[bytes, bytes] = field(default_factory=dict)
    cases: list[tuple[int, str, bytes, str | None, bytes, str, str | None, bytes | None]] = field(
        default_factory=list
    )
    "id, case_id, the debtor's blind index, agency, record, flags as JSON, keyed hash of the tail, notes"
    contacts: list[tuple[int, int, str, bytes]] = field(default_factory=list)
    "id, case, party, name"
    points: list[tuple[int, int, bytes, str, str | None]] = field(default_factory=list)
    "contact, place, the number's blind index, source, evidence"
    attempts: list[tuple[int, int, bytes, int]] = field(default_factory=list)
    "contact, case, the debtor's blind index, rank"


def sealed(job: SealingJob, groups: Iterable[list[ListRow]]) -> Iterator[SealedChunk]:
    """Chunks of CHUNK cases, in the order of `groups`."""
    keys = job.keys
    chunk, case_pk, contact_id, place = SealedChunk(), job.next_case, job.next_contact, job.cases_done
    for points in groups:
        head = points[0]
        debtor = keys.blind_index(debtor_key(job.institution, head.debtor_id))
        chunk.debtors.add(debtor)
        tail = next((row.id_tail for row in points if row.party == "debtor" and row.id_tail), "")
        record = json.dumps(case_slots(head), ensure_ascii=False, separators=(",", ":"))
        chunk.cases.append(
            (
                case_pk,
                head.case_id,
                debtor,
                head.agency or job.agency,
                keys.encrypt(record, record_binding(job.campaign_id, head.case_id)),
                json.dumps({flag: True for flag in case_flags(head)}),
                keys.tail_mac(head.case_id, tail) if tail else None,
                _notes(job, points),
            )
        )
        rank = rank_of(head, job.order, place)
        for person in people_of(points):
            name = keys.encrypt(person[0].name, name_binding(case_pk))
            chunk.contacts.append((contact_id, case_pk, person[0].party, name))
            for number, row in enumerate(person):
                bix = keys.blind_index(row.phone)
                if bix not in chunk.phones:
                    chunk.phones[bix] = keys.encrypt(row.phone, phone_binding(bix))
                chunk.points.append((contact_id, number, bix, row.phone_source, row.phone_evidence or None))
            chunk.attempts.append((contact_id, case_pk, debtor, rank))
            contact_id += 1
        case_pk += 1
        place += 1
        if len(chunk.cases) == CHUNK:
            yield chunk
            chunk = SealedChunk()
    if chunk.cases:
        yield chunk


def _notes(job: SealingJob, points: list[ListRow]) -> bytes | None:
    """The other columns of the rows that have any."""
    notes = [dict(row.notes) for row in points if row.notes]
    if not notes:
        return None
    text = json.dumps(notes, ensure_ascii=False, separators=(",", ":"))
    return job.keys.encrypt(text, notes_binding(job.campaign_id, points[0].case_id))


def rank_of(head: ListRow, order: str, place: int) -> int:
    """A case's place in the campaign's order: the lower the earlier."""
    match order:
        case "amount":
            return -min(head.amount_due, HIGHEST_RANK)
        case "overdue":
            return -(head.overdue_days or 0)
        case "newest":
            return -(head.due_date.toordinal() if head.due_date else 0)
    return min(place, HIGHEST_RANK)


def case_slots(row: ListRow) -> dict[str, tuple[str, str | int]]:
    """The case slots of the debtor's own row, typed: money in fen, dates ISO."""
    slots: dict[str, tuple[str, str | int]] = {
        "debtor_name": ("name", row.name),
        "amount_due": ("money", row.amount_due),
    }
    if row.principal is not None:
        slots["principal"] = ("money", row.principal)
    if row.interest is not None:
        slots["interest"] = ("money", row.interest)
    if row.penalty is not None:
        slots["penalty"] = ("money", row.penalty)
    if row.product:
        slots["product"] = ("text", row.product)
    if row.due_date:
        slots["due_date"] = ("date", row.due_date.isoformat())
    if row.overdue_days is not None:
        slots["overdue_days"] = ("count", row.overdue_days)
    if row.loan_last4:
        slots["loan_last4"] = ("tail", row.loan_last4)
    for name, value in row.offers.items():
        if isinstance(value, date):
            slots[name] = ("date", value.isoformat())
        else:
            slots[name] = ("count" if name.endswith("_count") else "money", value)
    return slots


def case_flags(row: ListRow) -> list[str]:
    """The flags of a case: those of its column, and those that its other columns say."""
    flags = dict.fromkeys(row.flags)
    if offers := row.offers:
        if "payoff_amount" in offers:
            flags["payoff_known"] = None
        if "last_promise" in offers:
            flags["promise_broken"] = None
        if SECOND_PLAN[0] in offers and PLAN[0] in offers and "plan_approved" in flags:
            flags["plan_alt"] = None
    return list(flags)
