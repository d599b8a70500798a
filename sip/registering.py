"""Keeps a trunk registered: REGISTER, refresh, and again after a loss, with a deadline of its own each time.

The stack would wait 32 s for an answer and then refuse to try again while the old attempt hangs.  Here a
REGISTER that is not answered in time is given up and its account made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from sip.errors import SipError
from sip.trunk import Trunk

log = structlog.get_logger()

ANSWER_WITHIN_S = 4.0
"""Time for a REGISTER and its repetition with the digest answer."""
REFRESH_AT = 2 / 3
"""Part of the granted time after which it is renewed."""
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 20.0
"""Well under the 32 s after which the stack gives a REGISTER up by itself: see RegistrationAccount.drop."""
SPACING = 5
"""A broken connection is looked into no sooner than so many times FIRST_RETRY_S after the last REGISTER."""
REFUSED_RETRY_S = 60.0
"""A wrong secret does not get better by asking often, and may lock the account."""
REFUSED = frozenset({401, 403, 404, 407, 420, 421, 423, 493})
GOODBYE_S = 1.5


@dataclass(frozen=True)
class Answer:
    """To a REGISTER.  `making`: of which account; `code` 0: none came, `reason` says why."""

    making: int
    code: int
    reason: str
    expires_s: int = 0
    retry_after_s: int = 0

    @property
    def good(self) -> bool:
        return self.code // 100 == 2 and self.expires_s > 0


@dataclass(frozen=True)
class TrunkStatus:
    """Whether calls may go out over a trunk.  `text` says why not; `losses` counts how often it went."""

    ready: bool
    text: str
    losses: int = 0


class Registering:
    """One trunk's registration.  `ask` runs an operation of the pj thread; `tell` hears of every change."""

    def __init__(
        self,
        trunk: Trunk,
        ask: Callable[..., Awaitable[Any]],
        tell: Callable[[TrunkStatus], None],
        *,
        answer_within_s: float = ANSWER_WITHIN_S,
        first_retry_s: float = FIRST_RETRY_S,
    ) -> None:
        self._trunk, self._ask, self._tell = trunk, ask, tell
        self._answer_within_s, self._first_retry_s = answer_within_s, first_retry_s
        self.status = TrunkStatus(False, "not registered yet")
        self._answer: asyncio.Future[Answer] | None = None
        self._late: Answer | None = None
        self._making = 0
        self._anew = False
        self._transport = ""
        self._again = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def settled(self, within_s: float) -> TrunkStatus:
        """The status once the first answer is there, or as it is after the time."""
        give_up_at = asyncio.get_running_loop().time() + within_s
        while not self.status.ready and asyncio.get_running_loop().time() < give_up_at:
            if self._making and self._answer is None:  # answered, and the answer was no
                break
            await asyncio.sleep(0.02)
        return self.status

    async def close(self) -> None:
        """Gives the binding back; waits a moment for the answer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if not self.status.ready:
            return
        self._become(False, "unregistered")
        self._answer = asyncio.get_running_loop().create_future()
        with contextlib.suppress(SipError, TimeoutError):
            await self._ask("unregister")
            async with asyncio.timeout(GOODBYE_S):
                await self._answer

    # ---- told by the softphone ----

    def answered(self, answer: Answer) -> None:
        """An answer of the registrar, or the stack's own time-out."""
        if answer.making < self._making:
            return  # of an account that was given up
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)
        elif answer.good != self.status.ready:  # later than we waited for, or renewed by the stack itself
            self._late = answer
            self._again.set()

    def transport_lost(self, why: str) -> None:
        """A connection broke, to the registrar or to a gateway: asks whether the binding went with it."""
        self._transport = why
        self._again.set()

    # ---- the loop ----

    async def _keep(self) -> None:
        failures = 0
        while True:
            self._again.clear()
            began = asyncio.get_running_loop().time()
            answer, self._late = self._late or await self._once(), None
            if answer.good:
                self._anew = False
                failures, wait_s = 0, max(answer.expires_s * REFRESH_AT, 1.0)
                self._become(True, f"registered for {answer.expires_s} s")
            else:
                failures += 1
                wait_s = self._retry_after(answer, failures)
                self._lost(answer)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._again.wait()
                if self._late is None:  # some close the connection after each answer
                    not_before = began + SPACING * self._first_retry_s
                    await asyncio.sleep(not_before - asyncio.get_running_loop().time())

    async def _once(self) -> Answer:
        """One REGISTER and what became of it."""
        self._answer, self._transport = asyncio.get_running_loop().create_future(), ""
        try:
            self._making = await self._ask("register", self._anew)
            self._anew = False
            async with asyncio.timeout(self._answer_within_s):
                answer = await self._answer
        except SipError as fault:
            answer = Answer(self._making, 0, fault.what)
        except TimeoutError:
            answer = Answer(self._making, 0, f"no answer within {self._answer_within_s:g} s")
        self._anew = not answer.code
        self._answer = None
        return answer

    def _retry_after(self, answer: Answer, failures: int) -> float:
        if answer.retry_after_s:
            return float(answer.retry_after_s)
        if answer.code in REFUSED:
            return REFUSED_RETRY_S
        grown: float = min(self._first_retry_s * 2.0 ** min(failures - 1, 10), LONGEST_RETRY_S)
        return grown * random.uniform(0.8, 1.2)  # workers must not ask in step

    def _lost(self, answer: Answer) -> None:
        said = f"{answer.code} {answer.reason}" if answer.code else self._transport or answer.reason
        self._become(False, f"REGISTER: {said}")

    def _become(self, ready: bool, text: str) -> None:
        before = self.status
        losses = before.losses + (before.ready and not ready and text != "unregistered")
        self.status = TrunkStatus(ready, text, losses)
        if (ready, text) != (before.ready, before.text):
            write = log.info if ready or text == "unregistered" else log.warning
            write("sip.registration", trunk=self._trunk.name, ready=ready, text=text, losses=losses)
            self._tell(self.status)
