"""Who is logged in.  Sessions live in the desk's memory: when it is started again, all log in again."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from handoff.staff import Role

IDLE_S = 30 * 60.0
"""Without a click for so long, and without a call, a session is over."""
LONGEST_S = 12 * 3600.0


@dataclass
class Session:
    """One login of one person.  `csrf` must come with everything that changes something."""

    member_id: str
    name: str
    role: Role
    began: float
    used: float
    must_change: bool = False
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))


class Sessions:
    """By cookie.  Only a hash of the cookie is kept."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        idle_s: float = IDLE_S,
        *,
        busy: Callable[[str], bool] = lambda member_id: False,
        barred: Callable[[Session], bool] = lambda session: False,
    ) -> None:
        """Who is `busy` with a call is not idle; a session that is `barred` is over."""
        self._now, self._idle_s, self._busy, self._barred = monotonic, idle_s, busy, barred
        self._sessions: dict[str, Session] = {}

    def begin(
        self, member_id: str, name: str, role: Role, *, must_change: bool = False
    ) -> tuple[str, Session]:
        """A new cookie and its session."""
        token, now = secrets.token_urlsafe(32), self._now()
        session = Session(member_id, name, role, now, now, must_change)
        self._sessions[_key(token)] = session
        return token, session

    def get(self, token: str | None) -> Session | None:
        """The session, or None when it is over."""
        if token is None or (session := self._sessions.get(_key(token))) is None:
            return None
        now, member_id = self._now(), session.member_id
        idle = now - session.used > self._idle_s and not self._busy(member_id)
        if idle or now - session.began > LONGEST_S or self._barred(session):
            self.end(token)
            return None
        return session

    def touch(self, session: Session) -> None:
        """The person did something."""
        session.used = self._now()

    def end(self, token: str) -> None:
        """Logged out."""
        self._sessions.pop(_key(token), None)

    def end_all(self, member_id: str, *, but: str | None = None) -> None:
        """Everywhere: a password was changed, or the person was disabled."""
        kept = _key(but) if but else ""
        self._sessions = {
            key: one for key, one in self._sessions.items() if one.member_id != member_id or key == kept
        }


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
