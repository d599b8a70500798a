"""`voicebot call`: one call as a readable script, or the list of calls.  Names and numbers stay masked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voicebot.cli.site_store import By, actor
from voicebot.clock import WallClock
from voicebot.errors import InputError
from voicebot.quality.call_page import talk_seconds
from voicebot.quality.calls import find_call, find_recording, list_calls, names_of_call
from voicebot.quality.script import print_call
from voicebot.quality.wording import DISPOSITIONS, length
from voicebot.settings import Site, load_site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing, Unreadable
from voicebot.store.looks import note_look
from voicebot.store.recordings import open_kept

STORE_FILES = ("*.sqlite", "*.db")
"""How runs name the file of their store."""
SQLITE = "sqlite:///"

app = typer.Typer(no_args_is_help=True, help="Look at calls: one as a readable script, or the list.")

StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="A store's file or address; that of the newest run when not given."),
]
KeysOption = Annotated[
    Path | None, typer.Option("--keys", help="The key file; the site's when not given.", dir_okay=False)
]


@app.command("show")
def show(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="An attempt's id, its start, or a case id.")],
    store: StoreOption = None,
    keys: KeysOption = None,
) -> None:
    """Print one call as a readable script with times: what was said, decided, pressed and handed over."""
    with open_store(store, keys) as opened:
        record = find_call(opened, call_id)
        print_call(record, Console(), names_of_call(opened, record.attempt_id))


@app.command("listen")
def listen(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="An attempt's id, its start, or a case id.")],
    why: Annotated[str, typer.Option(help="Why; nothing personal: it stands in the audit.")],
    out: Annotated[Path | None, typer.Option(help="The audio file (default: ID.flac here).")] = None,
    by: By = None,
    store: StoreOption = None,
    keys: KeysOption = None,
) -> None:
    """Open the sealed recording of one call into an audio file: left is ours, right is the callee.

    Who listens and why is audited first. Delete the file afterwards: it lies open.
    """
    with open_store(store, keys) as opened:
        recording = find_recording(opened, call_id)
        target = out or Path(f"{recording.attempt_id}{recording.suffix}")
        note_look(opened, WallClock(load_site().zone), actor(by), "recording", recording.attempt_id, why)
        try:
            with open_kept(recording, opened.keys) as audio:
                _copy(audio, target)
        except Unreadable as fault:
            raise InputError(str(fault), "voicebot audit verify says more.", recording.file) from None
        except FileNotFoundError:
            do = "It lies on the machine that made the call."
            raise InputError("the recording is not on this machine", do, recording.file) from None
    typer.echo(str(target))


def _copy(audio: BinaryIO, target: Path) -> None:
    """A new file with all of it, or none.  InputError when there is one of this name already."""
    try:
        file = target.open("xb")
    except OSError as fault:
        raise InputError(f"it cannot be written: {fault.strerror}", "Give another --out.", target) from None
    try:
        with file:
            shutil.copyfileobj(audio, file)
    except BaseException:
        target.unlink()
        raise


@app.command("list")
def list_all(
    campaign: Annotated[str | None, typer.Option(help="Only campaigns of this name.")] = None,
    store: StoreOption = None,
    keys: KeysOption = None,
) -> None:
    """List the calls with what they came to."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Attempt", "Dialled", "Case", "Number", "Came to"):
        table.add_column(name, no_wrap=name != "Came to")
    table.add_column("Talk", justify="right")
    with open_store(store, keys) as opened:
        for record in list_calls(opened, campaign):
            meaning = DISPOSITIONS[record.disposition]
            talk = talk_seconds(record)
            table.add_row(
                record.attempt_id,
                f"{record.dialled_at:%m-%d %H:%M:%S}",
                record.case_id,
                record.phone_masked,
                Text(f"{meaning.english} {meaning.chinese}"),
                length(talk) if talk is not None else "–",
            )
    console = Console()
    if table.row_count:
        console.print(table)
    else:
        console.print("No call is in this store.")


@contextmanager
def open_store(given: str | None, keys: Path | None) -> Iterator[Store]:
    """The store that was named, or that of the newest run.  InputError when there is none."""
    site = load_site()
    address = store_address(given) if given else newest_store(site)
    store = Store.open(address, KeyRing.load(keys or site.keys))
    try:
        yield store
    finally:
        store.close()


def store_address(given: str) -> str:
    """An address as it is; a file as an SQLite address.  InputError when the file is not there."""
    if "://" in given and not given.startswith(SQLITE):
        return given
    file = Path(given.removeprefix(SQLITE))
    if not file.is_file():
        raise InputError(
            "there is no such store", "Give an existing file or an address.", file, key="--store"
        )
    return f"{SQLITE}{file}"


def newest_store(site: Site) -> str:
    """The address of the store that was written last: the site's own, or that of a demo or test run."""
    found = [
        file
        for folder in (site.runs, site.var / "demo")
        for pattern in STORE_FILES
        for file in folder.rglob(pattern)
    ]
    own = Path(site.store.removeprefix(SQLITE))
    if own.is_file():
        found.append(own)
    if found:
        return f"{SQLITE}{max(found, key=lambda file: file.stat().st_mtime)}"
    if not site.store.startswith(SQLITE):
        return site.store
    raise InputError("there is no run yet.", "Run a campaign first, or name a store by --store.", site.var)
