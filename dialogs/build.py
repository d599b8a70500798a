"""Builds talk tracks: `python -m dialogs.build TRACK.yaml… --out DIR [--rasa-python PATH]`.

Writes DIR/<digest>/manifest.json and model.tar.gz, trained in the Rasa environment: about a minute of CPU
each, as many at once as there are processors.  Skipped when this digest was built from the same compiled
project; prints one JSON line with the digest for each track.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dialogs.checks import check
from dialogs.compile import compile_track
from dialogs.engine import engine
from dialogs.errors import BuildFailed, TrackError
from dialogs.manifest import Manifest
from dialogs.track import Track

ROOT = Path(__file__).resolve().parent.parent
RASA_PYTHON = ROOT / "dialogs" / "rasa" / ".venv" / "bin" / "python"
TRAINING_LIMIT_S = 900
"""Training takes a minute of CPU; a busy machine may take many times that."""


def rasa_environment() -> dict[str, str]:
    """Environment of a Rasa process: our package importable, no telemetry, quiet libraries, one thread."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "RASA_TELEMETRY_ENABLED": "false",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "OMP_NUM_THREADS": "1",
        "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
        "PYTHONWARNINGS": "ignore",
        "PYTHONHASHSEED": "0",
        "LOG_LEVEL": "WARNING",
    }


def build(path: Path, out: Path, rasa_python: Path = RASA_PYTHON) -> Manifest:
    """The manifest of the built track.  TrackError for the track, BuildFailed when training fails."""
    track = Track.load(path)
    folder = out.resolve() / track.digest  # training runs in a folder of its own
    folder.mkdir(parents=True, exist_ok=True)
    with (
        (folder / "lock").open("w") as lock,
        tempfile.TemporaryDirectory(prefix="voicebot-track-") as project,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        made_of = _with_components(compile_track(track, track.bank, Path(project)))
        if built := _built(folder, made_of):
            return built
        model = _train(Path(project), folder, rasa_python)
        manifest = Manifest.of(track).model_copy(update={"project": made_of, "model": model})
        manifest.save(folder / "manifest.json")
        return manifest


def build_all(paths: Sequence[Path], out: Path, rasa_python: Path = RASA_PYTHON) -> list[Manifest]:
    """Builds several tracks side by side; all are read and checked before the first is trained.

    TrackError or BuildFailed for the first that fails, after the others have come to their end.
    """
    for path in paths:
        check(Track.load(path))
    with ThreadPoolExecutor(max_workers=min(len(paths), os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda path: build(path, out, rasa_python), paths))


def built_for_now(folder: Path) -> Manifest | None:
    """What a folder of builds holds, when it is whole and made for the engine of now; looks into no model."""
    try:
        manifest = Manifest.load(folder / "manifest.json")
    except TrackError:  # none is there, or an older version wrote it
        return None
    return manifest if manifest.engine == engine() and (folder / "model.tar.gz").is_file() else None


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _with_components(project: str) -> str:
    """The project's hash together with the code that a model is made with."""
    return hashlib.sha256(f"{project} {engine()}".encode()).hexdigest()


def _built(folder: Path, made_of: str) -> Manifest | None:
    manifest = built_for_now(folder)
    if manifest is None or manifest.project != made_of:
        return None
    return manifest if manifest.model == sha256_of(folder / "model.tar.gz") else None


def _train(project: Path, folder: Path, rasa_python: Path) -> str:
    if not rasa_python.exists():
        raise BuildFailed("the Rasa environment is not set up", "Run `make setup`.", rasa_python)
    unfinished = folder / "unfinished.tar.gz"
    done = subprocess.run(
        [str(rasa_python), "-m", "dialogs.rasa.train", str(project), str(unfinished)],
        cwd=project,
        env=rasa_environment(),
        capture_output=True,
        text=True,
        timeout=TRAINING_LIMIT_S,
        check=False,
    )
    if done.returncode != 0 or not unfinished.exists():
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise BuildFailed(f"training failed: {''.join(last)}", "", folder)
    unfinished.replace(folder / "model.tar.gz")
    return sha256_of(folder / "model.tar.gz")


def main() -> int:
    """The command; exit code 2 and a line for each fault when a track cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m dialogs.build", description="Builds talk tracks.")
    parser.add_argument("tracks", type=Path, nargs="+", metavar="track", help="a talk track, YAML")
    parser.add_argument("--out", type=Path, required=True, help="folder of built tracks")
    parser.add_argument(
        "--rasa-python", type=Path, default=RASA_PYTHON, help="Python of the Rasa environment"
    )
    asked = parser.parse_args()
    try:
        manifests = build_all(asked.tracks, asked.out, asked.rasa_python)
    except TrackError as fault:
        for one in (fault, *fault.more):
            print(one, file=sys.stderr)
        return 2
    for manifest in manifests:
        print(json.dumps({"track": manifest.track, "version": manifest.version, "digest": manifest.digest}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
