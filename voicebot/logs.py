"""Structured logs: one JSON line an event, on stderr or in a file.  They carry ids, never personal data."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import structlog


def configure(level: int = logging.INFO, file: Path | None = None) -> None:
    """Call first thing in each process; `file` takes the lines where stderr is a live table's terminal."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # a lost connection is told as StoreDown
    sink = sys.stderr if file is None else file.open("a", encoding="utf-8", buffering=1)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sink),
    )
