"""One call as a readable script: who said what when, and between the lines what was decided and why."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from voicebot.call.record import CallRecord, Decision, Turn
from voicebot.quality.call_page import call_facts
from voicebot.quality.redaction import redact_events, redact_turns
from voicebot.quality.wording import DISPOSITIONS, SPEAKERS, readable, stamp

SPEAKER_STYLES = {"bot": "blue", "agent": "green", "debtor": "yellow", "network": "magenta"}
HANDOFF_STEPS = ("asked", "ringing", "whisper", "bridged", "ended")


def print_call(record: CallRecord, console: Console, names: Sequence[str] = ()) -> None:
    """Prints one call.  `names` are the people of the case, known only to be masked."""
    meaning = DISPOSITIONS[record.disposition]
    console.print(
        Text.assemble(
            (record.case_id, "bold"),
            f"  {record.phone_masked}  ",
            (f"{meaning.english} {meaning.chinese}", "bold"),
            (f"  {record.disposition}", "dim"),
        )
    )
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in [("Attempt", record.attempt_id), *call_facts(record)]:
        facts.add_row(name, Text(value))
    console.print(facts)
    console.print()
    script = Table.grid(padding=(0, 2))
    script.add_column(justify="right", no_wrap=True, style="dim")
    script.add_column(no_wrap=True)
    script.add_column(overflow="fold")
    for at, who, words in script_lines(record, names):
        script.add_row(stamp(at), who, words)
    console.print(script)
    if not script.row_count:
        console.print("No conversation took place.", style="dim")


def script_lines(record: CallRecord, names: Sequence[str] = ()) -> list[tuple[float, Text, Text]]:
    """(seconds since the answer, who, what) in the order of time."""
    lines = [(turn.start_s, _who(turn), _words(turn)) for turn in redact_turns(record, names)]
    lines += [(one.at_s, Text("decides", "dim"), _decision(one)) for one in record.decisions]
    lines += [
        (event.at_s, Text("event", "dim"), Text(f"{readable(event.kind)} {event.detail}".rstrip(), "italic"))
        for event in redact_events(record, names)
    ]
    told = any(event.kind.startswith("handoff_") for event in record.events)
    if (handoff := record.handoff) and not told:
        for step in HANDOFF_STEPS:
            at = getattr(handoff, f"{step}_s")
            if at is not None:
                lines.append((at, Text("handoff", "dim"), Text(step, "italic")))
    return sorted(lines, key=lambda line: line[0])


def _who(turn: Turn) -> Text:
    return Text(SPEAKERS[turn.speaker], f"bold {SPEAKER_STYLES[turn.speaker]}")


def _words(turn: Turn) -> Text:
    words = Text(turn.text)
    if turn.interrupted:
        words.append(" (interrupted)", "red")
    if turn.line_id:
        words.append(f"  {turn.line_id}", "dim")
    if turn.confidence is not None:
        words.append(f"  {turn.confidence:.0%}", "dim")
    return words


def _decision(decision: Decision) -> Text:
    """start → C.open, stage open, v0: the heard words stand in the turn above and are not repeated."""
    cause = decision.event
    if decision.intent:
        cause = decision.intent
        if decision.confidence is not None:
            cause += f" {decision.confidence:.0%}"
    then = [*decision.lines, *([decision.command] if decision.command else [])]
    stage = f", stage {decision.stage}" if decision.stage else ""
    done = ", ".join(then) or "nothing"
    return Text(f"{cause} → {done}{stage}, v{decision.level}, {decision.policy_ms:.0f} ms", "dim")
