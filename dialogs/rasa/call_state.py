"""What one call has come to: stage, verification level, counters, agreed values.

The engine is asked each turn with these facts and answers with a step; `apply` carries it out.  Nothing
here knows Rasa, so the same code is tested without it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

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
    spoken: dict[str, int] = field(default_factory=dict)
    "How often each line was spoken that may be spoken so often only."
    last_said: list[str] = field(default_factory=list)
    "Lines of the last reply in this stage that carried something."

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
        """The intent after the values that were said, and the facts they give (`date`, `time`, `offer`)."""
        intent = self.here["reads"].get(intent, intent)
        day, time = self._date(values), self._time(values)
        for kind, value in (("date", day), ("time", time), ("money", values.get("money"))):
            rule = self.here["takes"].get(kind)
            if value is not None and rule and intent in rule["over"]:
                intent = rule["intent"]
        said = {"date": "none", "time": "none", "offer": values.get("offer", "none")}
        if intent == "C.busy_later":
            given = self._call_back_at(values, time)
            outside = time is None and "time" in values
            return intent, {**said, "time": "outside" if outside else "given" if given else "none"}
        if day is None:
            return intent, said
        if intent.startswith("A.will_"):
            self.slots[PROMISE] = day
        near = (date.fromisoformat(day) - self.today).days <= self.plan["near_days"]
        return intent, {**said, "date": "near" if near else "far"}

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
        self,
        intent: str,
        said: Mapping[str, str],
        machine: str = "voicemail",
        marks: Collection[str] = (),
    ) -> dict[str, str | bool]:
        """Everything that a rule may ask for.  `marks`: those of the track that were among the words."""
        return {
            "place": self.here["places"][intent],
            "nth": str(self.count(intent)),
            "asks": str(min(self.asks, 2)),
            **said,
            "machine": machine,
            **{f"said_{mark}": mark in marks for mark in self.plan["marks"]},
            **{f"flag_{flag}": bool(self.flags.get(flag)) for flag in self.plan["flags"]},
        }

    def lifted_by(self, step: Mapping[str, Any]) -> bool:
        """True when the step leads to a stage of a higher level of verification."""
        goes = self.plan["stages"].get(step.get("go") or self.stage, {})
        level: int = goes.get("level", self.level)
        return level > self.level

    def apply(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Carries the step out; returns the reply's lines, command, stage, level, listener and expects."""
        if step.get("today") and PROMISE in self.plan["run_slots"]:
            self.slots[PROMISE] = self.today.isoformat()
        self.slots.update(step.get("sets", {}))
        goes = step.get("go") or (HANDOFF_STAGE if step.get("handoff") else self.stage)
        names = list(step.get("say", ()))
        if step.get("repeat"):
            names += self.last_said or self.here["ask"]
        else:
            self._note_asks(names)
            asked = self._still_asked(goes) if step.get("ask") else []
            self._note_asks(asked)
            names += asked
            self._note_said(names, goes)
        lines = [self._line(name) for name in names]
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
            "persuading": bool(self.here["persuading"]) and command is None,
            "keeps_open": bool(self.here["keeps_open"]),
            "asks": self.asks,
        }

    def _still_asked(self, stage: str) -> list[str]:
        """The stage's question, without what was asked often enough in this call."""
        names = self.plan["stages"][stage]["ask"]
        if self.asks >= self.plan["asks"]:
            names = [name for name in names if name not in self.plan["asking_lines"]]
        most = self.plan["most"]
        return [name for name in names if name not in most or self.spoken.get(name, 0) < most[name]]

    def _note_asks(self, names: Sequence[str]) -> None:
        self.asks += sum(name in self.plan["asking_lines"] for name in names)
        for name in self.plan["most"]:
            self.spoken[name] = self.spoken.get(name, 0) + names.count(name)

    def _note_said(self, names: Sequence[str], stage: str) -> None:
        """What a callee who did not hear is told again.  Another stage may have another listener."""
        told = [name for name in names if name not in self.plan["fillers"]]
        if told or stage != self.stage:
            self.last_said = told

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
