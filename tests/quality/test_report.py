"""The report as a reader and as a compliance officer meet it: whole, masked, and fetching nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from voicebot.call.record import CallRecord, RecordingRef, Turn
from voicebot.call.recording_file import open_recording
from voicebot.campaign.summary import Refused, build_summary
from voicebot.clock import ManualClock
from voicebot.quality.report import write_report
from voicebot.store.encryption import KeyRing
from voicebot.store.states import Disposition

NAME = "张伟"
ADDRESS = re.compile(r"(?:https?:)?//[\w.]+")


class Page(HTMLParser):
    """Tags with their attributes, and the text that a reader sees."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.html = file.read_text("utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, name: str) -> list[dict[str, str]]:
        return [attributes for _, attributes in self.tags if name in attributes]


@pytest.fixture
def write(
    tmp_path: Path, refused: list[Refused], engines: Any, start: Any, recording_keys: KeyRing
) -> Callable[..., Path]:
    def write(records: list[CallRecord], **more: Any) -> Path:
        summary = build_summary(
            campaign="demo",
            records=records,
            refused=refused,
            engines=engines,
            clock=ManualClock(start, 90.0),
            seconds=90.0,
            callee_results=[{"turns": [{"latency_ms": 612.0}, {"latency_ms": 803.0}]}],
        )
        names = {record.case_id: (NAME,) for record in records}
        return write_report(
            tmp_path / "report",
            campaign="demo",
            records=records,
            refused=refused,
            summary=summary,
            names=names,
            **{"keys": recording_keys, **more},
        )

    return write


def test_every_call_has_a_row_and_a_page(write: Callable[..., Path], records: list[CallRecord]) -> None:
    index = write(records)
    page = Page(index)
    for record in records:
        assert record.case_id in page.text
        assert record.phone_masked in page.text
        assert (index.parent / "calls" / f"{record.attempt_id}.html").is_file()
    links = [a["href"] for tag, a in page.tags if tag == "a" and a.get("href", "").startswith("calls/")]
    assert links == [f"calls/{record.attempt_id}.html" for record in records]
    assert all((index.parent / link).is_file() for link in links)


def test_refusals_show_rule_code_and_the_reason_in_chinese(
    write: Callable[..., Path], records: list[CallRecord]
) -> None:
    text = Page(write(records)).text
    for word in ("已列入禁拨名单", "STOP_LIST", "G09", "外呼号码未备案或已失效", "TOOL_NOT_FILED", "G11"):
        assert word in text


def test_a_call_page_tells_the_whole_call(write: Callable[..., Path], records: list[CallRecord]) -> None:
    record = records[0]
    page = Page(write(records).parent / "calls" / f"{record.attempt_id}.html")
    said = [a for a in page.having("data-from") if "turn" in a.get("class", "")]
    assert [float(a["data-from"]) for a in said] == [turn.start_s for turn in record.turns]
    assert "为保护您的个人信息，请说一下身份证号码的最后四位" in page.text
    for word in (record.digest, record.pack, record.caller, record.worker, "200 OK", "C.verify", "A.promise"):
        assert word in page.text
    assert "97 %" in page.text and "34 ms" in page.text and "1600 ms" in page.text
    assert "Barge-in" in page.text


def test_a_press_on_a_turn_finds_its_place_in_the_recording(
    write: Callable[..., Path], records: list[CallRecord], recording_keys: KeyRing
) -> None:
    record = records[0]
    folder = write(records).parent / "calls"
    page = Page(folder / f"{record.attempt_id}.html")
    jumps = [float(a["data-at"]) for tag, a in page.tags if tag == "button" and "data-at" in a]
    assert jumps == [turn.start_s for turn in record.turns]
    [player] = [a for tag, a in page.tags if tag == "audio"]
    assert record.recording is not None
    with open_recording(record.recording, record.attempt_id, recording_keys) as audio:
        assert (folder / player["src"]).read_bytes() == audio.read()


def test_nothing_is_fetched_from_outside(write: Callable[..., Path], records: list[CallRecord]) -> None:
    folder = write(records).parent
    for file in folder.rglob("*.html"):
        page = Page(file)
        for attributes in [*page.having("src"), *page.having("href")]:
            for address in (
                attributes.get("src", ""),
                attributes.get("xlink:href", ""),
                attributes.get("href", ""),
            ):
                assert not ADDRESS.match(address), f"{file.name}: {address}"
                if address and not address.startswith(("#", "data:")):
                    assert (file.parent / address).exists(), f"{file.name}: {address}"
    for asset in (folder / "assets").iterdir():
        assert not ADDRESS.search(asset.read_text("utf-8")), asset.name
        assert "@import" not in asset.read_text("utf-8")


def test_no_name_no_number_no_identity_digits(write: Callable[..., Path], records: list[CallRecord]) -> None:
    folder = write(records).parent
    for file in folder.rglob("*.html"):
        html = file.read_text("utf-8")
        assert NAME not in html, file.name
        assert "13812345678" not in html, file.name
        assert "一二三四" not in html, file.name
    page = Page(folder / "calls" / f"{records[0].attempt_id}.html")
    assert "请问您是张*本人吗" in page.text
    assert "拨打95533核实" in page.text, "the service line is no personal data"
    assert "一千二百三十四元五角" in page.text, "what was said of the debt is the proof"


def test_words_of_a_callee_are_never_markup(
    write: Callable[..., Path], make_call: Callable[..., CallRecord]
) -> None:
    words = "<script>alert(1)</script>&\"'"
    record = make_call(
        1, Disposition.HUNG_UP, turns=[Turn(speaker="debtor", start_s=1, end_s=9, text=words, confidence=0.5)]
    )
    folder = write([record]).parent
    page = Page(folder / "calls" / f"{record.attempt_id}.html")
    assert words in page.text
    for file in (folder / "index.html", folder / "calls" / f"{record.attempt_id}.html"):
        assert "<script>alert" not in file.read_text("utf-8")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda file: file.unlink(), "not where the record says"),
        (lambda file: file.write_bytes(file.read_bytes()[:-2] + b"\0\1"), "was changed"),
    ],
)
def test_a_lost_or_altered_recording_is_said_and_not_played(
    write: Callable[..., Path], records: list[CallRecord], harm: Callable[[Path], object], said: str
) -> None:
    record = records[0]
    assert isinstance(record.recording, RecordingRef)
    harm(Path(record.recording.path))
    page = Page(write(records).parent / "calls" / f"{record.attempt_id}.html")
    assert said in page.text
    assert not [tag for tag, _ in page.tags if tag == "audio"]
    assert not page.having("data-at")


def test_an_unanswered_call_and_an_empty_run_have_readable_pages(
    write: Callable[..., Path], records: list[CallRecord]
) -> None:
    busy = records[3]
    page = Page(write(records).parent / "calls" / f"{busy.attempt_id}.html")
    assert "No conversation took place." in page.text and "486 Busy Here" in page.text
    assert "No call was placed." in Page(write([])).text


def test_every_control_has_a_name_and_every_page_a_language(
    write: Callable[..., Path], records: list[CallRecord]
) -> None:
    for file in write(records).parent.rglob("*.html"):
        page = Page(file)
        assert page.tags[0] == ("html", {"lang": "en"})
        assert [tag for tag, _ in page.tags].count("h1") == 1
        for tag, attributes in page.tags:
            if tag == "svg":
                break
            if attributes.get("role") == "img":
                assert attributes["aria-label"]


def test_without_keys_recordings_stay_sealed(write: Callable[..., Path], records: list[CallRecord]) -> None:
    folder = write(records, keys=None).parent
    assert "is sealed" in Page(folder / "calls" / f"{records[0].attempt_id}.html").text
    assert list((folder / "audio").iterdir()) == []
