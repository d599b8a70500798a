"""Moves of attempts in the store: each one checks the state it comes from, in the same statement."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from voicebot.campaign.enrolment import planned
from voicebot.policy.gate import Decision
from voicebot.store.audit import moment_ms
from voicebot.store.database import Store
from voicebot.store.models import AttemptRow, ContactRow, DecisionBasisRow, DecisionRow, WorkerRow
from voicebot.store.states import AttemptState, IllegalMove, check_move, phase_of


class LostWorker(RuntimeError):
    """This worker was declared dead: it must not dial any more."""


class Attempts:
    """Row-level operations inside the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._insert = postgresql_insert if store.is_postgresql else sqlite_insert

    def fence(self, connection: Connection, worker: str, now_ms: int) -> None:
        """Registers a new worker; LostWorker when it was declared dead."""
        new = self._insert(WorkerRow).values(id=worker, dead=False, seen_ms=now_ms)
        connection.execute(new.on_conflict_do_nothing())
        query = select(WorkerRow.dead).where(WorkerRow.id == worker)
        if connection.execute(self.locked(query, read=True)).scalar():
            raise LostWorker(worker)

    def locked(self, query: Any, **how: Any) -> Any:
        """A query that locks its rows where more than one writer may be at work."""
        return query.with_for_update(**how) if self._store.is_postgresql else query

    def find(self, connection: Connection, attempt_id: str) -> Row[Any]:
        """The attempt's row, locked.  LookupError when there is none."""
        query = select(AttemptRow.__table__).where(AttemptRow.id == attempt_id)
        row = connection.execute(self.locked(query)).first()
        if row is None:
            raise LookupError(f"there is no attempt {attempt_id}")
        return row

    def move(self, connection: Connection, row: Any, new: AttemptState, **values: Any) -> None:
        """Moves a locked row.  IllegalMove when its state does not lead there."""
        old = AttemptState(row.state)
        check_move(old, new)
        statement = update(AttemptRow).where(AttemptRow.id == row.id, AttemptRow.state == old)
        if connection.execute(statement.values(state=new, phase=phase_of(new), **values)).rowcount != 1:
            raise IllegalMove(f"attempt {row.id} is no longer {old}")

    def plan_next(
        self, connection: Connection, row: Any, due: datetime, now_ms: int, *, same_try: bool
    ) -> None:
        """Plans the contact's next attempt.  `same_try`: this one did not use up its budget."""
        number = row.number if same_try else row.number + 1
        values = planned(
            row.campaign_id,
            row.case_pk,
            row.contact_id,
            row.debtor_id,
            number,
            moment_ms(due),
            now_ms,
            row.rank,
        )
        connection.execute(insert(AttemptRow).values(values))

    def drop_planned(self, connection: Connection, contact_id: int) -> None:
        """Takes back what is planned for a contact: an agreed call-back takes its place."""
        statement = delete(AttemptRow).where(AttemptRow.contact_id == contact_id)
        connection.execute(statement.where(AttemptRow.state == AttemptState.PLANNED))

    def finish_contact(self, connection: Connection, contact_id: int, state: str, why: str) -> None:
        """Nothing more is planned for this contact."""
        connection.execute(update(ContactRow).where(ContactRow.id == contact_id).values(state=state, why=why))

    def note_decision(self, connection: Connection, attempt_id: str, moment: str, decision: Decision) -> None:
        """Keeps what the gate said, allowed or refused."""
        digest = hashlib.sha256(f"{decision.gate}/{decision.pack}".encode()).digest()[:16]
        connection.execute(
            self._insert(DecisionBasisRow)
            .values(digest=digest, gate=decision.gate, pack=decision.pack, facts={})
            .on_conflict_do_nothing()
        )
        connection.execute(
            insert(DecisionRow).values(
                attempt_id=attempt_id,
                moment=moment,
                allowed=decision.allowed,
                refusals=[[one.rule, one.reason, one.zh] for one in decision.refusals] or None,
                basis=digest,
                facts=dict(decision.facts),
                at_ms=moment_ms(decision.at),
            )
        )

    def push(self, connection: Connection, attempt_ids: Sequence[str], due_ms: int) -> None:
        """Moves planned attempts back in time, so that they do not clog the head of the queue."""
        if attempt_ids:
            statement = update(AttemptRow).where(AttemptRow.id.in_(attempt_ids))
            connection.execute(
                statement.where(AttemptRow.state == AttemptState.PLANNED).values(due_ms=due_ms)
            )


def new_ids(n: int, now_ms: int) -> list[str]:
    """`n` ids of attempts: 12 hex digits of time, 20 random ones.

    Ids of one time lie side by side in the index: with random ones each write would touch another page.
    """
    time = f"{now_ms & 0xFFFF_FFFF_FFFF:012x}"
    random = os.urandom(10 * n).hex()
    return [time + random[at : at + 20] for at in range(0, 20 * n, 20)]


def states(values: Iterable[AttemptState]) -> list[str]:
    """States as the column keeps them, in a fixed order (one cached statement)."""
    return sorted(str(value) for value in values)
