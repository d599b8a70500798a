"""Two machines and a database of their own on this one: network namespaces, joined by virtual cables.

Each machine also has its own host name and its own process ids.  Needs root, and iproute2.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from types import TracebackType


class CannotTry(RuntimeError):
    """This machine can make no such network; says what is missing."""


@dataclass(frozen=True)
class Machine:
    """One machine, its cable to the database's, and the database's address at the cable's other end."""

    name: str
    namespace: str
    cable: str
    database: str

    @property
    def program(self) -> tuple[str, ...]:
        """What runs a program on it; the program dies with it."""
        return (
            *("ip", "netns", "exec", self.namespace),
            *("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"),
            *("sh", "-c", f'hostname {self.name}; exec "$@"', "sh"),
        )

    def cut(self) -> None:
        """Pulls the cable: packets are lost, nothing is refused."""
        _ip("-n", self.namespace, "link", "set", self.cable, "down")

    def plug(self) -> None:
        """Plugs it in again."""
        _ip("-n", self.namespace, "link", "set", self.cable, "up")


class Network:
    """`with Network("east", "west") as network:` — removed at the end, whatever happened."""

    def __init__(self, *names: str) -> None:
        self._prefix = f"vb{os.getpid()}"
        self.database = f"{self._prefix}d"
        "The namespace that the database runs in."
        self.machines = [
            Machine(name, f"{self._prefix}{number}", f"vbc{number}", f"10.213.{number}.1")
            for number, name in enumerate(names)
        ]

    @property
    def addresses(self) -> list[str]:
        """Where the database is to listen."""
        return [machine.database for machine in self.machines]

    @property
    def on_database(self) -> tuple[str, ...]:
        """What runs a program on the database's machine."""
        return "ip", "netns", "exec", self.database

    def __enter__(self) -> Network:
        """CannotTry without root, iproute2, or a kernel that lets namespaces be made."""
        if os.geteuid() != 0:
            raise CannotTry("network namespaces need root")
        for program in ("ip", "unshare", "hostname"):
            if shutil.which(program) is None:
                raise CannotTry(f"there is no program {program} (Debian: iproute2, util-linux, hostname)")
        try:
            self._lay()
            for machine in self.machines:
                _run(*machine.program, "true")
        except BaseException:
            self._remove()
            raise
        return self

    def _lay(self) -> None:
        _ip("netns", "add", self.database)
        for machine in self.machines:
            far = f"{machine.cable}d"
            _ip("netns", "add", machine.namespace)
            _ip("-n", machine.namespace, "link", "set", "lo", "up")
            _ip(
                *("link", "add", machine.cable, "netns", machine.namespace),
                *("type", "veth", "peer", "name", far, "netns", self.database),
            )
            here = machine.database.removesuffix("1") + "2"
            _ip("-n", machine.namespace, "addr", "add", f"{here}/24", "dev", machine.cable)
            _ip("-n", self.database, "addr", "add", f"{machine.database}/24", "dev", far)
            _ip("-n", machine.namespace, "link", "set", machine.cable, "up")
            _ip("-n", self.database, "link", "set", far, "up")

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        """Cables go with their namespaces."""
        for name in (self.database, *(machine.namespace for machine in self.machines)):
            subprocess.run(("ip", "netns", "delete", name), stderr=subprocess.DEVNULL, check=False)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotTry(f"{' '.join(command)}: {done.stderr.strip()}")
