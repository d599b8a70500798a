"""A carrier's registrar and proxy on the wire, over UDP, TCP or TLS: digest, bindings, and faults on order.

Shares no code with the phone.  INVITE is challenged too, then refused with `invite_answer`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

_PARAMETER = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
USER, SECRET, REALM = "4711", "geheim", "carrier.example"


@dataclass
class Request:
    method: str
    uri: str
    headers: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def get(self, name: str) -> str:
        return next(iter(self.all(name)), "")


@dataclass
class Registrar:
    """`mute`: says nothing; `refusal`: every REGISTER gets this status line; `extra`: headers of answers."""

    transport: str = "udp"
    tls: ssl.SSLContext | None = None
    expires_s: int = 60
    mute: bool = False
    refusal: str = ""
    extra: tuple[str, ...] = ()
    invite_answer: str = "486 Busy Here"
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    bindings: dict[str, int] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._news = asyncio.Condition()
        self._nonce = secrets.token_hex(8)
        self._connections: set[asyncio.StreamWriter] = set()
        if self.transport == "udp":
            self._datagrams, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), ("127.0.0.1", self.port)
            )
            self.port = self._datagrams.get_extra_info("sockname")[1]
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *fault: object) -> None:
        if self.transport == "udp":
            self._datagrams.close()
        else:
            self._server.close()
            self.cut()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Breaks every connection."""
        for writer in list(self._connections):
            writer.transport.abort()

    def refuse(self) -> None:
        """Breaks every connection and takes no further one."""
        self._server.close()
        self.cut()

    async def heard(self, method: str, count: int, within_s: float = 8.0) -> list[Request]:
        """Waits until so many requests of this method have come; returns them."""

        def them() -> list[Request]:
            return [one for one in self.requests if one.method == method]

        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: len(them()) >= count), within_s)
        return them()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lstrip(b"\r\n")
                if length := re.search(rb"(?im)^(?:Content-Length|l)\s*:\s*(\d+)", head):
                    await reader.readexactly(int(length[1]))
                if head:
                    self.take(head, writer.write)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return
        finally:
            self._connections.discard(writer)
            writer.close()

    def take(self, message: bytes, send: Callable[[bytes], object]) -> None:
        head = message.decode("utf-8", "replace").split("\r\n\r\n")[0].split("\r\n")
        if head[0].startswith("SIP/2.0") or not head[0]:
            return
        method, uri, _ = head[0].split(" ")
        headers = [
            (name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:])
        ]
        request = Request(method, uri, headers)
        self.requests.append(request)
        asyncio.get_running_loop().create_task(self._tell())
        if not self.mute and (answer := self._answer(request)):
            send(answer)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _answer(self, request: Request) -> bytes:
        match request.method:
            case "REGISTER":
                if self.refusal:
                    return self._written(request, self.refusal)
                if not self._knows(request, "authorization"):
                    return self._written(request, "401 Unauthorized", self._challenge("WWW"))
                return self._written(request, "200 OK", *self._bound(request))
            case "INVITE":
                if not self._knows(request, "proxy-authorization"):
                    return self._written(
                        request, "407 Proxy Authentication Required", self._challenge("Proxy")
                    )
                return self._written(request, self.invite_answer)
            case "ACK":
                return b""
            case _:
                return self._written(request, "200 OK")

    def _bound(self, request: Request) -> list[str]:
        contact = request.get("contact")
        asked = int(request.get("expires") or "3600")
        uri = contact.partition(">")[0].lstrip("<")
        if asked == 0:
            self.bindings.pop(uri, None)
            return []
        granted = self.bindings[uri] = min(asked, self.expires_s)
        return [f"Contact: <{uri}>;expires={granted}"]

    def _challenge(self, who: str) -> str:
        return f'{who}-Authenticate: Digest realm="{REALM}", nonce="{self._nonce}", qop="auth", algorithm=MD5'

    def _knows(self, request: Request, header: str) -> bool:
        given = {name: quoted or bare for name, quoted, bare in _PARAMETER.findall(request.get(header))}
        if given.get("nonce") != self._nonce:
            return False
        first = _md5(f"{given['username']}:{REALM}:{SECRET}")
        second = _md5(f"{request.method}:{given['uri']}")
        middle = f"{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}"
        return given["username"] == USER and given["response"] == _md5(f"{first}:{middle}:{second}")

    def _written(self, request: Request, status: str, *headers: str) -> bytes:
        tag = "" if "tag=" in request.get("to") else ";tag=reg"
        lines = [
            f"SIP/2.0 {status}",
            *(f"Via: {via}" for via in request.all("via")),
            f"From: {request.get('from')}",
            f"To: {request.get('to')}{tag}",
            f"Call-ID: {request.get('call-id')}",
            f"CSeq: {request.get('cseq')}",
            *headers,
            *self.extra,
            "Content-Length: 0",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.strip():
            self._registrar.take(data, lambda answer: self._transport.sendto(answer, addr))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
