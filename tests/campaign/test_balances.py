"""Balance sources: a file that changes under the run, an endpoint, and what happens when they fail."""

from __future__ import annotations

import json
import math
import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.site import at
from tests.store.stores import SHANGHAI
from voicebot.campaign.balances import FileBalances, HttpBalances


def write(path: Path, *rows: str) -> None:
    path.write_text("\n".join(["case_id,amount_due,as_of,overdue_days", *rows]) + "\n")


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    write(path, "c1,520.40,2026-03-02T10:14,3")
    source = FileBalances(path, SHANGHAI)
    balance = source.lookup(["c1", "c2"])["c1"]
    assert (balance.amount_due, balance.age_min(at(10, 16))) == (52040, 2.0)
    assert balance.slots == {"amount_due": ("money", 52040), "overdue_days": ("count", 3)}
    write(path, "c1,0.00,2026-03-02T10:15,3", "c2,12.00,2026-03-02T02:15:00+00:00,1")
    again = source.lookup(["c1", "c2"])
    assert (again["c1"].amount_due, again["c2"].as_of) == (0, at(10, 15))


@pytest.mark.parametrize(
    "line", ["c1,520.40,", "c1,520.40,yesterday", "c1,viel,2026-03-02T10:14", ",1.00,2026-03-02T10:14"]
)
def test_a_row_without_amount_or_time_is_unknown(tmp_path: Path, line: str) -> None:
    write(tmp_path / "b.csv", line + ",1")
    assert FileBalances(tmp_path / "b.csv", SHANGHAI).lookup(["c1", ""]) == {}


def test_a_file_that_vanishes_leaves_nothing_known(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    write(path, "c1,520.40,2026-03-02T10:14,3")
    source = FileBalances(path, SHANGHAI)
    assert source.lookup(["c1"])
    assert source.fresh(at(10, 20), 15)
    path.unlink()
    assert source.lookup(["c1"]) == {}
    assert not source.fresh(at(10, 20), math.inf)


def test_the_first_row_that_holds_counts(tmp_path: Path) -> None:
    rows = ["c1,x,2026-03-02T10:14,3", "c1,520.40,2026-03-02T10:14,", "c1,9.00,2026-03-02T10:15,"]
    write(tmp_path / "b.csv", *rows, "c1\x1f9,1.00,2026-03-02T10:14,")
    found = FileBalances(tmp_path / "b.csv", SHANGHAI).lookup(["c1", "c", "c1\x1f9"])
    assert {case: (one.amount_due, dict(one.slots)) for case, one in found.items()} == {
        "c1": (52040, {"amount_due": ("money", 52040)})
    }


def test_a_plan_and_the_day_of_a_promise_come_with_the_balance(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text(
        "as_of,plan_count,case_id,amount_due,last_promise,payoff_amount\n"
        "2026-03-02T10:14,3,c1,520.40,2026-02-20,500.00\n2026-03-02T10:14,3,c2,1.00,morgen,\n"
    )
    found = FileBalances(path, SHANGHAI).lookup(["c1", "c2"])
    assert found["c1"].slots["plan_count"] == ("count", 3)
    assert found["c1"].slots["last_promise"] == ("date", "2026-02-20")
    assert found["c1"].slots["payoff_amount"] == ("money", 50000)
    assert "c2" not in found


def test_a_file_is_as_fresh_as_its_youngest_row(tmp_path: Path) -> None:
    """What is of tomorrow, or of no time at all, proves nothing."""
    rows = [
        "c1,1.00,2026-03-02T10:10,",
        "c2,1.00,2026-03-02T10:14,",
        "c3,1.00,2026-03-03T10:14,",
        "c4,1.00,x,",
    ]
    write(tmp_path / "b.csv", *rows)
    source = FileBalances(tmp_path / "b.csv", SHANGHAI)
    source.lookup(())
    fresh = {at_minute: source.fresh(at(10, at_minute), 15) for at_minute in (9, 10, 14, 29, 30)}
    assert fresh == {9: False, 10: True, 14: True, 29: True, 30: False}


def test_many_balances_need_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    write(path, *(f"case-{n:07d},{n}.40,2026-03-02T10:14:00,{n % 90}" for n in range(20_000)))
    source = FileBalances(path, SHANGHAI)
    tracemalloc.start()
    found = source.lookup(["case-0019999", "case-0020000"])
    held, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {case: one.amount_due for case, one in found.items()} == {"case-0019999": 1_999_940}
    assert held < 20_000 * 150


def test_a_time_in_the_future_proves_nothing(tmp_path: Path) -> None:
    write(tmp_path / "b.csv", "c1,520.40,2026-03-02T11:00,3")
    assert FileBalances(tmp_path / "b.csv", SHANGHAI).lookup(["c1"])["c1"].age_min(at(10, 59)) is None


@pytest.fixture
def endpoint() -> Iterator[tuple[str, dict[str, Any]]]:
    """An HTTP endpoint; `said` is what it answers, `asked` what it was asked."""
    talk: dict[str, Any] = {"said": b"", "asked": None}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            talk["asked"] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(talk.get("code", 200))
            self.end_headers()
            self.wfile.write(talk["said"])

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/balances", talk
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint_is_asked_for_many_cases_at_once(endpoint: tuple[str, dict[str, Any]]) -> None:
    url, talk = endpoint
    row = {"case_id": "c1", "amount_due": "520.40", "as_of": "2026-03-02T10:14:00+08:00"}
    talk["said"] = json.dumps({"balances": [row, {"case_id": "c2"}, "nonsense"]}).encode()
    found = HttpBalances(url, SHANGHAI).lookup(["c2", "c1"])
    assert talk["asked"] == {"cases": ["c1", "c2"]}
    assert {case: one.amount_due for case, one in found.items()} == {"c1": 52040}


@pytest.mark.parametrize(("minute", "fresh"), [(13, False), (14, True), (29, True), (30, False)])
def test_an_endpoint_is_as_fresh_as_its_answer(
    endpoint: tuple[str, dict[str, Any]], minute: int, fresh: bool
) -> None:
    url, talk = endpoint
    row = {"case_id": "c1", "amount_due": "520.40", "as_of": "2026-03-02T10:14:00+08:00"}
    talk["said"] = json.dumps({"balances": [row]}).encode()
    source = HttpBalances(url, SHANGHAI)
    source.lookup(["c1"])
    assert source.fresh(at(10, minute), 15) is fresh


@pytest.mark.parametrize(
    ("code", "said"), [(500, b"{}"), (200, b"oops"), (200, b"[]"), (200, b'{"balances": 3}')]
)
def test_a_failing_endpoint_leaves_everything_unknown(
    endpoint: tuple[str, dict[str, Any]], code: int, said: bytes
) -> None:
    url, talk = endpoint
    talk.update(code=code, said=said)
    source = HttpBalances(url, SHANGHAI)
    assert source.lookup([]) == {} and source.fresh(at(10, 15), 15), "nothing was asked yet"
    assert source.lookup(["c1"]) == {}
    assert not source.fresh(at(10, 15), math.inf)
    talk.update(code=200, said=b'{"balances": []}')
    assert source.lookup(["c1"]) == {} and source.fresh(at(10, 15), 15), "it knows no such case"


def test_an_endpoint_that_is_down_leaves_everything_unknown() -> None:
    assert HttpBalances("http://127.0.0.1:9/", SHANGHAI, 0.2).lookup(["c1"]) == {}
