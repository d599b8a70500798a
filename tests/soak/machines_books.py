"""What must hold after two machines worked on one store: the file of INVITEs and the ledger are compared."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from voicebot.campaign.progress import progress
from voicebot.store.database import Store

CAP = 3
"""Connected calls a debtor a day, by the rules."""
BREATH_S = 1.0
"""A permit that was committed a moment before a cut still leads to its INVITE."""


@dataclass
class Told:
    """What was done to the machines, in real seconds."""

    cuts: list[tuple[float, float]] = field(default_factory=list)
    "The second machine without its cable."
    fenced: str = ""
    "The node that was cut off for too long."
    pauses: list[tuple[float, float]] = field(default_factory=list)
    "From the moment that `voicebot pause` came back to that of `voicebot resume`."
    given_up: set[str] = field(default_factory=set)
    "Attempts that were unknown before the cable was plugged in again."


@dataclass
class Books:
    """Both sides.  `far`: ids of the nodes that worked on the second machine."""

    invites: Sequence[dict[str, Any]]
    attempts: list[dict[str, Any]]
    contacts: dict[str, int]
    used: dict[tuple[str, str, str], int]
    late: list[str]
    far: set[str]

    @classmethod
    def read(cls, store: Store, invites: Sequence[dict[str, Any]], far: set[str]) -> Books:
        with store.reading() as connection:

            def rows(query: str) -> list[dict[str, Any]]:
                return [dict(row) for row in connection.execute(text(query)).mappings()]

            attempts = rows(
                "SELECT id, state, phase, disposition, worker, debtor_id, contact_id, day, reserved,"
                " dialled_ms, answered_ms, closed_ms FROM attempt"
            )
            contacts = rows("SELECT state, count(*) AS n FROM contact GROUP BY state")
            used = rows("SELECT counter, subject, day, used FROM day_use WHERE used <> 0")
            late = rows("SELECT attempt_id FROM late_report")
        return cls(
            invites,
            attempts,
            {row["state"]: row["n"] for row in contacts},
            {(row["counter"], bytes(row["subject"]).hex(), row["day"]): row["used"] for row in used},
            [row["attempt_id"] for row in late],
            far,
        )

    def node_of(self, attempt: dict[str, Any]) -> str:
        return str(attempt["worker"] or "").partition("/")[0]

    @property
    def dialled_far(self) -> int:
        """Attempts that the second machine dialled."""
        dialled = [row for row in self.attempts if row["dialled_ms"] is not None]
        return sum(self.node_of(row) in self.far for row in dialled)

    # ---- what must hold; AssertionError says what does not ----

    def check(self, told: Told, store: Store, campaign: str, people: int) -> None:
        self._dials()
        self._quiet(told)
        self._caps()
        self._late(told)
        kept = Counter(tuple(slot) for row in self.attempts for slot in row["reserved"])
        assert self.used == dict(kept), "the counters differ from what the attempts hold"
        counted = progress(store, campaign)
        states = Counter(row["state"] for row in self.attempts)
        assert counted.states == dict(states), f"{counted.states} is not {dict(states)}"
        assert counted.live == 0, "something is still on the line"
        assert sum(self.contacts.values()) == people, "a contact was lost"
        unknown = Counter(row["state"] for row in self.attempts)["unknown"]
        assert self.contacts.get("unresolved", 0) == unknown, "an unknown call has no contact that waits"

    def _dials(self) -> None:
        """One INVITE a case at most, one attempt each, closed; one call at a time to a debtor."""
        attempts = Counter(line["attempt"] for line in self.invites)
        assert not [one for one, n in attempts.items() if n > 1], "an attempt was dialled twice"
        twice = [case for case, n in Counter(line["case"] for line in self.invites).items() if n > 1]
        assert not twice, f"dialled twice: {twice[:5]}"
        by_id = {row["id"]: row for row in self.attempts}
        for line in self.invites:
            row = by_id[line["attempt"]]
            assert row["state"] in ("closed", "unknown"), f"{line['attempt']} is {row['state']}"
            assert row["disposition"] != "NOT_DIALLED", f"{line['attempt']} was dialled"
        spans: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for row in self.attempts:
            if row["dialled_ms"] is not None and row["disposition"] != "NOT_DIALLED":
                spans[row["debtor_id"]].append((row["dialled_ms"], row["closed_ms"]))
        for of_one in spans.values():
            of_one.sort()
            for (_, ended), (begun, _) in itertools.pairwise(of_one):
                assert begun >= ended, "a debtor was dialled while another call to him was open"

    def _quiet(self, told: Told) -> None:
        """No INVITE from behind a cut cable, from a fenced node, or during a pause."""
        node_of = {row["id"]: self.node_of(row) for row in self.attempts}
        far = [line["at"] for line in self.invites if node_of[line["attempt"]] in self.far]
        for begin, end in told.cuts:
            assert not [at for at in far if begin + BREATH_S < at < end], "it dialled without the store"
        fenced = [line["at"] for line in self.invites if node_of[line["attempt"]] == told.fenced]
        assert max(fenced) < told.cuts[-1][0] + BREATH_S, "it dialled after it was fenced"
        for begin, end in told.pauses:
            paused = [line for line in self.invites if begin < line["at"] < end]
            assert not paused, f"{len(paused)} INVITEs while the campaign was paused"

    def _caps(self) -> None:
        connected = Counter(
            (row["debtor_id"], row["day"])
            for row in self.attempts
            if row["answered_ms"] is not None or row["state"] == "unknown"
        )
        over = [key for key, n in connected.items() if n > CAP]
        assert not over, f"{len(over)} debtors over the cap"
        assert CAP in connected.values(), "no debtor came to his cap: the run proves nothing about it"

    def _late(self, told: Told) -> None:
        """What was given up while the cable was out stays so, whatever its machine reported afterwards."""
        states = {row["id"]: row["state"] for row in self.attempts}
        changed = [one for one in told.given_up if states[one] != "unknown"]
        assert not changed, f"{len(changed)} unknown calls were changed by a late report"
        assert told.given_up, "nothing was on the lines when the cable was pulled: the run proves nothing"
        assert told.given_up & set(self.late), "the machine that came back reported none of its calls"

    def summary(self) -> dict[str, Any]:
        """Numbers for a person."""
        return {
            "INVITEs": len(self.invites),
            "of the second machine": self.dialled_far,
            "attempts": dict(Counter(row["state"] for row in self.attempts)),
            "contacts": self.contacts,
            "late reports": f"{len(self.late)} of {len(set(self.late))} attempts",
        }
