"""What the gate would say about the people of a list, before anything is enrolled.

The same facts and the same gate as in the run, some hundred people at a time; nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from voicebot.campaign.attempts import Subject
from voicebot.campaign.balances import Balance, balance_source
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.contact_list import ListRow, people_of
from voicebot.campaign.facts import Ask, FactFinder, Point
from voicebot.clock import ManualClock
from voicebot.policy.gate import Decision, Gate
from voicebot.store.bulk import Bulk, Query
from voicebot.store.database import Store
from voicebot.store.masking import mask_name, mask_phone
from voicebot.store.stop_list import debtor_index

BATCH = 500
"""Cases that are looked up at once."""
NOT_ENROLLED = -1
"""Key of rows that a case has only once it is enrolled."""
_DEBTORS = Query("SELECT bix, id FROM debtor WHERE bix IN ?bytea[]")


@dataclass(frozen=True)
class Verdict:
    """What would happen to one person of a case, called on `row`."""

    row: ListRow
    decision: Decision
    facts: Mapping[str, Any] = field(repr=False)
    balance: Balance | None = field(repr=False)

    @property
    def phone_masked(self) -> str:
        return mask_phone(self.row.phone)

    @property
    def name_masked(self) -> str:
        return mask_name(self.row.name)


class Verdicts:
    """Asks the gate about everybody.  `digest` is what would be spoken, or empty."""

    def __init__(self, store: Store, gate: Gate, campaign: Campaign, digest: str) -> None:
        self._store, self._campaign, self._digest = store, campaign, digest
        self._whole_gate, self._gate = gate, gate.of(campaign.institution)
        self._balances = balance_source(campaign)

    def of(self, groups: Iterable[list[ListRow]], at: datetime) -> Iterator[Verdict]:
        """Everybody of each case, as if called at `at`, with the recorder taken to be ready."""
        finder = FactFinder(self._store, self._whole_gate, ManualClock(at))
        waiting = iter(groups)
        while batch := list(islice(waiting, BATCH)):
            balances = self._balances.lookup({points[0].case_id for points in batch})
            people = [person for points in batch for person in people_of(points)]
            with self._store.reading() as connection:
                chosen = self._chosen(connection, finder, people)
                asks = self._asks(connection, chosen, people, balances)
                answers = finder.collect_many(
                    connection, self._campaign, asks, digest=self._digest, recorder_ready=True
                )
            for row, ask, answer in zip(chosen, asks, answers, strict=True):
                facts = answer.facts.whole
                yield Verdict(row, self._gate.decide("pre_dial", facts), facts, ask.balance)

    def _chosen(
        self, connection: Connection, finder: FactFinder, people: Sequence[list[ListRow]]
    ) -> list[ListRow]:
        """The row of each person that the run would dial first: one that is not on the stop list."""
        keys = self._store.keys
        several = [row.phone for person in people if len(person) > 1 for row in person]
        indexes = {phone: keys.blind_index(phone) for phone in several}
        stopped = finder.stop_list.reasons(Bulk(connection), indexes.values(), self._campaign.institution)()
        return [
            next((row for row in person if len(person) > 1 and indexes[row.phone] not in stopped), person[0])
            for person in people
        ]

    def _asks(
        self,
        connection: Connection,
        chosen: Sequence[ListRow],
        people: Sequence[list[ListRow]],
        balances: Mapping[str, Balance],
    ) -> list[Ask]:
        institution = self._campaign.institution
        debtors = [debtor_index(self._store, institution, row.debtor_id) for row in chosen]
        known = {bytes(bix): pk for bix, pk in Bulk(connection).rows(_DEBTORS, sorted(set(debtors)))}
        asks = []
        for row, person, debtor in zip(chosen, people, debtors, strict=True):
            about = Subject(
                attempt_id="",
                number=1,
                case_pk=NOT_ENROLLED,
                case_id=row.case_id,
                contact_id=NOT_ENROLLED,
                debtor_id=known.get(debtor, NOT_ENROLLED),
                debtor_bix=debtor,
                party=row.party,
                agency=person[0].agency or self._campaign.agency or None,
            )
            point = Point(
                self._store.keys.blind_index(row.phone), row.phone_source, row.phone_evidence or None
            )
            callers = self._campaign.callers_of(about.agency)
            asks.append(Ask(about, point, callers[0] if callers else None, balances.get(row.case_id)))
        return asks
