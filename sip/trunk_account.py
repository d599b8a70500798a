"""A trunk on the pj thread: its transport, the account that calls go out by, the account that registers.

Two accounts, because a registration that hangs is mended by making its account anew, and calls in progress
must not lose theirs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pjsua2.pjsua2 as pj

from sip.errors import SipError
from sip.pj_call import guarded, headers_of
from sip.ports import PortBlock
from sip.registering import Answer
from sip.trunk import Trunk
from sip.trunk_settings import Transport, Use

_SRTP = {
    Use.OFF: pj.PJMEDIA_SRTP_DISABLED,
    Use.OPTIONAL: pj.PJMEDIA_SRTP_OPTIONAL,
    Use.MANDATORY: pj.PJMEDIA_SRTP_MANDATORY,
}
_TIMER = {
    Use.OFF: pj.PJSUA_SIP_TIMER_INACTIVE,
    Use.OPTIONAL: pj.PJSUA_SIP_TIMER_OPTIONAL,
    Use.MANDATORY: pj.PJSUA_SIP_TIMER_REQUIRED,
}
_PRACK = {
    Use.OFF: pj.PJSUA_100REL_NOT_USED,
    Use.OPTIONAL: pj.PJSUA_100REL_OPTIONAL,
    Use.MANDATORY: pj.PJSUA_100REL_MANDATORY,
}
_NO_RETRY = 0
"""The stack's own retries are off: sip.registering decides when."""


def open_transport(endpoint: pj.Endpoint, trunk: Trunk, ip: str) -> int:
    """Opens what the trunk needs beside UDP.  Returns its port, 0 for UDP."""
    if trunk.transport is Transport.UDP:
        return 0
    config = pj.TransportConfig()
    config.boundAddress = ip
    kind = pj.PJSIP_TRANSPORT_TCP
    if trunk.transport is Transport.TLS:
        kind = pj.PJSIP_TRANSPORT_TLS
        tls = config.tlsConfig
        tls.proto = pj.PJ_SSL_SOCK_PROTO_TLS1_2  # its default speaks TLS 1.0 only
        tls.verifyServer = trunk.tls.verify
        if trunk.tls.verify:
            tls.CaListFile = str(trunk.tls.authorities)
        if trunk.tls.certificate is not None:
            tls.certFile, tls.privKeyFile = str(trunk.tls.certificate), str(trunk.tls.key)
    transport = endpoint.transportCreate(kind, config)
    return int(endpoint.transportGetInfo(transport).localName.rpartition(":")[2])


def set_media_ports(config: pj.AccountConfig, ip: str, ports: PortBlock) -> None:
    """Every account draws from the same RTP ports; PJSIP passes over those that are taken."""
    rtp = config.mediaConfig.transportConfig
    rtp.boundAddress, rtp.port, rtp.portRange = ip, ports.rtp_port, ports.rtp_count


def call_account(trunk: Trunk, secret: str, identity: str, ip: str, ports: PortBlock) -> pj.AccountConfig:
    """What calls over the trunk go out by; it never registers."""
    config = _account(trunk, secret, identity)
    set_media_ports(config, ip, ports)
    config.mediaConfig.srtpUse = _SRTP[trunk.srtp]
    config.mediaConfig.srtpSecureSignaling = 0  # whether TLS is used is the trunk's own setting
    config.callConfig.timerUse = _TIMER[trunk.session_timer]
    config.callConfig.timerMinSESec = 90
    config.callConfig.timerSessExpiresSec = trunk.session_expires_s
    config.callConfig.prackUse = _PRACK[trunk.reliable_ringing]
    return config


def _account(trunk: Trunk, secret: str, identity: str) -> pj.AccountConfig:
    config = pj.AccountConfig()
    config.idUri = trunk.account_uri or identity if trunk.gateways else identity
    config.regConfig.retryIntervalSec = config.regConfig.firstRetryIntervalSec = _NO_RETRY
    if trunk.outbound_proxy is not None:
        config.sipConfig.proxies.append(f"<sip:{trunk.outbound_proxy}{trunk.way};lr>")
    if trunk.login is not None:
        login = trunk.login
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", login.realm, login.user, 0, secret))
    return config


class _RegisterAccount(pj.Account):  # type: ignore[misc]  # the binding has no types
    """Posts every answer to a REGISTER of one making of the account."""

    def __init__(self, making: int, post: Callable[[Answer], None]) -> None:
        super().__init__()
        self._making, self._post = making, post

    @guarded
    def onRegState(self, event: pj.OnRegStateParam) -> None:  # pjsua2's name
        headers: dict[str, str] = {}
        with contextlib.suppress(pj.Error):  # no message: a time-out or a connection that broke
            headers = headers_of(event.rdata.wholeMsg)
        wait = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
        self._post(
            Answer(
                making=self._making,
                code=event.code if headers else 0,
                reason=event.reason,
                expires_s=event.expiration if event.code // 100 == 2 else 0,
                retry_after_s=int(digits) if (digits := wait.partition(";")[0].strip()).isdecimal() else 0,
            )
        )


class RegistrationAccount:
    """The account that registers, made anew when its last REGISTER hangs."""

    def __init__(self, trunk: Trunk, secret: str, identity: str, post: Callable[[Answer], None]) -> None:
        self._trunk, self._secret, self._identity, self._post = trunk, secret, identity, post
        self._account: _RegisterAccount | None = None
        self._making = 0

    def register(self, anew: bool) -> int:
        """Sends a REGISTER; `anew`: with a new account.  Returns which making answers.  Raises pj.Error."""
        if self._account is None or anew:
            self.drop()
            self._make()
        assert self._account is not None
        self._account.setRegistration(True)
        return self._making

    def unregister(self) -> None:
        """Gives the binding back.  Raises pj.Error."""
        if self._account is not None:
            self._account.setRegistration(False)

    def drop(self) -> None:
        """Lets go of the account.

        While a REGISTER hangs the stack is busy and sends no un-REGISTER.  So none can come late and take
        away the binding of the successor, which has the same contact.
        """
        account, self._account = self._account, None
        if account is not None:
            with contextlib.suppress(pj.Error):
                account.shutdown()

    def _make(self) -> None:
        trunk = self._trunk
        if trunk.registration is None or trunk.registrar is None:
            raise SipError(f"trunk {trunk.name} does not register.")
        self._making += 1
        config = _account(trunk, self._secret, self._identity)
        registration = config.regConfig
        registration.registrarUri = f"sip:{trunk.registrar}{trunk.way}"
        registration.registerOnAdd = False
        registration.timeoutSec = trunk.registration.expires_s
        self._account = _RegisterAccount(self._making, self._post)
        self._account.create(config)
