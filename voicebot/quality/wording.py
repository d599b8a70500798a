"""The words of the pages: what each code of the closed lists means to a reader, and its tone."""

from __future__ import annotations

from typing import Literal, NamedTuple

from voicebot.store.states import Disposition as D

Tone = Literal["good", "talk", "care", "stop", "none"]
"""good: agreed · talk: spoken to somebody · care: a person must look · stop: never again · none: nobody"""


class Meaning(NamedTuple):
    english: str
    chinese: str
    tone: Tone


DISPOSITIONS: dict[D, Meaning] = {
    D.PTP: Meaning("Promise to pay", "承诺还款", "good"),
    D.PAID_CLAIM: Meaning("Says it is paid", "称已还款", "good"),
    D.PLAN_SUBMITTED: Meaning("Instalment wish noted", "分期申请", "good"),
    D.CALLBACK: Meaning("Call-back agreed", "约定回电", "good"),
    D.INFORMED: Meaning("Informed, no promise", "已告知", "talk"),
    D.DECLINED_TO_PAY: Meaning("Declined to pay", "拒绝还款", "talk"),
    D.DISPUTE: Meaning("Disputes the debt", "债务异议", "care"),
    D.HARDSHIP: Meaning("Hardship", "还款困难", "care"),
    D.VULNERABLE: Meaning("Vulnerable", "特殊困难", "care"),
    D.COMPLAINT: Meaning("Complaint", "投诉", "care"),
    D.STOP_REQUEST: Meaning("Asked for no more calls", "要求停拨", "stop"),
    D.HUMAN: Meaning("Handed to an agent", "转人工", "good"),
    D.NOT_VERIFIED: Meaning("Not verified", "未核身", "talk"),
    D.WRONG_PARTY: Meaning("Wrong number", "号码错误", "stop"),
    D.RELAYED: Meaning("Message relayed", "已转告", "talk"),
    D.NO_INFORMATION: Meaning("Contact knows nothing", "联系人不知情", "talk"),
    D.CONTACT_REFUSED: Meaning("Contact refused", "联系人拒绝", "stop"),
    D.DECEASED: Meaning("Deceased", "已故", "care"),
    D.MINOR: Meaning("A minor answered", "未成年人接听", "stop"),
    D.SILENT: Meaning("Silence", "无人应答", "none"),
    D.NOT_UNDERSTOOD: Meaning("Not understood", "未听懂", "talk"),
    D.HUNG_UP: Meaning("Hung up", "对方挂机", "talk"),
    D.VOICEMAIL: Meaning("Voicemail", "语音信箱", "none"),
    D.ASSISTANT: Meaning("Phone assistant", "智能助理", "none"),
    D.BUSY: Meaning("Busy", "忙线", "none"),
    D.NO_ANSWER: Meaning("No answer", "无人接听", "none"),
    D.REJECTED: Meaning("Rejected", "拒接", "none"),
    D.EMPTY_NUMBER: Meaning("Number not in use", "空号", "none"),
    D.POWERED_OFF: Meaning("Powered off", "关机", "none"),
    D.SUSPENDED: Meaning("Out of service", "停机", "none"),
    D.UNREACHABLE: Meaning("Unreachable", "无法接通", "none"),
    D.CARRIER_FAILED: Meaning("Carrier failed", "线路故障", "care"),
    D.NOT_DIALLED: Meaning("Not dialled", "未拨出", "none"),
    D.UNKNOWN: Meaning("Unknown, a person decides", "结果不明", "care"),
}

SPEAKERS: dict[str, str] = {
    "bot": "Bot 机器人",
    "agent": "Agent 坐席",
    "debtor": "Callee 被叫",
    "network": "Network 网络",
}
ENDED_BY: dict[str, str] = {
    "bot": "the bot",
    "callee": "the callee",
    "agent": "the agent",
    "network": "the network",
    "nobody": "nobody",
}
LEVELS: dict[int, str] = {0: "nobody verified", 1: "says it is them", 2: "knowledge check passed"}


def readable(kind: str) -> str:
    """A code such as barge_in as words: Barge-in is the only one that keeps its hyphen."""
    words = {"barge_in": "Barge-in", "dtmf": "Key pressed"}
    return words.get(kind) or kind.replace("_", " ").replace(":", ": ").capitalize()


def stamp(seconds: float) -> str:
    """Seconds since the answer as m:ss.t; early media counts down to zero."""
    sign = "−" if seconds < -0.05 else ""
    tenths = round(abs(seconds) * 10)
    return f"{sign}{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def length(seconds: float) -> str:
    """A duration as m:ss."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
