"""Everything that paces one campaign's dialling on one machine: asked before each claim, told of each call.

Plain state under the campaign's clock, without I/O or tasks: nothing here can hang.  All methods are for the
event loop but `choose_caller`, which the store's thread may call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from handoff.seat_line import BRIDGED, RELEASE, RESERVE
from handoff.seats_now import SeatsNow
from handoff.states import TALKED, SeatOutcome
from voicebot.campaign.pacing.alarms import AlarmKind, Alarms
from voicebot.campaign.pacing.call_rate import CallRate
from voicebot.campaign.pacing.flow import CallFlow, Totals
from voicebot.campaign.pacing.number_pool import NumberChange, NumberPool
from voicebot.campaign.pacing.pacer import Allowance, Pacer, WhyNot
from voicebot.campaign.pacing.reputation import SHORT_S, Reputation, sign_of
from voicebot.campaign.pacing.trunk_breaker import BreakerState, TrunkBreaker
from voicebot.campaign.pacing_settings import Pacing
from voicebot.clock import Clock
from voicebot.store.masking import mask_phone
from voicebot.store.states import Disposition

LEAST_WANTED = 30
"""Fewer asks make no rate: the alarm of the abandon cap waits for so many."""


@dataclass(frozen=True)
class PacingChanges:
    """What is new since it was last written down."""

    totals: Totals
    numbers: Mapping[str, NumberChange]


@dataclass(frozen=True)
class PacingKnown:
    """What all machines together know: the campaign's counts and its numbers' reputations."""

    totals: Totals
    numbers: Mapping[str, Reputation]


@dataclass(frozen=True)
class PacingStatus:
    """How the pacing stands, for people.  Rates are 0…1; None: nothing is known yet."""

    mode: str
    in_flight: int
    answer_rate: float | None
    ask_rate: float | None
    wanted: int
    abandoned: int
    abandon_rate: float
    abandon_cap: float
    risk_allowed: float
    "The risk of waiting in vain that the next dial may have; of no meaning in the mode `fixed`."
    trunk_state: str
    trunk_trouble: str | None
    resting: dict[str, str]
    "Masked caller numbers that rest, and until when."
    why_not: str | None
    "Why nothing was allowed when it was last asked for."

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass
class _Dial:
    caller: str
    answered_at: float | None = None


class CampaignPacing:
    """`calls_per_second`: the campaign's and the trunk's limit, whichever is less."""

    def __init__(
        self,
        *,
        settings: Pacing,
        lines: int,
        calls_per_second: float,
        trunk: str,
        max_wait_s: float,
        wrap_up_s: float,
        clock: Clock,
        alarms: Alarms,
    ) -> None:
        self._now, self._alarms = clock.monotonic, alarms
        self._flow = CallFlow(max_wait_s, clock.monotonic)
        self._pacer = Pacer(settings, lines, wrap_up_s, self._flow, clock.monotonic)
        self._rate = CallRate(calls_per_second, clock.monotonic)
        self.breaker = TrunkBreaker(trunk, clock.monotonic, alarms)
        self.numbers = NumberPool(clock, alarms)
        self._dials: dict[str, _Dial] = {}
        self._seats: dict[int, tuple[str, float]] = {}
        "Reservation → attempt, and when it was given."
        self._written = Totals()
        self._last = Allowance(0)

    # ---- asked

    def allowance(self, seats: SeatsNow) -> Allowance:
        """How many calls may be claimed now; each that is must be told by `given`, and its end."""
        self._last = self._allowance(seats)
        return self._last

    def _allowance(self, seats: SeatsNow) -> Allowance:
        room = self.breaker.room
        if room == 0:
            if self.breaker.state is BreakerState.OPEN:
                return Allowance(0, WhyNot.TRUNK_OPEN, max(0.1, min(1.0, self.breaker.pause_s)))
            return Allowance(0, WhyNot.PROBING, 0.5)
        if not self.numbers.any_fit:
            return Allowance(0, WhyNot.NO_NUMBER, 1.0)
        if not self._rate.available:
            return Allowance(0, WhyNot.TOO_FAST, self._rate.next_s)
        allowed = self._pacer.allowance(seats)
        calls = min(allowed.calls, self._rate.available, *(() if room is None else (room,)))
        return replace(allowed, calls=calls)

    def choose_caller(self, callers: Sequence[str], contact_id: int) -> str | None:
        """The caller number of the next call; None when all of `callers` rest.  For any thread.

        `contact_id` is the ledger's word for whom; the choice goes by turns and does not depend on it.
        """
        return self.numbers.choose(callers)

    @property
    def in_flight(self) -> int:
        """Calls given out and not ended."""
        return len(self._flow.calls)

    @property
    def totals(self) -> Totals:
        """The campaign's asks and abandoned calls, over restarts and machines."""
        return self._pacer.totals

    # ---- told of a call

    def given(self, attempt_id: str, caller: str) -> None:
        """A worker gets the order: a line and a call-per-second token are taken."""
        self._rate.take()
        self._dials[attempt_id] = _Dial(caller)
        self._flow.given(attempt_id)
        self.breaker.begun(attempt_id)

    def dialled(self, attempt_id: str) -> None:
        """The INVITE was permitted."""
        self._flow.dialled(attempt_id)

    def ringing(self, attempt_id: str) -> None:
        """180 or 183."""
        self.breaker.ringing(attempt_id)

    def answered(self, attempt_id: str) -> None:
        """200 OK."""
        self._flow.answered(attempt_id)
        self.breaker.answered(attempt_id)
        if dial := self._dials.get(attempt_id):
            dial.answered_at = dial.answered_at or self._now()

    def desk(self, kind: str, body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """A word between a worker and the agent queue, and the queue's answer (handoff.seat_line)."""
        match kind:
            case _ if kind == RESERVE:
                attempt_id = body["attempt_id"]
                self._flow.wanted_agent(attempt_id)
                if seat := answer.get("seat"):
                    self._seats[seat["reservation"]] = (attempt_id, self._now())
                    self._flow.seat_given(attempt_id)
                elif answer.get("nobody"):
                    self._flow.nobody_comes(attempt_id)
            case _ if kind == BRIDGED:
                if held := self._seats.get(body["reservation"]):
                    self._flow.agent_got(held[0])
            case _ if kind == RELEASE:
                if held := self._seats.pop(body["reservation"], None):
                    self._released(*held, SeatOutcome(body["outcome"]))

    def _released(self, attempt_id: str, since: float, outcome: SeatOutcome) -> None:
        if outcome in TALKED:
            self._flow.agent_left(attempt_id, self._now() - since)
        elif outcome is not SeatOutcome.DEBTOR_GONE:  # that one's end comes by itself
            self._flow.seat_lost(attempt_id)

    def ended(
        self, attempt_id: str, *, sip_code: int, disposition: Disposition, rtp: bool | None = None
    ) -> None:
        """The call is over.  `rtp`: False when no sound arrived from an answered call, None if not known."""
        dial = self._forget(attempt_id)
        if dial is None:
            return
        self._flow.ended(attempt_id)
        if disposition is Disposition.NOT_DIALLED:
            self.breaker.dropped(attempt_id)
            return
        talked_s = None if dial.answered_at is None else self._now() - dial.answered_at
        failed = 500 <= sip_code < 600 or (talked_s is None and disposition is Disposition.CARRIER_FAILED)
        # What was over before anybody listened for sound says nothing of it.
        sound = rtp if rtp is False or (talked_s is not None and talked_s >= SHORT_S) else None
        self.breaker.ended(attempt_id, answered=talked_s is not None, failed=failed, sound=sound)
        if not failed:  # what the carrier breaks tells nothing of the number
            sign = sign_of(sip_code, disposition, talked_s)
            self.numbers.called(dial.caller, answered=talked_s is not None, sign=sign)

    def dropped(self, attempt_id: str) -> None:
        """Its line is free and nothing is learned: not dialled, refused at the permit, its worker died."""
        self._forget(attempt_id)
        self._flow.dropped(attempt_id)
        self.breaker.dropped(attempt_id)

    def _forget(self, attempt_id: str) -> _Dial | None:
        self._seats = {key: held for key, held in self._seats.items() if held[0] != attempt_id}
        return self._dials.pop(attempt_id, None)

    # ---- told of the rest

    def changed(self, settings: Pacing, lines: int, calls_per_second: float) -> None:
        """The campaign file was edited while it runs."""
        self._pacer.settings, self._pacer.lines = settings, lines
        self._rate.change(calls_per_second)

    def sweep(self, seats: SeatsNow) -> None:
        """To be called once a second: waits that are over, pauses that are over, alarms."""
        self._flow.sweep()
        self.breaker.sweep()
        self.numbers.sweep()
        self._alarm_of_agents(seats)
        self._alarm_of_cap()
        self._alarms.sweep()

    def _alarm_of_agents(self, seats: SeatsNow) -> None:
        mode = self._pacer.settings.mode
        if seats.here == 0 and mode != "fixed":
            self._alarms.raised(AlarmKind.NO_AGENT, mode, "no agent is logged in and qualified: no dial")
        else:
            self._alarms.cleared(AlarmKind.NO_AGENT, mode)

    def _alarm_of_cap(self) -> None:
        totals, settings = self.totals, self._pacer.settings
        if totals.wanted >= LEAST_WANTED and totals.abandon_rate > settings.abandon_cap:
            reason = f"{totals.abandoned} of {totals.wanted} waited in vain; {settings.abandon_cap:.1%} may"
            self._alarms.raised(AlarmKind.ABANDON_CAP, settings.mode, reason)
        else:
            self._alarms.cleared(AlarmKind.ABANDON_CAP, settings.mode)

    def accept_trunk(self) -> None:
        """A person says that the trunk is to be used as it is."""
        self.breaker.accept()

    # ---- kept, shown

    def take_changes(self) -> PacingChanges:
        """What is new since the last time, to be written down."""
        run = self._flow.run
        new = Totals(run.wanted - self._written.wanted, run.abandoned - self._written.abandoned)
        self._written = replace(run)
        return PacingChanges(new, self.numbers.take_changes())

    def give_back(self, changes: PacingChanges) -> None:
        """They could not be written: they come again with the next ones."""
        self._written = Totals(
            self._written.wanted - changes.totals.wanted, self._written.abandoned - changes.totals.abandoned
        )
        self.numbers.give_back(changes.numbers)

    def restore(self, known: PacingKnown) -> None:
        """What all machines know, this one's written part included; at the start and after each writing."""
        self._pacer.before = Totals(
            known.totals.wanted - self._written.wanted, known.totals.abandoned - self._written.abandoned
        )
        self.numbers.restore(known.numbers)

    def status(self) -> PacingStatus:
        """How it stands now."""
        flow, totals, settings = self._flow, self.totals, self._pacer.settings
        return PacingStatus(
            mode=settings.mode,
            in_flight=self.in_flight,
            answer_rate=flow.ring.share if flow.ring.seen else None,
            ask_rate=flow.ask.share if flow.ask.seen else None,
            wanted=totals.wanted,
            abandoned=totals.abandoned,
            abandon_rate=totals.abandon_rate,
            abandon_cap=settings.abandon_cap,
            risk_allowed=self._pacer.risk_allowed(),
            trunk_state=self.breaker.state.value,
            trunk_trouble=self.breaker.trouble.value if self.breaker.trouble else None,
            resting={
                mask_phone(number): until.isoformat(timespec="seconds")
                for number, until in self.numbers.resting().items()
            },
            why_not=self._last.why.value if self._last.why else None,
        )
