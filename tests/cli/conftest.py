"""A site in a folder of its own; nothing of the project's `var` is written."""

from pathlib import Path

import pytest

from tests.cli.small_site import SmallSite, build


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> SmallSite:
    return build(tmp_path, monkeypatch, capsys)
