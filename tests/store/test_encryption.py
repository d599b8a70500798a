"""Keys: what is sealed opens only at its place, and numbers are found without being read."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from voicebot.errors import InputError
from voicebot.store.encryption import KeyRing, Unreadable
from voicebot.store.masking import mask_name, mask_phone


def test_a_value_opens_only_where_it_was_sealed(keys: KeyRing) -> None:
    sealed = keys.encrypt("+8613812341234", "phone.e164:1")
    assert b"13812341234" not in sealed
    assert keys.decrypt(sealed, "phone.e164:1") == "+8613812341234"
    with pytest.raises(Unreadable):
        keys.decrypt(sealed, "phone.e164:2")
    with pytest.raises(Unreadable):
        keys.decrypt(sealed[:-1] + bytes([sealed[-1] ^ 1]), "phone.e164:1")


def test_a_new_active_key_leaves_old_values_readable(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    sealed = KeyRing.create(path).encrypt("张伟", "x")
    other = tmp_path / "other.json"
    KeyRing.create(other)
    ring, new = json.loads(path.read_text()), json.loads(other.read_text())
    ring["keys"]["2"], ring["active"] = new["keys"]["1"], 2
    path.write_text(json.dumps(ring))
    rotated = KeyRing.load(path)
    assert rotated.decrypt(sealed, "x") == "张伟"
    assert rotated.encrypt("张伟", "x")[0] == 2
    with pytest.raises(Unreadable):
        KeyRing.load(other).decrypt(sealed, "x")


def test_a_ring_that_is_open_reads_what_was_sealed_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    open_ring = KeyRing.create(path)
    alone = tmp_path / "alone.json"
    open_ring.save(alone)
    KeyRing.load(path).rotated().save(path)
    new = KeyRing.load(path)
    assert open_ring.decrypt(new.encrypt("张伟", "x"), "x") == "张伟"
    assert open_ring.unwrap(new.wrap(bytes(32), "y"), "y") == bytes(32)
    assert (open_ring.active, open_ring.versions) == (1, (1, 2)), "it goes on sealing with its own"
    with pytest.raises(Unreadable):
        KeyRing.load(alone).decrypt(new.encrypt("张伟", "x"), "x")


def test_the_key_file_is_its_owners_only_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ring = KeyRing.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        KeyRing.create(path)
    assert KeyRing.load(path).blind_index("a") == ring.blind_index("a")


@pytest.mark.parametrize("text", ["", "{}", '{"active": 1, "keys": {"1": "AA=="}, "index": "AA=="}'])
def test_a_damaged_key_file_is_bad_input(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(InputError, match="damaged"):
        KeyRing.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        KeyRing.load(tmp_path / "none.json")


def test_an_identity_tail_matches_its_case_only(keys: KeyRing) -> None:
    mac = keys.tail_mac("case-1", "123x")
    assert keys.tail_matches("case-1", "123X", mac)
    assert not keys.tail_matches("case-2", "123X", mac)
    assert not keys.tail_matches("case-1", "1234", mac)
    assert not keys.tail_matches("case-1", "123X", None)


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("+8613812341234", "138****1234"),
        ("+861088881234", "108****1234"),
        ("+4930123456", "+49****3456"),
        ("95500", "****5500"),
    ],
)
def test_numbers_are_masked(phone: str, masked: str) -> None:
    assert mask_phone(phone) == masked


def test_names_are_masked() -> None:
    assert [mask_name(name) for name in ("张伟", "欧阳小红", "")] == ["张*", "欧***", ""]
