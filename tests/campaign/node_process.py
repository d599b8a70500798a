"""A node's process: forked off a server that has imported everything, or a program on another machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
STATION = "tests.campaign.paper_station"
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([STATION])


class NodeProcess(Protocol):
    """What tests do with a node."""

    @property
    def running(self) -> bool: ...

    def wait(self, within_s: float) -> int:
        """Its exit code; AssertionError when it goes on."""
        ...

    def kill(self) -> None:
        """Kill -9; it is gone when this returns."""
        ...


class Forked:
    """It begins within a moment: imports are most of a short-lived node's work."""

    def __init__(self, arguments: Sequence[str], output: Path, environment: Mapping[str, str]) -> None:
        self._process = _CONTEXT.Process(
            target=_as_node, args=(list(arguments), output, dict(environment)), daemon=False
        )
        self._process.start()

    @property
    def running(self) -> bool:
        return self._process.is_alive()

    def wait(self, within_s: float) -> int:
        self._process.join(within_s)
        code = self._process.exitcode
        assert code is not None, f"the node did not end within {within_s:.0f} s"
        return code

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


class Started:
    """A process of its own, begun by `program` (`ip netns exec NAME`)."""

    def __init__(
        self,
        program: Sequence[str],
        arguments: Sequence[str],
        output: Path,
        environment: Mapping[str, str],
    ) -> None:
        with output.open("w") as sink:
            self._process = subprocess.Popen(
                [*program, sys.executable, "-m", STATION, *arguments],
                cwd=ROOT,
                env=os.environ | environment,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, within_s: float) -> int:
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the node did not end within {within_s:.0f} s") from None

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


def _as_node(arguments: list[str], output: Path, environment: dict[str, str]) -> None:
    from tests.campaign import paper_station  # the fork server has it already; whoever starts one need not

    os.environ |= environment
    os.chdir(ROOT)
    sink = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(sink, descriptor)
    paper_station.main(arguments)
