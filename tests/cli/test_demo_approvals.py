"""The demo's set-up signs the first version of each track; whatever people did or changed it leaves alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.small_site import ROOT, SmallSite
from voicebot.campaign.demo_site import approve_tracks, key_folder, prepare_keys
from voicebot.errors import InputError
from voicebot.settings import Site, load_site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.people import People
from voicebot.store.signatures import create_key, public_text

REMINDER = Path("dialogs/talktracks/reminder.yaml")


@pytest.fixture
def demo(site: SmallSite) -> Site:
    """Settings of a site with tracks that a test may change."""
    Path("dialogs").unlink()
    for name in ("talktracks", "utterances"):
        shutil.copytree(ROOT / "dialogs" / name, Path("dialogs") / name)
    for name in ("contact", "instalment"):  # one track is enough, and quicker
        Path(f"dialogs/talktracks/{name}.yaml").unlink()
    settings = load_site(environment=site.environment)
    prepare_keys(settings)
    return settings


@contextmanager
def people(demo: Site) -> Iterator[People]:
    store = Store.open(demo.store, KeyRing.load(demo.keys))
    yield People(store)
    store.close()


def test_a_changed_file_is_noted_and_waits_for_a_review(demo: Site) -> None:
    notes: list[str] = []
    assert approve_tracks(demo, notes.append) == ["reminder@1"]
    assert approve_tracks(demo, notes.append) == ["reminder@1"]
    assert notes == []
    text = REMINDER.read_text("utf-8")
    for changed in (text.replace("方便处理", "可以处理"), text.replace("version: 1", "version: 2")):
        assert changed != text
        REMINDER.write_text(changed, "utf-8")
        assert approve_tracks(demo, notes.append) == ["reminder@1"], "set-up signs no second version"
        assert "reminder.yaml differs from reminder@1, which is approved" in notes.pop()


def test_what_was_revoked_stays_revoked(site: SmallSite, demo: Site) -> None:
    approve_tracks(demo)
    said = site.command("scripts-review", "revoke", "reminder@1", "--as", "reviewer-sun", "--reason", "rude")
    assert said.code == 0, said.err
    assert approve_tracks(demo) == []


def test_an_interrupted_set_up_goes_on_and_a_persons_submission_does_not(site: SmallSite, demo: Site) -> None:
    other = site.folder / "other.db"
    for comment, approved in (
        ("signed by the demo's set-up, which reads nothing", ["reminder@1"]),
        ("please read", []),
    ):
        settings = demo.model_copy(update={"store": f"sqlite:///{other}"})
        site.environment["VOICEBOT_STORE"] = settings.store
        with people(settings) as register:
            key = public_text(create_key(site.folder / "own.pem"))
            register.register("author-chen", "陈婷", ["author"], key)
        said = site.command(
            "scripts-review",
            *("submit", str(REMINDER), "--as", "author-chen", "--comment", comment),
            *("--key", str(site.folder / "own.pem")),
        )
        assert said.code == 0, said.err
        assert approve_tracks(settings) == approved
        other.unlink()
        (site.folder / "own.pem").unlink()


def test_who_took_the_demos_place_keeps_his_own_key(demo: Site) -> None:
    own = public_text(create_key(demo.var / "own.pem"))
    with people(demo) as register:
        register.register("reviewer-sun", "孙磊", ["reviewer"], own)
    with pytest.raises(InputError, match="reminder@1 takes 1 more approval, by a senior reviewer"):
        approve_tracks(demo)
    with people(demo) as register:
        found = register.find("reviewer-sun")
    assert found is not None and found.public_key == own


def test_everybody_is_registered_as_the_file_says(site: SmallSite, demo: Site) -> None:
    file = demo.people
    file.write_text(
        file.read_text("utf-8").replace("[operations]", "[operations], agency: 海岸服务"), "utf-8"
    )
    approve_tracks(demo)
    with people(demo) as register:
        agencies = {person.id: person.agency for person in register.all()}
    assert agencies["ops-lin"] == "海岸服务" and agencies["author-chen"] is None
    assert {path.stem for path in key_folder(demo).glob("*.pem")} == set(agencies)
