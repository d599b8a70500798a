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


_BEEP_WORDS = " ".join(
    sound + after
    for sound in ("滴声", "嘟声", "哔声", "提示音", "信号音", "铃声", "一声")
    for after in ("后", "之后", "以后")
)
_KEYWORDS: tuple[tuple[AnnouncementKind, str], ...] = (
    (
        AnnouncementKind.CALL_WAITING,
        "请不要挂机 请不要怪机 请不要挂断 请勿挂机 请勿挂断 请先不要挂 请别挂机 为您提示对方 已提示对方 "
        "呼叫等待",
    ),
    (
        AnnouncementKind.VOICEMAIL,
        f"{_BEEP_WORDS} 声后留言 声后留下 请留言 请您留言 麻烦您留言 语音信箱 语音留言 留言请按 "
        "录制留言 请留下您的 请您留下 留下口信 自动答录 答录机 您要说的话 开始录音 录音完毕",
    ),
    (
        AnnouncementKind.ASSISTANT,
        "智能助理 智能助手 智能秘书 智能应答 智能代接 智能接听 人工智能代 语音助理 通信助理 通信助手 "
        "通话助理 来电助理 移动助理 联通助理 电信助理 小秘书 秘书台 机主的 机主现在 机主暂时 机主设置 "
        "机主开启 机主正 机主不方 机主不能 机主不便 机主忙 找机主 为机主 帮机主 转告机主 我的主人 代为接听 "
        "代接电话 正在为主人 帮您转达 为您转达 小布助手 小艺助手 小爱助手",
    ),
    (AnnouncementKind.POWERED_OFF, "已关机 已经关机 电话关机 用户关机 手机关机"),
    (AnnouncementKind.EMPTY_NUMBER, "是空号 为空号 号码不存在 号码有误 并不存在 号码格式 格式错误"),
    (AnnouncementKind.SUSPENDED, "已停机 已经停机 号码停机 暂停服务 停止服务"),
    (AnnouncementKind.BUSY, "正在通话中 电话通话中 用户正忙 线路正忙"),
    (AnnouncementKind.UNREACHABLE, "暂时无法接通 电话无法接通 用户无法接通 无法接通请 不在服务区"),
    (AnnouncementKind.NO_ANSWER, "用户无人接听 电话无人接听 暂时无人接听请 没有人接听"),
    (
        AnnouncementKind.CALL_FORWARD,
        "来电提醒 短信通知该 短信通知您 短信的形式 短信形式通知 漏话提醒 提醒业务 通知该用户",
    ),
)
_IN_THE_NETWORKS_SENTENCE: tuple[tuple[AnnouncementKind, str], ...] = (
    (AnnouncementKind.POWERED_OFF, "关机"),
    (AnnouncementKind.EMPTY_NUMBER, "空号 不存在 有误 错误 未启用 没有启用 未使用 已注销 已销号"),
    (AnnouncementKind.SUSPENDED, "停机 停用 欠费"),
    (AnnouncementKind.BUSY, "通话中 在通话 使用电话 正忙 线路忙 现在忙 用户忙 电话忙 占线"),
    (AnnouncementKind.UNREACHABLE, "接通 服务区"),
    (AnnouncementKind.NO_ANSWER, "人接听 人应答 未应答 无应答 有应答"),
    (AnnouncementKind.VOICEMAIL, "留言"),
)
"""After 您拨打的 less is enough."""
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
_SENTENCE = re.compile(
    r" (?:nin|nian) (?:suo )?b[ou] (?:da|jiao|jia) d[ei] | suo bo (?:da|jiao|jia) d[ei] "
    r"| (?:nin|nian) (?:suo )?(?:hu|guo) (?:jiao|xiao) d[ei] "
    r"| (?:nin|nian|suo) (?:\w+ ){2,3}d[ei] yon hu "
    r"|(?<! ni) (?:b[ou]|hu) (?:da|jiao) d[ei] (?:dian hua|yon hu|hao ma) "
)
"""Sounds of 您拨打的, 您所拨叫的, 呼叫的用户: nobody but the network says that."""
_NETWORK = re.compile(
    r" qin (?:\w+ ){1,3}hou zai (?:bo|si) | zen hou zai bo | gai yon hu | ti xin ye wu "
    r"| duan xin (?:ton zi|(?:d[ei] )?xin [sz]i) "
)
"""What else it says around its result: 请稍后再拨, 该用户, 来电提醒, 短信通知."""
_CONFUSED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ng", "n"))
_HUMAN = re.compile(
    r"不是机主|机主(?:正?是我|不是我|不在)|(?:助理|助手|秘书|智能)[吗吧啊么]|机主的(?:老婆|老公|朋友|家人|同事|妈|爸|儿|女|哥|弟|姐|妹)"
    r"|[你您]们?(?:是|不是|就是|又是).{0,4}(?:助理|助手|秘书|智能)"
)

_WHO = re.compile(
    r"助手|智能|管家|代接|带接|主人|[机基]主|小[爱艾艺布度]|对方(?:正在|暂时|现在|已)|语音(?:助理|客服)"
)
_WHY = re.compile(
    r"不方便|不便接|无法接听|不能接听|没有?办法接|正忙|在忙|没空|正在.{0,3}[帮替为]|来电"
    r"|请问您|请您?(?:说明|说出|简要|告诉)|可以跟我说|来意|身份|转达|转告|告诉他"
)
"""An assistant says whose it is, and why it answers or what it wants; at more length than a person does."""
_ASSISTANTS_LEAST = 14


def sounds(text: str) -> str:
    """Syllables without tones, one blank between, the confusable ones made equal."""
    syllables = " ".join(lazy_pinyin(re.sub(r"[^\u4e00-\u9fff]", "", text)))
    for strict, loose in _CONFUSED:
        syllables = syllables.replace(strict, loose)
    return f" {syllables} "


_Sounds = tuple[tuple[AnnouncementKind, tuple[str, ...]], ...]


def _sounds_of(keywords: tuple[tuple[AnnouncementKind, str], ...]) -> _Sounds:
    return tuple((kind, tuple(sounds(word) for word in words.split())) for kind, words in keywords)


@lru_cache(maxsize=1)
def _keyword_sounds() -> tuple[_Sounds, _Sounds]:
    return _sounds_of(_KEYWORDS), _sounds_of(_IN_THE_NETWORKS_SENTENCE)


def _first(heard: str, keywords: _Sounds) -> AnnouncementKind | None:
    return next((kind for kind, words in keywords if any(word in heard for word in words)), None)


def classify(text: str) -> AnnouncementKind | None:
    """Kind of machine that says `text` (as recognised), or None for what a person may say."""
    said = plain(text)
    if _HUMAN.search(said):
        return None
    heard = sounds(said)
    anywhere, in_sentence = _keyword_sounds()
    if (kind := _first(heard, anywhere)) is not None:
        return kind
    if _SENTENCE.search(heard) is not None:
        return _first(heard, in_sentence) or AnnouncementKind.GENERIC
    if len(said) >= _ASSISTANTS_LEAST and _WHO.search(said) is not None and _WHY.search(said) is not None:
        return AnnouncementKind.ASSISTANT
    english = text.lower()
    return next((kind for kind, pattern in _ENGLISH if pattern.search(english)), None)


def is_network(text: str) -> bool:
    """True when the words stand in a network's announcement (您拨打的 …, 请稍后再拨): people who speak of an
    empty number don't say so."""
    heard, english = sounds(plain(text)), text.lower()
    return any(pattern.search(heard) is not None for pattern in (_SENTENCE, _NETWORK)) or any(
        pattern.search(english) is not None for _, pattern in _ENGLISH
    )
