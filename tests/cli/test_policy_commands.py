"""`voicebot policy`: what is in force, whether its cases hold, and why somebody would not be called."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.small_site import ROOT, SmallSite
from voicebot.cli import doctor_site
from voicebot.settings import load_site


@pytest.fixture
def site(site: SmallSite) -> SmallSite:
    """With what the demo's campaign file names."""
    (site.folder / "voicebot").mkdir()
    (site.folder / "voicebot/simulate").symlink_to(ROOT / "voicebot/simulate")
    return site


PACK = "configs/policies/cn-gbt45251-2025.yaml"


def ask(site: SmallSite, *arguments: str, code: int = 0) -> Any:
    said = site.command("voicebot", "policy", *arguments, "--json")
    assert said.code == code, said.err
    return json.loads(said.out)


def test_a_case_is_found_without_naming_its_campaign(site: SmallSite) -> None:
    """In the site's campaign files, by case or by number in any form; and nothing is made by looking."""
    for who in ("DEMO-23", "138 0000 2023", "+8613800002023"):
        (one,) = ask(site, "explain", who, code=1)
        assert (one["case"], one["number"], one["allowed"]) == ("DEMO-23", "138****2023", False)
        assert one["source"] == "configs/campaigns/demo.yaml"
        assert "STOP_LIST" in one["waits_for"] and one["next_call"] is None
        (rule,) = [rule for rule in one["rules"] if rule["rule"] == "CN-CT-05"]
        assert (rule["verdict"], rule["facts"]) == ("STOP_LIST", "stop_listed CONTACT_REFUSED")
        assert {use["counter"] for use in one["counters"]} == {"connected_debtor_day", "attempts_point_day"}
    assert not (site.folder / "var/voicebot.db").exists()


def test_the_answer_is_about_the_time_that_was_asked_for(site: SmallSite) -> None:
    (noon,) = ask(site, "explain", "DEMO-01", "--at", "2026-03-02T12:00", code=1)
    (night,) = ask(site, "explain", "DEMO-01", "--at", "2026-03-02T22:10", code=1)
    verdicts = [{rule["rule"]: rule["verdict"] for rule in one["rules"]}["CN-TM-01"] for one in (noon, night)]
    assert verdicts == ["allow", "HOURS"]
    assert night["at"] == "2026-03-02T22:10:00+08:00"
    assert "amount" not in json.dumps(night["rules"]) or "1280" not in json.dumps(night)


def test_for_people_it_is_a_table_with_the_whole_answer(site: SmallSite) -> None:
    said = site.command("voicebot", "policy", "explain", "DEMO-23")
    assert said.code == 1
    for words in ("would be refused", "138****2023", "CN-CT-05", "refused by CN-CT-05: STOP_LIST"):
        assert words in said.out
    assert "13800002023" not in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("NOBODY-1",), ("is not in the store or in a list of configs/campaigns", "--campaign")),
        (("13999999999",), ("is not in the store", "--campaign")),
        (("DEMO-01", "--at", "noon"), ("--at", "is no time", "2026-03-02T22:10")),
        (("DEMO-01", "--store", "sqlite:///other.db"), ("is not in the store",)),
        (("DEMO-01", "--campaign", "none.yaml"), ("none.yaml", "no such file")),
    ],
)
def test_what_it_cannot_answer(site: SmallSite, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    site.command("voicebot", "policy", "explain", *arguments).refused(*words)


def test_a_campaign_file_that_cannot_be_read_is_not_passed_over(site: SmallSite) -> None:
    site.write("configs/campaigns/a.yaml", "name: a\n")
    assert ask(site, "explain", "DEMO-23", code=1)[0]["case"] == "DEMO-23"
    site.command("voicebot", "policy", "explain", "NOBODY-1").refused("configs/campaigns/a.yaml", "missing")


def test_what_is_in_force(site: SmallSite) -> None:
    site.settings(
        "policies:\n"
        f"  - file: {PACK}\n"
        "    params: {freq.connected_debtor_day: 2}\n"
        "    institutions: {海城消费金融: {freq.connected_debtor_day: 1}}\n"
        f"  - {{file: {PACK}, pack: in-rbi}}\n"
    )
    assert [one["pack"] for one in ask(site, "list")] == [
        "cn-gbt45251-2025@0.1.0(freq.connected_debtor_day=2)",
        "in-rbi@0",
    ]
    rules = {one["rule"]: one for one in ask(site, "list", "--rules")}
    assert rules["CN-TM-01"]["reason"] == "HOURS" and "IN-EV-01" in rules
    own = ask(site, "list", "--params", "--institution", "海城消费金融")
    (value,) = [one["value"] for one in own if one["parameter"] == "freq.connected_debtor_day"]
    assert value == 1


def test_a_parameter_that_is_too_loose_names_file_and_line(site: SmallSite) -> None:
    site.settings(f"policies:\n  - file: {PACK}\n    params: {{freq.connected_debtor_day: 4}}\n")
    for command in (("list",), ("test",), ("explain", "DEMO-01")):
        said = site.command("voicebot", "policy", *command)
        said.refused("configs/site.yaml:3", "freq.connected_debtor_day", "looser", "The bound is 3")


def test_the_cases_of_the_packs(site: SmallSite) -> None:
    assert ask(site, "test") == [{"file": PACK, "cases": 137, "failed": []}]
    path = site.folder / PACK
    text = path.read_text("utf-8")
    path.write_text(text.replace('"2026-03-02T07:59"}, expect: HOURS', '"2026-03-02T07:59"}, expect: allow'))
    (found,) = ask(site, "test", code=1)
    assert [one["got"] for one in found["failed"]] == ["HOURS"]
    said = site.command("voicebot", "policy", "test")
    assert said.code == 1 and "CN-TM-01 case 2: expected allow, got HOURS" in said.out


def test_an_institution_that_nobody_knows_is_found_before_a_run(site: SmallSite) -> None:
    """Its stricter parameters would hold for nobody."""
    own = "institutions: {{{}: {{freq.connected_debtor_day: 1}}}}"
    for name, good in (("海城消费金融", True), ("海城消费", False)):
        site.settings(f"policies:\n  - file: {PACK}\n    {own.format(name)}\n")
        finding = doctor_site.files(load_site(environment=site.environment))
        assert finding.good is good, finding
        assert good or name in finding.text
