"""What one call has come to: stage, verification level, counters, agreed values.

The engine is asked each turn with these facts and answers with a step; `apply` carries it out.  Nothing
here knows Rasa, so the same code is tested without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

PLAN_FORMAT = 1
"""Raised when a plan changes its shape: versions built before are then refused until they are built again."""
IN_A_ROW = ("event.silence", "event.not_understood", "C.not_hear")
"""These count only while nothing else was said in between."""
MOST_COUNTED = 3
NOT_UNDERSTOOD = "event.not_understood"
PROMISE, DAY, TIME = "promise_date", "callback_day", "callback_time"
TODAY_WORD, TOMORROW_WORD = "今天", "明天"
HANDOFF_STAGE = "handoff"
PLAIN_HANDOFF = "HUMAN"


class BrokenPlan(RuntimeError):
    """The step cannot be carried out as compiled: no line may be guessed."""


@dataclass
class CallState:
    """One call, pinned to one plan.  `slots` are the run-time values fixed before the call."""

    plan: Mapping[str, Any]
    flags: Mapping[str, bool]
    today: date
    slots: dict[str, str] = field(default_factory=dict)
    stage: str = "start"
    level: int = 0
    listener: str = "unknown"
    asks: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    matter: str | None = None
    "Disposition of the last handoff that was asked for."

    def __post_init__(self) -> None:
        given = dict(self.slots)
        self.call_time = given.pop("call_time", None)
        self.slots = {
            name: spec["default"] for name, spec in self.plan["run_slots"].items() if spec["default"]
        }
        self.slots.update({name: value for name, value in given.items() if self._allowed(name, value)})

    def _allowed(self, name: str, value: str) -> bool:
        spec = self.plan["run_slots"].get(name)
        if spec is None:
            return False
        if spec["days"]:
            days = (date.fromisoformat(value) - self.today).days
            return 0 <= days < spec["days"]
        return value in spec["values"]

    @property
    def here(self) -> Mapping[str, Any]:
        """The plan of the stage that the call is in."""
        found: Mapping[str, Any] = self.plan["stages"][self.stage]
        return found

    def take(self, intent: str, values: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """The intent after the values that were said, and the facts they give (`date`, `time`)."""
        intent = self.here["reads"].get(intent, intent)
        day, time = self._date(values), self._time(values)
        for kind, said in (("date", day), ("time", time)):
            rule = self.here["takes"].get(kind)
            if said is not None and rule and intent in rule["over"]:
                intent = rule["intent"]
        if intent == "C.busy_later":
            return intent, {"time": "given" if self._call_back_at(values, time) else "none", "date": "none"}
        if day is None:
            return intent, {"date": "none", "time": "none"}
        if intent.startswith("A.will_"):
            self.slots[PROMISE] = day
        near = (date.fromisoformat(day) - self.today).days <= self.plan["near_days"]
        return intent, {"date": "near" if near else "far", "time": "none"}

    def _date(self, values: Mapping[str, str]) -> str | None:
        """The date that was said, when it is one of the closed set and not just the one read back."""
        said = values.get("date")
        if said is None or PROMISE not in self.plan["run_slots"] or not self._allowed(PROMISE, said):
            return None
        read_back = any(PROMISE in self.plan["line_slots"].get(line, ()) for line in self.here["ask"])
        return None if read_back and said == self.slots.get(PROMISE) else said

    def _time(self, values: Mapping[str, str]) -> str | None:
        """The time that was said, to the quarter hour, when it is one of the closed set."""
        said = values.get("time")
        if said is None:
            return None
        hour, minute = (int(part) for part in said.split(":"))
        quarter = min(45, round(minute / 15) * 15)
        time = f"{hour:02d}:{quarter:02d}"
        return time if self._allowed(TIME, time) else None

    def _call_back_at(self, values: Mapping[str, str], time: str | None) -> bool:
        """Notes when to call back; True when the callee named it."""
        said = values.get("date")
        day = None
        if said == self.today.isoformat():
            day = TODAY_WORD
        elif said == (self.today + timedelta(days=1)).isoformat():
            day = TOMORROW_WORD
        if time is not None:
            self.slots[TIME] = time
            past = self.call_time is not None and time <= self.call_time
            self.slots[DAY] = day or (TOMORROW_WORD if past else TODAY_WORD)
        elif day is not None:
            self.slots[DAY] = day
        return time is not None or day is not None

    def count(self, intent: str) -> int:
        """How often this intent came, this time included (at most 3)."""
        for name in IN_A_ROW:
            if name != intent:
                self.counts.pop(name, None)
        self.counts[intent] = self.counts.get(intent, 0) + 1
        return min(self.counts[intent], MOST_COUNTED)

    def facts(
        self, intent: str, said: Mapping[str, str], machine: str = "voicemail"
    ) -> dict[str, str | bool]:
        """Everything that a rule may ask for."""
        return {
            "place": self.here["places"][intent],
            "nth": str(self.count(intent)),
            "asks": str(min(self.asks, 2)),
            "date": said["date"],
            "time": said["time"],
            "machine": machine,
            **{f"flag_{flag}": bool(self.flags.get(flag)) for flag in self.plan["flags"]},
        }

    def apply(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Carries the step out; returns the reply's lines, command, stage, level, listener and expects."""
        if step.get("today") and PROMISE in self.plan["run_slots"]:
            self.slots[PROMISE] = self.today.isoformat()
        goes = step.get("go") or (HANDOFF_STAGE if step.get("handoff") else self.stage)
        ask = self.plan["stages"][goes]["ask"] if step.get("ask") else []
        lines = [self._line(name) for name in [*step.get("say", ()), *ask]]
        self.asks += sum(1 for name in step.get("say", ()) if name in self.plan["asking_lines"])
        command = self._command(step)
        self.stage = goes
        self.level = self.here.get("level", self.level)
        self.listener = self.here.get("listener", self.listener)
        return {
            "lines": lines,
            "command": command,
            "stage": self.stage,
            "level": self.level,
            "listener": self.listener,
            "expects": "open" if command else self.here["expects"],
        }

    def _line(self, name: str) -> dict[str, Any]:
        slots = {}
        for slot in self.plan["line_slots"].get(name, ()):
            if slot not in self.slots:
                raise BrokenPlan(f"line {name} needs {slot}")
            slots[slot] = self.slots[slot]
        return {"id": name, "slots": slots}

    def _command(self, step: Mapping[str, Any]) -> dict[str, Any] | None:
        if step.get("handoff"):
            self.matter = step["handoff"]
            command = {"action": "handoff", "disposition": step["handoff"]}
        elif step.get("end"):
            command = {"action": "hangup", "disposition": step["end"]}
            if step.get("keeps_matter") and self.matter not in (None, PLAIN_HANDOFF):
                command["disposition"] = self.matter
        else:
            return None
        for name in ("queue", "reason", "priority", "stop_list", "hold"):
            if name in step:
                command[name] = step[name]
        command["slots"] = {name: self.slots[name] for name in step.get("slots", ()) if name in self.slots}
        return command
