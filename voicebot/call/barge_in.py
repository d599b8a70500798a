"""What an interruption means.  Meaning decides, not the count of words: in Chinese a count of
space-separated words is always one.

An onset while the bot speaks pauses the prompt at once; when the text is there, it is one of:
back-channel (resume from the same word), or something to answer.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pypinyin import lazy_pinyin

BACK_CHANNELS = frozenset(
    [
        "嗯",
        "嗯嗯",
        "嗯哼",
        "哦",
        "哦哦",
        "噢",
        "喔",
        "啊",
        "呃",
        "额",
        "唔",
        "哎",
        "诶",
        "欸",
        "对",
        "对对",
        "对对对",
        "好",
        "好好",
        "好的",
        "好吧",
        "行",
        "行行",
        "是",
        "是是",
        "是的",
        "知道",
        "知道了",
        "嗯对",
        "嗯好",
        "嗯好的",
        "哦好",
        "哦好的",
        "喂",
        "喂喂",
        "明白",
        "嗯是",
        "你说",
        "您说",
        "听着呢",
        "在听",
    ]
)
_NOT_SPOKEN = re.compile(r"[^\w]|_")
_NUMERALS = frozenset("零一二三四五六七八九十0123456789")
"""是 and 十 sound alike, and a digit is never only a sign of listening."""
LONGEST_BACK_CHANNEL = 4
"""Characters; anything longer says something."""


def spoken_characters(text: str) -> str:
    """The characters that were said, without punctuation and spaces."""
    return _NOT_SPOKEN.sub("", text)


def is_back_channel(text: str) -> bool:
    """True when the callee only showed that they listen (嗯, 好的, 对): the bot goes on speaking."""
    said = spoken_characters(text)
    if not said or len(said) > LONGEST_BACK_CHANNEL or set(said) & _NUMERALS:
        return False
    return " ".join(lazy_pinyin(said)) in _sounds() or set(said) <= set("嗯恩啊哦噢呃唔额")


@lru_cache(maxsize=1)
def _sounds() -> frozenset[str]:
    """Recognisers write 恩 and 号的: what sounds the same is the same."""
    return frozenset(" ".join(lazy_pinyin(word)) for word in BACK_CHANNELS)
