"""Site settings: defaults, environment, and faults that say where."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicebot.errors import InputError
from voicebot.settings import load_site

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(ROOT)
    path = tmp_path / "site.yaml"
    path.write_text("workers: 3\nvar: data\n")
    return path


def test_what_is_not_named_lies_below_var(file: Path) -> None:
    site = load_site(file)
    assert (site.models, site.store, site.keys) == (
        Path("data/models"),
        "sqlite:///data/voicebot.db",
        Path("data/keys.json"),
    )
    assert (site.workers, site.timezone) == (3, "Asia/Shanghai")


def test_the_environment_comes_first(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEBOT_WORKERS", "5")
    monkeypatch.setenv("VOICEBOT_ASR__ENGINE", "vosk")
    monkeypatch.setenv("VOICEBOT_VAR", "elsewhere")
    site = load_site(file)
    assert (site.workers, site.asr.engine, site.prompts) == (5, "vosk", Path("elsewhere/prompts"))
    monkeypatch.setenv("VOICEBOT_WORKERS", "many")
    with pytest.raises(InputError, match="VOICEBOT_WORKERS"):
        load_site(file)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("workers: 3\nworker: 2\n", 2, "Did you mean 'workers'?"),
        ("timezone: Asia/Shangahi\n", 1, "no time zone"),
        ("asr:\n  engine: siri\n", 2, "whisper"),
        ("asr: {engin: vosk}\n", 1, "Allowed: engine, model, threads"),
        ("- a\n", 1, "keys and values"),
    ],
)
def test_a_wrong_file(file: Path, text: str, line: int, words: str) -> None:
    file.write_text(text)
    with pytest.raises(InputError) as fault:
        load_site(file)
    assert words in str(fault.value) and fault.value.line == line


def test_the_packs_with_the_sites_own_parameters(file: Path) -> None:
    file.write_text(
        "policies:\n"
        "  - {file: configs/policies/cn-gbt45251-2025.yaml, params: {freq.connected_debtor_day: 2}}\n"
        "  - {file: configs/policies/cn-gbt45251-2025.yaml, pack: in-rbi}\n"
    )
    cn, india = load_site(file).packs()
    assert (cn.value("freq.connected_debtor_day"), india.pack.id) == (2, "in-rbi")
    file.write_text("policies: [{file: configs/policies/cn-gbt45251-2025.yaml, pack: mars}]\n")
    with pytest.raises(InputError, match="mars"):
        load_site(file).packs()
