"""Moves of attempts in the store, for whole groups: each statement checks the state that it comes from.

Statements are written by hand and executed on the driver's connection (`Bulk`); rows that may be moved are
locked by the SELECT that finds them, where more than one writer may be at work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from voicebot.store.bulk import Bulk, Insert, Query, Update, json_value
from voicebot.store.states import AttemptState, IllegalMove

_DUE_TEXT = """SELECT a.id, a.number, a.case_pk, c.case_id, a.contact_id, a.debtor_id, d.bix, k.party,
              c.agency, a.rank, c.record_ct, c.flags, c.tail_mac
         FROM (SELECT id, number, case_pk, contact_id, debtor_id, rank, due_ms FROM attempt
                WHERE campaign_id = ? AND phase = 0 AND due_ms <= ?
                ORDER BY due_ms, rank, contact_id LIMIT ? {lock FOR NO KEY UPDATE SKIP LOCKED}) AS a
         JOIN case_file AS c ON c.id = a.case_pk
         JOIN contact AS k ON k.id = a.contact_id
         JOIN debtor AS d ON d.id = a.debtor_id
        ORDER BY a.due_ms, a.rank, a.contact_id"""
_DUE_CASES_TEXT = """SELECT c.case_id FROM attempt AS a JOIN case_file AS c ON c.id = a.case_pk
        WHERE campaign_id = ? AND a.phase = 0 AND a.due_ms <= ?
        ORDER BY a.due_ms, a.rank, a.contact_id LIMIT ?"""


def _of_debtors(text: str) -> Query:
    """The same of some debtors only, whose blind indexes come after the campaign's id."""
    some = "campaign_id = ? AND debtor_id IN (SELECT id FROM debtor WHERE bix IN ?bytea[])"
    return Query(text.replace("campaign_id = ?", some))


_DUE, _DUE_OF = Query(_DUE_TEXT), _of_debtors(_DUE_TEXT)
_DUE_CASES, _DUE_CASES_OF = Query(_DUE_CASES_TEXT), _of_debtors(_DUE_CASES_TEXT)
_HELD = Query(
    """SELECT a.id, a.number, a.case_pk, c.case_id, a.contact_id, a.debtor_id, d.bix, k.party, c.agency,
              a.rank, a.campaign_id, a.state, a.worker, a.bix, a.caller, a.day, a.reserved
         FROM attempt AS a
         JOIN case_file AS c ON c.id = a.case_pk
         JOIN contact AS k ON k.id = a.contact_id
         JOIN debtor AS d ON d.id = a.debtor_id
        WHERE a.id IN ?text[] ORDER BY a.id {lock FOR NO KEY UPDATE OF a}"""
)
_FIELDS = (
    "id, campaign_id, case_pk, contact_id, debtor_id, number, rank, state, bix, worker, reserved, "
    "callback_ms, answered_ms"
)
_FOUND = Query(f"SELECT {_FIELDS} FROM attempt WHERE id IN ?text[] ORDER BY id {{lock FOR NO KEY UPDATE}}")
_ENDED = Query("SELECT id, disposition FROM attempt WHERE id IN ?text[] AND phase = 2")
_OF_WORKER = Query(
    f"SELECT {_FIELDS} FROM attempt WHERE phase = 1 AND worker = ? ORDER BY id {{lock FOR NO KEY UPDATE}}"
)
_LIVE_DEBTORS = Query("SELECT debtor_id FROM attempt WHERE phase = 1 AND debtor_id IN ?bigint[]")
_LIVE_PHONES = Query("SELECT bix FROM attempt WHERE phase = 1 AND bix IN ?bytea[]")
_LOCK_DEBTORS = Query(
    "SELECT id FROM debtor WHERE id IN ?bigint[] ORDER BY id {lock FOR NO KEY UPDATE SKIP LOCKED}"
)
_LOCK_PHONES = Query(
    "SELECT bix, e164_ct FROM phone WHERE bix IN ?bytea[] ORDER BY bix {lock FOR NO KEY UPDATE SKIP LOCKED}"
)
_FAULTS = Query(
    """SELECT contact_id, count(*) FROM attempt
        WHERE contact_id IN ?bigint[] AND disposition = 'NOT_DIALLED' AND rule IS NULL GROUP BY contact_id"""
)

_CLAIM = Update(
    "attempt",
    "worker text, bix bytea, caller text, trunk text, day integer, reserved json, claimed_ms bigint",
    "id text",
    sets="state = 'claimed', phase = 1",
    also="t.phase = 0",
)
_REFUSE = Update(
    "attempt",
    "rule text, reason text, bix bytea, caller text, closed_ms bigint",
    "id text",
    sets="state = 'refused', phase = 2, reserved = '[]'",
    also="t.state IN ('planned', 'claimed')",
)
_DIAL = Update(
    "attempt", "dialled_ms bigint", "id text", sets="state = 'dialling'", also="t.state = 'claimed'"
)
_RING = Update("attempt", "", "id text", sets="state = 'ringing'", also="t.state = 'dialling'")
_ANSWER = Update(
    "attempt",
    "answered_ms bigint",
    "id text",
    sets="state = 'answered'",
    also="t.state IN ('dialling', 'ringing')",
)
_END = Update(
    "attempt",
    "state text, disposition text, sip_code integer, rule text, reserved json, closed_ms bigint",
    "id text, state text",
    sets="phase = 2",
)
_PUSH = Update("attempt", "due_ms bigint", "id text", also="t.phase = 0")
_PLAN = Insert(
    "attempt",
    "id text, campaign_id text, case_pk bigint, contact_id bigint, debtor_id bigint, number integer, "
    "state text, due_ms bigint, rank integer, planned_ms bigint",
)
_FINISH = Update("contact", "state text, why text", "id bigint")


class LostWorker(RuntimeError):
    """This worker was declared dead, or its lease is over: it must not dial any more."""


class Subject(NamedTuple):
    """One attempt with what stands around it in the store."""

    attempt_id: str
    number: int
    case_pk: int
    case_id: str
    contact_id: int
    debtor_id: int
    debtor_bix: bytes
    party: str
    agency: str | None


class Due(NamedTuple):
    """A planned attempt that may be claimed, with its case's record."""

    about: Subject
    rank: int
    record_ct: bytes
    flags: dict[str, bool]
    tail_mac: str | None


class Held(NamedTuple):
    """A claimed attempt that asks for its permission."""

    about: Subject
    rank: int
    campaign_id: str
    state: str
    worker: str | None
    bix: bytes
    caller: str | None
    day: int
    reserved: list[Any]


class Found(NamedTuple):
    """An attempt as it is closed."""

    id: str
    campaign_id: str
    case_pk: int
    contact_id: int
    debtor_id: int
    number: int
    rank: int
    state: str
    bix: bytes | None
    worker: str | None
    reserved: list[Any]
    callback_ms: int | None
    answered_ms: int | None

    @property
    def live(self) -> bool:
        """Claimed and not closed yet."""
        return self.state in ("claimed", "dialling", "ringing", "answered")


class Ending(NamedTuple):
    """How an attempt ends: where it comes from and what is kept of it."""

    state: AttemptState
    disposition: str
    sip_code: int
    rule: str | None
    reserved: str
    closed_ms: int
    attempt_id: str
    old: str


class Plan(NamedTuple):
    """A contact's next attempt."""

    campaign_id: str
    case_pk: int
    contact_id: int
    debtor_id: int
    number: int
    due_ms: int
    rank: int


def due(
    bulk: Bulk, campaign_id: str, now_ms: int, limit: int, debtors: Sequence[bytes] | None = None
) -> list[Due]:
    """The next planned attempts that are due (to these debtors), in the campaign's order, locked."""
    if debtors is None:
        rows = bulk.rows(_DUE, campaign_id, now_ms, limit)
    else:
        rows = bulk.rows(_DUE_OF, campaign_id, debtors, now_ms, limit)
    return [Due(Subject(*row[:9]), row[9], row[10], json_value(row[11]), row[12]) for row in rows]


def due_cases(
    bulk: Bulk, campaign_id: str, now_ms: int, limit: int, debtors: Sequence[bytes] | None = None
) -> set[str]:
    """The cases of the next planned attempts that are due (to these debtors), not locked."""
    if debtors is None:
        rows = bulk.rows(_DUE_CASES, campaign_id, now_ms, limit)
    else:
        rows = bulk.rows(_DUE_CASES_OF, campaign_id, debtors, now_ms, limit)
    return {row[0] for row in rows}


def held(bulk: Bulk, attempt_ids: Sequence[str]) -> list[Held]:
    """Attempts that ask for permission, locked."""
    rows = bulk.rows(_HELD, list(attempt_ids))
    return [Held._make((Subject(*row[:9]), *row[9:16], json_value(row[16]))) for row in rows]


def find(bulk: Bulk, attempt_ids: Sequence[str]) -> dict[str, Found]:
    """Attempts by id, locked.  LookupError when one is missing."""
    found = {row[0]: _found(row) for row in bulk.rows(_FOUND, list(attempt_ids))}
    for attempt_id in attempt_ids:
        if attempt_id not in found:
            raise LookupError(f"there is no attempt {attempt_id}")
    return found


def ended_as(bulk: Bulk, dispositions: Mapping[str, str]) -> set[str]:
    """Those of the attempts that were closed with just the disposition given for them."""
    rows = bulk.rows(_ENDED, list(dispositions))
    return {attempt_id for attempt_id, disposition in rows if dispositions[attempt_id] == disposition}


def of_worker(bulk: Bulk, worker: str) -> list[Found]:
    """The live attempts of a worker, locked."""
    return [_found(row) for row in bulk.rows(_OF_WORKER, worker)]


def _found(row: tuple[Any, ...]) -> Found:
    return Found._make((*row[:10], json_value(row[10]), *row[11:]))


def free_debtors(bulk: Bulk, debtor_ids: Iterable[int]) -> Callable[[], set[int]]:
    """Locks debtors; leaves out those who are on a call, in any campaign, or held by another claim."""
    wanted = sorted(set(debtor_ids))
    locked, live = bulk.later(_LOCK_DEBTORS, wanted), bulk.later(_LIVE_DEBTORS, wanted)
    return lambda: {row[0] for row in locked.rows()}.difference(row[0] for row in live.rows())


def free_phones(bulk: Bulk, indexes: Iterable[bytes]) -> Callable[[], dict[bytes, bytes]]:
    """Locks numbers; those that are not on a call nor held by another claim, with their ciphertext."""
    wanted = sorted(set(indexes))
    locked, live = bulk.later(_LOCK_PHONES, wanted), bulk.later(_LIVE_PHONES, wanted)

    def free() -> dict[bytes, bytes]:
        found = {bytes(row[0]): bytes(row[1]) for row in locked.rows()}
        for row in live.rows():
            found.pop(bytes(row[0]), None)
        return found

    return free


def faults(bulk: Bulk, contact_ids: Iterable[int]) -> dict[int, int]:
    """How often each contact's attempts could not be dialled by a fault of ours or the trunk's."""
    return dict(bulk.rows(_FAULTS, sorted(set(contact_ids))))


def claim(bulk: Bulk, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows of (worker, number, caller, trunk, day, reserved, claimed_ms, attempt id)."""
    bulk.write(_CLAIM, rows, _moved())


def refuse(bulk: Bulk, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows of (rule, reason, number, caller, closed_ms, attempt id)."""
    bulk.write(_REFUSE, rows, _moved())


def dial(bulk: Bulk, rows: Sequence[tuple[int, str]]) -> None:
    """The intent, before the INVITE.  Rows of (dialled_ms, attempt id)."""
    bulk.write(_DIAL, rows, _moved())


def mark(bulk: Bulk, attempt_ids: Sequence[str], state: AttemptState, now_ms: int) -> None:
    """ringing or answered.  IllegalMove when one of them is not where that leads from."""
    if state is AttemptState.RINGING:
        bulk.write(_RING, [(one,) for one in attempt_ids], _moved())
    elif state is AttemptState.ANSWERED:
        bulk.write(_ANSWER, [(now_ms, one) for one in attempt_ids], _moved())
    else:
        raise ValueError(f"an attempt is not marked {state}: claim, permit and close do that")


def end(bulk: Bulk, rows: Sequence[Ending]) -> None:
    """Closes attempts, whatever they came to."""
    bulk.write(_END, rows, _moved())


def push(bulk: Bulk, rows: Sequence[tuple[int, str]]) -> None:
    """Moves planned attempts forward in time, so that they do not clog the head of the queue."""
    bulk.write(_PUSH, rows)


def plan(bulk: Bulk, plans: Sequence[Plan], now_ms: int) -> None:
    """Plans the contacts' next attempts."""
    ids = new_ids(len(plans), now_ms)
    rows = [
        (one, *new[:5], "planned", new.due_ms, new.rank, now_ms) for one, new in zip(ids, plans, strict=True)
    ]
    bulk.write(_PLAN, rows)


def finish(bulk: Bulk, rows: Sequence[tuple[str, str, int]]) -> None:
    """Rows of (state, why, contact id): nothing more is planned for these contacts, or it is again."""
    bulk.write(_FINISH, rows)


def _moved() -> IllegalMove:
    return IllegalMove("an attempt is not where this leads from, or no longer")


def new_ids(n: int, now_ms: int) -> list[str]:
    """`n` ids of attempts: 12 hex digits of time, 20 random ones.

    Ids of one time lie side by side in the index: with random ones each write would touch another page.
    """
    time = f"{now_ms & 0xFFFF_FFFF_FFFF:012x}"
    random = os.urandom(10 * n).hex()
    return [time + random[at : at + 20] for at in range(0, 20 * n, 20)]
