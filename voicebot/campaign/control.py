"""What people ask of a running campaign: pause, resume, drain, stop; in force once it is committed.

The campaign's state stands between the queue and the line (the gate reads it at every permit), so nothing
is dialled after the commit.  The wish tells the nodes what to do about the calls that they already have.
"""

from __future__ import annotations

import getpass
import time
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, insert, select, text, update

from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain
from voicebot.store.database import Store
from voicebot.store.models import CampaignRow, ControlRow


class Wish(StrEnum):
    """The closed list.

    run: a new run goes on with it · pause: no new dial, the run waits · resume · drain: no new dial, calls go
    on to their end, the run ends · stop: no new INVITE, ringing calls are cancelled, answered ones end
    politely, the run ends · edit: its file changed.
    """

    RUN = "run"
    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    STOP = "stop"
    EDIT = "edit"


STATES = {
    Wish.RUN: "running",
    Wish.PAUSE: "paused",
    Wish.RESUME: "running",
    Wish.DRAIN: "paused",
    Wish.STOP: "stopped",
}
"""What each wish makes of the campaign's state; an edit leaves it."""


@dataclass(frozen=True)
class Asked:
    """The newest wish; `seq` is 0 when nothing was ever asked."""

    seq: int = 0
    wish: Wish = Wish.RUN
    by: str = ""
    ms: int = 0


@dataclass(frozen=True)
class CampaignHead:
    """One campaign of the store, as commands name it."""

    id: str
    name: str
    state: str
    created_ms: int

    @property
    def finished(self) -> bool:
        """Nothing is left of it: only a new run with --new calls these people again."""
        return self.state == "done"


class Controls:
    """Reads and writes wishes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._audit = store, AuditChain(store, clock)

    def ask(self, campaign_id: str, wish: Wish, by: str | None = None) -> int:
        """Commits a wish with the state it leads to; returns its number.  LookupError without a campaign."""
        by = by or getpass.getuser()
        with self._store.begin() as connection:
            if wish in STATES:
                row = update(CampaignRow).where(CampaignRow.id == campaign_id).values(state=STATES[wish])
                if connection.execute(row).rowcount != 1:
                    raise LookupError(f"there is no campaign {campaign_id}")
            values = {"campaign_id": campaign_id, "wish": wish, "made_by": by, "made_ms": now_ms(connection)}
            new = insert(ControlRow).values(values).returning(ControlRow.seq)
            seq = int(connection.execute(new).scalar_one())
            self._audit.append_in(connection, "campaign_asked", campaign_id, {"wish": wish, "by": by})
            self._store.barrier(connection)  # no permission straddles the commit
        return seq

    def asked_in(self, connection: Connection, campaign_id: str) -> Asked:
        """The newest wish but edits, with the number of the very newest."""
        query = select(ControlRow.__table__).where(ControlRow.campaign_id == campaign_id)
        newest = connection.execute(query.order_by(ControlRow.seq.desc()).limit(1)).first()
        if newest is None:
            return Asked()
        if newest.wish == Wish.EDIT:
            query = query.where(ControlRow.wish != Wish.EDIT)
            row = connection.execute(query.order_by(ControlRow.seq.desc()).limit(1)).first()
            if row is None:
                return Asked(newest.seq)
        else:
            row = newest
        return Asked(newest.seq, Wish(row.wish), row.made_by, row.made_ms)

    def asked(self, campaign_id: str) -> Asked:
        """The newest wish."""
        with self._store.reading() as connection:
            return self.asked_in(connection, campaign_id)

    def campaigns(self, name: str | None = None) -> list[CampaignHead]:
        """All of them, or those of a name or id; the newest first."""
        query = select(CampaignRow.id, CampaignRow.name, CampaignRow.state, CampaignRow.created_ms)
        if name is not None:
            query = query.where((CampaignRow.name == name) | (CampaignRow.id == name))
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(CampaignRow.created_ms.desc(), CampaignRow.id.desc()))
            return [CampaignHead(row.id, row.name, row.state, row.created_ms) for row in rows]

    def find(self, name: str) -> CampaignHead:
        """The newest campaign of that name, the one of that id.  InputError when there is none."""
        found = self.campaigns(name)
        if not found:
            known = sorted({head.name for head in self.campaigns()})
            do = f"Known: {', '.join(known[:10])}." if known else "None was ever run on this store."
            raise InputError(f"there is no campaign {name!r} in this store", do, key="campaign")
        return found[0]

    def give_up(self, name: str) -> list[str]:
        """Ends the open campaigns of a name for good, before one is begun afresh; returns their ids."""
        open_ones = [head.id for head in self.campaigns(name) if not head.finished]
        for campaign_id in open_ones:
            self.finish(campaign_id, "given up for a new one")
        return open_ones

    def finish(self, campaign_id: str, why: str = "nothing is left") -> None:
        """The campaign is done."""
        with self._store.begin() as connection:
            connection.execute(update(CampaignRow).where(CampaignRow.id == campaign_id).values(state="done"))
            self._audit.append_in(connection, "campaign_done", campaign_id, {"why": why})
            self._store.barrier(connection)


def now_ms(connection: Connection) -> int:
    """Real milliseconds: the server's clock where machines share one, this machine's otherwise."""
    if connection.dialect.name == "postgresql":
        clock = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        return int(connection.execute(clock).scalar_one())
    return int(time.time() * 1000)
