"""`voicebot voices`: what the bot can speak with, compared as the telephone carries it."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile
from typer.testing import CliRunner

from voicebot.cli.voices_commands import app


def test_the_list_names_each_voice_and_the_one_that_speaks() -> None:
    shown = CliRunner().invoke(app, ["list", "--json"])
    assert shown.exit_code == 0
    rows = {row["voice"]: row for row in json.loads(shown.output)}
    assert "espeak:cmn" in rows and "kokoro:zf_xiaoxiao" in rows
    assert [name for name, row in rows.items() if row["of_this_site"]] == ["kokoro:zf_xiaoxiao"]


def test_voices_are_compared_and_one_that_is_missing_does_not_end_it(tmp_path: Path) -> None:
    options = ["--voice", "espeak:cmn", "--voice", "recorded:nobody", "--out", str(tmp_path), "--json"]
    shown = CliRunner().invoke(app, ["compare", "您好，请问是本人吗？", *options])
    assert shown.exit_code == 0
    espeak, nobody = json.loads(shown.output)
    assert "no recordings" in nobody["fault"]
    assert not espeak["fault"] and espeak["cpu"] > 0 and 0 <= espeak["understood"] <= 1
    assert -24 < espeak["dbfs"] < -16
    samples, rate = soundfile.read(espeak["files"][0])
    assert rate == 8000 and abs(samples.size / rate - espeak["seconds"]) < 0.02
