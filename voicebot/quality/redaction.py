"""What a page may show of spoken words: no name, no phone number, no identity tail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from pypinyin import lazy_pinyin

from voicebot.call.record import CallRecord, Event, Speaker, Turn
from voicebot.store.masking import MASK, mask_name

_DIGIT = "[0-9０-９〇零一二三四五六七八九幺两]"
_RADIO = "洞拐勾"
"""零, 七 and 九 of those who learnt it by radio."""
_HEARD = "要约妖腰灵"
"""What recognisers make of 幺 and 零 when they stand among digits."""
_GAP = r"(?:[\s，,、。\-]|[嗯呃啊哦]|然后|后面是?){0,3}"
_COUNTED = "(?![年元块万点号]|[十百千])"
"""A run of digits in front of these is a year or an amount, not an identity."""
_BY_CALLEE = re.compile(f"{_DIGIT}(?:{_GAP}{_DIGIT}){{2,}}{_GAP}(?:[xXＸ叉]|{_DIGIT}{_COUNTED})")
_BY_BOT = re.compile(f"(?<=尾号){_GAP}{_DIGIT}(?:{_GAP}{_DIGIT}){{3}}|{_DIGIT}(?:{_GAP}{_DIGIT}){{10,}}")
_TOKEN = f"(?:[二两三四五六七八]个)?(?:{_DIGIT}|[{_RADIO}{_HEARD}])"
"""四个零 is four digits."""
_MISHEARD = re.compile(f"{_TOKEN}(?:{_GAP}{_TOKEN}){{2,}}{_COUNTED}")
_ONE_TOKEN = re.compile(f"(?:([二两三四五六七八])个)?(?:({_DIGIT}|[{_RADIO}])|[{_HEARD}])")
_COUNTS = {"二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8}
_ASKED_FOR = re.compile("(?<=[是跟要找])(?!不是|您|你|否)([\u4e00-\u9fff·]{2,4})(?=本人|先生|女士)")
"""Where an opening names the debtor: the net under the names that the caller of `redact` knows."""
_HAN = re.compile("[\u4e00-\u9fff]")
KEYS_TOGETHER_S = 5.0
"""Keys closer than this are digits of one entry (an identity tail); a single key is a menu choice."""


def redact(text: str, speaker: Speaker, names: Sequence[str] = ()) -> str:
    """`text` with names as 张* and identifying digits as ****.

    The bot's own numbers (a service line) stay; what a callee or an agent says in four or more digits goes,
    also in the words that a recogniser made of them.  A name goes in any characters that sound like it.
    """
    for name in names:
        if name:
            text = _without_name(text.replace(name, mask_name(name)), name)
    if speaker == "bot":
        text = _ASKED_FOR.sub(lambda found: mask_name(found[1]), text)
        return _BY_BOT.sub(MASK, text)
    return _BY_CALLEE.sub(MASK, _MISHEARD.sub(_unless_words, text))


def _unless_words(found: re.Match[str]) -> str:
    """Digits among which some were heard as other words; a sentence with 要 in it stays."""
    tokens = [(one[1], one[2]) for one in _ONE_TOKEN.finditer(found[0])]
    count = sum(_COUNTS.get(times or "", 1) for times, _digit in tokens)
    real = sum(_COUNTS.get(times or "", 1) for times, digit in tokens if digit)
    return MASK if count >= 4 and real >= max(3, count * 0.7) else found[0]


def _without_name(text: str, name: str) -> str:
    """`text` without what sounds like the name: a recogniser does not know how it is written."""
    wanted = _sound(name)
    if len(name) < 2 or not all(_HAN.fullmatch(sign) for sign in name):
        return text
    for start in range(len(text) - len(name), -1, -1):
        said = text[start : start + len(name)]
        if said != name and all(_HAN.fullmatch(sign) for sign in said) and _sound(said) == wanted:
            text = text[:start] + mask_name(said) + text[start + len(name) :]
    return text


@lru_cache(maxsize=20_000)
def _sound(said: str) -> tuple[str, ...]:
    """Syllables without their tones."""
    return tuple(lazy_pinyin(said))


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
