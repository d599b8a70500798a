"""What each agent's calls came to; and, in the audit chain, every look at a case."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from sqlalchemy import insert, select, update

from handoff.card import Card
from voicebot.clock import Clock
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.database import Store
from voicebot.store.looks import note_look, note_look_in
from voicebot.store.models import DeskCallRow


@dataclass(frozen=True)
class DeskCall:
    """One call that was offered to one agent.  `form` is the wrap-up's."""

    id: int
    agent_id: str
    attempt_id: str
    campaign_id: str
    case_id: str
    phone_masked: str
    queue: str
    reason: str
    offered_ms: int
    bridged_ms: int | None
    ended_ms: int | None
    outcome: str | None
    disposition: str | None
    form: Mapping[str, Any]
    effects_due: bool


class CallLog:
    """Blocking: to be run beside the event loop, one call after the other."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock, self._audit = store, clock, AuditChain(store, clock)

    def offered(self, agent_id: str, campaign_id: str, card: Card) -> int:
        """A card is about to be shown; returns the call's number.  No entry, no card."""
        with self._store.begin() as connection:
            row = insert(DeskCallRow).values(
                agent_id=agent_id,
                attempt_id=card.attempt_id,
                campaign_id=campaign_id,
                case_id=card.case_id,
                phone_masked=card.phone_masked,
                queue=card.queue,
                reason=card.reason,
                offered_ms=self._now_ms,
                effects_due=False,
            )
            number = int(connection.execute(row.returning(DeskCallRow.id)).scalar_one())
            note_look_in(connection, self._audit, agent_id, "card", card.attempt_id)
            return number

    def looked(self, member_id: str, attempt_id: str, what: str, why: str = "") -> None:
        """Somebody is about to see a call's words (`transcript`) or the debtor's `name`, and why."""
        note_look(self._store, self._clock, member_id, what, attempt_id, why)

    def warned(self, agent_id: str, attempt_id: str, why: str) -> None:
        """An agent used forbidden words; `why` ends with the rule's id."""
        with self._store.begin() as connection:
            self._audit.append_in(connection, "agent_warned", attempt_id, {"agent": agent_id, "why": why})

    def bridged(self, number: int) -> bool:
        """The two talk.  True: it is written."""
        self._set(number, bridged_ms=self._now_ms)
        return True

    def ended(self, number: int, outcome: str) -> None:
        """The reservation is over."""
        self._set(number, ended_ms=self._now_ms, outcome=outcome)

    def wrapped_up(
        self, number: int, agent_id: str, disposition: str, form: Mapping[str, Any], *, effects_due: bool
    ) -> None:
        """The form is in."""
        sealed = self._store.keys.encrypt(json.dumps(dict(form), ensure_ascii=False), _binding(number))
        with self._store.begin() as connection:
            values = {"disposition": disposition, "form_ct": sealed, "wrapped_ms": self._now_ms}
            row = update(DeskCallRow).where(DeskCallRow.id == number)
            connection.execute(row.values(effects_due=effects_due, **values))
            self._audit.append_in(
                connection, "wrapped_up", str(number), {"by": agent_id, "disposition": disposition}
            )

    def effects_written(self, number: int) -> None:
        """What the form asked for stands in the run's store."""
        self._set(number, effects_due=False)

    def today(self, agent_id: str) -> list[DeskCall]:
        """The agent's calls since midnight, the newest first."""
        now = self._clock.now()
        midnight = moment_ms(datetime.combine(now.date(), time.min, now.tzinfo))
        return self._select(DeskCallRow.agent_id == agent_id, DeskCallRow.offered_ms >= midnight)

    def not_wrapped_up(self) -> list[DeskCall]:
        """Talks whose form is missing, the newest first."""
        return self._select(DeskCallRow.bridged_ms.is_not(None), DeskCallRow.wrapped_ms.is_(None))

    def with_effects_due(self, campaign_id: str | None = None) -> list[DeskCall]:
        """Calls (of one campaign) whose form asks for something that is not written yet."""
        of = () if campaign_id is None else (DeskCallRow.campaign_id == campaign_id,)
        return self._select(DeskCallRow.effects_due.is_(True), *of)

    @property
    def _now_ms(self) -> int:
        return moment_ms(self._clock.now())

    def _set(self, number: int, **values: Any) -> None:
        with self._store.begin() as connection:
            connection.execute(update(DeskCallRow).where(DeskCallRow.id == number).values(**values))

    def _select(self, *which: Any) -> list[DeskCall]:
        query = select(DeskCallRow.__table__).where(*which).order_by(DeskCallRow.id.desc())
        with self._store.reading() as connection:
            return [self._call(row) for row in connection.execute(query)]

    def _call(self, row: Any) -> DeskCall:
        form = json.loads(self._store.keys.decrypt(row.form_ct, _binding(row.id))) if row.form_ct else {}
        return DeskCall(
            row.id,
            row.agent_id,
            row.attempt_id,
            row.campaign_id,
            row.case_id,
            row.phone_masked,
            row.queue,
            row.reason,
            row.offered_ms,
            row.bridged_ms,
            row.ended_ms,
            row.outcome,
            row.disposition,
            form,
            row.effects_due,
        )


def _binding(number: int) -> str:
    """What a form's ciphertext is bound to."""
    return f"desk_call.form:{number}"
