"""One turn of a call: a typed event in, the answer out.  The voice channel and the benchmarks share it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialogs.rasa.brain import NOT_UNDERSTOOD, Brain
from dialogs.rasa.call_state import CallState
from dialogs.rasa.identity import confirms
from dialogs.wording import spoken

EVENTS = {
    "start": "event.start",
    "silence": "event.silence",
    "machine": "event.machine",
    "verified": "event.verified",
    "not_verified": "event.not_verified",
    "handoff_failed": "event.handoff_failed",
    "returned": "event.returned",
    "time_up": "event.time_up",
    "hangup": "event.hangup",
}
HUMAN_KEY = "0"


async def turn(brain: Brain, state: CallState, event: Mapping[str, Any]) -> dict[str, Any]:
    """Decides, carries out, answers.  `event`: kind, text, values, digit, as the voice channel has them.

    Where an intent would take somebody for the person asked for, the words must say so too.
    """
    confidence, values = None, event.get("values") or {}
    machine, marks = "voicemail", frozenset[str]()
    if event["kind"] == "speech":
        marks = brain.marks_in(event["text"])
        intent, confidence = await brain.understand(event["text"], state.stage)
    elif event["kind"] == "dtmf":
        intent = "C.ask_human" if event["digit"] == HUMAN_KEY else "event.key"
    else:
        intent = EVENTS[event["kind"]]
        machine = "assistant" if "assistant" in event.get("text", "").lower() else machine
    counted = dict(state.counts)
    intent, said = state.take(intent, values)
    step = brain.decide(intent, state.facts(intent, said, machine, marks))
    if event["kind"] == "speech" and state.lifted_by(step) and not confirms(spoken(event["text"])):
        state.counts, intent = counted, NOT_UNDERSTOOD
        step = brain.decide(intent, state.facts(intent, said, machine, marks))
    return {**state.apply(step), "intent": intent, "confidence": confidence}
