"""A version with everything that was signed about it, on its way to another site.

The signatures travel as they are; the other site checks them against its own register of people, and the
content against its digest.  It then stands in that site's store, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts_review.four_eyes import require_clean, require_whole
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store
from voicebot.store.people import People, Signer
from voicebot.store.review_record import Standing
from voicebot.store.reviews import ReviewLog, Signed
from voicebot.store.signatures import is_signed_by
from voicebot.store.track_states import Action
from voicebot.store.track_versions import TrackContent, TrackVersions, parse_reference

KIND = "talk track with its reviews"
Bundle = Mapping[str, Any]


def export_version(store: Store, reference: str) -> dict[str, Any]:
    """The bundle of id@version.  InputError when it was not submitted, or the record does not hold."""
    record = Approvals(store).record()
    require_whole(record)
    content = TrackVersions(store).find(*parse_reference(reference))
    standing = record.versions[content.digest]
    signed = [
        {"document": dict(one.signed.document), "signature": one.signed.signature} for one in standing.events
    ]
    return {"kind": KIND, "content": json.loads(content.to_text()), "reviews": signed}


def read_bundle(path: Path) -> Bundle:
    """InputError when the file is no bundle."""
    try:
        bundle = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError("this is no exported talk track", "Export it again.", path) from None
    if not isinstance(bundle, dict) or bundle.get("kind") != KIND:
        raise InputError("this is no exported talk track", "Export it again.", path)
    return bundle


def bring_in(store: Store, clock: Clock, bundle: Bundle, *, linted: bool = False) -> tuple[Standing, int]:
    """Adds what this store does not have yet; all of it, or nothing.  Returns where the version stands now,
    and how many documents were new.

    InputError for a content that is another one than was signed, a signature that does not hold, a signer
    who is not registered here with that key, lint errors under this site's rules (unless `linted`).  A
    revocation is taken from anybody who signed it: one that cannot be checked must not be lost.
    """
    content, reviews = _read(bundle)
    if not linted:
        with content.unpacked() as path:
            require_clean(path)
    approvals, log = Approvals(store), ReviewLog(store, clock)
    new = 0
    with store.begin() as connection:
        log.lock_in(connection)
        record = approvals.record_in(connection)
        require_whole(record)
        known = record.versions.get(content.digest)
        there = {one.signed.id for one in known.events} if known else set()
        signers = People(store).signers_in(connection)
        TrackVersions(store).add_in(connection, content)
        for signed in reviews:
            if signed.id in there:
                continue
            _require_genuine(signed, content, signers)
            log.append_in(connection, signed)
            new += 1
        record = approvals.record_in(connection)
        if record.faults:
            raise InputError(f"{content.reference} does not fit what is here: {record.faults[0]}", "")
        standing = record.versions.get(content.digest)
        if standing is None:
            raise InputError(f"nobody submitted {content.reference}", "Export it again.")
    return standing, new


def _read(bundle: Bundle) -> tuple[TrackContent, list[Signed]]:
    try:
        content = TrackContent.from_text(json.dumps(bundle["content"], ensure_ascii=False))
        reviews = [Signed(dict(one["document"]), str(one["signature"])) for one in bundle["reviews"]]
        for signed in reviews:
            Action(signed.document["action"])
    except (KeyError, TypeError, ValueError):
        raise InputError("this is no exported talk track", "Export it again.") from None
    return content, reviews


def _require_genuine(signed: Signed, content: TrackContent, signers: Mapping[str, Signer]) -> None:
    document = signed.document
    person, key = str(document.get("person")), str(document.get("key"))
    about = (document.get("track"), document.get("version"), document.get("digest"))
    if about != (content.track, content.version, content.digest):
        raise InputError(f"the content is not what {person} signed", "Export it again.")
    if not is_signed_by(key, document, signed.signature):
        raise InputError(f"the signature of {person} does not hold", "Export it again.")
    if document["action"] == Action.REVOKE:
        return
    if person not in signers or key not in signers[person].public_keys:
        raise InputError(
            f"{person} is not registered here with the key that signed", "Register the person first."
        )


def copy_reviews(source: Store, target: Store, clock: Clock) -> None:
    """Everybody and every version of one store into another, for a run that has a store of its own."""
    people, register = People(source), People(target)
    with source.reading() as connection:
        signers = people.signers_in(connection)
    for person in people.all():
        for key in (*reversed(signers[person.id].public_keys[1:]), person.public_key):
            register.register(person.id, person.name, person.roles, key, person.agency)
    record = Approvals(source).record()
    require_whole(record)
    for standing in record.versions.values():
        bring_in(target, clock, export_version(source, standing.reference), linted=True)
