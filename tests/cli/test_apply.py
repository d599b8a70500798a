"""`voicebot apply`: what the files hold comes into the site's store, once, and only when somebody said so."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.cli.small_site import Said, SmallSite
from voicebot.settings import Site, load_site
from voicebot.store.audit_check import check
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.people import People
from voicebot.store.registers import Tools
from voicebot.store.signatures import public_text

KEYS = {name: Ed25519PrivateKey.generate() for name in ("author-li", "reviewer-ma", "reviewer-he")}


def write_people(site: SmallSite, keys: Mapping[str, Ed25519PrivateKey] = KEYS) -> None:
    lines = ["people:", "  - {id: ops-wu, name: 吴江, roles: [operations]}"]
    for person, key in keys.items():
        role = person.split("-")[0]
        lines.append(f"  - {{id: {person}, name: 某某, roles: [{role}], public_key: {public_text(key)}}}")
    site.write("configs/people.yaml", "\n".join(lines) + "\n")


def settings(site: SmallSite) -> Site:
    return load_site(environment=site.environment)


def store_of(site: SmallSite) -> Store:
    return Store.open(settings(site).store, KeyRing.load(site.folder / "var/keys.json"))


def said_of(said: Said) -> list[list[str]]:
    """Kind of change, then the words of each line."""
    assert said.code == 0, said.err
    return [line.split() for line in said.out.splitlines() if line.strip()]


def test_what_the_files_hold_comes_into_the_store(site: SmallSite) -> None:
    write_people(site)
    said = site.command("voicebot", "apply", "--yes")
    changes = [words[0] for words in said_of(said)]
    assert changes.count("new") == 3 + 1 + 1 and "changed" not in changes
    assert "ops-wu" in said.out and "no public key yet" in " ".join(said.out.split())
    assert "吴江" not in said.out and "某某" not in said.out
    store = store_of(site)
    assert [tool.number for tool in Tools(store).all()] == ["+862160000001"]
    people = People(store)
    assert people.find("ops-wu") is None
    assert people.find("reviewer-ma") is not None
    store.close()


def test_a_second_time_nothing_changes(site: SmallSite) -> None:
    write_people(site)
    said_of(site.command("voicebot", "apply", "--yes"))
    before = (site.folder / "var/voicebot.db").read_bytes()
    said = site.command("voicebot", "apply", "--yes")
    changes = [words[0] for words in said_of(said)]
    assert changes.count("unchanged") == 5 and not {"new", "changed"} & set(changes)
    assert "nothing to change" in said.out
    assert (site.folder / "var/voicebot.db").read_bytes() == before


def test_without_a_terminal_it_only_shows(site: SmallSite) -> None:
    write_people(site)
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
    assert check(store).faults == []
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


def test_what_was_changed_by_command_is_not_undone_by_a_file(site: SmallSite) -> None:
    write_people(site)
    said_of(site.command("voicebot", "apply", "--yes"))
    expire = ("tools", "expire", "+862160000001", "--last-day", "2026-06-30")
    said_of(site.command("voicebot", *expire))
    lines = said_of(site.command("voicebot", "apply", "--yes"))
    assert ["left", "out", "caller", "number", "+862160000001"] in [words[:5] for words in lines]
    store = store_of(site)
    assert str(Tools(store).all()[0].valid_to) == "2026-06-30"
    store.close()


def test_the_same_as_json(site: SmallSite) -> None:
    write_people(site)
    shown = json.loads(site.command("voicebot", "apply", "--json").out)
    assert shown["applied"] is False and not (site.folder / "var/voicebot.db").exists()
    done = json.loads(site.command("voicebot", "apply", "--json", "--yes").out)
    assert done["applied"] is True and done["items"] == shown["items"]


def test_a_site_without_keys(site: SmallSite) -> None:
    (site.folder / "var/keys.json").unlink()
    site.command("voicebot", "apply", "--yes").refused("var/keys.json", "cannot be read")
