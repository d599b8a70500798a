"""Trunks: where calls go out, and how numbers are written there.

A number is kept as E.164; its dial string depends on the trunk: `request_uri` is the one place where one
becomes the other, so a dry run shows exactly what will be sent.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from sip import yaml_lines
from sip.errors import SipError
from sip.number_form import NumberForm, written
from sip.trunk_settings import (
    HOST,
    Codec,
    EchoTest,
    HostPort,
    Login,
    OffAllowed,
    Registration,
    Tls,
    Transport,
    Use,
    host_port,
)
from sip.yaml_lines import Lines

_DIALLED_PREFIX = re.compile(r"[0-9*#]{0,8}")
_HEADER_NAME = re.compile(r"X-[A-Za-z0-9-]+")


class Trunk(BaseModel):
    """One way out to a carrier or PBX.  Gateways take turns."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str
    gateways: tuple[str, ...] = ()
    "host:port of each gateway; empty only on a simulated trunk, whose gateways are known at run time."
    simulated: bool = False
    transport: Transport = Transport.UDP
    tls: Tls = Tls()
    "Only with transport: tls."
    srtp: OffAllowed = Use.OFF
    "mandatory: a gateway without SRTP gets no call; optional: taken where it is offered."
    codecs: tuple[Codec, ...] = ("PCMA", "PCMU")
    "In the order in which they are offered; China's trunks speak A-law."
    outbound_proxy: HostPort | None = None
    "host:port that every request goes through."
    login: Login | None = None
    "Answers the carrier's digest challenges, of INVITE and REGISTER."
    registration: Registration | None = None
    "Registers before the first call; nothing is dialled while it is not registered."
    session_timer: OffAllowed = Use.OPTIONAL
    "RFC 4028; mandatory: a far end without session timers gets no call."
    session_expires_s: int = Field(default=1800, ge=90, le=86400)
    reliable_ringing: OffAllowed = Use.OFF
    "100rel (RFC 3262): provisional answers are acknowledged."
    cps: float = Field(default=5.0, gt=0, le=1000)
    "Calls a second that the carrier accepts."
    lines: int = Field(default=30, ge=1)
    "Concurrent calls that the carrier accepts."
    number: NumberForm = NumberForm.PLUS
    caller_number: NumberForm = NumberForm.PLUS
    country: str = Field(default="86", pattern=r"^[1-9]\d{0,2}$")
    "Country code that the national form leaves out."
    prefix: str = ""
    "Digits dialled before the number, such as an access code."
    domain: str | None = None
    "Host part of From; without it the gateway's."
    user_phone: bool = True
    "Adds ;user=phone, which says that the user part is a telephone number."
    options: bool = True
    "Whether its gateways answer OPTIONS: some carriers ignore it, and then nobody is asked before a run."
    asserted_identity: bool = False
    "Also sends the caller number in P-Asserted-Identity (RFC 3325), for carriers that ask for it."
    caller_in_from: bool = True
    "false: From holds the login's user, for carriers that read the caller number in P-Asserted-Identity."
    privacy: Literal["none", "id"] | None = None
    "The Privacy header (RFC 3323, 3325); id asks the carrier not to pass the asserted number on."
    headers: dict[str, str] = Field(default_factory=dict)
    "Extra X- headers of every INVITE."
    lead_in_s: float = Field(default=0.2, ge=0, le=2)
    "Silence after the answer before the first word: some trunks swallow what is said sooner."
    gate_dbfs: float = Field(default=-50.0, ge=-70, le=-25)
    "What is weaker is never taken for a voice: above the echo of our own prompts, below the callee."
    echo: EchoTest | None = None
    _turn: Iterator[int] = PrivateAttr(default_factory=itertools.count)
    _where: Path | None = PrivateAttr(default=None)
    _lines: Lines = PrivateAttr(default_factory=dict)

    @field_validator("gateways")
    @classmethod
    def _gateways_are_addresses(cls, gateways: tuple[str, ...]) -> tuple[str, ...]:
        for gateway in gateways:
            host_port(gateway)
        return gateways

    @field_validator("prefix")
    @classmethod
    def _prefix_can_be_dialled(cls, prefix: str) -> str:
        if not _DIALLED_PREFIX.fullmatch(prefix):
            raise ValueError("a prefix has up to 8 of 0-9, * and #")
        return prefix

    @field_validator("domain")
    @classmethod
    def _domain_is_a_host(cls, domain: str | None) -> str | None:
        if domain is not None and not HOST.fullmatch(domain):
            raise ValueError(f"{domain!r} is not a host name")
        return domain

    @field_validator("headers")
    @classmethod
    def _headers_are_safe(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not value.isprintable():
                raise ValueError(f"{name!r}: only X- headers with printable values")
        return headers

    @model_validator(mode="after")
    def _has_gateways(self) -> Self:
        if not self.gateways and not self.simulated:
            raise ValueError("gateways: at least one host:port")
        if self.simulated and not self.on_loopback:
            raise ValueError("gateways: a simulated trunk stays on 127.0.0.1")
        return self

    @field_validator("codecs")
    @classmethod
    def _codecs_are_told_once(cls, codecs: tuple[Codec, ...]) -> tuple[Codec, ...]:
        if not codecs or len(set(codecs)) < len(codecs):
            raise ValueError("codecs: at least one, and each once")
        return codecs

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.transport is not Transport.TLS and self.tls != Tls():
            raise ValueError("tls: only with transport: tls")
        if self.registration is not None and self.login is None and self.registration.user is None:
            raise ValueError("registration: who registers? Write login, or registration: {user: ...}")
        if self.simulated and (self.registration or self.outbound_proxy or self.transport is Transport.TLS):
            raise ValueError("simulated: such a trunk has no registration, outbound_proxy or TLS")
        if not self.caller_in_from and (self.login is None or not self.asserted_identity):
            raise ValueError("caller_in_from: false needs login and asserted_identity: true")
        if self.privacy is not None and not self.asserted_identity:
            raise ValueError("privacy: says what becomes of asserted_identity; set that to true")
        return self

    @property
    def on_loopback(self) -> bool:
        """True when no call can leave this machine: every gateway is localhost or a loopback address."""
        return all(_is_loopback(gateway.rpartition(":")[0]) for gateway in self.gateways)

    def with_gateways(self, gateways: Sequence[str]) -> Trunk:
        """The same trunk with other gateways: those of a simulated world.  Raises SipError."""
        given = {**self.model_dump(exclude={"name"}, exclude_unset=True), "gateways": tuple(gateways)}
        return _build(self.name, given, self._where, self._lines)

    def fault(self, what: str, do: str, *key: str) -> SipError:
        """A fault in these settings, with its place in the file."""
        at = ("trunks", self.name, *key)
        return SipError(what, do, self._where, yaml_lines.line_of(self._lines, at), ".".join(at))

    def require_files(self, environment: Mapping[str, str] | None = None) -> None:
        """Raises SipError, with its place, when a certificate or the secret can't be read."""
        part = "tls"
        try:
            if self.transport is Transport.TLS:
                self.tls.context()
            part = "login"
            if self.login is not None:
                self.login.secret(environment)
        except SipError as fault:
            raise self.fault(fault.what, fault.do, part, fault.key or "") from None

    @property
    def sends_srtp_keys_in_clear(self) -> bool:
        """SRTP over a transport that is not encrypted: whoever reads the signalling can decrypt the audio."""
        return self.srtp is not Use.OFF and self.transport is not Transport.TLS

    def request_uri(self, e164: str) -> str:
        """The Request-URI for a number such as +8613812341234, at the gateway whose turn it is."""
        gateway = self._next_gateway()
        return f"sip:{self.prefix}{written(e164, self.number, self.country)}@{gateway}{self._phone}{self.way}"

    def echo_uri(self) -> str:
        """The Request-URI of the carrier's echo number.  Raises SipError when the trunk has none."""
        if self.echo is None:
            raise self.fault(
                "the trunk has no echo number.", "Write echo: {number: ..., caller: ...}.", "echo"
            )
        return f"sip:{self.echo.number.replace('#', '%23')}@{self._next_gateway()}{self.way}"

    def caller_uri(self, e164: str) -> str:
        """The URI in From for a caller number."""
        if self.caller_in_from or self.login is None:
            return self._asserted(e164)
        return f"sip:{self.login.user}@{self.host}"

    @property
    def host(self) -> str:
        """Host part of our own addresses on this trunk."""
        return self.domain or self._gateway(0).rpartition(":")[0]

    @property
    def registrar(self) -> str | None:
        """host:port that we register at; None when the trunk wants no registration."""
        if self.registration is None:
            return None
        return self.registration.registrar or self._gateway(0)

    @property
    def account_uri(self) -> str | None:
        """The address that is registered, or that the login belongs to; None when there is neither."""
        user = (self.registration and self.registration.user) or (self.login and self.login.user)
        return f"sip:{user}@{self.host}" if user else None

    def invite_headers(self, caller_e164: str) -> tuple[tuple[str, str], ...]:
        """Further headers of an INVITE: P-Asserted-Identity, Privacy where asked for, and the trunk's own."""
        headers: list[tuple[str, str]] = []
        if self.asserted_identity:
            headers.append(("P-Asserted-Identity", f"<{self._asserted(caller_e164)}>"))
        if self.privacy is not None:
            headers.append(("Privacy", self.privacy))
        return (*headers, *self.headers.items())

    def _asserted(self, e164: str) -> str:
        return f"sip:{written(e164, self.caller_number, self.country)}@{self.host}{self._phone}"

    @property
    def way(self) -> str:
        """What a SIP URI on this trunk ends with: its transport."""
        return "" if self.transport is Transport.UDP else f";transport={self.transport}"

    @property
    def _phone(self) -> str:
        return ";user=phone" if self.user_phone else ""

    def _next_gateway(self) -> str:
        return self._gateway(next(self._turn))

    def _gateway(self, turn: int) -> str:
        if not self.gateways:
            raise SipError(
                f"trunk {self.name} has no gateway yet.", "Its gateways come from the simulated world."
            )
        return self.gateways[turn % len(self.gateways)]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_trunks(path: Path | str) -> dict[str, Trunk]:
    """The trunks of a file, by name.  Raises SipError with file, line and key."""
    path = Path(path)
    document, lines = yaml_lines.read(path)
    if not isinstance(document, dict) or set(document) != {"trunks"}:
        raise SipError("the file has one key, trunks.", where=path, line=1)
    trunks = document["trunks"]
    if not isinstance(trunks, dict) or not trunks:
        raise SipError(
            "trunks maps names to trunks.", "Write at least one.", where=path, line=lines[("trunks",)]
        )
    return {name: _build(name, settings, path, lines) for name, settings in trunks.items()}


def _build(name: str, settings: object, path: Path | None, lines: Lines) -> Trunk:
    at = ("trunks", name)
    if not isinstance(settings, dict):
        raise SipError("a trunk is a mapping.", where=path, line=lines.get(at), key=".".join(at))
    try:
        trunk = Trunk(name=name, **settings)
    except ValidationError as invalid:
        fault = invalid.errors()[0]
        key = (*at, *(str(part) for part in fault["loc"]))
        named = (*at, fault["msg"].removeprefix("Value error, ").partition(":")[0])
        if key == at and named in lines:  # how parts fit together: the text begins with the key to look at
            key = named
        unknown = fault["type"] == "extra_forbidden"
        allowed = ", ".join(_keys_beside(fault["loc"])) if unknown else ""
        raise SipError(
            "this key is unknown." if unknown else fault["msg"].removeprefix("Value error, ") + ".",
            f"Allowed keys: {allowed}." if unknown else "",
            where=path,
            line=yaml_lines.line_of(lines, key),
            key=".".join(key),
        ) from None
    trunk._where, trunk._lines = path, lines
    return trunk


_PARTS: dict[str, type[BaseModel]] = {
    "tls": Tls,
    "login": Login,
    "registration": Registration,
    "echo": EchoTest,
}


def _keys_beside(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that are allowed where an unknown one stands."""
    part = _PARTS.get(str(loc[0])) if len(loc) > 1 else None
    return [field for field in (part or Trunk).model_fields if field != "name"]
