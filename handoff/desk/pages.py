"""The pages: login, the desk, the supervisor's and operations' pages."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import structlog
from aiohttp import web

from handoff.desk.actions import RevealReason
from handoff.desk.floor import BREAKS
from handoff.desk.login import Refused
from handoff.desk.parts import PARTS, Parts
from handoff.desk.passwords import too_weak
from handoff.desk.security import (
    COOKIE,
    CSRF_FIELD,
    HOME,
    LANGUAGE_COOKIE,
    LOGIN_COOKIE,
    SESSION,
    TOKEN,
    address_of,
    session_of,
)
from handoff.desk.sessions import Session
from handoff.desk.words import LANGUAGES, Words
from handoff.desk.wrap_up import Came
from handoff.staff import Role
from voicebot.errors import InputError
from voicebot.store.encryption import Unreadable

log = structlog.get_logger()

LOGIN_AGAIN_S = 600


async def home(request: web.Request) -> web.Response:
    """Each role has a page of its own."""
    session = request[SESSION]
    raise web.HTTPSeeOther("/login" if session is None else HOME[session.role])


async def login_page(request: web.Request) -> web.Response:
    """Empty form."""
    if (session := request[SESSION]) is not None:
        raise web.HTTPSeeOther(HOME[session.role])
    return _login_form(request, "")


async def login(request: web.Request) -> web.Response:
    """Lets in, or says in one word why not."""
    parts = request.app[PARTS]
    form = await request.post()
    told, kept = str(form.get(CSRF_FIELD, "")), request.cookies.get(LOGIN_COOKIE, "")
    if not kept or not secrets.compare_digest(told.encode(), kept.encode()):
        return _login_form(request, "expired", status=403)
    if not parts.addresses.allows(address_of(request, parts.behind_proxy)):
        return _login_form(request, "too_often", status=429)
    name, password = str(form.get("name", ""))[:64], str(form.get("password", ""))
    try:
        if not parts.hub.knows(name):  # added a moment ago, perhaps
            await parts.hub.read_roster()
        who = await asyncio.to_thread(parts.login.check, name, password, list(parts.hub.agents.values()))
    except Refused as fault:
        return _login_form(request, str(fault), status=403, name=name)
    except (InputError, Unreadable) as fault:
        log.error("login_not_checked", fault=type(fault).__name__)
        return _login_form(request, "store_down", status=503, name=name)
    token, session = parts.sessions.begin(who.id, who.name, who.role, must_change=who.must_change)
    answer = web.HTTPSeeOther("/password" if session.must_change else HOME[session.role])
    _set_cookie(parts, answer, COOKIE, token)
    answer.del_cookie(LOGIN_COOKIE, path="/login")
    raise answer


async def logout(request: web.Request) -> web.Response:
    """Ends the session."""
    parts, session, token = request.app[PARTS], request[SESSION], request[TOKEN]
    if session is not None and token is not None:
        parts.sessions.end(token)
        parts.hub.floor.log_out(session.member_id)
    answer = web.HTTPSeeOther("/login")
    answer.del_cookie(COOKIE, path="/")
    raise answer


async def password_page(request: web.Request) -> web.Response:
    """A new password."""
    session = _anybody(request)
    return _page(request, "password.html", session, said="")


async def password(request: web.Request) -> web.Response:
    """Takes a new password; every other session of this person ends."""
    parts, session = request.app[PARTS], _anybody(request)
    form = await request.post()
    old, new, again = (str(form.get(key, "")) for key in ("old", "new", "again"))
    member = await asyncio.to_thread(parts.staff.find, session.member_id)
    right = await asyncio.to_thread(parts.passwords.right, member.password_hash if member else None, old)
    said = "wrong" if not right else "not_the_same" if new != again else ""
    if not said and (too_weak(new, session.member_id) or new == old):
        said = "too_weak"
    if said:
        return _page(request, "password.html", session, said=said, status=422)
    hashed = await asyncio.to_thread(parts.passwords.hash, new)
    await asyncio.to_thread(
        lambda: parts.staff.set_password(
            session.member_id, session.role, hashed, session.member_id, must_change=False
        )
    )
    parts.sessions.end_all(session.member_id, but=request[TOKEN])
    await parts.hub.read_roster()  # before that, the register as it was read asks for a new password
    session.must_change = False
    raise web.HTTPSeeOther(HOME[session.role])


async def desk(request: web.Request) -> web.Response:
    """An agent's page."""
    return _page(
        request,
        "desk.html",
        _let_in(request, "agent", "supervisor"),
        breaks=BREAKS,
        came=[one.value for one in Came],
        reveal=[one.value for one in RevealReason],
    )


async def supervisor(request: web.Request) -> web.Response:
    """A supervisor's page."""
    return _page(request, "supervisor.html", _let_in(request, "supervisor"))


async def operations(request: web.Request) -> web.Response:
    """The page of operations."""
    return _page(request, "operations.html", _let_in(request, "operations"))


async def language(request: web.Request) -> web.Response:
    """Switches the language and goes back to where it was asked."""
    wanted = request.query.get("to", "")
    back = request.query.get("back", "/")
    answer = web.HTTPSeeOther(back if back in {"/login", "/password", *HOME.values()} else "/")
    if wanted in LANGUAGES:
        _set_cookie(request.app[PARTS], answer, LANGUAGE_COOKIE, wanted)
    raise answer


# ---- inside


def _anybody(request: web.Request) -> Session:
    session = request[SESSION]
    if session is None:
        raise web.HTTPSeeOther("/login")
    return session


def _let_in(request: web.Request, *roles: Role) -> Session:
    session = _anybody(request)
    if session.must_change:
        raise web.HTTPSeeOther("/password")
    return session_of(request, *roles)


def _words(request: web.Request) -> Words:
    return Words(request.cookies.get(LANGUAGE_COOKIE, ""))


def _login_form(request: web.Request, said: str, *, status: int = 200, name: str = "") -> web.Response:
    parts, csrf = request.app[PARTS], secrets.token_urlsafe(24)
    page = _page(request, "login.html", None, said=said, name=name, csrf=csrf, status=status)
    page.set_cookie(
        LOGIN_COOKIE,
        csrf,
        max_age=LOGIN_AGAIN_S,
        path="/login",
        httponly=True,
        samesite="Strict",
        secure=parts.secure,
    )
    return page


def _page(
    request: web.Request, template: str, session: Session | None, *, status: int = 200, **values: Any
) -> web.Response:
    words = _words(request)
    text = (
        request.app[PARTS]
        .templates.get_template(template)
        .render(
            t=words,
            words=json.dumps(words.for_scripts(), ensure_ascii=False),
            session=session,
            path=request.path,
            **{"csrf": session.csrf if session else "", **values},
        )
    )
    return web.Response(text=text, content_type="text/html", status=status)


def _set_cookie(parts: Parts, answer: web.StreamResponse, name: str, value: str) -> None:
    answer.set_cookie(name, value, path="/", httponly=True, samesite="Strict", secure=parts.secure)
