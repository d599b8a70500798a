"""The scenario files: readable, complete, and in step with the demo's list."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from voicebot.errors import InputError
from voicebot.simulate.scenario import BOT_VOICE, load_scenarios, number_of, suffix_of
from voicebot.simulate.voices import needed
from voicebot.speech.models import catalogue
from voicebot.speech.spoken.digits import parse_digits
from voicebot.store.states import Disposition

LISTS = Path(__file__).resolve().parents[2] / "configs" / "lists"

PERSON = """
id: somebody
number: "31"
title: 有人接听
steps:
  - {when: answered, say: 喂}
expects: {disposition: PTP}
"""


def demo_rows() -> list[dict[str, str]]:
    with (LISTS / "demo.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_number_of_the_demo_has_its_scenario() -> None:
    assert sorted(suffix_of(row["phone"]) for row in demo_rows()) == sorted(load_scenarios())


def test_demo_promises_every_outcome_that_it_must_show() -> None:
    expects = [scenario.expects for scenario in load_scenarios().values()]
    d = Disposition
    wanted = {d.PTP, d.PAID_CLAIM, d.HUMAN, d.RELAYED, d.WRONG_PARTY, d.STOP_REQUEST, d.BUSY, d.NO_ANSWER}
    wanted |= {d.REJECTED, d.EMPTY_NUMBER, d.VOICEMAIL, d.SILENT}
    assert wanted <= {one.disposition for one in expects}
    assert {one.refused for one in expects} - {None} == {"STOP_LIST", "TOOL_NOT_FILED"}
    assert sum(one.handed_over for one in expects) == 2


def test_transfers_lie_far_apart_in_the_list() -> None:
    scenarios = load_scenarios()
    order = [suffix_of(row["phone"]) for row in demo_rows()]
    first, second = (n for n, suffix in enumerate(order) if scenarios[suffix].expects.handed_over)
    assert second - first >= 8


def test_callees_give_the_identity_tail_of_their_own_row() -> None:
    tails = {suffix_of(row["phone"]): row["id_tail"] for row in demo_rows()}
    checked = 0
    for suffix, scenario in load_scenarios().items():
        given = {step.keys for step in scenario.steps if step.keys}
        given |= {parse_digits(step.say, 4) for step in scenario.steps if step.say} - {None}
        if given:
            assert given == {tails[suffix]}, scenario.id
            checked += 1
    assert checked >= 6


def test_a_debtor_who_promises_has_passed_the_check() -> None:
    for scenario in load_scenarios().values():
        if scenario.expects.disposition in (Disposition.PTP, Disposition.PAID_CLAIM):
            said = [step.keys or parse_digits(step.say, 4) for step in scenario.steps]
            assert any(said), scenario.id


def test_balances_and_list_agree() -> None:
    with (LISTS / "demo_balances.csv").open(encoding="utf-8", newline="") as file:
        balances = {row["case_id"]: row for row in csv.DictReader(file)}
    for row in demo_rows():
        balance = balances[row["case_id"]]
        assert balance["amount_due"] == row["amount_due"]
        assert balance["as_of"] == row["as_of"]


def test_nobody_speaks_with_the_bots_voice() -> None:
    assert BOT_VOICE not in needed()
    assert len(needed()) >= 4


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("title:", "titel: x\ntitle:"), 4, "unknown"),
        (("{when: answered, say: 喂}", "{when: answered, say: 喂, keys: '1'}"), 6, "exactly one"),
        (("{disposition: PTP}", "{disposition: PTP, refused: STOP_LIST}"), 7, "either"),
        (("title: 有人接听", f"title: 有人\nvoice: {BOT_VOICE}"), None, "bot's voice"),
        (("steps:", "answer: {kind: busy}\nsteps:"), None, "no steps"),
        (("steps:", "answer: {kind: voicemail}\nsteps:"), 5, "`text`"),
    ],
)
def test_a_bad_file_is_named_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int | None, says: str
) -> None:
    text = PERSON.replace(*change)
    (tmp_path / "a.yaml").write_text(text, "utf-8")
    with pytest.raises(InputError, match=says) as fault:
        load_scenarios(tmp_path)
    assert fault.value.where == tmp_path / "a.yaml"
    assert line is None or fault.value.line == line


def test_two_scenarios_cannot_share_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PERSON, "utf-8")
    (tmp_path / "b.yaml").write_text(PERSON.replace("somebody", "another"), "utf-8")
    with pytest.raises(InputError, match="belongs to 'somebody' already"):
        load_scenarios(tmp_path)


def test_the_called_number_is_read_from_a_to_header() -> None:
    assert number_of('"x" <sip:+8613800002001@127.0.0.1:5060>;tag=1') == "+8613800002001"
    assert number_of("sip:agent1001@127.0.0.1") == "agent1001"
    assert suffix_of("138****2007") == "07"


def test_every_voice_that_speaks_is_one_that_set_up_installs() -> None:
    installed = {file.path for model in catalogue() for file in model.files}
    spoken = {f"kokoro/{voice.removeprefix('kokoro:')}.bin" for voice in needed()}
    assert spoken <= installed
