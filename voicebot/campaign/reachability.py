"""How the last dials to a debtor himself went: the condition for asking one of his contacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from voicebot.campaign.attempts import Subject
from voicebot.policy.gate import Gate
from voicebot.store.bulk import Bulk, Query
from voicebot.store.states import Disposition

FAILED_DIALS = frozenset(
    {
        Disposition.BUSY,
        Disposition.NO_ANSWER,
        Disposition.REJECTED,
        Disposition.EMPTY_NUMBER,
        Disposition.POWERED_OFF,
        Disposition.SUSPENDED,
        Disposition.UNREACHABLE,
    }
)
"""Dials that did not reach the debtor."""
INVALID_NUMBER = frozenset({Disposition.EMPTY_NUMBER, Disposition.SUSPENDED})

_DIALS = Query(
    """SELECT a.disposition, a.closed_ms, a.bix
         FROM case_file AS c
         JOIN contact AS k ON k.case_pk = c.id AND k.party = 'debtor'
         JOIN attempt AS a ON a.contact_id = k.id
        WHERE c.debtor_id = ? AND a.state IN ('closed', 'unknown')
        ORDER BY a.closed_ms DESC"""
)
_NUMBERS = Query(
    """SELECT p.bix FROM contact AS k JOIN contact_point AS p ON p.contact_id = k.id
        WHERE k.case_pk = ? AND k.party = 'debtor'"""
)


def reachability(bulk: Bulk, gate: Gate, about: Subject, now: datetime) -> dict[str, Any]:
    """Failed dials in a row, failed days in a row, days since the last one, and whether no number works."""
    rows = bulk.rows(_DIALS, about.debtor_id)
    failed = []
    for disposition, closed_ms, _bix in rows:
        if disposition not in FAILED_DIALS:
            break
        failed.append(gate.day_of(datetime.fromtimestamp(closed_ms / 1000, now.tzinfo), str(now.tzinfo)))
    days = sorted(set(failed), reverse=True)
    facts: dict[str, Any] = {
        "debtor_failed_dials_in_row": len(failed),
        "debtor_failed_days_in_row": sum(1 for n, day in enumerate(days) if day == days[0] - n),
    }
    if failed:
        facts["days_since_last_failed_dial"] = gate.day_of(now, str(now.tzinfo)) - failed[0]
    latest: dict[bytes, str] = {}
    for disposition, _closed_ms, bix in rows:
        latest.setdefault(bytes(bix), disposition)
    found = [latest.get(bytes(bix)) in INVALID_NUMBER for (bix,) in bulk.rows(_NUMBERS, about.case_pk)]
    facts["debtor_number_invalid"] = bool(found) and all(found)
    return facts
