"""After approval: the Rasa build of the version from the store's content, and its fixed lines as sound.

Queued as a process of its own, so that the reviewer does not wait.  Whatever it did not come to is done by
`scripts-review prepare`, or by the dialler before its first call; nothing is remembered beside the results.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dialogs.build import build, built_for_now
from dialogs.manifest import Manifest
from scripts_review.prompts import Progress, render_fixed
from voicebot.settings import Site
from voicebot.store.review_record import Standing
from voicebot.store.track_versions import TrackContent


def queue(site: Site, standing: Standing, site_file: Path | None) -> Path:
    """Starts preparing a version in the background; returns its log."""
    log = site.var / "review" / f"{standing.reference}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "scripts_review.cli", "prepare", standing.reference]
    with log.open("ab") as output:
        subprocess.Popen(
            [*command, *(("--site", str(site_file)) if site_file else ())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # it outlives the reviewer's terminal
        )
    return log


def prepare(site: Site, content: TrackContent, progress: Progress) -> tuple[Manifest, int]:
    """Builds what is missing and renders what is missing (blocking, minutes for a new track).

    Returns the manifest and how many clauses were new.  BuildFailed, RenderError, NotReady as these say.
    """
    manifest = build_version(site, content)
    return manifest, render_fixed(site, manifest, progress)


def build_version(site: Site, content: TrackContent) -> Manifest:
    """The build of a version on this machine, made when it is missing.  BuildFailed, TrackError."""
    with content.unpacked() as path:
        return build(path, site.tracks.resolve(), site.rasa_python.absolute())


def is_built(site: Site, digest: str) -> bool:
    """Whether this machine has the build, made for the engine of now."""
    return built_for_now(site.tracks / digest) is not None
