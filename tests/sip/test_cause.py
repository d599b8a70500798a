"""SIP endings as the campaign sees them."""

from __future__ import annotations

import pytest

from sip.cause import CauseKind, from_sip, q850_cause
from sip.pj_call import headers_of


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (486, CauseKind.BUSY),
        (600, CauseKind.BUSY),
        (603, CauseKind.REJECTED),
        (403, CauseKind.REJECTED),
        (608, CauseKind.REJECTED),
        (404, CauseKind.EMPTY_NUMBER),
        (484, CauseKind.EMPTY_NUMBER),
        (604, CauseKind.EMPTY_NUMBER),
        (480, CauseKind.UNREACHABLE),
        (408, CauseKind.UNREACHABLE),
        (487, CauseKind.CANCELLED),
        (302, CauseKind.CARRIER_FAILED),
        (401, CauseKind.CARRIER_FAILED),
        (407, CauseKind.CARRIER_FAILED),
        (488, CauseKind.CARRIER_FAILED),
        (500, CauseKind.CARRIER_FAILED),
        (503, CauseKind.CARRIER_FAILED),
        (504, CauseKind.CARRIER_FAILED),
    ],
)
def test_a_final_code_without_further_hints(code: int, kind: CauseKind) -> None:
    assert from_sip(code, "").kind is kind


@pytest.mark.parametrize("code", range(300, 700))
def test_every_failure_has_a_kind_and_none_is_normal(code: int) -> None:
    assert from_sip(code, "").kind is not CauseKind.NORMAL


@pytest.mark.parametrize("code", [408, 480])
def test_it_rang_and_nobody_picked_up(code: int) -> None:
    assert from_sip(code, "Temporarily Unavailable", rang=True).kind is CauseKind.NO_ANSWER


@pytest.mark.parametrize(
    ("q850", "kind"),
    [
        (1, CauseKind.EMPTY_NUMBER),
        (17, CauseKind.BUSY),
        (18, CauseKind.NO_ANSWER),
        (19, CauseKind.NO_ANSWER),
        (20, CauseKind.POWERED_OFF),
        (21, CauseKind.REJECTED),
        (22, CauseKind.EMPTY_NUMBER),
        (27, CauseKind.UNREACHABLE),
        (34, CauseKind.CARRIER_FAILED),
        (38, CauseKind.CARRIER_FAILED),
        (41, CauseKind.CARRIER_FAILED),
        (42, CauseKind.CARRIER_FAILED),
        (54, CauseKind.SUSPENDED),
        (3, CauseKind.UNREACHABLE),
        (16, CauseKind.UNREACHABLE),  # normal clearing says nothing: the code decides
        (31, CauseKind.UNREACHABLE),
        (127, CauseKind.UNREACHABLE),
    ],
)
def test_the_switch_says_more_than_480(q850: int, kind: CauseKind) -> None:
    headers = {"Reason": f'Q.850;cause={q850};text="x"'}
    assert q850_cause(headers) == q850
    assert from_sip(480, "", headers).kind is kind


@pytest.mark.parametrize(
    ("code", "phrase", "kind"),
    [
        (480, "用户已停机", CauseKind.SUSPENDED),
        (480, "Powered Off", CauseKind.POWERED_OFF),
        (403, "关机", CauseKind.POWERED_OFF),
        (500, "Vacant number", CauseKind.EMPTY_NUMBER),
        (503, "Subscriber not reachable", CauseKind.UNREACHABLE),
        (480, "您拨打的电话正在通话中", CauseKind.BUSY),
        (480, "暂时无人接听", CauseKind.NO_ANSWER),
        (500, "暂时无法接通", CauseKind.UNREACHABLE),
        (500, "号码不存在", CauseKind.EMPTY_NUMBER),
        (480, "主叫黑名单", CauseKind.REJECTED),
        (480, "呼入限制", CauseKind.SUSPENDED),
        (486, "Busy Here", CauseKind.BUSY),
        (404, "Not Found", CauseKind.EMPTY_NUMBER),
    ],
)
def test_the_phrase_says_more_than_the_code(code: int, phrase: str, kind: CauseKind) -> None:
    assert from_sip(code, phrase).kind is kind
    assert from_sip(code, "", {"reason": f'SIP;cause={code};text="{phrase}"'}).kind is kind


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (500, "SIP;cause=486", CauseKind.BUSY),
        (503, 'SIP;cause=404;text="Not Found"', CauseKind.EMPTY_NUMBER),
        (500, "Q.850;cause=34, SIP;cause=486", CauseKind.CARRIER_FAILED),  # the switch counts first
        (480, 'SIP;cause=603, Q.850;cause=17;text="x"', CauseKind.BUSY),
        (486, "SIP;cause=404", CauseKind.BUSY),  # the code itself says enough
        (500, "SIP;cause=503", CauseKind.CARRIER_FAILED),
        (480, 'Q.850;text="cause";cause=20', CauseKind.POWERED_OFF),
        (480, "q.850 ; cause = 18", CauseKind.NO_ANSWER),
        (480, "preemption;cause=1", CauseKind.UNREACHABLE),
        (480, "Q.850;cause=x", CauseKind.UNREACHABLE),
    ],
)
def test_what_a_reason_header_adds(code: int, reason: str, kind: CauseKind) -> None:
    assert from_sip(code, "", {"Reason": reason}).kind is kind


def test_two_reason_headers_are_both_read() -> None:
    headers = headers_of("SIP/2.0 480 X\r\nReason: SIP;cause=480\r\nReason: Q.850;cause=20\r\n\r\n")
    assert from_sip(480, "X", headers).kind is CauseKind.POWERED_OFF


def test_a_call_that_ends_before_it_began_is_the_carriers_failure() -> None:
    assert from_sip(200, "OK").kind is CauseKind.CARRIER_FAILED  # a BYE while it rang


def test_an_answered_call_ends_normally_unless_it_broke() -> None:
    assert from_sip(200, "OK", answered=True).kind is CauseKind.NORMAL
    assert from_sip(200, "", {"Reason": "Q.850;cause=17"}, answered=True).kind is CauseKind.NORMAL
    assert from_sip(408, "", answered=True).kind is CauseKind.CARRIER_FAILED


def test_headers_of_a_message() -> None:
    message = (
        "SIP/2.0 480 Gone\r\nVia: a\r\nVia: b\r\nReason: Q.850;cause=20\r\n"
        "X-Carrier-Code:  7 \r\nContent-Length: 9\r\n\r\nX-Body: no"
    )
    assert headers_of(message) == {
        "Via": "a",
        "Reason": "Q.850;cause=20",
        "X-Carrier-Code": "7",
        "Content-Length": "9",
    }
