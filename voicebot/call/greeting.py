"""What people say when they pick up."""

from __future__ import annotations

import re

from voicebot.call.barge_in import spoken_characters
from voicebot.speech.announcements import sounds

_GREETING_SOUNDS = re.compile(
    r"(?: wei| ni| ni hao| nin hao| nian hao| wei hao| na wei| na li| si| sui| sen me si| jian| suo"
    r"| n| en| ai| ei| a| ya)+ "
)
"""喂, 你, 你好, 您好, 哪位, 哪里, 是, 谁, 什么事, 讲, 说, 嗯, 哎, 诶, 啊, 呀 in any order, as `sounds` writes
them; 您好 also comes back as 年号, 喂你好 as 尾号."""
_OFFICE_SOUNDS = re.compile(
    r"(?:(?: wei| ni hao| nin hao| nian hao| zao san hao| xia wu hao)+"
    r"(?: ze li si| zi li si| huan yin zi dian)(?: \w+){2,14}?)"
    r"(?: qin wen.*| you sen me.*| hen gao xin.*| ni hao| nin hao)? "
)
"""您好，这里是 … 公司，请问有什么可以帮您: a firm, a shop, a front desk."""
_OFFICE_LONGEST = 40


def is_greeting(text: str) -> bool:
    """喂，你好，哪位: said before the bot spoke, it asks for nothing that the opening does not answer.

    Compared by sound: recognisers write 为你好 and 尼好哪位.
    """
    said = spoken_characters(text)
    if not all("\u4e00" <= character <= "\u9fff" for character in said):
        return False
    if said == "" or _GREETING_SOUNDS.fullmatch(sounds(said)) is not None:
        return True
    return len(said) <= _OFFICE_LONGEST and _OFFICE_SOUNDS.fullmatch(sounds(said)) is not None
