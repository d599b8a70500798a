"""What the demo needs beside files: keys, people who can sign, approvals, and a furnished store for each run.

Nothing of it is ever committed: keys and signatures are made here, once, below `var`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from dialogs.track import Track
from scripts_review.people import AUTHOR, REVIEWER
from scripts_review.people import load_people as load_signers
from scripts_review.workflow import Desk
from voicebot.campaign.register_files import import_stop_list, load_people, load_tools
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.settings import Site
from voicebot.store.approvals import Approvals
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


def approve_track(site: Site, track: str, version: str, digest: str) -> Path:
    """The demo's author submits the talk track and its reviewers sign it, by the same desk as anywhere.

    An approval that is there is kept.  Returns its file.  InputError when the track is not lint-clean, is
    another one than was built, or the demo has not enough people.
    """
    published = site.approvals / f"{digest}.json"
    if published.exists():
        return published
    source = site.talktracks / f"{track}.yaml"
    if Track.load(source).digest != digest:
        raise InputError(f"{track}@{version} was changed since it was built", "Build it again.", source)
    people = load_signers(site.people)
    keys = {person: load_key(file) for person in people if (file := _key_file(site, person)).exists()}
    known = {
        person: people[person].model_copy(update={"public_key": public_text(key)})
        for person, key in keys.items()
    }
    desk = Desk(site.approvals, known)
    author = next((person for person, about in known.items() if AUTHOR in about.roles), "")
    desk.submit(source, author, datetime.now(site.zone))
    for person, about in known.items():
        if REVIEWER in about.roles and person != author and not published.exists():
            desk.approve(source, person, keys[person])
    if not published.exists():
        raise InputError("the demo has not enough reviewers", "Add one without a public key.", site.people)
    return published


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
