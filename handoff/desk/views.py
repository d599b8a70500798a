"""What a page is told: all that it shows and nothing else, as one JSON object at each change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from handoff.agents import Agent, Unqualified
from handoff.desk.call import ALLOWED, Call
from handoff.desk.floor import WRAPPING, Floor, Run, Wrapping
from handoff.desk.sessions import Session

Why = Callable[[Agent], Unqualified | None]


def agent_view(
    floor: Floor, session: Session, agent: Agent | None, why: Why, now: Callable[[], float]
) -> dict[str, Any]:
    """An agent's own desk."""
    person = floor.person(session.member_id)
    found = floor.call_of(person.id)
    unqualified = why(agent) if agent is not None else None
    return {
        "kind": "view",
        "me": {
            "presence": _presence(floor, session.member_id),
            "break": person.break_reason,
            "qualified": agent is not None and unqualified is None,
            "why_not": _reason(agent, unqualified),
            "since_s": round(now() - person.since),
        },
        "notice": person.notice,
        "call": call_view(*found, now()) if found and found[1].shown else None,
        "wrap": _wrap_view(person.wrapping) if person.wrapping else None,
        "runs": [run.campaign for run in floor.runs.values()],
        "waiting": sum(len(run.floor.get("waiting", ())) for run in floor.runs.values()),
    }


def call_view(run: Run, call: Call, now: float) -> dict[str, Any]:
    """A case with its words, for who may look at it."""
    return {
        **call.card.model_dump(mode="json", exclude={"turns"}),
        "turns": [turn.model_dump() for turn in call.turns],
        "run": run.campaign,
        "other_queues": [name for name in run.queues if name != call.card.queue],
        "simulated": run.simulated,
        "state": call.state,
        "since_s": round(now - call.since),
        "held": call.held,
        "muted": call.muted,
        "accepted": call.accepted,
        "warnings": list(call.warnings),
        "may": sorted(ALLOWED.get(call.state, frozenset())),
    }


def supervisor_view(
    floor: Floor, session: Session, agents: Mapping[str, Agent], now: float
) -> dict[str, Any]:
    """Queue, agents, waiting calls, alerts; a call's words only where the look was recorded."""
    listens_to = floor.person(session.member_id).listens_to
    found = floor.find(listens_to) if listens_to else None
    return {
        "kind": "view",
        "runs": [_run_row(run) for run in floor.runs.values()],
        "agents": [_agent_row(floor, agent) for agent in agents.values() if agent.enabled],
        "waiting": [
            {**row, "run": run.campaign}
            for run in floor.runs.values()
            for row in run.floor.get("waiting", ())
        ],
        "calls": [
            {
                "attempt_id": call.card.attempt_id,
                "queue": call.card.queue,
                "reason": call.card.reason,
                "state": call.state,
                "agent_id": call.agent_id,
                "since_s": round(now - call.since),
            }
            for _run, call in floor.calls()
        ],
        "alerts": alerts(floor),
        "look": call_view(*found, now) if found else None,
    }


def operations_view(floor: Floor) -> dict[str, Any]:
    """The campaigns that run on this machine."""
    return {"kind": "view", "runs": [_run_row(run) for run in floor.runs.values()], "alerts": alerts(floor)}


def alerts(floor: Floor) -> list[dict[str, str]]:
    """What a person must see to: `kind` is a word of the pages, `text` the detail."""
    found = [{"kind": "words", "text": f"{agent_id}: {why}"} for agent_id, why in floor.warnings]
    for run in floor.runs.values():
        numbers = run.floor.get("numbers", {})
        for alarm in numbers.get("alarms", ()):
            found.append({"kind": str(alarm["kind"]), "text": f"{run.campaign}: {alarm['reason']}"})
        if numbers.get("fault"):
            found.append({"kind": "fault", "text": f"{run.campaign}: {numbers['fault']}"})
        found += [
            {"kind": "held_up", "text": f"{run.campaign}: {part}"} for part in numbers.get("held_up_by", ())
        ]
        found += [
            {"kind": "unqualified", "text": f"{row['name']}: {row['detail']}"}
            for row in run.floor.get("agents", ())
            if row["presence"] == "unqualified"
        ]
    found += [
        {"kind": "not_wrapped_up", "text": person.id}
        for person in floor.people.values()
        if person.wrapping and not floor.at_desk(person)
    ]
    return [dict(one) for one in dict.fromkeys(tuple(alert.items()) for alert in found)]


def _run_row(run: Run) -> dict[str, Any]:
    numbers, progress = run.floor.get("numbers", {}), run.floor.get("progress", {})
    pacing = numbers.get("pacing", {})
    return {
        "campaign": run.campaign,
        "campaign_id": run.campaign_id,
        "simulated": run.simulated,
        "calls": numbers.get("calls", 0),
        "ringing": numbers.get("ringing", 0),
        "workers": numbers.get("workers", 0),
        "waiting": len(run.floor.get("waiting", ())),
        "held_up_by": numbers.get("held_up_by", []),
        "ending": numbers.get("ending", False),
        "wanted": pacing.get("wanted", 0),
        "abandoned": pacing.get("abandoned", 0),
        "outcomes": run.floor.get("outcomes", {}),
        "progress": progress,
    }


def _agent_row(floor: Floor, agent: Agent) -> dict[str, Any]:
    row = floor.queue_row(agent.id) or {}
    return {
        "id": agent.id,
        "name": agent.name,
        "skills": sorted(agent.skills),
        "presence": _presence(floor, agent.id),
        "break": floor.people[agent.id].break_reason if agent.id in floor.people else None,
        "detail": row.get("detail", "") if row.get("presence") == "unqualified" else "",
        "calls": row.get("calls", 0),
    }


def _presence(floor: Floor, agent_id: str) -> str:
    """One word from one source: the runs' queues, which know of the desk what it told them."""
    person = floor.people.get(agent_id)
    if person and person.wrapping:
        return WRAPPING
    if (found := floor.call_of(agent_id)) is not None:
        return "talking" if found[1].bridged else "reserved"
    row = floor.queue_row(agent_id)
    if row is not None and row["presence"] in ("talking", "reserved", "resting", "unqualified", "elsewhere"):
        return str(row["presence"])
    if person is None or not floor.at_desk(person):
        return str(row["presence"]) if row is not None else "logged_out"
    return "break" if person.break_reason else "free"


def _reason(agent: Agent | None, unqualified: Unqualified | None) -> str:
    if agent is None:
        return "—"
    return unqualified.shown if unqualified else ""


def _wrap_view(wrapping: Wrapping) -> dict[str, Any]:
    return {
        "call": wrapping.log_number,
        "case_id": wrapping.case_id,
        "phone_masked": wrapping.phone_masked,
        "outcome": wrapping.outcome,
        "card": wrapping.card.model_dump(mode="json", exclude={"turns"}) if wrapping.card else None,
        "turns": [turn.model_dump() for turn in wrapping.turns],
    }
