"""The judge: a run as it should be, and each way in which it can differ."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from voicebot.simulate import hearing
from voicebot.simulate.judge import Outcome, judge
from voicebot.simulate.result import AgentResult, CalleeResult, SipResult
from voicebot.simulate.scenario import Answer, Expectation, Scenario, Step
from voicebot.store.states import Disposition

WAV = "audio/heard.wav"


def scenario(answer: str = "person", **expects: object) -> Scenario:
    return Scenario(
        id="made",
        number="31",
        title="made",
        answer=Answer(kind=answer),
        steps=(Step(say="喂"),) if answer == "person" else (),
        expects=Expectation(**{"disposition": Disposition.PTP} | expects),
    )


def call(**changes: object) -> CalleeResult:
    result = CalleeResult(
        scenario="made",
        suffix="31",
        process="callees1",
        sip_call_id="a@b",
        sip=SipResult(code=200, reason="OK"),
        answered=True,
        hung_up_by="bot",
        seconds=30.0,
        audio={"heard": WAV},
    )
    return result.model_copy(update=changes)


def agent(**changes: object) -> AgentResult:
    result = AgentResult(
        agent="agent1001",
        sip_call_id="c@d",
        attempt_id="1",
        sip=SipResult(code=200, reason="OK"),
        answered=True,
        accepted=True,
        debtor_spoke=True,
        hung_up_by="agent",
        seconds=20.0,
    )
    return result.model_copy(update=changes)


def faults(
    wanted: Scenario,
    outcome: Outcome | None,
    calls: list[CalleeResult],
    agents: tuple[AgentResult, ...] = (),
    heard: str = "",
) -> list[str]:
    outcomes = {"31": outcome} if outcome else {}
    (verdict,) = judge({"31": wanted}, outcomes, calls, agents, lambda wav: [heard])
    return verdict.faults


PTP = Outcome(disposition="PTP", promise_date="2026-03-06")


def test_a_call_as_expected_has_no_fault() -> None:
    wanted = scenario(promise_date=date(2026, 3, 6), heard=("还款日",), not_heard=("催收",))
    assert faults(wanted, PTP, [call()], heard="约定还款日是三月一号") == []


@pytest.mark.parametrize(
    ("wanted", "outcome", "calls", "fault"),
    [
        (scenario(), Outcome(disposition="SILENT"), [call()], "expected PTP, got SILENT"),
        (
            scenario(promise_date=date(2026, 3, 7)),
            PTP,
            [call()],
            "expected a promise for 2026-03-07, got 2026-03-06",
        ),
        (scenario(), PTP, [call(), call()], "rung 2 times instead of once"),
        (scenario(), PTP, [], "rung 0 times instead of once"),
        (scenario(), None, [call()], "the bot has no outcome for a call that was made"),
        (scenario(), PTP, [call(answered=False)], "never answered"),
        (
            scenario(),
            PTP,
            [call(gave_up=True, steps_left=2)],
            "the callee gave up with 2 steps left",
        ),
        (
            scenario(),
            PTP.model_copy(update={"bridged": True}),
            [call()],
            "handed over",
        ),
        (scenario(barged_in=True), PTP, [call()], "the bot did not fall silent for the callee"),
        (scenario(heard=("身份证",)), PTP, [call()], "not heard: 身份证"),
        (
            scenario(disposition=None, refused="STOP_LIST"),
            PTP,
            [],
            "expected the refusal STOP_LIST, got PTP",
        ),
        (
            scenario(disposition=None, refused="STOP_LIST"),
            Outcome(refused="STOP_LIST"),
            [call()],
            "a refused number was rung",
        ),
    ],
)
def test_each_difference_is_named(
    wanted: Scenario, outcome: Outcome | None, calls: list[CalleeResult], fault: str
) -> None:
    assert faults(wanted, outcome, calls) == [fault]


def test_a_handover_needs_both_ends() -> None:
    wanted = scenario(disposition=Disposition.HUMAN, handed_over=True)
    human = Outcome(disposition="HUMAN", bridged=True)
    greeted = call(agent_greeted_s=25.0)
    assert faults(wanted, human, [greeted], (agent(),)) == []
    mute = (agent(debtor_spoke=False),)
    assert faults(wanted, human, [greeted], mute) == ["callee and agent did not both speak"]
    assert faults(wanted, human, [call()], (agent(),)) == ["callee and agent did not both speak"]


def test_a_debt_word_is_found_by_its_sound() -> None:
    wanted = scenario(not_heard=("还款", "逾期"))
    assert faults(wanted, PTP, [call()], heard="请您尽快环款") == ["heard, and must not be: 还款"]
    assert faults(wanted, PTP, [call()], heard="请您转告一声") == []


def test_words_are_heard_through_the_recognisers_mistakes() -> None:
    assert hearing.seems_to_say("为保护您的个人信息请说一下深份正号码", "身份证号码")
    assert hearing.seems_to_say("由爱合成语音提供", "人工智能|合成语音")
    assert not hearing.seems_to_say("麻烦您转告一声", "身份证号码")


def test_a_recording_is_cut_at_its_pauses(noise_wav: Callable[..., bytes]) -> None:
    pcm = noise_wav((1.0, 2.0), (2.3, 3.0), (5.0, 6.0), seconds=8.0)
    lengths = [len(piece) / 16000 for piece in hearing.pieces(pcm)]
    assert lengths == pytest.approx([2.0 + 0.48, 1.0 + 0.48], abs=0.05)


@pytest.fixture
def noise_wav(tmp_path: Path) -> Callable[..., bytes]:
    def make(*loud: tuple[float, float], seconds: float) -> bytes:
        samples = np.zeros(int(seconds * 8000))
        for start, end in loud:
            span = slice(int(start * 8000), int(end * 8000))
            samples[span] = np.random.default_rng(1).normal(0, 3000, len(samples[span]))
        return samples.astype("<i2").tobytes()

    return make
