"""A site in a folder of its own; nothing of the project's `var` is written."""

from pathlib import Path

import pytest

from tests.cli.small_site import ROOT, SmallSite, build
from voicebot.campaign.demo_site import approve_tracks, prepare_keys
from voicebot.settings import load_site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> SmallSite:
    return build(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="session")
def signed_var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `var` of a site whose talk tracks were approved; reading and signing them takes its time, once."""
    var = tmp_path_factory.mktemp("signed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("VOICEBOT_VAR", str(var))
        settings = load_site()
        prepare_keys(settings)
        assert "reminder@1" in approve_tracks(settings)
    return var
