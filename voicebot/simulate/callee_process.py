"""A gateway with callees behind it: one softphone that answers up to four calls at a time by scenario.

    python -m voicebot.simulate.callee_process --name callees1 --out DIR --prompts DIR [--port N]

Prints {"port": N} when it can be called; ends at SIGTERM.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from sip.errors import SipError
from sip.leg import Leg
from sip.softphone import PhoneSettings, Softphone
from voicebot import logs
from voicebot.errors import InputError
from voicebot.simulate.agent_script import AGENTS, load_agents
from voicebot.simulate.callee import Callee
from voicebot.simulate.result import CALLEES
from voicebot.simulate.scenario import SCENARIOS, Scenario, load_scenarios, number_of, suffix_of
from voicebot.simulate.serving import serve
from voicebot.simulate.stock import SpeechStock

log = structlog.get_logger()

LINES = 4


class Gateway:
    """Answers what comes in on `phone`."""

    def __init__(self, name: str, out: Path, prompts: Path, scenarios: Path, agents: Path) -> None:
        """Raises InputError for bad files, NotReady for speech that was not rendered."""
        self._name, self._out = name, out
        self._scenarios = load_scenarios(scenarios)
        self._stock = SpeechStock(prompts, out / "speech" / name)
        self._greetings = tuple(
            self._stock.clean(agent.voice, agent.greets) for agent in load_agents(agents).values()
        )
        for scenario in self._scenarios.values():
            self._prepare(scenario)

    def _prepare(self, scenario: Scenario) -> None:
        """Writes the scenario's WAVs now: nothing is computed while a call runs."""
        self._stock.noise(scenario.noise_dbfs)
        for voice, text in scenario.speech():
            with_beep = scenario.answer.kind == "voicemail"
            self._stock.spoken(voice, text, scenario.noise_dbfs, with_beep=with_beep)

    async def take(self, leg: Leg) -> None:
        """One call, from its INVITE to its line in callees.jsonl."""
        suffix = suffix_of(number_of(leg.local_uri))
        scenario = self._scenarios.get(suffix)
        if scenario is None:
            log.warning("no_scenario", suffix=suffix)
            await leg.answer(404)
            return
        knows_agents = any(step.when == "agent_greeted" for step in scenario.steps)
        callee = Callee(
            leg,
            scenario,
            self._stock,
            process=self._name,
            audio=self._out / "audio",
            agents=self._greetings if knows_agents else (),
        )
        result = await callee.play()
        result.append_to(self._out / CALLEES)
        log.info("callee_done", scenario=scenario.id, code=result.sip.code, steps_left=result.steps_left)


async def run(name: str, out: Path, prompts: Path, scenarios: Path, agents: Path, port: int) -> None:
    """Serves until SIGTERM.  Raises InputError or SipError when it can't start."""
    gateway = Gateway(name, out, prompts, scenarios, agents)
    phone = Softphone(PhoneSettings(sip_port=port, max_calls=LINES, user_agent="simulated-callee"))
    await serve(phone, gateway.take)


def main(
    name: Annotated[str, typer.Option(help="Name in results and file names.")],
    out: Annotated[Path, typer.Option(help="The run's folder.")],
    prompts: Annotated[Path, typer.Option(help="Folder of the prompt cache.")],
    scenarios: Annotated[Path, typer.Option(help="Folder of the scenario files.")] = SCENARIOS,
    agents: Annotated[Path, typer.Option(help="Folder of the simulated agents' files.")] = AGENTS,
    port: Annotated[int, typer.Option(help="SIP port; 0 takes a free one.")] = 0,
) -> None:
    """Answers calls by scenario until SIGTERM."""
    logs.configure()
    try:
        asyncio.run(run(name, out, prompts, scenarios, agents, port))
    except (InputError, SipError) as fault:
        print(fault, file=sys.stderr)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    typer.run(main)
