"""What was talked before: when somebody last answered a call to a debtor, for packs that ask for a pause."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from voicebot.campaign.attempts import Subject
from voicebot.campaign.reachability import FAILED_DIALS
from voicebot.policy.gate import Gate
from voicebot.store.bulk import Bulk, Query
from voicebot.store.models.base import one_of
from voicebot.store.states import Disposition

SINCE_CONVERSATION = "days_since_conversation"
"""Fact: days since the day of the last talk, 0 on that day itself; None when there was none."""

UNANSWERED = frozenset({*FAILED_DIALS, Disposition.CARRIER_FAILED, Disposition.NOT_DIALLED})
"""How calls end that nobody took; any other end means that somebody did."""

_ANSWERED = Query(
    f"""SELECT c.debtor_id, max(coalesce(a.answered_ms, a.dialled_ms, a.closed_ms))
         FROM case_file AS c
         JOIN contact AS k ON k.case_pk = c.id
         JOIN attempt AS a ON a.contact_id = k.id
        WHERE c.debtor_id IN ?bigint[]
          AND (a.answered_ms IS NOT NULL OR NOT {one_of("a.disposition", UNANSWERED)})
        GROUP BY c.debtor_id"""
)


def days_since_conversation(
    bulk: Bulk, gate: Gate, abouts: Sequence[Subject], now: datetime, party_timezone: str
) -> dict[int, int]:
    """By debtor; those whom nobody ever reached are left out.

    Every answered call counts, whoever answered and in whatever campaign, and one of which nobody knows how
    it ended: the strict reading.
    """
    today = gate.day_of(now, party_timezone)
    rows = bulk.rows(_ANSWERED, sorted({about.debtor_id for about in abouts}))
    return {
        debtor: today - gate.day_of(datetime.fromtimestamp(ms / 1000, now.tzinfo), party_timezone)
        for debtor, ms in rows
        if ms is not None
    }
