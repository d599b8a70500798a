"""Trunks: where calls go out, and how numbers are written there.

A number is kept as E.164; its dial string depends on the trunk: `request_uri` is the one place where one
becomes the other, so a dry run shows exactly what will be sent.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from sip.errors import SipError

_E164 = re.compile(r"\+[1-9]\d{2,14}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_DIALLED_PREFIX = re.compile(r"[0-9*#]{0,8}")
_HEADER_NAME = re.compile(r"X-[A-Za-z0-9-]+")
LAST_PORT = 65535


class NumberForm(StrEnum):
    """How the trunk wants numbers: +8613… | 8613… | 13… (its own country) or 00… (others) | 008613…"""

    PLUS = "plus"
    DIGITS = "digits"
    NATIONAL = "national"
    INTERNATIONAL = "international"


class Trunk(BaseModel):
    """One way out to a carrier or PBX.  Gateways take turns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    gateways: tuple[str, ...] = ()
    "host:port of each gateway; empty only on a simulated trunk, whose gateways are known at run time."
    simulated: bool = False
    transport: Literal["udp"] = "udp"
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
    headers: dict[str, str] = Field(default_factory=dict)
    "Extra X- headers of every INVITE."
    _turn: Iterator[int] = PrivateAttr(default_factory=itertools.count)

    @field_validator("gateways")
    @classmethod
    def _gateways_are_addresses(cls, gateways: tuple[str, ...]) -> tuple[str, ...]:
        for gateway in gateways:
            host, _, port = gateway.rpartition(":")
            if not _HOST.fullmatch(host) or not port.isdecimal() or not 0 < int(port) <= LAST_PORT:
                raise ValueError(f"{gateway!r} is not host:port")
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
        if domain is not None and not _HOST.fullmatch(domain):
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

    @property
    def on_loopback(self) -> bool:
        """True when no call can leave this machine: every gateway is localhost or a loopback address."""
        return all(_is_loopback(gateway.rpartition(":")[0]) for gateway in self.gateways)

    def with_gateways(self, gateways: Sequence[str]) -> Trunk:
        """The same trunk with other gateways: those of a simulated world.  Raises SipError."""
        return _build(self.name, {**self.model_dump(exclude={"name"}), "gateways": tuple(gateways)}, None, {})

    def request_uri(self, e164: str) -> str:
        """The Request-URI for a number such as +8613812341234, at the gateway whose turn it is."""
        gateway = self._next_gateway()
        return f"sip:{self.prefix}{self._write(e164, self.number)}@{gateway}{self._phone}"

    def caller_uri(self, e164: str) -> str:
        """The URI in From for a caller number."""
        host = self.domain or self._gateway(0).rpartition(":")[0]
        return f"sip:{self._write(e164, self.caller_number)}@{host}{self._phone}"

    def invite_headers(self, caller_e164: str) -> tuple[tuple[str, str], ...]:
        """Further headers of an INVITE: P-Asserted-Identity where asked for, and the trunk's own."""
        asserted = [("P-Asserted-Identity", f"<{self.caller_uri(caller_e164)}>")]
        return (*(asserted if self.asserted_identity else ()), *self.headers.items())

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

    def _write(self, e164: str, form: NumberForm) -> str:
        if not _E164.fullmatch(e164):
            raise SipError("the number is not in E.164.", "It reads + country code and digits.")
        digits = e164[1:]
        if form is NumberForm.PLUS:
            return e164
        if form is NumberForm.DIGITS:
            return digits
        if form is NumberForm.NATIONAL and digits.startswith(self.country):
            return digits[len(self.country) :]
        return f"00{digits}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_trunks(path: Path | str) -> dict[str, Trunk]:
    """The trunks of a file, by name.  Raises SipError with file, line and key."""
    path = Path(path)
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as fault:
        raise SipError("the trunk file can't be read.", f"{fault.strerror}.", where=path) from None
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else None
        raise SipError(f"this is not YAML: {fault.problem}.", where=path, line=line) from None
    lines: dict[tuple[str, ...], int] = {}
    document = _plain(node, (), lines, path)
    if not isinstance(document, dict) or set(document) != {"trunks"}:
        raise SipError("the file has one key, trunks.", where=path, line=1)
    trunks = document["trunks"]
    if not isinstance(trunks, dict) or not trunks:
        raise SipError(
            "trunks maps names to trunks.", "Write at least one.", where=path, line=lines[("trunks",)]
        )
    return {name: _build(name, settings, path, lines) for name, settings in trunks.items()}


def _build(name: str, settings: object, path: Path | None, lines: dict[tuple[str, ...], int]) -> Trunk:
    at = ("trunks", name)
    if not isinstance(settings, dict):
        raise SipError("a trunk is a mapping.", where=path, line=lines.get(at), key=".".join(at))
    try:
        return Trunk(name=name, **settings)
    except ValidationError as invalid:
        fault = invalid.errors()[0]
        key = (*at, *(str(part) for part in fault["loc"]))
        allowed = ", ".join(field for field in Trunk.model_fields if field != "name")
        unknown = fault["type"] == "extra_forbidden"
        raise SipError(
            "this key is unknown." if unknown else fault["msg"].removeprefix("Value error, ") + ".",
            f"Allowed keys: {allowed}." if unknown else "",
            where=path,
            line=next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None),
            key=".".join(key),
        ) from None


def _plain(
    node: yaml.Node | None, at: tuple[str, ...], lines: dict[tuple[str, ...], int], path: Path
) -> object:
    """The value of a YAML node; notes the line (from 1) of every key and item, and refuses a key twice."""
    if isinstance(node, yaml.MappingNode):
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in values:
                raise SipError("this key stands here twice.", where=path, line=line, key=".".join((*at, key)))
            lines[(*at, key)] = line
            values[key] = _plain(value_node, (*at, key), lines, path)
        return values
    if isinstance(node, yaml.SequenceNode):
        items: list[object] = []
        for number, item in enumerate(node.value):
            lines[(*at, str(number))] = item.start_mark.line + 1
            items.append(_plain(item, (*at, str(number)), lines, path))
        return items
    return None if node is None else yaml.SafeLoader("").construct_object(node)
