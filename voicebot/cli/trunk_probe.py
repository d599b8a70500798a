"""Asks a gateway with one SIP OPTIONS, over the trunk's transport, whether somebody is there."""

from __future__ import annotations

import secrets
import socket
import ssl

from sip.errors import SipError
from sip.registering import TrunkStatus
from sip.softphone import PhoneSettings, Softphone
from sip.trunk import Trunk
from sip.trunk_settings import Transport

ATTEMPTS_S = (0.5, 1.0, 2.0)  # waits before OPTIONS is sent again, as SIP's own timer grows; 3.5 s in all
MOST_BYTES = 65535
REGISTERED_WITHIN_S = 6.0


def answer_to_options(trunk: Trunk, gateway: str, ip: str, waits_s: tuple[float, ...] = ATTEMPTS_S) -> str:
    """The status line's code and reason ("200 OK"), or "" when nothing came.

    `gateway` is host:port, `ip` the address to send from.  Of `trunk` the transport, the certificates and the
    outbound proxy count.  An unknown host or a refused port is "" too; a certificate that is not accepted
    raises SipError.
    """
    there = trunk.outbound_proxy or gateway
    try:
        if trunk.transport is Transport.UDP:
            return _over_udp(gateway, there, ip, waits_s)
        return _over_stream(gateway, there, ip, sum(waits_s), trunk)
    except ssl.SSLCertVerificationError as fault:
        raise trunk.fault(
            f"the certificate of {there} is not accepted: {fault.verify_message}.",
            "Name its authority in tls.ca, or the gateway as its certificate does.",
            "tls",
        ) from None
    except OSError:
        return ""  # no such host, no route, or the port was refused: nobody answers there


async def try_to_register(trunk: Trunk, ip: str) -> TrunkStatus:
    """Registers, and gives the registration back.  Raises SipError for settings that can't work."""
    async with Softphone(PhoneSettings(ip=ip, max_calls=1, trunk=trunk, takes_calls=False)) as phone:
        assert phone.registering is not None
        return await phone.registering.settled(REGISTERED_WITHIN_S)


def _over_udp(gateway: str, there: str, ip: str, waits_s: tuple[float, ...]) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind((ip, 0))
        link.connect(_address(there))
        request = _options(gateway, link, "UDP", there)
        for wait in waits_s:
            link.send(request)
            link.settimeout(wait)
            try:
                return _status(link.recv(MOST_BYTES))
            except TimeoutError:
                continue
    return ""


def _over_stream(gateway: str, there: str, ip: str, within_s: float, trunk: Trunk) -> str:
    with socket.create_connection(_address(there), within_s, source_address=(ip, 0)) as link:
        if trunk.transport is Transport.TLS:
            try:
                context = trunk.tls.context()
            except SipError as fault:
                raise trunk.fault(fault.what, fault.do, "tls", fault.key or "") from None
            with context.wrap_socket(link, server_hostname=_address(there)[0]) as secured:
                return _asked(gateway, there, secured, "TLS")
        return _asked(gateway, there, link, "TCP")


def _asked(gateway: str, there: str, link: socket.socket, name: str) -> str:
    link.sendall(_options(gateway, link, name, there))
    heard = b""
    while b"\r\n" not in heard.lstrip(b"\r\n"):
        part = link.recv(MOST_BYTES)
        if not part:
            return ""
        heard += part
    return _status(heard.lstrip(b"\r\n"))


def _address(host_and_port: str) -> tuple[str, int]:
    host, _, port = host_and_port.rpartition(":")
    return host, int(port)


def _options(gateway: str, link: socket.socket, name: str, there: str) -> bytes:
    token = secrets.token_hex(8)
    contact = "{}:{}".format(*link.getsockname()[:2])
    way = "" if name == "UDP" else f";transport={name.lower()}"
    lines = (
        f"OPTIONS sip:{gateway}{way} SIP/2.0",
        f"Via: SIP/2.0/{name} {contact};rport;branch=z9hG4bK{token}",
        *((f"Route: <sip:{there}{way};lr>",) if there != gateway else ()),
        "Max-Forwards: 70",
        f"From: <sip:doctor@{contact}>;tag={token}",
        f"To: <sip:{gateway}>",
        f"Call-ID: {token}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:doctor@{contact}{way}>",
        "Content-Length: 0",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def _status(answer: bytes) -> str:
    first = answer.split(b"\r\n", 1)[0].decode("utf-8", "replace")
    return first.removeprefix("SIP/2.0 ") if first.startswith("SIP/2.0 ") else ""
