"""A track small enough to break on purpose: opening, check, one matter."""

from __future__ import annotations

from pathlib import Path

TRACK = """\
track: {id: small, version: 1, purpose: a test, institution: bank, lint: 1, voices: [v]}
utterances: [bank.yaml]
limits: {asks: 2, call_s: 180, persuading_s: 90}
guards: []
slots:
  inst_name: {type: name, when: case}
  amount_due: {type: money, when: case}
  whisper_reason: {type: text, when: run, values: [asked]}
lines:
  L.open: {to: unknown, level: 0, text: "AI合成，录音，{inst_name}，是本人吗？"}
  L.check: {to: debtor, level: 1, text: "请说后四位。"}
  L.debt: {to: debtor, level: 2, text: "截至今天{amount_due}。"}
  L.bye: {to: unknown, level: 0, text: "再见。"}
groups:
  everywhere:
    C.ask_human: {say: [L.bye], handoff: HUMAN, reason: asked}
    C.stop_calling: {say: [L.bye], end: STOP_REQUEST, stop_list: DEBTOR_NO_BOT}
    C.dispute: {say: [L.bye], handoff: DISPUTE, reason: asked, hold: open_dispute}
    C.vulnerable: {say: [L.bye], handoff: VULNERABLE, reason: asked}
    C.self_harm: {say: [L.bye], handoff: VULNERABLE, reason: asked, priority: true}
    C.wrong_number: {say: [L.bye], end: WRONG_PARTY, stop_list: WRONG_PARTY}
    C.complaint: {say: [L.bye], end: COMPLAINT, hold: open_complaint}
    D.refuse_contact: {say: [L.bye], end: CONTACT_REFUSED, stop_list: CONTACT_REFUSED}
    "event.*": {say: [L.bye], end: SILENT}
  all:
    C.yes: {ask: true}
stages:
  start:
    group: all
    level: 0
    listener: unknown
    replies: {event.start: {say: [L.open], go: opening}}
  opening:
    group: all
    level: 0
    listener: unknown
    ask: [L.open]
    replies: {C.yes: {say: [L.check], go: verify}}
  verify:
    group: all
    level: 1
    listener: debtor
    expects: digits
    ask: [L.check]
    replies: {event.verified: {say: [L.debt], go: matter}}
  matter: {group: all, level: 2, listener: debtor, ask: [L.debt]}
  handoff: {group: all, ask: [L.bye]}
"""
BANK = """\
C.yes: [对, 是, 好, 行, 可以, 没错, 嗯对, 是的]
C.ask_human: [转人工, 找人工, 接人工, 要人工, 人工, 真人, 找真人, 换真人]
C.stop_calling: [别打了, 别再打, 不要打, 不要再打, 别打来, 不许打, 停止打, 别骚扰]
C.dispute: [没借过, 没这回事, 金额不对, 不是我办的, 没欠, 算错了, 有争议, 我不认]
C.vulnerable: [住院了, 失业了, 生病了, 受灾了, 做手术, 化疗, 家里出事, 发大水]
C.self_harm: [不想活, 跳楼, 自杀, 活着没意思, 遗书, 喝药, 轻生, 一了百了]
C.wrong_number: [打错了, 没这个人, 不认识他, 找错人, 查无此人, 刚换的号, 号码错了, 不是他]
C.complaint: [我要投诉, 投诉你们, 去举报, 要曝光, 找监管, 要报警, 打投诉电话, 侵犯隐私]
D.refuse_contact: [别找我, 跟我没关系, 删了我电话, 不管他的事, 早离婚了, 不想掺和, 别问我, 凭什么找我]
"""


def write(folder: Path, track: str = TRACK, bank: str = BANK) -> Path:
    """Writes both files; returns the track's path."""
    (folder / "bank.yaml").write_text(bank, encoding="utf-8")
    path = folder / "small.yaml"
    path.write_text(track, encoding="utf-8")
    return path
