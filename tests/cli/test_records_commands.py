"""`voicebot audit`, `keys`, `trace`, `retention` and `call listen` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile as sf
from sqlalchemy import delete
from typer.testing import CliRunner, Result

from tests.campaign.site import build
from tests.records.conftest import three_calls
from tests.store.stores import clock, keys
from voicebot.cli.main import app
from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.store.checkpoints import CHECKPOINTS
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import RecordRow

__all__ = ["clock", "keys"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def calls(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A site's folder with three recorded calls; the working folder is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "dialogs").symlink_to(ROOT / "dialogs")
    store = Store.open("sqlite:///var/voicebot.db", KeyRing.create(Path("var/keys.json")))
    made = three_calls(build(store, clock, Path("var"), lambda: True), Path("var"))
    store.close()
    return made


def voicebot(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_evidence_is_exported_and_checked_and_a_new_key_takes_over(calls: list[str]) -> None:
    assert voicebot("audit", "verify").exit_code == 0
    done = json.loads(voicebot("audit", "export", "case-2", "--why", "complaint 17", "--json").stdout)
    (public,) = done["public_keys"]
    assert voicebot("audit", "check", done["package"], "--public-key", public).exit_code == 0
    assert voicebot("audit", "check", done["package"], "--public-key", "AAAA").exit_code == 1
    rotated = json.loads(voicebot("keys", "rotate", "--json").stdout)
    assert rotated == {"active": 2, "rewrapped": 3}
    assert voicebot("audit", "key").stdout.split()[0] == public
    verdict = json.loads(voicebot("audit", "verify", "--json").stdout)
    assert verdict["holds"] and verdict["recordings"] == 3
    assert json.loads(voicebot("keys", "rewrap", "--json").stdout) == {"rewrapped": 0}


def test_after_a_rotation_the_command_to_check_names_every_key(calls: list[str]) -> None:
    """Links from before are vouched for by the old key, the package by the new one."""
    assert voicebot("keys", "rotate").exit_code == 0
    told = voicebot("audit", "export", "case-2", "--why", "complaint 17", "--out", "e.zip").stdout
    command = told.partition("voicebot ")[2].split()
    assert command[:3] == ["audit", "check", "e.zip"] and command.count("--public-key") == 2
    assert voicebot(*command).exit_code == 0


def test_verify_names_the_first_bad_record(calls: list[str]) -> None:
    (file,) = Path("var").rglob(f"{calls[1]}*.sealed")
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    result = voicebot("audit", "verify", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["first_bad"].startswith(f"recording of attempt {calls[1]}: changed")
    assert voicebot("audit", "verify", "--no-recordings").exit_code == 0
    with pytest.raises(InputError):
        raise voicebot("call", "listen", calls[1], "--why", "x").exception  # type: ignore[misc]


def test_a_store_that_is_older_than_its_checkpoints_is_told(calls: list[str]) -> None:
    before = Path("var/voicebot.db").read_bytes()
    voicebot("call", "listen", calls[0], "--why", "complaint 17", "--out", "a.flac")
    samples, rate = sf.read("a.flac")
    assert samples.shape[1] == 2 and rate == 8000
    assert "is signed" in voicebot("audit", "checkpoint").stdout
    assert Path("var", CHECKPOINTS).is_file()
    Path("var/voicebot.db").write_bytes(before)
    result = voicebot("audit", "verify")
    assert result.exit_code == 1 and "a checkpoint knows" in " ".join(result.stdout.split())


def test_the_sound_of_a_call_that_broke_off_is_heard_too(calls: list[str]) -> None:
    store = Store.open("sqlite:///var/voicebot.db", KeyRing.load(Path("var/keys.json")))
    with store.begin() as connection:
        connection.execute(delete(RecordRow).where(RecordRow.attempt_id == calls[1]))
    store.close()
    assert voicebot("call", "listen", "case-2", "--why", "complaint 17", "--out", "a.flac").exit_code == 0
    assert sf.read("a.flac")[0].shape[1] == 2


def test_listening_overwrites_and_deletes_no_file_of_the_users(calls: list[str]) -> None:
    Path("mine.flac").write_bytes(b"mine")
    (file,) = Path("var").rglob(f"{calls[1]}*.sealed")
    whole = file.read_bytes()
    for sealed in (whole, whole[:-1], b""):
        file.write_bytes(sealed)
        fault = voicebot("call", "listen", calls[1], "--why", "x", "--out", "mine.flac").exception
        assert isinstance(fault, InputError)
        assert Path("mine.flac").read_bytes() == b"mine"
    file.write_bytes(whole[:-1])
    assert isinstance(
        voicebot("call", "listen", calls[1], "--why", "x", "--out", "new.flac").exception, InputError
    )
    assert not Path("new.flac").exists(), "half a recording is none"


def test_retention_names_what_is_not_on_this_machine(
    calls: list[str], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(6 * 366 * 86400)
    monkeypatch.setattr("voicebot.cli.site_store.WallClock", lambda _zone: clock)
    (file,) = Path("var").rglob(f"{calls[1]}*.sealed")
    file.rename("elsewhere")
    run = voicebot("retention", "run", "--yes", "--json")
    told = json.loads(run.stdout)
    assert run.exit_code == 1 and file.name in told["not_deleted"][calls[1]]
    assert told["deleted"] == [calls[0], calls[2]]
    assert json.loads(voicebot("retention", "run", "--yes", "--lost", "--json").stdout) == {
        "deleted": [calls[1]],
        "not_deleted": {},
        "kept": {},
    }
    assert voicebot("audit", "verify").exit_code == 0


def test_trace_and_retention(calls: list[str]) -> None:
    (found,) = json.loads(voicebot("trace", "13800000002", "--around", "2026-03-02", "--json").stdout)
    assert found["attempt_id"] == calls[1] and found["bot"].startswith("reminder@3")
    assert voicebot("trace", "13800000009").exit_code == 1
    told = json.loads(voicebot("retention", "run", "--json").stdout)
    assert told == {"would_go": [], "kept": {"RETENTION": 3}}
    assert len(json.loads(voicebot("retention", "list", "--json").stdout)) == 3
    assert voicebot("audit", "verify").exit_code == 0
