"""`voicebot policy`, `stop-list` and `tools`, on the demo's own files."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from voicebot.campaign import demo_site
from voicebot.campaign.demo_site import approve_tracks, prepare_keys
from voicebot.cli import policy_commands, stop_list_commands, tools_commands
from voicebot.errors import InputError
from voicebot.settings import Site, load_site

ROOT = Path(__file__).parents[2]
DEMO = "configs/campaigns/demo.yaml"


def command() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.add_typer(policy_commands.app, name="policy")
    app.add_typer(stop_list_commands.app, name="stop-list")
    app.add_typer(tools_commands.app, name="tools")
    return app


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The project's own configs with `var` elsewhere, keys made and the talk track approved."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("VOICEBOT_VAR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    site = load_site()
    prepare_keys(site)
    monkeypatch.setattr(demo_site, "talk_tracks", lambda folder: [folder / "reminder.yaml"])
    approve_tracks(site)
    return site


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(command(), list(arguments))
    if isinstance(result.exception, InputError):
        raise result.exception
    return result.exit_code, result.output


def test_explain_goes_rule_by_rule(site: Site) -> None:
    code, output = run("policy", "explain", "DEMO-23", "--campaign", DEMO)
    assert code == 1 and "STOP_LIST" in output and "138****2023" in output
    code, output = run("policy", "explain", "138 0000 2001", "--campaign", DEMO)
    assert code == 0 and "would be called" in output
    code, output = run("policy", "explain", "DEMO-01", "--campaign", DEMO, "--at", "2026-03-02T22:10")
    assert code == 1 and "HOURS" in output
    with pytest.raises(InputError, match="in none of"):
        run("policy", "explain", "DEMO-99", "--campaign", DEMO)


def test_the_packs_own_cases_hold(site: Site) -> None:
    assert run("policy", "test") == (0, "configs/policies/cn-gbt45251-2025.yaml: 137 of 137 cases hold\n")


def test_the_stop_list_by_command(site: Site) -> None:
    assert run("stop-list", "list")[1] == "The stop list is empty.\n"
    assert run("stop-list", "add", "138 1234 1234", "--reason", "LAWYER", "--note", "来函")[0] == 0
    output = run("stop-list", "list")[1]
    assert "138****1" in output and "LAWYER" in output and "13812341234" not in output
    for number, reason in (("138", "LAWYER"), ("13812341234", "BECAUSE")):
        with pytest.raises(InputError):
            run("stop-list", "add", number, "--reason", reason)


def test_no_tool_is_registered_in_a_new_store(site: Site) -> None:
    assert run("tools", "list") == (0, "No caller number is registered.\n")


def test_preparing_twice_changes_nothing(site: Site) -> None:
    files = {path: path.read_bytes() for path in site.var.rglob("*") if path.is_file()}
    prepare_keys(site)
    approve_tracks(site)
    assert {path: path.read_bytes() for path in site.var.rglob("*") if path.is_file()} == files
