"""The parts of a trunk's settings that have parts of their own: TLS, login, registration, the test call."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from sip.errors import SipError
from sip.number_form import E164

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
USER = re.compile(r"[A-Za-z0-9+*#_.!~'()-]+")
_SECRET_BYTES = 4096
LAST_PORT = 65535


def _no_is_off(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


def host_port(address: str) -> str:
    """host:port, checked.  Raises ValueError."""
    host, _, port = address.rpartition(":")
    if not HOST.fullmatch(host) or not port.isdecimal() or not 0 < int(port) <= LAST_PORT:
        raise ValueError(f"{address!r} is not host:port")
    return address


def uri_user(user: str) -> str:
    """A user part of a SIP URI, checked.  Raises ValueError."""
    if not USER.fullmatch(user):
        raise ValueError("user: letters, digits and +*#_.!~'()- only")
    return user


HostPort = Annotated[str, AfterValidator(host_port)]
UriUser = Annotated[str, AfterValidator(uri_user)]


class Transport(StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Use(StrEnum):
    """How much a trunk insists on something."""

    OFF = "off"
    OPTIONAL = "optional"
    MANDATORY = "mandatory"


OffAllowed = Annotated[Use, BeforeValidator(_no_is_off)]
Codec = Literal["PCMA", "PCMU", "G722"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Tls(_Part):
    """Certificates of a TLS trunk, PEM files.  The carrier's is checked unless `verify: false`."""

    ca: Path | None = None
    "Authorities that the carrier's certificate may come from; without it the operating system's."
    certificate: Path | None = None
    "Our own certificate, where the carrier asks for one."
    key: Path | None = None
    verify: bool = True

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        return self

    @property
    def authorities(self) -> Path:
        """The file of authorities.  Raises SipError when none is named and the system has none."""
        if self.ca is not None:
            return self.ca
        known = ssl.get_default_verify_paths().cafile
        for place in (known, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
            if place and Path(place).is_file():
                return Path(place)
        raise SipError("this system has no file of certificate authorities.", "Name one.", key="ca")

    def context(self) -> ssl.SSLContext:
        """For Python's own connections.  Raises SipError naming the file that can't be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        else:
            _loaded("ca", self.authorities, lambda: context.load_verify_locations(self.authorities))
        if self.certificate is not None and self.key is not None:
            certificate, key = self.certificate, self.key
            if not certificate.is_file():
                raise _unusable("certificate", certificate, "it does not exist")
            _loaded("key", key, lambda: context.load_cert_chain(certificate, key, password=_no_password))
        return context


def _no_password() -> str:
    raise SipError("the private key is encrypted.", "Give one without a password.", key="key")


def _loaded(key: str, path: Path, load: Any) -> None:
    if not path.is_file():
        raise _unusable(key, path, "it does not exist")
    try:
        load()
    except ssl.SSLError as fault:
        raise _unusable(key, path, fault.reason or "not PEM") from None
    except OSError as fault:
        raise _unusable(key, path, fault.strerror or type(fault).__name__) from None


def _unusable(key: str, path: Path, why: str) -> SipError:
    return SipError(f"{path} can't be used: {why}.", "Name a PEM file that can be read.", key=key)


class Login(_Part):
    """Who we are to the carrier (digest).  The secret stays outside of the file."""

    user: UriUser
    secret_file: Path | None = None
    secret_env: str | None = None
    realm: str = "*"
    "Only this realm gets the answer; * is any."

    @model_validator(mode="before")
    @classmethod
    def _no_secret_in_clear(cls, data: Any) -> Any:
        for name in ("secret", "password"):
            if isinstance(data, dict) and name in data:
                raise ValueError(
                    f"{name}: a secret never stands in this file; write secret_file: PATH or secret_env: NAME"
                )
        return data

    @field_validator("realm")
    @classmethod
    def _realm_is_printable(cls, realm: str) -> str:
        if not realm or not realm.isprintable() or '"' in realm:
            raise ValueError("realm: * or the realm that the carrier names")
        return realm

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.secret_file is None) == (self.secret_env is None):
            raise ValueError("write either secret_file: PATH or secret_env: NAME")
        return self

    def secret(self, environment: Mapping[str, str] | None = None) -> str:
        """Reads the secret.  Raises SipError, which never repeats it."""
        environment = os.environ if environment is None else environment
        if self.secret_env is not None:
            value = environment.get(self.secret_env, "")
            if not value:
                do = f"Export {self.secret_env} before the command starts."
                raise SipError(f"the variable {self.secret_env} is not set.", do, key="secret_env")
            return value
        assert self.secret_file is not None
        return _secret_in(self.secret_file)


def _secret_in(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            content = file.read(_SECRET_BYTES)
    except OSError as fault:
        why = fault.strerror or type(fault).__name__
        do = "Write the secret into it: one line."
        raise SipError(f"the secret {path} can't be read: {why}.", do, key="secret_file") from None
    if mode & 0o077:
        raise SipError(f"{path} can be read by others.", f"Run: chmod 600 {path}", key="secret_file")
    try:
        secret = content.decode("utf-8").strip("\r\n")
    except UnicodeDecodeError:
        secret = ""
    if not secret or not secret.isprintable():
        raise SipError(f"{path} holds no secret.", "It holds one line of text.", key="secret_file")
    return secret


class Registration(_Part):
    """A trunk that wants a REGISTER before it takes calls."""

    registrar: HostPort | None = None
    "host:port; without it the first gateway."
    user: UriUser | None = None
    "The user part of the address that is registered; without it the login's user."
    expires_s: int = Field(default=300, ge=20, le=86400)
    "Asked for; the registrar may shorten it.  Renewed after two thirds of what it grants."


class EchoTest(_Part):
    """The carrier's number that plays back what it hears, for `voicebot trunk test`."""

    number: str = Field(pattern=r"^\+?[0-9*#]{1,32}$")
    "Dialled as it stands here: never a debtor's."
    caller: str = Field(pattern=f"^{E164}$")
    "Our number in From, E.164."
