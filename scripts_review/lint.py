"""Lints a talk track: every line and lines said together by the line rules, the whole by the track rules.

A floor under human reading: it knows words, their sounds and how refused lines read, and sees neither irony
nor what is only hinted at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

from dialogs.checks import check
from dialogs.errors import TrackError
from dialogs.rules import Rule
from dialogs.track import Line, Track
from scripts_review.lint_rules import LineRule, LintRules, Meta, Severity
from scripts_review.track_rules import track_faults

Broken = list[tuple[LineRule, str]]
"""The rules that a line breaks, each with what was found."""


@dataclass(frozen=True)
class Finding:
    """One fault: the rule, the line or stage, what was found, why that is a fault, how to mend it."""

    rule: str
    severity: Severity
    place: str
    found: str
    why: str
    mend: str = ""
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else ""
        said = f"{where}{self.place}: {self.rule} ({self.severity}): {self.found}. {self.why}".rstrip()
        return f"{said} → {self.mend}" if self.mend else said

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return asdict(self)


def lint(path: Path, rules: LintRules | None = None) -> list[Finding]:
    """All findings, in file order of the lines, then the track rules.

    A track that does not hold together is one finding, T-COMPILE.  TrackError when it cannot be read.
    """
    rules = rules or LintRules.load()
    track = Track.load(path)
    broken = {line.id: rules.broken_by(line.text, _heard_by(line)) for line in track.lines.values()}
    findings = [*_line_findings(track, broken), *_track_findings(track, rules, broken)]
    if track.lint != rules.version:
        findings.append(
            Finding(
                "T-LINT",
                "error",
                "track",
                f"written for lint version {track.lint}, the rules are version {rules.version}",
                "Another version may refuse what this one let pass.",
                "Read the track again under these rules and correct the header.",
            )
        )
    return findings


def is_clean(findings: list[Finding]) -> bool:
    """Warnings are for the reader; only errors stand in the way."""
    return not any(finding.severity == "error" for finding in findings)


def _line_findings(track: Track, broken: Mapping[str, Broken]) -> list[Finding]:
    return [
        _found_in_line(track, name, name, rule, found)
        for name, rules_found in broken.items()
        for rule, found in rules_found
    ]


def _joint_findings(
    track: Track, steps: Iterable[Rule], rules: LintRules, broken: Mapping[str, Broken]
) -> list[Finding]:
    """What two lines say only together, one after the other; `broken`: what each says alone."""
    pairs = {
        pair: None
        for one in steps
        for pair in pairwise((*one.step.say, *(track.stages[one.step.go].ask[:1] if one.step.go else ())))
    }
    findings = []
    for names in pairs:
        first, second = (track.lines[name] for name in names)
        alone = {rule.id for name in names for rule, _ in broken[name]}
        # who hears both may hear either
        metas = sorted((_heard_by(first), _heard_by(second)), key=lambda meta: meta.knows_the_debt)
        heard_by = replace(metas[1], flags=metas[0].flags | metas[1].flags)
        for rule, found in rules.broken_by(first.text + second.text, heard_by):
            if rule.id not in alone and not rule.max_chars and not rule.likeness and not rule.slots:
                findings.append(_found_in_line(track, second.id, "+".join(names), rule, found))
    return findings


def _heard_by(line: Line) -> Meta:
    if line.listener == "agent":  # our own staff, who must know the case
        return Meta("bot", "debtor", 2, frozenset(line.flags))
    return Meta("bot", line.listener, line.level, frozenset(line.flags))


def _found_in_line(track: Track, name: str, place: str, rule: LineRule, found: str) -> Finding:
    at = track.error("", ("lines", name))
    return Finding(rule.id, rule.severity, place, found, rule.why, rule.mend, str(at.where), at.line)


def _track_findings(track: Track, rules: LintRules, broken: Mapping[str, Broken]) -> list[Finding]:
    try:
        steps = check(track)
    except TrackError as fault:
        where = (str(fault.where), fault.line)
        return [Finding("T-COMPILE", "error", fault.key or "track", fault.what, "", fault.do, *where)]
    findings = _joint_findings(track, steps, rules, broken)
    for name, place, found in track_faults(track, steps):
        rule = rules.track[name]
        at = track.error("", _place_in_file(track, place))
        findings.append(
            Finding(name, rule.severity, place, found, rule.rule, rule.mend, str(at.where), at.line)
        )
    return findings


def _place_in_file(track: Track, place: str) -> tuple[str, ...]:
    """Where a fault's place stands: a line (or the first of several), a stage, or a key with dots."""
    first = place.split("+")[0]
    if first in track.lines:
        return ("lines", first)
    return ("stages", first) if first in track.stages else tuple(first.split("."))
