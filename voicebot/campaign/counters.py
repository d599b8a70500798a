"""The counters of the policy packs: reserve before dialling, give back when nobody answered for certain.

A slot is one row's `used` going up by one; the table's own CHECK keeps `used <= cap`, so two claimers
cannot race past a limit on any engine.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from voicebot.policy.gate import CountedLimit
from voicebot.policy.pack import PackBody
from voicebot.store.bulk import Bulk, Insert, Query, Update

BY_AGREEMENT = 1000
"""Cap of a day on which one more call was agreed to: the evidence is the limit then."""
SUBJECT_BYTES = 16

_USED = Query(
    """SELECT counter, subject, sum(used), sum(CASE WHEN day = ? THEN used ELSE 0 END) FROM day_use
        WHERE counter IN ?text[] AND subject IN ?bytea[] AND day > ? AND day <= ? GROUP BY counter, subject"""
)
_RESERVE = Insert(
    "day_use",
    "counter text, subject bytea, day integer, cap integer, used integer",
    """ON CONFLICT (counter, subject, day) DO UPDATE SET used = day_use.used + excluded.used,
       cap = CASE WHEN day_use.cap < excluded.cap THEN excluded.cap ELSE day_use.cap END
       WHERE day_use.used + excluded.used <= excluded.cap""",
)
_GIVE_BACK = Update("day_use", "-used integer", "counter text, subject bytea, day integer")


class CounterFull(RuntimeError):
    """A counter was used up between the gate's word and the reservation: nothing is reserved."""


@dataclass(frozen=True)
class Subjects:
    """Whom the call counts against: keys of the packs' counters → blind indexes."""

    institution: str
    debtor: bytes
    phone: bytes

    def key(self, parts: Iterable[str]) -> bytes | None:
        """The counter's subject; None when the pack names a part that we do not know."""
        known = []
        for part in parts:
            if part not in _PARTS:
                return None
            value = _PARTS[part](self)
            known.append(len(value).to_bytes(2) + value)
        return hashlib.sha256(b"".join(known)).digest()[:SUBJECT_BYTES]


_PARTS: Mapping[str, Callable[[Subjects], bytes]] = {
    "institution_id": lambda one: one.institution.encode(),
    "collector_id": lambda one: one.institution.encode(),
    "debtor_id": lambda one: one.debtor,
    "person_id": lambda one: one.debtor,
    "debt_id": lambda one: b"",
    "phone_hash": lambda one: one.phone,
    "contact_id": lambda one: one.phone,
}


class Slot(NamedTuple):
    """One reserved slot."""

    counter: str
    subject: bytes
    day: int

    def kept(self) -> list[str | int]:
        """As an attempt's row keeps it."""
        return [self.counter, self.subject.hex(), self.day]

    @classmethod
    def of(cls, kept: Sequence[Any]) -> Slot:
        return cls(str(kept[0]), bytes.fromhex(str(kept[1])), int(kept[2]))

    @property
    def needs_answer(self) -> bool:
        """Counters of connected calls are given back when nobody answered; those of dials are not."""
        return self.counter.startswith("connected_")


class Use(NamedTuple):
    """A counter's use: in its whole window, and of that today."""

    subject: bytes
    window: int
    today: int


class Counters:
    """Reads, reserves and gives back for whole groups, inside the caller's transaction."""

    def __init__(self, packs: Iterable[PackBody]) -> None:
        self._specs = {name: spec for pack in packs for name, spec in pack.counters.items()}
        self._windows: defaultdict[int, list[str]] = defaultdict(list)
        for name, spec in self._specs.items():
            self._windows[spec.days].append(name)
        self._keys = sorted({spec.key for spec in self._specs.values()})

    def uses(self, bulk: Bulk, wanted: Sequence[Subjects], day: int) -> Callable[[], list[dict[str, Use]]]:
        """Every counter's use for each of the wanted; one that cannot be keyed is left out."""
        keys = {parts: [one.key(parts) for one in wanted] for parts in self._keys}
        asked = []
        for days, names in self._windows.items():
            parts_of = {self._specs[name].key for name in names}
            subjects = sorted({key for parts in parts_of for key in keys[parts] if key is not None})
            if subjects:
                asked.append((names, bulk.later(_USED, day, names, subjects, day - days, day)))

        def found() -> list[dict[str, Use]]:
            all_uses: list[dict[str, Use]] = [{} for _ in wanted]
            for names, later in asked:
                used = {(row[0], bytes(row[1])): (int(row[2]), int(row[3])) for row in later.rows()}
                for name in names:
                    for uses, key in zip(all_uses, keys[self._specs[name].key], strict=True):
                        if key is not None:
                            window, today = used.get((name, key), (0, 0))
                            uses[name] = Use(key, window, today)
            return all_uses

        return found

    def slots(
        self, uses: Mapping[str, Use], day: int, limits: Iterable[CountedLimit], agreed: bool
    ) -> list[tuple[Slot, int]] | None:
        """The slots that a call takes, each with the cap that holds for its day; None when one is full."""
        taken: list[tuple[Slot, int]] = []
        for limit in limits:
            use = uses.get(limit.counter)
            if use is None:
                return None
            cap = BY_AGREEMENT if agreed and limit.unless else limit.limit - (use.window - use.today)
            if use.today >= cap:
                return None
            taken.append((Slot(limit.counter, use.subject, day), cap))
        return taken

    def reserve(self, bulk: Bulk, slots: Sequence[tuple[Slot, int]]) -> None:
        """Takes all slots or none: CounterFull when one was used up meanwhile, or by the group itself."""
        wanted: Counter[Slot] = Counter()
        caps: dict[Slot, int] = {}
        for slot, cap in slots:
            wanted[slot] += 1
            caps[slot] = min(cap, caps.get(slot, cap))
        rows = [(*slot, caps[slot], n) for slot, n in sorted(wanted.items())]
        full = CounterFull("a counter was used up meanwhile")
        if any(n > cap for *_slot, cap, n in rows):
            raise full
        bulk.write(_RESERVE, rows, full)

    def give_back(self, bulk: Bulk, slots: Iterable[Slot]) -> None:
        """Returns slots.  Only when it is certain that the call they were for did not count."""
        bulk.write(_GIVE_BACK, [(n, *slot) for slot, n in sorted(Counter(slots).items())])
