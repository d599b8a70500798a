"""Approvals of talk tracks, as signed documents: any fresh store can import them and checks every signature.

A document is a JSON object:
  {"kind": "approval", "id": …, "track": …, "version": …, "digest": …, "state": "approved" | "revoked",
   "author": person, "signed_at": ISO time, "signatures": [{"person": …, "signature": base64}, …]}
Each signature is over the document without its `signatures`.  An approval takes two reviewers other than
the author (policy pack, CN-PU-01); a revocation takes one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, insert, select

from voicebot.errors import InputError
from voicebot.store.audit import moment_ms
from voicebot.store.database import Store
from voicebot.store.models import ApprovalRow
from voicebot.store.people import People
from voicebot.store.signatures import is_signed_by, sign

FIELDS = ("id", "track", "version", "digest", "state", "author", "signed_at", "signatures")
NEEDED = {"approved": 2, "revoked": 1}
"""How many reviewers other than the author must have signed."""
_NEWEST_FIRST = (ApprovalRow.signed_ms.desc(), ApprovalRow.id.desc())


def signed_document(
    track: str,
    version: str,
    digest: str,
    state: str,
    author: str,
    signed_at: datetime,
    signers: Mapping[str, Ed25519PrivateKey],
) -> dict[str, Any]:
    """A document as people sign it; `signers` are their private keys by person id."""
    body: dict[str, Any] = {
        "kind": "approval",
        "id": f"{digest[:16]}-{state}-{signed_at:%Y%m%dT%H%M%S}",
        "track": track,
        "version": version,
        "digest": digest,
        "state": state,
        "author": author,
        "signed_at": signed_at.isoformat(timespec="seconds"),
    }
    signatures = [{"person": person, "signature": sign(key, body)} for person, key in sorted(signers.items())]
    return {**body, "signatures": signatures}


@dataclass(frozen=True)
class Approval:
    """The newest word on a digest."""

    track: str
    version: str
    digest: str
    state: str


class Approvals:
    """The register of approvals."""

    def __init__(self, store: Store, people: People | None = None) -> None:
        self._store, self._people = store, people or People(store)

    def import_document(self, document: Mapping[str, Any], where: Path | str | None = None) -> Approval:
        """Checks and keeps a document; again changes nothing.  InputError when it does not hold."""
        missing = [name for name in FIELDS if name not in document]
        if missing or document["state"] not in NEEDED:
            raise InputError("this is no approval document", f"Needed: {', '.join(FIELDS)}.", where)
        self._check_signatures(document, where)
        approval = Approval(*(str(document[name]) for name in ("track", "version", "digest", "state")))
        signed = moment_ms(datetime.fromisoformat(str(document["signed_at"])))
        with self._store.begin() as connection:
            known = connection.execute(select(ApprovalRow.id).where(ApprovalRow.id == document["id"])).first()
            if known is None:
                connection.execute(
                    insert(ApprovalRow).values(
                        id=document["id"],
                        track=approval.track,
                        version=approval.version,
                        digest=approval.digest,
                        state=approval.state,
                        document=dict(document),
                        signed_ms=signed,
                    )
                )
        return approval

    def import_file(self, path: Path) -> Approval:
        """Imports a document from its JSON file."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise InputError("the approval document cannot be read", "", path) from None
        if not isinstance(document, dict):
            raise InputError("this is no approval document", "", path)
        return self.import_document(document, path)

    def _check_signatures(self, document: Mapping[str, Any], where: Path | str | None) -> None:
        body = {name: value for name, value in document.items() if name != "signatures"}
        reviewers: set[str] = set()
        for entry in document["signatures"]:
            person = self._people.find(str(entry.get("person")))
            if person is None:
                raise InputError(
                    f"nobody called {entry.get('person')!r} may sign", "Register the person first.", where
                )
            if not is_signed_by(person.public_key, body, str(entry.get("signature"))):
                raise InputError(
                    f"the signature of {person.id} does not hold", "Ask for it to be signed again.", where
                )
            if "reviewer" in person.roles and person.id != document["author"]:
                reviewers.add(person.id)
        needed = NEEDED[document["state"]]
        if len(reviewers) < needed:
            what = f"{len(reviewers)} reviewers other than the author have signed"
            raise InputError(what, f"It takes {needed}.", where)

    def is_approved(self, digest: str) -> bool:
        """Whether the newest word on this digest is an approval."""
        with self._store.reading() as connection:
            return self.is_approved_in(connection, digest)

    def is_approved_in(self, connection: Connection, digest: str) -> bool:
        """The same within a transaction."""
        query = select(ApprovalRow.state).where(ApprovalRow.digest == digest)
        newest = connection.execute(query.order_by(*_NEWEST_FIRST).limit(1)).scalar()
        return newest == "approved"

    def newest(self, track: str) -> Approval | None:
        """The newest approved digest of a track that was not revoked since, or None."""
        with self._store.reading() as connection:
            query = select(ApprovalRow.__table__).where(ApprovalRow.track == track)
            rows = connection.execute(query.order_by(*_NEWEST_FIRST)).all()
        seen: set[str] = set()
        for row in rows:
            if row.digest not in seen and row.state == "approved":
                return Approval(row.track, row.version, row.digest, row.state)
            seen.add(row.digest)
        return None
