"""Nodes in processes of their own on one store, for tests: started, watched by what they dialled, ended."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.campaign.node_process import Forked, NodeProcess, Started
from tests.campaign.site import INSTITUTION, OWN_NUMBER
from voicebot.store.database import Store

START = "2026-03-02T10:15"
PATIENCE_S = 150.0
"""A machine that does other things too starts a node slowly."""


@dataclass
class NodesAtWork:
    """One campaign of `people` rows in `folder`; `program` runs before each node (a network namespace).

    A debtor has `numbers` of the rows, each with a phone number of its own.
    """

    folder: Path
    store_url: str
    keys: Path
    people: int
    act: str
    changes: dict[str, Any] = field(default_factory=dict)
    numbers: int = 1
    began: float = field(default_factory=time.monotonic)
    nodes: list[NodeProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_lists()
        self.write_campaign()

    @property
    def file(self) -> Path:
        return self.folder / "spring.yaml"

    @property
    def dials(self) -> Path:
        return self.folder / "dials.jsonl"

    def write_lists(self) -> None:
        with (self.folder / "list.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            columns = "case_id", "debtor_id", "name", "phone", "amount_due", "phone_source", "phone_evidence"
            rows.writerow(columns)
            for n in range(self.people):
                person = f"case-{n}", f"debtor-{n // self.numbers}", "张伟", f"138{n:08d}"
                rows.writerow((*person, "520.40", "contract", f"HT-{n}"))
        with (self.folder / "balances.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("case_id", "amount_due", "as_of"))
            for number in range(self.people):
                rows.writerow((f"case-{number}", "520.40", f"{START}:00+08:00"))

    def write_campaign(self, **changes: Any) -> None:
        self.changes |= changes
        values = {
            "name": "spring",
            "institution": INSTITUTION,
            "talk_track": "reminder@3",
            "lists": ["list.csv"],
            "callers": [{"number": OWN_NUMBER}],
            "trunk": "simulated",
            "windows": {"mon-sun": ["08:00-21:30"]},
            "balances": {"file": "balances.csv"},
            "values": {"inst_name": "海城消金", "official_no": "4000095500"},
            "lines": 4,
            "calls_per_second": 200,
            "retry": {"attempts": 1},
            "simulation": {"start": START},
        }
        part = self.file.with_suffix(".part")
        part.write_text(yaml.safe_dump(values | self.changes, allow_unicode=True), "utf-8")
        part.replace(self.file)

    def start(self, *more: str, program: Sequence[str] = (), url: str | None = None) -> NodeProcess:
        """A node.  Without --join it begins the campaign, or goes on with it."""
        name = f"node{len(self.nodes)}"
        arguments = (
            *(
                "--store",
                url or self.store_url,
                "--keys",
                str(self.keys),
                "--folder",
                str(self.folder / name),
            ),
            *("--act", self.act, "--origin", str(self.began)),
            *(() if "--join" in more else ("--file", str(self.file))),
            *more,
        )
        output, environment = self.folder / f"{name}.out", {"FAKE_DIALS": str(self.dials)}
        node: NodeProcess = (
            Started(program, arguments, output, environment)
            if program
            else Forked(arguments, output, environment)
        )
        self.nodes.append(node)
        return node

    def invites(self) -> list[dict[str, Any]]:
        if not self.dials.is_file():
            return []
        return [json.loads(line) for line in self.dials.read_text("utf-8").splitlines()]

    def output(self, number: int = 0) -> str:
        file = self.folder / f"node{number}.out"
        return file.read_text("utf-8") if file.exists() else ""

    def wait_for(self, what: str, condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        until = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(f"not within {within_s:.0f} s: {what}\n{self.output()}")
            time.sleep(0.02)

    def end(self) -> None:
        for node in self.nodes:
            node.kill()


@contextmanager
def at_work(store: Store, folder: Path, people: int, act: str, **changes: Any) -> Iterator[NodesAtWork]:
    """Nodes on the store of a test's site."""
    url = store.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    nodes = NodesAtWork(folder / "nodes", url, folder / "keys.json", people, act, changes)
    try:
        yield nodes
    finally:
        nodes.end()
