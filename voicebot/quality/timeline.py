"""The picture of one call: both waveforms, turns, barge-ins, answer times and the handoff.

Drawn with matplotlib as SVG.  Its colours are CSS variables with a light fall-back, so the same picture
follows the page's light or dark scheme and still stands alone; each turn is a group with the id `turn-N`.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from voicebot.call.record import CallRecord, Turn
from voicebot.quality.envelope import Envelope

WIDTH = 1200
"""Drawing units are pixels at this width."""
LEFT, RIGHT = 92, 14
LEFT_SHARE, RIGHT_SHARE = LEFT / WIDTH, RIGHT / WIDTH
LANE, LABELS, GAPS, HANDOFF, AXIS, TOP = 74, 20, 34, 30, 26, 22
TEXT = 11.5
CJK_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Serif CJK SC", "WenQuanYi Zen Hei")


@dataclass(frozen=True)
class TimelinePicture:
    """`svg` is one element; seconds `start_s` to `end_s` lie between LEFT_SHARE and 1 - RIGHT_SHARE of it."""

    svg: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class _Ink:
    """A colour as matplotlib writes it, and what the picture says in its place."""

    mark: str
    css: str


INKS = {
    "bot": _Ink("#010101", "var(--bot, #2b6cb0)"),
    "agent": _Ink("#020202", "var(--agent, #2f855a)"),
    "debtor": _Ink("#030303", "var(--callee, #b7691f)"),
    "network": _Ink("#040404", "var(--network, #7a6a9b)"),
    "text": _Ink("#050505", "var(--ink, #1f2933)"),
    "soft": _Ink("#060606", "var(--soft, #5b6875)"),
    "rule": _Ink("#070707", "var(--rule, #d9dee4)"),
    "alarm": _Ink("#080808", "var(--alarm, #c0392b)"),
    "lane": _Ink("#090909", "var(--lane, #f4f6f8)"),
    "quick": _Ink("#0a0a0a", "var(--quick, #4a5a6a)"),
}
PHASES = (("asked", "soft"), ("ringing", "network"), ("whisper", "bot"), ("bridged", "agent"))
SLOW_MS = 1500
"""The demo's bound for p95: a slower answer is drawn in the colour of an alarm."""


def draw_timeline(
    record: CallRecord, sound: Envelope | None, words: Sequence[str] | None = None
) -> TimelinePicture:
    """Draws one call.  `words` are the turns' texts as the page may show them (masked)."""
    said = list(words) if words is not None else [turn.text for turn in record.turns]
    picture = _Picture(record, sound, said)
    return TimelinePicture(picture.draw(), picture.start, picture.end)


@functools.cache
def _font() -> str | None:
    """A font that has Chinese; without one the picture shows numbers only, for boxes help nobody."""
    known = set(font_manager.get_font_names())
    return next((name for name in CJK_FONTS if name in known), None)


class _Picture:
    def __init__(self, record: CallRecord, sound: Envelope | None, said: list[str]) -> None:
        self.record, self.sound, self.said = record, sound, said
        handoff = record.handoff
        times = [0.0, sound.seconds if sound else 0.0]
        times += [turn.start_s for turn in record.turns] + [turn.end_s for turn in record.turns]
        times += [event.at_s for event in record.events]
        times += [latency.first_audio_s for latency in record.latencies]
        if handoff:
            times += [t for t in (handoff.asked_s, handoff.ended_s) if t is not None]
        self.start = min(times)
        self.end = max([*times, self.start + 1.0])
        self.px_per_s = (WIDTH - LEFT - RIGHT) / (self.end - self.start)
        below = AXIS + (HANDOFF if handoff else 0)
        self.height = TOP + 2 * (LANE + LABELS) + GAPS + below
        self.ours_y = self.height - TOP - LABELS - LANE / 2
        self.gaps_y = self.ours_y - LANE / 2 - GAPS / 2
        self.theirs_y = self.gaps_y - GAPS / 2 - LANE / 2
        self.handoff_y = AXIS + HANDOFF / 2
        self.figure = Figure(figsize=(WIDTH / 72, self.height / 72), dpi=72)
        FigureCanvasSVG(self.figure)
        self.axes: Axes = self.figure.add_axes(
            (LEFT / WIDTH, 0, (WIDTH - LEFT - RIGHT) / WIDTH, 1), frame_on=False
        )
        self.axes.set_xlim(self.start, self.end)
        self.axes.set_ylim(0, self.height)
        self.axes.set_axis_off()

    def draw(self) -> str:
        settings: dict[Any, Any] = {
            "svg.fonttype": "none",
            "svg.hashsalt": "voicebot",
            "font.sans-serif": [name for name in (_font(), "DejaVu Sans") if name],
            "font.family": "sans-serif",
        }
        with matplotlib.rc_context(settings):
            self._lanes()
            for number, turn in enumerate(self.record.turns, start=1):
                self._turn(number, turn)
            if self.sound:
                self._waves(self.sound)
            self._answers()
            self._events()
            self._handoff()
            self._ruler()
            out = io.StringIO()
            self.figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        return _finish(out.getvalue())

    def _write(self, x: float, y: float, text: str, ink: str, size: float = TEXT, **style: Any) -> None:
        self.axes.text(
            x, y, text, color=INKS[ink].mark, fontsize=size, va="center", parse_math=False, **style
        )

    def _box(self, x0: float, x1: float, y: float, height: float, ink: str, **style: Any) -> Rectangle:
        box = Rectangle((x0, y), max(x1 - x0, 1 / self.px_per_s), height, color=INKS[ink].mark, lw=0, **style)
        self.axes.add_patch(box)
        return box

    def _lanes(self) -> None:
        margin = self.start - 10 / self.px_per_s
        for y, name, sub in (
            (self.ours_y, "Bot · agent", "left channel"),
            (self.theirs_y, "Callee", "right channel"),
        ):
            self._box(self.start, self.end, y - LANE / 2, LANE, "lane")
            self._write(margin, y + 7, name, "text", ha="right")
            self._write(margin, y - 8, sub, "soft", 9.5, ha="right")
        if self.record.latencies:
            self._write(margin, self.gaps_y, "answer in ms", "soft", 9.5, ha="right")

    def _turn(self, number: int, turn: Turn) -> None:
        ours = turn.speaker in ("bot", "agent")
        y = self.ours_y if ours else self.theirs_y
        band = self._box(turn.start_s, turn.end_s, y - LANE / 2, LANE, turn.speaker, alpha=0.16)
        band.set_gid(f"turn-{number}")
        self._box(turn.start_s, turn.end_s, y + (LANE / 2 - 2 if ours else -LANE / 2), 2, turn.speaker)
        label_y = y + (LANE + LABELS) / 2 if ours else y - (LANE + LABELS) / 2
        text = str(number)
        if _font() and (short := _cut(self.said[number - 1], self._room(number, ours) - 20)):
            text += f" {short}"
        self._write(turn.start_s, label_y, text, turn.speaker, 10.5, gid=f"label-{number}")

    def _room(self, number: int, ours: bool) -> float:
        """Pixels from a turn's start to the next label of its lane."""
        later = [
            turn.start_s for turn in self.record.turns[number:] if (turn.speaker in ("bot", "agent")) == ours
        ]
        until = min(later, default=self.end)
        return (until - self.record.turns[number - 1].start_s) * self.px_per_s

    def _waves(self, sound: Envelope) -> None:
        for peaks, y in ((sound.ours, self.ours_y), (sound.theirs, self.theirs_y)):
            times = (np.arange(len(peaks)) + 0.5) * sound.bin_s
            half = _shape(peaks) * (LANE / 2 - 6)
            if y == self.theirs_y:
                self._wave(times, half, y, "debtor", None)
                continue
            agent = [(t.start_s, t.end_s) for t in self.record.turns if t.speaker == "agent"]
            spoken_by_agent = np.zeros(len(times), bool)
            for start, end in agent:
                spoken_by_agent |= (times >= start - sound.bin_s) & (times <= end + sound.bin_s)
            self._wave(times, half, y, "bot", ~spoken_by_agent)
            if agent:
                self._wave(times, half, y, "agent", spoken_by_agent)

    def _wave(
        self,
        times: npt.NDArray[np.floating[Any]],
        half: npt.NDArray[np.float32],
        y: float,
        ink: str,
        where: npt.NDArray[np.bool_] | None,
    ) -> None:
        self.axes.fill_between(times, y - half, y + half, where=where, color=INKS[ink].mark, lw=0)

    def _answers(self) -> None:
        for latency in self.record.latencies:
            start, end = latency.end_of_speech_s, latency.first_audio_s
            ink = "alarm" if latency.ms > SLOW_MS else "quick"
            colour = INKS[ink].mark
            self.axes.plot([start, end], [self.gaps_y - 8] * 2, color=colour, lw=2, solid_capstyle="butt")
            self.axes.plot([start, start], [self.gaps_y - 17, self.gaps_y - 4], color=colour, lw=1)
            self.axes.plot([end, end], [self.gaps_y - 8, self.gaps_y + 17], color=colour, lw=1)
            self._write((start + end) / 2, self.gaps_y + 3, f"{latency.ms:.0f}", ink, 10, ha="right")

    def _events(self) -> None:
        top = self.height - TOP
        for event in self.record.events:
            if event.kind == "barge_in":
                self.axes.plot(
                    [event.at_s] * 2,
                    [self.theirs_y - LANE / 2, top + 6],
                    color=INKS["alarm"].mark,
                    lw=1.2,
                    ls=(0, (3, 2)),
                )
                self._write(event.at_s, top + 13, "barge-in", "alarm", 10, ha="center")
            elif event.kind == "dtmf":
                self._box(
                    event.at_s, event.at_s + 5 / self.px_per_s, self.theirs_y - LANE / 2 - 4, 8, "debtor"
                )

    def _handoff(self) -> None:
        handoff = self.record.handoff
        if not handoff:
            return
        self._write(self.start - 10 / self.px_per_s, self.handoff_y, "Handoff", "text", ha="right")
        times = (handoff.asked_s, handoff.ringing_s, handoff.whisper_s, handoff.bridged_s)
        reached = [(t, name, ink) for t, (name, ink) in zip(times, PHASES, strict=True) if t is not None]
        ends = [t for t, _, _ in reached[1:]] + [handoff.ended_s or self.end]
        for (start, name, ink), end in zip(reached, ends, strict=True):
            self._box(start, end, self.handoff_y - 8, 16, ink, alpha=0.22)
            self.axes.plot(
                [start] * 2, [self.handoff_y - 8, self.handoff_y + 8], color=INKS[ink].mark, lw=1.5
            )
            room = (end - start) * self.px_per_s - 8
            if label := _cut(name, room):
                self._write(start + 5 / self.px_per_s, self.handoff_y, label, ink, 10)

    def _ruler(self) -> None:
        step = next((s for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600) if s * self.px_per_s >= 56), 1800)
        self.axes.plot([self.start, self.end], [AXIS - 4] * 2, color=INKS["rule"].mark, lw=1)
        tick = np.ceil(self.start / step) * step
        while tick <= self.end:
            mark = round(tick)
            self.axes.plot([tick] * 2, [AXIS - 4, AXIS - 8], color=INKS["soft"].mark, lw=1)
            sign = "−" if mark < 0 else ""
            self._write(tick, 10, f"{sign}{abs(mark) // 60}:{abs(mark) % 60:02d}", "soft", 10, ha="center")
            tick += step
        if self.start < 0:
            self.axes.plot(
                [0, 0], [AXIS - 4, self.height - TOP], color=INKS["soft"].mark, lw=1, ls=(0, (1, 2))
            )


def _shape(peaks: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Quiet speech stays visible: normalised to the loudest bin, then bent upwards."""
    loudest = float(peaks.max(initial=0.0))
    if loudest < 1e-3:
        return np.zeros_like(peaks)
    return np.asarray((peaks / loudest) ** 0.7, np.float32)


def _cut(text: str, room_px: float) -> str:
    """As much of `text` as fits, with an ellipsis; nothing when not even two characters fit."""
    widths = [TEXT if ord(char) > 0x2E80 else TEXT * 0.58 for char in text]
    if sum(widths) <= room_px:
        return text
    used, kept = TEXT, 0
    for width in widths:
        if used + width > room_px:
            break
        used, kept = used + width, kept + 1
    return text[:kept] + "…" if kept >= 2 else ""


DECIMALS = re.compile(r"\d+\.\d+")


def _tenth(number: re.Match[str]) -> str:
    """A tenth of a pixel is enough and halves the file."""
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _finish(svg: str) -> str:
    """The `<svg>` element alone, fluid in width, with the inks put in place of their marks."""
    inks: dict[str, str] = {ink.mark: ink.css for ink in INKS.values()}
    svg = re.sub(r' d="([^"]*)"', lambda path: f' d="{DECIMALS.sub(_tenth, path[1])}"', svg)
    swap: Callable[[re.Match[str]], str] = lambda found: inks.get(found[0], found[0])  # noqa: E731
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.S)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1, flags=re.S)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1, flags=re.S)
    return re.sub(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]\b", swap, svg)
