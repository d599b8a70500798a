"""What the demo needs beside files: keys, people who can sign, approvals, and a furnished store for each run.

Nothing of it is ever committed: keys and signatures are made here, once, below `var`, and they go through
the same desk as anybody's.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sqlalchemy.engine import make_url

from dialogs.track import Track
from dialogs.yaml_lines import YamlFile
from scripts_review.four_eyes import AUTHORS, REVIEWERS
from scripts_review.transfer import copy_reviews
from scripts_review.workflow import Desk
from voicebot.campaign.register_files import PersonEntry, import_stop_list, load_people, load_tools
from voicebot.clock import Clock, WallClock
from voicebot.errors import InputError
from voicebot.policy.gate import Gate
from voicebot.settings import Site
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.people import People
from voicebot.store.registers import Agencies, Tools
from voicebot.store.review_record import SENIOR, Standing
from voicebot.store.signatures import create_key, load_key, public_text
from voicebot.store.stop_list import StopList
from voicebot.store.track_states import TrackState

STOP_LIST = Path("configs/lists/demo_stop_list.csv")
MADE_BY = "demo set-up"
COMMENT = "approved by the demo's set-up, which reads nothing"


def key_folder(site: Site) -> Path:
    """Where the demo people's private keys lie, without a passphrase."""
    return site.var / "demo" / "keys"


def prepare_keys(site: Site) -> None:
    """The site's key ring, and a key for each person who has none.  Existing ones are kept."""
    if not site.keys.exists():
        KeyRing.create(site.keys)
    for person in load_people(site.people).people:
        if person.public_key is None:
            create_key(_key_file(site, person.id))


def approve_tracks(site: Site) -> list[str]:
    """The demo's author submits every talk track of the folder, and its reviewers sign it.

    What people decided is left alone.  Returns what is approved now, as id@version.  InputError when a track
    is not lint-clean, was changed under its version, or the demo has not enough people.
    """
    clock = WallClock(site.zone)
    store = Store.open(site.store, KeyRing.load(site.keys))
    try:
        _register(store, site)
        desk, approvals = Desk(store, Gate(site.packs(), clock), clock), Approvals(store)
        standings = [_approve(site, desk, approvals, path) for path in talk_tracks(site.talktracks)]
        return [standing.reference for standing in standings if standing.speakable]
    finally:
        store.close()


def talk_tracks(folder: Path) -> list[Path]:
    """The talk tracks of a folder; parts that tracks include are none."""
    return [path for path in sorted(folder.glob("*.yaml")) if "track" in YamlFile(path).data]


def furnish(store: Store, site: Site, clock: Clock) -> None:
    """Brings the site into a run's own store: people, caller numbers, agencies, reviews, the stop list."""
    _register(store, site)
    load_tools(site.tools).bring_into(Tools(store), Agencies(store))
    url = make_url(site.store)
    if url.get_backend_name() != "sqlite" or Path(url.database or "").is_file():
        source = Store.open(site.store, KeyRing.load(site.keys))
        try:
            copy_reviews(source, store, clock)
        finally:
            source.close()
    if STOP_LIST.exists():
        import_stop_list(STOP_LIST, StopList(store, clock), MADE_BY)


def _register(store: Store, site: Site) -> None:
    """Everybody of the people file who has a key, or one of the demo's."""
    people = People(store)
    for person in load_people(site.people).people:
        public_key = person.public_key
        if public_key is None and _key_file(site, person.id).exists():
            public_key = public_text(load_key(_key_file(site, person.id)))
        known = people.find(person.id)
        if public_key is not None and (known is None or known.public_key != public_key):
            people.register(person.id, person.name, person.roles, public_key)


def _approve(site: Site, desk: Desk, approvals: Approvals, path: Path) -> Standing:
    track = Track.load(path)
    reference = f"{track.id}@{track.version}"
    standing = approvals.record().of(track.id, track.version)
    if standing is not None and standing.digest != track.digest:
        raise InputError(
            f"{reference} was submitted with another text", "Raise the version in its header.", path
        )
    if standing is None:
        (author, *_) = _signing(site, AUTHORS, path)
        standing = desk.submit(path, author.id, partial(load_key, _key_file(site, author.id)))
    reviewers = [one for one in _signing(site, REVIEWERS, path) if one.id != standing.author]
    for person in sorted(reviewers, key=lambda one: SENIOR not in one.roles):
        if standing.state is TrackState.SUBMITTED and person.id not in standing.signatures:
            key = partial(load_key, _key_file(site, person.id))
            standing = desk.approve(reference, person.id, key, COMMENT)
    if standing.state is TrackState.SUBMITTED:
        raise InputError(
            f"{reference} takes {standing.waits_for}", "Add a reviewer without a public key.", site.people
        )
    return standing


def _signing(site: Site, roles: frozenset[str], path: Path) -> list[PersonEntry]:
    """The demo's people of a role."""
    people = load_people(site.people).people
    able = [one for one in people if roles & set(one.roles) and _key_file(site, one.id).exists()]
    if not able:
        raise InputError(f"the demo has no {' or '.join(sorted(roles))} to sign {path}", "", site.people)
    return able


def _key_file(site: Site, person_id: str) -> Path:
    return key_folder(site) / f"{person_id}.pem"
