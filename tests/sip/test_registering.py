"""Registration at a registrar on the wire: digest, renewal, losses, and what is dialled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sip import softphone
from sip.cause import CauseKind
from sip.errors import SipError, TrunkDown
from sip.registering import Registering, TrunkStatus
from sip.softphone import PhoneSettings, Softphone
from sip.trunk import Trunk
from tests.sip.certificates import issue
from tests.sip.registrar import REALM, SECRET, USER, Registrar

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="module")]
NUMBER, CALLER = "+8613800000001", "+862100000002"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines of a test: a third of a second instead of four."""
    monkeypatch.setenv("EAST_SECRET", SECRET)

    class Impatient(Registering):
        def __init__(self, trunk: Trunk, ask: Any, tell: Any) -> None:
            super().__init__(trunk, ask, tell, answer_within_s=0.4, first_retry_s=0.1)

    monkeypatch.setattr(softphone, "Registering", Impatient)


def trunk_at(registrar: Registrar, **more: Any) -> Trunk:
    return Trunk(
        name="east",
        gateways=(registrar.address,),
        transport=registrar.transport,
        login={"user": USER, "secret_env": "EAST_SECRET", "realm": more.pop("realm", "*")},
        registration={"expires_s": 60, **more.pop("registration", {})},
        **more,
    )


@asynccontextmanager
async def registered(trunk: Trunk) -> AsyncIterator[tuple[Softphone, list[TrunkStatus]]]:
    phone, told = Softphone(PhoneSettings(trunk=trunk)), []
    phone.on_trunk = told.append
    async with phone:
        assert phone.registering is not None
        status = await phone.registering.settled(5)
        assert status.ready, status.text
        yield phone, told


async def until(condition: Any, within_s: float = 5.0) -> None:
    give_up_at = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < give_up_at, "it did not happen"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_it_registers_dials_with_its_login_and_unregisters(transport: str) -> None:
    async with Registrar(transport=transport) as registrar:
        trunk = trunk_at(registrar, realm=REALM, asserted_identity=True, privacy="id")
        async with registered(trunk) as (phone, told):
            assert [status.ready for status in told] == [True]
            assert list(registrar.bindings.values()) == [60]
            leg = await phone.dial(
                trunk.request_uri(NUMBER),
                caller=trunk.caller_uri(CALLER),
                headers=trunk.invite_headers(CALLER),
                over_trunk=True,
            )
            assert (await asyncio.wait_for(leg.ended, 5)).kind is CauseKind.BUSY
            first, second = (await registrar.heard("INVITE", 2))[:2]
            assert not first.get("proxy-authorization") and second.get("proxy-authorization")
            assert second.get("via").startswith(f"SIP/2.0/{transport.upper()} ")
            assert f"sip:{CALLER}@" in second.get("from")
            assert second.get("p-asserted-identity") == f"<{trunk.caller_uri(CALLER)}>"
            assert second.get("privacy") == "id"
        assert registrar.bindings == {}
        assert registrar.requests[-1].get("expires") == "0"


async def test_over_tls_the_registrar_is_who_its_certificate_says(tmp_path: Path) -> None:
    ours = issue(tmp_path / "carrier")
    async with Registrar(transport="tls", tls=ours.server()) as registrar:
        async with registered(trunk_at(registrar, tls={"ca": ours.ca})) as (phone, _):
            assert registrar.requests[-1].get("via").startswith("SIP/2.0/TLS ")
            assert phone.trunk_port
        count = len(registrar.requests)
        other = issue(tmp_path / "stranger")
        for tls in ({"ca": other.ca}, {"ca": other.ca, "verify": False}):
            phone = Softphone(PhoneSettings(trunk=trunk_at(registrar, tls=tls)))
            async with phone:
                assert phone.registering is not None
                status = await phone.registering.settled(5)
                if "verify" not in tls:
                    assert not status.ready and "certificate" in status.text.lower(), status.text
                    assert len(registrar.requests) == count  # nothing was told to a stranger
                else:
                    assert status.ready


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    made = issue(tmp_path, "sbc.carrier.example")
    async with Registrar(transport="tls", tls=made.server()) as registrar:
        phone = Softphone(PhoneSettings(trunk=trunk_at(registrar, tls={"ca": made.ca})))
        async with phone:
            assert phone.registering is not None
            status = await phone.registering.settled(5)
            assert not status.ready and not registrar.requests, status.text


async def test_nothing_is_dialled_without_a_registration() -> None:
    async with Registrar(refusal="403 Forbidden") as registrar:
        trunk = trunk_at(registrar)
        async with Softphone(PhoneSettings(trunk=trunk)) as phone:
            assert phone.registering is not None
            status = await phone.registering.settled(5)
            assert not status.ready and status.text == "REGISTER: 403 Forbidden"
            with pytest.raises(TrunkDown, match="403 Forbidden"):
                await phone.dial(trunk.request_uri(NUMBER), over_trunk=True)
            await asyncio.sleep(0.5)
        assert {request.method for request in registrar.requests} == {"REGISTER"}
        assert len(registrar.requests) == 1  # a refusal is not repeated at once, nor is there a goodbye


async def test_a_wrong_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAST_SECRET", "wrong")
    async with Registrar() as registrar, Softphone(PhoneSettings(trunk=trunk_at(registrar))) as phone:
        assert phone.registering is not None
        status = await phone.registering.settled(5)
        assert not status.ready and "401" in status.text and "wrong" not in status.text
        assert registrar.bindings == {}


async def test_the_realm_is_not_answered_when_it_is_another() -> None:
    async with Registrar() as registrar:
        trunk = trunk_at(registrar, realm="other.example")
        async with Softphone(PhoneSettings(trunk=trunk)) as phone:
            assert phone.registering is not None
            assert not (await phone.registering.settled(5)).ready
            assert not any(request.get("authorization") for request in registrar.requests)


async def test_it_renews_before_the_time_is_over() -> None:
    async with Registrar(expires_s=1) as registrar, registered(trunk_at(registrar)) as (phone, told):
        await registrar.heard("REGISTER", 4, 5)
        assert phone.trunk_status.ready and [status.ready for status in told] == [True]


async def test_after_a_silence_it_registers_again_though_its_last_attempt_hangs() -> None:
    """The stack alone would wait 32 s for its old REGISTER, and refuse a new one until then."""
    async with Registrar(expires_s=1) as registrar, registered(trunk_at(registrar)) as (phone, told):
        registrar.mute = True
        await until(lambda: not phone.trunk_status.ready)
        assert "no answer" in phone.trunk_status.text
        with pytest.raises(TrunkDown):
            await phone.dial(f"sip:1@{registrar.address}", over_trunk=True)
        await asyncio.sleep(1.5)
        registrar.mute = False
        registrar.bindings.clear()
        began = asyncio.get_running_loop().time()
        await until(lambda: phone.trunk_status.ready)
        assert asyncio.get_running_loop().time() - began < 3.0
        assert phone.trunk_status.losses == 1
        assert told[0].ready and told[-1].ready
        await asyncio.sleep(1.2)  # what comes late of the attempts that were given up takes nothing away
        assert phone.trunk_status.ready and len(registrar.bindings) == 1
        assert not any(request.get("expires") == "0" for request in registrar.requests)


async def test_a_call_goes_on_while_the_registration_is_lost_and_found() -> None:
    async with Registrar(expires_s=1) as registrar, registered(trunk_at(registrar)) as (phone, _):
        registrar.invite_answer = "180 Ringing"
        leg = await phone.dial(f"sip:1@{registrar.address}", over_trunk=True)
        await until(lambda: leg.state.value == "ringing")
        registrar.refusal = "503 Service Unavailable"
        await until(lambda: not phone.trunk_status.ready)
        registrar.refusal = ""
        await until(lambda: phone.trunk_status.ready)
        assert leg.state.value == "ringing"
        await leg.hangup()


async def test_a_connection_that_breaks_is_made_again_at_once() -> None:
    async with Registrar(transport="tcp") as registrar, registered(trunk_at(registrar)) as (phone, told):
        before = len(registrar.requests)
        registrar.cut()
        await registrar.heard("REGISTER", before + 1)
        await asyncio.sleep(0.1)
        assert phone.trunk_status.ready and [status.ready for status in told] == [True]


async def test_a_connection_that_breaks_for_good_is_a_loss() -> None:
    async with Registrar(transport="tcp") as registrar, registered(trunk_at(registrar)) as (phone, _):
        registrar.refuse()
        await until(lambda: not phone.trunk_status.ready)
        assert phone.trunk_status.losses == 1


async def test_a_registrar_that_hangs_up_after_each_answer_is_not_asked_all_the_time() -> None:
    async with Registrar(transport="tcp") as registrar, registered(trunk_at(registrar)) as (phone, _):
        for _ in range(12):
            registrar.cut()
            await asyncio.sleep(0.1)
        assert phone.trunk_status.ready and len(registrar.requests) <= 10


async def test_the_registrar_says_when_to_come_back() -> None:
    registrar = Registrar(refusal="503 Busy", extra=("Retry-After: 1",))
    async with registrar, Softphone(PhoneSettings(trunk=trunk_at(registrar))) as phone:
        assert phone.registering is not None
        await phone.registering.settled(5)
        await asyncio.sleep(0.6)  # longer than our own first pause
        assert len(registrar.requests) == 1
        registrar.refusal = ""
        await until(lambda: phone.trunk_status.ready)


async def test_everything_goes_through_the_outbound_proxy() -> None:
    """The gateways' own addresses are nowhere: only the proxy can be reached."""
    async with Registrar() as proxy:
        trunk = Trunk(
            name="east",
            gateways=("127.0.0.1:9",),
            outbound_proxy=proxy.address,
            domain="carrier.example",
            login={"user": USER, "secret_env": "EAST_SECRET"},
            registration={"registrar": "127.0.0.1:10", "expires_s": 60},
        )
        async with registered(trunk) as (phone, _):
            leg = await phone.dial(trunk.request_uri(NUMBER), over_trunk=True)
            assert (await asyncio.wait_for(leg.ended, 5)).kind is CauseKind.BUSY
        for request in proxy.requests:
            if request.method in ("REGISTER", "INVITE"):
                assert request.get("route").startswith(f"<sip:{proxy.address};lr")
        assert {r.uri.partition(":")[2].split("@")[-1].split(";")[0] for r in proxy.requests} >= {
            "127.0.0.1:9",
            "127.0.0.1:10",
        }


async def test_a_missing_secret_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EAST_SECRET")
    async with Registrar() as registrar:
        with pytest.raises(SipError, match="EAST_SECRET is not set"):
            await Softphone(PhoneSettings(trunk=trunk_at(registrar))).start()
