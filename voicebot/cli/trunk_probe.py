"""Asks a gateway with one SIP OPTIONS over UDP whether somebody is there."""

from __future__ import annotations

import secrets
import socket

ATTEMPTS_S = (0.5, 1.0, 2.0)  # waits before OPTIONS is sent again, as SIP's own timer grows; 3.5 s in all
MOST_BYTES = 65535


def answer_to_options(gateway: str, ip: str, waits_s: tuple[float, ...] = ATTEMPTS_S) -> str:
    """The status line's code and reason ("200 OK"), or "" when nothing came.

    `gateway` is host:port, `ip` the address to send from.  An unknown host or an unreachable port is "" too.
    """
    host, _, port = gateway.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        try:
            link.bind((ip, 0))
            link.connect((host, int(port)))
            own_ip, own_port = link.getsockname()
            request = _options(gateway, f"{own_ip}:{own_port}")
            for wait in waits_s:
                link.send(request)
                link.settimeout(wait)
                try:
                    return _status(link.recv(MOST_BYTES))
                except TimeoutError:
                    continue
        except OSError:
            return ""  # no such host, no route, or the port was refused: nobody answers there
    return ""


def _options(gateway: str, contact: str) -> bytes:
    token = secrets.token_hex(8)
    lines = (
        f"OPTIONS sip:{gateway} SIP/2.0",
        f"Via: SIP/2.0/UDP {contact};rport;branch=z9hG4bK{token}",
        "Max-Forwards: 70",
        f"From: <sip:doctor@{contact}>;tag={token}",
        f"To: <sip:{gateway}>",
        f"Call-ID: {token}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:doctor@{contact}>",
        "Content-Length: 0",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def _status(datagram: bytes) -> str:
    first = datagram.split(b"\r\n", 1)[0].decode("utf-8", "replace")
    return first.removeprefix("SIP/2.0 ") if first.startswith("SIP/2.0 ") else ""
