"""A talk-track file: what is read, what its digest covers, and faults that name their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialogs.errors import TrackError
from dialogs.manifest import Manifest
from dialogs.schema import schema_text
from dialogs.track import Track
from tests.dialogs.small_track import BANK, TRACK, write

REMINDER = Path("dialogs/talktracks/reminder.yaml")


def test_the_reminder_has_the_lines_of_all_its_parts():
    track = Track.load(REMINDER)
    assert {"C.open", "C.human", "C.handover_fault", "D.relay", "A.post", "A.ptp", "W.brief"} <= set(
        track.lines
    )
    assert track.lines["A.post"].level == 2
    assert track.lines["D.relay"].listener == "contact"
    assert track.slots["callback_time"].values[0] == "08:00"
    assert track.slots["callback_time"].values[-1] == "21:45"
    assert track.slots["promise_date"].days == 90


def test_the_manifest_carries_what_a_player_must_refuse_by(tmp_path: Path):
    track = Track.load(REMINDER)
    Manifest.of(track).save(tmp_path / "manifest.json")
    manifest = Manifest.load(tmp_path / "manifest.json")
    assert manifest.digest == track.digest
    line = manifest.lines["B.conseq"]
    assert (line.listener, line.level, line.flags) == ("debtor", 2, ("credit_report_applies",))
    assert manifest.lines["A.ptp"].slots == ("promise_date", "amount_due")
    assert "客户希望分期" in manifest.slots["whisper_reason"].values


def test_duty_lines_can_be_spoken_to_anybody_at_any_level():
    track = Track.load(REMINDER)
    for name in (
        "C.human",
        "C.human_none",
        "C.stop_debtor",
        "C.complaint",
        "C.crisis",
        "C.dispute",
        "C.busy",
    ):
        assert (track.lines[name].listener, track.lines[name].level) == ("unknown", 0), name


@pytest.mark.parametrize(
    "track, bank",
    [
        (TRACK.replace("再见", "再会"), BANK),
        (TRACK, BANK.replace("没错", "没错啊")),
        (TRACK.replace("voices: [v]", "voices: [v, w]"), BANK),
        (TRACK.replace("lint: 1", "lint: 2"), BANK),
    ],
)
def test_the_digest_covers_lines_bank_voices_and_lint_version(tmp_path: Path, track: str, bank: str):
    before = Track.load(write(tmp_path)).digest
    assert Track.load(write(tmp_path, track, bank)).digest != before
    assert Track.load(write(tmp_path)).digest == before


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("level: 1, text", "levle: 1, text", "small.yaml:11 (lines.L.check.levle): this key is unknown"),
        ("version: 1", "version: one", "small.yaml:1 (track.version)"),
        ("type: money", "type: coins", "small.yaml:7 (slots.amount_due.type)"),
        (
            "when: run, values: [asked]",
            "when: run",
            "small.yaml:8 (slots.whisper_reason): a run-time slot needs",
        ),
        ("  L.bye:", "  L.debt:", "small.yaml:13 (L.debt): this key is given twice"),
        ("utterances: [bank.yaml]", "utterances: [bonk.yaml]", "bonk.yaml: cannot be read"),
        ("limits: {asks: 2", "limits: {ask: 2", "unknown 'ask'"),
        ("limits: {asks: 2", "limits: {asks: \x07", "this is no YAML: unacceptable character"),
    ],
)
def test_a_fault_names_its_line(tmp_path: Path, old: str, new: str, said: str):
    assert old in TRACK
    with pytest.raises(TrackError) as fault:
        Track.load(write(tmp_path, TRACK.replace(old, new)))
    assert said in str(fault.value)


def test_an_utterance_under_two_intents_is_refused(tmp_path: Path):
    with pytest.raises(TrackError, match=r"bank\.yaml:3 .*also stands under C.ask_human"):
        Track.load(write(tmp_path, bank=BANK.replace("别打了", "转人工！")))


def test_a_thin_intent_is_refused(tmp_path: Path):
    with pytest.raises(TrackError, match="fewer than 8"):
        Track.load(write(tmp_path, bank=BANK.replace(", 别骚扰", "")))


@pytest.mark.parametrize("what", ["unknown slot", "unknown slot."])
def test_a_fault_and_its_mend_are_two_sentences(what: str):
    assert str(TrackError(what, "Declare it.", "t.yaml", 3, "lines")) == (
        "t.yaml:3 (lines): unknown slot. Declare it."
    )
    assert str(TrackError(what)) == what


def test_the_published_schema_is_made_from_the_model():
    """An editor must mark what the program refuses.  Made by: python -m dialogs.schema."""
    assert Path("docs/talk-track.schema.json").read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize(
    "path", sorted(Path("dialogs/talktracks").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_track_names_its_schema_for_editors(path: Path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../../docs/talk-track.schema.json"
    assert (path.parent / first.partition("=")[2]).resolve() == Path("docs/talk-track.schema.json").resolve()


def test_all_faults_of_a_file_are_told_each_with_its_line_and_a_mend(tmp_path: Path):
    broken = TRACK.replace("level: 1, text", "levle: 1, text").replace("type: money", "type: coins")
    with pytest.raises(TrackError) as fault:
        Track.load(write(tmp_path, broken))
    told = [fault.value, *fault.value.more]
    lines = {one.line for one in told}
    assert {7, 11} <= lines
    assert all(one.do for one in told)


PARTS = {"A": ("reminder", 9), "B": ("instalment", 13), "C": ("reminder", 17), "D": ("contact", 10)}
"""Which track has the lines of a part, and how many intents the part has beside the small words."""


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_its_intents(part: str):
    track = Track.load(Path(f"dialogs/talktracks/{PARTS[part][0]}.yaml"))
    own = {"C.yes", "C.no", "C.ack", "C.greet", "C.goodbye", "A.ask_when"}
    assert sum(intent.startswith(f"{part}.") for intent in set(track.bank.intents) - own) == PARTS[part][1]


def test_the_plans_have_slots_of_their_own():
    track = Track.load(Path("dialogs/talktracks/instalment.yaml"))
    plan, other = (
        {slot for name in names for slot in track.lines[name].slots}
        for names in (
            ("B.plan", "B.cost", "B.accept_read"),
            ("B.plan_alt", "B.cost_alt", "B.accept_read_alt"),
        )
    )
    assert {"plan_total", "plan_count", "plan_amount", "plan_first_date"} == plan
    assert not plan & other
    assert "payoff_amount" in track.lines["B.full"].slots


def test_the_digest_covers_the_parts_that_a_track_includes(tmp_path: Path):
    text = TRACK.replace("utterances:", "include: [part.yaml]\nutterances:").replace(
        '  L.bye: {to: unknown, level: 0, text: "再见。"}\n', ""
    )
    part = tmp_path / "part.yaml"
    digests = set()
    for said in ("再见。", "再会。"):
        part.write_text(f'lines:\n  L.bye: {{to: unknown, level: 0, text: "{said}"}}\n', encoding="utf-8")
        digests.add(Track.load(write(tmp_path, text)).digest)
    assert len(digests) == 2
