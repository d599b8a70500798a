"""The set-up scripts, run for real in an empty project with a PATH of our own."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the set-up scripts, and `bin` as the only place for programs beside the system's."""
    shutil.copytree(ROOT / "setup", tmp_path / "setup")
    (tmp_path / "bin").mkdir()
    return tmp_path


def program(project: Path, name: str, script: str) -> Path:
    path = project / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def bash(project: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Runs bash in the project with step.sh and python.sh sourced."""
    return subprocess.run(
        ["bash", "-c", f". setup/step.sh; . setup/python.sh; begin tests; {script}"],
        cwd=project,
        env={"PATH": f"{project / 'bin'}:/usr/bin:/bin", "HOME": str(project)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_python_that_only_pretends_is_passed_over(project: Path) -> None:
    """A pyenv shim is on the PATH and exits 127; the version that works lies among pyenv's own."""
    program(project, "python3.10", "echo 'pyenv: python3.10: command not found' >&2; exit 127")
    program(project, "uv", "exit 2")
    real = project / ".pyenv" / "versions" / "3.10.13" / "bin"
    real.mkdir(parents=True)
    (real / "python").write_text("#!/bin/sh\nexit 0\n")
    (real / "python").chmod(0o755)
    found = bash(project, "UV=uv; find_python 3.10")
    assert found.stdout.strip() == str(real / "python")


def test_the_version_is_asked_of_the_interpreter_itself(project: Path) -> None:
    (project / "bin" / "python3.10").symlink_to(ROOT / ".venv" / "bin" / "python")
    program(project, "uv", "exit 2")
    found = bash(project, "UV=uv; find_python 3.10 || echo none")
    assert "bin/python3.10" not in found.stdout


def test_without_any_python_uv_is_asked_and_the_fault_is_one_line(project: Path) -> None:
    program(project, "uv", "echo 'error: no network' >&2; exit 1")
    asked = bash(project, "UV=uv; need_python 3.9")
    assert asked.returncode == 2
    assert "no Python 3.9 here, asking uv for one" in asked.stdout
    assert "error: no network" in asked.stderr
    assert asked.stderr.strip().splitlines()[-1].startswith("✗ tests: no Python 3.9 found or installable")


def test_a_download_is_tried_again(project: Path) -> None:
    flaky = program(project, "flaky", "echo x >> tries; [ $(wc -l < tries) -ge 3 ]")
    tried = bash(project, f"RETRY_WAITS=(0 0 0); retry {flaky} && echo there")
    assert tried.stdout.strip() == "there"
    assert (project / "tries").read_text().count("x") == 3


def test_a_download_that_never_comes_gives_its_own_status(project: Path) -> None:
    tried = bash(project, "RETRY_WAITS=(0 0); retry sh -c 'exit 7'; echo status $?")
    assert tried.returncode == 7, "set -e ends the script at a failed step"


def test_a_stamp_holds_for_the_same_content_only(project: Path) -> None:
    (project / "pins").write_text("a==1\n")
    script = 'stamp done "$(hash_of pins)"; stamp_is done "$(hash_of pins)" && echo same; echo b==2 >> pins; '
    assert bash(project, script + 'stamp_is done "$(hash_of pins)" || echo changed').stdout.split() == [
        "same",
        "changed",
    ]


def test_a_second_set_up_waits_for_the_first(project: Path) -> None:
    first = subprocess.Popen(
        ["bash", "-c", ". setup/step.sh; take_lock; echo locked; read _; echo first >> order"],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None and first.stdin is not None
    assert first.stdout.readline() == "locked\n"
    second = subprocess.Popen(
        ["bash", "-c", ". setup/step.sh; take_lock; echo second >> order"],
        cwd=project,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert second.stdout is not None
    assert "waiting for it" in second.stdout.readline()
    first.communicate("\n", timeout=20)
    second.communicate(timeout=20)
    assert (project / "order").read_text().split() == ["first", "second"]


def test_a_child_that_stays_does_not_hold_the_lock(project: Path) -> None:
    """A package's daemon outlives the step that installed it."""
    began = time.monotonic()
    bash(project, "take_lock; logged sh -c 'sleep 20 >/dev/null 2>&1 & echo $! > daemon'")
    again = bash(project, "take_lock; echo free")
    subprocess.run(["kill", (project / "daemon").read_text().strip()], check=True)
    assert again.stdout.strip() == "free"
    assert time.monotonic() - began < 15


def test_missing_packages_are_named_with_the_command_for_those_who_are_not_root(project: Path) -> None:
    program(project, "id", "echo 1000")
    program(project, "dpkg-query", "echo not-installed")
    program(project, "npm", "exit 0")
    program(project, "uv", "exit 0")
    program(project, "espeak-ng", "exit 0")
    asked = subprocess.run(
        ["bash", "setup/debian.sh", "demo"],
        cwd=project,
        env={"PATH": f"{project / 'bin'}:/usr/bin:/bin", "HOME": str(project)},
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 2
    [line] = asked.stderr.strip().splitlines()
    assert line.startswith("✗ Debian packages: fonts-noto-cjk missing, and only root may install them.")
    assert "apt-get install -y --no-install-recommends fonts-noto-cjk" in line


def test_root_gets_only_what_is_missing(project: Path) -> None:
    program(project, "id", "echo 0")
    program(project, "dpkg-query", "echo not-installed")
    program(project, "apt-get", 'echo "$@" >> installed')
    for name in ("npm", "uv", "espeak-ng"):
        program(project, name, "exit 0")
    done = subprocess.run(
        ["bash", "setup/debian.sh", "demo"],
        cwd=project,
        env={"PATH": f"{project / 'bin'}:/usr/bin:/bin", "HOME": str(project)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    update, install = (project / "installed").read_text().splitlines()
    assert update.startswith("update")
    assert install.split()[-1] == "fonts-noto-cjk" and "espeak-ng" not in install


def test_the_pins_name_no_host_and_hash_every_package() -> None:
    files = [*(ROOT / "requirements").glob("*.txt"), ROOT / "dialogs" / "rasa" / "requirements.txt"]
    assert len(files) == 5
    for file in files:
        text = file.read_text()
        assert "://" not in text and "--index" not in text and "--find-links" not in text, file
        entries = text.replace("\\\n", " ").splitlines()
        pins = [entry for entry in entries if entry and not entry.lstrip().startswith("#")]
        assert pins and all("==" in pin and "--hash=sha256:" in pin for pin in pins), file


def test_every_script_can_be_run_and_stops_at_the_first_fault() -> None:
    for script in (ROOT / "setup").glob("*.sh"):
        text = script.read_text()
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0, script
        assert "step.sh" in text or "pipefail" in text or text.startswith("# Sourced"), script
