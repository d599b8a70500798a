"""Who is there, as the desk and the register tell the queue, under a clock that stands still."""

from __future__ import annotations

import pytest

from handoff.agents import Agent
from handoff.presence import Presence
from handoff.queue import DESK_WRAP_UP_S, AgentQueue
from handoff.seat import NobodyComes
from handoff.settings import QueueSettings
from handoff.states import SeatOutcome

QUEUES = {"general": QueueSettings(name="general", skill="general", wrap_up_s=10, rest_s=4)}


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def agent(agent_id: str, **more: object) -> Agent:
    return Agent.model_validate(
        {
            "id": agent_id,
            "name": agent_id,
            "sip": f"sip:{agent_id}@127.0.0.1",
            "skills": ["general"],
            "agency": "x",
        }
        | more
    )


@pytest.fixture
def time() -> Time:
    return Time()


def queue_of(time: Time, *agents: Agent) -> AgentQueue:
    return AgentQueue(agents, QUEUES, lambda one: None, time)


def reserve(queue: AgentQueue, attempt: str) -> str | None:
    seat = queue.reserve("general", attempt, worker="w1")
    return seat.agent_id if seat else None


def presence(queue: AgentQueue) -> dict[str, Presence]:
    return {row.agent_id: row.presence for row in queue.rows()}


def test_whose_presence_is_the_desk_is_rung_only_while_there(time: Time) -> None:
    queue = queue_of(time, agent("d", presence="desk"))
    with pytest.raises(NobodyComes, match="no_agent_logged_in"):
        reserve(queue, "a1")
    queue.sit_down("d", True)
    assert reserve(queue, "a1") == "d"


def test_whose_presence_is_the_phone_stays_reachable_after_leaving_the_desk(time: Time) -> None:
    queue = queue_of(time, agent("p"))
    queue.sit_down("p", True)
    queue.sit_down("p", False)
    assert reserve(queue, "a1") == "p"


def test_at_the_desk_wrap_up_lasts_until_the_form_is_in_but_not_for_ever(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    queue.sit_down("a", True)
    for ended_by_form in (True, False):
        seat = queue.reserve("general", "a1", worker="w1")
        assert seat is not None
        queue.bridged(seat.reservation)
        queue.release(seat.reservation, SeatOutcome.TALKED)
        time.now += 100
        assert presence(queue) == {"a": Presence.WRAP_UP}
        if ended_by_form:
            queue.wrapped_up("a")
        else:
            time.now += DESK_WRAP_UP_S - 100
        assert presence(queue) == {"a": Presence.FREE}


def test_a_form_does_not_shorten_the_rest_after_a_call_that_was_not_taken(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    seat = queue.reserve("general", "a1", worker="w1")
    assert seat is not None
    queue.release(seat.reservation, SeatOutcome.DECLINED)
    queue.wrapped_up("a")
    assert presence(queue) == {"a": Presence.RESTING}


def test_who_has_a_call_of_another_run_is_not_rung_and_not_counted_on(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    queue.go_elsewhere("a", True)
    assert reserve(queue, "a1") is None
    assert (presence(queue), queue.seats("general").here) == ({"a": Presence.ELSEWHERE}, 0)
    queue.go_elsewhere("a", False)
    assert reserve(queue, "a1") == "a"


def test_the_register_changes_under_a_running_queue(time: Time) -> None:
    queue = queue_of(time, agent("a"), agent("b"))
    seat = queue.reserve("general", "a1", worker="w1")
    assert seat is not None
    other = "b" if seat.agent_id == "a" else "a"
    queue.revise([agent(seat.agent_id, enabled=False), agent(other, enabled=False), agent("new")])
    assert set(presence(queue)) == {seat.agent_id, "new"}, "a call in progress goes on"
    assert queue.bridged(seat.reservation)
    queue.take_break(seat.agent_id, None)
    queue.release(seat.reservation, SeatOutcome.TALKED)
    time.now += 1000
    assert [reserve(queue, attempt) for attempt in ("a2", "a3")] == ["new", None]
    queue.revise([agent("new", skills=["other"])])
    assert set(presence(queue)) == {"new"}


def test_waiting_calls_are_listed_in_their_order(time: Time) -> None:
    queue = queue_of(time, agent("a"))
    queue.take_break("a", None)
    assert reserve(queue, "a1") == "a"
    for attempt in ("a2", "a3"):
        assert reserve(queue, attempt) is None
        time.now += 1
    assert [(row.attempt_id, row.waits_s) for row in queue.waiting()] == [("a2", 2.0), ("a3", 1.0)]
