"""One Rasa process with all tracks built, for every test that talks with the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
import pytest_asyncio

from dialogs.build import build, build_all
from dialogs.manifest import Manifest
from dialogs.service import DialogService
from tests.dialogs.small_track import TRACK, write

TRACKS = Path("var/tracks")
NAMES = ("reminder", "instalment", "contact")
TODAY = date(2025, 11, 24)  # a Monday


@pytest.fixture(scope="session")
def manifests() -> dict[str, Manifest]:
    """The three tracks, built where they are not yet."""
    built = build_all([Path(f"dialogs/talktracks/{name}.yaml") for name in NAMES], TRACKS)
    return {manifest.track: manifest for manifest in built}


@pytest.fixture
def manifest(manifests: dict[str, Manifest]) -> Manifest:
    return manifests["reminder"]


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """A small track and the version after it, which says goodbye with another line."""
    built = []
    for version in (1, 2):
        text = TRACK.replace("version: 1", f"version: {version}")
        if version == 2:
            text = text.replace("say: [L.bye], end: STOP", "say: [L.later], end: STOP")
            text = text.replace(
                "  L.bye:", '  L.later: {to: unknown, level: 0, text: "以后不打了。"}\n  L.bye:'
            )
        path = write(tmp_path_factory.mktemp(f"version{version}"), text)
        built.append(build(path, TRACKS / "of-tests"))
    return built


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(
    manifests: dict[str, Manifest], two_versions: list[Manifest], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DialogService]:
    """Serves the three tracks and the two versions of the small one, from a folder of its own."""
    folder = tmp_path_factory.mktemp("tracks")
    for place, built in ((TRACKS, list(manifests.values())), (TRACKS / "of-tests", two_versions)):
        for one in built:
            (folder / one.digest).symlink_to((place / one.digest).resolve())
    running = DialogService(folder)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()
