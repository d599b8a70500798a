"""What the gate decided about attempts, kept compactly: what many share is kept once, as their basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import Connection, select

from voicebot.campaign.events import Events
from voicebot.policy.gate import Decision, Gate, recorded
from voicebot.store.audit import moment_ms
from voicebot.store.bulk import Bulk, Insert, json_text
from voicebot.store.models import DecisionBasisRow, DecisionRow
from voicebot.store.outbox import basis_digest, decision_digest

MOST_KNOWN = 1000
_BASIS = Insert(
    "decision_basis", "digest bytea, gate text, pack text, facts json", "ON CONFLICT (digest) DO NOTHING"
)
_DECISION = Insert(
    "decision",
    "attempt_id text, moment text, allowed boolean, refusals json, basis bytea, facts json, at_ms bigint",
)


class SharedFacts:
    """Facts that are the same for many calls of a group; `kept` is what may be stored of them."""

    __slots__ = ("facts", "kept")

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts
        self.kept = recorded(facts)


class Facts:
    """The facts about one intended call: those of its group, and its own on top of them."""

    __slots__ = ("kept", "shared", "whole")

    def __init__(self, shared: SharedFacts, own: Mapping[str, Any]) -> None:
        self.shared = shared
        self.whole = {**shared.facts, **own}
        self.kept = recorded(own)

    def decided(self, gate: Gate, at: datetime) -> Decision:
        """What the gate says about a call with these facts."""
        refusals = gate.refusals("pre_dial", self.whole)
        return Decision("pre_dial", not refusals, refusals, gate.label, {**self.shared.kept, **self.kept}, at)


class Decisions:
    """Collects the decisions of one transaction and writes them at its end.

    `known` are the bases that this process has committed already; see `committed`.
    """

    def __init__(self, known: set[bytes]) -> None:
        self._known = known
        self._rows: list[tuple[Any, ...]] = []
        self._bases: dict[bytes, tuple[Any, ...]] = {}
        self._digests: dict[tuple[SharedFacts, str], bytes] = {}

    def note(self, attempt_id: str, moment: str, decision: Decision, facts: Facts) -> None:
        """`moment` is claim or permit."""
        refusals = [[one.rule, one.reason, one.zh] for one in decision.refusals]
        self._rows.append(
            (
                attempt_id,
                moment,
                decision.allowed,
                json_text(refusals) if refusals else None,
                self._basis(decision, facts.shared),
                json_text(facts.kept),
                moment_ms(decision.at),
            )
        )

    def _basis(self, decision: Decision, shared: SharedFacts) -> bytes:
        key = (shared, decision.pack)
        digest = self._digests.get(key)
        if digest is None:
            kept = {name: value for name, value in shared.kept.items() if name != "dial_at"}
            digest = self._digests[key] = basis_digest(decision.gate, decision.pack, kept)
            self._bases[digest] = (digest, decision.gate, decision.pack, json_text(kept))
        return digest

    def write(self, bulk: Bulk, events: Events) -> None:
        """Keeps them all; their digests go into the audit chain with the events of the transaction."""
        for row in self._rows:
            events.note("decided", row[0], {row[1]: decision_digest(*row)})
        bulk.write(_BASIS, sorted(row for digest, row in self._bases.items() if digest not in self._known))
        bulk.write(_DECISION, self._rows)
        self._rows = []

    def committed(self) -> None:
        """The transaction is: these bases need not be written again."""
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        self._known.update(self._bases)


@dataclass(frozen=True)
class KeptDecision:
    """A decision as it was kept."""

    attempt_id: str
    moment: str
    gate: str
    allowed: bool
    refusals: tuple[tuple[str, str, str], ...]
    pack: str
    facts: Mapping[str, Any]
    at: datetime


def decisions_of(connection: Connection, attempt_id: str, zone: tzinfo) -> list[KeptDecision]:
    """What the gate said about an attempt: at its claim, then at its permission."""
    query = (
        select(
            DecisionRow.__table__,
            DecisionBasisRow.gate,
            DecisionBasisRow.pack,
            DecisionBasisRow.facts.label("shared"),
        )
        .join(DecisionBasisRow, DecisionBasisRow.digest == DecisionRow.basis)
        .where(DecisionRow.attempt_id == attempt_id)
        .order_by(DecisionRow.moment)
    )
    found = []
    for row in connection.execute(query):
        at = datetime.fromtimestamp(row.at_ms / 1000, zone)
        facts = {**row.shared, "dial_at": at.isoformat(timespec="seconds"), **row.facts}
        refusals = tuple((rule, reason, zh) for rule, reason, zh in row.refusals or ())
        found.append(
            KeptDecision(attempt_id, row.moment, row.gate, row.allowed, refusals, row.pack, facts, at)
        )
    return found
