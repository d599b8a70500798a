"""The agent queue under a clock that stands still until it is moved."""

from __future__ import annotations

from collections import Counter

import pytest

from handoff.agents import Agent, Unqualified
from handoff.presence import Presence
from handoff.queue import PATIENCE_S, AgentQueue
from handoff.seat import NobodyComes, Seat
from handoff.seat_line import LineDesk, answer_desk
from handoff.settings import QueueSettings, Strategy
from handoff.states import NOT_TAKEN, SeatOutcome
from tests.handoff.paper_phone import DirectLine


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def agent(agent_id: str, *skills: str) -> Agent:
    return Agent(
        id=agent_id,
        name=agent_id,
        sip=f"sip:{agent_id}@127.0.0.1",
        skills=frozenset(skills or ("general",)),
        agency="x",
    )


QUEUES = {
    "general": QueueSettings(name="general", skill="general", wrap_up_s=10, rest_s=4),
    "fair": QueueSettings(name="fair", skill="general", strategy=Strategy.FEWEST_CALLS, wrap_up_s=0),
    "care": QueueSettings(name="care", skill="care", priority=9),
}


def queue_of(time: Time, *agents: Agent, barred: frozenset[str] = frozenset()) -> AgentQueue:
    why = Unqualified("CN-TR-01", "AGENT_UNQUALIFIED", "坐席未通过培训考核")
    return AgentQueue(agents, QUEUES, lambda one: why if one.id in barred else None, time)


def reserve(
    queue: AgentQueue, attempt: str, *, name: str = "general", worker: str = "w1", without: str = ""
) -> Seat | None:
    return queue.reserve(name, attempt, frozenset(without.split()), worker=worker)


def presence(queue: AgentQueue) -> dict[str, Presence]:
    return {row.agent_id: row.presence for row in queue.rows()}


def test_whoever_was_idle_longest_is_rung_first(time: Time) -> None:
    queue = queue_of(time, agent("a"), agent("b"))
    first = reserve(queue, "c1")
    assert first is not None
    queue.bridged(first.reservation)
    time.now += 60
    queue.release(first.reservation, SeatOutcome.TALKED)
    time.now += 60
    second, third = reserve(queue, "c2"), reserve(queue, "c3")
    assert [seat.agent_id for seat in (first, second, third) if seat] == ["a", "b", "a"]


def test_whoever_had_the_fewest_calls_is_rung_first(time: Time) -> None:
    queue = queue_of(time, agent("a"), agent("b"))
    for _ in range(2):
        seat = reserve(queue, "c", name="fair", without="b")
        assert seat is not None
        queue.release(seat.reservation, SeatOutcome.TALKED)
        time.now += 1
    seat = reserve(queue, "c", name="fair")
    assert seat is not None and seat.agent_id == "b"


def test_an_agent_is_reserved_for_one_call_only(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    assert reserve(queue, "c1") is not None
    assert reserve(queue, "c2") is None
    assert presence(queue) == {"a": Presence.RESERVED}


def test_after_a_talk_comes_wrap_up_and_then_the_next_call(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    seat = reserve(queue, "c1")
    assert seat is not None
    assert queue.bridged(seat.reservation)
    assert presence(queue) == {"a": Presence.TALKING}
    assert queue.release(seat.reservation, SeatOutcome.TALKED)
    assert presence(queue) == {"a": Presence.WRAP_UP}
    assert reserve(queue, "c2") is None
    time.now += 10
    assert reserve(queue, "c2") is not None


@pytest.mark.parametrize("outcome", sorted(NOT_TAKEN))
def test_an_agent_who_did_not_take_a_call_rests_and_the_next_one_is_rung(
    time: Time, outcome: SeatOutcome
) -> None:
    queue = queue_of(time, agent("a"), agent("b"))
    seat = reserve(queue, "c1")
    assert seat is not None and seat.agent_id == "a"
    queue.release(seat.reservation, outcome)
    other = reserve(queue, "c2")
    assert other is not None and other.agent_id == "b"
    assert reserve(queue, "c3") is None
    time.now += 4
    again = reserve(queue, "c3")
    assert again is not None and again.agent_id == "a"


def test_a_debtor_who_hung_up_costs_the_agent_no_rest(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    seat = reserve(queue, "c1")
    assert seat is not None
    queue.release(seat.reservation, SeatOutcome.DEBTOR_GONE)
    assert reserve(queue, "c2") is not None


def test_a_released_reservation_stays_released_and_late_words_change_nothing(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    old = reserve(queue, "c1")
    assert old is not None
    assert queue.release(old.reservation, SeatOutcome.DEBTOR_GONE)
    new = reserve(queue, "c2")
    assert new is not None
    assert not queue.release(old.reservation, SeatOutcome.TALKED)
    assert not queue.bridged(old.reservation)
    assert [held.attempt_id for held in queue.reservations()] == ["c2"]


def test_a_reservation_that_nobody_ends_expires(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    assert reserve(queue, "c1") is not None
    time.now += QUEUES["general"].lease_s - 0.1
    assert reserve(queue, "c2") is None
    time.now += 0.1
    assert reserve(queue, "c2") is not None
    assert queue.stats().expired == 1


def test_a_talk_outlives_the_reservation_s_first_expiry_but_not_for_ever(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    seat = reserve(queue, "c1")
    assert seat is not None
    queue.bridged(seat.reservation)
    time.now += 600
    queue.sweep()
    assert presence(queue) == {"a": Presence.TALKING}
    time.now += QUEUES["general"].max_talk_s
    queue.sweep()
    assert queue.reservations() == []


def test_a_dead_worker_s_agents_are_freed_and_its_calls_leave_the_line(time: Time) -> None:
    queue = queue_of(time, agent("a"), agent("b"))
    talking, ringing = reserve(queue, "c1", worker="dead"), reserve(queue, "c2", worker="dead")
    assert talking is not None and ringing is not None
    queue.bridged(talking.reservation)
    assert reserve(queue, "c3", worker="dead") is None
    assert reserve(queue, "c4", worker="alive") is None
    assert queue.lose_worker("dead") == ["a", "b"]
    assert queue.reservations() == []
    assert presence(queue) == {"a": Presence.WRAP_UP, "b": Presence.RESTING}
    time.now += 4
    seat = reserve(queue, "c4", worker="alive")
    assert seat is not None and seat.agent_id == "b"


def test_an_agent_without_valid_certificate_is_never_reserved_and_the_reason_is_shown(time: Time) -> None:
    queue = queue_of(time, agent("expired"), agent("b"), barred=frozenset({"expired"}))
    seat = reserve(queue, "c1")
    assert seat is not None and seat.agent_id == "b"
    assert reserve(queue, "c2") is None
    with pytest.raises(NobodyComes, match="all_agents_tried"):
        reserve(queue, "c2", without="b")
    assert queue.unqualified()["expired"].rule == "CN-TR-01"
    assert (
        next(row for row in queue.rows() if row.agent_id == "expired").detail
        == "坐席未通过培训考核 (CN-TR-01)"
    )


def test_waiting_is_refused_with_the_reason_when_nobody_can_come(time: Time) -> None:
    queue = queue_of(time, agent("a"), barred=frozenset({"a"}))
    with pytest.raises(NobodyComes, match="no_agent_qualified"):
        reserve(queue, "c1")
    with pytest.raises(NobodyComes, match="no_agent_with_skill"):
        reserve(queue, "c1", name="care")
    queue = queue_of(time, agent("a"))
    queue.take_break("a", "午休")
    with pytest.raises(NobodyComes, match="no_agent_logged_in"):
        reserve(queue, "c1")
    queue.take_break("a", None)
    queue.log_in("a", False)
    with pytest.raises(NobodyComes, match="no_agent_logged_in"):
        reserve(queue, "c1")
    assert queue.stats().waiting == 0


def test_who_waits_longest_is_served_first(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    seat = reserve(queue, "c1")
    assert seat is not None
    assert reserve(queue, "c2") is None
    time.now += 1
    queue.release(seat.reservation, SeatOutcome.DEBTOR_GONE)
    assert reserve(queue, "c3") is None, "c2 asked before"
    assert reserve(queue, "c2") is not None


def test_a_call_that_stopped_asking_holds_up_nobody(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    seat = reserve(queue, "c1")
    assert seat is not None
    assert reserve(queue, "gone") is None
    queue.release(seat.reservation, SeatOutcome.DEBTOR_GONE)
    assert reserve(queue, "c3") is None
    time.now += PATIENCE_S
    assert reserve(queue, "c3") is not None


def test_a_call_that_has_tried_the_free_agent_lets_others_have_them(time: Time) -> None:
    queue = queue_of(time, agent("a"), agent("b"))
    held = reserve(queue, "c1")
    assert held is not None and held.agent_id == "a"
    assert reserve(queue, "c2", without="b") is None, "waits for a"
    seat = reserve(queue, "c3")
    assert seat is not None and seat.agent_id == "b"


def test_a_queue_of_higher_priority_goes_before_earlier_calls(time: Time) -> None:
    queue = queue_of(time, agent("a", "general", "care"))
    seat = reserve(queue, "c1")
    assert seat is not None
    assert reserve(queue, "early") is None
    time.now += 1
    assert reserve(queue, "urgent", name="care") is None
    queue.release(seat.reservation, SeatOutcome.DEBTOR_GONE)
    assert reserve(queue, "early") is None
    assert reserve(queue, "urgent", name="care") is not None


def test_asking_for_another_seat_gives_the_held_one_up(time: Time) -> None:
    queue = queue_of(time, agent("a"), agent("b"))
    assert reserve(queue, "c1") is not None
    assert reserve(queue, "c1", without="a") is not None
    assert [held.agent_id for held in queue.reservations()] == ["b"]


def test_the_numbers_tell_what_became_of_every_reservation(time: Time) -> None:
    queue = queue_of(time, agent("a"), agent("b"))
    for attempt, outcome in (("c1", SeatOutcome.BUSY), ("c2", SeatOutcome.TALKED)):
        seat = reserve(queue, attempt)
        assert seat is not None
        queue.release(seat.reservation, outcome)
    assert reserve(queue, "c3") is None
    stats = queue.stats()
    assert stats.waiting == 1
    assert stats.outcomes == {SeatOutcome.BUSY: 1, SeatOutcome.TALKED: 1}
    assert Counter(row.presence for row in queue.rows()) == {Presence.RESTING: 1, Presence.WRAP_UP: 1}


async def test_a_worker_s_desk_reserves_bridges_and_releases_over_the_line(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    desk = LineDesk(DirectLine(queue))
    seat = await desk.reserve("general", "c1", set())
    assert seat == Seat("a", "sip:a@127.0.0.1", 1)
    assert await desk.reserve("general", "c2", set()) is None
    await desk.bridged(seat)
    assert [(held.worker, held.talking) for held in queue.reservations()] == [("w1", True)]
    await desk.release(seat, SeatOutcome.TALKED)
    assert queue.reservations() == []
    with pytest.raises(NobodyComes, match="all_agents_tried"):
        await desk.reserve("general", "c3", {"a"})


async def test_a_fault_of_the_supervisor_is_a_lost_connection_to_the_desk(time: Time) -> None:
    line = DirectLine(queue_of(time))
    line.fault = RuntimeError("reserve: KeyError")
    with pytest.raises(ConnectionError):
        await LineDesk(line).reserve("general", "c", set())
    with pytest.raises(ValueError):
        answer_desk(queue_of(time), "w1", "dial", {})
