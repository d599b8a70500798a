"""The only way from an approved line to sound: what the book refuses, and why it says so without a value."""

from __future__ import annotations

import wave
from datetime import date
from pathlib import Path

import pytest

from dialogs.manifest import Manifest
from dialogs.track import Track
from voicebot.call.prompt_book import LineRefused, PromptBook
from voicebot.speech.audio import SAMPLE_RATE
from voicebot.speech.tts.cache import PromptCache

VOICE = "espeak:cmn"
TODAY = date(2025, 11, 24)
CASE = {
    "inst_name": ("name", "海城客服"),
    "debtor_name": ("name", "陈志明"),
    "official_no": ("number", "4000095500"),
    "app_name": ("name", "海城生活"),
    "crisis_hotline": ("number", "12356"),
    "product": ("name", "消费贷款"),
    "amount_due": ("money", "81560"),
    "principal": ("money", "79000"),
    "interest": ("money", "2560"),
    "penalty": ("money", "0"),
    "due_date": ("date", "2025-11-23"),
    "overdue_days": ("count", "1"),
    "loan_last4": ("tail", "4137"),
    "deduct_time": ("time", "20:00"),
    "payoff_amount": ("money", "500000"),
}
PLAN = {
    "plan_count": ("count", "6"),
    "plan_amount": ("money", "50000"),
    "plan_first_date": ("date", "2025-12-10"),
    "plan_total": ("money", "306000"),
}


def manifest_of(name: str) -> Manifest:
    return Manifest.of(Track.load(Path(f"dialogs/talktracks/{name}.yaml")))


@pytest.fixture(scope="module")
def reminder() -> Manifest:
    return manifest_of("reminder")


@pytest.fixture(scope="module")
def instalment() -> Manifest:
    return manifest_of("instalment")


def book(folder: Path, manifest: Manifest, case=CASE, **flags: bool) -> PromptBook:
    return PromptBook(manifest, PromptCache(folder), VOICE, case, flags, TODAY, folder)


def render(folder: Path, texts: list[str]) -> None:
    """A tenth of a second of silence for each clause: the book joins files, whatever is in them."""
    cache = PromptCache(folder)
    for text in texts:
        path = cache.path(VOICE, text)
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(bytes(SAMPLE_RATE // 5))


def test_a_line_of_another_digest_is_refused(tmp_path: Path, reminder: Manifest, instalment: Manifest):
    """Both tracks are approved and live in one engine; the call is pinned to one of them."""
    for line, own in (("B.state", reminder), ("A.post", instalment)):
        with pytest.raises(LineRefused, match=rf"line {line} does not belong to digest {own.digest[:12]}"):
            book(tmp_path, own).prompt(line, {}, level=2, listener="debtor")


def test_a_line_that_only_the_next_version_has_is_refused(tmp_path: Path, reminder: Manifest):
    newer = reminder.model_copy(
        update={
            "digest": "f" * 64,
            "version": 2,
            "lines": {**reminder.lines, "A.new": reminder.lines["A.post"].model_copy(update={"id": "A.new"})},
        }
    )
    texts = book(tmp_path, newer).clauses()
    render(tmp_path, texts)
    assert book(tmp_path, newer).prompt("A.new", {}, level=2, listener="debtor").line_id == "A.new"
    with pytest.raises(LineRefused, match=r"A\.new does not belong"):
        book(tmp_path, reminder).prompt("A.new", {}, level=2, listener="debtor")


def test_every_debt_line_needs_level_2_and_the_debtor(tmp_path: Path, reminder: Manifest):
    debt = [name for name, line in reminder.lines.items() if line.level == 2 and line.listener == "debtor"]
    assert len(debt) > 20
    opened = book(tmp_path, reminder)
    for name in debt:
        for level in (0, 1):
            with pytest.raises(LineRefused, match=f"{name} needs level 2"):
                opened.prompt(name, {}, level=level, listener="debtor")
        with pytest.raises(LineRefused, match=f"{name} is for the debtor, not for the contact"):
            opened.prompt(name, {}, level=2, listener="contact")


@pytest.mark.parametrize("listener", ["unknown", "debtor", "contact"])
def test_duty_lines_are_spoken_to_anybody_at_any_level(tmp_path: Path, reminder: Manifest, listener: str):
    speaker = book(tmp_path, reminder)
    render(tmp_path, speaker.clauses())
    run = {"callback_day": "今天", "callback_time": "16:30", "agent_eta": "一两分钟"}
    render(tmp_path, ["今天", "下午四点半", "一两分钟"])
    for line in (
        "C.stop_debtor",
        "C.complaint",
        "C.dispute",
        "C.vulnerable",
        "C.crisis",
        "C.abuse",
        "C.robot",
    ):
        assert speaker.prompt(line, run, level=0, listener=listener).seconds > 0


def test_a_plan_needs_the_ledger_s_word(tmp_path: Path, instalment: Manifest):
    with pytest.raises(LineRefused, match=r"B\.plan needs the ledger's word for plan_approved"):
        book(tmp_path, instalment, {**CASE, **PLAN}).prompt("B.plan", {}, level=2, listener="debtor")


def test_a_plan_without_its_numbers_is_no_call(tmp_path: Path, instalment: Manifest):
    assert book(tmp_path, instalment).clauses()  # nobody approved a plan: none is spoken, none is needed
    with pytest.raises(LineRefused, match="needs the case's plan_count, which the ledger does not have"):
        book(tmp_path, instalment, plan_approved=True).clauses()
    assert book(tmp_path, instalment, {**CASE, **PLAN}, plan_approved=True).clauses()


def test_the_contact_s_track_needs_nothing_of_the_debt(tmp_path: Path):
    """A case's debt data are not even rendered for a call to somebody else."""
    neutral = {
        name: CASE[name] for name in ("inst_name", "debtor_name", "official_no", "app_name", "crisis_hotline")
    }
    assert book(tmp_path, manifest_of("contact"), neutral).clauses()


@pytest.mark.parametrize("value", ["2026-02-22", "2025-11-23", "下周三"])
def test_a_run_time_value_outside_its_closed_set_is_refused(tmp_path: Path, reminder: Manifest, value: str):
    speaker = book(tmp_path, reminder)
    render(tmp_path, speaker.clauses())
    with pytest.raises(LineRefused, match="outside its closed set") as refused:
        speaker.prompt("A.ptp", {"promise_date": value}, level=2, listener="debtor")
    assert value not in str(refused.value)


def test_a_voice_that_was_not_approved_speaks_nothing(tmp_path: Path, reminder: Manifest):
    with pytest.raises(LineRefused, match="is not approved"):
        PromptBook(reminder, PromptCache(tmp_path), "kokoro:zm_yunxi", CASE, {}, TODAY, tmp_path)
