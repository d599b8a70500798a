"""`voicebot check`: who would be called, who is refused and why, which rows are bad, what is spoken."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dialogs.manifest import Manifest
from dialogs.track import Track
from voicebot.campaign import demo_site
from voicebot.campaign.demo_site import approve_tracks, prepare_keys
from voicebot.cli import check
from voicebot.errors import InputError
from voicebot.settings import Site, load_site

ROOT = Path(__file__).parents[2]
DEMO = "configs/campaigns/demo.yaml"
LIST = (ROOT / "configs/lists/demo.csv").read_text("utf-8")
CASES = len(LIST.strip().splitlines()) - 1


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The project's own configs with `var` elsewhere, keys made and the talk tracks approved."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("VOICEBOT_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "160")
    site = load_site()
    prepare_keys(site)
    monkeypatch.setattr(demo_site, "talk_tracks", lambda folder: [folder / "reminder.yaml"])
    approve_tracks(site)
    return site


def checked(*arguments: str) -> tuple[int, str]:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("check")(check.check)
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def plan_of(*arguments: str) -> tuple[int, dict[str, Any]]:
    code, output = checked(*arguments, "--json")
    return code, json.loads(output)


def campaign(folder: Path, *changes: tuple[str, str], rows: str = LIST) -> str:
    """The demo's campaign, changed, with a list of its own."""
    (folder / "own.csv").write_text(rows, encoding="utf-8")
    text = (ROOT / DEMO).read_text("utf-8").replace("configs/lists/demo.csv", str(folder / "own.csv"))
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "own.yaml").write_text(text, encoding="utf-8")
    return str(folder / "own.yaml")


def test_the_demo_would_call_all_but_two(site: Site) -> None:
    code, plan = plan_of(DEMO)
    assert (code, plan["to_call"], plan["rejected"], plan["rejected_rows"]) == (0, CASES - 2, 0, [])
    assert {(one["reason"], one["count"], *one["cases"]) for one in plan["refused"]} == {
        ("STOP_LIST", 1, "DEMO-23"),
        ("TOOL_NOT_FILED", 1, "DEMO-24"),
    }
    assert plan["request_uri"].startswith("sip:+86138") and plan["from"].startswith("sip:+862160000001@")
    assert (plan["simulated_clock"], plan["at"]) == (True, "2026-03-02T10:15:00+08:00")
    track = Track.load(site.talktracks / "reminder.yaml")
    assert plan["talk_track"]["reference"] == f"reminder@{track.version}"
    assert plan["talk_track"]["digest"] == track.digest
    assert len(plan["talk_track"]["approved_by"]) == 2 and plan["talk_track"]["approved_at"]
    assert [(one["number"], one["registered"]) for one in plan["callers"]] == [
        ("+862160000001", True),
        ("+862160000002", False),
    ]
    assert plan["expected_minutes"] > 0 and 11 < plan["hours_left_today"] < 11.5


def test_the_plan_for_people_names_the_refused_masked(site: Site) -> None:
    code, output = checked(DEMO)
    assert code == 0
    for words in (
        "TOOL_NOT_FILED",
        "DEMO-24",
        "彭**",
        "138****2024",
        "approved by",
        "not a registered number",
    ):
        assert words in output
    assert "13800002024" not in output and "彭德华" not in output


def test_another_version_than_the_approved_one_is_not_spoken(site: Site, tmp_path: Path) -> None:
    reference = f"reminder@{Track.load(site.talktracks / 'reminder.yaml').version}"
    code, plan = plan_of(campaign(tmp_path, (reference, "reminder@77")))
    assert (code, plan["to_call"]) == (0, 0)
    assert plan["refused"][0]["reason"] == "TALKTRACK"
    assert "reminder@77" in plan["talk_track"]["not_approved"] and plan["talk_track"]["digest"] is None


def test_a_bad_row_is_named_the_good_ones_count_and_the_code_is_1(site: Site, tmp_path: Path) -> None:
    bad = LIST.replace("+8613800002001", "1.38E+10").replace("+8613800002009", "2160000001")
    file = campaign(tmp_path, rows=bad)
    code, output = checked(file)
    assert code == 1
    assert "own.csv:2 (phone, cell E2): the number was changed to scientific notation" in output
    assert "own.csv:3 (phone, cell E3)" in output and "leading zero" in output
    code, plan = plan_of(file)
    assert (code, plan["to_call"], plan["rejected"]) == (1, CASES - 4, 2)
    assert [(one["line"], one["cell"]) for one in plan["rejected_rows"]] == [(2, "E2"), (3, "E3")]


def test_bad_rows_are_written_to_be_mended_and_read_again(site: Site, tmp_path: Path) -> None:
    file = campaign(tmp_path, rows=LIST.replace("+8613800002001", "13"))
    (written,) = plan_of(file)[1]["rejected_files"]
    path = Path(written)
    assert path == site.var / "demo" / "own.rejected.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(encoding="utf-8-sig", newline="") as text:
        (row,) = csv.DictReader(text)
    assert (row["rejected_line"], row["rejected_column"], row["case_id"], row["name"]) == (
        *("2", "phone"),
        *("DEMO-01", "陈志明"),
    )
    mended = path.read_text("utf-8-sig").replace(",13,", ",13800002001,")
    code, plan = plan_of(campaign(tmp_path, rows=mended))
    assert (code, plan["to_call"], plan["rejected_files"]) == (0, 1, [])
    assert not path.exists(), "nothing is left to mend"


def test_strict_loads_none(site: Site, tmp_path: Path) -> None:
    file = campaign(tmp_path, rows=LIST.replace("+8613800002001", "13"))
    code, plan = plan_of(file, "--strict")
    assert (code, plan["to_call"], plan["rejected"], plan["rows"]) == (1, 0, 1, CASES - 1)
    code, output = checked(file, "--strict")
    assert code == 1 and "nothing is loaded" in output and "to call" not in output
    assert plan_of(DEMO, "--strict")[1]["to_call"] == CASES - 2


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("", "the file is empty"),
        (LIST.splitlines()[0] + "\n", "no row below the header"),
        (LIST.replace("phone,", "fone,", 1), "the column phone .*is missing"),
    ],
)
def test_a_list_without_rows_or_columns(site: Site, tmp_path: Path, rows: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as fault:
        checked(campaign(tmp_path, rows=rows))
    assert "own.csv" in str(fault.value)


def test_a_value_that_a_line_needs_is_missed_before_anything_is_dialled(site: Site, tmp_path: Path) -> None:
    track = Track.load(site.talktracks / "reminder.yaml")
    folder = site.tracks / track.digest
    folder.mkdir(parents=True)
    Manifest.of(track).save(folder / "manifest.json")
    code, plan = plan_of(DEMO)
    assert (code, plan["to_call"]) == (0, CASES - 2)
    assert plan["prompts_to_render"] > 100 and plan["prompts_exact"]
    code, plan = plan_of(campaign(tmp_path, ("  inst_name: 海城消金客服中心\n", "")))
    assert plan["to_call"] == 0
    reasons = {one["reason"]: one for one in plan["refused"]}
    assert reasons["PROMPTS"]["count"] == CASES - 2 and "inst_name" in reasons["PROMPTS"]["zh"]


def test_on_a_holiday_the_plan_holds_for_the_next_opening(site: Site, tmp_path: Path) -> None:
    file = campaign(tmp_path, ('start: "2026-03-02T10:15"', 'start: "2026-10-01T10:15"'))
    _code, plan = plan_of(file)
    assert (plan["at"], plan["hours_left_today"]) == ("2026-10-08T08:00:00+08:00", 0)
    file = campaign(tmp_path, ('start: "2026-03-02T10:15"', 'start: "2037-03-02T10:15"'))
    code, output = checked(file)
    assert code == 0 and "nobody is called from 2037-03-02 on" in output and "never" in output
