"""Free ports: one block for a phone, SIP first, RTP behind it.

Two phones that start at once must not take the same block, and pjmedia binds its RTP ports only when a
call begins.  So a phone holds its block by a TCP socket bound to the block's first port: the operating
system grants it once, and takes it back when the process dies.
"""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass

from sip.errors import PortBusy

LOWEST, HIGHEST = 16384, 32000
"""Below the range from which Linux hands out ports of its own accord (32768-60999)."""
PORTS_PER_CALL = 8
"""A call takes two ports; the rest is room for ports that are released late or taken by others."""
BLOCK = 64
"""Blocks start at multiples of this, so that blocks of phones with the usual call limit never overlap."""


def udp_port_is_free(ip: str, port: int) -> bool:
    """Whether nobody has bound this UDP port at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((ip, port))
        except OSError:
            return False
    return True


@dataclass(frozen=True)
class PortBlock:
    """`sip_port` for signalling, `rtp_port` the first (even) of `rtp_count` ports.  Held until `release`."""

    sip_port: int
    rtp_port: int
    rtp_count: int
    _claims: tuple[socket.socket, ...] = ()

    def release(self) -> None:
        """Gives the block back.  Twice does no harm."""
        for claim in self._claims:
            claim.close()


def block_size(max_calls: int) -> int:
    """How many ports a phone for so many calls takes out of its range."""
    return -(-(PORTS_PER_CALL * max_calls + 2) // BLOCK) * BLOCK


def reserve(
    ip: str,
    *,
    max_calls: int,
    sip_port: int = 0,
    rtp_port: int = 0,
    within: tuple[int, int] = (LOWEST, HIGHEST),
) -> PortBlock:
    """Reserves ports for `max_calls` calls; a port given as 0 is chosen `within` (first, last).

    Raises PortBusy when the given SIP port is taken, or when no block is free.
    """
    rtp_count = PORTS_PER_CALL * max_calls
    if sip_port and not udp_port_is_free(ip, sip_port):
        raise PortBusy(
            f"UDP port {sip_port} on {ip} is in use.", "Stop the program that holds it, or set another port."
        )
    if sip_port and rtp_port:
        return PortBlock(sip_port, rtp_port, rtp_count)
    size = block_size(max_calls)
    starts = list(range(-(-within[0] // BLOCK) * BLOCK, within[1] + 2 - size, BLOCK))
    turn = random.SystemRandom().randrange(len(starts)) if starts else 0
    for start in starts[turn:] + starts[:turn]:
        if (claims := _claim(ip, list(range(start, start + size, BLOCK)))) is None:
            continue
        if all(udp_port_is_free(ip, port) for port in range(start, start + 2 + rtp_count)):
            return PortBlock(sip_port or start, rtp_port or start + 2, rtp_count, claims)
        for claim in claims:
            claim.close()
    raise PortBusy(
        f"no block of {size} free UDP ports on {ip} between {within[0]} and {within[1]}.",
        "Widen the range (sip.ports of the site), or run fewer workers.",
    )


def _claim(ip: str, ports: list[int]) -> tuple[socket.socket, ...] | None:
    """Binds TCP sockets to all of `ports`, or to none (None) when one is taken."""
    claims: list[socket.socket] = []
    for port in ports:
        claim = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        claims.append(claim)
        try:
            claim.bind((ip, port))
        except OSError:
            for held in claims:
                held.close()
            return None
    return tuple(claims)
