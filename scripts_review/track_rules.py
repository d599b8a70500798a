"""The rules on a whole track: how it opens, verifies and ends.

What every stage must be able to do (T-HUMAN, T-STOP) and the limits (T-TIME, the asks of T-PTP) the compiler
refuses before (dialogs.checks), so that they are found as T-COMPILE.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dialogs.rules import START, START_STAGE, Rule
from dialogs.track import Track
from scripts_review.wording import Wording

Fault = tuple[str, str, str]
"""Rule, place, what was found."""
AI = re.compile(r"(人工智能|AI).{0,20}(生成|合成)|(生成|合成).{0,20}(人工智能|AI)")
OPENING_CHARS = 40
VOICEMAIL_SLOTS = {"inst_name", "debtor_name", "official_no"}
NAMES = {"debtor_name", "debtor_surname", "honorific", "inst_name", "bot_name"}
"""Slots that may be said to a listener who is still to be verified."""


def track_faults(track: Track, found: list[Rule]) -> list[Fault]:
    """All faults.  `found`: the track's rules, as dialogs.checks has made sure of them."""
    return [
        *_opening(track, found),
        *_verification(track),
        *_amount(track, found),
        *_promise(track, found),
        *_silence(found),
        *_voicemail(track, found),
        *_closing(track, found),
        *_payment(track),
    ]


def _opening(track: Track, found: list[Rule]) -> Iterator[Fault]:
    starts = [rule for rule in found if rule.intent == START]
    for rule in starts:
        text = "".join(track.lines[name].text for name in rule.step.say)
        place = "+".join(rule.step.say)
        if not AI.search(text[:OPENING_CHARS]):
            yield "T-OPEN-AI", place, "the opening does not say that the voice is made by AI"
        if "录音" not in text:
            yield "T-OPEN-REC", place, "the opening does not say that the call is recorded"
        if "{inst_name}" not in text:
            yield "T-OPEN-INST", place, "the opening does not name the institution"
        for_agency = track.institution == "agency" or dict(rule.facts).get("flag_agency")
        if for_agency and "受{inst_name}委托" not in text:
            yield "T-OPEN-INST", place, "an agency says on whose behalf it calls"
        if track.stages[rule.step.go or START_STAGE].level:
            yield "T-OPEN-CLEAN", place, "the opening leads past the identity check"
    for rule in found:
        if rule.intent == "event.returned" and not rule.step.end:
            text = "".join(track.lines[name].text for name in rule.step.say)
            if not AI.search(text[:OPENING_CHARS]):
                yield "T-OPEN-AI", rule.place, "after a human the bot must say again that it is AI"
                return


def _verification(track: Track) -> Iterator[Fault]:
    stages = {name: stage for name, stage in track.stages.items() if stage.expects == "digits"}
    told = any(line.level and line.listener == "debtor" for line in track.lines.values())
    if not stages and told:
        yield "T-VERIFY", "stages", "no stage asks the listener for data"
    for name, stage in stages.items():
        for line in stage.ask:
            if set(track.lines[line].slots) - NAMES:
                yield "T-VERIFY", name, f"{line} reads data out instead of asking for it"


def _amount(track: Track, found: list[Rule]) -> Iterator[Fault]:
    for rule in found:
        if rule.intent == "event.verified" and rule.step.go:
            text = "".join(track.lines[name].text for name in rule.step.say)
            if "{amount_due}" not in text or not re.search(r"截至|\{due_date\}", text):
                yield "T-AMOUNT", "+".join(rule.step.say), "the amount is said with its date, from the slots"


def _promise(track: Track, found: list[Rule]) -> Iterator[Fault]:
    for rule in found:
        if rule.step.end == "PTP":
            asked = "".join(track.lines[name].text for name in track.stages[rule.stage].ask)
            if "{promise_date}" not in asked or "{amount_due}" not in asked:
                yield "T-PTP", rule.stage, "a promise ends the call without its date and amount read back"


def _silence(found: list[Rule]) -> Iterator[Fault]:
    for rule in found:
        if rule.intent not in ("event.silence", "event.not_understood"):
            continue
        again = dict(rule.facts).get("nth", 3)
        step = rule.step
        if again != 1 and not (step.end or step.handoff or step.go) and rule.stage != "handoff":
            yield "T-SILENCE", rule.stage, f"{rule.intent} for the second time neither ends nor moves on"


def _voicemail(track: Track, found: list[Rule]) -> Iterator[Fault]:
    for rule in found:
        if rule.intent != "event.machine":
            continue
        if not rule.step.end:
            yield "T-VOICEMAIL", rule.stage, "a machine does not end the call"
        for name in rule.step.say:
            if extra := set(track.lines[name].slots) - VOICEMAIL_SLOTS:
                yield "T-VOICEMAIL", name, f"a machine hears {sorted(extra)[0]}"


def _closing(track: Track, found: list[Rule]) -> Iterator[Fault]:
    for rule in found:
        if rule.step.end in ("PTP", "NOT_VERIFIED") and rule.step.say:
            text = "".join(track.lines[name].text for name in rule.step.say)
            farewell = rule.intent in ("event.silence", "event.not_understood", "C.not_hear", "C.abusive")
            if not farewell and "{official_no}" not in text and "{app_name}" not in text:
                yield "T-CALLBACK", rule.stage, f"{'+'.join(rule.step.say)} gives no way to check the call"


def _payment(track: Track) -> Iterator[Fault]:
    plainer = Wording.load().plainer
    for line in track.lines.values():
        if re.search(r"[\d零〇一二三四五六七八九幺]{6,}", plainer.read(line.text).text):
            yield "T-PAY", line.id, "a number is spoken that comes from no slot"
