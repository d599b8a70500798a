"""What a person sees while a campaign runs, on a terminal and in a pipe."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from voicebot.call.record import CallRecord
from voicebot.campaign.live_table import LiveTable, summary_table
from voicebot.campaign.summary import Refused, build_summary
from voicebot.clock import ManualClock
from voicebot.quality.script import print_call, script_lines
from voicebot.quality.wording import DISPOSITIONS
from voicebot.store.states import Disposition


class Seconds:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def pipe() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=200)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_in_a_pipe_each_change_is_one_line() -> None:
    console, seconds = pipe(), Seconds()
    with LiveTable("demo", console=console, monotonic=seconds) as table:
        table.update("a1", phone="138****1001", case="DEMO-001", state="claimed", worker="worker-1")
        seconds.now += 2
        table.update("a1", state="answered")
        table.update("a1", state="answered")
        table.update("a1", line="C.open")
        table.counters(lines=1, planned=3, done=0, refused=0, waiting=0)
        seconds.now += 30
        table.update("a1", line="", state="closed", disposition="PTP")
    lines = [line.split() for line in printed(console).splitlines()]
    assert lines == [
        ["0.0s", "DEMO-001", "138****1001", "claimed"],
        ["2.0s", "DEMO-001", "138****1001", "answered"],
        ["2.0s", "DEMO-001", "138****1001", "answered", "C.open"],
        ["32.0s", "DEMO-001", "138****1001", "closed", "PTP"],
    ]


def test_on_a_terminal_live_calls_stay_in_sight_and_ended_ones_stand_still() -> None:
    seconds = Seconds()
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=16)
    table = LiveTable("demo", console=console, clock_text="simulated clock", monotonic=seconds)
    for number in range(30):
        table.update(f"a{number}", case=f"DEMO-{number:03d}", state="answered", line="C.open")
    seconds.now += 10
    for number in range(29):
        table.update(f"a{number}", state="closed", line="", disposition="BUSY")
    seconds.now += 55
    table.counters(lines=1, planned=4, done=29, refused=2, waiting=1)
    out = pipe()
    out.print(table.render())
    text = printed(out)
    rows = [line for line in text.splitlines() if "DEMO-" in line]
    assert len(rows) == 6 and "DEMO-029" in rows[-1] and "1:05" in rows[-1]
    assert "Busy 忙线" in rows[0] and "0:10" in rows[0]
    assert "2 refused" in text and "1 waiting for an agent" in text and "simulated clock" in text


def test_the_closing_tables_name_outcomes_and_reasons(
    records: list[CallRecord], refused: list[Refused], engines: object, start: object
) -> None:
    summary = build_summary(
        campaign="demo",
        records=records,
        refused=refused,
        engines=engines,  # type: ignore[arg-type]
        clock=ManualClock(start),  # type: ignore[arg-type]
        seconds=90,
    )
    console = pipe()
    summary_table(summary, refused, console)
    text = printed(console)
    for words in (
        "Promise to pay 承诺还款",
        "已列入禁拨名单",
        "TOOL_NOT_FILED",
        "1 bridged of 1 asked",
        "11.2 s",
    ):
        assert words in text


def test_a_call_reads_as_a_script(records: list[CallRecord]) -> None:
    console = pipe()
    print_call(records[0], console, ["张伟"])
    text = printed(console)
    heard = text.index("是我")
    assert text.index("请问您是张*本人吗") < heard < text.index("C.yes_self 97% → C.verify")
    assert text.index("C.yes_self 97%") < text.index("最后四位")
    assert "0:09.1" in text and "(interrupted)" in text and "hangup PTP" in text
    assert "一二三四" not in text and "13812345678" not in text


def test_a_script_shows_the_handoff_step_by_step(records: list[CallRecord]) -> None:
    told = records[1]
    steps = [words.plain for _, who, words in script_lines(told) if who.plain in ("handoff", "event")]
    assert steps == ["Handoff reserving"]
    untold = told.model_copy(update={"events": []})
    steps = [words.plain for _, who, words in script_lines(untold) if who.plain == "handoff"]
    assert steps == ["asked", "ringing", "whisper", "bridged", "ended"]


def test_every_disposition_has_words() -> None:
    assert set(DISPOSITIONS) == set(Disposition)


@pytest.mark.parametrize("missing", ["style.css", "report.js", "base.html", "index.html", "call.html"])
def test_the_pages_are_part_of_the_package(missing: str) -> None:
    import voicebot.quality

    [folder] = voicebot.quality.__path__
    assert (Path(folder) / "templates" / missing).is_file()


def test_a_long_enrolment_shows_how_far_it_is() -> None:
    console = pipe()
    quiet = LiveTable("demo", console=console)
    for done in range(2000, 100_001, 2000):
        quiet.enrolling(done, 100_000)
    lines = printed(console).splitlines()
    assert lines[0] == "enrolled 10,000 of 100,000 cases" and lines[-1] == "enrolled 100,000 of 100,000 cases"
    assert len(lines) == 10
    bar = LiveTable("demo", console=Console(file=io.StringIO(), force_terminal=True, width=120))
    bar.enrolling(40_000, 100_000)
    out = pipe()
    out.print(bar.render())
    assert "enrolling: 40,000 of 100,000 cases" in printed(out) and "━" in printed(out)
    bar.enrolling(100_000, 100_000)
    out = pipe()
    out.print(bar.render())
    assert "enrolling" not in printed(out)


def test_a_short_list_says_nothing_of_its_enrolment() -> None:
    console = pipe()
    LiveTable("demo", console=console).enrolling(24, 24)
    assert printed(console) == ""
