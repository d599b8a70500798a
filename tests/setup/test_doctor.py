"""The doctor: one line a check, every fault named with its mend, none hiding another."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sip.errors import SipError
from sip.trunk import Trunk
from tests.scripts_review import reviewed
from tests.scripts_review.office import by_hand
from voicebot.cli import doctor, doctor_machine, doctor_site
from voicebot.cli.finding import Finding
from voicebot.cli.trunk_probe import answer_to_options
from voicebot.settings import Site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.track_states import Action


def site(tmp_path: Path, **changes: Any) -> Site:
    """A site whose files all lie in an empty folder."""
    return Site(**{"var": tmp_path / "var", **changes})


class Gateway:
    """Answers every OPTIONS, from the `deaf_to`-th on."""

    def __init__(self, deaf_to: int = 0) -> None:
        self.link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.link.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.link.getsockname()[1]}"
        self.asked: list[bytes] = []
        self._deaf_to = deaf_to
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            request, sender = self.link.recvfrom(65535)
            if not request:
                return
            self.asked.append(request)
            if len(self.asked) > self._deaf_to:
                self.link.sendto(b"SIP/2.0 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n", sender)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as goodbye:
            goodbye.sendto(b"", self.link.getsockname())
        self._thread.join()
        self.link.close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    answering = Gateway()
    yield answering
    answering.close()


@pytest.fixture
def slow_gateway() -> Iterator[Gateway]:
    answering = Gateway(deaf_to=1)
    yield answering
    answering.close()


def answered(gateway: str, ip: str, *waits_s: tuple[float, ...]) -> str:
    return answer_to_options(Trunk(name="asked", gateways=(gateway,)), gateway, ip, *waits_s)


def test_any_answer_to_options_means_that_somebody_is_there(gateway: Gateway) -> None:
    assert answered(gateway.address, "127.0.0.1") == "405 Method Not Allowed"
    [request] = gateway.asked
    assert request.startswith(f"OPTIONS sip:{gateway.address} SIP/2.0\r\n".encode())
    assert request.endswith(b"\r\n\r\n")


def test_a_lost_options_is_sent_again(slow_gateway: Gateway) -> None:
    assert answered(slow_gateway.address, "127.0.0.1", (0.05, 1.0)).startswith("405")
    assert len(slow_gateway.asked) == 2


def test_nobody_there_is_no_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        assert answered(address, "127.0.0.1", (0.02, 0.02)) == ""
    assert answered("no-such-host.invalid:5060", "127.0.0.1", (0.02,)) == ""


def test_trunks_that_answer_and_one_that_does_not(
    tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "trunks.yaml"
    file.write_text(f"trunks:\n  east: {{gateways: ['{gateway.address}']}}\n  demo: {{simulated: true}}\n")
    good = doctor_site.trunks(site(tmp_path, trunks=file))
    assert (
        good.good and f"east {gateway.address} answers 405" in good.text and "demo is simulated" in good.text
    )

    monkeypatch.setattr(doctor_site, "answer_to_options", lambda address, ip, trunk: "")
    bad = doctor_site.trunks(site(tmp_path, trunks=file))
    assert not bad.good and "does not answer OPTIONS" in bad.text and "firewall" in bad.do


def test_missing_models_are_named_with_the_command(tmp_path: Path) -> None:
    finding = doctor_site.models(site(tmp_path))
    assert not finding.good
    assert finding.text.startswith("silero/silero_vad.onnx is missing (and ")
    assert finding.do == "Run: voicebot models install"


def test_a_vosk_site_without_its_model_is_told(tmp_path: Path) -> None:
    assert "names no model" in doctor_site.models(site(tmp_path, asr={"engine": "vosk"})).text
    gone = site(tmp_path, asr={"engine": "vosk", "model": tmp_path / "vosk-cn"})
    assert "is no folder" in doctor_site.models(gone).text


def test_the_key_ring_must_be_there_and_private(tmp_path: Path) -> None:
    here = site(tmp_path)
    assert not doctor_site.keys(here).good
    here.var.mkdir()
    KeyRing.create(here.keys)
    assert doctor_site.keys(here).good
    here.keys.chmod(0o644)
    open_to_all = doctor_site.keys(here)
    assert not open_to_all.good and "chmod 600" in open_to_all.do


def test_the_store_is_opened_with_the_key_ring(tmp_path: Path) -> None:
    here = site(tmp_path)
    assert not doctor_site.store(here).good
    here.var.mkdir()
    KeyRing.create(here.keys)
    assert "will be made by what writes first" in doctor_site.store(here).text
    assert not (here.var / "voicebot.db").exists(), "looking makes nothing"
    (here.var / "voicebot.db").write_bytes(b"")
    assert "opens" in doctor_site.store(here).text


def test_a_track_that_was_approved_must_be_built(tmp_path: Path) -> None:
    here = site(tmp_path)
    assert "no talk track is approved" in doctor_site.tracks(here).text
    here.var.mkdir()
    store = Store.open(here.store, KeyRing.create(here.keys))
    reviewed.approve(store, reviewed.content("reminder", 1), by=["reviewer-wang"])
    assert "no talk track is approved" in doctor_site.tracks(here).text, "half-approved"
    reviewed.append(
        store, reviewed.signed(store, reviewed.content("reminder", 1), Action.APPROVE, "reviewer-sun")
    )
    unbuilt = doctor_site.tracks(here)
    assert not unbuilt.good and "reminder@1" in unbuilt.text and "approved but not built" in unbuilt.text
    assert unbuilt.do == "Run: scripts-review prepare reminder@1"
    reviewed.revoke(store, reviewed.content("reminder", 1))
    assert "no talk track is approved" in doctor_site.tracks(here).text, "the newest word counts"
    by_hand(store, "DELETE FROM review WHERE seq = 2")
    store.close()
    assert "tampered" in doctor_site.tracks(here).text


def test_more_legs_than_the_build_takes_are_refused_with_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def four(ip: str) -> int:
        return 4

    monkeypatch.setattr(doctor_machine, "_limit_of_a_phone", four)
    assert doctor_machine.call_limit(site(tmp_path, legs_per_worker=2)).good
    finding = doctor_machine.call_limit(site(tmp_path, legs_per_worker=8))
    assert not finding.good and "4 legs a process" in finding.text
    assert finding.do.startswith("Set legs_per_worker: 2 ")


def test_an_address_that_is_not_ours_is_found(tmp_path: Path) -> None:
    finding = doctor_machine.ports(site(tmp_path, sip={"ip": "192.0.2.1"}))
    assert not finding.good and "192.0.2.1" in finding.text


def test_a_range_of_ports_that_is_too_small_for_the_workers_is_found(tmp_path: Path) -> None:
    small = site(tmp_path, workers=3, sip={"ip": "127.0.0.1", "ports": [20000, 20200]})
    finding = doctor_machine.ports(small)
    assert not finding.good and "room for 2 of 3 workers; each takes 64" in finding.text


def test_a_missing_rasa_environment_is_found(tmp_path: Path) -> None:
    finding = doctor_machine.rasa_environment(site(tmp_path, rasa_python=tmp_path / "python"))
    assert not finding.good and finding.do == "Run: make setup"


def test_one_fault_does_not_hide_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(site: Site) -> Finding:
        raise SipError("this key stands here twice.", where="trunks.yaml", line=3)

    checks = (("trunks", broken), ("clock", lambda site: Finding.fine("set")))
    monkeypatch.setattr(doctor, "CHECKS", checks)
    told: list[str] = []
    assert not doctor.examine(site(tmp_path), False, lambda checked: told.append(checked.line()))
    assert told[0].startswith("✗ trunks: trunks.yaml:3")
    assert told[1] == "✓ clock: set"
