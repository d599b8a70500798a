"""The counters of the policy packs: reserve before dialling, give back when nobody answered for certain.

A slot is one row's `used` going up by one; the table's own CHECK keeps `used <= cap`, so two claimers
cannot race past a limit on any engine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from voicebot.policy.gate import CountedLimit
from voicebot.policy.pack import PackBody
from voicebot.store.database import Store
from voicebot.store.models import DayUseRow

BY_AGREEMENT = 1000
"""Cap of a day on which one more call was agreed to: the evidence is the limit then."""
SUBJECT_BYTES = 16


@dataclass(frozen=True)
class Subjects:
    """Whom a call counts against: keys of the packs' counters → blind indexes."""

    institution: str
    debtor: bytes
    phone: bytes

    def key(self, parts: Iterable[str]) -> bytes | None:
        """The counter's subject; None when the pack names a part that we do not know."""
        known: Mapping[str, bytes] = {
            "institution_id": self.institution.encode(),
            "collector_id": self.institution.encode(),
            "debtor_id": self.debtor,
            "person_id": self.debtor,
            "debt_id": b"",
            "phone_hash": self.phone,
            "contact_id": self.phone,
        }
        digest = hashlib.sha256()
        for part in parts:
            if part not in known:
                return None
            digest.update(len(known[part]).to_bytes(2) + known[part])
        return digest.digest()[:SUBJECT_BYTES]


@dataclass(frozen=True)
class Slot:
    """One reserved slot."""

    counter: str
    subject: bytes
    day: int

    def kept(self) -> list[str | int]:
        """As an attempt's row keeps it."""
        return [self.counter, self.subject.hex(), self.day]

    @classmethod
    def of(cls, kept: list[str | int]) -> Slot:
        return cls(str(kept[0]), bytes.fromhex(str(kept[1])), int(kept[2]))

    @property
    def needs_answer(self) -> bool:
        """Counters of connected calls are given back when nobody answered; those of dials are not."""
        return self.counter.startswith("connected_")


class Counters:
    """Reads, reserves and gives back, inside the caller's transaction."""

    def __init__(self, store: Store, packs: Iterable[PackBody]) -> None:
        self._insert = postgresql_insert if store.is_postgresql else sqlite_insert
        self._specs = {name: spec for pack in packs for name, spec in pack.counters.items()}

    def facts(
        self, connection: Connection, subjects: Subjects, day: int, own: Iterable[Slot] = ()
    ) -> dict[str, int]:
        """Every counter's use without the caller's own slots; one that cannot be keyed is left out."""
        found: dict[str, int] = {}
        mine = {(slot.counter, slot.subject, slot.day) for slot in own}
        for name, spec in self._specs.items():
            subject = subjects.key(spec.key)
            if subject is None:
                continue
            days = _days(spec.window)
            query = select(func.coalesce(func.sum(DayUseRow.used), 0)).where(
                DayUseRow.counter == name,
                DayUseRow.subject == subject,
                DayUseRow.day > day - days,
                DayUseRow.day <= day,
            )
            used = int(connection.execute(query).scalar_one())
            found[name] = used - sum(1 for slot in mine if slot[0] == name and slot[1] == subject)
        return found

    def reserve(
        self,
        connection: Connection,
        subjects: Subjects,
        day: int,
        limits: Iterable[CountedLimit],
        agreed: bool,
    ) -> list[Slot] | CountedLimit:
        """Takes one slot of each counter; when one is full, takes none and says which."""
        taken: list[Slot] = []
        for limit in sorted(limits, key=lambda one: one.counter):
            subject = subjects.key(self._specs[limit.counter].key)
            if subject is None or not self._take(
                connection, Slot(limit.counter, subject, day), limit, agreed
            ):
                self.give_back(connection, taken)
                return limit
            taken.append(Slot(limit.counter, subject, day))
        return taken

    def _take(self, connection: Connection, slot: Slot, limit: CountedLimit, agreed: bool) -> bool:
        cap = (
            BY_AGREEMENT
            if agreed and limit.unless
            else limit.limit - self._earlier(connection, slot, limit.days)
        )
        if cap <= 0:
            return False
        statement = self._insert(DayUseRow).values(
            counter=slot.counter, subject=slot.subject, day=slot.day, cap=cap, used=1
        )
        statement = statement.on_conflict_do_update(
            index_elements=["counter", "subject", "day"],
            set_={"used": DayUseRow.used + 1, "cap": case((DayUseRow.cap < cap, cap), else_=DayUseRow.cap)},
            where=DayUseRow.used < cap,
        )
        return connection.execute(statement.returning(DayUseRow.used)).first() is not None

    def _earlier(self, connection: Connection, slot: Slot, days: int) -> int:
        """Use on the earlier days of a rolling window."""
        if days <= 1:
            return 0
        query = select(func.coalesce(func.sum(DayUseRow.used), 0)).where(
            DayUseRow.counter == slot.counter,
            DayUseRow.subject == slot.subject,
            DayUseRow.day > slot.day - days,
            DayUseRow.day < slot.day,
        )
        return int(connection.execute(query).scalar_one())

    def give_back(self, connection: Connection, slots: Iterable[Slot]) -> None:
        """Returns slots.  Only when it is certain that the call they were for did not count."""
        for slot in sorted(slots, key=lambda one: (one.counter, one.subject)):
            connection.execute(
                update(DayUseRow)
                .where(
                    DayUseRow.counter == slot.counter,
                    DayUseRow.subject == slot.subject,
                    DayUseRow.day == slot.day,
                )
                .values(used=DayUseRow.used - 1)
            )


def _days(window: str) -> int:
    return int(window.removeprefix("rolling_").removesuffix("d")) if window.startswith("rolling_") else 1
