"""Benchmark: pacing over simulated working days, with the production pacing code and agent queue.

    python benchmarks/pacing.py [--hours 8] [--seeds 12] [--first-seed 0] [--json] [--processes 2]

Method: a discrete-event simulation (voicebot/simulate/pacing_day.py); one seed is one day with its team (2 to
20 agents), its answer rate (10-60 %, waves and sudden jumps), share of asks, talk times, breaks and sudden
meetings.  Each seed runs under each mode.  Conditions, or exit code 1:

- progressive and predictive: abandoned <= the cap (3 %) of the asks, for every seed;
- occupancy of agents, each seed weighted by its team: predictive > progressive, over all seeds and over those
  with 8 agents or more.  (Single days differ by chance; the table shows each.)

Pictures: benchmarks/pacing_8h.png (one day of the largest team), benchmarks/pacing_seeds.png (all seeds).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib
import structlog

from voicebot.campaign.pacing_settings import Pacing
from voicebot.simulate.pacing_day import DayResult, PacedDay

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
MODES = ("fixed", "progressive", "predictive")
COLOURS = {"fixed": "#999999", "progressive": "#1f77b4", "predictive": "#d62728"}
CAP = 0.03
LARGE_TEAM = 8
"""Below it the cap allows an abandoned call so seldom that the modes differ by chance only."""


def one_day(job: tuple[str, int, float]) -> DayResult:
    mode, seed, hours = job
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    settings = Pacing.model_validate({"mode": mode, "abandon_cap": CAP})
    return PacedDay(settings, seed, hours).run()


def judge(days: list[DayResult]) -> list[str]:
    """The conditions that are missed."""
    missed = []
    for day in days:
        if day.mode != "fixed" and day.abandon_rate > CAP:
            missed.append(f"{day.mode}, seed {day.seed}: {day.abandoned} of {day.wanted} abandoned")
    for least in (0, LARGE_TEAM):
        ahead, behind = (occupancy(days, mode, least) for mode in ("predictive", "progressive"))
        if ahead is not None and behind is not None and ahead <= behind:
            missed.append(f"teams of {least} and more: occupancy {ahead:.1%}, progressive {behind:.1%}")
    return missed


def occupancy(days: list[DayResult], mode: str, least_agents: int = 0) -> float | None:
    """Over all seeds, each weighted by its team; None without any."""
    mine = [day for day in days if day.mode == mode and day.agents >= least_agents]
    if not mine:
        return None
    return sum(day.occupancy * day.agents for day in mine) / sum(day.agents for day in mine)


def summary(days: list[DayResult]) -> dict[str, Any]:
    """The figures of each mode over its seeds."""
    figures: dict[str, Any] = {}
    for mode in MODES:
        mine = [day for day in days if day.mode == mode]
        wanted, abandoned = sum(day.wanted for day in mine), sum(day.abandoned for day in mine)
        figures[mode] = {
            "dials": sum(day.dials for day in mine),
            "wanted": wanted,
            "abandoned": abandoned,
            "abandon_rate": round(abandoned / wanted, 4),
            "worst_seed_rate": round(max(day.abandon_rate for day in mine), 4),
            "worst_running_rate": round(max(day.worst_rate for day in mine), 4),
            "most_over_cap": round(max(0.0, max(day.worst_rate for day in mine) - CAP), 4),
            "occupancy": round(occupancy(days, mode) or 0.0, 4),
            "dials_per_hour_and_agent": round(
                sum(day.dials_per_hour for day in mine) / sum(day.agents for day in mine), 1
            ),
        }
    return figures


def picture_of_day(days: list[DayResult], path: Path) -> None:
    """Answer rate, agents and their load, and the running share of abandoned calls of the largest team."""
    seed = max(days, key=lambda day: (day.agents, -day.seed)).seed
    mine = {day.mode: day for day in days if day.seed == seed}
    figure, axes = plt.subplots(4, 1, figsize=(9, 9.5), sharex=True, layout="constrained")
    some = mine["predictive"]
    hours = [one.hour for one in some.samples]
    axes[0].plot(hours, [one.answer_rate * 100 for one in some.samples], color="#2ca02c")
    axes[0].set_ylabel("answer rate, %")
    axes[0].set_ylim(0, 65)
    axes[0].set_title(f"One day, seed {seed}, a team of {some.agents} agents; abandon cap {CAP:.0%}")
    axes[1].step(hours, [one.agents for one in some.samples], color="black", lw=1, label="agents at work")
    for mode in ("progressive", "predictive"):
        busy = smooth([one.busy for one in mine[mode].samples], 10)
        label = f"busy, {mode} ({mine[mode].occupancy:.0%} of the day)"
        axes[1].plot(hours, busy, color=COLOURS[mode], lw=1.2, label=label)
        per_minute = smooth(rates([one.dials for one in mine[mode].samples]), 10)
        axes[2].plot(hours, per_minute, color=COLOURS[mode], lw=1.2, label=mode)
        running = [100 * one.abandoned / one.wanted if one.wanted else 0.0 for one in mine[mode].samples]
        label = f"{mode}: {mine[mode].abandoned} of {mine[mode].wanted} = {mine[mode].abandon_rate:.1%}"
        axes[3].plot(hours, running, color=COLOURS[mode], lw=1.2, label=label)
    axes[1].set_ylabel("agents\n(10-minute mean)")
    axes[1].set_ylim(bottom=0)
    axes[2].set_ylabel("dials a minute\n(10-minute mean)")
    axes[2].set_ylim(bottom=0)
    axes[3].axhline(CAP * 100, color="black", ls="--", lw=1, label="cap")
    axes[3].set_ylabel("abandoned so far,\n% of asks")
    axes[3].set_ylim(0, 5)
    axes[3].set_xlabel("hour of the day's work")
    for axis in axes[1:]:
        axis.legend(loc="best", fontsize=8, framealpha=0.9)
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def picture_of_seeds(days: list[DayResult], path: Path) -> None:
    """Each seed's share of abandoned calls and occupancy, small teams first."""
    order = sorted({(day.agents, day.seed) for day in days})
    figure, axes = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
    by = {(day.mode, day.seed): day for day in days}
    for offset, mode in ((-0.2, "progressive"), (0.2, "predictive")):
        places = [place + offset for place in range(len(order))]
        mine = [by[mode, seed] for _, seed in order]
        axes[0].bar(places, [100 * day.abandon_rate for day in mine], 0.38, color=COLOURS[mode], label=mode)
        axes[1].bar(places, [100 * day.occupancy for day in mine], 0.38, color=COLOURS[mode], label=mode)
    axes[0].axhline(CAP * 100, color="black", ls="--", lw=1, label="cap")
    axes[0].set_ylabel("abandoned, % of asks")
    axes[0].set_ylim(0, 4)
    axes[1].set_ylabel("occupancy of agents, %")
    axes[1].set_xticks(
        range(len(order)), [f"{agents} ag.\nseed {seed}" for agents, seed in order], fontsize=8
    )
    axes[0].set_title(
        f"{len(order)} simulated days of {days[0].hours:g} hours, the same days under both modes"
    )
    for axis in axes:
        axis.legend(loc="upper left", fontsize=8)
        axis.grid(alpha=0.3, axis="y")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def smooth(values: list[float], width: int) -> list[float]:
    """The mean of the last `width` values at each place."""
    return [sum(values[max(0, n - width + 1) : n + 1]) / min(width, n + 1) for n in range(len(values))]


def rates(counts: list[int]) -> list[float]:
    """Differences of a running count."""
    return [float(b - a) for a, b in zip([0, *counts], counts, strict=False)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--pictures", type=Path, default=HERE, help="folder of the pictures")
    arguments = parser.parse_args()
    began = time.monotonic()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    jobs = [(mode, seed, arguments.hours) for seed in seeds for mode in MODES]
    with ProcessPoolExecutor(arguments.processes) as pool:
        days = list(pool.map(one_day, jobs))
    picture_of_day(days, arguments.pictures / "pacing_8h.png")
    picture_of_seeds(days, arguments.pictures / "pacing_seeds.png")
    missed = judge(days)
    if arguments.json:
        report = {
            "benchmark": "pacing",
            "hours": arguments.hours,
            "seeds": list(seeds),
            "n_dials": sum(day.dials for day in days),
            "abandon_cap": CAP,
            "modes": summary(days),
            "days": [day.figures() for day in days],
            "missed": missed,
            "seconds": round(time.monotonic() - began, 1),
        }
        print(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        say(days, missed, arguments.hours, time.monotonic() - began)
    return 1 if missed else 0


def say(days: list[DayResult], missed: list[str], hours: float, seconds: float) -> None:
    print(f"{len(days)} days of {hours:g} h, {sum(day.dials for day in days)} dials, {seconds:.0f} s")
    print("mode         seed agents  dials/h  asks  aband.   rate  worst  occupancy  longest wait")
    for day in days:
        print(
            f"{day.mode:12} {day.seed:4} {day.agents:6} {day.dials_per_hour:8.0f} {day.wanted:5} "
            f"{day.abandoned:7} {day.abandon_rate:6.2%} {day.worst_rate:6.2%} {day.occupancy:10.1%} "
            f"{day.longest_wait_s:10.1f} s"
        )
    for mode, figures in summary(days).items():
        print(f"{mode}: {', '.join(f'{name} {value}' for name, value in figures.items())}")
    print("missed: " + "; ".join(missed) if missed else "all conditions hold")


if __name__ == "__main__":
    sys.exit(main())
