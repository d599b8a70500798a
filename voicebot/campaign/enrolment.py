"""Bringing lists into the store: debtors, numbers, cases, contacts with their points, planned attempts.

Chunk by chunk, each with its mark of how far it came in the same transaction: what broke off goes on there,
and nothing is written twice.  Until the last chunk the campaign is paused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute

from voicebot.campaign.attempts import new_ids
from voicebot.campaign.bulk_rows import ATTEMPTS, CASES, CONTACTS, POINTS, bulk_rows
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.campaign_lists import CampaignLists
from voicebot.campaign.contact_list import ListRow, cases
from voicebot.campaign.row_sealer import SealedChunk, SealingJob, case_slots, sealed
from voicebot.campaign.sealing_process import OWN_PROCESS_FROM, sealed_elsewhere
from voicebot.errors import InputError
from voicebot.store import tally
from voicebot.store.database import Store
from voicebot.store.models import CampaignRow, CaseRow, ContactRow, EnrolmentRow
from voicebot.store.states import AttemptState

__all__ = ["Enrolled", "Enrolment", "case_slots"]

DONE = "done"
Told = Callable[[int, int], None]
"""Hears how many cases are written, and how many there are."""


@dataclass(frozen=True)
class Enrolled:
    """`new`: cases were written.  False when the campaign was there already, whole."""

    campaign_id: str
    cases: int
    new: bool


class Enrolment:
    """Writes one campaign's lists.  `now_ms` is when its attempts are due."""

    def __init__(self, store: Store, campaign: Campaign, digest: str, now_ms: int) -> None:
        self._store, self._campaign, self._digest, self._now_ms = store, campaign, digest, now_ms

    def run(
        self,
        fresh_id: str,
        rows: CampaignLists | Iterable[ListRow],
        told: Told = lambda written, wanted: None,
    ) -> Enrolled:
        """Everything, or as far as it came when an error leaves it.

        Lists of a campaign that is not done are its own: the same ones go on with it, whatever `fresh_id` is.
        InputError when they are other ones, or another talk track.
        """
        if isinstance(rows, CampaignLists):
            return self._run_lists(fresh_id, rows, told)
        held = list(cases(rows).values())
        contacts = sum(map(len, held))
        with self._store.begin() as connection:
            row = self._begin(connection, fresh_id, "", len(held), contacts)
        self._write_all(row, sealed(self._job(row), held), told)
        return Enrolled(fresh_id, len(held), True)

    def _run_lists(self, fresh_id: str, lists: CampaignLists, told: Told) -> Enrolled:
        fingerprint = self._fingerprint(lists)
        with self._store.begin() as connection:
            row = self._unfinished(connection, fingerprint)
            if row is None:
                row = self._begin(connection, fresh_id, fingerprint, lists.cases, lists.rows)
        if row.finished_ms is not None:
            return Enrolled(row.campaign_id, row.cases, False)
        self._write_all(row, self._chunks(self._job(row), lists), told)
        return Enrolled(row.campaign_id, row.cases, True)

    def _fingerprint(self, lists: CampaignLists) -> str:
        """What decides the rows that are written, beside the institution."""
        parts = [lists.fingerprint, self._campaign.agency, self._campaign.order]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _chunks(self, job: SealingJob, lists: CampaignLists) -> Iterator[SealedChunk]:
        if lists.cases - job.cases_done < OWN_PROCESS_FROM:
            return sealed(job, lists.groups(job.cases_done))
        return sealed_elsewhere(job, lists.order)

    def _job(self, row: EnrolmentRow) -> SealingJob:
        return SealingJob(
            self._store.keys,
            row.campaign_id,
            self._campaign.institution,
            self._campaign.agency,
            self._campaign.order,
            row.done,
            row.next_case,
            row.next_contact,
        )

    def _unfinished(self, connection: Connection, fingerprint: str) -> EnrolmentRow | None:
        """The enrolment of the newest campaign of this name that is not done."""
        query = (
            select(EnrolmentRow.__table__, CampaignRow.digest)
            .join(CampaignRow, CampaignRow.id == EnrolmentRow.campaign_id)
            .where(CampaignRow.name == self._campaign.name, CampaignRow.state != DONE)
            .where(CampaignRow.institution == self._campaign.institution, EnrolmentRow.fingerprint != "")
            .order_by(CampaignRow.created_ms.desc(), CampaignRow.id.desc())
        )
        found = connection.execute(query.limit(1)).first()
        if found is None:
            return None
        values = dict(found._mapping)
        digest = values.pop("digest")
        row = EnrolmentRow(**values)
        for same, what, key in (
            (row.fingerprint == fingerprint, "other lists", "lists"),
            (digest == self._digest, f"another talk track ({digest[:12]})", "talk_track"),
        ):
            if not same:
                what = f"the campaign {self._campaign.name} is unfinished with {what}"
                do = "Run it with --new to begin afresh, or give it back what it had."
                raise InputError(what, do, key=key)
        return row

    def _begin(
        self, connection: Connection, campaign_id: str, fingerprint: str, n_cases: int, n_contacts: int
    ) -> EnrolmentRow:
        """The campaign, paused, with ids reserved for what will be written."""
        if self._store.is_postgresql:
            connection.exec_driver_sql("LOCK TABLE enrolment IN EXCLUSIVE MODE")
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
        first = {
            "case": _next(connection, CaseRow.id, EnrolmentRow.case_end),
            "contact": _next(connection, ContactRow.id, EnrolmentRow.contact_end),
        }
        values = {
            "campaign_id": campaign_id,
            "fingerprint": fingerprint,
            "cases": n_cases,
            "done": 0,
            "next_case": first["case"],
            "case_end": first["case"] + n_cases,
            "next_contact": first["contact"],
            "contact_end": first["contact"] + n_contacts,
            "finished_ms": None,
        }
        connection.execute(insert(EnrolmentRow).values(values))
        return EnrolmentRow(**values)

    def _write_all(self, row: EnrolmentRow, chunks: Iterator[SealedChunk], told: Told) -> None:
        with self._store.engine.connect() as connection:
            bulk = bulk_rows(connection)
            with connection.begin():
                bulk.begin()
            try:
                for chunk in chunks:
                    with connection.begin():
                        self._write(connection, row, chunk)
                    told(row.done, row.cases)
            finally:
                with connection.begin():
                    bulk.end()
            if row.done != row.cases:
                raise RuntimeError(f"{row.done} of {row.cases} cases were written")
            with connection.begin():
                self._finish(connection, row)

    def _write(self, connection: Connection, row: EnrolmentRow, chunk: SealedChunk) -> None:
        bulk, campaign_id = bulk_rows(connection), row.campaign_id
        debtors = bulk.debtors(chunk.debtors, self._campaign.institution)
        bulk.phones(chunk.phones.items())
        bulk.insert(
            "case_file",
            CASES,
            [
                (pk, campaign_id, case_id, debtors[debtor], agency, record, flags, tail, notes)
                for pk, case_id, debtor, agency, record, flags, tail, notes in chunk.cases
            ],
        )
        bulk.insert(
            "contact",
            CONTACTS,
            [(pk, campaign_id, case_pk, party, name, "open") for pk, case_pk, party, name in chunk.contacts],
        )
        bulk.insert("contact_point", POINTS, list(chunk.points))
        # Ids of a chunk lie side by side: the index grows at one place.
        ids = new_ids(len(chunk.attempts), self._now_ms + row.done)
        planned = str(AttemptState.PLANNED)
        bulk.insert(
            "attempt",
            ATTEMPTS,
            [
                (
                    one,
                    campaign_id,
                    case_pk,
                    contact,
                    debtors[debtor],
                    1,
                    planned,
                    self._now_ms,
                    rank,
                    self._now_ms,
                )
                for one, (contact, case_pk, debtor, rank) in zip(ids, chunk.attempts, strict=True)
            ],
        )
        tally.add_in(connection, campaign_id, {planned: len(chunk.attempts)})
        row.done += len(chunk.cases)
        row.next_case += len(chunk.cases)
        row.next_contact += len(chunk.contacts)
        connection.execute(
            update(EnrolmentRow)
            .where(EnrolmentRow.campaign_id == campaign_id)
            .values(done=row.done, next_case=row.next_case, next_contact=row.next_contact)
        )

    def _finish(self, connection: Connection, row: EnrolmentRow) -> None:
        """From here on it may be claimed."""
        statement = update(EnrolmentRow).where(EnrolmentRow.campaign_id == row.campaign_id)
        connection.execute(statement.values(finished_ms=self._now_ms))
        running = update(CampaignRow).where(CampaignRow.id == row.campaign_id, CampaignRow.state == "paused")
        connection.execute(running.values(state="running"))


def _next(
    connection: Connection, used: InstrumentedAttribute[int], reserved: InstrumentedAttribute[int]
) -> int:
    """The first id that neither a row has nor an enrolment that is under way."""
    highest: int = connection.execute(select(func.max(used))).scalar() or 0
    end: int = connection.execute(select(func.max(reserved))).scalar() or 1
    return max(highest + 1, end)
