"""A far end of bare datagrams, for what SIPp puts right by itself: repeated and senseless messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

WAIT_S = 5.0


@dataclass(frozen=True)
class Message:
    text: str
    source: tuple[str, int]

    @property
    def method(self) -> str:
        return self.text.split(" ", 1)[0]

    def headers(self, name: str) -> list[str]:
        head = self.text.split("\r\n\r\n")[0].split("\r\n")[1:]
        return [line for line in head if line.lower().startswith(f"{name.lower()}:")]


class Wire(asyncio.DatagramProtocol):
    """`seen` has every message; `next` waits for the next request of a method."""

    def __init__(self) -> None:
        self.seen: list[Message] = []
        self.raw: list[tuple[str, int]] = []
        "Where datagrams that are no text came from: RTP."
        self._new: asyncio.Queue[Message] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[:1] == b"\x80":
            self.raw.append(addr)
        elif data.strip():
            message = Message(data.decode("utf-8", "replace"), addr)
            self.seen.append(message)
            self._new.put_nowait(message)

    @property
    def uri(self) -> str:
        return f"sip:+8613800000001@127.0.0.1:{self.port}"

    async def next(self, method: str) -> Message:
        async with asyncio.timeout(WAIT_S):
            while (message := await self._new.get()).method != method:
                pass
        return message

    def count(self, method: str) -> int:
        return sum(message.method == method for message in self.seen)

    def reply(self, request: Message, status: str, body: str = "", *headers: str, tag: str = "far") -> None:
        to = request.headers("To")[0]
        kind = ["Content-Type: application/sdp"] if body else []
        lines = [
            f"SIP/2.0 {status}",
            *request.headers("Via"),
            *request.headers("From"),
            to if "tag=" in to else f"{to};tag={tag}",
            *request.headers("Call-ID"),
            *request.headers("CSeq"),
            f"Contact: <sip:far@127.0.0.1:{self.port}>",
            *kind,
            *headers,
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
        self.transport.sendto("\r\n".join(lines).encode(), request.source)

    def invite(self, port: int, *headers: str) -> None:
        """A call to the phone at that port, without SDP."""
        lines = [
            f"INVITE sip:voicebot@127.0.0.1:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bKone",
            "Max-Forwards: 70",
            f"From: <sip:stranger@127.0.0.1:{self.port}>;tag=s",
            f"To: <sip:voicebot@127.0.0.1:{port}>",
            "Call-ID: stranger",
            "CSeq: 1 INVITE",
            f"Contact: <sip:stranger@127.0.0.1:{self.port}>",
            *headers,
            "Content-Length: 0",
            "",
            "",
        ]
        self.transport.sendto("\r\n".join(lines).encode(), ("127.0.0.1", port))

    async def final(self, call_id: str) -> str:
        """The code of the final answer to a request of ours."""
        async with asyncio.timeout(WAIT_S):
            while True:
                message = await self._new.get()
                code = message.text.removeprefix("SIP/2.0 ")[:3]
                if message.method == "SIP/2.0" and code >= "200" and call_id in message.headers("Call-ID")[0]:
                    return code

    def sdp(self, formats: str = "8", port: int | None = None, media: str = "audio") -> str:
        lines = ("v=0", "o=far 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0")
        wanted = self.port + 1000 if port is None else port
        return "\r\n".join((*lines, f"m={media} {wanted} RTP/AVP {formats}", "a=sendrecv", ""))


@asynccontextmanager
async def wire() -> AsyncIterator[Wire]:
    transport, far = await asyncio.get_running_loop().create_datagram_endpoint(Wire, ("127.0.0.1", 0))
    try:
        yield far
    finally:
        transport.close()
