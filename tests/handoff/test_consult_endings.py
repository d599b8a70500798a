"""A side that goes between two steps of a warm transfer: debtor, worker, supervisor."""

from __future__ import annotations

import asyncio

import pytest

from handoff.states import HandoffState, SeatOutcome
from sip.cause import CauseKind
from sip.leg import Leg
from tests.handoff.paper_phone import Script, end
from tests.handoff.paper_scene import (
    WHISPER_S,
    Build,
    accepts_by_key,
    answers_only,
    ends_with,
    rings_for_ever,
)

H, S = HandoffState, SeatOutcome


# ---- the debtor goes


async def test_a_debtor_who_is_gone_already_costs_no_agent_a_ring(scene: Build) -> None:
    s = scene({"a": accepts_by_key})
    end(s.debtor)
    result = await s.run()
    assert (result.state, s.states, s.phone.dialled) == (H.ABANDONED, [H.ABANDONED], [])


@pytest.mark.parametrize(
    ("where", "script", "after_s"),
    [
        (H.RESERVING, rings_for_ever, 0.0),
        (H.RINGING, rings_for_ever, 0.0),
        (H.RINGING, rings_for_ever, 0.05),
        (H.WHISPER, answers_only, 0.0),
        (H.WHISPER, answers_only, WHISPER_S / 2),
        (H.WHISPER, answers_only, WHISPER_S + 0.1),
    ],
)
async def test_a_debtor_who_hangs_up_ends_the_consult_leg_at_once(
    scene: Build, where: HandoffState, script: Script, after_s: float
) -> None:
    s = scene({"a": script, "b": accepts_by_key})
    s.at(where, lambda: end(s.debtor), after_s)
    result = await s.run()
    assert (result.state, result.ended_by, result.bridged) == (H.ABANDONED, "debtor", False)
    assert "b" not in s.phone.dialled
    told = [entry for entry in s.phone.log if entry[0] == "play" and str(entry[2][1]).endswith("gone.wav")]
    assert len(told) == (1 if where is H.WHISPER else 0), "an agent who has answered is told why"
    assert result.wait_s < 1


async def test_an_agent_who_answers_as_the_debtor_hangs_up_is_told(scene: Build) -> None:
    async def answers_too_late(leg: Leg) -> None:
        await asyncio.sleep(0.05)
        end(s.debtor)
        leg.happened("answered", None)

    s = scene({"a": answers_too_late})
    assert (await s.run()).state is H.ABANDONED
    assert any(entry[0] == "play" and str(entry[2][1]).endswith("gone.wav") for entry in s.phone.log)


async def test_a_seat_that_is_granted_as_the_debtor_hangs_up_is_given_back(scene: Build) -> None:
    s = scene({"a": accepts_by_key})
    s.line.slow = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.call_later(0.05, end, s.debtor)
    loop.call_later(0.1, s.line.slow.set)
    assert (await s.run()).state is H.ABANDONED
    assert s.phone.dialled == []


async def test_a_leg_that_is_dialled_as_the_debtor_hangs_up_is_cancelled(scene: Build) -> None:
    s = scene({"a": rings_for_ever})

    async def hang_up_before() -> None:
        end(s.debtor)
        await asyncio.sleep(0.05)

    s.phone.before_dial = hang_up_before
    assert (await s.run()).state is H.ABANDONED
    assert s.phone.dialled == ["a"]
    assert ("hangup", 2) in [entry[:2] for entry in s.phone.log]


# ---- the owner


async def test_a_transfer_runs_once(scene: Build) -> None:
    s = scene({"a": ends_with(CauseKind.BUSY)})
    await s.run()
    with pytest.raises(RuntimeError, match="once"):
        await s.transfer.run()
    assert s.phone.dialled == ["a"]


@pytest.mark.parametrize("where", [H.RESERVING, H.RINGING, H.WHISPER, H.BRIDGED])
async def test_a_worker_that_stops_leaves_neither_leg_nor_seat(scene: Build, where: HandoffState) -> None:
    s = scene({"a": accepts_by_key})
    running = asyncio.ensure_future(s.transfer.run())
    s.at(where, running.cancel)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    await s.nothing_left()
    outcomes = s.queue.stats().outcomes
    assert outcomes == {S.TALKED if where is H.BRIDGED else S.WITHDRAWN: 1}


async def test_a_dead_worker_s_reservation_is_freed_for_the_next_call(scene: Build) -> None:
    s = scene({"a": accepts_by_key, "b": accepts_by_key}, rest_s=0)
    for attempt in ("dead-1", "dead-2"):
        assert s.queue.reserve("general", attempt, worker="dead") is not None
    asyncio.get_running_loop().call_later(0.2, s.queue.lose_worker, "dead")
    s.at(H.BRIDGED, lambda: end(s.agent_leg))
    assert (await s.run()).bridged
