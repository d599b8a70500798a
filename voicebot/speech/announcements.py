"""Network announcements, voicemail greetings and phone assistants, by what they say.

Recognisers write homophones (空好, 以关机), so keywords are compared by pinyin with the finals and initials
that telephone speech confuses made equal.  The words are chosen so that a person who says 我手机快关机了 or
我不是机主 is not taken for a machine.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

from pypinyin import lazy_pinyin

from voicebot.speech.spoken.numerals import plain

ANNOUNCEMENT_PROMPT = (
    "您好，您拨打的电话已关机，正在通话中，暂时无法接通，是空号，已停机，"
    "无人接听，请稍后再拨，请在滴声后留言。"
)
"""For the recogniser, in early media and the first 3 s only: on unclear audio it makes announcements up."""


class AnnouncementKind(StrEnum):
    POWERED_OFF = "powered_off"
    EMPTY_NUMBER = "empty_number"
    SUSPENDED = "suspended"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    VOICEMAIL = "voicemail"
    ASSISTANT = "assistant"
    CALL_FORWARD = "call_forward"
    CALL_WAITING = "call_waiting"
    "The callee hears that somebody else calls, and may still pick up."
    GENERIC = "generic"


_KEYWORDS: tuple[tuple[AnnouncementKind, str], ...] = (
    (AnnouncementKind.CALL_WAITING, "请不要挂机 请不要怪机 请勿挂机 请先不要挂 请别挂机"),
    (AnnouncementKind.POWERED_OFF, "已关机 已经关机 电话关机 用户关机 手机关机"),
    (AnnouncementKind.EMPTY_NUMBER, "是空号 为空号 号码不存在 号码有误 并不存在"),
    (AnnouncementKind.SUSPENDED, "已停机 已经停机 号码停机 暂停服务 停止服务"),
    (AnnouncementKind.BUSY, "正在通话中 电话通话中 用户正忙 线路正忙"),
    (AnnouncementKind.UNREACHABLE, "暂时无法接通 电话无法接通 用户无法接通 无法接通请 不在服务区"),
    (AnnouncementKind.NO_ANSWER, "无人接听 没有人接听"),
    (
        AnnouncementKind.VOICEMAIL,
        "滴声后 声后留言 声后留下 请留言 语音信箱 提示音后 后请留言 留言请按 录制留言 哔声后 信号音后",
    ),
    (
        AnnouncementKind.ASSISTANT,
        "智能助理 智能助手 语音助理 通信助理 通信助手 来电助理 小秘书 机主的 机主现在 机主暂时 代为接听 "
        "代接电话 帮机主 帮您转达 为您转达 转告机主",
    ),
    (
        AnnouncementKind.CALL_FORWARD,
        "来电提醒 短信通知该 短信通知您 短信的形式 短信形式通知 漏话提醒 提醒业务 通知该用户",
    ),
    (AnnouncementKind.GENERIC, "您拨打的 所拨打的 请稍后再拨 候再拨 查证后再拨"),
)
_ENGLISH: tuple[tuple[AnnouncementKind, re.Pattern[str]], ...] = (
    (AnnouncementKind.CALL_WAITING, re.compile(r"(do|please) ?n[o']t hang up")),
    (AnnouncementKind.POWERED_OFF, re.compile(r"power(ed)? ?off|switched off")),
    (AnnouncementKind.EMPTY_NUMBER, re.compile(r"(does|do|is) ?n[o']t exist|not in use|invalid number")),
    (AnnouncementKind.SUSPENDED, re.compile(r"out of service|suspended|not in service")),
    (AnnouncementKind.UNREACHABLE, re.compile(r"(can ?not|can't) be (connected|reached)|not reachable")),
    (AnnouncementKind.NO_ANSWER, re.compile(r"not (be )?answered|no answer")),
    (AnnouncementKind.VOICEMAIL, re.compile(r"leave (a|your) message|voice ?mail|after the (tone|beep)")),
    (AnnouncementKind.BUSY, re.compile(r"(is|line) busy|busy now|subscriber.{0,30}busy")),
    (AnnouncementKind.GENERIC, re.compile(r"you (have )?diall?ed|you are calling|redial later|dial again")),
)
"""The same in English, which follows the Chinese."""
_NETWORK = re.compile(
    r" (?:nin|nian|suo) (?:suo )?b[ou] da d[ei] | b[ou] da d[ei] (?:dian hua|yon hu|hao ma) | zai bo "
    r"| gai yon hu | nin hu (?:jiao|xiao) d[ei] | lai dian ti xin | ti xin ye wu "
    r"| duan xin (?:ton zi|(?:d[ei] )?xin [sz]i) "
)
"""Sounds of what the network says around its result (您拨打的 … 再拨, 该用户, 来电提醒, 短信通知): people who
speak of an empty number don't."""
_CONFUSED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ng", "n"))
_HUMAN = re.compile(
    r"不是机主|机主的(?:老婆|老公|朋友|家人|同事|妈|爸|儿|女|哥|弟|姐|妹)"
    r"|[你您]们?(?:是|不是|就是|又是).{0,4}(?:助理|助手|秘书)"
)


def sounds(text: str) -> str:
    """Syllables without tones, one blank between, the confusable ones made equal."""
    syllables = " ".join(lazy_pinyin(re.sub(r"[^\u4e00-\u9fff]", "", text)))
    for strict, loose in _CONFUSED:
        syllables = syllables.replace(strict, loose)
    return f" {syllables} "


@lru_cache(maxsize=1)
def _keyword_sounds() -> tuple[tuple[AnnouncementKind, tuple[str, ...]], ...]:
    return tuple((kind, tuple(sounds(word) for word in words.split())) for kind, words in _KEYWORDS)


def classify(text: str) -> AnnouncementKind | None:
    """Kind of machine that says `text` (as recognised), or None for what a person may say."""
    said = plain(text)
    if _HUMAN.search(said):
        return None
    heard = sounds(said)
    for kind, words in _keyword_sounds():
        if any(word in heard for word in words):
            return kind
    english = text.lower()
    return next((kind for kind, pattern in _ENGLISH if pattern.search(english)), None)


def is_network(text: str) -> bool:
    """True when the words stand in the frame of a network announcement (您拨打的 … 再拨)."""
    english = text.lower()
    return _NETWORK.search(sounds(plain(text))) is not None or any(
        pattern.search(english) for _, pattern in _ENGLISH
    )
