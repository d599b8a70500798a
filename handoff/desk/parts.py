"""What the routes of the desk stand on, and how they read and answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import jinja2
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from handoff.desk.hub import Hub
from handoff.desk.login import AddressLimit, Login
from handoff.desk.passwords import Passwords
from handoff.desk.sessions import Sessions
from handoff.staff import Staff


@dataclass(frozen=True)
class Parts:
    """One desk's."""

    hub: Hub
    staff: Staff
    sessions: Sessions
    login: Login
    passwords: Passwords
    addresses: AddressLimit
    templates: jinja2.Environment
    monotonic: Callable[[], float]
    secure: bool
    "Served by TLS: cookies are for TLS alone."
    behind_proxy: bool
    "A proxy on this machine forwards what browsers ask."


PARTS: web.AppKey[Parts] = web.AppKey("parts", Parts)


class Body(BaseModel):
    """A request's JSON: nothing but what is named here."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


B = TypeVar("B", bound=BaseModel)


async def body_of(request: web.Request, kind: type[B]) -> B:
    """The request's JSON; 422 with a word of the pages when it is not as it must be."""
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as fault:
        raise unprocessable(_word(fault)) from None


def _word(fault: ValidationError) -> str:
    """Our own validators raise words of the pages; everything else is bad input."""
    first = fault.errors(include_url=False, include_input=False)[0]
    own = first.get("ctx", {}).get("error")
    return str(own) if isinstance(own, ValueError) else "bad_input"


def answer(**content: Any) -> web.Response:
    """200 with JSON."""
    return web.json_response(content or {"done": True})


def unprocessable(word: str) -> web.HTTPUnprocessableEntity:
    """What was sent is not as it must be."""
    return web.HTTPUnprocessableEntity(text=json.dumps({"word": word}), content_type="application/json")


def conflict(word: str) -> web.HTTPConflict:
    """It cannot be done now."""
    return web.HTTPConflict(text=json.dumps({"word": word}), content_type="application/json")
