"""`voicebot stop-list`, `tools`, `agreement`, `people` and `case`, as people type them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from tests.cli.small_site import Said, SmallSite
from voicebot.clock import WallClock
from voicebot.settings import load_site
from voicebot.store.audit_check import check
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.stop_list import StopList

INSTITUTION = "海城消费金融"
OFFICE = {"ops-lin": "operations", "ops-qian": "operations", "zhao": "compliance", "wang": "reviewer"}


def ask(site: SmallSite, *arguments: str) -> Any:
    """What a command that must succeed prints as JSON."""
    said = site.command("voicebot", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def no(site: SmallSite, *arguments: str) -> Said:
    return site.command("voicebot", *arguments)


def by(person: str) -> tuple[str, ...]:
    return ("--by", person, "--key", f"{person}.pem")


def kinds(site: SmallSite) -> list[str]:
    settings = load_site(environment=site.environment)
    store = Store.open(settings.store, KeyRing.load(site.folder / "var/keys.json"))
    with store.reading() as connection:
        found = connection.exec_driver_sql("select kind from audit order by seq").scalars().all()
    assert check(store).faults == []
    store.close()
    return list(found)


@pytest.fixture
def office(site: SmallSite) -> SmallSite:
    """Four people with keys; the first one of compliance registers the others."""
    for person in ("zhao", *OFFICE):
        if (site.folder / f"{person}.pem").exists():
            continue
        public = ask(site, "people", "key", f"{person}.pem")["public_key"]
        registrar = () if person == "zhao" else by("zhao")
        values = ("--name", "某人", "--role", OFFICE[person], "--public-key", public)
        ask(site, "people", "register", person, *values, *registrar)
    return site


# ---- stop list ----


def test_a_number_comes_on_the_list_and_goes_off_by_two(office: SmallSite) -> None:
    added = ask(office, "stop-list", "add", "138 1234 1234", "--reason", "LAWYER", "--note", "来函")
    (entry,) = ask(office, "stop-list", "list")
    assert (entry["entry"], entry["number"], entry["reason"]) == (added["entry"], "138****1234", "LAWYER")
    number = str(added["entry"])
    asked = ask(office, "stop-list", "remove", number, *by("ops-lin"), "--why", "律师函已撤")
    assert not asked["removed"]
    (entry,) = ask(office, "stop-list", "list")
    assert entry["removal"] == "asked by ops-lin: 律师函已撤", "a pending removal is shown"
    no(office, "stop-list", "remove", number, *by("ops-lin")).refused("another person")
    no(office, "stop-list", "remove", number, *by("ops-qian")).refused("compliance")
    no(office, "stop-list", "remove", number, *by("wang")).refused("wang may not sign this")
    no(office, "stop-list", "remove", number, "--by", "zhao", "--key", "wang.pem").refused("not the key")
    done = ask(office, "stop-list", "remove", number, *by("zhao"))
    assert done["removed"] and done["confirmed_by"] == "zhao"
    assert ask(office, "stop-list", "list") == []
    assert [one["removal"] for one in ask(office, "stop-list", "list", "--all")] == ["removed"]
    assert kinds(office)[-3:] == ["stop_list_added", "stop_list_removal_asked", "stop_list_removed"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "138", "--reason", "LAWYER"), ("number",)),
        (("add", "13812341234", "--reason", "BECAUSE"), ("unknown stop-list reason", "LAWYER")),
        (("add", "13812341234"), ("--reason",)),
        (("add", "--reason", "LAWYER"), ("either a number or --debtor",)),
        (("add", "--debtor", "P-1", "--reason", "LAWYER"), ("--institution",)),
        (("add", "13812341234", "--reason", "MINOR", "--until", "2020-01-01"), ("ended already",)),
        (("add", "13812341234", "--reason", "MINOR", "--until", "soon"), ("--until", "is no time")),
        (("remove", "9", "--by", "zhao", "--key", "zhao.pem", "--why", "x"), ("zhao.pem", "private key")),
        (("import", "none.csv"), ("none.csv",)),
    ],
)
def test_what_the_stop_list_refuses(
    site: SmallSite, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    no(site, "stop-list", *arguments).refused(*words)


def test_a_file_comes_on_the_list_whole_or_not_at_all(site: SmallSite) -> None:
    rows = [("phone", "reason", "note"), ("138 1234 1234", "LAWYER", "来函"), ("13812340000", "MINOR", "")]
    site.write("stop.csv", "\n".join(",".join(row) for row in rows))
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.save(site.folder / "stop.xlsx")
    assert ask(site, "stop-list", "import", "stop.csv") == {"file": "stop.csv", "rows": 2, "added": 2}
    assert ask(site, "stop-list", "import", "stop.xlsx")["added"] == 0
    site.write("bad.csv", "phone,reason\n13812349999,LAWYER\n13812348888,BECAUSE\n")
    no(site, "stop-list", "import", "bad.csv").refused("bad.csv:3", "reason", "BECAUSE")
    assert len(ask(site, "stop-list", "list")) == 2


def test_a_debtor_is_stopped_on_every_number(site: SmallSite) -> None:
    ask(site, "stop-list", "add", "--debtor", "P-1", "--institution", INSTITUTION, "--reason", "VULNERABLE")
    settings = load_site(environment=site.environment)
    store = Store.open(settings.store, KeyRing.load(site.folder / "var/keys.json"))
    (entry,) = StopList(store, WallClock(settings.zone)).entries()
    store.close()
    assert (entry.kind, entry.institution, entry.masked) == ("debtor", INSTITUTION, "****")


# ---- caller numbers ----


def test_a_caller_number_takes_two_signatures(office: SmallSite) -> None:
    filing = ("--institution", INSTITUTION, "--from", "2020-01-01", "--to", "2090-12-31", "--genuine-cli")
    ask(office, "tools", "register", "021 6000 0009", *filing, *by("ops-lin"))
    (tool,) = ask(office, "tools", "list")
    assert (tool["number"], tool["approved_by"], tool["usable_today"]) == ("+862160000009", "nobody", False)
    no(office, "tools", "approve", "02160000009", *by("ops-lin")).refused("may not sign")
    ask(office, "tools", "approve", "02160000009", *by("zhao"))
    (tool,) = ask(office, "tools", "list")
    assert (tool["approved_by"], tool["signatures"], tool["usable_today"]) == ("zhao", 2, True)
    ask(office, "tools", "expire", "02160000009", "--by", "ops-lin")
    assert ask(office, "tools", "list")[0]["usable_today"] is False
    no(office, "tools", "expire", "02160000009", "--last-day", "2095-01-01").refused("Register it anew")
    assert kinds(office)[-3:] == ["tool_registered", "tool_approved", "tool_expired"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2020-01-01", "yesterday", ("--from", "is no date")),
        ("2020-01-01", "2091-01-01", ("ends before",)),
        ("02160000009", "12", ("number",)),
        ("ops-lin", "wang", ("wang may not sign this",)),
    ],
)
def test_what_is_no_filing(office: SmallSite, old: str, new: str, words: tuple[str, ...]) -> None:
    filing = ["02160000009", "--institution", INSTITUTION, "--from", "2020-01-01", "--to", "2090-12-31"]
    arguments = [*filing, *by("ops-lin")]
    changed = [new if one == old else one.replace(f"{old}.pem", f"{new}.pem") for one in arguments]
    no(office, "tools", "register", *changed).refused(*words)
    no(office, "tools", "approve", "02160000009", *by("zhao")).refused("not registered")


# ---- agreements ----


def test_an_agreement_from_its_making_to_its_end(site: SmallSite) -> None:
    agreed = ("--institution", INSTITUTION, "--from", "2026-03-02", "--to", "2026-03-31")
    window = ask(
        site, "agreement", "add", "P-0001", *agreed, "--hours", "22:00-23:00", "--evidence", "rec-1@83"
    )
    calls = ask(site, "agreement", "add", "P-0001", *agreed, "--calls", "5", "--evidence", "rec-2")
    listed = ask(site, "agreement", "list", "--institution", INSTITUTION, "--debtor", "P-0001")
    assert [(one["agreement"], one["kind"], one["calls_per_day"]) for one in listed] == [
        (window["agreement"], "window", None),
        (calls["agreement"], "extra_call", 5),
    ]
    assert {one["debtor"] for one in listed} == {"****001"}
    assert ask(site, "agreement", "list", "--institution", INSTITUTION, "--debtor", "P-0002") == []
    ask(site, "agreement", "revoke", str(window["agreement"]), "--by", "ops-lin")
    assert [one["revoked_by"] for one in ask(site, "agreement", "list")] == ["ops-lin", None]
    assert kinds(site) == ["agreement_added", "agreement_added", "agreement_revoked"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--evidence", ""), ("evidence",)),
        (("--hours", "9-10"), ("22:00-23:30",)),
        (("--hours", "22:00-23:00", "--calls", "4"), ("other hours or to more calls",)),
        (("--to", "2026-03-01"), ("ends before",)),
        (("--source", "hearsay"), ("contract",)),
    ],
)
def test_what_is_no_agreement(site: SmallSite, change: tuple[str, ...], words: tuple[str, ...]) -> None:
    base = [
        "P-1",
        "--institution",
        INSTITUTION,
        "--from",
        "2026-03-02",
        "--to",
        "2026-03-31",
        "--evidence",
        "r",
    ]
    no(site, "agreement", "add", *base, *change).refused(*words)
    assert ask(site, "agreement", "list") == []


def test_without_evidence_there_is_no_agreement(site: SmallSite) -> None:
    base = ("P-1", "--institution", INSTITUTION, "--from", "2026-03-02", "--to", "2026-03-31")
    no(site, "agreement", "add", *base).refused("--evidence")


# ---- people ----


def test_who_registers_whom(office: SmallSite) -> None:
    found = {one["person"]: one["roles"] for one in ask(office, "people", "list")}
    assert found == {person: [role] for person, role in OFFICE.items()}
    public = ask(office, "people", "key", "he.pem")["public_key"]
    new = ("people", "register", "he", "--name", "何", "--role", "reviewer", "--public-key", public)
    no(office, *new).refused("a person of compliance", "--by")
    no(office, *new, *by("ops-lin")).refused("ops-lin may not sign this")
    boss = [part if part != "reviewer" else "boss" for part in new]
    no(office, *boss, *by("zhao")).refused("unknown role 'boss'", "senior_reviewer")
    ask(office, *new, "--agency", "海岸服务", *by("zhao"))
    assert [one["agency"] for one in ask(office, "people", "list") if one["person"] == "he"] == ["海岸服务"]


def test_a_key_file_is_never_overwritten_and_a_new_key_replaces_the_old(office: SmallSite) -> None:
    before = (office.folder / "ops-lin.pem").read_bytes()
    no(office, "people", "key", "ops-lin.pem").refused("exists already")
    assert (office.folder / "ops-lin.pem").read_bytes() == before
    no(office, "people", "key", "new.pem", "--person", "ops-lin").refused("--by")
    assert not Path("new.pem").exists(), "refused before anything is made"
    ask(office, "people", "key", "new.pem", "--person", "ops-lin", *by("zhao"))
    ask(office, "stop-list", "add", "13812341234", "--reason", "LAWYER")
    no(office, "stop-list", "remove", "1", *by("ops-lin"), "--why", "x").refused("not the key")
    ask(office, "stop-list", "remove", "1", "--by", "ops-lin", "--key", "new.pem", "--why", "x")


# ---- cases ----


def test_a_hold_ends_with_a_reason(site: SmallSite) -> None:
    case = ("A-1", "open_complaint", "--institution", INSTITUTION)
    ask(site, "case", "mark", *case)
    assert [one["mark"] for one in ask(site, "case", "list", "--case", "A-1")] == ["open_complaint"]
    ask(site, "case", "clear", *case, "--why", "已答复")
    assert ask(site, "case", "list") == []
    no(site, "case", "clear", *case, "--why", "已答复").refused("no mark")
    approval = ("A-1", "contact_call_approved", "--institution", INSTITUTION)
    no(site, "case", "mark", *approval).refused("needs evidence")
    no(site, "case", "mark", "A-1", "holiday", "--institution", INSTITUTION).refused("unknown mark")
    assert kinds(site) == ["case_marked", "case_mark_cleared"]


# ---- for people ----


@pytest.mark.parametrize("register", ["stop-list", "tools", "agreement", "people", "case"])
def test_an_empty_register_is_one_sentence_or_an_empty_list(site: SmallSite, register: str) -> None:
    said = no(site, register, "list")
    assert said.code == 0 and len(said.out.strip().splitlines()) == 1
    assert ask(site, register, "list") == []


def test_tables_hold_no_whole_number(office: SmallSite) -> None:
    ask(office, "stop-list", "add", "13812341234", "--reason", "LAWYER")
    said = no(office, "stop-list", "list")
    assert said.code == 0 and "13812341234" not in said.out.replace("\n", "")
