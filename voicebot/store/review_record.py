"""The record of reviews, judged: where each version stands, by signatures that hold, and what is wrong.

Two kinds of wrong.  A fault of the record itself (a row changed, moved or missing, a signature that its own
key did not make, a move that the table of states does not have) means that somebody touched the store: then
nothing counts any more.  A signature that does not count (its person is no reviewer now, or the key was
replaced) takes only its own weight away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from voicebot.store.audit import FIRST
from voicebot.store.people import Signer
from voicebot.store.reviews import Document, Signed, fingerprint, link
from voicebot.store.signatures import is_signed_by
from voicebot.store.track_states import SPEAKABLE, Action, IllegalTrackMove, TrackState, moved

NEEDED = 2
"""Reviewers other than author and submitter that publishing takes (policy pack, CN-PU-01)."""
REVIEWER_ROLES = frozenset({"reviewer", "senior_reviewer"})
SENIOR = "senior_reviewer"


class ReviewLine(NamedTuple):
    """A row as it stands in the table."""

    seq: int
    track: str
    version: int
    digest: str
    action: str
    person: str
    document: str
    signature: str
    previous: str
    hash: str


@dataclass(frozen=True)
class Event:
    """One signed thing in the history of a version.  `note` says why it does not count, when it does not."""

    signed: Signed
    note: str = ""

    @property
    def action(self) -> Action:
        return Action(self.signed.document["action"])

    @property
    def person(self) -> str:
        return str(self.signed.document["person"])

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(str(self.signed.document["asked_at"]))

    @property
    def comment(self) -> str:
        return str(self.signed.document["comment"])


@dataclass(frozen=True)
class Signature:
    """Somebody's approval: with which key and roles it was made, and why it does not count now, if so."""

    key: str
    roles: frozenset[str]
    void: str = ""


@dataclass
class Standing:
    """Where a version stands.  `signatures` approve the submission that is open or was the last one."""

    track: str
    version: int
    digest: str
    lint: int
    voices: tuple[str, ...]
    state: TrackState = TrackState.DRAFT
    author: str = ""
    submitter: str = ""
    submission: str = ""
    topics: tuple[str, ...] = ()
    signatures: dict[str, Signature] = field(default_factory=dict)
    approved_at: datetime | None = None
    events: list[Event] = field(default_factory=list)

    @property
    def reference(self) -> str:
        return f"{self.track}@{self.version}"

    @property
    def signers(self) -> tuple[str, ...]:
        """People whose approvals count now."""
        return tuple(person for person, one in self.signatures.items() if not one.void)

    @property
    def speakable(self) -> bool:
        """Approved, not revoked, and the signatures still carry it."""
        return self.state in SPEAKABLE and self.enough()

    def enough(self, *, ever: bool = False) -> bool:
        """Two people with two keys; with a topic of the senior list, one of them a senior reviewer.

        `ever`: counted as on the day of the signatures; else as the register of people is now.
        """
        counted = [one for one in self.signatures.values() if ever or not one.void]
        senior = any(SENIOR in one.roles for one in counted)
        return len({one.key for one in counted}) >= NEEDED and (senior or not self.topics)

    @property
    def waits_for(self) -> str:
        """What it still takes to be speakable."""
        counted = [one for one in self.signatures.values() if not one.void]
        missing = NEEDED - len({one.key for one in counted})
        senior = bool(self.topics) and not any(SENIOR in one.roles for one in counted)
        if missing > 0:
            more = f"{missing} more approval{'s' if missing > 1 else ''}"
            return f"{more}, {'one ' if missing > 1 else ''}by a senior reviewer" if senior else more
        return "the approval of a senior reviewer" if senior else ""


@dataclass(frozen=True)
class ReviewRecord:
    """All versions by digest, in the order of submission; `faults` are empty when the record is whole."""

    versions: Mapping[str, Standing]
    faults: tuple[str, ...]

    def of(self, track: str, version: int) -> Standing | None:
        """The standing of id@version, or None when it was never submitted."""
        found = (one for one in self.versions.values() if (one.track, one.version) == (track, version))
        return next(found, None)


def judge(
    lines: Sequence[ReviewLine], signers: Mapping[str, Signer], audited: Mapping[str, Any] | None
) -> ReviewRecord:
    """Replays the record.  `audited` is the newest audit link about reviews: {"seq", "hash"}, or None."""
    versions: dict[str, Standing] = {}
    faults: list[str] = []
    previous = FIRST
    for at, line in enumerate(lines, start=1):
        wrong = _broken_link(at, line, previous)
        previous = line.hash
        if not wrong:
            document = json.loads(line.document)
            wrong = _forged(line, document) or _replay(versions, Signed(document, line.signature), signers)
        if wrong:
            faults.append(f"review {line.seq} ({line.track}@{line.version}): {wrong}")
    told = (int(audited["seq"]), str(audited["hash"])) if audited else (0, FIRST)
    last = (lines[-1].seq, lines[-1].hash) if lines else (0, FIRST)
    if told != last:
        faults.append(f"the audit record knows {told[0]} reviews, the last row here is {last[0]}")
    return ReviewRecord(versions, tuple(faults))


def _broken_link(at: int, line: ReviewLine, previous: str) -> str:
    if line.seq != at:
        return f"row {at} is missing"
    if line.previous != previous:
        return "it does not follow the row before it"
    if line.hash != link(line.seq, line.document, line.signature, line.previous):
        return "the row was changed"
    return ""


def _forged(line: ReviewLine, document: Document) -> str:
    """Columns repeat the document, and the document's key made the signature."""
    columns = (line.track, line.version, line.digest, line.action, line.person)
    if columns != tuple(document[name] for name in ("track", "version", "digest", "action", "person")):
        return "its columns are not its document's"
    if not is_signed_by(str(document["key"]), document, line.signature):
        return "the signature does not hold"
    return ""


def _replay(versions: dict[str, Standing], signed: Signed, signers: Mapping[str, Signer]) -> str:
    """Takes one signed document into account; returns what forbids it, or an empty text."""
    document = signed.document
    digest, person = str(document["digest"]), str(document["person"])
    standing = versions.get(digest)
    if standing is None:
        twin = next(
            (
                one
                for one in versions.values()
                if (one.track, one.version) == (document["track"], document["version"])
            ),
            None,
        )
        if twin is not None:
            return "this version has another digest already"
        voices = tuple(str(voice) for voice in document["voices"])
        standing = Standing(
            str(document["track"]), int(document["version"]), digest, int(document["lint"]), voices
        )
        versions[digest] = standing
    try:
        return take(standing, signed, signers.get(person))
    except IllegalTrackMove as fault:
        return str(fault)


def take(standing: Standing, signed: Signed, signer: Signer | None) -> str:
    """Moves `standing` by one signed document.  Returns why the record may not hold it, or an empty text.

    IllegalTrackMove when the table of states forbids it.
    """
    document, action = signed.document, Action(signed.document["action"])
    note = ""
    if action is Action.SUBMIT:
        standing.state = moved(standing.state, action)
        standing.author, standing.submitter = str(document["author"]), str(document["person"])
        standing.submission = fingerprint(document)
        standing.topics = tuple(str(topic) for topic in document["topics"])
        standing.signatures, standing.approved_at = {}, None
    elif document["submission"] != standing.submission or document["author"] != standing.author:
        return "it answers another submission"
    elif action is Action.APPROVE:
        if wrong := _not_an_approval(standing, document):
            return wrong
        note = _sign(standing, document, signer)
    else:
        standing.state = moved(standing.state, action)
    standing.events.append(Event(signed, note))
    return ""


def _not_an_approval(standing: Standing, document: Document) -> str:
    """Why no desk could have taken it."""
    if document["person"] in (standing.author, standing.submitter):
        return "its author or submitter approved it"
    if document["person"] in standing.signatures:
        return "the same person approved twice"
    if tuple(document["topics"]) != standing.topics:
        return "it was signed for other topics than were submitted"
    return ""


def _sign(standing: Standing, document: Document, signer: Signer | None) -> str:
    """Adds an approval; one more than was needed makes up for a void one.  Returns why it is void."""
    person, key = str(document["person"]), str(document["key"])
    void = ""
    if signer is None or not REVIEWER_ROLES & set(signer.roles):
        void = f"{person} is no reviewer now"
    elif key not in signer.public_keys:
        void = f"the key of {person} was replaced"
    elif SENIOR in document["roles"] and SENIOR not in signer.roles:
        void = f"{person} is no senior reviewer now"
    if standing.state not in SPEAKABLE:
        moved(standing.state, Action.APPROVE)
    standing.signatures[person] = Signature(key, frozenset(map(str, document["roles"])), void)
    if standing.state not in SPEAKABLE and standing.enough(ever=True):
        standing.state = moved(standing.state, Action.APPROVE)
    if standing.enough(ever=True) and (standing.approved_at is None or standing.enough()):
        standing.approved_at = datetime.fromisoformat(str(document["asked_at"]))
    return void
