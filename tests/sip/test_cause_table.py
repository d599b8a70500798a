"""The tables of docs/trunks.md say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sip.cause import CauseKind, from_sip
from sip.trunk import Trunk
from voicebot.call.ringing import BY_CAUSE

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "trunks.md").read_text("utf-8")


def rows(head: str) -> list[tuple[str, str, str]]:
    """The rows of the table with that head: (first cell, kind, disposition)."""
    lines = PAGE.split(f"| {head} | kind | disposition |\n")[1].splitlines()[1:]
    table = []
    for line in lines:
        if not line.startswith("|"):
            break
        first, kind, disposition = (cell.strip() for cell in line.strip("|").split("|"))
        table.append((first, kind, disposition))
    return table


@pytest.mark.parametrize(("cell", "kind", "disposition"), rows("final code"))
def test_final_codes(cell: str, kind: str, disposition: str) -> None:
    assert BY_CAUSE[CauseKind(kind)] == disposition
    for part in cell.split(","):
        for code in re.findall(r"`(\d{3})`", part):
            assert from_sip(int(code), "", rang="after ringing" in part).kind == kind


@pytest.mark.parametrize(("cell", "kind", "disposition"), rows("Q.850 cause"))
def test_q850_causes(cell: str, kind: str, disposition: str) -> None:
    for cause in re.findall(r"`(\d+)`", cell):
        found = from_sip(480, "", {"Reason": f"Q.850;cause={cause}"}).kind
        if disposition:
            assert found == kind and BY_CAUSE[found] == disposition
        else:
            assert found is CauseKind.UNREACHABLE  # as 480 alone


def test_every_code_outside_of_the_table_is_the_carriers_failure() -> None:
    told = {int(code) for cell, _, _ in rows("final code") for code in re.findall(r"`(\d{3})`", cell)}
    for code in set(range(300, 700)) - told:
        assert from_sip(code, "").kind is CauseKind.CARRIER_FAILED, code


def test_every_cause_of_the_code_is_in_the_table() -> None:
    told = {int(cause) for cell, _, _ in rows("Q.850 cause") for cause in re.findall(r"`(\d+)`", cell)}
    for cause in set(range(1, 128)) - told:
        assert from_sip(480, "", {"Reason": f"Q.850;cause={cause}"}).kind is CauseKind.UNREACHABLE, cause


def test_every_key_of_a_trunk_is_explained() -> None:
    keys = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", PAGE, re.M))))
    assert set(Trunk.model_fields) - {"name", "simulated"} <= keys
