"""`voicebot trunk` against a registrar, a gateway and an echo on the wire."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_site import Said, SmallSite
from tests.sip.registrar import SECRET, USER, Registrar
from tests.sip.sipp import agrees, answers, sdp, sipp, takes

pytestmark = pytest.mark.calls
ECHO = "    echo: {number: '9196', caller: '+862100000002'}\n"


def trunks(site: SmallSite, text: str) -> None:
    site.write("configs/trunks.yaml", f"trunks:\n  east:\n{text}")


async def beside(site: SmallSite, *words: str) -> Said:
    """The command in a thread, while the far end lives in this loop."""
    return await asyncio.to_thread(site.command, "voicebot", "trunk", *words)


def steps(said: Said) -> dict[str, Any]:
    return {step["step"]: step for step in json.loads(said.out)["steps"]}


async def test_an_echo_is_measured(site: SmallSite, tmp_path: Path) -> None:
    """SIPp sends our RTP back at once: what is measured are our own packets and jitter buffer."""
    folder = tmp_path / "far"
    folder.mkdir()
    script = [
        *(takes("INVITE", regexp="sip:9196@"), answers("180 Ringing"), answers("200 OK", sdp(formats="8"))),
        *(takes("ACK"), takes("BYE"), agrees()),
    ]
    async with sipp(folder, script, "-rtp_echo") as far:
        trunks(site, f"    gateways: ['127.0.0.1:{far.port}']\n    options: false\n{ECHO}")
        said = await beside(site, "test", "east", "--json")
        await far.done()
    assert said.code == 0, said
    found = json.loads(said.out)
    assert [step["result"] for step in found["steps"]] == ["skipped", "skipped", "good"]
    echo = found["echo"]
    assert len(echo["round_trips_ms"]) == 3 and 20 <= echo["round_trip_ms"] <= 400
    assert echo["rtp"]["codec"] == "PCMA" and echo["rtp"]["received"] > 50 and echo["rtp"]["mos"] > 4


async def test_it_registers_and_asks_and_says_that_the_echo_number_is_busy(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Registrar() as carrier:
        login = f"    login: {{user: '{USER}', secret_env: EAST_SECRET}}\n    registration: {{}}\n"
        trunks(site, f"    gateways: ['{carrier.address}']\n{login}{ECHO}")
        monkeypatch.setenv("EAST_SECRET", SECRET)
        said = await beside(site, "test", "east", "--json")
        found = steps(said)
        assert said.code == 1
        assert found["register"]["result"] == "good" and found["register"]["ms"] < 5000
        assert found["options"]["text"] == f"{carrier.address} answers 200 OK"
        assert found["echo call"]["result"] == "bad" and "486" in found["echo call"]["text"]
        assert carrier.bindings == {}
        monkeypatch.setenv("EAST_SECRET", "wrong")
        said = await beside(site, "test", "east")
        assert said.code == 1 and "401" in said.out and "nothing is dialled" in said.out
        assert "wrong" not in said.out + said.err
        assert len([one for one in carrier.requests if one.method == "INVITE"]) == 2  # of the first test only


def test_a_dead_gateway_is_named(site: SmallSite) -> None:
    trunks(site, "    gateways: ['127.0.0.1:9']\n    transport: tcp\n")
    said = site.command("voicebot", "trunk", "test", "east")
    assert said.code == 1 and "127.0.0.1:9 does not answer" in said.out and "no echo number" in said.out


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("    gateways: ['h:1']\n", "west", "there is no trunk 'west'. Known: east."),
        ("    simulated: true\n", "east", "trunks.yaml:2: trunk east is simulated"),
        (
            "    gateways: ['h:1']\n    transport: tls\n    tls: {ca: none.pem}\n",
            "east",
            "trunks.yaml:5 (trunks.east.tls.ca): none.pem can't be used: it does not exist.",
        ),
        (
            "    gateways: ['h:1']\n    login: {user: u, secret_env: NO_SUCH_SECRET}\n",
            "east",
            "trunks.yaml:4 (trunks.east.login.secret_env): the variable NO_SUCH_SECRET is not set.",
        ),
    ],
)
def test_what_cannot_work_is_one_line(site: SmallSite, text: str, name: str, says: str) -> None:
    trunks(site, text)
    site.command("voicebot", "trunk", "test", name).refused(says)


def test_the_stack_is_asked_what_it_can_do(site: SmallSite) -> None:
    trunks(site, "    gateways: ['h:1']\n")
    said = site.command("voicebot", "trunk", "capabilities", "--json")
    able = json.loads(said.out)
    assert said.code == 0 and able["call_limit"] >= 4 and "PCMA/8000/1" in able["codecs"]
    said = site.command("voicebot", "trunk", "list", "--json")
    assert said.code == 0 and json.loads(said.out)[0]["trunk"] == "east"
