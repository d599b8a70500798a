"""Finds a person by case id or number, in a campaign's lists or among those whom the store has enrolled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select

from voicebot.campaign.attempts import Subject
from voicebot.campaign.balances import Balance, balance_source
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.campaign_lists import CampaignLists
from voicebot.campaign.contact_list import ListRow
from voicebot.campaign.explanation import Person
from voicebot.campaign.facts import Ask, FactFinder, Point
from voicebot.campaign.plan import spoken_digest
from voicebot.campaign.verdicts import Verdict, Verdicts
from voicebot.clock import ManualClock
from voicebot.policy.gate import Gate
from voicebot.store.bindings import phone_binding
from voicebot.store.database import Store
from voicebot.store.masking import mask_phone
from voicebot.store.models import CampaignRow, CaseRow, ContactPointRow, ContactRow, DebtorRow, PhoneRow

FRESH = "ledger_age_min"
OVER = ("stopped", "done")
"""States in which a campaign calls nobody any more."""


def in_lists(
    store: Store,
    gate: Gate,
    campaign: Campaign,
    source: str,
    lists: CampaignLists,
    case_id: str,
    phone: str,
    now: datetime,
) -> list[Person]:
    """The people of the cases with this id or number; `phone` is E.164 or empty."""
    verdicts = Verdicts(store, gate, campaign, spoken_digest(store, campaign))
    return [
        _listed(verdicts, campaign, source, points, number, one, now)
        for points in lists.find(case_id, phone)
        for number, one in enumerate(verdicts.of([points], now))
    ]


def _listed(
    verdicts: Verdicts,
    campaign: Campaign,
    source: str,
    points: list[ListRow],
    number: int,
    now_said: Verdict,
    now: datetime,
) -> Person:
    def facts_at(at: datetime) -> dict[str, Any]:
        one = list(verdicts.of([points], at))[number]
        return _fresh(dict(one.facts), one.balance, at, now)

    row = now_said.row
    return Person(campaign, source, row.case_id, row.party, now_said.phone_masked, facts_at)


def in_store(store: Store, gate: Gate, case_id: str, phone: str, now: datetime) -> Iterator[Person]:
    """The same among the enrolled, newest campaign first; of each person that number, or the first.

    Of campaigns that are over only the newest is asked, and only when he is in no other.
    """
    query = (
        select(
            CampaignRow.id.label("campaign_id"),
            CampaignRow.file,
            CampaignRow.digest,
            CampaignRow.state,
            CaseRow.id.label("case_pk"),
            CaseRow.case_id,
            CaseRow.agency,
            ContactRow.id.label("contact_id"),
            ContactRow.party,
            DebtorRow.id.label("debtor_id"),
            DebtorRow.bix.label("debtor_bix"),
            ContactPointRow.bix,
            ContactPointRow.source,
            ContactPointRow.evidence,
            PhoneRow.e164_ct,
        )
        .join(CaseRow, CaseRow.campaign_id == CampaignRow.id)
        .join(ContactRow, ContactRow.case_pk == CaseRow.id)
        .join(DebtorRow, DebtorRow.id == CaseRow.debtor_id)
        .join(ContactPointRow, ContactPointRow.contact_id == ContactRow.id)
        .join(PhoneRow, PhoneRow.bix == ContactPointRow.bix)
        .order_by(CampaignRow.created_ms.desc(), CampaignRow.id, ContactRow.id, ContactPointRow.ord)
    )
    bix = store.keys.blind_index(phone) if phone else b""
    wanted = ContactPointRow.bix == bix if phone else CaseRow.case_id == case_id
    with store.reading() as connection:
        rows = connection.execute(query.where(wanted)).all()
    going_on = {row.campaign_id for row in rows if row.state not in OVER}
    asked = going_on or {row.campaign_id for row in rows[:1]}
    seen: set[int] = set()
    for row in (row for row in rows if row.campaign_id in asked):
        if row.contact_id not in seen:
            seen.add(row.contact_id)
            yield _enrolled(store, gate, row, now)


def _enrolled(store: Store, gate: Gate, row: Any, now: datetime) -> Person:
    campaign = Campaign.model_validate(row.file)
    about = Subject(
        attempt_id="",
        number=1,
        case_pk=row.case_pk,
        case_id=row.case_id,
        contact_id=row.contact_id,
        debtor_id=row.debtor_id,
        debtor_bix=row.debtor_bix,
        party=row.party,
        agency=row.agency,
    )
    callers = campaign.callers_of(row.agency)
    point = Point(row.bix, row.source, row.evidence)
    balances = balance_source(campaign)

    def facts_at(at: datetime) -> dict[str, Any]:
        balance = balances.lookup([row.case_id]).get(row.case_id)
        ask = Ask(about, point, callers[0] if callers else None, balance)
        finder = FactFinder(store, gate, ManualClock(at))
        with store.reading() as connection:
            (answer,) = finder.collect_many(
                connection, campaign, [ask], digest=row.digest, recorder_ready=True
            )
        return _fresh(dict(answer.facts.whole), balance, at, now)

    masked = mask_phone(store.keys.decrypt(row.e164_ct, phone_binding(row.bix)))
    return Person(campaign, row.campaign_id, row.case_id, row.party, masked, facts_at)


def _fresh(facts: dict[str, Any], balance: Balance | None, at: datetime, now: datetime) -> dict[str, Any]:
    """For a time to come the balance is as old as it is now: the run reads it again."""
    age = balance.age_min(now) if balance is not None and at > now else None
    return facts if age is None else {**facts, FRESH: round(age, 2)}
