"""Every way of a warm transfer to an agent, to the next one, or to nobody."""

from __future__ import annotations

import asyncio

import pytest

from handoff.consult import ATTEMPT_HEADER
from handoff.states import HandoffState, SeatOutcome
from sip.cause import CauseKind
from sip.errors import DialError, NoSlot
from sip.leg import LegState
from tests.handoff.paper_phone import Script, end
from tests.handoff.paper_scene import (
    WHISPER_S,
    Build,
    accepts_by_key,
    answers_only,
    drops_after_whisper,
    drops_at_once,
    drops_in_whisper,
    ends_with,
    rings_for_ever,
    wrong_key,
)

H, S = HandoffState, SeatOutcome
TO_BRIDGE = [H.RESERVING, H.RINGING, H.WHISPER, H.BRIDGED]


# ---- the way to a talk


async def test_an_agent_accepts_by_key_and_both_hear_each_other(scene: Build) -> None:
    s = scene({"a": accepts_by_key})
    seen: dict[str, object] = {}

    def look(where: str) -> None:
        seen[where] = (dict(s.phone.playing), set(s.phone.links))

    s.at(H.RINGING, lambda: look("ringing"))
    s.at(H.WHISPER, lambda: look("whisper"), after_s=0.01)
    s.at(H.BRIDGED, lambda: (look("bridged"), end(s.agent_leg)), after_s=0.02)
    result = await s.run()
    agent = 2
    assert seen["ringing"] == ({s.debtor.id: "hold"}, set())
    assert seen["whisper"] == ({s.debtor.id: "hold", agent: "whisper"}, set())
    assert seen["bridged"] == ({}, {(s.debtor.id, agent), (agent, s.debtor.id)})
    assert s.states == [*TO_BRIDGE, H.WRAP_UP]
    assert (result.state, result.agent_id, result.ended_by) == (H.WRAP_UP, "a", "agent")
    assert result.bridged and not result.returned
    assert result.asked_at <= result.ringing_at <= result.whisper_at <= result.bridged_at <= result.ended_at  # type: ignore[operator]
    assert result.tried == [("a", S.TALKED)]
    assert s.phone.headers == [(ATTEMPT_HEADER, "att-1")]
    assert s.debtor.state is LegState.CONNECTED, "what becomes of the debtor is the owner's to decide"


async def test_where_no_key_is_required_answering_is_accepting_once_briefed(scene: Build) -> None:
    s = scene({"a": answers_only}, accept_key=None)
    s.at(H.BRIDGED, lambda: end(s.agent_leg))
    result = await s.run()
    assert s.states == [*TO_BRIDGE, H.WRAP_UP]
    assert result.bridged_at is not None and result.whisper_at is not None
    assert result.bridged_at - result.whisper_at >= WHISPER_S


async def test_the_queue_knows_that_they_talk_and_then_that_the_agent_wraps_up(scene: Build) -> None:
    s = scene({"a": accepts_by_key})
    talking: list[bool] = []
    s.at(
        H.BRIDGED,
        lambda: (talking.extend(r.talking for r in s.queue.reservations()), end(s.agent_leg)),
        after_s=0.02,
    )
    await s.run()
    assert talking == [True]
    assert [row.presence.value for row in s.queue.rows()] == ["wrap_up"]


async def test_when_the_debtor_hangs_up_after_the_bridge_the_agent_s_leg_ends(scene: Build) -> None:
    s = scene({"a": accepts_by_key})
    s.at(H.BRIDGED, lambda: end(s.debtor), after_s=0.05)
    result = await s.run()
    assert (result.state, result.ended_by, result.bridged) == (H.WRAP_UP, "debtor", True)
    assert result.tried == [("a", S.TALKED)]


async def test_the_agent_gives_the_debtor_back_by_key(scene: Build) -> None:
    s = scene({"a": accepts_by_key})
    s.at(H.BRIDGED, lambda: s.agent_leg.happened("dtmf", "*"), after_s=0.05)
    links_when_back: list[set[tuple[int, int]]] = []
    s.watchers[H.RETURNED] = lambda: links_when_back.append(set(s.phone.links))
    result = await s.run()
    assert links_when_back == [set()], "the bot must not speak to an agent who has left"
    assert (result.state, result.returned, result.ended_by) == (H.RETURNED, True, None)
    assert result.tried == [("a", S.RETURNED)]
    assert s.debtor.state is LegState.CONNECTED


async def test_keys_other_than_the_return_key_leave_the_talk_alone(scene: Build) -> None:
    s = scene({"a": accepts_by_key}, return_key=None)
    s.at(
        H.BRIDGED,
        lambda: (
            [s.agent_leg.happened("dtmf", key) for key in "1*#"],
            asyncio.get_running_loop().call_later(0.1, end, s.debtor),
        ),
    )
    assert (await s.run()).ended_by == "debtor"


# ---- the next agent


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        (ends_with(CauseKind.REJECTED), S.DECLINED),
        (ends_with(CauseKind.BUSY), S.BUSY),
        (ends_with(CauseKind.NO_ANSWER), S.NO_ANSWER),
        (ends_with(CauseKind.UNREACHABLE), S.UNREACHABLE),
        (ends_with(CauseKind.EMPTY_NUMBER), S.UNREACHABLE),
        (rings_for_ever, S.NO_ANSWER),
        (drops_in_whisper, S.DROPPED),
        (drops_after_whisper, S.DROPPED),
        (answers_only, S.NOT_ACCEPTED),
        (wrong_key, S.NOT_ACCEPTED),
    ],
)
async def test_who_does_not_take_the_call_is_followed_by_the_next(
    scene: Build, first: Script, outcome: SeatOutcome
) -> None:
    s = scene({"a": first, "b": accepts_by_key})
    s.at(H.BRIDGED, lambda: end(s.agent_leg))
    result = await s.run()
    assert s.phone.dialled == ["a", "b"]
    assert result.tried == [("a", outcome), ("b", S.TALKED)]
    assert (result.state, result.agent_id) == (H.WRAP_UP, "b")
    holds = [entry for entry in s.phone.log if entry[0] == "play" and entry[1] == s.debtor.id]
    assert len(holds) == 1, "the debtor hears the same hold all the while"


@pytest.mark.parametrize("drops", [drops_at_once, drops_in_whisper])
async def test_without_a_key_a_drop_in_the_whisper_is_not_taken_for_accepted(
    scene: Build, drops: Script
) -> None:
    s = scene({"a": drops, "b": answers_only}, accept_key=None)
    s.at(H.BRIDGED, lambda: end(s.agent_leg))
    result = await s.run()
    assert result.tried == [("a", S.DROPPED), ("b", S.TALKED)]


async def test_a_phone_that_cannot_be_dialled_is_passed_over(scene: Build) -> None:
    s = scene({"a": accepts_by_key, "b": accepts_by_key})
    s.phone.refuse_dial = DialError("no route")
    result = await s.run()
    assert result.tried == [("a", S.UNREACHABLE), ("b", S.UNREACHABLE)]
    assert (result.state, result.reason) == (H.CALLBACK, "all_agents_tried")


async def test_an_agent_without_valid_certificate_is_never_rung(scene: Build) -> None:
    s = scene({"a": accepts_by_key, "b": accepts_by_key}, barred=frozenset({"a"}))
    s.at(H.BRIDGED, lambda: end(s.agent_leg))
    assert (await s.run()).agent_id == "b"
    assert s.phone.dialled == ["b"]


# ---- nobody


async def test_when_all_have_declined_the_debtor_does_not_wait_in_vain(scene: Build) -> None:
    s = scene({"a": ends_with(CauseKind.REJECTED)})
    result = await s.run()
    assert (result.state, result.reason, result.bridged) == (H.CALLBACK, "all_agents_tried", False)
    assert result.wait_s < 1
    assert s.debtor.state is LegState.CONNECTED


async def test_after_the_last_try_it_is_a_callback(scene: Build) -> None:
    s = scene({name: ends_with(CauseKind.BUSY) for name in "abcd"})
    result = await s.run()
    assert s.phone.dialled == ["a", "b", "c"]
    assert (result.state, result.reason) == (H.CALLBACK, "tries_used_up")


async def test_a_debtor_whom_nobody_is_free_for_waits_max_wait_and_no_longer(scene: Build) -> None:
    s = scene({"a": accepts_by_key}, max_wait_s=1.2)
    held = s.queue.reserve("general", "another call", worker="w9")
    result = await asyncio.wait_for(s.transfer.run(), 5)
    assert (result.state, result.reason) == (H.CALLBACK, "wait_over")
    assert 0.9 <= result.wait_s <= 1.4
    assert s.phone.dialled == [] and s.phone.playing == {}
    assert held is not None and [r.attempt_id for r in s.queue.reservations()] == ["another call"]


async def test_an_agent_who_becomes_free_in_time_is_had(scene: Build) -> None:
    s = scene({"a": accepts_by_key})
    held = s.queue.reserve("general", "another call", worker="w9")
    assert held is not None
    asyncio.get_running_loop().call_later(0.3, s.queue.release, held.reservation, S.DEBTOR_GONE)
    s.at(H.BRIDGED, lambda: end(s.agent_leg))
    assert (await s.run()).agent_id == "a"


async def test_the_wait_ends_in_the_midst_of_ringing_and_hold_falls_silent_first(scene: Build) -> None:
    s = scene({"a": rings_for_ever}, max_wait_s=0.6, ring_s=5)
    result = await s.run()
    assert (result.state, result.reason) == (H.CALLBACK, "wait_over")
    ends = [entry[:2] for entry in s.phone.log if entry[0] in ("stop_player", "hangup")]
    assert ends == [("stop_player", s.debtor.id), ("hangup", 2)]


async def test_without_a_line_for_the_consult_leg_it_is_a_callback(scene: Build) -> None:
    s = scene({"a": accepts_by_key, "b": accepts_by_key})
    s.phone.refuse_dial = NoSlot("all taken")
    result = await s.run()
    assert (result.state, result.reason, result.tried) == (H.CALLBACK, "no_line", [("a", S.NO_LINE)])


@pytest.mark.parametrize("fault", [ConnectionError("gone"), TimeoutError(), RuntimeError("handler failed")])
async def test_a_supervisor_that_does_not_answer_makes_it_a_callback(scene: Build, fault: Exception) -> None:
    s = scene({"a": accepts_by_key})
    s.line.fault = fault
    result = await s.run()
    assert (result.state, result.reason) == (H.CALLBACK, "desk_lost")
