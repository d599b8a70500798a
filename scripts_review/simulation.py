"""`scripts-review simulate`: a talk with a version through the real Rasa build, typed or by a script."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date

from dialogs.errors import TrackError
from dialogs.manifest import Manifest
from dialogs.policy import DialogPolicy
from dialogs.rehearsal import Answer, Rehearsal
from dialogs.service import DialogService
from scripts_review.prompts import SAMPLES, with_samples
from scripts_review.rehearsal_script import Outcome, ScriptedCall, rehearse
from voicebot.settings import Site
from voicebot.speech.understanding import values_in

LEAVE = ("quit", "exit", "再见了")
HELP = (
    "Type what the callee says.  An empty line is silence; <0> a key; <verified>, <not_verified>, <machine>, "
    f"<handoff_failed>, <returned> events; four digits when they are asked for ({SAMPLES['tail']} is right); "
    "quit leaves."
)
Say = Callable[[str], None]
Ask = Callable[[], str]


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[DialogPolicy]:
    """The real dialog service over this site's builds, for as long as the context lasts."""
    service = DialogService(site.tracks, site.rasa_python.absolute())
    await service.start()
    try:
        yield service.policy()
    finally:
        await service.stop()


async def scripted(
    site: Site,
    manifest: Manifest,
    script: Mapping[str, ScriptedCall],
    today: date,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Outcome]:
    """Plays every call of a script, one after another; `progress` is told how many are done, of how many."""
    outcomes = []
    async with running(site) as policy:
        for name, call in script.items():
            outcomes.append(await rehearse(policy, manifest, name, call, today))
            progress(len(outcomes), len(script))
    return outcomes


async def by_keyboard(
    site: Site, manifest: Manifest, flags: Mapping[str, bool], today: date, ask: Ask, say: Say
) -> Answer:
    """Talks until the call is over or the person leaves; returns the last answer."""
    async with (
        running(site) as policy,
        Rehearsal(policy, manifest, today=today, flags=flags, read=values_in) as talk,
    ):
        say(HELP)
        _tell(manifest, talk.now, today, say)
        while not talk.over:
            try:
                typed = (await asyncio.get_running_loop().run_in_executor(None, ask)).strip()
            except EOFError:
                break
            if typed.lower() in LEAVE:
                break
            try:
                answer = await talk.hear(_meant(typed, talk.now))
            except TrackError as fault:
                say(f"  {fault}")
                continue
            _tell(manifest, answer, today, say)
        return talk.now


def _meant(typed: str, now: Answer) -> str:
    """An empty line is silence; digits that were asked for are checked as in a call."""
    if not typed:
        return "<silence>"
    digits = re.sub(r"\s", "", typed)
    if now.reply.expects == "digits" and re.fullmatch(r"\d{3}[\dXx]", digits):
        return "<verified>" if digits == SAMPLES["tail"] else "<not_verified>"
    return typed


def _tell(manifest: Manifest, answer: Answer, today: date, say: Say) -> None:
    for line in answer.reply.lines:
        say(f"机器人：{with_samples(manifest, line.id, line.slots, today)}  〔{line.id}〕")
    understood = answer.intent or ""
    heard = "" if understood.startswith("event.") else f"听成 {understood}，"
    say(f"    〔{heard}环节 {answer.stage}，核身 v{answer.level}，对 {answer.listener}〕")
    if answer.command is not None:
        command = answer.command
        stop = f"，停呼名单 {command.stop_list}" if command.stop_list else ""
        hold = f"，冻结 {command.hold}" if command.hold else ""
        say(f"    〔{command.action} {command.disposition}{stop}{hold}〕")
