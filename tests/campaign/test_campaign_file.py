"""Campaign files: good ones load whole, wrong ones name file, line, key and what is allowed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from voicebot.campaign.campaign_file import Campaign, load_campaign
from voicebot.errors import InputError
from voicebot.store.states import Disposition

GOOD = """\
name: spring
institution: 海城消费金融
talk_track: reminder@1
lists: [list.csv]
callers:
  - {number: "021-60000001"}
trunk: simulated
windows:
  mon-fri: ["09:00-12:00", "13:30-20:00"]
  sat: ["10:00-12:00"]
retry: {attempts: 3, after: {BUSY: 20m, NO_ANSWER: 2h}}
balances: {file: balances.csv}
values: {inst_name: 海城消金, official_no: "4000095500", plan_amount: {type: money, value: 10000}}
simulation: {start: "2026-03-02T10:15"}
"""
TRUNKS = """\
trunks:
  simulated: {simulated: true}
  carrier: {gateways: ["sbc.example:5060"]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "list.csv").write_text("case_id\n")
    (tmp_path / "balances.csv").write_text("case_id\n")
    (tmp_path / "trunks.yaml").write_text(TRUNKS)
    return tmp_path


def load(folder: Path, text: str) -> Campaign:
    (folder / "c.yaml").write_text(text)
    return load_campaign(folder / "c.yaml", folder / "trunks.yaml")


def test_a_good_file(folder: Path) -> None:
    campaign = load(folder, GOOD)
    assert campaign.lists == (folder / "list.csv",)
    assert campaign.callers_of(None) == ["+862160000001"]
    assert campaign.callers_of("海岸服务") == []
    assert campaign.retry.after[Disposition.BUSY] == timedelta(minutes=20)
    assert sorted(campaign.windows) == ["fri", "mon", "sat", "thu", "tue", "wed"]
    slots = campaign.shared_slots()
    assert (slots["official_no"], slots["plan_amount"]) == (("number", "4000095500"), ("money", 10000))
    assert campaign.simulation_start is not None and campaign.simulation_start.utcoffset() == timedelta(
        hours=8
    )


def test_a_campaign_comes_back_from_the_store_as_it_was(folder: Path) -> None:
    campaign = load(folder, GOOD)
    assert Campaign.model_validate(campaign.model_dump(mode="json")) == campaign


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("trunk: simulated", "trunc: simulated", 7, "Did you mean 'trunk'?"),
        ("trunk: simulated", "trunk: nowhere", 7, "Known: simulated, carrier"),
        ("name: spring\n", "", 1, "missing"),
        ("windows:", "timezone: Asia/Shangahi\nwindows:", 8, "no time zone"),
        ('["10:00-12:00"]', '["9:00-12:00"]', 10, "09:00-12:00"),
        ('["10:00-12:00"]', '["22:00-02:00"]', 10, "ends before it begins"),
        ("  sat:", "  samstag:", 8, "no weekday"),
        ("  sat:", "  fri:", 8, "given twice"),
        ("BUSY: 20m", "BUSY: soon", 11, "20m"),
        ("BUSY: 20m", "BESETZT: 20m", 11, "BUSY"),
        ("attempts: 3", "attempts: 0", 11, "greater than or equal to 1"),
        ("021-60000001", "021-6000", 6, "numbering plan"),
        ("[list.csv]", "[other.csv]", 4, "there is no other.csv"),
        ("{file: balances.csv}", "{}", 12, "either file or http"),
        ("trunk: simulated", "trunk: carrier", 14, "loopback"),
        ("talk_track: reminder@1", "talk_track: reminder@1\ntalk_track: other@1", 4, "given twice"),
        ("name: spring", "name: [", 3, "expected"),
    ],
)
def test_a_wrong_file_says_where_and_what(folder: Path, old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError) as fault:
        load(folder, GOOD.replace(old, new, 1))
    assert words in str(fault.value)
    assert fault.value.line == line, str(fault.value)
    assert str(folder / "c.yaml") in str(fault.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_campaign(tmp_path / "none.yaml")


def test_without_a_simulation_a_carrier_is_fine(folder: Path) -> None:
    text = GOOD.replace("trunk: simulated", "trunk: carrier").replace(
        'simulation: {start: "2026-03-02T10:15"}\n', ""
    )
    assert load(folder, text).trunk == "carrier"
