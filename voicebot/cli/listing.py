"""How commands show what registers hold: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table


def show_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, nothing: str) -> None:
    """Rows of one shape.  JSON keeps their types; the table shows times to the minute and nothing as -."""
    if as_json:
        show_json(list(rows))
        return
    if not rows:
        typer.echo(nothing)
        return
    table = Table()
    for place, name in enumerate(rows[0]):  # the first says which row it is: a person copies it
        table.add_column(name.replace("_", " "), no_wrap=place == 0)
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    Console(highlight=False, markup=False).print(table)


def show_done(done: Mapping[str, Any], as_json: bool, words: str) -> None:
    """What a command did: one sentence, or the same as JSON."""
    if as_json:
        show_json(done)
    else:
        typer.echo(words)


def show_json(value: Any) -> None:
    """JSON as all commands print it."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _text(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
