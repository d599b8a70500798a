"""`scripts-review simulate --script` through every way out of every track, on the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dialogs.build import RASA_PYTHON
from tests.cli.small_site import ROOT, SmallSite
from tests.cli.small_site import build as small_site

pytestmark = pytest.mark.timeout(900)

DAY = ("--today", "2025-11-24")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> SmallSite:
    site = small_site(tmp_path, monkeypatch, capsys)
    site.environment |= {
        "VOICEBOT_TRACKS": str(ROOT / "var" / "tracks"),
        "VOICEBOT_RASA_PYTHON": str(RASA_PYTHON),
    }
    return site


@pytest.mark.parametrize("track", ["reminder", "instalment", "contact"])
def test_every_way_out_is_taken(site: SmallSite, track: str) -> None:
    file, script = f"dialogs/talktracks/{track}.yaml", str(site.folder / "exits.yaml")
    found = site.command("scripts-review", "exits", file, "--out", script, *DAY, "--json")
    assert found.code == 0, found.err
    exits = json.loads(found.out)
    said = site.command("scripts-review", "simulate", file, "--script", script, "--every-exit", "--json")
    told = json.loads(said.out)
    assert [(one["call"], one["faults"]) for one in told["calls"] if not one["as_written"]] == []
    assert [one["call"] for one in told["calls"]] == exits["exits"] and len(exits["exits"]) > 100
    assert (said.code, told["exits_not_taken"], exits["unreachable"]) == (0, [], [])


def test_a_call_that_goes_another_way_is_exit_code_1(site: SmallSite) -> None:
    script = site.write(
        "script.yaml",
        "as it is: {said: [别再打了], command: {action: hangup, stop_list: CONTACT_REFUSED}}\n"
        "as it is not: {said: [你打错了], command: {action: handoff}}\n",
    )
    said = site.command(
        "scripts-review", "simulate", "dialogs/talktracks/contact.yaml", "--script", str(script), *DAY
    )
    assert said.code == 1
    assert "✓ as it is: hangup CONTACT_REFUSED" in said.out
    assert "✗ as it is not: hangup WRONG_PARTY" in said.out
    assert "action 'hangup', not 'handoff'" in said.out
    assert "1 of 2 calls as written" in said.out
