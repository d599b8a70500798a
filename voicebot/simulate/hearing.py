"""What a recording says, read by the real recogniser after the run, and whether words are in it.

Texts went through G.711 and ASR, so words are compared by sound: homophones are equal.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from pypinyin import lazy_pinyin

from voicebot.simulate.bot_watch import BotWatch, tick_level
from voicebot.simulate.stock import read_pcm
from voicebot.speech.asr.engine import Engine
from voicebot.speech.audio import FRAME_BYTES

JOIN_TICKS = 30
"""Stretches less than 0.6 s apart are read together: the recogniser needs whole sentences."""
LONGEST_TICKS = 1250
"""25 s: what the recogniser takes at once."""
MARGIN_TICKS = 12
CLOSE_ENOUGH = 0.75
"""Share of letters that must agree for a word to count as heard: one syllable in four may be misread."""
_CONFUSED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ng", "n"))


def pieces(pcm: bytes) -> list[bytes]:
    """The stretches of speech in 8 kHz audio, each with a little silence around it."""
    frames = [pcm[i : i + FRAME_BYTES] for i in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]
    watch = BotWatch()
    for frame in frames:
        watch.feed(tick_level(frame))
    spans: list[list[int]] = []
    for stretch in watch.stretches:
        near = bool(spans) and stretch.start - spans[-1][1] < JOIN_TICKS
        if near and stretch.end - spans[-1][0] < LONGEST_TICKS:
            spans[-1][1] = stretch.end
        else:
            spans.append([stretch.start, stretch.end])
    return [b"".join(frames[max(0, start - MARGIN_TICKS) : end + MARGIN_TICKS]) for start, end in spans]


def recognise(wav: Path, engine: Engine) -> list[str]:
    """The text of each piece of a recording.  Blocks for about 0.3 s a piece."""
    session = engine.open("live", ())
    texts = []
    try:
        for piece in pieces(read_pcm(wav)):
            session.feed(piece)
            hypothesis = session.decode()
            session.reset()
            if hypothesis.text:
                texts.append(hypothesis.text)
    finally:
        session.close()
    return texts


_FIGURES = "零一二三四五六七八九"


def sounds(text: str) -> list[str]:
    """Syllables without tones, those that the telephone confuses made equal; Latin letters one by one."""
    syllables = []
    plain = text.replace("还", "环")  # to pay, whatever the dictionary takes it for
    plain = re.sub(r"[0-9]", lambda figure: _FIGURES[int(figure[0])], plain)  # 3月6号 sounds like 三月六号
    for hanzi, letter in re.findall(r"([\u4e00-\u9fff]+)|([A-Za-z])", plain):
        read = lazy_pinyin(hanzi) if hanzi else [letter.lower()]
        for syllable in read:
            for strict, loose in _CONFUSED:
                syllable = syllable.replace(strict, loose)
            syllables.append(syllable)
    return syllables


def says(text: str, word: str) -> bool:
    """True when `word` sounds in `text` without any doubt: every syllable the same."""
    return f" {' '.join(sounds(word))} " in f" {' '.join(sounds(text))} "


def seems_to_say(text: str, words: str) -> bool:
    """True when one of `words` (alternatives between |) is in `text`, with at most a quarter misread."""
    return any(_near(sounds(text), sounds(word)) for word in words.split("|"))


def _near(said: list[str], word: list[str]) -> bool:
    wanted = "".join(word)
    allowed = int(len(wanted) * (1 - CLOSE_ENOUGH))
    for size in {len(word), len(word) - 1, len(word) + 1} - {0}:
        for start in range(max(1, len(said) - size + 1)):
            if distance("".join(said[start : start + size]), wanted, allowed) <= allowed:
                return True
    return False


def distance(one: Sequence[str], other: Sequence[str], enough: int = sys.maxsize) -> int:
    """Levenshtein distance; anything above `enough` may come back as `enough` + 1."""
    if abs(len(one) - len(other)) > enough:
        return enough + 1
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]
