"""A campaign file that is edited while its campaign runs: pacing, lines, rate and windows follow it.

Everything else stays as it was enrolled, the approved digest above all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy import select, update

from voicebot.campaign.campaign_file import Campaign, load_campaign
from voicebot.campaign.changes import changed_while_running
from voicebot.campaign.control import Controls, Wish
from voicebot.errors import InputError
from voicebot.store.database import Store
from voicebot.store.models import CampaignRow

log = structlog.get_logger()


class EditedFile:
    """Looked at once a second by the run that was started from it; blocking, on the store's thread."""

    def __init__(
        self,
        path: Path,
        trunks: Path,
        store: Store,
        controls: Controls,
        campaign_id: str,
        tell: Callable[[str], None],
    ) -> None:
        self._path, self._trunks = path, trunks
        self._store, self._controls, self._campaign_id = store, controls, campaign_id
        self._tell = tell
        self._content = b""
        self._stamp = self._stamped()
        self._content = self._hashed()

    def look(self, in_force: Campaign) -> None:
        """Brings an edit into the store, for every node; a bad one is told of and changes nothing."""
        if (stamp := self._stamped()) == self._stamp:
            return
        self._stamp = stamp
        if (content := self._hashed()) == self._content:
            return
        self._content = content
        try:
            changes = changed_while_running(in_force, load_campaign(self._path, self._trunks))
        except InputError as fault:
            log.warning("edit_refused", line=fault.line, key=fault.key)
            self._tell(f"{fault}  (not taken over: the old values stay in force)")
            return
        if changes.allowed:
            self._write(changes.applied_to(in_force))
            values = ", ".join(f"{key}: {value}" for key, value in changes.allowed.items())
            self._tell(f"{self._path}: in force now: {values}")
        if changes.refused:
            keys = ", ".join(changes.refused)
            self._tell(f"{self._path}: {keys}: cannot change while it runs and stays as it was")

    def _write(self, campaign: Campaign) -> None:
        write_campaign(self._store, self._campaign_id, campaign)
        self._controls.ask(self._campaign_id, Wish.EDIT)

    def _stamped(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None  # being replaced by an editor; looked at again
        return found.st_mtime_ns, found.st_size

    def _hashed(self) -> bytes:
        try:
            return hashlib.sha256(self._path.read_bytes()).digest()
        except OSError:
            return self._content


def write_campaign(store: Store, campaign_id: str, campaign: Campaign) -> None:
    """What is in force from now on, for every node."""
    with store.begin() as connection:
        row = update(CampaignRow).where(CampaignRow.id == campaign_id)
        connection.execute(row.values(file=campaign.model_dump(mode="json")))


def read_campaign(store: Store, campaign_id: str) -> tuple[Campaign, str]:
    """A campaign as it is in force, and its digest.  LookupError when there is none."""
    with store.reading() as connection:
        query = select(CampaignRow.file, CampaignRow.digest).where(CampaignRow.id == campaign_id)
        row = connection.execute(query).first()
    if row is None:
        raise LookupError(f"there is no campaign {campaign_id}")
    return Campaign.model_validate(row.file), row.digest
