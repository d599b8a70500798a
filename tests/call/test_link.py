"""The line between worker and supervisor: questions are answered or fail, nobody waits on the dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from voicebot.call.link import Link, LinkLost


class Pair:
    """Two ends over a real Unix socket."""

    def __init__(self, ours: Link, theirs: Link) -> None:
        self.ours, self.theirs = ours, theirs
        self.told: list[tuple[str, dict[str, Any]]] = []


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    arrived: asyncio.Future[Link] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer)
        arrived.set_result(link)
        await link.serve()

    server = await asyncio.start_unix_server(accept, str(tmp_path / "s"))
    ours = Link(*await asyncio.open_unix_connection(str(tmp_path / "s")))
    serving = asyncio.create_task(ours.serve())
    both = Pair(ours, await arrived)

    async def handler(kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
        both.told.append((kind, body))
        if kind == "break":
            raise ValueError("secret detail")
        if kind == "slow":
            await asyncio.sleep(30)
        return {"echo": body}

    both.theirs.handler = handler
    yield both
    ours.close()
    both.theirs.close()
    server.close()
    await asyncio.gather(serving, return_exceptions=True)


async def test_questions_are_answered_each_its_own(pair: Pair) -> None:
    answers = await asyncio.gather(*(pair.ours.ask("q", within_s=2, n=n) for n in range(20)))
    assert [answer["echo"]["n"] for answer in answers] == list(range(20))


async def test_a_failing_handler_is_told_without_its_details(pair: Pair) -> None:
    with pytest.raises(RuntimeError, match="break: ValueError") as told:
        await pair.ours.ask("break", within_s=2)
    assert "secret" not in str(told.value)


async def test_a_question_has_a_deadline(pair: Pair) -> None:
    with pytest.raises(TimeoutError):
        await pair.ours.ask("slow", within_s=0.05)


async def test_when_the_other_side_dies_every_question_fails_at_once(pair: Pair) -> None:
    asking = asyncio.create_task(pair.ours.ask("slow", within_s=30))
    await asyncio.sleep(0.05)
    pair.theirs.close()
    with pytest.raises(LinkLost):
        await asyncio.wait_for(asking, 2)
    with pytest.raises(LinkLost):
        await pair.ours.ask("q", within_s=1)
    pair.ours.tell("into the void")


async def test_a_failing_handler_logs_no_details(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError):
        await pair.ours.ask("break", within_s=2)
    written = "".join(capsys.readouterr())
    assert "link_handler_failed" in written
    assert "ValueError" in written
    assert "secret" not in written
