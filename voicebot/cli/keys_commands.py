"""`voicebot keys`: the site's key ring: its versions, a new one, and the recordings that it opens."""

from __future__ import annotations

import os

import typer

from voicebot.cli.listing import show_done, show_rows
from voicebot.cli.progress_bar import progress_bar
from voicebot.cli.site_store import AsJson, By, SiteFile, SiteStore, StoreUrl, actor, opened
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain
from voicebot.store.checkpoints import Checkpoints, site_keys
from voicebot.store.encryption import ENVIRONMENT, KeyRing, Unreadable
from voicebot.store.recordings import kept_recordings, rewrapped

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_versions(as_json: AsJson = False, store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """The versions on the ring, and the public key that each one signs with."""
    with opened(site_file, store) as place:
        keys = place.store.keys
        rows = [
            {"version": version, "active": version == keys.active, "public_key": public}
            for version, public in zip(keys.versions, site_keys(keys), strict=True)
        ]
    show_rows(rows, as_json, "The ring is empty.")


@app.command("rotate")
def rotate(
    by: By = None, as_json: AsJson = False, store: StoreUrl = None, site_file: SiteFile = None
) -> None:
    """Make a new active key, and wrap the data key of every recording with it.

    Recordings are not sealed anew: 61 bytes of each file change. If it breaks off, `voicebot keys rewrap`
    goes on. Processes that run keep the old key until they start again; what they seal stays readable, and
    they read what the new one seals. Back the ring's file up afterwards.
    """
    if os.environ.get(ENVIRONMENT):
        raise InputError("the key ring is in the environment", "Rotate it where it is kept.", key=ENVIRONMENT)
    with opened(site_file, store) as place:
        file = place.site.keys
        old = place.store.keys
        checkpoints = Checkpoints(place.store, place.clock, place.checkpoints)
        checkpoints.sign()
        new = old.rotated()
        told = {"from": old.active, "to": new.active, "key": site_keys(new)[-1], "by": actor(by)}
        # The old key signs what names its successor; then the ring's file is replaced.
        AuditChain(place.store, place.clock).append("keys_rotated", str(new.active), told)
        checkpoints.sign()
        new.save(file)
        place.store.keys = new
        changed = _rewrap(place, new)
    words = f"Key {new.active} is active; {changed} recordings are wrapped with it. Back up {file}."
    show_done({"active": new.active, "rewrapped": changed}, as_json, words)


@app.command("rewrap")
def rewrap(as_json: AsJson = False, store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """Wrap recordings that are still under an older key with the active one."""
    with opened(site_file, store) as place:
        changed = _rewrap(place, place.store.keys)
    show_done({"rewrapped": changed}, as_json, f"{changed} recordings are wrapped with the active key now.")


def _rewrap(place: SiteStore, keys: KeyRing) -> int:
    found, changed = kept_recordings(place.store), 0
    with progress_bar("wrapping data keys") as told:
        for done, one in enumerate(found, start=1):
            try:
                changed += rewrapped(one, keys)
            except (OSError, Unreadable) as fault:
                typer.echo(f"! recording of attempt {one.attempt_id}: {fault}", err=True)
            told(done, len(found))
    return changed
