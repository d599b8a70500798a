"""The cover of an evidence package: what a person reads first, and how the rest is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from voicebot.call.record import CallRecord
from voicebot.quality.call_page import call_facts
from voicebot.quality.report import environment
from voicebot.quality.wording import DISPOSITIONS

NO_TRANSCRIPT = {
    "deleted": ("记录与录音保存期满，已删除", "record and recording were deleted when their time had come"),
    "recording_only": ("通话中断，只有录音", "the call broke off: there is its recording alone"),
    "nothing_kept": ("没有通话记录", "no record was kept"),
}


def cover(
    about: str,
    records: Sequence[CallRecord],
    others: Sequence[tuple[str, str]],
    files: Mapping[str, bytes],
    at: datetime,
) -> str:
    """HTML that needs nothing but itself; it prints to PDF from any browser.

    `others` are calls without a transcript: (attempt, a key of NO_TRANSCRIPT).
    """
    page = environment().get_template("evidence.html")
    return page.render(
        about=about,
        calls=[(record, DISPOSITIONS[record.disposition], call_facts(record)) for record in records],
        others=[(attempt_id, *NO_TRANSCRIPT[why]) for attempt_id, why in others],
        files=sorted(files),
        at=at,
    )
