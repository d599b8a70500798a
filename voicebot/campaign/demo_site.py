"""What the demo needs beside files: keys, people who can sign, approvals, and a furnished store for each run.

Nothing of it is ever committed: keys and signatures are made here, once, below `var`, and they go through
the same desk as anybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

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
from voicebot.store.people import People, Person
from voicebot.store.registers import Agencies, Tools
from voicebot.store.review_record import SENIOR, Standing
from voicebot.store.signatures import create_key, load_key, public_text
from voicebot.store.stop_list import StopList
from voicebot.store.track_states import TrackState

STOP_LIST = Path("configs/lists/demo_stop_list.csv")
MADE_BY = "demo set-up"
COMMENT = "signed by the demo's set-up, which reads nothing"
Note = Callable[[str], None]


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


def approve_tracks(site: Site, note: Note = lambda said: None) -> list[str]:
    """The demo's author submits every talk track of the folder, and its reviewers sign it.

    Only tracks that this site has never seen: what came after the first version is for people to decide, and
    `note` is told of a file that says something else than its newest approved version.  Returns what may be
    spoken now, as id@version.  InputError when a track is not lint-clean, or the demo has not enough people.
    """
    clock = WallClock(site.zone)
    store = Store.open(site.store, KeyRing.load(site.keys))
    try:
        _register(store, site)
        desk, approvals = Desk(store, Gate(site.packs(), clock), clock), Approvals(store)
        for path in talk_tracks(site.talktracks):
            track = Track.load(path)
            known = [one for one in approvals.record().versions.values() if one.track == track.id]
            if not known or _is_half_done(known, track):
                _approve(site, People(store), desk, path, known[0] if known else None)
            elif track.digest not in {one.digest for one in known}:
                newest = max(known, key=lambda one: one.version)
                note(f"{path} differs from {newest.reference}, which is {newest.state}: it takes a review")
        return [one.reference for one in approvals.record().versions.values() if one.speakable]
    finally:
        store.close()


def talk_tracks(folder: Path) -> list[Path]:
    """The talk tracks of a folder; parts that tracks include are none."""
    return [path for path in sorted(folder.glob("*.yaml")) if "track" in YamlFile(path).data]


def furnish(store: Store, site: Site, clock: Clock) -> None:
    """Brings the site into a run's own store: people, caller numbers, agencies, reviews, the stop list."""
    _register(store, site)
    load_tools(site.tools).bring_into(Tools(store), Agencies(store))
    if Store.is_made(site.store):
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
        public_key, known = person.public_key, people.find(person.id)
        if public_key is None and _key_file(site, person.id).exists():
            public_key = _public(_key_file(site, person.id))
            if known is not None and known.public_key != public_key:
                continue  # somebody took the demo's place with a key of his own
        if public_key is None:
            continue
        wanted = Person(person.id, person.name, person.roles, public_key, person.agency)
        if known != wanted:
            people.register(wanted.id, wanted.name, wanted.roles, wanted.public_key, wanted.agency)


def _is_half_done(known: Sequence[Standing], track: Track) -> bool:
    """Whether set-up was interrupted between the signatures of a track's first version."""
    only = known[0]
    by_set_up = all(event.comment == COMMENT for event in only.events)
    return (
        len(known) == 1 and only.digest == track.digest and only.state is TrackState.SUBMITTED and by_set_up
    )


def _approve(site: Site, people: People, desk: Desk, path: Path, standing: Standing | None) -> None:
    """Submits a track unless it is `standing` there, and signs until nothing is missing."""
    if standing is None:
        author = _signing(site, people, AUTHORS, path)[0]
        key = partial(load_key, _key_file(site, author.id))
        standing = desk.submit(path, author.id, key, comment=COMMENT)
    reviewers = [one for one in _signing(site, people, REVIEWERS, path) if one.id != standing.author]
    for person in sorted(reviewers, key=lambda one: SENIOR not in one.roles):
        if standing.state is TrackState.SUBMITTED and person.id not in standing.signatures:
            key = partial(load_key, _key_file(site, person.id))
            standing = desk.approve(standing.reference, person.id, key, COMMENT)
    if standing.state is TrackState.SUBMITTED:
        raise InputError(
            f"{standing.reference} takes {standing.waits_for}",
            "Add a reviewer without a public key.",
            site.people,
        )


def _signing(site: Site, people: People, roles: frozenset[str], path: Path) -> list[PersonEntry]:
    """The demo's people of a role; whoever took one's place with a key of his own is none of them."""
    able = []
    for person in load_people(site.people).people:
        known, key = people.find(person.id), _key_file(site, person.id)
        if known and roles & set(known.roles) and key.exists() and _public(key) == known.public_key:
            able.append(person)
    if not able:
        raise InputError(
            f"the demo has no {' or '.join(sorted(roles))} to sign {path}",
            "Submit and approve it yourself: scripts-review submit.",
            site.people,
        )
    return able


def _public(key: Path) -> str:
    return public_text(load_key(key))


def _key_file(site: Site, person_id: str) -> Path:
    return key_folder(site) / f"{person_id}.pem"
