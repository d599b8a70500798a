"""A warm transfer on paper: what an agent's phone does, and one debtor, queue and transfer under watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from handoff.consult import WarmTransfer
from handoff.queue import AgentQueue
from handoff.result import TransferResult
from handoff.settings import QueueSettings
from handoff.states import HandoffState, SeatOutcome
from sip.cause import CauseKind
from sip.leg import Leg, LegState
from tests.handoff.paper_phone import DirectLine, PaperPhone, Script, end

H, S = HandoffState, SeatOutcome
WHISPER_S = 0.1
SETTINGS = QueueSettings(
    name="general", skill="general", max_wait_s=3, ring_s=0.4, tries=3, accept_key="1", accept_s=0.3,
    return_key="*", wrap_up_s=5, rest_s=5,
)  # fmt: skip


# ---- what an agent's phone does


async def accepts_by_key(leg: Leg) -> None:
    leg.happened("ringing", None)
    await asyncio.sleep(0.02)
    leg.happened("answered", None)
    await asyncio.sleep(0.03)
    leg.happened("dtmf", "1")


async def answers_when_rung(leg: Leg) -> None:
    leg.happened("ringing", None)
    await asyncio.sleep(0.3)
    leg.happened("answered", None)


async def answers_only(leg: Leg) -> None:
    leg.happened("answered", None)


async def rings_for_ever(leg: Leg) -> None:
    leg.happened("ringing", None)


async def wrong_key(leg: Leg) -> None:
    leg.happened("answered", None)
    leg.happened("dtmf", "7")


async def drops_in_whisper(leg: Leg) -> None:
    leg.happened("answered", None)
    await asyncio.sleep(WHISPER_S / 2)
    end(leg)


async def drops_at_once(leg: Leg) -> None:
    leg.happened("answered", None)
    end(leg)


async def drops_after_whisper(leg: Leg) -> None:
    leg.happened("answered", None)
    await asyncio.sleep(WHISPER_S + 0.15)
    end(leg)


def ends_with(kind: CauseKind) -> Script:
    async def script(leg: Leg) -> None:
        leg.happened("ringing", None)
        await asyncio.sleep(0.02)
        end(leg, kind)

    return script


# ---- the scene


@dataclass
class Scene:
    phone: PaperPhone
    debtor: Leg
    queue: AgentQueue
    line: DirectLine
    transfer: WarmTransfer
    states: list[HandoffState] = field(default_factory=list)
    watchers: dict[HandoffState, Callable[[], object]] = field(default_factory=dict)

    def note(self, state: HandoffState, detail: str) -> None:
        self.states.append(state)
        if state in self.watchers:
            self.watchers.pop(state)()

    def at(self, state: HandoffState, do: Callable[[], object], after_s: float = 0.0) -> None:
        """When the transfer reaches `state` the first time, `after_s` later, do this."""
        self.watchers[state] = lambda: asyncio.get_running_loop().call_later(after_s, do)

    @property
    def agent_leg(self) -> Leg:
        return next(leg for leg in self.phone.legs.values() if leg is not self.debtor)

    async def run(self) -> TransferResult:
        """Runs the transfer and checks what holds after every ending."""
        result = await asyncio.wait_for(self.transfer.run(), 10)
        await self.nothing_left()
        return result

    async def nothing_left(self) -> None:
        await asyncio.sleep(0.01)
        left = {self.debtor.id} if self.debtor.state is not LegState.ENDED else set()
        assert set(self.phone.legs) == left, "a consult leg is left"
        assert self.queue.reservations() == []
        assert self.phone.playing == {}, "somebody still hears hold or whisper"
        assert self.phone.links == set()


Build = Callable[..., Scene]
