"""Why a leg ended: SIP code, Q.850 cause and reason phrase become one of a closed list of kinds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class CauseKind(StrEnum):
    """What the end of a leg means to the one who dialled."""

    NORMAL = "normal"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    EMPTY_NUMBER = "empty_number"
    POWERED_OFF = "powered_off"
    SUSPENDED = "suspended"
    UNREACHABLE = "unreachable"
    CARRIER_FAILED = "carrier_failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Cause:
    """The end of a leg.  `remote`: the other side ended it.  `headers`: of the final SIP message."""

    code: int
    reason: str
    kind: CauseKind
    remote: bool
    headers: dict[str, str] = field(default_factory=dict)


_BY_CODE: dict[int, CauseKind] = {
    404: CauseKind.EMPTY_NUMBER,
    410: CauseKind.EMPTY_NUMBER,
    416: CauseKind.EMPTY_NUMBER,
    484: CauseKind.EMPTY_NUMBER,
    604: CauseKind.EMPTY_NUMBER,
    486: CauseKind.BUSY,
    600: CauseKind.BUSY,
    403: CauseKind.REJECTED,
    433: CauseKind.REJECTED,
    603: CauseKind.REJECTED,
    607: CauseKind.REJECTED,
    608: CauseKind.REJECTED,
    487: CauseKind.CANCELLED,
    480: CauseKind.UNREACHABLE,
    408: CauseKind.UNREACHABLE,
    430: CauseKind.UNREACHABLE,
}
"""Final codes that speak for themselves; every other 3xx-6xx is the carrier's failure."""

_RANG_IN_VAIN = frozenset({408, 480})
"""With ringing before it, these say that nobody picked up (RFC 3398: Q.850 causes 18 and 19)."""

_BY_Q850: dict[int, CauseKind] = {
    1: CauseKind.EMPTY_NUMBER,  # unallocated number
    2: CauseKind.CARRIER_FAILED,  # no route to transit network
    3: CauseKind.UNREACHABLE,  # no route to destination
    4: CauseKind.EMPTY_NUMBER,  # special information tone
    5: CauseKind.EMPTY_NUMBER,  # misdialled trunk prefix
    17: CauseKind.BUSY,
    18: CauseKind.NO_ANSWER,  # no user responding
    19: CauseKind.NO_ANSWER,  # alerting, no answer
    20: CauseKind.POWERED_OFF,  # subscriber absent: the handset is off or out of coverage
    21: CauseKind.REJECTED,
    22: CauseKind.EMPTY_NUMBER,  # number changed
    23: CauseKind.REJECTED,  # redirection to a new destination
    27: CauseKind.UNREACHABLE,  # destination out of order
    28: CauseKind.EMPTY_NUMBER,  # invalid number format
    34: CauseKind.CARRIER_FAILED,  # no circuit
    38: CauseKind.CARRIER_FAILED,  # network out of order
    41: CauseKind.CARRIER_FAILED,  # temporary failure
    42: CauseKind.CARRIER_FAILED,  # congestion
    44: CauseKind.CARRIER_FAILED,  # requested circuit not available
    47: CauseKind.CARRIER_FAILED,  # resource unavailable
    54: CauseKind.SUSPENDED,  # incoming calls barred
    55: CauseKind.REJECTED,  # incoming calls barred within the closed user group
    57: CauseKind.CARRIER_FAILED,  # bearer capability not authorised
    58: CauseKind.CARRIER_FAILED,  # bearer capability not available
    65: CauseKind.CARRIER_FAILED,  # bearer capability not implemented
    88: CauseKind.CARRIER_FAILED,  # incompatible destination
}
"""Where the switch says more than SIP can.  Any other cause (16, 31, 102, 127 ...) leaves it to the code."""

_PHRASES: tuple[tuple[re.Pattern[str], CauseKind], ...] = (
    (re.compile(r"停机|欠费|呼入限制|限制呼入|suspend|service ?barred", re.I), CauseKind.SUSPENDED),
    (re.compile(r"关机|power(ed)?[ -]?off|switched off", re.I), CauseKind.POWERED_OFF),
    (
        re.compile(r"空号|号码不存在|unallocated|vacant|does not exist|not exist|no such number", re.I),
        CauseKind.EMPTY_NUMBER,
    ),
    (re.compile(r"通话中|正忙|占线|user busy|line busy", re.I), CauseKind.BUSY),
    (re.compile(r"无人接听|无应答|no answer", re.I), CauseKind.NO_ANSWER),
    (re.compile(r"拒接|拒绝接听|黑名单|call rejected|blacklist", re.I), CauseKind.REJECTED),
    (
        re.compile(r"不在服务区|无法接通|not reachable|unreachable|out of (coverage|service)", re.I),
        CauseKind.UNREACHABLE,
    ),
)
"""What carriers write where SIP has no code of its own.  Looked up in the phrase and in Reason's text."""

_Q850 = re.compile(r"Q\.850\s*;[^,]*?\bcause\s*=\s*(\d+)", re.I)
_SIP = re.compile(r"(?:^|,)\s*SIP\s*;[^,]*?\bcause\s*=\s*(\d+)", re.I)


def q850_cause(headers: Mapping[str, str]) -> int | None:
    """The Q.850 cause of a Reason header, if there is one."""
    found = _Q850.search(_header(headers, "reason"))
    return int(found.group(1)) if found else None


def sip_cause(headers: Mapping[str, str]) -> int | None:
    """The SIP code of a Reason header, if there is one: what a network further on had answered."""
    found = _SIP.search(_header(headers, "reason"))
    return int(found.group(1)) if found else None


def from_sip(
    code: int,
    reason: str,
    headers: Mapping[str, str] | None = None,
    *,
    remote: bool = True,
    answered: bool = False,
    rang: bool = False,
) -> Cause:
    """The cause of a leg that ended with `code` `reason`.

    `answered`: there had been a 200; `rang`: there had been a 180 or 183.
    The text of phrase or Reason counts before the Q.850 cause, that before Reason's SIP code and the code.
    An answered leg ended NORMAL unless the message that ended it is itself a failure (code >= 300).
    """
    headers = dict(headers or {})
    return Cause(code, reason, _kind(code, reason, headers, answered, rang), remote, headers)


def _kind(code: int, reason: str, headers: Mapping[str, str], answered: bool, rang: bool) -> CauseKind:
    if answered:
        return CauseKind.NORMAL if code < 300 else CauseKind.CARRIER_FAILED
    if code < 300:
        return CauseKind.CARRIER_FAILED  # ended before it began, as by a BYE while it rang
    said = f"{reason} {_header(headers, 'reason')}"
    for pattern, kind in _PHRASES:
        if pattern.search(said):
            return kind
    q850 = q850_cause(headers)
    if q850 in _BY_Q850:
        return _BY_Q850[q850]
    told = sip_cause(headers)
    if code not in _BY_CODE and told in _BY_CODE:
        code = told
    if rang and code in _RANG_IN_VAIN:
        return CauseKind.NO_ANSWER
    return _BY_CODE.get(code, CauseKind.CARRIER_FAILED)


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")
