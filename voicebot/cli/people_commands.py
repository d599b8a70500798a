"""`voicebot people`: who may sign, in which roles, and their keys.

The first person of compliance is registered by whoever sets the site up; after that it takes one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from voicebot.cli.listing import show_done, show_rows
from voicebot.cli.site_store import AsJson, SiteFile, SiteStore, StoreUrl, actor, opened, private_key
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain
from voicebot.store.people import ROLES, People, Person
from voicebot.store.signatures import create_key, public_text, sign

app = typer.Typer(no_args_is_help=True)

REGISTRAR = "compliance"
PersonId = Annotated[str, typer.Argument(help="The person's id, like ops-lin.")]
RegisteredBy = Annotated[
    str | None, typer.Option("--by", help=f"The person of {REGISTRAR} who signs for it.")
]
RegistrarKey = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="That person's private key.")
]


@app.command("list")
def list_people(as_json: AsJson = False, store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """Show who is registered, in which roles."""
    with opened(site_file, store) as place:
        rows = [
            {"person": one.id, "roles": list(one.roles), "agency": one.agency, "public_key": one.public_key}
            for one in People(place.store).all()
        ]
    show_rows(rows, as_json, "Nobody is registered.")


@app.command("register")
def register(
    person: PersonId,
    name: Annotated[str, typer.Option(help="The person's name (kept encrypted).")],
    role: Annotated[list[str], typer.Option(help=f"One of {', '.join(ROLES)}; may be repeated.")],
    public_key: Annotated[str, typer.Option(help="The line that `people key` printed.")],
    agency: Annotated[str | None, typer.Option(help="The outside agency that the person works for.")] = None,
    by: RegisteredBy = None,
    key: RegistrarKey = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Register a person, or change roles or key of one; what an old key signed still counts."""
    with opened(site_file, store) as place:
        _put(place, Person(person, name, tuple(role), public_key, agency), by, key)
    done = {"person": person, "roles": role, "agency": agency, "public_key": public_key}
    show_done(done, as_json, f"{person} is registered as {', '.join(role)}.")


@app.command("key")
def new_key(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; it never leaves this machine.")],
    person: Annotated[
        str | None, typer.Option(help="Also make it this registered person's key (with --by and --key).")
    ] = None,
    compromised: Annotated[
        bool, typer.Option(help="The old key is in wrong hands: what it signed counts no more.")
    ] = False,
    passphrase: Annotated[bool, typer.Option(help="Protect it with a passphrase (asked for).")] = False,
    by: RegisteredBy = None,
    key: RegistrarKey = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Make a private key and print its public half, which a person is registered with.

    A file is never overwritten.
    """
    if compromised and person is None:
        raise InputError("whose key is it?", "Name the person with --person.", key="--person")
    secret = None
    if passphrase:
        said = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
        secret = str(said).encode()
    if file.exists():
        raise InputError("this file exists already", "Give another name.", file)
    if person is None:
        public = public_text(create_key(file, secret))
    else:
        with opened(site_file, store) as place:
            old = People(place.store).find(person)
            if old is None:
                raise InputError(f"nobody called {person!r} is registered", "Register the person first.")
            _registrar(place, by, key, {"kind": "person", "id": person})
            public = public_text(create_key(file, secret))
            _put(place, Person(old.id, old.name, old.roles, public, old.agency), by, key, compromised)
    show_done({"file": str(file), "public_key": public, "person": person}, as_json, public)


def _put(
    place: SiteStore, person: Person, by: str | None, key: Path | None, compromised: bool = False
) -> None:
    document = {
        "kind": "person",
        "id": person.id,
        "roles": list(person.roles),
        "public_key": person.public_key,
        "agency": person.agency,
        "compromised": compromised,
    }
    signature = _registrar(place, by, key, document)
    with place.store.begin() as connection:
        People(place.store).register_in(
            connection,
            person.id,
            person.name,
            person.roles,
            person.public_key,
            person.agency,
            compromised=compromised,
        )
        _told(place, connection, document | {"by": actor(by), "signature": signature})
        place.store.barrier(connection)


def _told(place: SiteStore, connection: Connection, document: Mapping[str, Any]) -> None:
    AuditChain(place.store, place.clock).append_in(
        connection, "person_registered", str(document["id"]), document
    )


def _registrar(place: SiteStore, by: str | None, key: Path | None, document: Mapping[str, Any]) -> str | None:
    """The signature of somebody of compliance over what is registered; None while there is nobody of them."""
    people = People(place.store)
    if not any(REGISTRAR in one.roles for one in people.all()):
        return None
    if by is None or key is None:
        raise InputError(f"this takes a person of {REGISTRAR}", "Give --by and --key.", key="--by")
    secret = private_key(key)
    person = people.signatory(by, secret, [REGISTRAR])
    if person.agency is not None:
        raise InputError(f"{by} works for an outside agency", "The institution registers.", key="--by")
    return sign(secret, document)
