"""`voicebot apply`: what the files hold comes into the site's store, once, and only when somebody said so."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dialogs.manifest import Manifest
from dialogs.track import Track
from tests.cli.small_site import CAMPAIGN, Said, SmallSite
from voicebot.campaign.approved_track import approved_digest
from voicebot.campaign.campaign_file import load_campaign
from voicebot.clock import WallClock
from voicebot.errors import InputError
from voicebot.settings import Site, load_site
from voicebot.store.approvals import Approvals, signed_document
from voicebot.store.audit import AuditChain
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.people import People
from voicebot.store.registers import Tools
from voicebot.store.signatures import public_text

KEYS = {name: Ed25519PrivateKey.generate() for name in ("author-li", "reviewer-ma", "reviewer-he")}
SIGNED_AT = datetime.fromisoformat("2026-03-01T09:00:00+08:00")


def write_people(site: SmallSite, keys: Mapping[str, Ed25519PrivateKey] = KEYS) -> None:
    lines = ["people:", "  - {id: ops-wu, name: 吴江, roles: [operations]}"]
    for person, key in keys.items():
        role = person.split("-")[0]
        lines.append(f"  - {{id: {person}, name: 某某, roles: [{role}], public_key: {public_text(key)}}}")
    site.write("configs/people.yaml", "\n".join(lines) + "\n")


def sign(site: SmallSite, state: str = "approved", *signers: str, digest: str = "") -> Path:
    """Two reviewers sign the talk track as it stands."""
    track = Track.load(Path("dialogs/talktracks/reminder.yaml"))
    keys = {name: KEYS.get(name) or Ed25519PrivateKey.generate() for name in signers or tuple(KEYS)[1:]}
    document = signed_document(
        track.id, str(track.version), digest or track.digest, state, "author-li", SIGNED_AT, keys
    )
    text = json.dumps(document, ensure_ascii=False)
    return site.write(f"var/approvals/{digest or track.digest}-{state}.json", text)


def settings(site: SmallSite) -> Site:
    return load_site(environment=site.environment)


def store_of(site: SmallSite) -> Store:
    return Store.open(settings(site).store, KeyRing.load(site.folder / "var/keys.json"))


def said_of(said: Said) -> list[list[str]]:
    """Kind of change, then the words of each line."""
    assert said.code == 0, said.err
    return [line.split() for line in said.out.splitlines() if line.strip()]


def test_a_real_campaign_finds_its_talk_track_approved(site: SmallSite) -> None:
    write_people(site)
    sign(site)
    track = Track.load(Path("dialogs/talktracks/reminder.yaml"))
    (site.folder / "var/tracks" / track.digest).mkdir(parents=True)
    Manifest.of(track).save(site.folder / "var/tracks" / track.digest / "manifest.json")
    site.write("configs/trunks.yaml", "trunks:\n  east:\n    gateways: ['127.0.0.1:5060']\n")
    real = CAMPAIGN[: CAMPAIGN.index("simulation:")].replace("trunk: simulated", "trunk: east")
    campaign = load_campaign(site.write("campaign.yaml", real), Path("configs/trunks.yaml"))
    store = store_of(site)
    with pytest.raises(InputError, match="is approved"):
        approved_digest(settings(site), campaign, Approvals(store))
    store.close()

    said = site.command("voicebot", "apply", "--yes")
    changes = [words[0] for words in said_of(said)]
    assert changes.count("new") == 3 + 1 + 1 + 1 and "changed" not in changes
    assert "ops-wu" in said.out and "no public key yet" in " ".join(said.out.split())
    assert "吴江" not in said.out and "某某" not in said.out
    store = store_of(site)
    assert approved_digest(settings(site), campaign, Approvals(store)) == track.digest
    assert [tool.number for tool in Tools(store).all()] == ["+862160000001"]
    assert People(store).find("ops-wu") is None
    store.close()


def test_a_second_time_nothing_changes(site: SmallSite) -> None:
    write_people(site)
    sign(site)
    said_of(site.command("voicebot", "apply", "--yes"))
    before = (site.folder / "var/voicebot.db").read_bytes()
    said = site.command("voicebot", "apply", "--yes")
    changes = [words[0] for words in said_of(said)]
    assert changes.count("unchanged") == 6 and not {"new", "changed"} & set(changes)
    assert "nothing to change" in said.out
    assert (site.folder / "var/voicebot.db").read_bytes() == before


def test_without_a_terminal_it_only_shows(site: SmallSite) -> None:
    write_people(site)
    sign(site)
    before = site.files()
    said = site.command("voicebot", "apply")
    assert "new" in [words[0] for words in said_of(said)]
    assert "Nothing was changed: there is no terminal" in said.out and "--yes" in said.out
    assert site.files() == before


@pytest.mark.parametrize(("answer", "done"), [(True, True), (False, False)])
def test_at_a_terminal_it_asks(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch, answer: bool, done: bool
) -> None:
    write_people(site)
    asked: list[str] = []

    def confirm(question: str) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", confirm)
    assert site.command("voicebot", "apply").code == 0
    assert asked == ["Bring 5 changes into sqlite:///var/voicebot.db?"]
    assert (site.folder / "var/voicebot.db").exists() is done


def test_what_was_changed_is_named_and_kept_in_the_audit_chain(site: SmallSite) -> None:
    write_people(site)
    said_of(site.command("voicebot", "apply", "--yes"))
    tools = site.folder / "configs/tools.yaml"
    shorter = tools.read_text("utf-8").replace("valid_to: 2026-12-31", "valid_to: 2026-06-30")
    tools.write_text(shorter, "utf-8")
    lines = said_of(site.command("voicebot", "apply", "--yes"))
    assert ["changed", "caller", "number", "+862160000001", "(valid_to)"] in lines
    store = store_of(site)
    assert str(Tools(store).all()[0].valid_to) == "2026-06-30"
    with store.reading() as connection:
        kinds = connection.exec_driver_sql("select kind from audit order by seq").scalars().all()
    assert list(kinds) == ["files_applied"] * 2
    assert AuditChain(store, WallClock(settings(site).zone)).verify() is None
    store.close()


def test_approvals_of_people_without_a_key_here_are_left_out(site: SmallSite) -> None:
    """Such as the demo's own: its people are not the site's."""
    write_people(site)
    sign(site, "approved", "reviewer-ma", "reviewer-demo")
    lines = said_of(site.command("voicebot", "apply", "--yes"))
    assert any(words[:3] == ["left", "out", "approval"] for words in lines)
    store = store_of(site)
    assert Approvals(store).newest("reminder") is None
    store.close()


def test_a_new_key_does_not_undo_what_was_signed_before(site: SmallSite) -> None:
    write_people(site)
    sign(site)
    said_of(site.command("voicebot", "apply", "--yes"))
    write_people(site, {**KEYS, "reviewer-ma": Ed25519PrivateKey.generate()})
    lines = said_of(site.command("voicebot", "apply", "--yes"))
    assert ["changed", "person", "reviewer-ma", "(public_key)"] in lines
    store = store_of(site)
    assert Approvals(store).newest("reminder") is not None
    store.close()


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("people.yaml", "[reviewer]", "[revewer]", ("people.yaml", "unknown role 'revewer'", "Allowed:")),
        ("people.yaml", "public_key: ", "public_key: x", ("people.yaml", "no Ed25519 public key")),
        ("people.yaml", "roles", "role", ("people.yaml:2", "unknown", "Did you mean 'roles'?")),
        (
            "tools.yaml",
            "by: compliance-zhao",
            "by: ops-lin",
            ("tools.yaml", "another person"),
        ),
        ("tools.yaml", "genuine_cli", "genuin_cli", ("tools.yaml:7", "unknown", "genuine_cli")),
    ],
)
def test_a_bad_file_changes_nothing(
    site: SmallSite, name: str, old: str, new: str, words: tuple[str, ...]
) -> None:
    write_people(site)
    path = site.folder / "configs" / name
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    before = site.files()
    site.command("voicebot", "apply", "--yes").refused(*words)
    assert site.files() == before


def test_a_bad_document_changes_nothing(site: SmallSite) -> None:
    write_people(site)
    forged = sign(site)
    forged.write_text(forged.read_text("utf-8").replace('"version": "', '"version": "1'), "utf-8")
    before = site.files()
    site.command("voicebot", "apply", "--yes").refused(forged.name, "does not hold", "signed again")
    forged.write_text("[", "utf-8")
    site.command("voicebot", "apply", "--yes").refused(forged.name, "no approval document")
    forged.write_text('{"id": "x", "state": "approved", "signatures": ["me"]}', "utf-8")
    site.command("voicebot", "apply", "--yes").refused(forged.name, "no approval document")
    forged.unlink()
    revoked = sign(site, "revoked", "reviewer-gone")
    site.command("voicebot", "apply", "--yes").refused(revoked.name, "'reviewer-gone'", "Register")
    assert site.files() - before == {f"approvals/{revoked.name}"}


def test_a_site_without_keys(site: SmallSite) -> None:
    (site.folder / "var/keys.json").unlink()
    site.command("voicebot", "apply", "--yes").refused("var/keys.json", "cannot be read")
