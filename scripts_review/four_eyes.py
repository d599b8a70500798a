"""Who may sign what: everything that the desk refuses, one line each."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from scripts_review.lint import is_clean, lint
from voicebot.errors import InputError
from voicebot.policy.gate import Gate
from voicebot.store.approvals import TAMPERED, VERIFY, why_not
from voicebot.store.people import People, Person
from voicebot.store.review_record import REVIEWER_ROLES, ReviewRecord, Standing
from voicebot.store.track_states import TrackState

AUTHORS = frozenset({"author"})
REVIEWERS = REVIEWER_ROLES
REVOKERS = frozenset({*REVIEWER_ROLES, "compliance"})


def person_with(people: People, person_id: str, roles: Set[str]) -> Person:
    """The person.  InputError when nobody is called so, or has none of the roles."""
    person = people.find(person_id)
    if person is None:
        raise InputError(f"nobody called {person_id!r} is registered", "See `voicebot people list`.")
    if not roles & set(person.roles):
        raise InputError(
            f"{person_id} is no {' or '.join(sorted(roles))}", f"Roles: {', '.join(person.roles)}."
        )
    return person


def require_clean(path: Path) -> None:
    """InputError with the first lint error."""
    findings = [finding for finding in lint(path) if finding.severity == "error"]
    if not is_clean(findings):
        raise InputError(f"lint: {findings[0]}", f"{len(findings)} errors; see `scripts-review lint`.", path)


def require_words(comment: str, option: str) -> None:
    """InputError when a comment or reason says nothing."""
    if not comment.strip():
        raise InputError("say why", "Give it in words.", key=option)


def require_whole(record: ReviewRecord) -> None:
    """InputError when somebody touched the store: nothing is signed on top of it."""
    if record.faults:
        raise InputError(f"{TAMPERED}: {record.faults[0]}", VERIFY)


def require_state(standing: Standing, states: Set[TrackState], what: str) -> None:
    """InputError when the version is in another state."""
    if standing.state not in states:
        ended = standing.state in (TrackState.DRAFT, TrackState.REVOKED)
        after = f" ({why_not(standing)})" if ended else ""
        raise InputError(f"{standing.reference} is {standing.state}{after}", f"It cannot be {what}.")


def require_another_person(standing: Standing, signer: Person) -> None:
    """Four eyes: not its author, not its submitter, nobody twice, no key twice."""
    if signer.id in (standing.author, standing.submitter):
        role = "author" if signer.id == standing.author else "submitter"
        raise InputError(f"{signer.id} is the {role} of {standing.reference}", "It takes another person.")
    if signer.id in standing.signatures:
        raise InputError(f"{signer.id} has already approved {standing.reference}", "It takes another person.")
    if signer.public_key in {one.key for one in standing.signatures.values()}:
        raise InputError(
            f"{signer.id} has the key of somebody who has approved", "A key belongs to one person."
        )


def require_publishable(gate: Gate, standing: Standing, signer: Person) -> None:
    """What the site's policy packs ask for before publishing, with the signature that is about to be made."""
    signers = [*standing.signers, signer.id]
    if len(signers) < 2:
        return
    facts = {
        "lint_clean": True,
        "approver_1": signers[0],
        "approver_2": signers[1],
        "approver_is_author": standing.author in signers or standing.submitter in signers,
    }
    decision = gate.decide("publish", facts)
    if not decision.allowed:
        refusal = decision.refusals[0]
        raise InputError(f"{refusal.rule} forbids it: {refusal.zh}", "", key=standing.reference)
