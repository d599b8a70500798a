"""The benchmark of understanding as a command, on a small set: floors, duties, the gate, no chance in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dialogs.manifest import Manifest

pytestmark = [pytest.mark.calls, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
BENCHMARK = [sys.executable, "benchmarks/nlu.py"]
AT_THE_DOOR = (
    [
        "我是他爱人",
        "不是本人",
        "你说的是我吗",
        "嗯",
        "好的",
        "我是他爸",
        "对他在洗澡",
        "本人不在",
        "我就是个看门的",
        "喂",
    ],
    ["是我", "对"],
)


def figures(*arguments: str) -> dict[str, Any]:
    """What the benchmark prints as JSON."""
    done = subprocess.run([*BENCHMARK, *arguments, "--json"], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def measured(manifests: dict[str, Manifest], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of heard.yaml and of some answers at the door."""
    folder, said = tmp_path_factory.mktemp("nlu"), yaml.safe_load((HERE / "heard.yaml").read_text("utf-8"))
    no, yes = AT_THE_DOOR
    files = {"heldout": said["texts"], "asr": said["as_heard"], "gate": {"texts": no, "yes": yes}}
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return figures(*(part for name in files for part in (f"--{name}", str(folder / f"{name}.yaml"))))


def test_other_words_and_wrong_characters_are_understood(measured: dict[str, Any]):
    assert measured["heldout"]["top1"] >= 0.9, measured["heldout"]["wrong"]
    assert measured["asr"]["top1"] >= 0.8, measured["asr"]["wrong"]
    assert measured["heldout"]["refused"] <= 0.1


def test_duties_are_heard(measured: dict[str, Any]):
    assert measured["heldout"]["duties_together"] >= 0.97, measured["heldout"]["wrong"]


def test_the_gate_opens_to_the_person_only(measured: dict[str, Any]):
    assert measured["gate"]["wrongly_opened"] == 0, measured["gate"]["opened_at"]
    assert measured["gate"]["yes_opened"] == 2


def test_a_stage_is_taken_and_nothing_is_left_to_chance(manifests: dict[str, Manifest], tmp_path: Path):
    texts = tmp_path / "texts.yaml"
    texts.write_text("C.other_answers: [他不在家, 我是他媳妇他洗澡呢]\n", encoding="utf-8")
    found = figures("--heldout", str(texts), "--asr", str(texts), "--stage", "opening")
    assert found["stage"] == "opening" and found["heldout"]["top1"] == 1.0
    assert found["heldout"] == found["asr"]


@pytest.mark.parametrize(
    "content, said",
    [("C.nothing: [喂]\n", "there is no intent"), ("C.yes: 喂\n", "holds a list"), (None, "cannot be read")],
)
def test_a_file_that_does_not_hold_is_one_line(tmp_path: Path, content: str | None, said: str):
    texts = tmp_path / "texts.yaml"
    if content is not None:
        texts.write_text(content, encoding="utf-8")
    done = subprocess.run([*BENCHMARK, "--heldout", str(texts)], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and said in done.stderr.splitlines()[-1]
