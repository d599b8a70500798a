"""What holds for every request: headers, who it is, and that a change was meant.

No page carries a script or a style of its own, so the policy names our files alone.  A change must come from
our own pages: SameSite cookie, the Origin, and the session's CSRF token.
"""

from __future__ import annotations

import ipaddress
import secrets
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from handoff.desk.sessions import Session, Sessions
from handoff.staff import Role

COOKIE, LOGIN_COOKIE, LANGUAGE_COOKIE = "desk", "desk_login", "desk_language"
CSRF_HEADER, CSRF_FIELD = "X-CSRF", "csrf"
LARGEST_BODY = 64 << 10
FORWARDED = "X-Forwarded-For"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
SESSION: web.RequestKey[Session | None] = web.RequestKey("session")
TOKEN: web.RequestKey[str | None] = web.RequestKey("token")
HOME: dict[Role, str] = {"agent": "/desk", "supervisor": "/supervisor", "operations": "/operations"}


def headers(secure: bool) -> Middleware:
    """On every answer, also on errors."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            answer = await handler(request)
        except web.HTTPException as fault:
            _put(fault, secure)
            raise
        if not answer.prepared:
            _put(answer, secure)
        return answer

    return guard


def _put(answer: web.StreamResponse, secure: bool) -> None:
    answer.headers.update(HEADERS)
    answer.headers["Server"] = "desk"
    if secure:
        answer.headers["Strict-Transport-Security"] = HSTS


def who(sessions: Sessions) -> Middleware:
    """Puts the session on the request; no Origin but our own may change anything or open a line."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_line = request.headers.get("Upgrade", "").lower() == "websocket"
        if (request.method in CHANGES or is_line) and not _from_us(request, needed=is_line):
            raise web.HTTPForbidden(text="origin")
        token = request.cookies.get(COOKIE)
        session = sessions.get(token)
        request[SESSION], request[TOKEN] = session, token if session else None
        if session is not None and request.method in CHANGES:
            await _require_csrf(request, session)
            sessions.touch(session)
        return await handler(request)

    return guard


async def _require_csrf(request: web.Request, session: Session) -> None:
    told = request.headers.get(CSRF_HEADER)
    if told is None and request.content_type == "application/x-www-form-urlencoded":
        told = str((await request.post()).get(CSRF_FIELD, ""))
    if not told or not secrets.compare_digest(told.encode(), session.csrf.encode()):
        raise web.HTTPForbidden(text="csrf")


def _from_us(request: web.Request, *, needed: bool) -> bool:
    origin = request.headers.get("Origin")
    if origin is None:
        return not needed
    return urlsplit(origin).netloc == request.host


def address_of(request: web.Request, behind_proxy: bool) -> str:
    """Where the browser is.  What a header says of it counts from a proxy on this machine alone, and of that
    only the last entry: the proxy's own."""
    remote = request.remote or ""
    forwarded = ",".join(request.headers.getall(FORWARDED, ())).rpartition(",")[2].strip()
    return forwarded if behind_proxy and forwarded and is_loopback(remote) else remote


def is_loopback(address: str) -> bool:
    """An address of this machine; False for what is no address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def session_of(request: web.Request, *roles: Role) -> Session:
    """Who asks.  401 when nobody is logged in; 403 for another role, or with a first password."""
    session = request[SESSION]
    if session is None:
        raise web.HTTPUnauthorized(text="login")
    if session.must_change or (roles and session.role not in roles):
        raise web.HTTPForbidden(text="role")
    return session
