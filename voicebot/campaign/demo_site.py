"""What the demo needs beside files: keys, people who can sign, approvals, and a furnished store for each run.

Nothing of it is ever committed: keys and signatures are made here, once, below `var`.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from voicebot.campaign.register_files import import_stop_list, load_people, load_tools
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.settings import Site
from voicebot.store.approvals import Approvals, signed_document
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.people import People
from voicebot.store.registers import Agencies, Tools
from voicebot.store.signatures import create_key, load_key, public_text
from voicebot.store.stop_list import StopList

STOP_LIST = Path("configs/lists/demo_stop_list.csv")
MADE_BY = "demo set-up"


def key_folder(site: Site) -> Path:
    """Where the demo people's private keys lie."""
    return site.var / "demo" / "keys"


def prepare_keys(site: Site) -> None:
    """The site's key ring, and a key for each person who has none.  Existing ones are kept."""
    if not site.keys.exists():
        KeyRing.create(site.keys)
    for person in load_people(site.people).people:
        if person.public_key is None:
            create_key(_key_file(site, person.id))


def demo_key(site: Site, role: str) -> tuple[str, Ed25519PrivateKey]:
    """The first demo person of a role, with the private key.  InputError when there is none."""
    for person in load_people(site.people).people:
        if role in person.roles and person.public_key is None:
            return person.id, load_key(_key_file(site, person.id))
    raise InputError(f"no demo person has the role {role}", "Add one without a public key.", site.people)


def approve_track(site: Site, track: str, version: str, digest: str) -> Path:
    """The demo reviewer signs the demo's talk track; an approval that is there is kept.  Returns its file."""
    path = site.approvals / f"{digest}.json"
    if path.exists():
        return path
    author, _ = demo_key(site, "author")
    reviewer, key = demo_key(site, "reviewer")
    now = datetime.now(site.zone)
    document = signed_document(track, version, digest, "approved", author, now, {reviewer: key})
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(path)
    return path


def furnish(store: Store, site: Site, clock: Clock) -> None:
    """Brings the files into a fresh store: people, caller numbers, agencies, approvals, the stop list."""
    people = People(store)
    for person in load_people(site.people).people:
        public_key = person.public_key
        if public_key is None and _key_file(site, person.id).exists():
            public_key = public_text(load_key(_key_file(site, person.id)))
        if public_key is not None:
            people.register(person.id, person.name, person.roles, public_key)
    load_tools(site.tools).bring_into(Tools(store), Agencies(store))
    approvals = Approvals(store, people)
    for path in sorted(site.approvals.glob("*.json")):
        approvals.import_file(path)
    if STOP_LIST.exists():
        import_stop_list(STOP_LIST, StopList(store, clock), MADE_BY)


def _key_file(site: Site, person_id: str) -> Path:
    return key_folder(site) / f"{person_id}.pem"
