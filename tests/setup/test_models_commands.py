"""`voicebot models`: what a person sees."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from voicebot.cli.models_commands import app
from voicebot.speech.models import catalogue


def test_the_list_shows_each_model_with_its_licence_under_the_right_heading(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["list", "--models", str(tmp_path)], env={"COLUMNS": "120"})
    assert shown.exit_code == 0
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in shown.output.splitlines() if "│" in line
    ]
    by_name = {row[0]: row for row in rows}
    for model in catalogue():
        assert len(by_name[model.name]) == 5
        assert by_name[model.name][3] == model.licence
        assert by_name[model.name][1] == "not installed" + (" (optional)" if model.optional else "")


def test_check_names_each_missing_file_and_exits_with_1(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["check", "silero", "--models", str(tmp_path)])
    assert shown.exit_code == 1
    assert shown.output.strip() == "✗ silero/silero_vad.onnx is missing. Run: voicebot models install silero"
