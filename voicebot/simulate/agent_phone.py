"""The simulated agents' phone: answers consult legs, hears the whisper, accepts, talks to the debtor.

    python -m voicebot.simulate.agent_phone --out DIR --prompts DIR [--agents DIR] [--port N]

Prints {"port": N} when it can be called; ends at SIGTERM.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Literal

import structlog
import typer

from sip.errors import SipError
from sip.leg import Leg
from sip.softphone import PhoneSettings, Softphone
from voicebot import logs
from voicebot.errors import InputError
from voicebot.simulate.agent_script import AGENTS, AgentScript, load_agents
from voicebot.simulate.party import Party
from voicebot.simulate.result import AGENTS as RESULTS
from voicebot.simulate.result import AgentResult, SipResult
from voicebot.simulate.scenario import number_of
from voicebot.simulate.serving import serve
from voicebot.simulate.stock import SpeechStock

log = structlog.get_logger()

LINES = 4
RING_OUT_S = 60.0
WHISPER_WITHIN_S = 15.0
"""A call without a whisper by then is no consult call: the agent hangs up."""
GOODBYE_S = 0.4
"""Between the last word and hanging up."""
ATTEMPT_HEADER = "X-Voicebot-Attempt"


class AgentCall:
    """One consult call on an agent's phone."""

    def __init__(self, leg: Leg, script: AgentScript, stock: SpeechStock, audio: Path) -> None:
        self._leg, self._script, self._audio = leg, script, audio
        self._party = Party(leg, stock, script.voice, script.noise_dbfs)
        self._hung_up: Literal["agent", "bot"] = "bot"
        self._whisper_s: float | None = None
        self._accepted = self._debtor_spoke = False

    async def run(self) -> AgentResult:
        loop = asyncio.get_running_loop()
        rang_at = loop.time()
        await self._answer()
        cause = await self._leg.ended
        party = self._party
        answered = party.answered_tick is not None
        name = f"{self._script.id}-{abs(self._leg.id)}"
        return AgentResult(
            agent=self._script.id,
            sip_call_id=self._leg.sip_call_id,
            attempt_id=self._leg.headers.get(ATTEMPT_HEADER, ""),
            sip=SipResult.of(cause),
            answered=answered,
            whisper_s=self._whisper_s,
            accepted=self._accepted,
            debtor_spoke=self._debtor_spoke,
            said=party.sayings(),
            hung_up_by=self._hung_up,
            seconds=round(party.seconds(party.tick) if answered else loop.time() - rang_at, 2),
            audio=await asyncio.to_thread(party.save, self._audio, name),
        )

    async def _answer(self) -> None:
        script = self._script
        await self._leg.answer(180)
        await self._party.rest(RING_OUT_S if script.does == "ring_out" else script.answers_after_s)
        if self._leg.ended.done():
            return
        if script.does in ("decline", "ring_out"):
            self._hung_up = "agent"
            await self._leg.answer(603 if script.does == "decline" else 480)
            return
        await self._party.pick_up()
        if await self._hear_whisper():
            await self._talk()
        await self._hang_up()

    async def _hear_whisper(self) -> bool:
        """True when it was heard and the call was accepted."""
        party, script = self._party, self._script
        if await party.listen(0, WHISPER_WITHIN_S) != "seen":
            return False
        self._whisper_s = party.seconds(party.watch.stretches[-1].end)
        if script.does == "ignore_whisper":
            await party.rest(RING_OUT_S)
            return False
        if script.accept_key:
            await party.press(script.accept_key)
        self._accepted = not self._leg.ended.done()
        return self._accepted

    async def _talk(self) -> None:
        party, script = self._party, self._script
        await party.rest(script.greets_after_s)
        since = await self._say(script.greets)
        if await party.listen(since, script.greets_again_s) == "timeout":
            since = await self._say(script.greets)
        for answer in script.answers:
            if await party.listen(since, script.waits_s) != "seen":
                break
            self._debtor_spoke = True
            since = await self._say(answer)
        if not self._leg.ended.done():
            await self._say(script.says_goodbye)
            await party.rest(GOODBYE_S)

    async def _say(self, text: str) -> int:
        """Gives the tick from which an answer counts."""
        if not self._leg.ended.done():
            await self._party.say(text)
        return self._party.tick

    async def _hang_up(self) -> None:
        if self._leg.ended.done():
            return
        if self._script.hangs_up or not self._accepted:
            self._hung_up = "agent"
            await self._leg.hangup()


class AgentPhone:
    """One phone for all simulated agents; the called user part says whose call it is."""

    def __init__(self, out: Path, prompts: Path, agents: Path) -> None:
        self._out = out
        self._agents = load_agents(agents)
        self._stock = SpeechStock(prompts, out / "speech" / "agents")
        for script in self._agents.values():
            self._stock.noise(script.noise_dbfs)
            for voice, text in script.speech():
                self._stock.spoken(voice, text, script.noise_dbfs)

    async def take(self, leg: Leg) -> None:
        """One call, from its INVITE to its line in agents.jsonl."""
        script = self._agents.get(number_of(leg.local_uri))
        if script is None:
            log.warning("no_such_agent")
            await leg.answer(404)
            return
        result = await AgentCall(leg, script, self._stock, self._out / "audio").run()
        result.append_to(self._out / RESULTS)
        log.info("agent_done", agent=script.id, accepted=result.accepted, code=result.sip.code)


def main(
    out: Annotated[Path, typer.Option(help="The run's folder.")],
    prompts: Annotated[Path, typer.Option(help="Folder of the prompt cache.")],
    agents: Annotated[Path, typer.Option(help="Folder of the simulated agents' files.")] = AGENTS,
    port: Annotated[int, typer.Option(help="SIP port; 0 takes a free one.")] = 0,
) -> None:
    """Takes consult calls until SIGTERM."""
    logs.configure()

    async def run() -> None:
        phone = Softphone(PhoneSettings(sip_port=port, max_calls=LINES, user_agent="simulated-agent"))
        await serve(phone, AgentPhone(out, prompts, agents).take)

    try:
        asyncio.run(run())
    except (InputError, SipError) as fault:
        print(fault, file=sys.stderr)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    typer.run(main)
