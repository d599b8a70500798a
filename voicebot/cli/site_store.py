"""The store that a command works on, and the options that commands on registers share."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from voicebot.campaign.phone_number import to_e164
from voicebot.clock import WallClock
from voicebot.errors import InputError
from voicebot.settings import Site, load_site
from voicebot.store.checkpoints import CHECKPOINTS
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.signatures import load_key

SiteFile = Annotated[Path | None, typer.Option("--site", help="Site settings (configs/site.yaml).")]
StoreUrl = Annotated[
    str | None, typer.Option("--store", help="Another store than the site's, like sqlite:///FILE.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str | None, typer.Option("--by", help="Who does it (default: the account's name).")]
Signer = Annotated[str, typer.Option("--by", help="The person who signs, by id.")]
Key = Annotated[Path, typer.Option("--key", metavar="FILE", help="The person's private key, a PEM file.")]


@dataclass(frozen=True)
class SiteStore:
    """A site with its store open."""

    site: Site
    store: Store
    clock: WallClock
    own: bool
    "The site's store, not another one that was named."

    @property
    def zone(self) -> ZoneInfo:
        return self.site.zone

    @property
    def checkpoints(self) -> Path | None:
        """The file of the site's signed checkpoints; another store has none."""
        return self.site.var / CHECKPOINTS if self.own else None


@contextmanager
def opened(site_file: Path | None, url: str | None) -> Iterator[SiteStore]:
    """The site's store, or the one that was named."""
    site = load_site(site_file)
    store = Store.open(url or site.store, KeyRing.load(site.keys))
    try:
        yield SiteStore(site, store, WallClock(site.zone), own=url is None)
    finally:
        store.close()


def actor(by: str | None) -> str:
    """Who is written down for an action that needs no signature."""
    return by or getpass.getuser()


def private_key(path: Path) -> Ed25519PrivateKey:
    """A person's key; asks for its passphrase when it has one."""
    return load_key(path, lambda: str(typer.prompt("Passphrase", hide_input=True, err=True)).encode())


def phone_number(text: str) -> str:
    """E.164; InputError in the command's words."""
    try:
        return to_e164(text)
    except ValueError as fault:
        raise InputError(str(fault), "Write it like 13800001234 or +8613800001234.", key="number") from None


def moment(text: str | None, zone: ZoneInfo, option: str, *, end: bool = False) -> datetime | None:
    """An ISO time, in `zone` unless it names its own; a bare date is its first instant, or its last."""
    if text is None:
        return None
    try:
        if len(text) == len("2026-03-02"):
            day = date.fromisoformat(text)
            return datetime.combine(day, time.max if end else time.min, zone)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is no time", "Write it like 2026-03-02T22:10 or 2026-03-02.", key=option
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=zone)


def day(text: str, option: str) -> date:
    """A date; InputError when it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is no date", "Write it like 2026-12-31.", key=option) from None
