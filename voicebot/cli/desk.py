"""`voicebot desk`: the agents', supervisors' and operations' pages, served until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from handoff.agents import GateQualification
from handoff.desk.app import Desk
from handoff.desk.security import is_loopback
from handoff.desk.sessions import IDLE_S
from handoff.staff import agents_in_force
from voicebot.campaign.ledger import Ledger
from voicebot.cli.agent_words import forbidden
from voicebot.cli.site_store import SiteFile, SiteStore, StoreUrl, opened
from voicebot.errors import InputError
from voicebot.logs import configure

PORT = 8600


def desk(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = PORT,
    cert: Annotated[Path | None, typer.Option(help="TLS: the certificate chain, PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="TLS: its private key, PEM.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy on this machine speaks TLS for the desk.")
    ] = False,
    idle_min: Annotated[
        int, typer.Option(min=1, max=720, help="Minutes without a click after which a session ends.")
    ] = int(IDLE_S // 60),
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Serve the desk. Campaigns that run on this machine find it by themselves, whichever starts first.

    Who may log in: voicebot agents list, and voicebot agents reset ID for a first password.
    """
    tls = _tls(cert, key)
    if tls is None and not behind_proxy and host != "localhost" and not is_loopback(host):
        raise InputError(
            "beyond this machine the desk speaks TLS only",
            "Give --cert and --key, or --behind-proxy where a proxy does it.",
            key="--host",
        )
    configure()
    with opened(site_file, store) as place:
        asyncio.run(_serve(place, host, port, tls, behind_proxy, idle_min * 60.0))


async def _serve(
    place: SiteStore, host: str, port: int, tls: ssl.SSLContext | None, behind_proxy: bool, idle_s: float
) -> None:
    site, gate = place.site, place.site.gate(place.clock)

    def may_reveal(facts: Mapping[str, Any]) -> bool:
        return gate.decide("data_access", facts).allowed

    ledger = Ledger(place.store, gate, place.clock, recorder_ready=lambda: False)  # it places no calls

    def write_alone(attempt_id: str, effects: Mapping[str, str | None]) -> bool:
        try:
            ledger.apply_outcome(attempt_id, **effects)
        except LookupError:  # of a simulated run, which has a store of its own
            return False
        return True

    desk = Desk(
        place.store,
        place.clock,
        roster=lambda: agents_in_force(site.agents, site.store, site.keys, place.clock),
        qualify=GateQualification(gate, place.clock),
        may_reveal=may_reveal,
        forbidden=forbidden,
        write_alone=write_alone,
        secure=tls is not None or behind_proxy,
        behind_proxy=behind_proxy,
        idle_s=idle_s,
    )
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ending.set)
    try:
        async with desk.serve(site.var, host, port, tls) as bound:
            typer.echo(f"The desk is open: {'https' if tls else 'http'}://{_shown(host)}:{bound}/")
            await ending.wait()
    except OSError as fault:
        raise InputError(
            f"the desk cannot listen there: {fault.strerror}", "Choose another --port."
        ) from None


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise InputError("TLS takes a certificate and its key", "Give both --cert and --key.")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as fault:
        raise InputError(
            f"certificate and key cannot be used: {fault.strerror or fault}", where=cert
        ) from None
    return context


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
