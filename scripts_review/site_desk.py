"""What the commands open: the site's store with its desk, a version from store or file, a person's key."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dialogs.manifest import Manifest
from dialogs.track import Track
from scripts_review.workflow import Desk, Key
from voicebot.clock import WallClock
from voicebot.errors import InputError, NotReady
from voicebot.policy.gate import Gate
from voicebot.settings import Site, load_site
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.signatures import load_key
from voicebot.store.track_versions import TrackContent, TrackVersions, parse_reference

PASSPHRASE, PASSPHRASE_FILE = "VOICEBOT_PASSPHRASE", "VOICEBOT_PASSPHRASE_FILE"
KEY_FILE = "VOICEBOT_KEY_FILE"
OWN_KEYS = Path("~/.config/voicebot")
"""Where keygen puts a key, and where it is looked for."""


@dataclass(frozen=True)
class Opened:
    """A site with its open store."""

    site: Site
    store: Store
    clock: WallClock

    @property
    def desk(self) -> Desk:
        return Desk(self.store, Gate(self.site.packs(), self.clock), self.clock)

    @property
    def approvals(self) -> Approvals:
        return Approvals(self.store)

    def content(self, reference: str) -> TrackContent:
        """A submitted version.  InputError when it is none, or was changed."""
        return TrackVersions(self.store).find(*parse_reference(reference))

    def track(self, what: str) -> Track:
        """The track of id@version, or of a file."""
        return Track.load(Path(what)) if is_file(what) else self.content(what).load()


def manifest_of(site: Site, content: TrackContent) -> Manifest:
    """The built manifest, or the one that a build would make."""
    built = site.tracks / content.digest / "manifest.json"
    return Manifest.load(built) if built.is_file() else Manifest.of(content.load())


def read_version(site_file: Path | None, what: str) -> tuple[Site, TrackContent]:
    """The site, and what id@version or a file says; a file needs no store."""
    if is_file(what):
        return load_site(site_file), TrackContent.of(Track.load(Path(what)))
    with opened(site_file) as here:
        return here.site, here.content(what)


@contextmanager
def opened(site_file: Path | None, *, make: bool = False) -> Iterator[Opened]:
    """The site's store.  A SQLite store that is not there yet is made only by what writes (`make`)."""
    site = load_site(site_file)
    if not make and not Store.is_made(site.store):
        raise NotReady(
            "nothing was submitted on this site yet", "Begin with: scripts-review submit.", site.store
        )
    store = Store.open(site.store, KeyRing.load(site.keys))
    try:
        yield Opened(site, store, WallClock(site.zone))
    finally:
        store.close()


def is_file(what: str) -> bool:
    """Whether a command's argument is a file and not id@version."""
    return what.endswith((".yaml", ".yml")) or "/" in what or ("@" not in what and Path(what).exists())


def key_of(site: Site, person: str, given: Path | None) -> Key:
    """The person's private key, looked for when it is asked for: where the option or the environment says,
    in the person's own folder, or among the demo's."""

    def find() -> Ed25519PrivateKey:
        named = given or (Path(os.environ[KEY_FILE]) if os.environ.get(KEY_FILE) else None)
        name = f"{person}.pem"
        places = [named] if named else [OWN_KEYS.expanduser() / name, site.var / "demo" / "keys" / name]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise InputError(
                f"there is no private key of {person}",
                "Give --key FILE, or make one: scripts-review keygen.",
                places[0],
            )
        return load_key(path, lambda: passphrase(f"Passphrase of {path}: "))

    return find


def passphrase(prompt: str, *, twice: bool = False) -> bytes:
    """From the environment, a file that it names, or the terminal.  InputError when there is none of them."""
    if said := os.environ.get(PASSPHRASE):
        return said.encode()
    if named := os.environ.get(PASSPHRASE_FILE):
        try:
            return Path(named).read_text(encoding="utf-8").strip("\r\n").encode()
        except OSError as fault:
            raise InputError(f"cannot be read: {fault.strerror}", "", named, key=PASSPHRASE_FILE) from None
    if not sys.stdin.isatty():
        raise InputError(
            "there is no terminal to ask for the passphrase", f"Set {PASSPHRASE_FILE}.", key="passphrase"
        )
    first = getpass.getpass(prompt)
    if twice and getpass.getpass("Once more: ") != first:
        raise InputError("the two passphrases differ", "Try again.", key="passphrase")
    return first.encode()
