"""How well a talk track understands people: accuracy, confusions, duties, and the identity gate.

    .venv/bin/python benchmarks/nlu.py [--heldout FILE] [--asr FILE] [--gate FILE] [--stage STAGE] [--json]

A file of texts is YAML, `intent: [texts]`, with the intent ids of the talk tracks; `--asr` takes one of the
same form, with the texts as a recogniser wrote them.  The file of the gate is `texts: [...]`, which do not
say that the speaker is the person asked for, and `yes: [...]`, which do; all answer a question like
"请问您是张伟本人吗？".  Without any of the three, the files of benchmarks/nlu/ are taken: heldout.yaml,
heldout_asr.yaml, gate.yaml.

Method: the track is built (skipped when it is) and its model answers in the Rasa environment through the
code of a call.  Top-1 asks whether the heaviest intent of the ranking is the one of the file.  Refused is the
share that the call would not act on, as not understood: the callee is asked again.  Without --stage every
intent is as likely as the classifier says; with it, what that stage of the track does not expect weighs less,
as in a call.  A duty's recall counts the texts of its intents that were read as any of its intents: both ways
of asking not to be called again stop the calls.  Kept adds the readings to which the tracks give the same end
(an angry contact is never called again, and may complain).  The gate is wrongly opened when a text of
`texts`, said as the first words at any stage in which nobody is verified, leads to the identity check as if
the person were there; the texts of `yes` are asked where the call begins.

How the held-out texts were kept apart: their author saw neither the utterance bank nor the tracks' phrases,
and their files stayed sealed until the figures were taken; the bank, the features, the thresholds and the
guards were tuned on other texts only, and held-out texts are never moved into the bank.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dialogs.build import RASA_PYTHON, ROOT, build, rasa_environment
from dialogs.errors import BuildFailed, TrackError
from dialogs.track import Track
from dialogs.yaml_lines import YamlFile

HERE = Path(__file__).resolve().parent / "nlu"
TRACKS = ROOT / "dialogs" / "talktracks"
BUILT = ROOT / "var" / "tracks"
FIRST_STAGE = "opening"
DUTIES = {
    "stop calling": ("C.stop_calling", "D.refuse_contact"),
    "complaint": ("C.complaint",),
    "a human": ("C.ask_human",),
    "vulnerable": ("C.vulnerable",),
    "self-harm": ("C.self_harm",),
    "third party": ("C.other_answers",),
    "wrong number": ("C.wrong_number",),
}
SAME_END = {"stop calling": ("D.angry",), "complaint": ("D.angry",)}
"""Readings to which the tracks answer as the duty wants: an apology, the end, the case held as a complaint,
and a contact on the stop list."""
CONFUSIONS_SHOWN = 25


def texts_of(path: Path, known: set[str]) -> list[tuple[str, str]]:
    """Intent and text, in the order of the file.  TrackError for an unknown intent or what is no list."""
    file = YamlFile(path)
    for intent, texts in file.data.items():
        if intent not in known:
            raise file.error(f"there is no intent {intent!r}", (intent,), "Use the ids of the talk tracks.")
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise file.error("an intent holds a list of texts", (intent,), "Quote numbers.")
    return [(intent, text) for intent, texts in file.data.items() for text in texts]


def gate_of(path: Path) -> dict[str, list[str]]:
    """`texts` and `yes`.  TrackError when one is missing."""
    file = YamlFile(path)
    found = {"texts": file.data.get("texts"), "yes": file.data.get("yes", file.data.get(True))}  # YAML's yes
    for key, texts in found.items():
        if not isinstance(texts, list):
            raise file.error(f"`{key}` must hold a list of texts", (), "")
    return {key: [str(text) for text in texts] for key, texts in found.items()}


def asked(folder: Path, texts: list[str], stage: str | None, doors: list[str]) -> dict[str, Any]:
    """The answers of dialogs.rasa.answers, out of the Rasa environment."""
    with tempfile.TemporaryDirectory(prefix="voicebot-nlu-") as place:
        questions, answers = Path(place) / "questions.json", Path(place) / "answers.json"
        questions.write_text(json.dumps({"texts": texts, "stage": stage, "doors": doors}), encoding="utf-8")
        done = subprocess.run(
            [str(RASA_PYTHON), "-m", "dialogs.rasa.answers", str(folder), str(questions), str(answers)],
            cwd=place,
            env=rasa_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildFailed(
                f"the track does not answer: {done.stderr.strip().splitlines()[-1]}", "", folder
            )
        found: dict[str, Any] = json.loads(answers.read_text(encoding="utf-8"))
    return found


def reading(wanted: list[tuple[str, str]], heard: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one file."""
    best = [one["ranking"][0][0] if one["ranking"] else "nothing" for one in heard]
    pairs = [(intent, found) for (intent, _), found in zip(wanted, best, strict=True)]
    total = Counter(intent for intent, _ in wanted)
    right = Counter(intent for intent, found in pairs if intent == found)
    return {
        "texts": len(wanted),
        "top1": _share(sum(right.values()), len(wanted)),
        "refused": _share(sum(one["understood"] == "event.not_understood" for one in heard), len(wanted)),
        "duties": {
            name: _share(
                sum(found in intents for intent, found in pairs if intent in intents),
                sum(total[intent] for intent in intents),
            )
            for name, intents in DUTIES.items()
        },
        "duties_together": _together(pairs, DUTIES),
        "duties_kept": _together(
            pairs, {name: (*own, *SAME_END.get(name, ())) for name, own in DUTIES.items()}
        ),
        "recall": {intent: _share(right[intent], number) for intent, number in total.items()},
        "confusions": [
            {"meant": intent, "read": found, "times": times}
            for (intent, found), times in Counter(one for one in pairs if one[0] != one[1]).most_common()
        ],
        "wrong": [
            {"text": text, "meant": intent, "ranking": one["ranking"]}
            for (intent, text), one, found in zip(wanted, heard, best, strict=True)
            if intent != found
        ],
    }


def _together(pairs: list[tuple[str, str]], kept_by: Mapping[str, tuple[str, ...]]) -> float | None:
    """Of all duties' texts, the share that was read as something that `kept_by` has for their duty."""
    kept = [
        found in kept_by[name] for name, own in DUTIES.items() for intent, found in pairs if intent in own
    ]
    return _share(sum(kept), len(kept))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def gate(texts: dict[str, list[str]], doors: dict[str, list[list[Any]]]) -> dict[str, Any]:
    """What opened; `doors`: stage → intent and level of each text, those of `yes` last."""
    no = len(texts["texts"])
    opened = {
        stage: [text for text, (_, level) in zip(texts["texts"], found, strict=False) if level > 0]
        for stage, found in doors.items()
    }
    at_first = [level > 0 for _, level in doors[FIRST_STAGE][no:]]
    return {
        "texts": no,
        "wrongly_opened": len({text for one in opened.values() for text in one}),
        "opened_at": {stage: found for stage, found in opened.items() if found},
        "yes": len(at_first),
        "yes_opened": sum(at_first),
        "yes_asked_again": [text for text, open_ in zip(texts["yes"], at_first, strict=True) if not open_],
    }


def printed(figures: dict[str, Any]) -> None:
    """The figures for people."""
    where = figures["stage"] or "none: every intent as likely as the classifier says"
    print(f"track {figures['track']}, stage {where}, {figures['ms']} ms CPU a text")
    for name in ("heldout", "asr"):
        if one := figures.get(name):
            print(f"\n{name}: {one['texts']} texts, top-1 {one['top1']}, refused {one['refused']}")
            for duty, recall in one["duties"].items():
                print(f"  duty {duty:14}{recall}")
            print(f"  duties together    {one['duties_together']}, kept {one['duties_kept']}")
            weak = sorted(one["recall"].items(), key=lambda found: (found[1], found[0]))
            print("  recall: " + "  ".join(f"{intent} {recall:.2f}" for intent, recall in weak))
            for pair in one["confusions"][:CONFUSIONS_SHOWN]:
                print(f"  {pair['times']} × {pair['meant']} read as {pair['read']}")
    if one := figures.get("gate"):
        print(
            f"\ngate: wrongly opened {one['wrongly_opened']} of {one['texts']}, "
            f"true yes opened {one['yes_opened']} of {one['yes']} (the others are asked again)"
        )
        for text in dict.fromkeys(text for texts in one["opened_at"].values() for text in texts):
            print(f"  {text}: {', '.join(at for at, texts in one['opened_at'].items() if text in texts)}")


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """All figures that were asked for."""
    track = Track.load(options.track)
    known = set(track.bank.intents)
    files = {name: getattr(options, name) for name in ("heldout", "asr") if getattr(options, name)}
    wanted = {name: texts_of(path, known) for name, path in files.items()}
    gate_texts = gate_of(options.gate) if options.gate else {"texts": [], "yes": []}
    if options.stage is not None and options.stage not in track.stages:
        raise TrackError(f"the track has no stage {options.stage!r}", f"It has {', '.join(track.stages)}.")
    folder = BUILT / build(options.track, BUILT).digest
    texts = [text for one in wanted.values() for _, text in one]
    doors = [*gate_texts["texts"], *gate_texts["yes"]]
    found = asked(folder, texts, options.stage, doors)
    figures: dict[str, Any] = {"track": track.id, "stage": options.stage, "ms": found["ms"]}
    heard = iter(found["heard"])
    for name, pairs in wanted.items():
        figures[name] = reading(pairs, [next(heard) for _ in pairs])
    if options.gate:
        figures["gate"] = gate(gate_texts, found["doors"])
    return figures


def _asked_for(options: argparse.Namespace) -> None:
    """Without any file, the project's own; one that is missing is said."""
    if options.heldout or options.asr or options.gate:
        return
    for name, file in (("heldout", "heldout.yaml"), ("asr", "heldout_asr.yaml"), ("gate", "gate.yaml")):
        if (HERE / file).exists():
            setattr(options, name, HERE / file)
        elif not options.json:
            print(f"{name}: benchmarks/nlu/{file} is not there, left out")


def main() -> int:
    """Prints the figures; 2 when a file does not hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heldout", type=Path, metavar="FILE", help="intent: [texts]")
    parser.add_argument("--asr", type=Path, metavar="FILE", help="the same, as a recogniser wrote them")
    parser.add_argument("--gate", type=Path, metavar="FILE", help="texts: [...], yes: [...]")
    parser.add_argument("--stage", help="read all texts at this stage of the track")
    parser.add_argument("--track", type=Path, default=TRACKS / "reminder.yaml")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    _asked_for(options)
    if not (options.heldout or options.asr or options.gate):
        return 0
    try:
        figures = measured(options)
    except TrackError as fault:
        parser.error(str(fault))
    if options.json:
        print(json.dumps(figures, ensure_ascii=False, indent=1))
    else:
        printed(figures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
