"""The reviewers' desk: what each person may do with a version, and what is written of it.

Everything happens in the site's store, in one transaction each: nothing is half-approved by a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dialogs.track import Track
from scripts_review.four_eyes import (
    AUTHORS,
    REVIEWERS,
    REVOKERS,
    person_with,
    require_another_person,
    require_clean,
    require_publishable,
    require_state,
    require_whole,
    require_words,
)
from scripts_review.topics import SeniorTopics
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.policy.gate import Gate
from voicebot.store.approvals import VERIFY, Approvals
from voicebot.store.database import Store
from voicebot.store.people import People, Person
from voicebot.store.review_record import ReviewRecord, Standing
from voicebot.store.reviews import ReviewLog, Signed, document_of
from voicebot.store.signatures import public_text
from voicebot.store.track_states import SPEAKABLE, Action, TrackState
from voicebot.store.track_versions import TrackContent, TrackVersions, parse_reference

Key = Callable[[], Ed25519PrivateKey]
"""Gives the person's private key; called when all else holds: nobody types a passphrase for a refusal."""
Check = Callable[[ReviewRecord], None]
WORDS = {
    Action.SUBMIT: "submitted",
    Action.APPROVE: "approved",
    Action.REJECT: "rejected",
    Action.REVOKE: "revoked",
}


class Desk:
    """The desk over a store.  `gate` holds what publishing takes by the site's policy packs."""

    def __init__(self, store: Store, gate: Gate, clock: Clock, topics: SeniorTopics | None = None) -> None:
        self._store, self._gate, self._clock = store, gate, clock
        self._topics = topics or SeniorTopics.load()
        self._people, self._log = People(store), ReviewLog(store, clock)
        self._approvals, self._versions = Approvals(store), TrackVersions(store)

    def submit(
        self, path: Path, person_id: str, key: Key, *, author: str = "", comment: str = ""
    ) -> Standing:
        """Puts a lint-clean track before the reviewers, whole.  `author`: who wrote it, else the submitter.

        InputError for lint errors, strangers, a version that is there already.
        """
        person = person_with(self._people, person_id, AUTHORS)
        person_with(self._people, author or person_id, AUTHORS)
        require_clean(path)
        track = Track.load(path)
        content = TrackContent.of(track)
        if content.digest != track.digest:
            raise InputError("the files changed while they were read", "Submit again.", path)

        def check(record: ReviewRecord) -> None:
            known = record.of(track.id, track.version)
            if known is None:
                return
            if known.digest != content.digest:
                raise InputError(
                    f"{content.reference} was already submitted with another text",
                    f"Raise the version in its header to {_next_version(record, track.id)}.",
                    path,
                )
            require_state(known, {TrackState.DRAFT}, WORDS[Action.SUBMIT])

        draft = Standing(track.id, track.version, content.digest, track.lint, track.voices)
        draft.author, draft.topics = author or person_id, tuple(sorted(self._topics.of(track)))
        return self._write(content, Action.SUBMIT, person, key, comment, check, draft)

    def approve(self, reference: str, person_id: str, key: Key, comment: str) -> Standing:
        """Signs a submitted version; the last signature that it takes publishes it and supersedes the others.

        One more signature is taken for an approved version whose signatures do not all count any more.
        InputError for its author, its submitter, a stranger, a foreign key, lint errors, a changed content.
        """
        person = person_with(self._people, person_id, REVIEWERS)
        require_words(comment, "comment")
        content = self._content(reference)
        with content.unpacked() as path:
            require_clean(path)

        def check(record: ReviewRecord) -> None:
            standing = _standing(record, content)
            if standing.state not in SPEAKABLE or standing.speakable:
                require_state(standing, {TrackState.SUBMITTED}, WORDS[Action.APPROVE])
            require_another_person(standing, person)
            require_publishable(self._gate, standing, person)

        return self._write(content, Action.APPROVE, person, key, comment, check)

    def reject(self, reference: str, person_id: str, key: Key, reason: str) -> Standing:
        """Sends a submitted version back to its author.  InputError when it is not submitted."""
        return self._answer(
            reference, Action.REJECT, {TrackState.SUBMITTED}, REVIEWERS, person_id, key, reason
        )

    def revoke(self, reference: str, person_id: str, key: Key, reason: str) -> Standing:
        """Takes an approved version out of use at once: nothing new is dialled with it."""
        return self._answer(reference, Action.REVOKE, SPEAKABLE, REVOKERS, person_id, key, reason)

    def standing(self, reference: str) -> Standing:
        """Where a version stands.  InputError when it was never submitted."""
        found = self._approvals.record().of(*parse_reference(reference))
        if found is None:
            raise InputError(f"{reference} was not submitted here", "See `scripts-review list`.")
        return found

    def _answer(
        self,
        reference: str,
        action: Action,
        states: Set[TrackState],
        roles: Set[str],
        person_id: str,
        key: Key,
        reason: str,
    ) -> Standing:
        person = person_with(self._people, person_id, roles)
        require_words(reason, "reason")
        content = self._content(reference)
        return self._write(
            content,
            action,
            person,
            key,
            reason,
            lambda record: require_state(_standing(record, content), states, WORDS[action]),
        )

    def _write(
        self,
        content: TrackContent,
        action: Action,
        person: Person,
        key: Key,
        comment: str,
        check: Check,
        draft: Standing | None = None,
    ) -> Standing:
        """Checks, asks for the key, checks again in the transaction that writes.  `draft`: a submission."""
        record = self._approvals.record()
        require_whole(record)
        check(record)
        private = key()
        if public_text(private) != person.public_key:
            raise InputError(f"this is not the key of {person.id}", "Register its public half first.")
        with self._store.begin() as connection:
            self._log.lock_in(connection)
            record = self._approvals.record_in(connection)
            require_whole(record)
            check(record)
            if draft is not None:
                self._versions.add_in(connection, content)
            before = draft or _standing(record, content)
            self._log.append_in(connection, self._signed(content, action, before, person, private, comment))
            record = self._approvals.record_in(connection)
            after = _standing(record, content)
            if after.state is TrackState.APPROVED and before.state is TrackState.SUBMITTED:
                for other in list(record.versions.values()):
                    if other.track == after.track and other.state is TrackState.APPROVED and other != after:
                        old = self._versions.find_in(connection, other.track, other.version)
                        assert old is not None, "a version without content is never approved"
                        said = f"{after.reference} is approved"
                        self._log.append_in(
                            connection, self._signed(old, Action.SUPERSEDE, other, person, private, said)
                        )
            require_whole(self._approvals.record_in(connection))
        return self.standing(content.reference)

    def _signed(
        self,
        content: TrackContent,
        action: Action,
        about: Standing,
        person: Person,
        private: Ed25519PrivateKey,
        comment: str,
    ) -> Signed:
        return document_of(
            content,
            action,
            author=about.author,
            person=person.id,
            key=private,
            asked_at=self._clock.now(),
            comment=comment,
            roles=person.roles,
            submission=about.submission,
            topics=about.topics,
        )

    def _content(self, reference: str) -> TrackContent:
        return self._versions.find(*parse_reference(reference))


def _standing(record: ReviewRecord, content: TrackContent) -> Standing:
    standing = record.versions.get(content.digest)
    if standing is None:
        raise InputError(f"{content.reference} has content, but no submission", VERIFY)
    return standing


def _next_version(record: ReviewRecord, track: str) -> int:
    return max(one.version for one in record.versions.values() if one.track == track) + 1
