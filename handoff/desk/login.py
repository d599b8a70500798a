"""Whether a name and a password let somebody in, and how often that may be tried."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

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

    def check(self, member_id: str, password: str, agents: Sequence[Agent]) -> LetIn:
        """Raises Refused.

        What is wrong is not told: not whether there is such a person, nor that they are disabled.
        """
        member = self._staff.find(member_id)
        now = moment_ms(self._clock.now())
        if member is not None and member.locked_until_ms > now:
            raise Refused("locked")
        right = self._passwords.right(member.password_hash if member else None, password)
        if member is None:
            raise Refused("wrong")
        if not right:
            failures = member.failures + 1
            locked = now + int(LOCKED.total_seconds() * 1000) if failures >= TRIES else 0
            self._staff.note_login(member.id, 0 if locked else failures, locked)
            raise Refused("locked" if locked else "wrong")
        agent = next((one for one in agents if one.id == member_id), None)
        enabled = member.enabled if member.role == "operations" else agent is not None and agent.enabled
        if not enabled:
            raise Refused("wrong")
        if member.failures:
            self._staff.note_login(member.id, 0, 0)
        if agent is not None:
            return LetIn(member.id, agent.name, agent.role, member.must_change)
        name = str(member.profile.get("name", member_id))
        return LetIn(member.id, name, member.role, member.must_change)


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
