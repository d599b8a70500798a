"""What the installed build of PJSIP can do: asked of the library itself, never assumed."""

from __future__ import annotations

import ctypes
from dataclasses import asdict, dataclass
from typing import Any

import pjsua2.pjsua2 as pj

from sip.trunk import Trunk
from sip.trunk_settings import Transport, Use

_SUPPORTED = 36
"""PJSIP_H_SUPPORTED of pjsip's enumeration of headers."""


class _Text(ctypes.Structure):
    """pj_str_t."""

    _fields_ = (("ptr", ctypes.c_char_p), ("slen", ctypes.c_ssize_t))


@dataclass(frozen=True)
class Capabilities:
    """Asked when the stack is up."""

    version: str
    call_limit: int
    "Calls a process."
    codecs: tuple[str, ...]
    "As name/clock rate/channels."
    srtp_suites: tuple[str, ...]
    tls_library: str
    "Empty: built without TLS."
    session_timers: bool
    reliable_ringing: bool
    "100rel."

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def require(self, trunk: Trunk) -> None:
        """Raises SipError, with its place in the trunk file, for a setting that this build can't keep."""
        do = "Install a build of pjsua2 that has it, or change the setting."
        for codec in trunk.codecs:
            if not any(known.startswith(f"{codec}/") for known in self.codecs):
                raise trunk.fault(f"this build of PJSIP has no {codec}.", do, "codecs")
        lacking = (
            ("srtp", trunk.srtp is not Use.OFF and not self.srtp_suites, "SRTP"),
            ("transport", trunk.transport is Transport.TLS and not self.tls_library, "TLS"),
            ("session_timer", trunk.session_timer is Use.MANDATORY and not self.session_timers, "timers"),
            (
                "reliable_ringing",
                trunk.reliable_ringing is not Use.OFF and not self.reliable_ringing,
                "100rel",
            ),
        )
        for key, missing, name in lacking:
            if missing:
                raise trunk.fault(f"this build of PJSIP has no {name}.", do, key)


def ask(endpoint: pj.Endpoint, library: ctypes.CDLL) -> Capabilities:
    """On the pj thread, after libInit."""
    return Capabilities(
        version=endpoint.libVersion().full,
        call_limit=int(library.pjsua_call_get_max_count()),
        codecs=tuple(codec.codecId for codec in endpoint.codecEnum2()),
        srtp_suites=_srtp_suites(endpoint),
        tls_library=_tls_library(endpoint, library),
        session_timers=_supports(library, b"timer"),
        reliable_ringing=_supports(library, b"100rel"),
    )


def _srtp_suites(endpoint: pj.Endpoint) -> tuple[str, ...]:
    try:
        return tuple(endpoint.srtpCryptoEnum())
    except pj.Error:
        return ()


def _tls_library(endpoint: pj.Endpoint, library: ctypes.CDLL) -> str:
    try:
        if not list(endpoint.utilSslGetAvailableCiphers()):
            return ""
    except pj.Error:
        return ""
    for name in ("OpenSSL_version", "SSLeay_version"):
        if hasattr(library, name):
            version = getattr(library, name)
            version.restype = ctypes.c_char_p
            return str((version(0) or b"").decode())
    return "unnamed"


def _supports(library: ctypes.CDLL, option: bytes) -> bool:
    """Whether the stack names an option in Supported."""
    library.pjsua_get_pjsip_endpt.restype = ctypes.c_void_p
    has = library.pjsip_endpt_has_capability
    has.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Text))
    token = _Text(option, len(option))
    return bool(has(library.pjsua_get_pjsip_endpt(), _SUPPORTED, None, ctypes.byref(token)))
