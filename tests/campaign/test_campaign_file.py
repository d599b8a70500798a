"""Campaign files: good ones load whole, wrong ones name file, line, key and what is allowed."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from voicebot.campaign.calling_windows import by_day
from voicebot.campaign.campaign_file import Campaign, load_campaign
from voicebot.campaign.campaign_schema import campaign_schema, schema_text
from voicebot.campaign.changes import CHANGEABLE, changed_while_running
from voicebot.campaign.holidays import HolidayFile
from voicebot.campaign.list_columns import COLUMNS
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
ROOT = Path(__file__).parents[2]
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
    assert sorted(by_day(campaign.windows)) == ["fri", "mon", "sat", "thu", "tue", "wed"]
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
        ("BUSY: 20m", "STOP_REQUEST: 1d", 11, "nobody is tried again"),
        ("attempts: 3", "attempts: 3, tries: 2", 11, "Allowed: after, attempts"),
        ("reminder@1", "reminder", 3, "write it like reminder@1"),
        ("reminder@1", "reminder@latest", 3, "write it like reminder@1"),
        ("talk_track:", "track:", 3, "Did you mean 'talk_track'?"),
        ("lists: [list.csv]", "lists: []", 4, "at least 1 item"),
        ('"09:00-12:00", "13:30', '"09:00-14:00", "13:30', 9, "overlap at 13:30"),
        ("windows:", "holidays: nowhere.yaml\nwindows:", 8, "there is no nowhere.yaml"),
        ("windows:", "pacing: {mode: fast}\nwindows:", 8, "progressive"),
        ("windows:", "pacing: {mode: fixed, speed: 3}\nwindows:", 8, "unknown"),
        ("windows:", "start: 2026-03-02\nend: 2026-03-01\nwindows:", 1, "end is before start"),
        ("attempts: 3", "attempts: 0", 11, "greater than or equal to 1"),
        ("021-60000001", "021-6000", 6, "numbering plan"),
        ("[list.csv]", "[other.csv]", 4, "there is no other.csv"),
        ("{file: balances.csv}", "{}", 12, "either file or http"),
        ("trunk: simulated", "trunk: carrier", 14, "loopback"),
        ("talk_track: reminder@1", "talk_track: reminder@1\ntalk_track: other@1", 4, "given twice"),
        ("name: spring", "name: [", 3, "expected"),
        ("inst_name: 海城消金", "inst_name: 海城小贷", 13, "must not say 贷"),
        ("inst_name: 海城消金", "inst_name: {type: name, value: 海城清收}", 13, "must not say 清收"),
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


def test_one_list_needs_no_brackets(folder: Path) -> None:
    assert load(folder, GOOD.replace("[list.csv]", "list.csv")).lists == (folder / "list.csv",)


def test_holidays_of_a_file_are_looked_at_when_the_campaign_is(folder: Path) -> None:
    calendar = folder / "holidays.yaml"
    calendar.write_text("source: x\nstart: 2026-01-01\nend: 2026-12-31\n")
    text = GOOD.replace("windows:", "holidays: holidays.yaml\nwindows:")
    assert load(folder, text).holidays == calendar
    calendar.write_text("source: x\nstart: 2026-01-01\nend: 2025-12-31\n")
    with pytest.raises(InputError, match=r"holidays\.yaml:1"):
        load(folder, text)


# ---- the published schema ----


def test_the_published_schema_is_that_of_the_code() -> None:
    published = (ROOT / "docs/campaign.schema.json").read_text("utf-8")
    assert published == schema_text(), (
        "run: python -m voicebot.campaign.campaign_schema docs/campaign.schema.json"
    )


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs/campaigns").glob("*.yaml")), ids=lambda path: path.name
)
def test_our_campaign_files_name_the_schema_and_fit_it(path: Path) -> None:
    first = path.read_text("utf-8").splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(.*)", first)
    assert named and (path.parent / named[1]).resolve() == ROOT / "docs/campaign.schema.json"
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), campaign_schema())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("trunk: simulated", "trunc: simulated"),
        ("name: spring\n", ""),
        ('["10:00-12:00"]', '["9:00-12:00"]'),
        ("  sat:", "  samstag:"),
        ("BUSY: 20m", "BUSY: soon"),
        ("BUSY: 20m", "STOP_REQUEST: 20m"),
        ("reminder@1", "reminder"),
        ("attempts: 3", "attempts: 0"),
    ],
)
def test_the_schema_refuses_what_the_code_refuses(old: str, new: str) -> None:
    jsonschema.validate(yaml.safe_load(GOOD), campaign_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(GOOD.replace(old, new, 1)), campaign_schema())


# ---- a file that is edited while its campaign runs ----

OTHER: dict[str, Any] = {
    "name": "summer",
    "institution": "另一家",
    "agency": "海岸服务",
    "talk_track": "reminder@2",
    "lists": ["other.csv"],
    "callers": [{"number": "021-60000009"}],
    "trunk": "carrier",
    "timezone": "Asia/Urumqi",
    "windows": {"mon": ["10:00-11:00"]},
    "holidays": "none",
    "lines": 9,
    "calls_per_second": 7.5,
    "ring_s": 20,
    "retry": {"attempts": 2},
    "order": "amount",
    "queue": "other",
    "pacing": {"mode": "progressive"},
    "voicemail": "leave_line",
    "balances": {"http": "http://localhost/b"},
    "values": {"inst_name": "别家"},
    "start": "2026-01-01",
    "end": "2026-12-31",
    "simulation": None,
}


@pytest.mark.parametrize("key", sorted(Campaign.model_fields))
def test_only_speed_and_hours_may_change(folder: Path, key: str) -> None:
    old = load(folder, GOOD)
    new = Campaign.model_validate(old.model_dump(mode="json") | {key: OTHER[key]})
    changes = changed_while_running(old, new)
    if key in ("pacing", "lines", "calls_per_second", "windows"):
        assert (list(changes.allowed), changes.refused) == ([key], ())
        assert changes.applied_to(old) == new
    else:
        assert (changes.allowed, changes.refused) == ({}, (key,))
        assert changes.applied_to(old) == old
    assert changes and not changed_while_running(old, old)
    assert set(CHANGEABLE) <= set(Campaign.model_fields)


# ---- the page for operations ----

PAGE = (ROOT / "docs/campaigns.md").read_text("utf-8")


def test_the_examples_of_the_page_hold() -> None:
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    _hint, campaign, calendar = blocks
    jsonschema.validate(yaml.safe_load(json.dumps(campaign, default=str)), campaign_schema())
    assert set(campaign) == set(Campaign.model_fields) - {"simulation"}, "the page shows every key"
    Campaign.model_validate(campaign)
    HolidayFile.model_validate(calendar)


@pytest.mark.parametrize("column", [name for name in COLUMNS if "_alt_" not in name])
def test_the_page_names_every_column(column: str) -> None:
    assert f"`{column}`" in PAGE
