"""Checks an evidence package with the site's public key alone: no store, no key ring, no settings."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dialogs.track import digest_of
from voicebot.errors import InputError
from voicebot.store.audit import SEALED, link_hash
from voicebot.store.chained_evidence import DELETED
from voicebot.store.checkpoints import Checkpoint
from voicebot.store.outbox import DIGEST_CHARS, basis_digest, decision_digest, row_digest
from voicebot.store.records import KEPT, SALVAGED
from voicebot.store.reviews import AUDITED, link
from voicebot.store.signatures import is_signed_by

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
REVIEWS = "approvals/reviews.json"
ROWS, LINKS, SIGNED = "chain/rows.json", "chain/links.json", "chain/checkpoints.json"
MOST_BYTES = 4 << 30


@dataclass(frozen=True)
class CheckedPackage:
    """`faults` are empty when everything is as the site signed it."""

    about: str
    calls: tuple[str, ...]
    files: int
    made_at: str
    key: str
    faults: tuple[str, ...]


def check_package(path: Path, keys: Sequence[str]) -> CheckedPackage:
    """InputError when it is no evidence package at all."""
    try:
        with zipfile.ZipFile(path) as package:
            if sum(one.file_size for one in package.infolist()) > MOST_BYTES:
                raise InputError("the package is too large", "Is it an evidence package?", path)
            names = package.namelist()
            files = {name: package.read(name) for name in names}
            manifest = json.loads(files.pop(MANIFEST))
            signature = files.pop(SIGNATURE).decode()
            signed = {str(name): str(digest) for name, digest in manifest["files"].items()}
            head = [str(manifest[name]) for name in ("about", "made_at", "key")]
            calls = tuple(map(str, manifest["calls"]))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError):
        raise InputError("this is no evidence package", "voicebot audit export writes one.", path) from None
    about, made_at, key = head
    faults = []
    if key not in keys or not is_signed_by(key, manifest, signature):
        faults.append("manifest: the signature is not of the key that was given")
    if len(names) != len(set(names)):
        faults.append("package: two files of one name")
    for name in sorted(signed.keys() | files.keys()):
        if name not in files:
            faults.append(f"{name}: missing")
        elif name not in signed:
            faults.append(f"{name}: put in afterwards")
        elif hashlib.sha256(files[name]).hexdigest() != signed[name]:
            faults.append(f"{name}: changed")
    if not faults:
        try:
            faults += _Evidence(files, keys).faults(calls)
        except (KeyError, ValueError, TypeError, IndexError) as fault:
            faults.append(f"package: cannot be read ({type(fault).__name__})")
    return CheckedPackage(about, calls, len(signed), made_at, key, tuple(faults))


class _Evidence:
    """What stands in the files, compared with the chain, and the chain with its checkpoints."""

    def __init__(self, files: Mapping[str, bytes], keys: Sequence[str]) -> None:
        self._files, self._keys = files, keys
        self._links: dict[int, list[Any]] = {row[0]: row for row in self._json(LINKS)}
        self._rows: list[list[Any]] = self._json(ROWS)

    def _json(self, name: str) -> Any:
        return json.loads(self._files[name])

    def faults(self, calls: Sequence[str]) -> Iterator[str]:
        yield from self._chain()
        for attempt_id in calls:
            yield from self._call(attempt_id)
        yield from self._approvals()

    def _chain(self) -> Iterator[str]:
        """Links follow one another up to a checkpoint; rows are those that their link was made from."""
        vouched: set[int] = set()
        for one in map(Checkpoint.of, self._json(SIGNED)):
            if not one.holds(self._keys):
                yield f"checkpoint at link {one.seq}: the signature is not of the key that was given"
                continue
            seq, expected = one.seq, one.hash
            while (row := self._links.get(seq)) is not None:
                _seq, at, kind, subject, data, previous, digest = row
                if digest != expected or digest != link_hash(seq, at, kind, subject, data, previous):
                    yield f"link {seq}: changed"
                    break
                vouched.add(seq)
                seq, expected = seq - 1, previous
        for seq in sorted(self._links.keys() - vouched):
            yield f"link {seq}: no checkpoint vouches for it"
        for ident, *_texts, seq in self._rows:
            data = self._links[seq][4] if seq in self._links and self._links[seq][2] == SEALED else None
            if data is None or ident not in data["ids"]:
                yield f"outbox row {ident}: the chain does not know it"

    def _told(self, attempt_id: str) -> Iterator[tuple[str, Any]]:
        """The events of a call, of rows whose digests are in the chain."""
        for row in self._rows:
            data = self._links[row[4]][4]
            place = data["ids"].index(row[0]) * DIGEST_CHARS
            if row_digest(row[:4]) != data["digests"][place : place + DIGEST_CHARS]:
                raise ValueError(f"outbox row {row[0]} was changed")
            for kind, subject, about in json.loads(row[2]):
                if subject == attempt_id:
                    yield kind, about

    def _call(self, attempt_id: str) -> Iterator[str]:
        folder = f"calls/{attempt_id}"
        decided: dict[str, str] = {}
        kept: Mapping[str, Any] | None = None
        sound: str | None = None
        for kind, about in self._told(attempt_id):
            if kind == "decided":
                decided |= about
            elif kind == KEPT:
                kept = about
                sound = about["recording"]["sha256"] if about["recording"] else sound
            elif kind == SALVAGED:
                sound = about["sha256"]
        yield from self._decisions(folder, decided)
        record = self._files.get(f"{folder}/record.json")
        deleted = any(row[2:4] == [DELETED, attempt_id] for row in self._links.values())
        if (kept is None) != (record is None) and not (deleted and record is None):
            yield f"{folder}/record.json: {'missing' if record is None else 'the chain does not know it'}"
        elif kept is not None and record is not None and _sha256(record) != kept["record"]:
            yield f"{folder}/record.json: not the one that was chained"
        recordings = [name for name in self._files if name.startswith(f"{folder}/recording.")]
        if sound is not None and not recordings and not deleted:
            yield f"{folder}: its recording is missing"
        for name in recordings:
            if _sha256(self._files[name]) != sound:
                yield f"{name}: not the one that was chained"

    def _decisions(self, folder: str, decided: Mapping[str, str]) -> Iterator[str]:
        found = {one["moment"]: one for one in self._json(f"{folder}/decisions.json")}
        for moment in sorted(found.keys() | decided.keys()):
            name = f"{folder}/decisions.json: the decision at the {moment}"
            if moment not in found or moment not in decided:
                yield f"{name} is {'missing' if moment not in found else 'not in the chain'}"
                continue
            one = found[moment]
            basis = bytes.fromhex(one["basis"])
            digest = decision_digest(
                one["attempt_id"], moment, one["allowed"], one["refusals"], basis, one["facts"], one["at_ms"]
            )
            shared = basis_digest(one["gate"], one["pack"], json.loads(one["shared"]))
            if digest != decided[moment] or shared != basis:
                yield f"{name} is not the one that was chained"

    def _approvals(self) -> Iterator[str]:
        """Every signature holds and stands in the chain; the texts are those that were signed."""
        told = {row[4]["seq"]: row[4]["hash"] for row in self._links.values() if row[2] == AUDITED}
        for one in self._json(REVIEWS):
            name, document = (
                f"review {one['seq']} ({one['track']}@{one['version']})",
                json.loads(one["document"]),
            )
            digest = link(one["seq"], one["document"], one["signature"], one["previous"])
            if digest != one["hash"] or told.get(one["seq"]) != digest:
                yield f"{name}: not the one that was chained"
            if document["digest"] != one["digest"] or document["person"] != one["person"]:
                yield f"{name}: its columns are not its document's"
            if not is_signed_by(str(document["key"]), document, one["signature"]):
                yield f"{name}: the signature of {document['person']} does not hold"
        for name in self._files:
            if name.startswith("approvals/") and name != REVIEWS:
                texts = [
                    (PurePosixPath(path).name, text.encode()) for path, text in self._json(name)["files"]
                ]
                if digest_of(texts) != PurePosixPath(name).stem:
                    yield f"{name}: not the text that was approved"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
