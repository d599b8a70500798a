"""Which version of its talk track a campaign speaks: one that two people approved and that was built."""

from __future__ import annotations

import difflib
from pathlib import Path

from dialogs.errors import TrackError
from dialogs.track import Track
from voicebot.campaign.campaign_file import Campaign
from voicebot.errors import InputError, NotReady
from voicebot.settings import Site
from voicebot.store.approvals import Approvals


def approved_digest(site: Site, campaign: Campaign, approvals: Approvals) -> str:
    """The digest to speak.  InputError when it is not approved, NotReady when it is not built."""
    if campaign.digest == "approved":
        approval = approvals.newest(campaign.track)
        if approval is None:
            raise _not_approved(site.talktracks, campaign.track)
        digest = approval.digest
    else:
        digest = campaign.digest
        if not approvals.is_approved(digest):
            raise InputError(
                f"digest {digest[:12]} is not approved",
                "Approve it with scripts-review, or write digest: approved.",
                key="digest",
            )
    if not (site.tracks / digest / "manifest.json").is_file():
        source = site.talktracks / f"{campaign.track}.yaml"
        raise NotReady(
            f"the approved version {digest[:12]} of the talk track {campaign.track} is not built",
            f"Run: python -m dialogs.build {source} --out {site.tracks}",
            key="track",
        )
    return digest


def _not_approved(folder: Path, track: str) -> InputError:
    """Why a track has no approved version: it is misspelt, or nobody has signed it."""
    known = [path.stem for path in sorted(folder.glob("*.yaml")) if _is_track(path)]
    if track in known:
        do = (
            f"Run: scripts-review submit {folder / track}.yaml, let two others approve it, "
            "then run: voicebot apply."
        )
        return InputError(f"no version of the talk track {track} is approved", do, key="track")
    near = difflib.get_close_matches(track, known, 1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    do = f"{hint}Known: {', '.join(known)}." if known else "Write it there."
    return InputError(f"there is no talk track {track!r} in {folder}", do, key="track")


def _is_track(path: Path) -> bool:
    try:
        Track.load(path)
    except TrackError:  # a part that tracks include, or a draft that does not hold yet
        return False
    return True
