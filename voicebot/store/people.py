"""People who sign: their roles and public keys (configs/people.yaml describes, the store decides)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from voicebot.errors import InputError
from voicebot.store.database import Store
from voicebot.store.models import PersonRow

ROLES = ("author", "reviewer", "senior_reviewer", "operations", "compliance")
KEY_BYTES = 32


@dataclass(frozen=True)
class Person:
    """`public_key` is base64 of the raw 32 bytes of an Ed25519 key."""

    id: str
    name: str
    roles: tuple[str, ...]
    public_key: str


class People:
    """The register of people."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(self, person_id: str, name: str, roles: Sequence[str], public_key: str) -> None:
        """Adds or replaces a person.  InputError for an unknown role or a key that is none."""
        unknown = [role for role in roles if role not in ROLES]
        if unknown:
            raise InputError(f"unknown role {unknown[0]!r}", f"Allowed: {', '.join(ROLES)}.", key=person_id)
        try:
            right = len(base64.b64decode(public_key, validate=True)) == KEY_BYTES
        except ValueError:
            right = False
        if not right:
            raise InputError("this is no Ed25519 public key", "Give base64 of its 32 bytes.", key=person_id)
        sealed = self._store.keys.encrypt(name, f"person.name:{person_id}")
        with self._store.begin() as connection:
            connection.execute(delete(PersonRow).where(PersonRow.id == person_id))
            connection.execute(
                insert(PersonRow).values(
                    id=person_id, name_ct=sealed, roles=list(roles), public_key=public_key
                )
            )

    def find(self, person_id: str) -> Person | None:
        """The person, or None."""
        with self._store.reading() as connection:
            row = connection.execute(select(PersonRow.__table__).where(PersonRow.id == person_id)).first()
        if row is None:
            return None
        name = self._store.keys.decrypt(row.name_ct, f"person.name:{person_id}")
        return Person(row.id, name, tuple(row.roles), row.public_key)
