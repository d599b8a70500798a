"""`voicebot apply`: brings the configuration files into the site's store, which decides in a real run."""

from __future__ import annotations

import getpass
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.engine import make_url

from voicebot.campaign.register_files import load_people, load_tools
from voicebot.cli.listing import show_json
from voicebot.cli.site_store import AsJson
from voicebot.clock import WallClock
from voicebot.errors import InputError
from voicebot.settings import Site, load_site
from voicebot.store.audit import AuditChain
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import AgencyRow, PersonRow
from voicebot.store.people import People
from voicebot.store.registers import Agencies, Tools

Key = tuple[str, str]
"""Kind and name: ("person", "reviewer-sun")."""
Register = Mapping[Key, Mapping[str, Any]]
BY_COMMAND = "by_command"
NEW, CHANGED, UNCHANGED, LEFT_OUT = "new", "changed", "unchanged", "left out"


@dataclass(frozen=True)
class Item:
    """One line of what is shown.  `about` says what changed, or why it is left out."""

    change: str
    kind: str
    name: str
    about: str = ""


def apply(
    site_file: Annotated[
        Path | None, typer.Option("--site", help="Site settings (configs/site.yaml).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring people, caller numbers and agencies from the files into the site's store.

    Shows first what would change.  Nothing is taken out of the store, and a caller number that was filed,
    approved or ended by command stays as it is.
    """
    site = load_site(site_file)
    keys = KeyRing.load(site.keys)
    there = _in_store(site, keys)
    items = _compare(site, keys, there)
    target = make_url(site.store).render_as_string(hide_password=True)
    changes = [item for item in items if item.change in (NEW, CHANGED)]
    if as_json:
        if changes and yes:
            _bring_in(site, keys, there, changes)
        done = {"store": target, "applied": bool(changes) and yes}
        show_json({**done, "items": [asdict(item) for item in items]})
        return
    _show(items)
    if not changes:
        typer.echo(f"{target} is as the files say: nothing to change.")
    elif not yes and not sys.stdin.isatty():
        typer.echo(f"Nothing was changed: there is no terminal to ask at. With --yes it goes into {target}.")
    elif yes or typer.confirm(f"Bring {_counted(changes)} into {target}?"):
        _bring_in(site, keys, there, changes)
        typer.echo(f"{_counted(changes)} brought into {target}.")
    else:
        typer.echo("Nothing was changed.")


def _counted(changes: list[Item]) -> str:
    return "1 change" if len(changes) == 1 else f"{len(changes)} changes"


def _in_store(site: Site, keys: KeyRing) -> Register:
    """What the site's store holds.  A SQLite store that is not there yet is not made by looking."""
    if not Store.is_made(site.store):
        return {}
    store = Store.open(site.store, keys)
    try:
        return _held(store)
    finally:
        store.close()


def _compare(site: Site, keys: KeyRing, there: Register) -> list[Item]:
    """What the files would change.  They go into a scratch store first, so that a bad one changes nothing."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Store.open(f"sqlite:///{folder}/scratch.db", keys)
        try:
            besides = _bring(scratch, site)
            wanted = _held(scratch)
        finally:
            scratch.close()
    return [_item(key, wanted[key], there.get(key)) for key in wanted] + besides


def _bring_in(site: Site, keys: KeyRing, there: Register, changes: list[Item]) -> None:
    store = Store.open(site.store, keys)
    try:
        _bring(store, site)
        about = {"changes": [[item.change, item.kind, item.name] for item in changes]}
        AuditChain(store, WallClock(site.zone)).append("files_applied", getpass.getuser(), about)
    finally:
        store.close()


def _bring(store: Store, site: Site) -> list[Item]:
    """Registers everything that the files hold; returns who is left out.

    InputError names the file that does not hold.
    """
    besides: list[Item] = []
    people = People(store)
    try:
        for person in load_people(site.people).people:
            if person.public_key is None:
                besides.append(Item(LEFT_OUT, "person", person.id, "has no public key yet, so cannot sign"))
                continue
            people.register(person.id, person.name, person.roles, person.public_key, person.agency)
    except InputError as fault:
        raise _in_file(fault, site.people) from None
    try:
        load_tools(site.tools).bring_into(Tools(store), Agencies(store))
    except InputError as fault:
        raise _in_file(fault, site.tools) from None
    return besides


def _in_file(fault: InputError, path: Path) -> InputError:
    """The fault of a register with the file that it comes from."""
    fault.where = fault.where or path
    return fault


def _held(store: Store) -> Register:
    """Everything that a store holds of what files can bring."""
    held: dict[Key, Mapping[str, Any]] = {}
    people = People(store)
    with store.reading() as connection:
        ids = list(connection.execute(select(PersonRow.id).order_by(PersonRow.id)).scalars())
        agencies = connection.execute(select(AgencyRow.__table__).order_by(AgencyRow.name)).mappings().all()
    for person in filter(None, map(people.find, ids)):
        held["person", person.id] = person.__dict__
    by_command = Tools(store).by_command()
    for tool in Tools(store).all():
        held["caller number", tool.number] = {**tool.__dict__, BY_COMMAND: tool.number in by_command}
    for row in agencies:
        evaluated = None if row["evaluated"] is None else date.fromordinal(row["evaluated"])
        held["agency", row["name"]] = {**row, "evaluated": evaluated}
    return held


def _item(key: Key, wanted: Mapping[str, Any], there: Mapping[str, Any] | None) -> Item:
    if there is None:
        return Item(NEW, *key)
    changed = [name for name in wanted if name != BY_COMMAND and wanted[name] != there.get(name)]
    if changed and there.get(BY_COMMAND):
        return Item(LEFT_OUT, *key, f"{', '.join(changed)}: was changed by command since")
    return Item(CHANGED if changed else UNCHANGED, *key, ", ".join(changed))


def _show(items: list[Item]) -> None:
    for item in items:
        about = f"  ({item.about})" if item.about else ""
        typer.echo(f"{item.change:<11}{item.kind:<15}{item.name}{about}")
