"""Who may take calls: the file, and the policy pack's say over each person."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from handoff.agents import Agent, Certificates, GateQualification, load_agents, place_simulated
from handoff.settings import load_queues
from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.policy.gate import Gate
from voicebot.policy.pack import load_pack

CONFIGS = Path(__file__).parents[2] / "configs"
PACK = CONFIGS / "policies" / "cn-gbt45251-2025.yaml"
DAY = date(2026, 3, 2)
VALID = Certificates(
    prejob_passed=date(2025, 3, 1),
    confidentiality_signed=date(2025, 3, 1),
    business_exam=date(2026, 1, 10),
    security_exam=date(2026, 1, 10),
)


def agent(**changes: object) -> Agent:
    return Agent(
        id="a1", name="甲", sip="sip:a1@127.0.0.1:5071", skills=frozenset({"general"}), agency="x",
        certificates=VALID.model_copy(update=changes),
    )  # fmt: skip


def qualification(clock: ManualClock | None = None) -> GateQualification:
    clock = clock or ManualClock(datetime(2026, 3, 2, 10, 0, tzinfo=ZoneInfo("Asia/Shanghai")))
    return GateQualification(Gate([load_pack(PACK)], clock), clock)


def test_an_agent_with_valid_certificates_may_take_calls() -> None:
    assert qualification()(agent()) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"prejob_passed": None},
        {"confidentiality_signed": None},
        {"business_exam": None},
        {"security_exam": None},
        {"business_exam": date(2025, 3, 1)},  # 366 days
        {"security_exam": date(2025, 3, 1)},
        {"security_exam": date(2026, 3, 3)},  # passed tomorrow
        {"prejob_passed": date(2026, 3, 3)},
    ],
)
def test_an_agent_whose_certificates_are_missing_old_or_to_come_may_not(changes: dict[str, object]) -> None:
    why = qualification()(agent(**changes))
    assert why is not None
    assert (why.rule, why.reason) == ("CN-TR-01", "AGENT_UNQUALIFIED")
    assert why.zh


def test_a_certificate_runs_out_at_midnight_while_the_run_goes_on() -> None:
    clock = ManualClock(datetime(2026, 3, 2, 23, 59, tzinfo=ZoneInfo("Asia/Shanghai")))
    ask = qualification(clock)
    last_day = agent(business_exam=date(2025, 3, 2))
    assert ask(last_day) is None
    clock.advance(120)
    assert ask(last_day) is not None


def test_the_demo_agents_are_qualified_on_the_demo_s_day_and_cover_the_demo_s_queues() -> None:
    agents = load_agents(CONFIGS / "agents.yaml")
    queues = load_queues(CONFIGS / "queues.yaml", wait_limit_s=20)
    assert [qualification()(one) for one in agents] == [None] * len(agents)
    covered = frozenset().union(*(one.skills for one in agents))
    assert {queue.skill for queue in queues.values()} <= covered


def test_a_simulated_agent_gets_the_address_of_its_phone() -> None:
    simulated = agent().model_copy(update={"sip": "simulated"})
    (placed,) = place_simulated([simulated], {"a1": "sip:a1@127.0.0.1:5099"})
    assert placed.sip == "sip:a1@127.0.0.1:5099"
    with pytest.raises(InputError, match="a1 is simulated"):
        place_simulated([simulated], {})


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("agents:\n- {id: a, name: n, sip: 'sip:a@h', skills: [general]}\n", 2, "missing"),
        ("agents:\n- {id: a, name: n, sip: a@h, skills: [general], agency: x}\n", 2, "sip:name@host"),
        ("agents:\n- {id: a, name: n, sip: simulated, skills: [], agency: x}\n", 2, "skills"),
        ("agents:\n- {id: a, name: n, sip: simulated, skill: [g], agency: x}\n", 2, "skill"),
        (
            "agents:\n- {id: a, name: n, sip: simulated, skills: [g], agency: x}\n"
            "- {id: a, name: m, sip: simulated, skills: [g], agency: x}\n",
            None,
            "a is there twice",
        ),
    ],
)
def test_a_wrong_agents_file_is_refused_with_its_place(
    tmp_path: Path, text: str, line: int | None, says: str
) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says) as refused:
        load_agents(path)
    assert refused.value.where == path
    if line is not None:
        assert refused.value.line == line


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("max_wait_s: 30", "longer than the policy pack allows"),
        ("ring_s: 15, tries: 2", "ring_s x tries is 30 s"),
        ("accept_key: '*'", "same key"),
        ("accept_key: '12'", "accept_key"),
        ("strategy: random", "strategy"),
        ("ring: 3", "unknown"),
    ],
)
def test_a_wrong_queues_file_is_refused_with_its_place(tmp_path: Path, keys: str, says: str) -> None:
    path = tmp_path / "queues.yaml"
    path.write_text(f"queues:\n  general: {{skill: general, {keys}}}\n", encoding="utf-8")
    with pytest.raises(InputError, match=says) as refused:
        load_queues(path, wait_limit_s=20)
    assert refused.value.line == 2
