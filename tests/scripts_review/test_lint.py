"""The floor under human reading: the examples of the rule file, the track that is shipped, broken tracks."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts_review.lint import is_clean, lint
from scripts_review.lint_rules import LintRules, Meta
from tests.dialogs.small_track import TRACK, write

RULES = LintRules.load()
REMINDER = Path("dialogs/talktracks/reminder.yaml")


def meta_of(example: dict[str, object]) -> Meta:
    meta = example["meta"]
    assert isinstance(meta, dict)
    return Meta(meta["actor"], meta["listener"], meta["verified"])


@pytest.mark.parametrize("example", RULES.examples["good"], ids=lambda example: example["text"][:12])
def test_good_examples_break_nothing(example):
    assert [rule.id for rule, _ in RULES.broken_by(example["text"], meta_of(example))] == []


@pytest.mark.parametrize("example", RULES.examples["bad"], ids=lambda example: example["text"][:12])
def test_bad_examples_break_exactly_what_is_expected(example):
    broken = {rule.id for rule, _ in RULES.broken_by(example["text"], meta_of(example))}
    assert broken == set(example["expect"])


@pytest.mark.parametrize("track", ["reminder", "instalment", "contact"])
def test_shipped_tracks_are_clean(track: str):
    assert lint(REMINDER.with_name(f"{track}.yaml")) == []


def shipped(folder: Path, *changes: tuple[str, str]) -> Path:
    """The reminder with its files beside it, changed."""
    (folder / "talktracks").mkdir(exist_ok=True)
    for part in REMINDER.parent.glob("*.yaml"):
        text = part.read_text(encoding="utf-8")
        for old, new in changes:
            text = text.replace(old, new)
        (folder / "talktracks" / part.name).write_text(text, encoding="utf-8")
    (folder / "utterances").mkdir(exist_ok=True)
    for bank in Path("dialogs/utterances").glob("*.yaml"):
        (folder / "utterances" / bank.name).write_bytes(bank.read_bytes())
    return folder / "talktracks" / "reminder.yaml"


@pytest.mark.parametrize(
    "old, new, rule, place",
    [
        ("不耽误您。您看", "不耽误您还款。您看", "DEBT_WORD", "C.busy"),
        ("我记一下，您打算", "不还后果自负，您打算", "THREAT", "A.ptp"),
        ("明细在{app_name}里都能看到", "明细我加您微信发", "PRIVATE_CHANNEL", "A.detail"),
        ("由AI合成语音提供，并会全程录音。我是{inst_name}的客服，请问", "会录音，我是{inst_name}的客服，请问",
         "T-OPEN-AI", "C.open"),
        ("我受{inst_name}委托联系您", "我是{inst_name}的", "T-OPEN-INST", "C.open_agency"),
        ("现在又是AI合成语音为您服务", "现在继续为您服务", "T-OPEN-AI", "groups.everywhere"),
        ("您打算{promise_date}处理{amount_due}，对吗", "您打算{promise_date}处理，对吗", "T-PTP", "promise"),
        ("limits: {asks: 2", "limits: {asks: 3", "T-COMPILE", "limits.asks"),
        ("请说一下身份证号码的最后四位", "您的电话是{official_no}吧", "T-VERIFY", "verify"),
        ("lint: 1", "lint: 9", "T-LINT", "track"),
        ("没事，忙起来容易忘", "转到6222 0212 3456就行", "T-PAY", "A.forget"),
        ("并会全程录音。我是{inst_name}的客服，请问", "我是{inst_name}的客服，请问", "T-OPEN-REC", "C.open"),
        ("请拨打{official_no}。\"", "请拨打{official_no}，{product}。\"", "T-COMPILE", "lines.C.vm"),
    ],
)  # fmt: skip
def test_a_broken_track_is_found_at_its_place(tmp_path: Path, old: str, new: str, rule: str, place: str):
    findings = lint(shipped(tmp_path, (old, new)))
    assert (rule, place) in {(finding.rule, finding.place) for finding in findings}
    assert not is_clean(findings)


def test_findings_name_file_and_line(tmp_path: Path):
    found = lint(shipped(tmp_path, ("不耽误您。您看", "不耽误您还款。您看")))[0]
    assert found.file.endswith("debtor.yaml")
    lines = Path(found.file).read_text(encoding="utf-8").splitlines()
    assert found.line is not None and "C.busy:" in lines[found.line - 1]


def test_every_finding_says_why_and_how_to_mend(tmp_path: Path):
    changes = (
        ("请说一下身份证号码的最后四位", "您的电话是{official_no}吧"),
        ("没事，忙起来容易忘", "后果自负"),
    )
    findings = {finding.rule: finding.as_dict() for finding in lint(shipped(tmp_path, *changes))}
    assert {"T-VERIFY", "THREAT"} <= set(findings)
    for finding in findings.values():
        assert finding["why"] and finding["mend"] and finding["line"] and finding["file"]


def test_the_listener_may_be_asked_for_by_name(tmp_path: Path):
    named = lint(
        shipped(tmp_path, ("请说一下身份证号码的最后四位", "{debtor_name}您好，请说一下证件号的最后四位"))
    )
    assert "T-VERIFY" not in {finding.rule for finding in named}


def test_a_track_that_does_not_hold_together_is_one_finding(tmp_path: Path):
    findings = lint(write(tmp_path, TRACK.replace(", stop_list: DEBTOR_NO_BOT", "")))
    assert ("T-COMPILE", "error") in {(finding.rule, finding.severity) for finding in findings}
