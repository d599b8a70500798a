"""Every command is where the table says, and those of an emergency do not wait for what they do not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from voicebot.cli.main import COMMANDS, Commands

HEAVY = "matplotlib", "numpy", "scipy", "pjsua2", "openpyxl", "pypinyin", "aiohttp"
LOADED = """
import sys
from voicebot.cli.main import Commands
for name in ("status", "pause", "resume", "drain", "stop"):
    Commands()[name]
print(*sorted(set(sys.argv[1:]) & sys.modules.keys()))
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does(name: str) -> None:
    command = Commands()[name]
    assert command.name == name and command.help


def test_who_stops_a_campaign_waits_for_no_plots_phones_or_spreadsheets() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
