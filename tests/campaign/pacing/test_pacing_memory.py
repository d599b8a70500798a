"""What the pacing keeps, on both stores: over restarts, and added up over machines."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from voicebot.campaign.pacing.alarms import AlarmKind, Alarms
from voicebot.campaign.pacing.campaign_pacing import CampaignPacing, PacingChanges
from voicebot.campaign.pacing.flow import Totals
from voicebot.campaign.pacing_memory import PacingMemory
from voicebot.campaign.pacing_settings import Pacing
from voicebot.clock import ManualClock
from voicebot.store.database import Store
from voicebot.store.models import CampaignRow
from voicebot.store.states import Disposition

A, B = "+862160000001", "+862160000002"


@pytest.fixture
def campaign(store: Store) -> str:
    row = {"id": "c1", "name": "c", "state": "running", "institution": "x", "digest": "d", "file": {}}
    with store.begin() as connection:
        connection.execute(insert(CampaignRow).values(created_ms=0, **row))
    return "c1"


class Machine:
    """A pacing with its memory."""

    def __init__(self, store: Store, clock: ManualClock, campaign: str) -> None:
        self.alarms, self._campaign = Alarms(clock), campaign
        self.pacing = CampaignPacing(
            settings=Pacing(mode="predictive"),
            lines=10,
            calls_per_second=100,
            trunk="east",
            max_wait_s=20,
            wrap_up_s=15,
            clock=clock,
            alarms=self.alarms,
        )
        self._memory, self._clock, self._calls = PacingMemory(store, clock), clock, 0
        self.pacing.restore(self._memory.load(campaign, [A, B]))

    def sync(self) -> None:
        self.pacing.restore(self._memory.sync(self._campaign, self.pacing.take_changes()))

    def rejected(self, caller: str, n: int) -> None:
        for _ in range(n):
            self._calls += 1
            name = f"r{self._calls}"
            self.pacing.given(name, caller)
            self.pacing.dialled(name)
            self.pacing.ended(name, sip_code=603, disposition=Disposition.REJECTED)

    def asks(self, n: int, *, nobody: int) -> None:
        """`n` debtors ask, `nobody` of them in vain."""
        for number in range(n):
            self._calls += 1
            name = f"a{self._calls}"
            self.pacing.given(name, A)
            self.pacing.dialled(name)
            self.pacing.answered(name)
            self._clock.advance(30)
            seat = {"reservation": self._calls, "agent_id": "z", "uri": "sip:z"}
            answer = {"nobody": "all_agents_tried"} if number < nobody else {"seat": seat}
            self.pacing.desk("reserve", {"attempt_id": name}, answer)
            self.pacing.desk("bridged", {"reservation": self._calls}, {})
            self.pacing.desk("release", {"reservation": self._calls, "outcome": "talked"}, {})
            self.pacing.ended(name, sip_code=200, disposition=Disposition.HUMAN)


def test_a_restart_forgets_neither_the_abandoned_nor_the_rest(
    store: Store, clock: ManualClock, campaign: str
) -> None:
    before = Machine(store, clock, campaign)
    before.asks(40, nobody=4)
    before.rejected(B, 12)
    before.sync()
    before.sync()  # nothing new: nothing twice

    after = Machine(store, clock, campaign)
    assert after.pacing.totals == Totals(wanted=40, abandoned=4)
    assert after.pacing.status().risk_allowed < 0.002  # 10 % of a cap of 3 %
    assert after.pacing.choose_caller([B], 0) is None
    assert next(alarm.kind for alarm in after.alarms.active()) is AlarmKind.NUMBER_RESTING
    clock.advance(timedelta(minutes=30).total_seconds())
    assert after.pacing.choose_caller([B], 0) == B


def test_two_machines_share_one_cap_and_one_reputation(
    store: Store, clock: ManualClock, campaign: str
) -> None:
    one, other = (Machine(store, clock, campaign) for _ in range(2))
    one.asks(10, nobody=0)
    other.asks(5, nobody=1)
    one.rejected(A, 7)
    other.rejected(B, 5)
    one.sync()
    other.sync()
    one.sync()
    assert one.pacing.totals == other.pacing.totals == Totals(wanted=15, abandoned=1)

    one.rejected(B, 7)  # with the other's five: over the limit for both
    one.sync()
    other.sync()
    assert one.pacing.choose_caller([B], 0) is None and other.pacing.choose_caller([B], 0) is None


def test_a_store_that_did_not_write_gets_it_later(store: Store, clock: ManualClock, campaign: str) -> None:
    machine = Machine(store, clock, campaign)
    machine.asks(3, nobody=1)
    changes = machine.pacing.take_changes()
    machine.pacing.give_back(changes)
    machine.asks(2, nobody=0)
    machine.sync()
    assert machine.pacing.totals == Totals(wanted=5, abandoned=1)
    assert PacingMemory(store, clock).load(campaign, []).totals == Totals(wanted=5, abandoned=1)


def test_the_store_itself_refuses_more_abandoned_than_wanted(
    store: Store, clock: ManualClock, campaign: str
) -> None:
    with pytest.raises(IntegrityError):
        PacingMemory(store, clock).sync(campaign, PacingChanges(Totals(wanted=1, abandoned=2), {}))
    assert PacingMemory(store, clock).load(campaign, []).totals == Totals()
