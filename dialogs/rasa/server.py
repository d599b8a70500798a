"""The Rasa process: `python -m dialogs.rasa.server --tracks DIR --fd N` with VOICE_TOKEN in the environment.

Serves nothing but the voice channel, on a loopback socket that the parent has bound, and ends when the
parent closes its end of standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from pathlib import Path

from rasa.core.channels.channel import register
from rasa.utils.log_utils import configure_structlog
from sanic import Sanic

from dialogs.rasa.voice_channel import VoiceChannel


def main() -> None:
    """Runs until the parent goes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    configure_structlog(logging.WARNING)
    listening = socket.socket(fileno=asked.fd)

    app = Sanic("voice", configure_logging=False)
    register([VoiceChannel(asked.tracks, os.environ.pop("VOICE_TOKEN"))], app, route="/")

    @app.listener("after_server_start")
    async def watch_parent(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_reader(sys.stdin.fileno(), app.stop)

    app.run(sock=listening, access_log=False, debug=False, workers=1, motd=False)


if __name__ == "__main__":
    main()
