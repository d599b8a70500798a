"""The same track gives the same bytes, and Rasa gets no text of a line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from dialogs.compile import compile_track
from dialogs.track import Track

REMINDER = Path("dialogs/talktracks/reminder.yaml")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_compiling_twice_gives_the_same_bytes_also_in_another_process(tmp_path: Path):
    track = Track.load(REMINDER)
    first = compile_track(track, track.bank, tmp_path / "one")
    program = (
        "import sys; from pathlib import Path; from dialogs.compile import compile_track; "
        "from dialogs.track import Track; track = Track.load(sys.argv[1]); "
        "print(compile_track(track, track.bank, Path(sys.argv[2])))"
    )
    second = subprocess.run(
        [sys.executable, "-c", program, str(REMINDER), str(tmp_path / "two")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": "."},
    )
    assert second.stdout.strip() == first
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert set(contents(tmp_path / "one")) == {"config.yml", "domain.yml", "data/nlu.yml", "data/rules.yml"}


def test_rules_are_written_once_for_all_stages_that_share_them(tmp_path: Path):
    track = Track.load(REMINDER)
    compile_track(track, track.bank, tmp_path)
    found = yaml.safe_load((tmp_path / "data" / "rules.yml").read_text(encoding="utf-8"))["rules"]
    keys = [(str(rule["condition"]), str(rule["steps"][0])) for rule in found]
    assert len(keys) == len(set(keys))
    domain = yaml.safe_load((tmp_path / "domain.yml").read_text(encoding="utf-8"))
    for rule in found:
        assert rule["steps"][1]["action"] in domain["responses"]


def test_no_text_of_a_line_reaches_rasa(tmp_path: Path):
    track = Track.load(REMINDER)
    compile_track(track, track.bank, tmp_path)
    written = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.yml"))
    for line in track.lines.values():
        assert line.text not in written, line.id
