"""`voicebot agents` and `voicebot desk`, as people type them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from handoff.staff import agents_in_force
from tests.cli.small_site import SmallSite
from voicebot.clock import WallClock
from voicebot.settings import load_site
from voicebot.store.audit_check import check
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

TODAY = datetime.now(ZoneInfo("Asia/Shanghai")).date()
"""Of the site: its zone is the one in configs/site.yaml."""


def ask(site: SmallSite, *arguments: str) -> Any:
    said = site.command("voicebot", "agents", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def rows(site: SmallSite) -> dict[str, Any]:
    return {row["agent"]: row for row in ask(site, "list")}


def add_li(site: SmallSite) -> Any:
    return ask(
        site,
        "add",
        "li",
        "--name",
        "李思远",
        "--sip",
        "sip:li@127.0.0.1",
        "--skill",
        "general",
        "--agency",
        "x",
    )


def test_who_is_added_takes_no_calls_before_every_certificate_is_there_and_valid(site: SmallSite) -> None:
    added = add_li(site)
    assert len(added["first_password"]) >= 12
    li = rows(site)["li"]
    assert (li["may_take_calls"], li["why_not"]) == (False, "坐席未通过培训考核 (CN-TR-01)")
    for kind in ("prejob_passed", "confidentiality_signed", "security_exam"):
        ask(site, "certificate", "li", kind, "--on", str(TODAY - timedelta(days=30)))
    assert not rows(site)["li"]["may_take_calls"], "one is missing"
    ask(site, "certificate", "li", "business_exam", "--on", str(TODAY - timedelta(days=366)))
    assert not rows(site)["li"]["may_take_calls"], "one has expired"
    ask(site, "certificate", "li", "business_exam", "--on", str(TODAY - timedelta(days=365)))
    li = rows(site)["li"]
    assert (li["may_take_calls"], li["certified_until"]) == (True, str(TODAY))
    site.command("voicebot", "agents", "certificate", "li", "business_exam", "--on", "2999-01-01").refused(
        "future"
    )


def test_what_commands_say_counts_over_the_file_and_stands_in_the_audit_chain(site: SmallSite) -> None:
    settings = load_site()
    clock = WallClock(settings.zone)
    add_li(site)
    ask(site, "disable", "agent1001", "--by", "zhao")
    in_force = {one.id: one for one in agents_in_force(settings.agents, settings.store, settings.keys, clock)}
    assert (in_force["agent1001"].enabled, in_force["li"].enabled) == (False, True)
    assert in_force["li"].presence == "desk"
    assert rows(site)["agent1001"]["why_not"] == "disabled"
    ask(site, "enable", "agent1001")
    assert rows(site)["agent1001"]["may_take_calls"]
    assert rows(site)["agent1001"]["password"] == "none"
    ask(site, "reset", "agent1001")
    assert rows(site)["agent1001"]["password"] == "first"
    store = Store.open(settings.store, KeyRing.load(settings.keys))
    assert check(store).faults == []
    store.close()
    assert "李思远".encode() not in (settings.var / "voicebot.db").read_bytes(), "names are kept encrypted"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("add", "agent1001", "--name", "x", "--sip", "sip:a@b", "--skill", "s", "--agency", "x"),
            ("already",),
        ),
        (
            ("add", "li", "--name", "x", "--sip", "li@phone", "--skill", "s", "--agency", "x"),
            ("sip:name@host",),
        ),
        (("add", "li", "--name", "x", "--sip", "sip:a@b", "--agency", "x"), ("--skill",)),
        (("add", "li", "--name", "x", "--role", "boss"), ("role",)),
        (("reset", "nobody"), ("nobody", "agents list")),
        (("disable", "nobody"), ("nobody",)),
        (("certificate", "agent1001", "diploma", "--on", "2026-01-01"), ("diploma", "business_exam")),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    site: SmallSite, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    site.command("voicebot", "agents", *arguments).refused(*words)


def test_beyond_this_machine_the_desk_speaks_tls_only(site: SmallSite) -> None:
    site.command("voicebot", "desk", "--host", "0.0.0.0").refused("TLS", "--cert")
    site.command("voicebot", "desk", "--cert", "a.pem").refused("--key")
    site.command("voicebot", "desk", "--cert", "a.pem", "--key", "b.pem").refused("a.pem")
