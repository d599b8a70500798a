"""How far a campaign is: numbers for the live table and the summary, and who was refused and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from voicebot.store import tally
from voicebot.store.bindings import phone_binding
from voicebot.store.database import Store
from voicebot.store.masking import mask_phone
from voicebot.store.models import AttemptRow, CaseRow, DecisionRow, PhoneRow
from voicebot.store.states import LIVE, AttemptState


@dataclass(frozen=True)
class Progress:
    """Attempts by state, disposition and reason of refusal."""

    states: dict[str, int] = field(default_factory=dict)
    dispositions: dict[str, int] = field(default_factory=dict)
    refused_by_reason: dict[str, int] = field(default_factory=dict)
    answered: int = 0
    later: int = 0
    "Planned for later than a simulated run waits: call-backs and retries."

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def planned(self) -> int:
        return self.states.get(AttemptState.PLANNED, 0)

    @property
    def live(self) -> int:
        return sum(self.states.get(state, 0) for state in LIVE)

    @property
    def refused(self) -> int:
        return self.states.get(AttemptState.REFUSED, 0)

    @property
    def done(self) -> int:
        """Attempts that were dialled and came to an end, known or not."""
        return self.states.get(AttemptState.CLOSED, 0) + self.states.get(AttemptState.UNKNOWN, 0)

    @property
    def open(self) -> int:
        """What this run still has to do: when it is 0, the run is over."""
        return self.planned - self.later + self.live


@dataclass(frozen=True)
class RefusedRow:
    """One attempt that the gate refused; `all_reasons` when more than one rule forbade it."""

    case_id: str
    phone_masked: str
    rule: str
    reason: str
    zh: str
    all_reasons: tuple[str, ...] = ()


def progress(store: Store, campaign_id: str, horizon_ms: int | None = None) -> Progress:
    """The campaign's numbers, from the tally; what is planned after `horizon_ms` counts as `later`."""
    late = select(func.count()).where(
        AttemptRow.campaign_id == campaign_id,
        AttemptRow.phase == 0,
        AttemptRow.due_ms > (horizon_ms or 0),
    )
    with store.reading() as connection:
        numbers = tally.read(connection, campaign_id)
        later = connection.execute(late).scalar_one() if horizon_ms is not None else 0
    found = {what: n for what, n in sorted(numbers.items()) if n}
    return Progress(
        {state: n for state, n in found.items() if state in set(AttemptState)},
        _named(found, "disposition "),
        _named(found, "reason "),
        found.get(tally.WAS_ANSWERED, 0),
        later,
    )


def _named(numbers: dict[str, int], kind: str) -> dict[str, int]:
    return {what.removeprefix(kind): n for what, n in numbers.items() if what.startswith(kind)}


def refusals(store: Store, campaign_id: str) -> list[RefusedRow]:
    """The refused attempts in the campaign's order, numbers masked."""
    newest = aliased(DecisionRow)
    last = select(func.max(newest.moment)).where(newest.attempt_id == AttemptRow.id).scalar_subquery()
    query = (
        select(
            CaseRow.case_id,
            PhoneRow.bix,
            PhoneRow.e164_ct,
            AttemptRow.rule,
            AttemptRow.reason,
            DecisionRow.refusals,
        )
        .join(CaseRow, CaseRow.id == AttemptRow.case_pk)
        .join(PhoneRow, PhoneRow.bix == AttemptRow.bix)
        .join(DecisionRow, (DecisionRow.attempt_id == AttemptRow.id) & (DecisionRow.moment == last))
        .where(AttemptRow.campaign_id == campaign_id, AttemptRow.state == AttemptState.REFUSED)
        .order_by(AttemptRow.rank, AttemptRow.number)
    )
    with store.reading() as connection:
        rows = connection.execute(query).all()
    return [
        RefusedRow(
            row.case_id,
            mask_phone(store.keys.decrypt(row.e164_ct, phone_binding(row.bix))),
            row.rule,
            row.reason,
            row.refusals[0][2],
            tuple(reason for _rule, reason, _zh in row.refusals),
        )
        for row in rows
    ]
