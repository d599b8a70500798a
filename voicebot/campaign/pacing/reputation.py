"""What a caller number has come to: how often it is rejected, cut short or blocked, and whether it rests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from voicebot.campaign.pacing.odds import wilson
from voicebot.store.states import Disposition

HALF_LIFE_MS = 2 * 3_600_000
"""A call of two hours ago counts half: a number's name mends with time."""
LEAST_CALLS = 8.0
"""Fewer calls say nothing about a number."""
CAUTION = -3.0
"""A share counts at the lower end of its interval, three deviations down: it is asked after each call."""
SHORT_S = 5.0
"""An answered call that ends sooner was hung up on, most likely for the number that was shown."""
REST_MS, LONGEST_REST_MS = 30 * 60_000, 24 * 3_600_000
FORGIVEN_MS = 24 * 3_600_000
"""A day without a rest takes one step off the next rest's length."""
BLOCKED_CODES = frozenset({403, 433, 607, 608})
"""Forbidden, anonymity, unwanted, rejected by analytics: these are meant for the number, not for the call."""


class Sign(StrEnum):
    """A bad sign of one call."""

    REJECTED = "rejected"
    SHORT = "short"
    BLOCKED = "blocked"


LIMITS = {Sign.REJECTED: 0.35, Sign.SHORT: 0.5, Sign.BLOCKED: 0.15}
"""More than this share of calls (for SHORT: of answered calls) rests a number."""


def sign_of(sip_code: int, disposition: Disposition, talked_s: float | None) -> Sign | None:
    """What a call says about the number it came from.  `talked_s`: None when nobody answered."""
    if talked_s is not None:
        return Sign.SHORT if talked_s < SHORT_S else None
    if sip_code in BLOCKED_CODES:
        return Sign.BLOCKED
    return Sign.REJECTED if sip_code == 603 or disposition is Disposition.REJECTED else None


@dataclass(frozen=True)
class Reputation:
    """Counts decay; times are milliseconds since the epoch."""

    as_of_ms: int = 0
    calls: float = 0.0
    answered: float = 0.0
    signs: dict[Sign, float] = field(default_factory=dict)
    rests: int = 0
    "How many rests in a row: each one doubles the next."
    resting_until_ms: int = 0
    reason: str = ""
    last_used_ms: int = 0

    def at(self, now_ms: int) -> Reputation:
        """The same as it has decayed until `now_ms`."""
        if now_ms <= self.as_of_ms:
            return self
        keep = 0.5 ** ((now_ms - self.as_of_ms) / HALF_LIFE_MS)
        return replace(
            self,
            as_of_ms=now_ms,
            calls=self.calls * keep,
            answered=self.answered * keep,
            signs={sign: count * keep for sign, count in self.signs.items()},
        )

    def with_call(self, now_ms: int, answered: bool, sign: Sign | None) -> Reputation:
        """After one more call."""
        now = self.at(now_ms)
        signs = {**now.signs, sign: now.signs.get(sign, 0.0) + 1} if sign else now.signs
        return replace(now, calls=now.calls + 1, answered=now.answered + answered, signs=signs)

    def bad(self) -> str:
        """Why the number should rest; empty when it need not."""
        for sign, limit in LIMITS.items():
            calls = self.answered if sign is Sign.SHORT else self.calls
            if calls < LEAST_CALLS - 0.5:  # decay makes 8 fresh calls a little less
                continue
            share = min(1.0, self.signs.get(sign, 0.0) / calls)
            if wilson(share, calls, CAUTION) > limit:
                return f"{share:.0%} of about {calls:.0f} calls {sign}"
        return ""

    def rested(self, now_ms: int, reason: str) -> Reputation:
        """Sent to rest from now on; what led to it is settled with that."""
        forgiven = (now_ms - self.resting_until_ms) // FORGIVEN_MS if self.resting_until_ms else 0
        rests = max(0, self.rests - max(0, forgiven))
        until = now_ms + min(LONGEST_REST_MS, REST_MS * 2**rests)
        return Reputation(
            as_of_ms=now_ms,
            rests=rests + 1,
            resting_until_ms=until,
            reason=reason,
            last_used_ms=self.last_used_ms,
        )

    def rests_at(self, now_ms: int) -> bool:
        return now_ms < self.resting_until_ms
