"""Models from their makers: compared first, unpacked in one step, refused when anything is wrong."""

from __future__ import annotations

import hashlib
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from voicebot.errors import InputError, NotReady
from voicebot.speech.asr.engine import vosk_model_in
from voicebot.speech.model_archives import add

NAME = "vosk-model-small-cn-0.22"


def quietly(line: str) -> None: ...


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A zip as the makers of Vosk publish theirs: everything below one folder."""
    path = tmp_path / f"{NAME}.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(f"{NAME}/am/final.mdl", b"model")
        packed.writestr(f"{NAME}/conf/mfcc.conf", b"conf")
    return path


@pytest.fixture
def site(archive: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(archive.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_local_archive_becomes_a_model_that_is_found(archive: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    said: list[str] = []
    assert add(models, NAME, str(archive), "", said.append) == models / NAME
    assert vosk_model_in(models) == models / NAME
    assert said == [f"sha256 {digest(archive)}"]
    with pytest.raises(InputError, match="of this name"):
        add(models, NAME, str(archive), "", quietly)


def test_one_is_fetched_from_its_maker_and_compared_first(archive: Path, site: str, tmp_path: Path) -> None:
    models, url = tmp_path / "models", f"{site}/{archive.name}"
    with pytest.raises(InputError, match="sha256"):
        add(models, NAME, url, "", quietly)
    with pytest.raises(InputError, match="not the one"):
        add(models, NAME, url, "0" * 64, quietly)
    with pytest.raises(NotReady, match="404"):
        add(models, NAME, f"{site}/nothing.zip", "0" * 64, quietly)
    assert not list(models.iterdir())
    add(models, NAME, url, digest(archive), quietly)
    assert (models / NAME / "am" / "final.mdl").read_bytes() == b"model"


def test_a_tar_with_a_voice_goes_to_its_kind(tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("a 1")
    with tarfile.open(tmp_path / "voice.tar.bz2", "w:bz2") as packed:
        packed.add(tmp_path / "tokens.txt", "matcha-zh/tokens.txt")
    folder = add(tmp_path / "models", "baker", str(tmp_path / "voice.tar.bz2"), "", quietly)
    assert folder == tmp_path / "models" / "sherpa" / "baker"


def test_wrong_archives_leave_nothing(archive: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    cut, other, evil = tmp_path / "cut.zip", tmp_path / "other.zip", tmp_path / "evil.zip"
    cut.write_bytes(archive.read_bytes()[:60])
    with zipfile.ZipFile(other, "w") as packed:
        packed.writestr("readme.md", b"nothing to hear")
    with zipfile.ZipFile(evil, "w") as packed:
        packed.writestr("../../am/final.mdl", b"x")
    for path, what in (
        (cut, "no whole"),
        (other, "no model"),
        (evil, "outside"),
        (tmp_path / "no.zip", "no such"),
    ):
        with pytest.raises(InputError, match=what):
            add(models, NAME, str(path), "", quietly)
    with pytest.raises(InputError, match="no name"):
        add(models, "../x", str(archive), "", quietly)
    assert not list(models.iterdir())
    assert not (tmp_path / "am").exists()
