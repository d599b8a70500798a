"""What a person sees of a run: one line a call, counters above; plain lines without a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from voicebot.campaign.summary import Refused
from voicebot.quality.wording import DISPOSITIONS, length
from voicebot.store.states import Disposition

REFRESH_PER_S = 4
FRAME_LINES = 10
"""Lines of the terminal that are not rows: counters, heading, frame, and room for the prompt."""
BAR_WIDTH = 40
LINES_OF_ENROLMENT = 10
"""So often a long enrolment says how far it is where no bar can be drawn."""
TONE_STYLES = {"good": "green", "talk": "cyan", "care": "yellow", "stop": "red", "none": "bright_black"}
STATE_STYLES = {
    "dialling": "yellow",
    "ringing": "yellow",
    "answered": "bold green",
    "handoff": "bold magenta",
    "refused": "red",
    "unknown": "bold red",
    "not dialled": "red",
}
ENDED = frozenset({"closed", "refused", "unknown", "not dialled", "notdialled"})


@dataclass
class _Row:
    began: float
    shown: dict[str, str] = field(default_factory=dict)
    ended: float | None = None

    def elapsed_s(self, now: float) -> float:
        return (self.ended if self.ended is not None else now) - self.began


class LiveTable:
    """Shows a run.  Use as a context manager; `update` and `counters` may be called at any rate.

    On a terminal it redraws itself; elsewhere (a pipe, CI) each change of a call becomes one line.
    """

    def __init__(
        self,
        campaign: str,
        *,
        console: Console | None = None,
        clock_text: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock_text` names the run's clock when it is not the real one."""
        self._campaign, self._clock_text, self._monotonic = campaign, clock_text, monotonic
        self._console = console or Console()
        self._rows: dict[str, _Row] = {}
        self._numbers: dict[str, int] = {}
        self._enrolled = 0, 0
        self._began = monotonic()
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self.render,
                console=self._console,
                refresh_per_second=REFRESH_PER_S,
                transient=True,
            )

    def __enter__(self) -> LiveTable:
        self._began = self._monotonic()
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def update(self, attempt_id: str, **fields: Any) -> None:
        """What changed of a call: phone (masked), case, state, line (being said), disposition, worker."""
        now = self._monotonic()
        row = self._rows.setdefault(attempt_id, _Row(began=now))
        changed = {name: str(value) for name, value in fields.items() if row.shown.get(name) != str(value)}
        row.shown.update(changed)
        if row.ended is None and row.shown.get("state") in ENDED:
            row.ended = now
        if self._live is None and changed.keys() & {"state", "line", "disposition"}:
            self._print_line(row, now)

    def counters(self, **numbers: int) -> None:
        """lines (in use), planned, done, refused, waiting (for an agent)."""
        self._numbers.update(numbers)

    def enrolling(self, done: int, wanted: int) -> None:
        """So many of the lists' cases are in the store.  Told once for each few thousand of them."""
        (before, _), self._enrolled = self._enrolled, (done, wanted)
        in_parts = wanted and (before or done < wanted)
        if (
            self._live is None
            and in_parts
            and done * LINES_OF_ENROLMENT // wanted > (before * LINES_OF_ENROLMENT // wanted)
        ):
            self._console.print(f"enrolled {done:,} of {wanted:,} cases", highlight=False)

    def _print_line(self, row: _Row, now: float) -> None:
        shown = row.shown
        said = shown.get("line") or shown.get("disposition", "")
        words = (
            f"{now - self._began:7.1f}s",
            f"{shown.get('case', ''):<12}",
            f"{shown.get('phone', ''):<12}",
            f"{shown.get('state', ''):<9}",
            said,
        )
        self._console.print("  ".join(words).rstrip(), markup=False, highlight=False, soft_wrap=True)

    def render(self) -> RenderableType:
        """The table as it stands: live calls last, so that they stay in sight when the terminal is short."""
        now = self._monotonic()
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
        for name, share in (("Number", 3), ("Case", 3), ("State", 3), ("Says", 3), ("Came to", 8)):
            table.add_column(name, ratio=share, no_wrap=True)
        table.add_column("Time", justify="right", no_wrap=True, min_width=5)
        rows = sorted(list(self._rows.values()), key=lambda row: (row.ended is None, row.ended or row.began))
        for row in rows[-max(4, self._console.height - FRAME_LINES) :]:
            shown = row.shown
            state = shown.get("state", "")
            table.add_row(
                shown.get("phone", ""),
                shown.get("case", ""),
                Text(state, STATE_STYLES.get(state, "")),
                Text(shown.get("line", ""), "cyan"),
                _outcome(shown.get("disposition", "")),
                length(row.elapsed_s(now)),
                style="" if row.ended is None else "dim",
            )
        done, wanted = self._enrolled
        if done >= wanted:
            return Group(self._heading(now), table)
        bar = ProgressBar(total=wanted, completed=done, width=BAR_WIDTH)
        return Group(self._heading(now), Text(f"enrolling: {done:,} of {wanted:,} cases"), bar)

    def _heading(self, now: float) -> Text:
        numbers = self._numbers
        heading = Text.assemble(
            ("● ", "bold green"), (self._campaign, "bold"), f"  {length(now - self._began)}"
        )
        if self._clock_text:
            heading.append(f"  {self._clock_text}", "yellow")
        for name, words in (
            ("lines", "lines in use"),
            ("planned", "planned"),
            ("done", "done"),
            ("refused", "refused"),
            ("waiting", "waiting for an agent"),
        ):
            heading.append("  " if name != "lines" else "\n")
            heading.append(str(numbers.get(name, 0)), "bold")
            heading.append(f" {words}", "dim")
        return heading


def _outcome(code: str) -> Text:
    """A disposition in words and its tone; anything else (a reason code of the gate) as it is."""
    if code not in Disposition.__members__:
        return Text(code, "red")
    meaning = DISPOSITIONS[Disposition(code)]
    return Text(f"{meaning.english} {meaning.chinese}", TONE_STYLES[meaning.tone])


def summary_table(
    summary: Mapping[str, Any], refused: Sequence[Refused], console: Console | None = None
) -> None:
    """Prints how the run ended: outcomes, refusals with their reasons, numbers."""
    out = console or Console()
    outcomes = Table(
        title=f"{summary['campaign']}: what the calls came to", box=box.SIMPLE_HEAD, title_justify="left"
    )
    outcomes.add_column("Calls", justify="right")
    outcomes.add_column("Outcome")
    outcomes.add_column("Code", style="dim")
    for code, count in sorted(summary["dispositions"].items(), key=lambda item: (-item[1], item[0])):
        outcomes.add_row(str(count), _outcome(code), code)
    out.print(outcomes)
    if refused:
        table = Table(title="Refused before dialling", box=box.SIMPLE_HEAD, title_justify="left")
        for name in ("Case", "Number", "Reason", "Code", "Rule"):
            table.add_column(name)
        for row in refused:
            table.add_row(row.case_id, row.phone_masked, Text(row.zh), row.reason, row.rule)
        out.print(table)
    numbers = Table(box=None, show_header=False, pad_edge=False)
    numbers.add_column(style="dim")
    numbers.add_column()
    for name, value in _numbers(summary):
        numbers.add_row(name, value)
    out.print(numbers)


def _numbers(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    handoffs, engines = summary["handoffs"], summary["engines"]
    median = f", median {handoffs['median_s']:.1f} s" if handoffs["median_s"] is not None else ""
    lost = f", {summary['lost']} lost with a worker" if summary["lost"] else ""
    clock = summary["clock"]
    kind = "simulated clock" if clock["simulated"] else "clock"
    measured = summary["latency_ms"] if summary["latency_ms"]["n"] else summary["latency_bot_ms"]
    answer = (
        f"p50 {measured['p50']:.0f} ms, p95 {measured['p95']:.0f} ms "
        f"({measured['n']} turns, measured at the {measured['measured_at']})"
        if measured["n"]
        else "no turn was measured"
    )
    fallbacks = summary["engine_fallbacks"]
    other = f"  ({fallbacks} calls on other engines!)" if fallbacks else ""
    return [
        ("Calls", f"{summary['calls']}, {summary['answered']} answered{lost}"),
        ("Handoffs", f"{handoffs['bridged']} bridged of {handoffs['asked']} asked{median}"),
        ("Recordings", f"{summary['recordings']} of {summary['answered']} answered calls"),
        ("Answer time", answer),
        ("Engines", f"{engines['asr']} · {engines['tts']} · {engines['vad']}{other}"),
        ("Time", f"{length(summary['seconds'])} min, {kind} from {clock['start']} {clock['zone']}"),
    ]
