"""`voicebot agents`: who takes calls and who may log in to the desk.

configs/agents.yaml describes agents; what is added, certified or disabled here is in the store and counts.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from handoff.agents import Agent, GateQualification, load_agents
from handoff.desk.passwords import Passwords, first_password
from handoff.staff import CERTIFICATES, Member, Role, Staff, valid_until
from voicebot.cli.listing import show_done, show_rows
from voicebot.cli.site_store import AsJson, By, SiteFile, SiteStore, StoreUrl, actor, day, opened
from voicebot.clock import today
from voicebot.errors import InputError

app = typer.Typer(no_args_is_help=True)

AgentId = Annotated[str, typer.Argument(metavar="ID", help="The account, like agent1001.")]
OPERATIONS = "operations"


@app.command("list")
def list_agents(as_json: AsJson = False, store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """Show everybody: role, whether they may take calls and until when, and if not, why."""
    with opened(site_file, store) as place:
        staff = Staff(place.store, place.clock)
        members = {one.id: one for one in staff.all()}
        gate = place.site.gate(place.clock)
        qualify, days = GateQualification(gate, place.clock), int(gate.parameter("training.valid_days"))
        agents = staff.over(load_agents(place.site.agents))
        rows = [_row(agent, members.get(agent.id), _why_not(agent, qualify), days) for agent in agents]
        known = {agent.id for agent in agents}
        rows += [_row_of_operations(one) for one in members.values() if one.id not in known]
    show_rows(rows, as_json, "There are no agents.")


@app.command("add")
def add(
    agent: AgentId,
    name: Annotated[str, typer.Option(help="As colleagues and the desk call them (kept encrypted).")],
    role: Annotated[str, typer.Option(help="agent, supervisor or operations (takes no calls).")] = "agent",
    sip: Annotated[str | None, typer.Option(help="The phone: sip:name@host.")] = None,
    skill: Annotated[list[str] | None, typer.Option(help="A queue's skill; may be repeated.")] = None,
    agency: Annotated[str | None, typer.Option(help="The agency they work for.")] = None,
    presence: Annotated[
        str, typer.Option(help="desk: rung only while logged in there; phone: the phone is all there is.")
    ] = "desk",
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Add somebody and print a first password, to be changed at the first login.

    Without valid certificates (voicebot agents certificate) nobody is rung.
    """
    known = _role(role)
    profile: dict[str, Any] = {"name": name}
    if known != OPERATIONS:
        profile |= {"sip": sip, "skills": skill or [], "agency": agency, "presence": presence}
        _check(agent, known, profile)
    with opened(site_file, store) as place:
        staff = Staff(place.store, place.clock)
        if _found(place, staff, agent) is not None:
            raise InputError(
                f"there is an {agent} already", f"For a password: voicebot agents reset {agent}.", key="ID"
            )
        who = actor(by)
        staff.put(agent, known, profile, who, "agent_added")
        password = _new_password(staff, agent, known, who)
    done = {"agent": agent, "role": role, "first_password": password}
    show_done(done, as_json, f"{agent} is added. First password: {password}")


@app.command("reset")
def reset(
    agent: AgentId,
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Give a new first password, also to an agent of agents.yaml who never logged in; unlocks the account."""
    with opened(site_file, store) as place:
        staff = Staff(place.store, place.clock)
        password = _new_password(staff, agent, _known(place, staff, agent), actor(by))
    done = {"agent": agent, "first_password": password}
    show_done(done, as_json, f"First password of {agent}: {password}")


@app.command("certificate")
def certificate(
    agent: AgentId,
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(CERTIFICATES)}.")],
    on: Annotated[str, typer.Option(help="The day on which it was passed or signed, like 2026-02-02.")],
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Record a certificate of training. The policy pack says for how long it is good."""
    if kind not in CERTIFICATES:
        raise InputError(
            f"there is no certificate {kind!r}", f"One of {', '.join(CERTIFICATES)}.", key="KIND"
        )
    passed = day(on, "--on")
    with opened(site_file, store) as place:
        if passed > today(place.clock):
            raise InputError(f"{passed} is in the future", "Nobody has passed it yet.", key="--on")
        staff = Staff(place.store, place.clock)
        role = _known(place, staff, agent)
        member = staff.find(agent)
        profile = dict(member.profile) if member else {}
        profile["certificates"] = profile.get("certificates", {}) | {kind: passed.isoformat()}
        staff.put(agent, role, profile, actor(by), "certificate_recorded", certificate=kind, on=str(passed))
    done = {"agent": agent, "certificate": kind, "on": passed}
    show_done(done, as_json, f"{kind} of {agent}: {passed}")


@app.command("disable")
def disable(
    agent: AgentId,
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """No call and no login from now on; a call in progress goes on. Running campaigns obey within seconds."""
    _switch(agent, False, by, as_json, store, site_file)


@app.command("enable")
def enable(
    agent: AgentId,
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Take back a disable."""
    _switch(agent, True, by, as_json, store, site_file)


# ---- inside


def _switch(agent: str, enabled: bool, by: str | None, as_json: bool, store: Any, site_file: Any) -> None:
    with opened(site_file, store) as place:
        staff = Staff(place.store, place.clock)
        staff.set_enabled(agent, _known(place, staff, agent), enabled, actor(by))
    word = "enabled" if enabled else "disabled"
    show_done({"agent": agent, "enabled": enabled}, as_json, f"{agent} is {word}.")


def _found(place: SiteStore, staff: Staff, agent: str) -> Role | None:
    """The role of somebody who stands in the register or in agents.yaml; None for a stranger."""
    if (member := staff.find(agent)) is not None:
        return member.role
    return next((one.role for one in load_agents(place.site.agents) if one.id == agent), None)


def _known(place: SiteStore, staff: Staff, agent: str) -> Role:
    """InputError for a stranger."""
    if (role := _found(place, staff, agent)) is None:
        raise InputError(f"there is no agent {agent!r}", "voicebot agents list shows who there is.", key="ID")
    return role


def _role(text: str) -> Role:
    match text:
        case "agent" | "supervisor" | "operations":
            return text
        case _:
            raise InputError(f"there is no role {text!r}", "agent, supervisor or operations.", key="--role")


def _check(agent: str, role: Role, profile: dict[str, Any]) -> None:
    try:
        Agent.model_validate({**profile, "id": agent, "role": role})
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        option = {"skills": "--skill", "id": "ID"}.get(str(first["loc"][0]), f"--{first['loc'][0]}")
        raise InputError(str(first["msg"]), key=option) from None


def _new_password(staff: Staff, agent: str, role: Role, by: str) -> str:
    password = first_password()
    staff.set_password(agent, role, Passwords().hash(password), by, must_change=True)
    return password


def _why_not(agent: Agent, qualify: GateQualification) -> str:
    if not agent.enabled:
        return "disabled"
    why = qualify(agent)
    return why.shown if why else ""


def _row(agent: Agent, member: Member | None, why_not: str, days: int) -> dict[str, Any]:
    until: date | None = valid_until(agent, days)
    return {
        "agent": agent.id,
        "role": agent.role,
        "skills": sorted(agent.skills),
        "may_take_calls": not why_not,
        "certified_until": until,
        "why_not": why_not,
        "password": _password_state(member),
    }


def _row_of_operations(member: Member) -> dict[str, Any]:
    return {
        "agent": member.id,
        "role": member.role,
        "skills": [],
        "may_take_calls": False,
        "certified_until": None,
        "why_not": "takes no calls" if member.enabled else "disabled",
        "password": _password_state(member),
    }


def _password_state(member: Member | None) -> str:
    if member is None or member.password_hash is None:
        return "none"
    return "first" if member.must_change else "set"
