"""Site settings: defaults, environment, and faults that say where."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from voicebot.clock import WallClock
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
        ("asr: {engin: vosk}\n", 1, "Allowed: engine, model, most_rss_mb, threads, url"),
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


PACK = "configs/policies/cn-gbt45251-2025.yaml"


def test_an_institution_sets_parameters_tighter_than_the_site(file: Path) -> None:
    file.write_text(
        "policies:\n"
        f"  - file: {PACK}\n"
        "    params: {freq.connected_debtor_day: 2}\n"
        "    institutions:\n"
        "      海城消费金融: {freq.connected_debtor_day: 1, hours.end: '20:00'}\n"
    )
    site = load_site(file)
    (own,), (others,) = site.packs("海城消费金融"), site.packs("另一家")
    assert (own.value("freq.connected_debtor_day"), own.value("hours.end")) == (1, "20:00")
    assert (others.value("freq.connected_debtor_day"), others.value("hours.end")) == (2, "22:00")
    gate = site.gate(WallClock(site.zone))
    assert gate.of("海城消费金融").parameter("freq.connected_debtor_day") == 1
    assert gate.of("另一家").parameter("freq.connected_debtor_day") == 2


@pytest.mark.parametrize(
    ("line", "text", "words"),
    [
        (3, "    params: {freq.connected_debtor_day: 4}", "The bound is 3"),
        (3, "    params: {freq.conected: 2}", "no parameter 'freq.conected'"),
        (3, "    params: {hours.end: '07:00'}", "not after"),
        (3, "    pack: mars", "mars"),
        (4, "    institutions:\n      甲: {freq.connected_debtor_day: 4}", "The bound is 3"),
        (
            5,
            "    params: {freq.connected_debtor_day: 1}\n    institutions:\n"
            "      甲: {freq.connected_debtor_day: 2}",
            "looser",
        ),
    ],
)
def test_a_parameter_past_its_bound_names_its_line(file: Path, line: int, text: str, words: str) -> None:
    file.write_text(f"policies:\n  - file: {PACK}\n{text}\n")
    with pytest.raises(InputError, match=words) as fault:
        load_site(file).gate(WallClock(ZoneInfo("Asia/Shanghai")))
    assert (fault.value.where, fault.value.line) == (file, line)
