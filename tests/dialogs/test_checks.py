"""What compile refuses: gaps, debt words before the check, stages nobody reaches, missing duties."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dialogs.checks import DUTIES, check
from dialogs.debt_words import DebtWords
from dialogs.errors import TrackError
from dialogs.rules import START_STAGE, rules
from dialogs.track import Track
from tests.dialogs.small_track import BANK, TRACK, write

TRACKS = [Path("dialogs/talktracks") / f"{name}.yaml" for name in ("reminder", "instalment", "contact")]
ISLAND = "  handoff: {group: all, ask: [L.bye]}"
ASKS = "C.yes: {say: [L.debt]}"


def line_of(text: str, part: str) -> int:
    """The 1-based line of the track in which `part` begins."""
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize("path", TRACKS, ids=lambda path: path.stem)
def test_the_three_tracks_hold(path: Path):
    assert check(Track.load(path))


def test_the_small_track_holds(tmp_path: Path):
    assert check(Track.load(write(tmp_path)))


@pytest.mark.parametrize(
    "old, new, at, said",
    [
        ("{amount_due}。", "{amount_duo}。", "L.debt: {to", "{amount_duo} is not declared"),
        ("say: [L.debt], go: matter", "say: [L.dept], go: matter", "L.dept", "there is no line L.dept"),
        ("say: [L.debt], go: matter", "say: [L.debt], go: mater", "go: mater", "there is no stage mater"),
        (
            "say: [L.check], go: verify",
            "say: [L.check, L.debt], go: verify",
            "L.check, L.debt]",
            "speaks L.debt, which needs level 2",
        ),
        (
            "say: [L.check], go: verify",
            "say: [L.bye], go: matter",
            "[L.bye], go: matter",
            "leads to level 2; only event.verified may",
        ),
        (
            "level: 1\n    listener: debtor",
            "level: 1\n    listener: contact",
            "replies: {C.yes: {say: [L.check]",
            "it is for the debtor",
        ),
        ("group: all, level: 2", "group: everyone, level: 2", "everyone", "there is no group 'everyone'"),
        ("group: all, level: 2", "group: [all, every], level: 2", "every]", "there is no group 'every'"),
        ("reason: asked}", "reason: wanted}", "wanted", "not one of the whisper reasons"),
        (
            "end: STOP_REQUEST, stop_list: DEBTOR_NO_BOT",
            "end: STOP_REQUEST",
            "C.stop_calling: {",
            "C.stop_calling must end and write the stop list",
        ),
        (
            "end: WRONG_PARTY, stop_list: WRONG_PARTY",
            "stop_list: WRONG_PARTY",
            "C.wrong_number: {",
            "C.wrong_number must end and write the stop list",
        ),
        (
            "end: CONTACT_REFUSED, stop_list: CONTACT_REFUSED",
            "end: CONTACT_REFUSED",
            "D.refuse_contact: {",
            "D.refuse_contact must end and write the stop list",
        ),
        (
            "C.ask_human: {say: [L.bye], handoff: HUMAN, reason: asked}",
            "C.ask_human: {say: [L.bye]}",
            "C.ask_human: {",
            "C.ask_human must lead to a human",
        ),
        (
            "handoff: DISPUTE, reason: asked, hold: open_dispute",
            "end: DISPUTE",
            "C.dispute: {",
            "C.dispute must lead to a human",
        ),
        (
            "C.vulnerable: {say: [L.bye], handoff: VULNERABLE, reason: asked}",
            "C.vulnerable: {ask: true}",
            "C.vulnerable: {",
            "C.vulnerable must lead to a human",
        ),
        (
            "end: COMPLAINT, hold: open_complaint",
            "hold: open_complaint",
            "C.complaint: {",
            "C.complaint must end or lead to a human",
        ),
        (ISLAND, f"{ISLAND}\n  island: {{group: all, ask: [L.bye]}}", "island:", "nothing leads"),
        (ISLAND, "  handoff: {group: all}", "C.yes: {ask", "asks again, but the stage has no question"),
        (
            'L.bye: {to: unknown, level: 0, text: "再见。"}',
            'L.bye: {to: unknown, level: 0, text: "再见。"}\n  L.idle: {to: unknown, level: 0, text: 喂}',
            "L.idle",
            "nothing speaks this line",
        ),
        (
            "    ask: [L.check]\n",
            "    ask: [L.check]\n    reads: {C.ask_human: C.stop_calling}\n",
            "reads:",
            "may not be read",
        ),
        (
            "    ask: [L.check]\n",
            "    ask: [L.check]\n    reads: {C.no: C.yes}\n",
            "reads:",
            "cannot be read as C.yes",
        ),
        ("C.yes: {ask: true}", "C.yes: {when: {nth: 1}, ask: true}", "nth: 1", "no step for nth 2"),
        ('text: "请说后四位。"', 'text: "{amount_due}，请说后四位。"', "L.check: {", "{amount_due} may be"),
        ('text: "请说后四位。"', 'text: "为了还款，请说后四位。"', "L.check: {to", "还款 may be heard"),
        ('text: "再见。"', 'text: "逾期的事再见。"', "L.bye: {to", "逾期 may be heard by the unknown"),
        ("limits: {asks: 2, ", "limits: {", "limits:", "the limit asks is missing"),
        (", persuading_s: 90}", "}", "limits:", "the limit persuading_s is missing"),
        ("call_s: 180, ", "", "limits:", "the limit call_s is missing"),
        ("persuading_s: 90", "persuading_s: 91", "limits:", "the limit persuading_s is at most 90"),
        ("asks: 2", "asks: 3", "limits:", "the limit asks is at most 2"),
        ("C.yes: {ask: true}", "C.yes: {when: {flag: rich}, ask: true}", "rich", "'rich' is not declared"),
        ("C.yes: {ask: true}", "C.yes: {when: {said: rich}, ask: true}", "rich", "there is no mark rich"),
        ("guards: []", "marks: {rich: {phrases: [有钱]}}", "marks:", "no rule asks for this mark"),
        (
            "guards: []",
            "guards: [{intent: C.nothing, phrases: [没有]}]",
            "guards:",
            "a guard names the unknown intent C.nothing",
        ),
        ("C.yes: {ask: true}", "C.yes: {say: [L.bye], sets: {whisper_reason: x}}", "sets", "is no value of"),
        ("C.yes: {ask: true}", "C.yes: {say: [L.bye], slots: [inst_name]}", "slots: [i", "no run-time slot"),
    ],
)  # fmt: skip
def test_compile_refuses(tmp_path: Path, old: str, new: str, at: str, said: str):
    """`at`: text of the line that the fault must name."""
    assert old in TRACK
    broken = TRACK.replace(old, new)
    with pytest.raises(TrackError) as fault:
        check(Track.load(write(tmp_path, broken)))
    assert said in str(fault.value)
    assert f"small.yaml:{line_of(broken, at)} " in str(fault.value)
    assert fault.value.do, "what to do about it"


@pytest.mark.parametrize("missing", DUTIES)
def test_a_bank_without_a_duty_is_refused(tmp_path: Path, missing: str):
    """A track that cannot understand "stop calling" has no exit on it, whatever its rules say."""
    bank = "".join(row for row in BANK.splitlines(keepends=True) if not row.startswith(f"{missing}:"))
    assert bank != BANK
    with pytest.raises(TrackError, match=rf"small\.yaml:2 .*no utterances for {missing}"):
        check(Track.load(write(tmp_path, bank=bank)))


@pytest.mark.parametrize("where", ["debtor", "contact", "unknown"])
def test_each_word_and_slot_of_the_lint_rules_is_refused_below_level_2(tmp_path: Path, where: str):
    rules_file = yaml.safe_load(Path("configs/policies/lint_rules.yaml").read_text(encoding="utf-8"))
    debt = DebtWords.load()
    assert set(rules_file["slot_types"]["DEBT_SLOT"]) == debt.slots
    for told in ("贷款", "逾期", "账单", "催收", *(f"{{{slot}}}" for slot in debt.slots)):
        assert debt.found_in(f"您的{told}") == told
    text = TRACK.replace("L.bye: {to: unknown", f"L.bye: {{to: {where}").replace("再见。", "账单的事。")
    with pytest.raises(TrackError, match=f"账单 may be heard by the {where} at level 0"):
        check(Track.load(write(tmp_path, text)))


def test_a_third_ask_is_refused_whatever_way_leads_to_it(tmp_path: Path):
    matter = "  matter: {group: all, level: 2, listener: debtor, ask: [L.debt]"
    text = TRACK.replace('level: 2, text: "截至', 'level: 2, asks: true, text: "截至').replace(
        f"{matter}}}", f"{matter}, replies: {{{ASKS}}}}}"
    )
    with pytest.raises(TrackError, match=r"in stage matter, C\.yes asks for a promise for the 3\. time"):
        check(Track.load(write(tmp_path, text)))
    last = "C.yes: [{when: {asks: 2}, say: [L.bye], end: CALLBACK}, {say: [L.debt]}]"
    check(Track.load(write(tmp_path, text.replace(ASKS, last))))


def test_all_faults_are_told_at_once_each_with_its_line(tmp_path: Path):
    text = TRACK.replace("{amount_due}。", "{amount_duo}。").replace("reason: asked}", "reason: wanted}")
    with pytest.raises(TrackError) as fault:
        check(Track.load(write(tmp_path, text)))
    told = [str(fault.value), *map(str, fault.value.more)]
    assert len(told) == 1 + text.count("reason: wanted}")
    assert len({one.split(" ")[0] for one in told}) == len(told), "each names its own line"


def test_an_intent_without_a_reply_in_some_stage_is_refused(tmp_path: Path):
    bank = BANK + "C.extra: [一, 二, 三, 四, 五, 六, 七, 八]\n"
    with pytest.raises(TrackError, match=r"small\.yaml:\d+ .*stage opening has no reply to C\.extra"):
        check(Track.load(write(tmp_path, bank=bank)))


@pytest.mark.parametrize("path", TRACKS, ids=lambda path: path.stem)
def test_every_intent_has_exactly_one_step_for_every_combination_of_facts(path: Path):
    seen: dict[tuple[str, str], list[dict[str, object]]] = {}
    for rule in rules(Track.load(path)):
        seen.setdefault((rule.stage, rule.intent), []).append(dict(rule.facts))
    for place, facts in seen.items():
        for at, one in enumerate(facts):
            for other in facts[at + 1 :]:
                assert any(one[name] != other[name] for name in set(one) & set(other)), place


@pytest.mark.parametrize("path", TRACKS, ids=lambda path: path.stem)
def test_debt_lines_are_out_of_reach_below_level_2(path: Path):
    track = Track.load(path)
    debt = {name for name, line in track.lines.items() if line.level == 2}
    for rule in rules(track):
        if track.stages[rule.stage].level != 2 and rule.intent != "event.verified":
            assert not debt & set(rule.step.say), (rule.stage, rule.intent)


@pytest.mark.parametrize("path", TRACKS, ids=lambda path: path.stem)
def test_a_duty_line_can_be_spoken_in_every_stage(path: Path):
    """The player refuses lines above the level that was reached: a duty must never be one of them."""
    track = Track.load(path)
    for rule in rules(track):
        if rule.intent in (*DUTIES, "C.is_robot", "event.handoff_failed", "event.hangup"):
            for name in rule.step.say:
                line, stage = track.lines[name], track.stages[rule.stage]
                level = stage.level or 0
                assert line.level <= level, (rule.stage, rule.intent, name)
                assert rule.stage == START_STAGE or line.level == 0 or level == 2, (rule.stage, name)
