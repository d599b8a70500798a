"""How far the lint of wording sees: evasive lines caught, good lines flagged.

    .venv/bin/python benchmarks/lint.py [--lines FILE ...] [--json]

A file holds `evasive` and `good`: lists of lines, each a text, or a mapping of text with listener, level,
flags (or meta: {actor, listener, verified, flags}) and the rule that a reviewer would name.  A bare text is
said by the bot to the debtor after the identity check.  Caught: at least one finding; false alarm: any
finding at all, warnings too.

How the lines were kept apart: configs/policies/lint_lines.yaml is what the lint learns from and was tuned on;
its figures mean nothing.  apart.yaml is only counted, but was written by the author of the first lists: an
upper bound.  unseen.yaml was written when lists and lines were finished, and nothing was changed for it.
heldout.yaml, where it is there, comes from somebody who did not know the lists.  Whatever the figures, the
lint is a floor under human reading: it knows words, their sounds and a tone, and neither irony nor what a
threat leaves unsaid.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from scripts_review.lint_rules import LintRules, Meta
from voicebot.errors import InputError
from voicebot.yaml_document import YamlDocument

HERE = Path(__file__).parent / "lint"
KEPT_APART = [HERE / name for name in ("heldout.yaml", "unseen.yaml", "apart.yaml")]


def meta_of(line: dict[str, Any]) -> Meta:
    """Who hears the line; the debtor after the identity check when it does not say."""
    said = {**line, **line.get("meta", {})}
    level = said.get("verified", said.get("level", 2))
    return Meta(
        said.get("actor", "bot"), said.get("listener", "debtor"), int(level), frozenset(said.get("flags", ()))
    )


def findings_of(lines: list[Any], rules: LintRules) -> list[dict[str, Any]]:
    """Every line with the rules it breaks and what was matched."""
    found = []
    for line in lines:
        given = {"text": line} if isinstance(line, str) else line
        broken = rules.broken_by(given["text"], meta_of(given))
        meant = given.get("rule", given.get("expect", []))
        found.append(
            {
                "text": given["text"],
                "meant": [meant] if isinstance(meant, str) else list(meant),
                "found": {rule.id: what for rule, what in broken},
            }
        )
    return found


def measured(path: Path, rules: LintRules) -> dict[str, Any]:
    """The figures of one file.  InputError when it is missing or holds no lines."""
    document = YamlDocument.read(path)
    data = document.data
    if not isinstance(data, dict) or not (data.get("evasive") or data.get("good")):
        raise document.error("the file must hold lists `evasive` and `good`")
    for kind in ("evasive", "good"):
        for place, line in enumerate(data.get(kind) or []):
            if not isinstance(line, str) and not (
                isinstance(line, dict) and isinstance(line.get("text"), str)
            ):
                raise document.error("a line is a text, or a mapping with its text", (kind, place))
    begun = time.perf_counter()
    evasive = findings_of(data.get("evasive") or [], rules)
    good = findings_of(data.get("good") or [], rules)
    seconds = time.perf_counter() - begun
    meant = [line for line in evasive if line["meant"]]
    return {
        "file": path.name,
        "evasive": len(evasive),
        "caught": sum(bool(line["found"]) for line in evasive),
        "named": len(meant),
        "caught_by_the_rule_meant": sum(bool(set(line["meant"]) & set(line["found"])) for line in meant),
        "good": len(good),
        "false_alarms": sum(bool(line["found"]) for line in good),
        "ms_a_line": round(1000 * seconds / max(1, len(evasive) + len(good)), 2),
        "lines": {"evasive": evasive, "good": good},
    }


def printed(figures: dict[str, Any]) -> None:
    """The figures for people: each line with what was found in it."""
    for kind in ("evasive", "good"):
        for line in figures["lines"][kind]:
            what = "; ".join(f"{rule}: {found}" for rule, found in line["found"].items())
            print(f"  {kind:8}{line['text']}  →  {what or '-'}")
    print(
        f"{figures['file']}: caught {figures['caught']} of {figures['evasive']}"
        f" (by the rule meant: {figures['caught_by_the_rule_meant']} of {figures['named']}),"
        f" false alarms {figures['false_alarms']} of {figures['good']}, {figures['ms_a_line']} ms a line"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=Path, action="append", help="a file of lines; may be given again")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    files = options.lines or [path for path in KEPT_APART if path.exists()]
    try:
        rules = LintRules.load()
        figures = [measured(path, rules) for path in files]
    except InputError as fault:
        parser.error(str(fault))
    if options.json:
        print(json.dumps(figures if len(figures) > 1 else figures[0], ensure_ascii=False, indent=2))
    else:
        for one in figures:
            printed(one)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
