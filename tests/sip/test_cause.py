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
        (34, CauseKind.UNREACHABLE),  # no hint in the table: the code decides
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
        (486, "Busy Here", CauseKind.BUSY),
        (404, "Not Found", CauseKind.EMPTY_NUMBER),
    ],
)
def test_the_phrase_says_more_than_the_code(code: int, phrase: str, kind: CauseKind) -> None:
    assert from_sip(code, phrase).kind is kind
    assert from_sip(code, "", {"reason": f'SIP;cause={code};text="{phrase}"'}).kind is kind


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
