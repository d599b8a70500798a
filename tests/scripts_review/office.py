"""A reviewers' office: a store with registered people, the shipped tracks as files, and the desk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import text

from scripts_review.workflow import Desk
from tests.scripts_review.reviewed import key_of, register_people
from voicebot.clock import ManualClock
from voicebot.policy.gate import Gate
from voicebot.policy.pack import load_pack
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store
from voicebot.store.review_record import Standing

ROOT = Path(__file__).parents[2]
PACK = load_pack(ROOT / "configs/policies/cn-gbt45251-2025.yaml")


@dataclass
class Office:
    """`file` is the reminder, a copy that a test may change."""

    store: Store
    clock: ManualClock
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "dialogs" / "talktracks" / "reminder.yaml"

    @property
    def desk(self) -> Desk:
        return Desk(self.store, Gate([PACK], self.clock), self.clock)

    @property
    def approvals(self) -> Approvals:
        return Approvals(self.store, recheck_s=0)

    def change(self, old: str, new: str, part: str = "reminder.yaml") -> None:
        """Edits a file of the track."""
        path = self.file.with_name(part)
        said = path.read_text(encoding="utf-8")
        assert old in said
        path.write_text(said.replace(old, new), encoding="utf-8")

    def submit(self, person: str = "author-chen", **more: str) -> Standing:
        self.clock.advance(60)
        return self.desk.submit(self.file, person, partial(key_of, person), **more)

    def approve(self, person: str, reference: str = "reminder@1", key: str = "") -> Standing:
        self.clock.advance(60)
        return self.desk.approve(reference, person, partial(key_of, key or person), "read and heard")

    def reject(self, person: str, reference: str = "reminder@1") -> Standing:
        self.clock.advance(60)
        return self.desk.reject(reference, person, partial(key_of, person), "the second line is rude")

    def revoke(self, person: str, reference: str = "reminder@1") -> Standing:
        self.clock.advance(60)
        return self.desk.revoke(reference, person, partial(key_of, person), "a wrong number in it")


def tracks_in(folder: Path) -> None:
    """The shipped talk tracks and what people say, as files of their own."""
    for name in ("talktracks", "utterances"):
        shutil.copytree(ROOT / "dialogs" / name, folder / "dialogs" / name)


GUARDED = ("review", "track_version", "audit", "audit_checkpoint", "outbox", "decision", "decision_basis")


def by_hand(store: Store, *statements: str) -> None:
    """What somebody with the database's password can do: the triggers off, and the rows as he likes."""
    with store.begin() as connection:
        for table in GUARDED:
            on = f" ON {table}" if store.is_postgresql else ""
            for change in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{change}{on}"))
        for statement in statements:
            connection.execute(text(statement))


def open_office(store: Store, clock: ManualClock, folder: Path) -> Office:
    register_people(store)
    tracks_in(folder)
    return Office(store, clock, folder)
