"""A PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket, stopped at the end."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

OWNER = "postgres"
"""Debian's account; the server refuses to run as root."""
START_LIMIT_S = "60"


class PostgresqlServer:
    """`with PostgresqlServer() as server: server.url()` gives a new empty database.

    `listen`: addresses that it listens on beside its socket, everybody in their networks is let in;
    `within`: what runs the server elsewhere (`ip netns exec NAME`).
    """

    def __init__(
        self, *, fsync: bool = False, listen: Sequence[str] = (), within: Sequence[str] = ()
    ) -> None:
        self._listen, self._within = tuple(listen), tuple(within)
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not found:
            raise RuntimeError("the tests need Debian's package postgresql: apt-get install postgresql")
        self._bin = found[-1]
        self._root = os.geteuid() == 0
        self._user = OWNER if self._root else getpass.getuser()
        self._count = 0
        self._fsync = "on" if fsync else "off"

    def __enter__(self) -> PostgresqlServer:
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        if self._root:
            shutil.chown(self._folder, OWNER)
        self._data = self._folder / "data"
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        with (self._data / "pg_hba.conf").open("a") as file:
            file.writelines(f"host all all {address}/24 trust\n" for address in self._listen)
        self._start()
        return self

    def _start(self) -> None:
        addresses = ",".join(self._listen)
        options = f"-c listen_addresses='{addresses}' -c unix_socket_directories={self._folder}"
        options += f" -c fsync={self._fsync}"
        log = str(self._folder / "log")
        self._run(
            "pg_ctl", "-D", str(self._data), "-w", "-t", START_LIMIT_S, "-o", options, "-l", log, "start"
        )

    def __exit__(self, *_: object) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def restart(self) -> None:
        """As after a crash: every connection is cut, what was committed is recovered."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")
        self._start()

    @property
    def pid(self) -> int:
        """The server's first process; the others are its children."""
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    def url(self) -> str:
        """A new database on this server, over its socket."""
        self._count += 1
        name = f"t{self._count}"
        self._run("createdb", "-h", str(self._folder), name)
        return f"postgresql://{self._user}@/{name}?host={self._folder}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        if self._root:
            command = [*self._within, "runuser", "-u", OWNER, "--", *command]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self._folder)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace').strip()}")
