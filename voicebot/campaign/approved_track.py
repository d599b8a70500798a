"""Which version of its talk track a campaign speaks: the approved one that it names, built from the store."""

from __future__ import annotations

import difflib
from pathlib import Path

from dialogs.build import build, sha256_of
from dialogs.engine import engine
from dialogs.errors import TrackError
from dialogs.manifest import Manifest
from dialogs.track import Track
from voicebot.campaign.campaign_file import Campaign
from voicebot.errors import InputError
from voicebot.settings import Site
from voicebot.store.approvals import Approval, Approvals
from voicebot.store.track_versions import parse_reference

KEY = "talk_track"


def approved_digest(site: Site, campaign: Campaign, approvals: Approvals) -> str:
    """The digest to speak.  InputError when the version is not approved.

    What is not built on this machine is built from the store's content (blocks for a minute or so); what is
    built must be what was approved, word by word.
    """
    track, version = parse_reference(campaign.talk_track)
    if approvals.record().of(track, version) is None and not _is_submitted(approvals, track):
        raise unknown_track(site, campaign)
    approval = approvals.resolve(campaign.talk_track)
    require_built(site, approval, approvals)
    return approval.digest


def require_built(site: Site, approval: Approval, approvals: Approvals) -> Manifest:
    """The manifest of an approved version, built when it is missing or made for an engine of before.

    InputError when what lies in the folder of tracks says other words than were approved, or decides by
    another model than was built of them.
    """
    content = approvals.content(approval)
    path = site.tracks / approval.digest / "manifest.json"
    with content.unpacked() as source:
        approved = Manifest.of(Track.load(source))
        model = path.parent / "model.tar.gz"
        built = Manifest.load(path) if path.is_file() and model.is_file() else None
        if built is None or built.engine != engine():
            return build(source, site.tracks.resolve(), site.rasa_python.absolute())
    again = f"Remove the folder; it is built again by: scripts-review prepare {approval.reference}."
    if built.model_copy(update={"project": "", "model": ""}) != approved:
        raise InputError(
            f"what was built of {approval.reference} is not what was approved", again, path.parent
        )
    if built.model != sha256_of(model):
        raise InputError(
            f"the model of {approval.reference} was changed after it was built", again, path.parent
        )
    return built


def _is_submitted(approvals: Approvals, track: str) -> bool:
    return any(one.track == track for one in approvals.record().versions.values())


def unknown_track(site: Site, campaign: Campaign) -> InputError:
    """Why nobody knows a campaign's track: it is misspelt, or it was never submitted."""
    track, folder = campaign.track_id, site.talktracks
    known = [path.stem for path in sorted(folder.glob("*.yaml")) if _is_track(path)]
    if track in known:
        do = f"Run: scripts-review submit {folder / track}.yaml --as AUTHOR, and let two others approve it."
        return InputError(f"the talk track {campaign.talk_track} is not approved", do, key=KEY)
    near = difflib.get_close_matches(track, known, 1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    do = f"{hint}Known: {', '.join(known)}." if known else "Write it there."
    return InputError(f"there is no talk track {track!r} in {folder}", do, key=KEY)


def _is_track(path: Path) -> bool:
    try:
        Track.load(path)
    except TrackError:  # a part that tracks include, or a draft that does not hold yet
        return False
    return True
