"""An evidence package is checked with the public key alone, and every change of it is found."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.campaign.site import LedgerSite, build
from tests.records.conftest import three_calls
from tests.store.stores import SHANGHAI
from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.quality.evidence import export
from voicebot.quality.evidence_check import MANIFEST, SIGNATURE, check_package
from voicebot.store.checkpoints import site_keys
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.signatures import canonical, public_text, sign

Change = Callable[[dict[str, bytes], str], object]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerSite]:
    folder = tmp_path_factory.mktemp("evidence")
    store = Store.open(f"sqlite:///{folder / 'store.db'}", KeyRing.create(folder / "keys.json"))
    made = build(store, ManualClock(datetime(2026, 3, 2, 10, 15, tzinfo=SHANGHAI)), folder, lambda: True)
    yield made
    store.close()


@pytest.fixture(scope="module")
def called(site: LedgerSite, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return three_calls(site, tmp_path_factory.mktemp("calls"))


def exported(site: LedgerSite, folder: Path, word: str) -> Path:
    file = folder / "evidence.zip"
    return export(site.store, site.clock, word, file, "compliance-zhao", "complaint", None).file


def test_a_package_holds_on_a_machine_that_has_nothing_but_the_key(
    site: LedgerSite, called: list[str], tmp_path: Path
) -> None:
    package = exported(site, tmp_path, called[1][:28])
    checked = check_package(package, site_keys(site.store.keys))
    assert checked.faults == () and checked.calls == (called[1],)
    with zipfile.ZipFile(package) as files:
        names = set(files.namelist())
        page = files.read("cover.html").decode()
    assert {f"calls/{called[1]}/recording.flac", f"calls/{called[1]}/record.json", "cover.html"} <= names
    assert called[0] not in "".join(names), "nothing of other calls"
    assert "承诺还款" in page and "周五还" in page and "138****" in page


def test_a_case_is_all_its_calls(site: LedgerSite, called: list[str], tmp_path: Path) -> None:
    checked = check_package(exported(site, tmp_path, "case-2"), site_keys(site.store.keys))
    assert checked.faults == () and checked.calls == (called[1],)
    with pytest.raises(InputError, match="no such case or call"):
        exported(site, tmp_path, "case-99")


def flip(name: str) -> Change:
    def change(files: dict[str, bytes], attempt_id: str) -> None:
        at = name.format(id=attempt_id)
        files[at] = files[at][:-2] + bytes([files[at][-2] ^ 1]) + files[at][-1:]

    return change


@pytest.mark.parametrize(
    "change",
    [
        flip("calls/{id}/recording.flac"),
        flip("calls/{id}/record.json"),
        flip("calls/{id}/decisions.json"),
        flip("approvals/reviews.json"),
        flip("chain/links.json"),
        flip("cover.html"),
        flip(SIGNATURE),
        flip(MANIFEST),
        lambda files, attempt_id: files.pop(f"calls/{attempt_id}/recording.flac"),
        lambda files, attempt_id: files.update({"calls/more.txt": b"x"}),
    ],
)
def test_a_changed_package_does_not_hold(
    site: LedgerSite, called: list[str], tmp_path: Path, change: Change
) -> None:
    package = exported(site, tmp_path, called[1])
    changed = rewritten(package, change, called[1])
    try:
        assert check_package(changed, site_keys(site.store.keys)).faults
    except InputError as fault:
        assert "no evidence package" in str(fault)


def rewritten(package: Path, change: Change, attempt_id: str) -> Path:
    with zipfile.ZipFile(package) as before:
        files = {name: before.read(name) for name in before.namelist()}
    change(files, attempt_id)
    changed = package.with_name("changed.zip")
    with zipfile.ZipFile(changed, "w") as after:
        for name, data in files.items():
            after.writestr(name, data)
    return changed


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("calls/{id}/record.json", "周五还", "周五环", "record.json: not the one that was chained"),
        (
            "calls/{id}/decisions.json",
            '"allowed": true',
            '"allowed": false',
            "is not the one that was chained",
        ),
        ("approvals/reviews.json", "reviewer-wang", "reviewer-he", "not the one that was chained"),
        ("chain/links.json", "outbox_sealed", "outbox_sealeD", "changed"),
    ],
)
def test_who_can_sign_the_package_anew_still_cannot_forge_the_chain(
    site: LedgerSite, called: list[str], tmp_path: Path, name: str, old: str, new: str, said: str
) -> None:
    """The manifest is made and signed again with a key that is accepted: the chain's checkpoints tell."""

    def forge(files: dict[str, bytes], attempt_id: str) -> None:
        at = name.format(id=attempt_id)
        assert old.encode() in files[at]
        files[at] = files[at].replace(old.encode(), new.encode())
        manifest = json.loads(files[MANIFEST])
        manifest["files"][at] = hashlib.sha256(files[at]).hexdigest()
        key = site.store.keys.signing_key()
        assert manifest["key"] == public_text(key)
        files[MANIFEST], files[SIGNATURE] = canonical(manifest), sign(key, manifest).encode()

    changed = rewritten(exported(site, tmp_path, called[1]), forge, called[1])
    faults = check_package(changed, site_keys(site.store.keys)).faults
    assert any(said in fault for fault in faults), faults


def test_another_key_does_not_vouch(site: LedgerSite, called: list[str], tmp_path: Path) -> None:
    package = exported(site, tmp_path, called[1])
    other = site_keys(KeyRing.create(tmp_path / "others.json"))
    assert check_package(package, other).faults
