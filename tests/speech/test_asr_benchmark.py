"""benchmarks/asr.py on a site's own recordings: any WAV files with a manifest of their texts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.speech.conftest import SAMPLES

ROOT = Path(__file__).parents[2]
TEXTS = {"zm_yunxi_c006_alaw8k.wav": "你打错电话了", "zm_yunxi_c054_alaw8k.wav": "帮我转人工"}


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/asr.py", "--engine", "whisper", "--audio", str(folder), "--json"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_folder_of_recordings_is_measured(tmp_path: Path) -> None:
    for name in TEXTS:
        shutil.copy(SAMPLES / name, tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(TEXTS), "utf-8")
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["engine"] == "whisper:base" and found["files"]["utterances"] == 2
    assert found["files"]["cer"] < 0.8 and found["files"]["cpu_s"] > 0
    assert found["cores"] and "load_before" in found


def test_a_folder_without_a_manifest_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2 and "manifest" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
