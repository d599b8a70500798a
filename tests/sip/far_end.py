"""Drives tests/sip/peer.py: the far end of a call, in its own process."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 10.0


class FarEnd:
    """`trunk`: settings of the far phone's own trunk account, as user `far` of 127.0.0.1; see sip.trunk."""

    def __init__(self, folder: Path, **trunk: Any) -> None:
        self.folder, self._trunk = folder, trunk
        self.port = self.trunk_port = 0
        self.events: list[dict[str, Any]] = []
        self._new = asyncio.Condition()
        self._numbers = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Any]] = {}

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("peer.py")),
            str(self.folder),
            *((json.dumps(self._trunk),) if self._trunk else ()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), "FAR_SECRET": "unused"},
        )
        self._reading = asyncio.create_task(self._read())
        ready = await self.event("ready")
        self.port, self.trunk_port = ready["port"], ready["trunk_port"] or ready["port"]
        return self

    async def __aexit__(self, *fault: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            code = await asyncio.wait_for(self._process.wait(), PATIENCE_S)
        except TimeoutError:
            self._process.kill()
            raise
        self._reading.cancel()
        assert code == 0, f"the far end died with {code}"

    def uri(self, user: str = "callee") -> str:
        return f"sip:{user}@127.0.0.1:{self.port}"

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = json.loads(line)
            if "event" in told:
                async with self._new:
                    self.events.append(told)
                    self._new.notify_all()
            elif "fault" in told:
                self._replies.pop(told["n"]).set_exception(AssertionError(told["fault"]))
            else:
                self._replies.pop(told["n"]).set_result(told["result"])

    async def event(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """The first event of this kind not yet taken."""

        def find() -> dict[str, Any] | None:
            for told in self.events:
                if told["event"] == kind and all(told.get(k) == v for k, v in wanted.items()):
                    return told
            return None

        async with self._new:
            await asyncio.wait_for(self._new.wait_for(lambda: find() is not None), PATIENCE_S)
            told = find()
            assert told is not None
            self.events.remove(told)
            return told

    async def do(self, op: str, **given: Any) -> Any:
        number = next(self._numbers)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"n": number, "op": op, **given}).encode() + b"\n")
        return await asyncio.wait_for(reply, PATIENCE_S)

    async def reset(self) -> None:
        """Ends what is left of earlier calls and forgets what was told of them."""
        await self.do("hangup_all")
        for _ in range(250):
            if not await self.do("slots"):
                break
            await asyncio.sleep(0.02)
        self.events.clear()

    async def answered(self) -> int:
        """Takes the next incoming call with 200; returns the leg."""
        leg: int = (await self.event("incoming"))["leg"]
        await self.do("answer", leg=leg)
        return leg

    def heard(self, leg: int) -> bytes:
        return (self.folder / f"{leg}.theirs.raw").read_bytes()

    def sent(self, leg: int) -> bytes:
        return (self.folder / f"{leg}.ours.raw").read_bytes()
