"""Whether a turn's text, read while the callee pauses, is all they had to say.

Judged by what was asked for and by how the text ends: 我的尾号是三七 is not finished, 三七二幺 is.
Chinese has no blanks, so everything here counts characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from enum import StrEnum

from dialogs.policy import Expects
from voicebot.call.barge_in import spoken_characters
from voicebot.call.verification import TAIL_LENGTH
from voicebot.speech.spoken.dates import parse_date
from voicebot.speech.spoken.digits import parse_digits
from voicebot.speech.spoken.numerals import plain
from voicebot.speech.spoken.times import parse_time


class Completeness(StrEnum):
    FINISHED = "finished"
    "Nothing is missing: the turn may end early."
    USUAL = "usual"
    UNFINISHED = "unfinished"
    "More is coming: wait."


Judge = Callable[[str], Completeness]

_HANGS = re.compile(
    r"(?:但是?|可是|不过|因为|所以|然后|而且|还有|如果|要是|的话|比如|或者|那个|这个|我想|我要|我觉得|我的|我们|"
    r"和|跟|把|被|给|从|让|大概|可能|要不|等到|等一下|等等|等会儿?|稍等|尾号是?|号码是?|也|嗯+|呃+)$"
)
"""Words after which a Mandarin speaker goes on.  嗯 alone is no such word and is looked at before."""
_HALF_A_DATE = re.compile(r"(?:下个?月|这个?月|本月|星期|礼拜|[零一二三四五六七八九十\d]月)$")
"""A month without its day, though it can be read as a date."""
_NUMBER = re.compile(r"[零一二三四五六七八九十两百千万\d]+$")
"""The end of the text; a unit or more digits may follow."""
_OPENER = re.compile(r"[嗯哦啊呃]+|对+|是的?|不是|好的?|行|可以|没有|喂+|你好|[嗯哦]好的?|那")
"""An answer, and as often the first word of one (好的，我今天就还): it gets the usual time."""


def judge_for(expects: Expects, today: date) -> Judge:
    """The judge for what the bot has just asked for."""
    if expects == "digits":
        return _digits
    if expects == "story":
        return lambda text: Completeness.UNFINISHED if _hangs(text) else Completeness.USUAL
    if expects in ("date", "time"):
        return lambda text: _when(text, today)
    return _ordinary


def _digits(text: str) -> Completeness:
    if parse_digits(text, TAIL_LENGTH) is not None:
        return Completeness.FINISHED
    return Completeness.USUAL  # its patience is for digits already


def _when(text: str, today: date) -> Completeness:
    said = plain(spoken_characters(text))
    if _hangs(text) or _HALF_A_DATE.search(said):
        return Completeness.UNFINISHED
    if parse_date(text, today) is not None or parse_time(text) is not None:
        return Completeness.FINISHED
    return Completeness.UNFINISHED if _NUMBER.search(said) else Completeness.USUAL


def _ordinary(text: str) -> Completeness:
    said = spoken_characters(text)
    if not said or _OPENER.fullmatch(said):
        return Completeness.USUAL
    if _hangs(text):
        return Completeness.UNFINISHED
    return Completeness.USUAL if _NUMBER.search(plain(said)) else Completeness.FINISHED


def _hangs(text: str) -> bool:
    return _HANGS.search(spoken_characters(text)) is not None
