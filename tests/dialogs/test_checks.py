"""What compile refuses: gaps, debt words before the check, stages nobody reaches, missing duties."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialogs.checks import check
from dialogs.errors import TrackError
from dialogs.rules import rules
from dialogs.track import Track
from tests.dialogs.small_track import BANK, TRACK, write

REMINDER = Path("dialogs/talktracks/reminder.yaml")


def test_the_small_track_and_the_reminder_hold(tmp_path: Path):
    assert check(Track.load(write(tmp_path)))
    assert check(Track.load(REMINDER))


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("{amount_due}。", "{amount_duo}。", "{amount_duo} is not declared"),
        ("say: [L.debt], go: matter", "say: [L.dept], go: matter", "there is no line L.dept"),
        ("say: [L.debt], go: matter", "say: [L.debt], go: mater", "there is no stage mater"),
        (
            "say: [L.check], go: verify",
            "say: [L.check, L.debt], go: verify",
            "speaks L.debt, which needs level 2",
        ),
        (
            "say: [L.check], go: verify",
            "say: [L.bye], go: matter",
            "leads to level 2; only event.verified may",
        ),
        ("level: 1\n    listener: debtor", "level: 1\n    listener: contact", "it is for the debtor"),
        ("group: all, level: 2", "group: everyone, level: 2", "there is no group 'everyone'"),
        ("reason: asked", "reason: wanted", "not one of the whisper reasons"),
        (", stop_list: DEBTOR_NO_BOT", "", "C.stop_calling must end and write the stop list"),
        (", handoff: HUMAN, reason: asked", "", "C.ask_human must lead to a human"),
        (
            "  handoff: {group: all, ask: [L.bye]}",
            "  handoff: {group: all}\n  island: {group: all}",
            "nothing leads",
        ),
        ('再见。"}', '再见。"}\n  L.idle: {to: unknown, level: 0, text: 喂}', "nothing speaks this line"),
        (
            "    ask: [L.check]\n",
            "    ask: [L.check]\n    reads: {C.ask_human: C.stop_calling}\n",
            "may not be read",
        ),
        ("    ask: [L.check]\n", "    ask: [L.check]\n    reads: {C.no: C.yes}\n", "cannot be read as C.yes"),
        ("C.yes: {ask: true}", "C.yes: {when: {nth: 1}, ask: true}", "no step for nth 2"),
    ],
)
def test_compile_refuses(tmp_path: Path, old: str, new: str, said: str):
    assert old in TRACK
    with pytest.raises(TrackError) as fault:
        check(Track.load(write(tmp_path, TRACK.replace(old, new))))
    assert said in str(fault.value)
    assert fault.value.line is not None


def test_an_intent_without_a_reply_in_some_stage_is_refused(tmp_path: Path):
    bank = BANK + "C.extra: [一, 二, 三, 四, 五, 六, 七, 八]\n"
    with pytest.raises(TrackError, match=r"stage opening has no reply to C\.extra"):
        check(Track.load(write(tmp_path, bank=bank)))


def test_every_intent_has_exactly_one_step_for_every_combination_of_facts():
    seen: dict[tuple[str, str], list[dict[str, object]]] = {}
    for rule in rules(Track.load(REMINDER)):
        seen.setdefault((rule.stage, rule.intent), []).append(dict(rule.facts))
    for place, facts in seen.items():
        for at, one in enumerate(facts):
            for other in facts[at + 1 :]:
                assert any(one[name] != other[name] for name in set(one) & set(other)), place


def test_debt_lines_are_out_of_reach_below_level_2():
    track = Track.load(REMINDER)
    debt = {name for name, line in track.lines.items() if line.level == 2}
    for rule in rules(track):
        if rule.stage in (
            "opening",
            "contact",
            "contact_open",
            "reach",
            "number",
            "busy",
            "callback",
            "returned",
        ):
            assert not debt & set(rule.step.say), (rule.stage, rule.intent)
