"""Trunk files, and how numbers are written on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip.errors import SipError
from sip.trunk import Trunk, load_trunks

NUMBER, CALLER = "+8613800000001", "+862100000002"
ROOT = Path(__file__).resolve().parents[2]


def trunk_of(tmp_path: Path, text: str) -> Trunk:
    path = tmp_path / "trunks.yaml"
    path.write_text("trunks:\n  east:\n" + text, encoding="utf-8")
    return load_trunks(path)["east"]


@pytest.mark.parametrize(
    ("form", "number", "user"),
    [
        ("plus", NUMBER, "+8613800000001"),
        ("digits", NUMBER, "8613800000001"),
        ("national", NUMBER, "13800000001"),
        ("national", "+85291234567", "0085291234567"),
        ("international", NUMBER, "008613800000001"),
    ],
)
def test_the_dial_string_is_the_trunks(tmp_path: Path, form: str, number: str, user: str) -> None:
    trunk = trunk_of(tmp_path, f"    gateways: [sbc.example:5060]\n    number: {form}\n    prefix: '9'\n")
    assert trunk.request_uri(number) == f"sip:9{user}@sbc.example:5060;user=phone"
    assert trunk.caller_uri(CALLER) == f"sip:{CALLER}@sbc.example;user=phone"


def test_gateways_take_turns(tmp_path: Path) -> None:
    trunk = trunk_of(tmp_path, "    gateways: ['10.0.0.1:5060', '10.0.0.2:5062']\n    user_phone: false\n")
    hosts = [trunk.request_uri(NUMBER).split("@")[1] for _ in range(4)]
    assert hosts == ["10.0.0.1:5060", "10.0.0.2:5062"] * 2
    assert not trunk.on_loopback


def test_the_caller_is_asserted_where_the_carrier_wants_it(tmp_path: Path) -> None:
    trunk = trunk_of(
        tmp_path,
        "    gateways: ['10.0.0.1:5060']\n    domain: customer.example\n    caller_number: digits\n"
        "    asserted_identity: true\n    headers: {X-Account: '4711'}\n",
    )
    assert trunk.invite_headers(CALLER) == (
        ("P-Asserted-Identity", "<sip:862100000002@customer.example;user=phone>"),
        ("X-Account", "4711"),
    )


def test_the_simulated_trunk_gets_its_gateways_when_it_runs() -> None:
    trunk = load_trunks(ROOT / "configs/trunks.yaml")["simulated"]
    assert trunk.on_loopback
    with pytest.raises(SipError, match="simulated world"):
        trunk.request_uri(NUMBER)
    running = trunk.with_gateways(["127.0.0.1:5070"])
    assert running.request_uri(NUMBER) == f"sip:{NUMBER}@127.0.0.1:5070;user=phone"
    with pytest.raises(SipError, match=r"127\.0\.0\.1"):
        trunk.with_gateways(["192.0.2.1:5060"])


@pytest.mark.parametrize("number", ["13800000001", "+", "+86 138", "PJSIP/+86138", "+8613800000001@evil"])
def test_only_e164_is_dialled_and_the_fault_does_not_repeat_it(number: str) -> None:
    trunk = Trunk(name="east", gateways=("127.0.0.1:5060",))
    with pytest.raises(SipError) as refused:
        trunk.request_uri(number)
    assert number not in str(refused.value) or number == "+"


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        ("    gateways: [sbc:99999]\n", 3, "trunks.east.gateways", "not host:port"),
        ("    gateways: ['h:5060']\n    cps: 0\n", 4, "trunks.east.cps", "greater than 0"),
        ("    gateways: ['h:5060']\n    transport: tls\n", 4, "trunks.east.transport", "'udp'"),
        ("    gateway: ['h:5060']\n", 3, "trunks.east.gateway", "Allowed keys: gateways"),
        ("    cps: 5\n", 2, "trunks.east", "at least one host:port"),
        ("    gateways: ['h:1']\n    cps: 1\n    cps: 2\n", 5, "trunks.east.cps", "twice"),
        ("    gateways: ['h:1']\n    headers: {From: x}\n", 4, "trunks.east.headers", "X- headers"),
        ("    gateways: ['h:1']\n    prefix: abc\n", 4, "trunks.east.prefix", "prefix"),
    ],
)
def test_a_fault_in_the_file_is_named(tmp_path: Path, text: str, line: int, key: str, says: str) -> None:
    with pytest.raises(SipError) as refused:
        trunk_of(tmp_path, text)
    fault = refused.value
    assert (fault.line, fault.key, fault.where) == (line, key, tmp_path / "trunks.yaml")
    assert says in str(fault)


@pytest.mark.parametrize("text", ["trunks: [", "", "trunk: {}", "trunks: {}", "trunks: 5", "- a"])
def test_a_file_of_another_shape(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trunks.yaml"
    path.write_text(text)
    with pytest.raises(SipError) as refused:
        load_trunks(path)
    assert refused.value.where == path


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SipError, match="can't be read"):
        load_trunks(tmp_path / "none.yaml")


def test_a_carrier_that_ignores_options_says_so(tmp_path: Path) -> None:
    assert trunk_of(tmp_path, "    gateways: ['10.0.0.1:5060']\n").options
    assert not trunk_of(tmp_path, "    gateways: ['10.0.0.1:5060']\n    options: false\n").options


@pytest.mark.parametrize("what", ["no line", "no line."])
def test_what_and_do_are_two_sentences(what: str) -> None:
    assert str(SipError(what, "Add one.", "t.yaml", 3, "lines")) == "t.yaml:3 (lines): no line. Add one."
    assert str(SipError(what)) == what
