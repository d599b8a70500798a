"""The speech service over its real socket, with the real Whisper model."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.speech.asr_service import RunningService, command, start
from tests.speech.conftest import frames, read_pcm
from voicebot.speech.asr.client import SpeechService, SpeechUnavailable

SILENCE = bytes(320)


@pytest.fixture(scope="module")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    running = start(tmp_path_factory.mktemp("asr") / "speech.sock", models, "--engine", "whisper")
    yield running
    assert running.stop() == 0
    assert not running.socket.exists()


async def test_one_utterance_after_another_on_one_recognizer(service: RunningService) -> None:
    recognizer = await SpeechService(service.socket).open()
    heard = []
    for name in ("zm_yunxi_c054_alaw8k", "zm_yunxi_c023_alaw8k"):
        for frame in frames(read_pcm(name)):
            recognizer.feed(frame)
        heard.append(await recognizer.finalize())
    await recognizer.close()
    assert "人工" in heard[0].text and "分期" in heard[1].text
    assert "人工" not in heard[1].text
    assert all(h.engine == "whisper:base" and h.confidence > 0.5 for h in heard)


async def test_the_end_after_silence_answers_with_the_speculation(service: RunningService) -> None:
    speech = SpeechService(service.socket)
    recognizer = await speech.open()
    for frame in frames(read_pcm("zm_yunxi_c006_alaw8k")):
        recognizer.feed(frame)
    ahead = await recognizer.speculate()
    decodes = (await speech.stats())["decodes"]
    for _ in range(15):
        recognizer.feed(SILENCE)
    final = await recognizer.finalize()
    assert final == ahead
    assert (await speech.stats())["decodes"] == decodes
    await recognizer.close()


async def test_speech_after_the_speculation_is_decoded(service: RunningService) -> None:
    recognizer = await SpeechService(service.socket).open()
    for frame in frames(read_pcm("zm_yunxi_c023_alaw8k")):
        recognizer.feed(frame)
    ahead = await recognizer.speculate()
    for frame in frames(read_pcm("zm_yunxi_c054_alaw8k")):
        recognizer.feed(frame)
    final = await recognizer.finalize()
    await recognizer.close()
    assert "人工" not in ahead.text
    assert "人工" in final.text and "分期" in final.text


async def test_the_callers_word_that_nothing_was_said_beats_the_level(service: RunningService) -> None:
    recognizer = await SpeechService(service.socket).open()
    speech = frames(read_pcm("zm_yunxi_c054_alaw8k"))
    for frame in speech:
        recognizer.feed(frame)
    ahead = await recognizer.speculate()
    for frame in speech[20:40]:
        recognizer.feed(frame)
    assert await recognizer.finalize(unchanged=True) == ahead
    await recognizer.close()


async def test_other_readings_come_when_asked_for_and_the_speculation_keeps_them(
    service: RunningService,
) -> None:
    speech = SpeechService(service.socket)
    recognizer = await speech.open()
    before = (await speech.stats())["decodes"]
    recognizer.feed(read_pcm("zf_xiaoxiao_c042_noisy"))
    ahead = await recognizer.speculate(alternatives=3)
    assert await recognizer.finalize(unchanged=True, alternatives=3) == ahead
    assert 1 <= len(ahead.alternatives) <= 2 and ahead.text not in ahead.alternatives
    assert (await speech.stats())["decodes"] == before + 1
    recognizer.feed(read_pcm("zf_xiaoxiao_c042_noisy"))
    await recognizer.speculate(alternatives=3)
    assert (await recognizer.finalize(unchanged=True)).alternatives == ()
    await recognizer.close()


async def test_a_speculation_without_other_readings_is_made_again(service: RunningService) -> None:
    recognizer = await SpeechService(service.socket).open()
    recognizer.feed(read_pcm("zf_xiaoxiao_c042_noisy"))
    assert (await recognizer.speculate()).alternatives == ()
    assert (await recognizer.finalize(unchanged=True, alternatives=3)).alternatives
    await recognizer.close()


async def test_silence_is_no_speech_and_costs_no_decode(service: RunningService) -> None:
    recognizer = await SpeechService(service.socket).open()
    for _ in range(100):
        recognizer.feed(SILENCE)
    heard = await recognizer.finalize()
    await recognizer.close()
    assert heard.no_speech and heard.text == "" and heard.decode_ms < 20


async def test_announcements_have_a_prompt_of_their_own(service: RunningService) -> None:
    recognizer = await SpeechService(service.socket).open("announcement")
    for frame in frames(read_pcm("ann_n_off")):
        recognizer.feed(frame)
    heard = await recognizer.finalize()
    await recognizer.close()
    assert "关机" in heard.text


async def test_legs_do_not_mix(service: RunningService) -> None:
    speech = SpeechService(service.socket)
    one, two = await speech.open(), await speech.open()
    first, second = frames(read_pcm("zm_yunxi_c054_alaw8k")), frames(read_pcm("zm_yunxi_c023_alaw8k"))
    for a, b in zip(first, second, strict=False):
        one.feed(a)
        two.feed(b)
    heard = await asyncio.gather(one.finalize(), two.finalize())
    await asyncio.gather(one.close(), two.close())
    assert "人工" in heard[0].text and "分期" in heard[1].text


async def test_a_client_that_vanishes_leaves_nothing_behind(service: RunningService) -> None:
    speech = SpeechService(service.socket)
    recognizer = await speech.open()
    for frame in frames(read_pcm("zm_yunxi_c006_alaw8k")):
        recognizer.feed(frame)
    asking = asyncio.create_task(recognizer.speculate())
    await asyncio.sleep(0.05)
    asking.cancel()
    await recognizer.close()
    for _ in range(50):
        stats = await speech.stats()
        if stats["sessions"] == 1 and stats["queue"] == 0:  # the one that asks
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"left behind: {stats}")


async def test_clients_of_vosk_server_are_understood(service: RunningService) -> None:
    connector = aiohttp.UnixConnector(str(service.socket))
    async with aiohttp.ClientSession(connector=connector) as http, http.ws_connect("http://speech/") as ws:
        await ws.send_str('{"config": {"sample_rate": 8000}}')
        pcm = read_pcm("zm_yunxi_c054_alaw8k")
        for start_byte in range(0, len(pcm), 4000):
            await ws.send_bytes(pcm[start_byte : start_byte + 4000])
            assert "partial" in await ws.receive_json()
        await ws.send_str('{"eof" : 1}')
        assert "人工" in (await ws.receive_json())["text"]


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        "[]",
        '{"config": {"sample_rate": 44100}}',
        '{"config": {"purpose": "x"}}',
        '{"sing": 1}',
        '{"eof": 1, "alternatives": 50}',
        '{"speculate": 1, "alternatives": "all"}',
    ],
)
async def test_a_wrong_message_gets_an_error_and_the_connection_lives(
    service: RunningService, message: str
) -> None:
    connector = aiohttp.UnixConnector(str(service.socket))
    async with aiohttp.ClientSession(connector=connector) as http, http.ws_connect("http://speech/") as ws:
        await ws.send_str(message)
        assert "error" in await ws.receive_json()
        await ws.send_str('{"stats": 1, "id": 7}')
        answer = await ws.receive_json()
        assert answer["id"] == 7 and answer["stats"]["engine"] == "whisper:base"


async def test_a_killed_service_is_told_and_a_new_one_is_found(
    models: Path, tmp_path: Path, started: list[RunningService]
) -> None:
    socket = tmp_path / "speech.sock"
    running = start(socket, models, "--engine", "whisper")
    started.append(running)
    recognizer = await SpeechService(socket).open()
    recognizer.feed(read_pcm("zm_yunxi_c054_alaw8k"))
    running.process.kill()
    running.process.wait()
    began = time.monotonic()
    with pytest.raises(SpeechUnavailable):
        await recognizer.finalize()
    assert time.monotonic() - began < 4
    again = start(socket, models, "--engine", "whisper")  # the dead one's socket file is no obstacle
    started.append(again)
    recognizer.feed(read_pcm("zm_yunxi_c023_alaw8k"))
    assert "分期" in (await recognizer.finalize()).text
    await recognizer.close()
    assert again.stop() == 0


async def test_a_fresh_service_takes_over_while_a_call_goes_on(
    models: Path, tmp_path: Path, started: list[RunningService]
) -> None:
    socket = tmp_path / "speech.sock"
    old = start(socket, models, "--engine", "whisper")
    started.append(old)
    speech = SpeechService(socket)
    in_a_call = await speech.open()
    in_a_call.feed(read_pcm("zm_yunxi_c054_alaw8k"))
    fresh = start(socket, models, "--engine", "whisper", "--replace")
    started.append(fresh)
    old.process.send_signal(signal.SIGUSR1)
    assert (await speech.stats())["pid"] == fresh.process.pid
    assert "人工" in (await in_a_call.finalize()).text
    assert old.process.poll() is None
    await in_a_call.close()
    assert await asyncio.to_thread(old.process.wait, 10) == 0
    assert (await speech.stats())["pid"] == fresh.process.pid
    assert fresh.stop() == 0
    assert not socket.exists()


def test_a_second_service_on_the_socket_is_refused(service: RunningService, models: Path) -> None:
    done = subprocess.run(command(service.socket, models), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "already runs" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert service.socket.exists()


@pytest.mark.parametrize("options", [("--engine", "whisper"), ("--engine", "vosk"), ("--engine", "siri")])
def test_a_missing_model_is_one_line_and_exit_code_2(tmp_path: Path, options: tuple[str, str]) -> None:
    done = subprocess.run(
        command(tmp_path / "s.sock", tmp_path, *options), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "s.sock").exists()


async def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpeechUnavailable):
        await SpeechService(tmp_path / "none.sock").open()
