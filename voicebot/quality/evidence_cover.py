"""The cover of an evidence package: what a person reads first, and how the rest is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import jinja2

from voicebot.call.record import CallRecord
from voicebot.quality.call_page import call_facts
from voicebot.quality.wording import DISPOSITIONS, SPEAKERS, length, stamp


def cover(about: str, records: Sequence[CallRecord], files: Mapping[str, bytes], at: datetime) -> str:
    """HTML that needs nothing but itself; it prints to PDF from any browser."""
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("voicebot.quality"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    pages.filters.update(stamp=stamp, minutes=length)
    return pages.get_template("evidence.html").render(
        about=about,
        calls=[(record, DISPOSITIONS[record.disposition], call_facts(record)) for record in records],
        files=sorted(files),
        speakers=SPEAKERS,
        at=at,
    )
