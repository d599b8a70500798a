"""Trunk files, and how numbers are written on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip.errors import SipError
from sip.trunk import Trunk, load_trunks
from sip.trunk_settings import Use

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
        ("    gateways: ['h:5060']\n    transport: sctp\n", 4, "trunks.east.transport", "'udp'"),
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


CARRIER = """    gateways: [sbc.carrier.example:5061]
    transport: tls
    tls: {ca: ca.pem, certificate: us.pem, key: us.key}
    srtp: mandatory
    codecs: [PCMA, G722]
    outbound_proxy: proxy.carrier.example:5061
    login: {user: '4711', secret_env: EAST_SECRET, realm: carrier.example}
    registration: {registrar: reg.carrier.example:5061, expires_s: 120}
    asserted_identity: true
    privacy: id
    domain: customer.example
    echo: {number: '*9#', caller: '+862100000002'}
"""


def test_a_carrier_with_tls_login_and_registration(tmp_path: Path) -> None:
    trunk = trunk_of(tmp_path, CARRIER)
    assert trunk.request_uri(NUMBER) == f"sip:{NUMBER}@sbc.carrier.example:5061;user=phone;transport=tls"
    assert trunk.account_uri == "sip:4711@customer.example"
    assert trunk.registrar == "reg.carrier.example:5061"
    assert trunk.echo_uri() == "sip:*9%23@sbc.carrier.example:5061;transport=tls"
    assert trunk.invite_headers(CALLER) == (
        ("P-Asserted-Identity", f"<sip:{CALLER}@customer.example;user=phone>"),
        ("Privacy", "id"),
    )
    assert not trunk.sends_srtp_keys_in_clear


@pytest.mark.parametrize("name", ["carrier", "simulated"])
def test_it_reaches_a_worker_as_it_is(tmp_path: Path, name: str) -> None:
    """As JSON over the socket; a secret is not in it."""
    simulated = "    simulated: true\n    gateways: ['127.0.0.1:5070']\n"
    trunk = trunk_of(tmp_path, CARRIER if name == "carrier" else simulated)
    sent = trunk.model_dump_json()
    assert Trunk.model_validate_json(sent).model_dump() == trunk.model_dump()
    assert "EAST_SECRET" in sent or name == "simulated"


def test_a_carrier_that_reads_the_caller_only_where_it_is_asserted(tmp_path: Path) -> None:
    trunk = trunk_of(
        tmp_path,
        "    gateways: ['10.0.0.1:5060']\n    login: {user: '4711', secret_env: S}\n"
        "    asserted_identity: true\n    caller_in_from: false\n    srtp: optional\n",
    )
    assert trunk.caller_uri(CALLER) == "sip:4711@10.0.0.1"
    assert trunk.invite_headers(CALLER)[0][1] == f"<sip:{CALLER}@10.0.0.1;user=phone>"
    assert trunk.sends_srtp_keys_in_clear


@pytest.mark.parametrize("word", ["off", "'off'", "no"])
def test_off_is_no_boolean(tmp_path: Path, word: str) -> None:
    trunk = trunk_of(tmp_path, f"    gateways: ['h:1']\n    srtp: {word}\n    session_timer: {word}\n")
    assert trunk.srtp is Use.OFF and trunk.session_timer is Use.OFF


def test_the_secret_comes_from_the_environment_or_a_file_of_our_own(tmp_path: Path) -> None:
    file = tmp_path / "east.secret"
    login = f"    gateways: ['h:1']\n    login: {{user: u, secret_file: {file}}}\n"
    trunk = trunk_of(tmp_path, login)
    assert trunk.login is not None
    with pytest.raises(SipError, match="No such file") as missing:
        trunk.require_files()
    assert (missing.value.line, missing.value.key) == (4, "trunks.east.login.secret_file")
    file.write_text("s3cr3t\n")
    file.chmod(0o644)
    with pytest.raises(SipError, match="chmod 600"):
        trunk.require_files()
    file.chmod(0o600)
    trunk.require_files()
    assert trunk.login.secret() == "s3cr3t"
    file.write_text("\n")
    with pytest.raises(SipError, match="holds no secret"):
        trunk.require_files()
    from_env = trunk_of(tmp_path, "    gateways: ['h:1']\n    login: {user: u, secret_env: EAST}\n")
    with pytest.raises(SipError, match="EAST is not set"):
        from_env.require_files({})
    from_env.require_files({"EAST": "x"})


@pytest.mark.parametrize(
    ("key", "content", "says"),
    [("ca", None, "does not exist"), ("ca", "text", "can't be used"), ("key", "text", "can't be used")],
)
def test_certificates_are_looked_at_before_a_run(
    tmp_path: Path, key: str, content: str | None, says: str
) -> None:
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_text(content)
    tls = f"{{ca: {bad}}}" if key == "ca" else f"{{verify: false, certificate: {bad}, key: {bad}}}"
    trunk = trunk_of(tmp_path, f"    gateways: ['h:1']\n    transport: tls\n    tls: {tls}\n")
    with pytest.raises(SipError, match=says) as refused:
        trunk.require_files()
    assert (refused.value.line, refused.value.key) == (5, f"trunks.east.tls.{key}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("login: {user: u, secret: hunter2}", "a secret never stands in this file"),
        ("login: {user: u}", "secret_file: PATH or secret_env: NAME"),
        ("login: {user: 'a b', secret_env: S}", "letters, digits"),
        ("registration: {expires_s: 60}", "who registers"),
        ("registration: {user: u, expires_s: 5}", "greater than or equal to 20"),
        ("registration: {user: u, registrar: nowhere}", "not host:port"),
        ("login: {user: u, secret_env: S, secrets: x}", "Allowed keys: user, secret_file"),
        ("tls: {ca: x.pem}", "only with transport: tls"),
        ("srtp: true", "'off', 'optional' or 'mandatory'"),
        ("codecs: [PCMA, PCMA]", "each once"),
        ("codecs: [G729]", "'PCMA', 'PCMU' or 'G722'"),
        ("privacy: id", "asserted_identity"),
        ("caller_in_from: false", "needs login"),
        ("outbound_proxy: 'sip:proxy'", "not host:port"),
        ("session_expires_s: 60", "greater than or equal to 90"),
        ("echo: {number: 'a', caller: '+862100000002'}", "String should match"),
    ],
)
def test_a_fault_in_a_part_names_its_line_and_never_a_secret(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SipError) as refused:
        trunk_of(tmp_path, f"    gateways: ['h:5060']\n    {text}\n")
    assert says in str(refused.value) and "hunter2" not in str(refused.value)
    assert refused.value.line == 4


@pytest.mark.parametrize(
    "text", ["trunks: [", "", "trunk: {}", "trunks: {}", "trunks: 5", "- a", "trunks: \x07"]
)
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
