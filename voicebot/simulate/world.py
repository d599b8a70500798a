"""The simulated world: callees behind two gateways, and the agents' phone, each in a process of its own.

    python -m voicebot.simulate.world --out DIR [--scenarios DIR] [--models DIR] [--prompts DIR]

Prints one JSON line when everything can be called, then runs until SIGTERM or the end of standard input:

    {"gateways": ["127.0.0.1:PORT", …], "agents": {"agent1001": "sip:agent1001@127.0.0.1:PORT"}}

DIR gets callees.jsonl, agents.jsonl (one line a call) and audio/*.wav.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from voicebot import logs
from voicebot.errors import InputError, NotReady
from voicebot.simulate import voices
from voicebot.simulate.agent_script import AGENTS, load_agents
from voicebot.simulate.scenario import SCENARIOS
from voicebot.speech.tts.engine import RenderError

log = structlog.get_logger()

IP = "127.0.0.1"
READY_S = 60.0
"""A busy machine takes long to load a phone."""
STOP_S = 5.0
"""A child that has not ended this long after SIGTERM is killed."""
RESTARTS = 3
"""PJSIP may abort: a phone is started again on its port so often, then the world ends with code 1."""


class Phone:
    """One child process with a softphone, kept alive on the same port."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name, self._command = name, command
        self.port = 0
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Raises NotReady when it does not say its port."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            "--port",
            str(self.port),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            await self.stop()
            raise NotReady(f"{self.name} of the simulated world did not start", "Its reason stands above.")
        self.port = int(json.loads(line)["port"])

    async def keep(self) -> None:
        """Returns when it has died more often than it is started again."""
        for left in reversed(range(RESTARTS + 1)):
            assert self._process is not None
            code = await self._process.wait()
            log.error("simulated_phone_died", name=self.name, code=code, restarts_left=left)
            if left:
                await self.start()

    async def stop(self) -> None:
        """Asks, then kills."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            log.warning("simulated_phone_killed", name=self.name)
            process.kill()
            await process.wait()


def phones(out: Path, prompts: Path, scenarios: Path, agents: Path, gateways: int) -> list[Phone]:
    """The children: the callees' gateways first, the agents' phone last."""
    python = [sys.executable, "-m"]
    shared = ["--out", str(out), "--prompts", str(prompts), "--agents", str(agents)]
    callees = [
        Phone(
            f"callees{number}",
            [
                *python,
                "voicebot.simulate.callee_process",
                *shared,
                "--scenarios",
                str(scenarios),
                "--name",
                f"callees{number}",
            ],
        )
        for number in range(1, gateways + 1)
    ]
    return [*callees, Phone("agents", [*python, "voicebot.simulate.agent_phone", *shared])]


async def run(out: Path, prompts: Path, scenarios: Path, agents: Path, gateways: int) -> int:
    """Runs the world; the exit code.  Raises NotReady when a phone does not start."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    children = phones(out, prompts, scenarios, agents, gateways)
    stop = asyncio.ensure_future(stopping.wait())
    keepers: set[asyncio.Task[None]] = set()
    try:
        await asyncio.gather(*(child.start() for child in children))
        *callees, phone = children
        ready = {
            "gateways": [f"{IP}:{child.port}" for child in callees],
            "agents": {name: f"sip:{name}@{IP}:{phone.port}" for name in load_agents(agents)},
        }
        print(json.dumps(ready), flush=True)
        await _watch_stdin(stopping)
        keepers = {asyncio.ensure_future(child.keep()) for child in children}
        done, _ = await asyncio.wait({stop, *keepers}, return_when=asyncio.FIRST_COMPLETED)
        return 0 if stop in done else 1
    finally:
        for task in (stop, *keepers):
            task.cancel()
        await asyncio.gather(*(child.stop() for child in children))


async def _watch_stdin(stopping: asyncio.Event) -> None:
    """The world ends with whoever started it: standard input closes then."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()

    class Watcher(asyncio.StreamReaderProtocol):
        def eof_received(self) -> bool | None:
            stopping.set()
            return super().eof_received()

        def connection_lost(self, fault: Exception | None) -> None:
            stopping.set()
            super().connection_lost(fault)

    try:
        await loop.connect_read_pipe(lambda: Watcher(reader), sys.stdin)
    except ValueError:  # a file or /dev/null: there is no end to wait for
        log.info("stdin_not_watched")


def main(
    out: Annotated[Path, typer.Option(help="Folder for results and audio.")],
    scenarios: Annotated[Path, typer.Option(help="Folder of the scenario files.")] = SCENARIOS,
    models: Annotated[Path, typer.Option(help="Folder of the installed models.")] = Path("var/models"),
    prompts: Annotated[Path, typer.Option(help="Folder of the prompt cache.")] = Path("var/prompts"),
    agents: Annotated[Path, typer.Option(help="Folder of the simulated agents' files.")] = AGENTS,
    gateways: Annotated[int, typer.Option(min=1, max=16, help="Callee processes, four calls each.")] = 2,
) -> None:
    """Starts the simulated callees and agents and runs until SIGTERM or the end of standard input."""
    logs.configure()
    try:
        voices.render(voices.needed(scenarios, agents), models, prompts)
        out.mkdir(parents=True, exist_ok=True)
        code = asyncio.run(run(out, prompts, scenarios, agents, gateways))
    except (InputError, RenderError) as fault:
        print(fault, file=sys.stderr)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)
