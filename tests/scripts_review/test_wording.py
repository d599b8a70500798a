"""What the lint reads behind the letters: other spellings, sounds, negation, tone."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.lint import measured
from dialogs.track import Track
from scripts_review.homophones import straddles
from scripts_review.likeness import Example, Likeness, Likenesses
from scripts_review.lint import lint
from scripts_review.lint_rules import LintRules, Meta
from scripts_review.topics import SeniorTopics
from scripts_review.wording import Wording
from tests.scripts_review.test_lint import shipped
from voicebot.errors import InputError
from voicebot.yaml_document import YamlDocument

RULES = LintRules.load()
PLAINER = RULES.wording.plainer
DEBTOR = Meta("bot", "debtor", 2)
CONTACT = Meta("bot", "contact", 0)


def broken(text: str, meta: Meta = DEBTOR) -> dict[str, str]:
    return {rule.id: found for rule, found in RULES.broken_by(text, meta)}


PLAIN = {
    "下周就要立 案了": "下周就要立案了",
    "這件事下週立案": "这件事下周立案",
    "加ＶＸ说": "加微信说",
    "加薇信说": "加微信说",
    "加V❤说": "加微信说",
    "律，师，函要来了": "律师函要来了",
    "后菓自付": "后果自负",
    "逾\u200b期": "逾期",
    "要不，我们再约": "要不，我们再约",
    "您忙，好，再见": "您忙，好，再见",
    "没有人威胁您": "没有人威胁您",
    "我们会上.门的": "我们会上门的",
    "律·师·函": "律师函",
    "准备走起素程序": "准备走起诉程序",
    "材料qisu部门审过": "材料起诉部门审过",
    "传 piao 到了": "传票到了",
    "不影响 zheng xin": "不影响征信",
    "搞不好要做牢的": "搞不好要坐牢的",
    "派出锁的人": "派出所的人",
    "律师涵明天到": "律师函明天到",
    "一心4法途径": "一心司法途径",
    "应还{amount_due}，{due_date}前": "应还□，□前",
    "还3.5元，10:30前": "还3.5元，10:30前",
}


@pytest.mark.parametrize(("written", "heard"), PLAIN.items())
def test_a_line_is_read_as_it_is_heard(written: str, heard: str) -> None:
    assert PLAINER.read(written).text == heard


@pytest.mark.parametrize(
    "text",
    [
        "预期您哪天方便",  # not 逾期
        "作为新的一期",  # not 微信
        "一起诉说困难",
        "每期会增加微小的费用",
        "您为信用卡的事来电",
        "赶上门诊时间",
        "今天上午门店开门",
        "我们实行新的办法",
        "请您改为新的号码",
        "他是单位的人",
    ],
)
def test_true_words_of_the_same_sound_stay(text: str) -> None:
    assert PLAINER.read(text).text == text


def test_what_was_read_is_shown_beside_what_was_written() -> None:
    assert broken("我们准备走起素程序")["LEGAL_ACTION"] == "起素（读作 起诉）"
    assert broken("今天就要立 案了")["LEGAL_ACTION"] == "立 案"
    assert broken("您加我vx，我发您")["PRIVATE_CHANNEL"] == "加我vx（读作 加我微信）"


def test_characters_that_run_into_other_words_are_no_match() -> None:
    assert straddles("一起诉说", 1, 3) and not straddles("我们起诉他", 2, 4)
    assert not broken("一起诉说困难的人很多，您愿意讲，我都听着。")


TAKEN_BACK = [
    ("我们不会上门", "THREAT"),
    ("我们的人不会到您家门口", "THREAT"),
    ("我们绝不向您的家人透露", "THIRD_PARTY_PRESSURE"),
    ("我们不会起诉您", "LEGAL_ACTION"),
    ("起诉的事我不清楚", "LEGAL_ACTION"),
    ("目前没有任何针对您的诉讼", "LEGAL_ACTION"),
    ("我们不收手续费", "EXTRA_FEE"),
    ("请不要再去借新还旧", "NEW_DEBT"),
    ("任何自称公安的来电，请先挂断", "IMPERSONATE"),
    ("方案能不能过，我不能保证一定通过", "FALSE_PROMISE"),
    ("请勿加任何人的微信", "PRIVATE_CHANNEL"),
    ("我是人工智能客服", "AI_DENIED"),
    ("您的同事不会知道这件事", "THIRD_PARTY_PRESSURE"),
    ("征信的问题，您可以咨询人工", "CREDIT_CLAIM"),
    ("要是有人冒充我们上门收钱，请您报警", "THREAT"),
    ("要看审核，我不能保证全免", "FALSE_PROMISE"),
    ("别轻信消除征信记录的广告", "FALSE_PROMISE"),
    ("您已经请了律师，之后我们跟律师联系", "LEGAL_ACTION"),
]
STANDING = [
    ("我们不是不会上门", "THREAT"),
    ("我们不会让您好过，会上门找您", "THREAT"),
    ("不还的话我们就上门找您", "THREAT"),
    ("我们暂时还不会起诉您", "LEGAL_ACTION"),
    ("我们不得不起诉您", "LEGAL_ACTION"),
    ("我们不会上门，但是会起诉您", "LEGAL_ACTION"),
    ("不是吓唬您，外访的同事会到您楼下", "THREAT"),
    ("别逼我们联系您的家人", "THIRD_PARTY_PRESSURE"),
    ("今天处理就不影响征信", "CREDIT_CLAIM"),
    ("您家里人不会不知道吧，我们问问您父母", "THIRD_PARTY_PRESSURE"),
    ("不收手续费，只收一点辛苦费", "EXTRA_FEE"),
    ("别信那些话，我们照样上门找您", "THREAT"),
    ("谨防失联，否则上门找您", "THREAT"),
    ("我们会起诉您，您可以去查", "LEGAL_ACTION"),
    ("下周起诉您，请拨打{official_no}", "LEGAL_ACTION"),
    ("审核那边我有人，包您通过", "FALSE_PROMISE"),
    ("您看能不能今天还，我给您全免", "FALSE_PROMISE"),
]


@pytest.mark.parametrize(("text", "rule"), TAKEN_BACK)
def test_a_negation_takes_back_what_stands_in_its_scope(text: str, rule: str) -> None:
    assert rule not in broken(text)


@pytest.mark.parametrize(("text", "rule"), STANDING)
def test_what_is_no_negation_of_it_takes_nothing_back(text: str, rule: str) -> None:
    assert rule in broken(text)


def test_every_known_refused_line_is_found() -> None:
    data = YamlDocument.read(Path("configs/policies/lint_lines.yaml")).data
    missed = []
    for line in data["evasive"]:
        listener = line.get("listener", "debtor")
        if not broken(line["text"], Meta("bot", listener, 2 if listener == "debtor" else 0)):
            missed.append(line["text"])
    flagged = [line["text"] for line in data["good"] if broken(line["text"])]
    assert missed == []
    assert len(flagged) <= len(data["good"]) // 50


def test_lines_kept_apart_are_mostly_seen_for_what_they_are() -> None:
    for name in ("unseen", "apart"):
        figures = measured(Path(f"benchmarks/lint/{name}.yaml"), RULES)
        assert figures["caught"] >= 0.6 * figures["evasive"], name
        assert figures["false_alarms"] <= 0.05 * figures["good"], name


def test_the_benchmark_reads_bare_lines_and_lines_with_their_listener(tmp_path: Path) -> None:
    path = tmp_path / "lines.yaml"
    path.write_text(
        "evasive:\n- 后果自负\n"
        "- {text: 他的贷款逾期了, meta: {actor: bot, listener: contact, verified: 0}, expect: [DEBT_WORD]}\n"
        "good:\n- {text: 您的贷款逾期了, listener: debtor, level: 2}\n",
        encoding="utf-8",
    )
    figures = measured(path, RULES)
    assert (figures["caught"], figures["caught_by_the_rule_meant"], figures["false_alarms"]) == (2, 1, 0)
    path.write_text("evasive:\n- {words: 后果自负}\n", encoding="utf-8")
    with pytest.raises(InputError) as fault:
        measured(path, RULES)
    assert fault.value.line == 2


def test_a_line_that_reads_badly_is_a_warning_with_what_it_is_like() -> None:
    ((rule, found),) = RULES.broken_by("您这种态度，是想让我们动真格的？", DEBTOR)
    assert (rule.id, rule.severity) == ("LIKENESS", "warn")
    assert "读来像" in found and rule.why and rule.mend


def test_a_line_added_to_the_good_ones_reads_well(tmp_path: Path) -> None:
    text = PLAINER.read("您这种态度，是想让我们动真格的？").text
    lines = Path("configs/policies/lint_lines.yaml").read_text(encoding="utf-8")
    learnt = tmp_path / "lines.yaml"
    learnt.write_text(lines + f'  - {{text: "{text}", listener: unknown}}\n', encoding="utf-8")
    before, after = (
        RULES.likenesses,
        Likenesses.load(lambda line: PLAINER.read(line).text, RULES.wording.marks, learnt),
    )
    assert before.debtor.score(text) > 0.3 > 0 > after.debtor.score(text)


def test_likeness_needs_lines_of_both_kinds() -> None:
    with pytest.raises(ValueError):
        Likeness([Example("后果自负", "后果自负", "THREAT")], RULES.wording.marks)


@pytest.mark.parametrize(
    "text", ["spellings: {}\n", "- a\n", "spellings: {a: [b]}\nsounds: []\nwords: {}\nphrases: {X: ['(']}\n"]
)
def test_a_malformed_wording_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wording.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        Wording.load(path)


def test_what_two_lines_say_only_together_is_found(tmp_path: Path) -> None:
    track = shipped(
        tmp_path,
        (
            "如实跟您说，罚息会按合同按天算。其他的我不清楚，不能乱说，您可以问人工同事。",
            "我们下周请您到法",
        ),
        ("好的，正在帮您转接人工，请不要挂机，大约要{agent_eta}。", "院去一趟，请不要挂机。"),
    )
    assert "B.conseq_plain+C.human" in {
        finding.place for finding in lint(track) if finding.rule == "LEGAL_ACTION"
    }


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("您的材料会转到法 院。", "law"),
        ("我们准备走起素程序。", "law"),
        ("官司打起来谁都麻烦。", "law"),
        ("这会报送 zheng xin。", "credit records"),
        ("人行那边的记录会跟您五年。", "credit records"),
        ("罚·息按天算。", "fees"),
        ("给点辛苦费就行。", "fees"),
    ],
)
def test_no_spelling_slips_past_the_senior_reviewer(tmp_path: Path, text: str, topic: str) -> None:
    track = Track.load(shipped(tmp_path, ("没事，忙起来容易忘，现在处理的话几分钟就好。", text)))
    assert "A.forget" in SeniorTopics.load().of(track)[topic]
