"""`voicebot call` as a newcomer uses it: in the site's folder, without naming anything but the call."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from voicebot.call.record import CallRecord
from voicebot.cli.call_commands import app
from voicebot.errors import InputError
from voicebot.store.database import Store

RUNNER = CliRunner()


def call(*arguments: str) -> Result:
    return RUNNER.invoke(app, list(arguments), env={"COLUMNS": "160"})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "site.yaml").write_text("timezone: Asia/Shanghai\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(site: Path, store: Store) -> Path:
    """The store lies where a demo leaves it."""
    store.close()
    folder = site / "var" / "demo" / "run-1"
    folder.mkdir(parents=True)
    (site / "keys.json").rename(site / "var" / "keys.json")
    return (site / "store.sqlite").rename(folder / "store.sqlite")


def test_show_reads_the_newest_run_and_masks(run: Path, records: list[CallRecord]) -> None:
    shown = call("show", records[0].attempt_id[:5])
    assert shown.exit_code == 0, shown.output
    assert "请问您是张*本人吗" in shown.output and "Promise to pay 承诺还款" in shown.output
    assert "张伟" not in shown.output and "13812345678" not in shown.output


def test_list_shows_every_call(run: Path, records: list[CallRecord]) -> None:
    shown = call("list")
    assert shown.exit_code == 0, shown.output
    for record in records:
        assert record.attempt_id in shown.output and record.phone_masked in shown.output


def test_a_store_can_be_named_and_the_newest_one_wins(
    run: Path, records: list[CallRecord], site: Path
) -> None:
    empty = site / "var" / "runs" / "later" / "store.sqlite"
    empty.parent.mkdir(parents=True)
    empty.touch()
    os.utime(run, (1, 1))
    assert "No call is in this store" in call("list").output
    assert records[0].attempt_id in call("list", "--store", str(run)).output


def test_faults_are_told_in_one_line(site: Path) -> None:
    nothing = call("list").exception
    assert isinstance(nothing, InputError) and "no run yet" in str(nothing)
    missing = call("list", "--store", "elsewhere.sqlite").exception
    assert isinstance(missing, InputError) and str(missing).startswith("elsewhere.sqlite (--store): ")
