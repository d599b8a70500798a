"""Looks for anything personal of a list in what a run wrote down openly: as figures, and as spoken words."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from voicebot.speech.spoken.digits import speak_digits
from voicebot.speech.spoken.money import speak_money

AMOUNTS = ("amount_due", "principal", "interest", "penalty")


def left_open(lists: Path, written: Path) -> list[str]:
    """Every name, number, identity tail and amount of the lists that stands in a file below `written`."""
    wanted = {one: what for file in lists.glob("*.csv") for what, one in _personal(file)}
    found = []
    for file in sorted(written.rglob("*")):
        text = file.read_text("utf-8", "replace") if file.is_file() else ""
        found += [f"{file.name}: {what} {one}" for one, what in wanted.items() if _stands(one, text)]
    return found


def _personal(file: Path) -> Iterator[tuple[str, str]]:
    with file.open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            if name := row.get("name"):
                yield "name", name
            if phone := row.get("phone"):
                national = phone.removeprefix("+86")
                yield from (("number", one) for one in (national, national[3:], speak_digits(national)))
            if tail := row.get("id_tail"):
                yield from (("identity tail", one) for one in (tail, speak_digits(tail)))
            for column in AMOUNTS:
                fen = round(float(row.get(column) or 0) * 100)
                if fen >= 10_000:  # a small one stands in every log as something else
                    yield from ((column, one) for one in (row[column], speak_money(fen)))


def _stands(one: str, text: str) -> bool:
    """Figures only by themselves: within a longer number (a time, an id) they are something else."""
    if not one.isascii():
        return one in text
    return re.search(rf"(?<![0-9a-zA-Z.]){re.escape(one)}(?![0-9a-zA-Z])", text) is not None
