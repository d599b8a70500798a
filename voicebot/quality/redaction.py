"""What a page may show of spoken words: no name, no phone number, no identity tail."""

from __future__ import annotations

import re
from collections.abc import Sequence

from voicebot.call.record import CallRecord, Event, Speaker, Turn
from voicebot.store.masking import MASK, mask_name

_DIGIT = "[0-9０-９〇零一二三四五六七八九幺两]"
_GAP = r"[\s，,、\-]{0,2}"
_COUNTED = "(?![年元块万点号]|[十百千])"
"""A run of digits in front of these is a year or an amount, not an identity."""
_BY_CALLEE = re.compile(f"{_DIGIT}(?:{_GAP}{_DIGIT}){{2,}}{_GAP}(?:[xXＸ叉]|{_DIGIT}{_COUNTED})")
_BY_BOT = re.compile(f"(?<=尾号){_GAP}{_DIGIT}(?:{_GAP}{_DIGIT}){{3}}|{_DIGIT}(?:{_GAP}{_DIGIT}){{10,}}")
_ASKED_FOR = re.compile("(?<=[是跟要找])(?!不是|您|你|否)([\u4e00-\u9fff·]{2,4})(?=本人|先生|女士)")
"""Where an opening names the debtor: the net under the names that the caller of `redact` knows."""
KEYS_TOGETHER_S = 5.0
"""Keys closer than this are digits of one entry (an identity tail); a single key is a menu choice."""


def redact(text: str, speaker: Speaker, names: Sequence[str] = ()) -> str:
    """`text` with names as 张* and identifying digits as ****.

    The bot's own numbers (a service line) stay; what a callee or an agent says in four or more digits goes.
    """
    for name in names:
        if name:
            text = text.replace(name, mask_name(name))
    if speaker == "bot":
        text = _ASKED_FOR.sub(lambda found: mask_name(found[1]), text)
        return _BY_BOT.sub(MASK, text)
    return _BY_CALLEE.sub(MASK, text)


def redact_turns(record: CallRecord, names: Sequence[str] = ()) -> list[Turn]:
    """The record's turns as a page may show them."""
    return [turn.model_copy(update={"text": redact(turn.text, turn.speaker, names)}) for turn in record.turns]


def redact_events(record: CallRecord, names: Sequence[str] = ()) -> list[Event]:
    """The record's events: a key of a longer entry becomes a dot, other details are read as spoken words."""
    keys = [event.at_s for event in record.events if event.kind == "dtmf"]
    shown = []
    for event in record.events:
        detail = redact(event.detail, "debtor", names)
        if (
            event.kind == "dtmf"
            and len(event.detail) == 1
            and sum(abs(at - event.at_s) < KEYS_TOGETHER_S for at in keys) > 1
        ):
            detail = "•"
        shown.append(event.model_copy(update={"detail": detail}))
    return shown
