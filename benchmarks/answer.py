"""Who or what picked up: how often the first seconds are read rightly, and how soon the bot speaks.

    .venv/bin/python benchmarks/answer.py [--texts FILE] [--seed N] [--audio FOLDER] [--jobs N] [--json]

Method: some 370 answers are made from benchmarks/answer/texts.yaml (people of six voices and several
habits, children, a silent line, noise; mailboxes with a beep, phone assistants, networks that answer and
then say why; before the answer: announcements with their English, phone assistants, mailboxes, melodies,
firms' spoken ring-back, tones), each on a line of its own: level -28 to -15 dBFS, noise at -65 to -42 dBFS,
A-law, up to 5 % of the packets lost.  Each goes frame by frame through the classes of a call (ringing, ear,
opening, watch for machines, mouth, conversation) with the product's own recogniser; the SIP stack, the
dialog and the prompts are stand-ins.  Time is virtual: a decode takes as long as it took of the CPU, one at
a time; from the order to play until the first sample is on the line 40 ms are counted.  Decodes are kept in
var/benchmarks, so that a second run takes a minute or two.

Wait: how long a person waits for the bot's first sample, from the answer, or from the end of their own first
words (the first pause of 240 ms) if these come before it.  First audio: from the answer, for people who say
nothing or whose first words are over within 0.9 s; and, without a condition, for everybody who says no more
than a 喂 or the like, whose own words are in it.  Verdict: from the answer (or the beginning of the early
media) until it is known.

--audio FOLDER: WAV files instead, with FOLDER/manifest.json, a list of {"file": name, "phase": "answered" or
"early", "expect": human | VOICEMAIL | ASSISTANT | another disposition | none (early: rings on), "group": any
name, "begins_s": when the first words begin, "first_ends_s": when they end}; the last three may be left out.

Conditions: people taken for machines at most 1 %, machines taken for people at most 5 %, wait and first audio
at most 1.2 s (p95).  Also: announcements read wrongly at most 5 %, lines that ring (melodies, tones, noise,
silence) taken for an announcement at most 1 %.  Exit code 1 when one does not hold.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from answer_asr import Decodes
from answer_call import LONGEST_S, Answer, answered, early
from answer_material import TEXTS, Case, Studio, load_folder
from answer_sounds import a_law, at_level, noise

from voicebot.errors import InputError, NotReady
from voicebot.speech.asr.engine import load_engine
from voicebot.speech.audio import to_pcm
from voicebot.speech.vad import TwoStageVad

PEOPLE_LOST = 0.01
MACHINES_MISSED = 0.05
FIRST_AUDIO_S = 1.2
SOON_S = 0.9
"""First words that are over by then are a 喂: the bot is due right after them."""
MEMORY = Path("benchmarks") / "answer-decodes.json"


class Bench:
    """What one process needs for its share of the cases."""

    def __init__(self, models: Path, memory: Path, engine: str) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        self.decodes = Decodes(load_engine(engine, models), memory)
        self._vad = TwoStageVad(models / "silero" / "silero_vad.onnx")
        self._folder = Path(tempfile.mkdtemp(prefix="answer-"))
        line = at_level(noise("pink", 4.0, np.random.default_rng(1)), -60.0)
        self._noise = to_pcm(a_law(line))

    def run(self, case: Case) -> Answer:
        if case.phase == "early":
            return early(case.pcm, self.decodes, self._vad)
        return answered(case.pcm, self.decodes, self._vad, self._folder, self._noise)


_bench: Bench | None = None


def _begin(models: Path, memory: Path, engine: str) -> None:
    global _bench
    _bench = Bench(models, memory, engine)


def _one(case: Case) -> tuple[Answer, dict[str, Any]]:
    assert _bench is not None
    answer = _bench.run(case)
    return answer, _bench.decodes.take_new()


def run_all(cases: Sequence[Case], models: Path, memory: Path, engine: str, jobs: int) -> Iterator[Answer]:
    """The answers, in the order of the cases; progress on stderr."""
    kept = Decodes.load(memory)
    began = told = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(jobs, _begin, (models, memory, engine)) as pool:
        for number, (answer, new) in enumerate(pool.imap(_one, cases), 1):
            kept |= new
            if time.monotonic() - told > 5 or number == len(cases):
                told = time.monotonic()
                print(f"{number} of {len(cases)}, {told - began:.0f} s", file=sys.stderr, flush=True)
                Decodes.save(memory, kept)
            yield answer


# ---- figures ----


def _percentiles(values: Sequence[float]) -> dict[str, float | int]:
    if not values:
        return {"n": 0}
    p50, p95 = np.percentile(values, [50, 95])
    return {
        "n": len(values),
        "p50": round(float(p50), 3),
        "p95": round(float(p95), 3),
        "max": round(max(values), 3),
    }


def figures(results: Sequence[tuple[Case, Answer]]) -> dict[str, Any]:
    """Everything that is reported."""
    up = [(case, answer) for case, answer in results if case.phase == "answered"]
    before = [(case, answer) for case, answer in results if case.phase == "early"]
    people = [(case, answer) for case, answer in up if case.expect == "human"]
    machines = [(case, answer) for case, answer in up if case.expect != "human"]
    ringing = [(case, answer) for case, answer in before if case.expect == "none"]
    told = [(case, answer) for case, answer in before if case.expect != "none"]
    waits, soon, short = _first_audio(people)
    messages = [(case, answer) for case, answer in machines if case.beep_s and answer.message_s]
    return {
        "n": len(results),
        "groups": dict(Counter(case.group for case, _ in results)),
        "people": _wrong(people),
        "machines_taken_for_people": _share(answer.verdict == "human" for _, answer in machines),
        "machines": _wrong(machines),
        "announcements": _wrong(told),
        "ringing_taken_for_an_announcement": _wrong(ringing),
        "wait_s": _percentiles(waits),
        "first_audio_s": _percentiles(soon),
        "first_audio_with_their_own_words_s": _percentiles(short),
        "verdict_machine_s": _percentiles(
            [a.verdict_s for _, a in machines if a.verdict_s and a.verdict != "human"]
        ),
        "verdict_announcement_s": _percentiles(
            [a.verdict_s for _, a in told if a.verdict_s and a.verdict != "none"]
        ),
        "message_after_the_beep_s": _percentiles([a.message_s - c.beep_s for c, a in messages]),  # type: ignore[operator]
        "messages_before_the_beep": sum(a.message_s < c.beep_s for c, a in messages),  # type: ignore[operator]
        "confusions": _confusions(results),
    }


def _first_audio(people: Sequence[tuple[Case, Answer]]) -> tuple[list[float], list[float], list[float]]:
    """Waits of all; from the answer for the quick and the silent; from the answer for all who say a 喂."""
    waits: list[float] = []
    soon: list[float] = []
    short: list[float] = []
    for case, answer in people:
        audio_s = answer.first_audio_s
        if audio_s is None:
            waits.append(LONGEST_S)
            continue
        spoke = case.begins_s < case.first_ends_s and case.begins_s < audio_s
        waits.append(max(0.0, audio_s - case.first_ends_s) if spoke else audio_s)
        if not spoke or case.first_ends_s <= SOON_S:
            soon.append(audio_s)
        if case.group == "people_short":
            short.append(audio_s)
    return waits, soon, short


def _share(wrong: Iterator[bool]) -> dict[str, float | int]:
    values = list(wrong)
    return {"n": len(values), "wrong": sum(values), "share": round(sum(values) / max(1, len(values)), 4)}


def _wrong(results: Sequence[tuple[Case, Answer]]) -> dict[str, float | int]:
    return _share(iter([answer.verdict != case.expect for case, answer in results]))


def _confusions(results: Sequence[tuple[Case, Answer]]) -> dict[str, dict[str, int]]:
    """By phase and expectation: how often which verdict was reached."""
    table: dict[str, Counter[str]] = {}
    for case, answer in results:
        table.setdefault(f"{case.phase} {case.expect}", Counter())[answer.verdict] += 1
    return {row: dict(counts.most_common()) for row, counts in table.items()}


def missed(found: dict[str, Any]) -> list[str]:
    """The conditions that do not hold."""
    late = [name for name in ("wait_s", "first_audio_s") if found[name].get("p95", 0.0) > FIRST_AUDIO_S]
    shares = {
        "people taken for machines": (found["people"], PEOPLE_LOST),
        "a ringing line taken for an announcement": (found["ringing_taken_for_an_announcement"], PEOPLE_LOST),
        "machines taken for people": (found["machines_taken_for_people"], MACHINES_MISSED),
        "announcements before the answer": (found["announcements"], MACHINES_MISSED),
    }
    return [what for what, (figure, limit) in shares.items() if figure["share"] > limit] + late


def show(found: dict[str, Any], results: Sequence[tuple[Case, Answer]], seconds: float) -> None:
    """The figures for a person."""
    audio_s = sum(len(case.pcm) for case, _ in results) / 16000
    print(f"{found['n']} answers, {audio_s / 60:.0f} minutes of audio in {seconds:.0f} s")
    print("\nexpected → read as")
    for row, counts in found["confusions"].items():
        print(f"  {row:24} " + ", ".join(f"{verdict} {count}" for verdict, count in counts.items()))
    wrong = [(case, answer) for case, answer in results if case.expect != answer.verdict]
    print(f"\nwrong: {len(wrong)}")
    for case, answer in wrong:
        print(f"  {case.name:22} {case.expect} → {answer.verdict}: {answer.heard}")
    print()
    for name, value in found.items():
        if name not in ("n", "groups", "confusions"):
            print(f"  {name:38} {value}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, help="a folder of WAV files with a manifest.json")
    parser.add_argument("--texts", type=Path, default=TEXTS, help="other words than texts.yaml")
    parser.add_argument("--seed", type=int, default=1, help="other lines: levels, noises, losses, moments")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--engine", default="auto", help="auto, whisper or vosk")
    parser.add_argument("--var", type=Path, default=Path("var"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--list", action="store_true", help="one line for every answer")
    arguments = parser.parse_args()
    models, var = arguments.var / "models", arguments.var
    try:
        if arguments.audio:
            cases = load_folder(arguments.audio)
        else:
            studio = Studio(var / "prompts", models, arguments.texts, arguments.seed)
            studio.render()
            cases = studio.cases()
    except (InputError, NotReady) as fault:
        print(fault, file=sys.stderr)
        sys.exit(2)
    began = time.monotonic()
    answers = list(run_all(cases, models, var / MEMORY, arguments.engine, arguments.jobs))
    results = list(zip(cases, answers, strict=True))
    found = figures(results) | {"load": {"jobs": arguments.jobs, "cpus": os.cpu_count(), "at_once": 1}}
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        show(found, results, time.monotonic() - began)
        if arguments.list:
            for case, answer in results:
                print(case.name, case.begins_s, round(case.first_ends_s, 2), answer)
    if failed := missed(found):
        print("missed: " + "; ".join(failed), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
