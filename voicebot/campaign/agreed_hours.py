"""Calls outside of the rules' hours: to debtors who agreed to them, within the campaign's own windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from voicebot.campaign.running import RunningCampaign
from voicebot.store.agreements import Agreements
from voicebot.store.audit import moment_ms
from voicebot.store.bulk import Bulk, Query

_DEBTORS = Query("SELECT id, bix FROM debtor WHERE id IN ?bigint[]")
_PLANNED = Query(
    """SELECT a.debtor_id, min(a.due_ms) FROM agreement AS g
         JOIN debtor AS d ON d.bix = g.debtor_bix
         JOIN attempt AS a ON a.debtor_id = d.id AND a.campaign_id = ? AND a.phase = 0
        WHERE g.kind = 'window' AND g.revoked_ms IS NULL AND g.to_ms > ?
        GROUP BY a.debtor_id ORDER BY 2 LIMIT 1000"""
)


class AgreedHours:
    """What agreements open: whom to ask about, and when.  The gate decides on every call as ever."""

    def __init__(self, agreements: Agreements) -> None:
        self._agreements = agreements

    def debtors(self, connection: Connection, now: datetime) -> list[bytes]:
        """Blind indexes of the debtors whose agreed hours cover `now`."""
        return sorted(self.covering(connection, None, now))

    def covering(self, connection: Connection, debtors: Iterable[bytes] | None, now: datetime) -> set[bytes]:
        """Those of the debtors (None: of all) whose agreed hours cover `now`."""
        stretches = self._agreements.stretches(connection, debtors, now)
        return {bix for bix, found in stretches.items() if any(start <= now < end for start, end in found)}

    def next_opening(
        self, connection: Connection, running: RunningCampaign, now: datetime
    ) -> datetime | None:
        """The first instant from `now` on at which a planned attempt may be dialled on agreement alone."""
        rows = Bulk(connection).rows(_PLANNED, running.id, moment_ms(now))
        due = {row[0]: datetime.fromtimestamp(row[1] / 1000, now.tzinfo) for row in rows}
        wanted = {debtor: max(moment, now) for debtor, moment in due.items()}
        return min(self.openings(connection, running, wanted).values(), default=None)

    def next_calls(
        self, connection: Connection, running: RunningCampaign, wanted: Mapping[int, datetime]
    ) -> dict[int, datetime | None]:
        """By debtor's id, the first instant from `wanted` on at which a call may be dialled, or None."""
        found = {debtor: running.hours.next_open(at) for debtor, at in wanted.items()}
        outside = {debtor: at for debtor, at in wanted.items() if found[debtor] != at}
        for debtor, opening in self.openings(connection, running, outside).items():
            usual = found[debtor]
            found[debtor] = opening if usual is None else min(usual, opening)
        return found

    def openings(
        self, connection: Connection, running: RunningCampaign, wanted: Mapping[int, datetime]
    ) -> dict[int, datetime]:
        """By debtor's id, the first instant from `wanted` on that agreed hours open within the campaign's
        windows; debtors without one are left out."""
        if not wanted:
            return {}
        debtors = {bytes(bix): debtor for debtor, bix in Bulk(connection).rows(_DEBTORS, sorted(wanted))}
        found: dict[int, datetime] = {}
        for bix, stretches in self._agreements.stretches(connection, debtors, min(wanted.values())).items():
            debtor = debtors[bix]
            for start, end in stretches:
                at = running.hours.next_within_windows(max(start, wanted[debtor]))
                if at is not None and at < end and (debtor not in found or at < found[debtor]):
                    found[debtor] = at
        return found
