"""Real workers that hang or abort: another one is at work within three seconds."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from sip.trunk import Trunk
from voicebot.call.order import Services
from voicebot.campaign.worker_pool import WorkerPool
from voicebot.store.encryption import KeyRing

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="module")]
ROOT = Path(__file__).resolve().parents[2]
REPLACED_WITHIN_S = 3.0


async def nothing(*_: object) -> None:
    """Neither messages nor deaths matter here."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pool(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WorkerPool]:
    folder = tmp_path_factory.mktemp("pool")
    sockets = Path(tempfile.mkdtemp(prefix="vb-"))
    KeyRing.create(folder / "keys.json")
    paths = {name: folder / name for name in ("speech_socket", "tracks", "prompts", "recordings", "silero")}
    (folder / "prompts").mkdir()
    services = Services(
        **paths,
        key_file=folder / "keys.json",
        dialog_url="http://127.0.0.1:9",
        dialog_token="",
        sip_ip="127.0.0.1",
        trunk=Trunk(name="east", gateways=("127.0.0.1:9",)),
        calls=1,
        asr_engine="none",
        queues_file=ROOT / "configs" / "queues.yaml",
    )
    pool = WorkerPool(
        1, services, sockets, folder / "logs", on_message=nothing, on_death=nothing, spare_after_s=0.0
    )
    await pool.start()
    yield pool
    await pool.stop()
    shutil.rmtree(sockets)


async def until(happened: Callable[[], bool]) -> float:
    """Seconds until it happened; at most 30."""
    began = asyncio.get_running_loop().time()
    for _ in range(6000):
        if happened():
            return asyncio.get_running_loop().time() - began
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGABRT, signal.SIGKILL])
async def test_a_worker_that_hangs_or_dies_is_replaced_in_time(
    pool: WorkerPool, fault: signal.Signals
) -> None:
    await until(lambda: pool.spare)
    (name,) = pool.names
    os.kill(pool.pid(name), fault)
    assert await until(lambda: pool.names not in ([], [name])) < REPLACED_WITHIN_S
    assert pool.free() == pool.names
