"""Lints a talk track: every line by the line rules, the whole by the track rules.

A floor under human reading: it cannot see irony, homophones or meaning.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from dialogs.errors import TrackError
from dialogs.track import Track
from scripts_review.lint_rules import LintRules, Meta, Severity
from scripts_review.track_rules import track_faults


@dataclass(frozen=True)
class Finding:
    """One fault: the rule, the line or stage it is at, what was found, and where the file says it."""

    rule: str
    severity: Severity
    place: str
    found: str
    why: str
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else ""
        return f"{where}{self.place}: {self.rule} ({self.severity}): {self.found}. {self.why}".rstrip()

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return asdict(self)


def lint(path: Path, rules: LintRules | None = None) -> list[Finding]:
    """All findings, in file order of the lines, then the track rules.

    A track that does not hold together is one finding, T-COMPILE.  TrackError when it cannot be read.
    """
    rules = rules or LintRules.load()
    track = Track.load(path)
    findings = [*_line_findings(track, rules), *_track_findings(track, rules)]
    if track.lint != rules.version:
        findings.append(
            Finding(
                "T-LINT",
                "error",
                "track",
                f"written for lint version {track.lint}, the rules are version {rules.version}",
                "Read the track again under these rules and correct the header.",
            )
        )
    return findings


def is_clean(findings: list[Finding]) -> bool:
    """Warnings are for the reader; only errors stand in the way."""
    return not any(finding.severity == "error" for finding in findings)


def _line_findings(track: Track, rules: LintRules) -> list[Finding]:
    findings = []
    for line in track.lines.values():
        meta = Meta("bot", line.listener, line.level, frozenset(line.flags))
        if line.listener == "agent":  # our own staff, who must know the case
            meta = Meta("bot", "debtor", 2, frozenset(line.flags))
        place = track.error("", ("lines", line.id))
        for rule, found in rules.broken_by(line.text, meta):
            findings.append(
                Finding(rule.id, rule.severity, line.id, found, rule.why, str(place.where), place.line)
            )
    return findings


def _track_findings(track: Track, rules: LintRules) -> list[Finding]:
    try:
        faults = track_faults(track)
    except TrackError as fault:
        return [
            Finding(
                "T-COMPILE", "error", fault.key or "track", fault.what, fault.do, str(fault.where), fault.line
            )
        ]
    return [
        Finding(rule, rules.severities.get(rule, "error"), place, found, rules.track.get(rule, ""))
        for rule, place, found in faults
    ]
