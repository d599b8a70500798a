"""What the pages ask for by POST; each body is checked, each answer is JSON."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import Field

from handoff.desk.floor import Break
from handoff.desk.parts import PARTS, Body, answer, body_of, conflict, unprocessable
from handoff.desk.run_lines import NotNow
from handoff.desk.security import session_of
from handoff.desk.wrap_up import WrapUp
from handoff.states import DeskAct

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_:.-]{1,80}$")]


class PresenceBody(Body):
    """A break's reason; null: available."""

    reason: Break | None


class ActBody(Body):
    attempt_id: Id
    act: DeskAct
    queue: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,40}$")
    "For pass_on: where to."


class RevealReason(StrEnum):
    """Why a name is needed."""

    ADDRESS = "address"
    IDENTITY = "identity"
    COMPLAINT = "complaint"


class RevealBody(Body):
    attempt_id: Id
    reason: RevealReason


class LookBody(Body):
    attempt_id: Id | None


class WishBody(Body):
    campaign_id: Id
    wish: Literal["pause", "resume", "drain", "stop"]


@web.middleware
async def not_now(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What cannot be done now is answered with the word of the pages that says why."""
    try:
        return await handler(request)
    except NotNow as fault:
        raise conflict(str(fault)) from None


async def presence(request: web.Request) -> web.Response:
    """Available, or on a break with its reason."""
    session = session_of(request, "agent", "supervisor")
    body = await body_of(request, PresenceBody)
    request.app[PARTS].hub.be_available(session.member_id, body.reason)
    return answer()


async def act(request: web.Request) -> web.Response:
    """A button of the card."""
    session = session_of(request, "agent", "supervisor")
    body = await body_of(request, ActBody)
    await request.app[PARTS].hub.act(session.member_id, body.attempt_id, body.act, body.queue)
    return answer()


async def reveal(request: web.Request) -> web.Response:
    """The debtor's name, once the look is written down."""
    session = session_of(request, "agent", "supervisor")
    body = await body_of(request, RevealBody)
    name = await request.app[PARTS].hub.reveal(session.member_id, body.attempt_id, body.reason.value)
    return answer(name=name)


async def wrap_up(request: web.Request) -> web.Response:
    """The form after a talk."""
    session = session_of(request, "agent", "supervisor")
    body = await body_of(request, WrapUp)
    try:
        await request.app[PARTS].hub.wrap_up(session.member_id, body)
    except ValueError as fault:
        raise unprocessable(str(fault)) from None
    return answer()


async def today(request: web.Request) -> web.Response:
    """The agent's own calls since midnight."""
    session = session_of(request, "agent", "supervisor")
    calls = await request.app[PARTS].hub.calls_today(session.member_id)
    shown = [
        {
            "at": datetime.fromtimestamp(call.offered_ms / 1000).astimezone().isoformat(timespec="seconds"),
            "case_id": call.case_id,
            "phone_masked": call.phone_masked,
            "queue": call.queue,
            "reason": call.reason,
            "outcome": call.outcome,
            "talk_s": _talk_s(call.bridged_ms, call.ended_ms),
            "disposition": call.disposition,
            "effects_due": call.effects_due,
        }
        for call in calls
    ]
    return answer(calls=shown)


async def look(request: web.Request) -> web.Response:
    """A supervisor looks at a call and reads along; null: no longer."""
    session = session_of(request, "supervisor")
    body = await body_of(request, LookBody)
    await request.app[PARTS].hub.look(session.member_id, body.attempt_id)
    return answer()


async def wish(request: web.Request) -> web.Response:
    """Pause, resume, drain or stop a campaign."""
    session = session_of(request, "operations")
    body = await body_of(request, WishBody)
    await request.app[PARTS].hub.wish(body.campaign_id, body.wish, session.member_id)
    return answer()


def _talk_s(bridged_ms: int | None, ended_ms: int | None) -> int | None:
    return None if bridged_ms is None or ended_ms is None else (ended_ms - bridged_ms) // 1000
