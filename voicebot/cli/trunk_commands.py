"""`voicebot trunk`: what the trunks are, what the installed SIP stack can do, one real test of a trunk."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import typer

from sip.echo_call import EchoResult, echo_call
from sip.errors import SipError
from sip.softphone import PhoneSettings, Softphone
from sip.trunk import Trunk, load_trunks
from voicebot.cli.listing import show_rows
from voicebot.cli.site_store import AsJson, SiteFile
from voicebot.cli.trunk_probe import REGISTERED_WITHIN_S, answer_to_options
from voicebot.errors import InputError
from voicebot.settings import Site, load_site
from voicebot.yaml_document import YamlDocument

app = typer.Typer(no_args_is_help=True)

RING_S = 20.0
Result = Literal["good", "bad", "skipped"]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A trunk of configs/trunks.yaml.")]


@dataclass(frozen=True)
class Step:
    """One part of a test."""

    step: str
    result: Result
    text: str
    ms: float | None = None


@dataclass(frozen=True)
class TrunkTest:
    """What a test found."""

    trunk: str
    steps: list[Step]
    echo: EchoResult | None = None

    @property
    def good(self) -> bool:
        return all(step.result != "bad" for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found: dict[str, Any] = {
            "trunk": self.trunk,
            "good": self.good,
            "steps": [asdict(step) for step in self.steps],
        }
        if self.echo is not None and self.echo.answered_ms is not None:
            rtp = self.echo.rtp
            figures = {"loss": rtp.loss, "mos": rtp.mos, "sent_loss": rtp.sent_loss, "sent_mos": rtp.sent_mos}
            found["echo"] = {
                "answered_ms": self.echo.answered_ms,
                "round_trip_ms": self.echo.round_trip_ms,
                "round_trips_ms": list(self.echo.round_trips_ms),
                "rtp": {**asdict(rtp), **figures},
            }
        return found


@app.command("list")
def list_trunks(as_json: AsJson = False, site_file: SiteFile = None) -> None:
    """Show the trunks: where they go, over what, and whether they register."""
    site = load_site(site_file)
    rows = [
        {
            "trunk": trunk.name,
            "gateways": ", ".join(trunk.gateways) or "the simulated world's",
            "transport": trunk.transport.value,
            "srtp": trunk.srtp.value,
            "codecs": ", ".join(trunk.codecs),
            "registers_at": trunk.registrar or "–",
            "lines": trunk.lines,
            "cps": trunk.cps,
        }
        for trunk in load_trunks(site.trunks).values()
    ]
    show_rows(rows, as_json, "No trunk is configured.")


@app.command("capabilities")
def capabilities(as_json: AsJson = False, site_file: SiteFile = None) -> None:
    """Ask the installed SIP stack what it can do: codecs, SRTP, TLS, session timers, 100rel, calls."""
    able = asyncio.run(_capabilities(load_site(site_file)))
    if as_json:
        print(json.dumps(able, indent=2))
        return
    for name, value in able.items():
        shown = ", ".join(value) if isinstance(value, (list, tuple)) else value
        typer.echo(f"{name:<18} {shown if shown not in ('', False) else 'no'}")


async def _capabilities(site: Site) -> dict[str, Any]:
    async with Softphone(PhoneSettings(ip=site.sip.ip, max_calls=1)) as phone:
        assert phone.capabilities is not None
        return phone.capabilities.as_dict()


@app.command("test")
def test(name: Name, as_json: AsJson = False, site_file: SiteFile = None) -> None:
    """Register, ask every gateway with OPTIONS, and call the trunk's echo number once.

    The echo call goes to the carrier's own number from the trunk's settings, never to a person.  Ends with 0
    when all went well, 1 when a step did not, 2 for settings that can't work.
    """
    site = load_site(site_file)
    trunk = named(site, name)
    trunk.require_files()
    found = asyncio.run(tested(trunk, site.sip.ip))
    if as_json:
        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        typer.echo(f"{trunk.name} ({trunk.transport}, SRTP {trunk.srtp}, {', '.join(trunk.codecs)})")
        for step in found.steps:
            typer.echo(f"  {step.result:<8}{step.step:<10}{step.text}")
    if not found.good:
        raise typer.Exit(1)


def named(site: Site, name: str) -> Trunk:
    """The trunk of that name.  InputError or SipError when it can't be tested."""
    trunks = load_trunks(site.trunks)
    trunk = trunks.get(name)
    if trunk is None:
        raise InputError(f"there is no trunk {name!r}", f"Known: {', '.join(trunks)}.", site.trunks)
    if trunk.simulated:
        raise InputError(
            f"trunk {name} is simulated: its gateways exist only while a simulated campaign runs",
            "Test a carrier's trunk.",
            site.trunks,
            YamlDocument.read(site.trunks).line_of(("trunks", name)),
        )
    return trunk


async def tested(trunk: Trunk, ip: str) -> TrunkTest:
    """All steps, in order; a step that needs what an earlier one did not get is skipped.  Raises SipError."""
    steps: list[Step] = []
    echo: EchoResult | None = None
    if trunk.sends_srtp_keys_in_clear:
        steps.append(Step("settings", "good", "note: SRTP without TLS sends its keys in clear text"))
    async with Softphone(PhoneSettings(ip=ip, max_calls=2, trunk=trunk, takes_calls=False)) as phone:
        steps.append(await _register(phone))
        steps += await asyncio.get_running_loop().run_in_executor(None, _options, trunk, ip)
        if trunk.echo is None:
            steps.append(Step("echo call", "skipped", "the trunk has no echo number"))
        elif not phone.trunk_status.ready:
            steps.append(Step("echo call", "skipped", f"nothing is dialled: {phone.trunk_status.text}"))
        else:
            uri, caller = trunk.echo_uri(), trunk.echo.caller
            try:
                echo = await echo_call(
                    phone, uri, trunk.caller_uri(caller), trunk.invite_headers(caller), RING_S
                )
                steps.append(_of_echo(echo))
            except SipError as fault:
                steps.append(Step("echo call", "bad", str(fault)))
    return TrunkTest(trunk.name, steps, echo)


async def _register(phone: Softphone) -> Step:
    if phone.registering is None:
        return Step("register", "skipped", "the trunk does not register")
    began = time.monotonic()
    status = await phone.registering.settled(REGISTERED_WITHIN_S)
    ms = round(1000 * (time.monotonic() - began), 1)
    return Step("register", "good" if status.ready else "bad", status.text, ms)


def _options(trunk: Trunk, ip: str) -> list[Step]:
    if not trunk.options:
        return [Step("options", "skipped", "the carrier ignores OPTIONS (options: false)")]
    steps = []
    for gateway in trunk.gateways:
        began = time.monotonic()
        try:
            answer = answer_to_options(trunk, gateway, ip)
            text = f"{gateway} answers {answer}" if answer else f"{gateway} does not answer"
        except SipError as fault:
            answer, text = "", str(fault)
        ms = round(1000 * (time.monotonic() - began), 1)
        steps.append(Step("options", "good" if answer else "bad", text, ms))
    return steps


def _of_echo(echo: EchoResult) -> Step:
    if echo.answered_ms is None:
        cause = echo.cause
        why = f"{cause.code} {cause.reason} ({cause.kind})" if cause else f"no end within {RING_S:.0f} s"
        if cause is not None and not cause.remote:
            why = f"nobody answered within {RING_S:.0f} s"
        return Step("echo call", "bad", why)
    rtp = echo.rtp
    if echo.round_trip_ms is None:
        what = "no packet came: one-way audio" if not rtp.received else "what we said did not come back"
        return Step("echo call", "bad", f"answered, but {what}", echo.answered_ms)
    text = (
        f"answered after {echo.answered_ms:.0f} ms, {rtp.codec}{' over SRTP' if rtp.srtp else ''}; "
        f"there and back {echo.round_trip_ms:.0f} ms; {rtp.loss:.1%} lost, jitter {rtp.jitter_ms:.0f} ms, "
        f"MOS about {rtp.mos:.1f}"
    )
    return Step("echo call", "good", text, echo.answered_ms)
