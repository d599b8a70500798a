"""Sealing costs as much processor time as writing, so that a long list is sealed in a process of its own.

`python -m voicebot.campaign.sealing_process` takes a pickled job and answers with pickled chunks.
"""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

from voicebot.campaign.campaign_lists import ReadingOrder
from voicebot.campaign.row_sealer import SealedChunk, SealingJob, sealed
from voicebot.errors import InputError

OWN_PROCESS_FROM = 5000
"""Cases from which it pays."""
_LENGTH = struct.Struct("!I")
_END = 0


def sealed_elsewhere(job: SealingJob, order: ReadingOrder) -> Iterator[SealedChunk]:
    """Chunks of what is not written yet, sealed by a process of its own.  Raises what went wrong there."""
    command = [sys.executable, "-m", "voicebot.campaign.sealing_process"]
    # A session of its own: Ctrl-C is for the writer, which ends in order; this one ends with its pipe.
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1 << 20, start_new_session=True
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        with child.stdin as stdin:
            pickle.dump((job, order), stdin, pickle.HIGHEST_PROTOCOL)
        while True:
            message = _receive(child.stdout)
            if message is None:
                return
            if isinstance(message, InputError):
                raise message
            yield message
    finally:
        child.stdout.close()
        child.kill()
        child.wait()


def _receive(stream: IO[bytes]) -> SealedChunk | InputError | None:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise RuntimeError("the process that seals the list ended before the list did")
    (length,) = _LENGTH.unpack(head)
    if length == _END:
        return None
    message = pickle.loads(stream.read(length))
    assert isinstance(message, SealedChunk | InputError)
    return message


def _send(stream: IO[bytes], message: object) -> None:
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def main() -> None:
    """Reads one job, writes its chunks."""
    out = sys.stdout.buffer
    try:
        job, order = pickle.load(sys.stdin.buffer)
        for chunk in sealed(job, order.groups(job.cases_done)):
            _send(out, chunk)
        out.write(_LENGTH.pack(_END))
        out.flush()
    except InputError as fault:
        _send(out, fault)
    except BrokenPipeError:  # the writer is gone
        sys.exit(1)


if __name__ == "__main__":
    main()
