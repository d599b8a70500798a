"""The prompt cache: every clause is rendered once, before any call that speaks it, and joined to prompts.

Files are addressed by content (voice, its version, text), so a cache is shared between campaigns and calls,
and an interrupted rendering goes on where it stopped.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import queue
import subprocess
import sys
import threading
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from voicebot.errors import InputError, NotReady
from voicebot.speech.audio import SAMPLE_RATE
from voicebot.speech.tts.child import environment
from voicebot.speech.tts.clauses import gap_after
from voicebot.speech.tts.engine import RenderError, voice_version
from voicebot.speech.tts.render_process import write_wav

Progress = Callable[[int, int], None]
"""Called with (done, total) after every clause."""

_TAIL_S = 0.02


class PromptCache:
    """Clauses below `root`, one WAV (8 kHz, mono, int16) each."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def path(self, voice: str, text: str) -> Path:
        """Where the clause lies, rendered or not.  Raises InputError for an unknown voice."""
        key = "\0".join((voice, voice_version(voice), text.strip()))
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.root / voice.replace(":", "-") / digest[:2] / f"{digest}.wav"

    def missing(self, voice: str, texts: Sequence[str]) -> list[str]:
        """The texts that are not rendered yet, each once, in order."""
        return [
            text for text in dict.fromkeys(t.strip() for t in texts) if not self.path(voice, text).is_file()
        ]

    def render(
        self,
        voice: str,
        texts: Sequence[str],
        models: Path,
        processes: int = 2,
        progress: Progress | None = None,
    ) -> None:
        """Renders what is missing in worker processes; blocks.  One rendering runs below a root at a time.

        Raises RenderError when a clause cannot be rendered (the others are kept), InputError or NotReady when
        the voice is unknown or not installed.
        """
        if not self.missing(voice, texts):
            return
        self.root.mkdir(parents=True, exist_ok=True)
        with self._locked():
            todo = self.missing(voice, texts)  # another process may have rendered them meanwhile
            if todo:
                _Rendering(self, voice, todo, models, progress).run(min(processes, len(todo)))

    def assemble(self, voice: str, texts: Sequence[str], out: Path) -> float:
        """Joins rendered clauses to one prompt WAV and gives its seconds.

        Raises NotReady when a clause was not rendered before: nothing is synthesised during a call.
        """
        parts: list[bytes] = []
        texts = [text for text in texts if text.strip()]
        for index, text in enumerate(texts):
            parts.append(self._read(self.path(voice, text)))
            gap_s = gap_after(text) if index + 1 < len(texts) else _TAIL_S
            parts.append(bytes(2 * int(gap_s * SAMPLE_RATE)))
        pcm = b"".join(parts)
        if not pcm:
            raise InputError("a prompt without words.", "", where=out)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_wav(out, pcm)
        return len(pcm) / 2 / SAMPLE_RATE

    def _read(self, path: Path) -> bytes:
        try:
            with wave.open(str(path), "rb") as wav:
                return wav.readframes(wav.getnframes())
        except FileNotFoundError:
            raise NotReady(
                "a clause was not rendered.", "Render the campaign's prompts first.", where=path
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class _Rendering:
    """Hands clauses to worker processes, one at a time each."""

    def __init__(
        self, cache: PromptCache, voice: str, todo: list[str], models: Path, progress: Progress | None
    ) -> None:
        self._cache = cache
        self._voice = voice
        self._models = models
        self._total = len(todo)
        self._todo: queue.SimpleQueue[str] = queue.SimpleQueue()
        for text in sorted(todo, key=len, reverse=True):  # the long ones first: both workers end together
            self._todo.put(text)
        self._results: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()
        self._progress = progress

    def run(self, processes: int) -> None:
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(processes)]
        for worker in workers:
            worker.start()
        try:
            self._collect(processes)
        finally:  # also when the progress callback raises or Ctrl-C comes: no worker goes on by itself
            while not self._todo.empty():
                with suppress(queue.Empty):
                    self._todo.get_nowait()
            for worker in workers:
                worker.join()

    def _collect(self, alive: int) -> None:
        done = failed = 0
        fatal = ""
        while alive:
            result = self._results.get()
            if "ended" in result:
                alive -= 1
                continue
            if "fatal" in result:
                fatal = str(result["fatal"])
                continue
            failed += "error" in result
            done += 1
            if self._progress is not None:
                self._progress(done, self._total)
        if fatal:
            raise NotReady(fatal)
        if failed or done < self._total:
            raise RenderError(f"{self._total - done + failed} of {self._total} clauses could not be rendered")

    def _work(self) -> None:
        command = [sys.executable, "-m", "voicebot.speech.tts.render_process", self._voice, str(self._models)]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment(),
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            try:
                self._feed(process)
            except (BrokenPipeError, json.JSONDecodeError):
                process.kill()
            finally:
                process.stdin.close()
                self._results.put({"ended": True})

    def _feed(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None
        first = json.loads(process.stdout.readline() or "{}")
        if not first.get("ready"):
            self._results.put({"fatal": first.get("fatal", "the voice's process ended at once")})
            return
        while True:
            try:
                text = self._todo.get_nowait()
            except queue.Empty:
                return
            job = {"text": text, "out": str(self._cache.path(self._voice, text))}
            process.stdin.write(json.dumps(job, ensure_ascii=False) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            self._results.put(json.loads(line) if line else {"error": "the voice's process died"})
            if not line:
                return
