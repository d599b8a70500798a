"""Which version of its talk track a campaign speaks: one that two people approved and that was built."""

from __future__ import annotations

import difflib
from pathlib import Path

from dialogs.errors import TrackError
from dialogs.track import Track
from voicebot.campaign.campaign_file import Campaign
from voicebot.errors import InputError, NotReady
from voicebot.settings import Site
from voicebot.store.approvals import Approval, Approvals

KEY = "talk_track"


def approved_digest(site: Site, campaign: Campaign, approvals: Approvals) -> str:
    """The digest to speak.  InputError when it is not approved, NotReady when it is not built."""
    approval = approvals.newest(campaign.track_id)
    if approval is None or f"{approval.track}@{approval.version}" != campaign.talk_track:
        raise _not_approved(site.talktracks, campaign, approval)
    if not (site.tracks / approval.digest / "manifest.json").is_file():
        source = site.talktracks / f"{campaign.track_id}.yaml"
        raise NotReady(
            f"the approved version {approval.digest[:12]} of the talk track "
            f"{campaign.talk_track} is not built",
            f"Run: python -m dialogs.build {source} --out {site.tracks}",
            key=KEY,
        )
    return approval.digest


def _not_approved(folder: Path, campaign: Campaign, other: Approval | None) -> InputError:
    """Why a track has no approved version: it is misspelt, or another version is approved, or none."""
    track = campaign.track_id
    known = [path.stem for path in sorted(folder.glob("*.yaml")) if _is_track(path)]
    if track in known:
        do = f"Run: scripts-review submit {folder / track}.yaml, let two others approve it, "
        do += "then run: voicebot apply."
        if other is not None:
            do = f"Approved is {other.track}@{other.version}. {do}"
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
