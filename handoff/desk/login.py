"""Whether a name and a password let somebody in, and how often that may be tried."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock

from handoff.agents import Agent
from handoff.desk.passwords import Passwords
from handoff.staff import Role, Staff
from voicebot.clock import Clock
from voicebot.store.audit import moment_ms

TRIES = 5
"""Wrong passwords in a row; then the account is locked for LOCKED."""
LOCKED = timedelta(minutes=15)
PER_MINUTE = 20
"""Logins from one address, right or wrong."""


NAMES = 10_000
"""So many names of nobody are remembered."""


class Refused(Exception):
    """The message is a word of the pages: wrong, locked, too_often."""


@dataclass(frozen=True)
class LetIn:
    """Who it is; an agent's name and role are those of agents.yaml as it is now."""

    id: str
    name: str
    role: Role
    must_change: bool


class Login:
    """Blocking: to be run beside the event loop."""

    def __init__(self, staff: Staff, passwords: Passwords, clock: Clock) -> None:
        self._staff, self._passwords, self._clock = staff, passwords, clock
        self._nobody = Nobody()

    def check(self, member_id: str, password: str, agents: Sequence[Agent]) -> LetIn:
        """Raises Refused.

        What is wrong is not told: not whether there is such a person (names of nobody lock as well), nor
        that they are disabled.
        """
        member = self._staff.find(member_id)
        now = moment_ms(self._clock.now())
        until = now + int(LOCKED.total_seconds() * 1000)
        if member is None:
            tries = self._nobody.count_try(member_id, now)
        else:
            tries = self._staff.count_try(member_id, now)
        right = self._passwords.right(member.password_hash if member else None, password)
        if tries is None:
            raise Refused("locked")
        if not right or tries > TRIES:
            if tries >= TRIES:
                (self._nobody if member is None else self._staff).lock(member_id, now, until, tries)
            raise Refused("locked" if tries >= TRIES else "wrong")
        assert member is not None, "nobody's password is right"
        self._staff.was_right(member_id)
        agent = next((one for one in agents if one.id == member_id), None)
        enabled = member.enabled if member.role == "operations" else agent is not None and agent.enabled
        if not enabled:
            raise Refused("wrong")
        if agent is not None:
            return LetIn(member.id, agent.name, agent.role, member.must_change)
        name = str(member.profile.get("name", member_id))
        return LetIn(member.id, name, member.role, member.must_change)


class Nobody:
    """Names that are nobody's, counted and locked as accounts are: the answer must not tell them apart."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, tuple[int, int]] = OrderedDict()
        "Wrong passwords in a row, and until when the name is locked."
        self._one_at_a_time = Lock()

    def count_try(self, name: str, now_ms: int) -> int | None:
        """As Staff.count_try."""
        with self._one_at_a_time:
            failures, locked_until_ms = self._names.pop(name, (0, 0))
            locked = locked_until_ms > now_ms
            self._names[name] = (failures + (not locked), locked_until_ms)
            while len(self._names) > NAMES:
                self._names.popitem(last=False)
            return None if locked else failures + 1

    def lock(self, name: str, now_ms: int, until_ms: int, failures: int) -> None:
        """As Staff.lock."""
        with self._one_at_a_time:
            self._names[name] = (0, until_ms)


class AddressLimit:
    """How often one address may try."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._tries: dict[str, deque[float]] = {}

    def allows(self, address: str) -> bool:
        """Counts this try; False when it is one too many within a minute."""
        now = self._now()
        for other in [one for one, tries in self._tries.items() if now - tries[-1] > 60]:
            del self._tries[other]
        tries = self._tries.setdefault(address, deque(maxlen=PER_MINUTE + 1))
        tries.append(now)
        return len(tries) <= PER_MINUTE or now - tries[0] > 60
