"""People who sign: their roles and public keys (configs/people.yaml describes, the store decides)."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, delete, insert, select

from voicebot.errors import InputError
from voicebot.store.database import Store
from voicebot.store.models import PersonRow
from voicebot.store.signatures import public_text

ROLES = ("author", "reviewer", "senior_reviewer", "operations", "compliance", "trainer")
KEY_BYTES = 32


@dataclass(frozen=True)
class Person:
    """`public_key` is base64 of the raw 32 bytes of an Ed25519 key; `agency` the outside agency's name."""

    id: str
    name: str
    roles: tuple[str, ...]
    public_key: str
    agency: str | None = None


@dataclass(frozen=True)
class Signer:
    """What a signature is checked against: all keys that are or were rightly the person's."""

    id: str
    roles: tuple[str, ...]
    public_keys: tuple[str, ...]
    agency: str | None


class People:
    """The register of people."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(
        self,
        person_id: str,
        name: str,
        roles: Sequence[str],
        public_key: str,
        agency: str | None = None,
    ) -> None:
        """Adds or replaces a person; a replaced key still counts for what it signed.

        InputError for an unknown role or a key that is none.
        """
        with self._store.begin() as connection:
            self.register_in(connection, person_id, name, roles, public_key, agency)

    def register_in(
        self,
        connection: Connection,
        person_id: str,
        name: str,
        roles: Sequence[str],
        public_key: str,
        agency: str | None = None,
        *,
        compromised: bool = False,
    ) -> None:
        """The same within a transaction.  `compromised`: the former keys do not count any more."""
        unknown = [role for role in roles if role not in ROLES]
        if unknown:
            raise InputError(f"unknown role {unknown[0]!r}", f"Allowed: {', '.join(ROLES)}.", key=person_id)
        _check_key(public_key, person_id)
        old = connection.execute(select(PersonRow.__table__).where(PersonRow.id == person_id)).first()
        former: list[str] = []
        if old is not None and not compromised:
            former = [key for key in (*old.former_keys, old.public_key) if key != public_key]
        sealed = self._store.keys.encrypt(name, _binding(person_id))
        connection.execute(delete(PersonRow).where(PersonRow.id == person_id))
        connection.execute(
            insert(PersonRow).values(
                id=person_id,
                name_ct=sealed,
                roles=list(roles),
                public_key=public_key,
                agency=agency,
                former_keys=list(dict.fromkeys(former)),
            )
        )

    def find(self, person_id: str) -> Person | None:
        """The person, or None."""
        with self._store.reading() as connection:
            row = connection.execute(select(PersonRow.__table__).where(PersonRow.id == person_id)).first()
        return None if row is None else self._person(row)

    def all(self) -> list[Person]:
        """Everybody, by id."""
        with self._store.reading() as connection:
            rows = connection.execute(select(PersonRow.__table__).order_by(PersonRow.id)).all()
        return [self._person(row) for row in rows]

    def signers_in(self, connection: Connection) -> dict[str, Signer]:
        """Everybody by id, for checking signatures within a transaction."""
        rows = connection.execute(
            select(
                PersonRow.id, PersonRow.roles, PersonRow.public_key, PersonRow.former_keys, PersonRow.agency
            )
        )
        return {
            row.id: Signer(row.id, tuple(row.roles), (row.public_key, *row.former_keys), row.agency)
            for row in rows
        }

    def signatory(self, person_id: str, key: Ed25519PrivateKey, roles: Collection[str]) -> Person:
        """Who is about to sign with `key`, in one of `roles`.

        InputError for a stranger, a person of other roles, or a key that is not the registered one.
        """
        person = self.find(person_id)
        if person is None:
            raise InputError(
                f"nobody called {person_id!r} is registered", "Register the person first.", key="--by"
            )
        if not set(roles) & set(person.roles):
            raise InputError(f"{person_id} may not sign this", f"It takes {' or '.join(roles)}.", key="--by")
        if person.public_key != public_text(key):
            raise InputError(
                f"this is not the key of {person_id}", "Give the key that is registered.", key="--key"
            )
        return person

    def _person(self, row: Row[Any]) -> Person:
        name = self._store.keys.decrypt(row.name_ct, _binding(row.id))
        return Person(row.id, name, tuple(row.roles), row.public_key, row.agency)


def _binding(person_id: str) -> str:
    """What a name's ciphertext is bound to."""
    return f"person.name:{person_id}"


def _check_key(public_key: str, person_id: str) -> None:
    try:
        right = len(base64.b64decode(public_key, validate=True)) == KEY_BYTES
    except ValueError:
        right = False
    if not right:
        raise InputError("this is no Ed25519 public key", "Give base64 of its 32 bytes.", key=person_id)
