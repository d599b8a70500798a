"""Removal from the stop list: one person asks, another confirms, both sign the same document.

Until the second signature is there the entry stays in force.  Nobody of an outside agency may sign, one of
the two must be of compliance, and both signatures are checked again when the second one comes.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, delete, insert, select, text, update

from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.database import Store
from voicebot.store.models import StopRemovalRow, StopRow
from voicebot.store.people import People, Signer
from voicebot.store.signatures import is_signed_by, sign
from voicebot.store.stop_list import CHANNEL

MAY_SIGN = ("operations", "compliance")
MUST_SIGN = "compliance"
"""The role that one of the two must have."""


@dataclass(frozen=True)
class Removal:
    """A removal that was asked for; `done` when a second person has confirmed it."""

    id: str
    entry: int
    why: str
    asked_by: str
    asked_at: datetime
    confirmed_by: str | None
    done: bool


class StopRemovals:
    """Asks for removals and confirms them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._people, self._audit = People(store), AuditChain(store, clock)

    def ask(self, entry: int, person_id: str, key: Ed25519PrivateKey, why: str) -> Removal:
        """The first signature.  InputError without a reason, or when the entry is not in force."""
        if not why.strip():
            raise InputError("a removal needs a reason", "Say why the entry may go.", key="--why")
        self._signatory(person_id, key)
        with self._store.begin() as connection:
            row = self._in_force(connection, entry)
            self._replace_open(connection, entry)
            document = {
                "kind": "stop_list_removal",
                "id": uuid.uuid4().hex,
                "entry": entry,
                "subject": row.subject.hex(),
                "institution": row.institution,
                "reason": row.reason,
                "why": why.strip(),
                "asked_by": person_id,
                "asked_at": self._clock.now().isoformat(timespec="seconds"),
            }
            values = {
                "id": document["id"],
                "stop_id": entry,
                "document": document,
                "signatures": [{"person": person_id, "signature": sign(key, document)}],
                "asked_ms": moment_ms(self._clock.now()),
            }
            connection.execute(insert(StopRemovalRow).values(values))
            about = {"entry": entry, "asked_by": person_id, "removal": document["id"]}
            self._audit.append_in(connection, "stop_list_removal_asked", row.subject.hex(), about)
            return _removal(document, [{"person": person_id}], done=False)

    def confirm(self, entry: int, person_id: str, key: Ed25519PrivateKey) -> Removal:
        """The second signature ends the entry.  InputError when the two may not do it together."""
        self._signatory(person_id, key)
        with self._store.begin() as connection:
            stop = self._in_force(connection, entry)
            row = self._open(connection, entry)
            if row is None:
                raise InputError(f"nobody asked for the removal of entry {entry}", "Ask for it first.")
            document: Mapping[str, Any] = row.document
            if (document["entry"], document["subject"]) != (entry, stop.subject.hex()):
                raise InputError(f"the removal of entry {entry} was changed after it was signed")
            signatures = [*row.signatures, {"person": person_id, "signature": sign(key, document)}]
            self._check_two(document, signatures, self._people.signers_in(connection))
            now = moment_ms(self._clock.now())
            connection.execute(
                update(StopRemovalRow)
                .where(StopRemovalRow.id == row.id)
                .values(signatures=signatures, done_ms=now)
            )
            connection.execute(update(StopRow).where(StopRow.id == entry).values(removed_ms=now))
            about = {"entry": entry, "document": dict(document), "signatures": signatures}
            self._audit.append_in(connection, "stop_list_removed", stop.subject.hex(), about)
            if self._store.is_postgresql:
                connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
            return _removal(document, signatures, done=True)

    def of(self, entry: int) -> Removal | None:
        """The removal that waits for its second signature, or None."""
        return self.pending().get(entry)

    def pending(self) -> dict[int, Removal]:
        """Removals that wait for their second signature, by entry."""
        query = select(StopRemovalRow.__table__).where(StopRemovalRow.done_ms.is_(None))
        with self._store.reading() as connection:
            rows = connection.execute(query).all()
        return {row.stop_id: _removal(row.document, row.signatures, done=False) for row in rows}

    def _signatory(self, person_id: str, key: Ed25519PrivateKey) -> None:
        person = self._people.signatory(person_id, key, MAY_SIGN)
        if person.agency is not None:
            raise InputError(
                f"{person_id} works for an outside agency", "Removals are for the institution's own people."
            )

    def _in_force(self, connection: Connection, entry: int) -> Row[Any]:
        query = select(StopRow.__table__).where(StopRow.id == entry)
        if self._store.is_postgresql:
            query = query.with_for_update()
        row = connection.execute(query).first()
        if row is None:
            raise InputError(f"the stop list has no entry {entry}", "Look it up with `stop-list list`.")
        if row.removed_ms is not None:
            raise InputError(f"entry {entry} was removed already")
        return row

    def _replace_open(self, connection: Connection, entry: int) -> None:
        """A request whose signature does not hold any more makes room; one that holds is an InputError."""
        row = self._open(connection, entry)
        if row is None:
            return
        if _held_key(row.document, row.signatures[0], self._people.signers_in(connection)) is not None:
            raise InputError(
                f"the removal of entry {entry} was asked for already", "Another person confirms it."
            )
        connection.execute(delete(StopRemovalRow).where(StopRemovalRow.id == row.id))

    def _open(self, connection: Connection, entry: int) -> Row[Any] | None:
        query = select(StopRemovalRow.__table__).where(
            StopRemovalRow.stop_id == entry, StopRemovalRow.done_ms.is_(None)
        )
        return connection.execute(query).first()

    def _check_two(
        self, document: Mapping[str, Any], signatures: list[dict[str, str]], people: Mapping[str, Signer]
    ) -> None:
        """Two people, two keys, both still in office, one of compliance, and what they signed unchanged."""
        keys: set[str] = set()
        roles: set[str] = set()
        for entry in signatures:
            held = _held_key(document, entry, people)
            if held is None:
                raise InputError(
                    f"the signature of {entry['person']} does not hold any more",
                    "Ask for the removal again.",
                )
            keys.add(held)
            roles.update(people[entry["person"]].roles)
        if len({entry["person"] for entry in signatures}) < 2 or len(keys) < 2:
            raise InputError("whoever asked for the removal cannot confirm it", "It takes another person.")
        if MUST_SIGN not in roles:
            raise InputError(f"one of the two must be of {MUST_SIGN}", "Have such a person confirm it.")


def _held_key(
    document: Mapping[str, Any], entry: Mapping[str, str], people: Mapping[str, Signer]
) -> str | None:
    """The key that made a signature, when its owner may still sign removals."""
    signer = people.get(entry["person"])
    if signer is None or signer.agency or not set(MAY_SIGN) & set(signer.roles):
        return None
    keys = signer.public_keys
    return next((key for key in keys if is_signed_by(key, document, entry["signature"])), None)


def _removal(document: Mapping[str, Any], signatures: list[dict[str, str]], *, done: bool) -> Removal:
    return Removal(
        str(document["id"]),
        int(document["entry"]),
        str(document["why"]),
        str(document["asked_by"]),
        datetime.fromisoformat(str(document["asked_at"])),
        signatures[1]["person"] if len(signatures) > 1 else None,
        done,
    )
