"""How many calls may be dialled now, in each mode, as agents come, talk and leave."""

from __future__ import annotations

import itertools
from typing import Literal

import pytest

from handoff.seats_now import SeatsNow
from voicebot.campaign.pacing.alarms import AlarmKind, Alarms
from voicebot.campaign.pacing.campaign_pacing import CampaignPacing
from voicebot.campaign.pacing.flow import Totals
from voicebot.campaign.pacing.pacer import WhyNot
from voicebot.campaign.pacing_settings import Pacing
from voicebot.clock import ManualClock
from voicebot.store.states import Disposition

Mode = Literal["fixed", "progressive", "predictive"]
CALLER = "+862160000001"


class Site:
    """A pacing whose calls go as the test says."""

    def __init__(self, clock: ManualClock, mode: Mode, lines: int = 100, rate: float = 1000) -> None:
        self.clock, self.alarms = clock, Alarms(clock)
        self.pacing = CampaignPacing(
            settings=Pacing(mode=mode),
            lines=lines,
            calls_per_second=rate,
            trunk="east",
            max_wait_s=20,
            wrap_up_s=15,
            clock=clock,
            alarms=self.alarms,
        )
        self._names, self._numbers = itertools.count(1), itertools.count(1)

    def allowed(self, free: int = 0, soon: tuple[float, ...] = (), busy: tuple[float, ...] = ()) -> int:
        return self.pacing.allowance(SeatsNow(free, soon, busy)).calls

    def dial(self) -> str:
        name = f"t{next(self._names)}"
        self.pacing.given(name, CALLER)
        self.pacing.dialled(name)
        return name

    def busy(self, name: str) -> None:
        self.pacing.ended(name, sip_code=486, disposition=Disposition.BUSY)

    def ends(self, name: str) -> None:
        self.pacing.ended(name, sip_code=200, disposition=Disposition.PTP, rtp=True)

    def asks(self, name: str, *, seat: bool = True) -> int:
        """Asks for an agent; returns the reservation, 0 without one."""
        number = next(self._numbers) if seat else 0
        answer = {"seat": {"reservation": number, "agent_id": "a", "uri": "sip:a"} if seat else None}
        self.pacing.desk("reserve", {"attempt_id": name}, answer)
        return number

    def bridged(self, number: int) -> None:
        self.pacing.desk("bridged", {"reservation": number}, {})

    def released(self, number: int, outcome: str = "talked") -> None:
        self.pacing.desk("release", {"reservation": number, "outcome": outcome}, {})

    def learn(self, rounds: int = 60, talk_s: float = 100.0) -> None:
        """`rounds` times: ten dials, three answered, one of them asks for an agent and gets one."""
        for _ in range(rounds):
            names = [self.dial() for _ in range(10)]
            self.clock.advance(5)
            for name in names[3:]:
                self.busy(name)
            self.clock.advance(5)
            for name in names[:3]:
                self.pacing.answered(name)
            self.clock.advance(20)
            number = self.asks(names[0])
            self.clock.advance(6)
            self.bridged(number)
            for name in names[1:3]:
                self.ends(name)
            self.clock.advance(talk_s)
            self.released(number)
            self.ends(names[0])


@pytest.fixture(params=["progressive", "predictive"])
def agents_mode(request: pytest.FixtureRequest) -> Mode:
    mode: Mode = request.param
    return mode


def test_fixed_uses_all_lines_whatever_the_agents_do(clock: ManualClock) -> None:
    site = Site(clock, "fixed", lines=3)
    assert site.allowed() == 3
    names = [site.dial() for _ in range(3)]
    assert site.pacing.allowance(SeatsNow()).why is WhyNot.LINES_FULL
    site.busy(names[0])
    assert site.allowed() == 1


def test_with_nothing_known_every_call_may_ask_and_one_agent_stays_spare(
    clock: ManualClock, agents_mode: Mode
) -> None:
    site = Site(clock, agents_mode)
    assert site.allowed(free=5) == 4
    for _ in range(3):
        site.dial()
    assert site.allowed(free=5) == 1
    assert site.allowed(free=4, busy=(10.0,)) == 0


def test_a_single_agent_is_not_kept_spare(clock: ManualClock, agents_mode: Mode) -> None:
    site = Site(clock, agents_mode)
    assert site.allowed(free=1) == 1
    site.dial()
    assert site.allowed(free=1) == 0


def test_nobody_there_means_no_dial_and_an_alarm(clock: ManualClock, agents_mode: Mode) -> None:
    site = Site(clock, agents_mode)
    site.pacing.sweep(SeatsNow())
    assert site.pacing.allowance(SeatsNow()).why is WhyNot.NO_AGENT
    assert [alarm.kind for alarm in site.alarms.active()] == [AlarmKind.NO_AGENT]
    site.pacing.sweep(SeatsNow(1))
    assert site.alarms.active() == [] and site.allowed(free=1) == 1


def test_once_the_odds_are_known_a_free_agent_stands_for_several_dials(
    clock: ManualClock, agents_mode: Mode
) -> None:
    site = Site(clock, agents_mode)
    site.learn()
    assert site.pacing.status().answer_rate == pytest.approx(0.3, abs=0.03)
    assert site.pacing.status().ask_rate == pytest.approx(1 / 3, abs=0.05)
    few, many = site.allowed(free=3), site.allowed(free=10)
    assert 3 < few < many
    for _ in range(few):
        site.dial()
    assert site.allowed(free=3) == 0  # what is in flight counts


def test_only_predictive_counts_on_agents_who_talk(clock: ManualClock) -> None:
    allowed = {}
    for mode in ("progressive", "predictive"):
        site = Site(clock, mode)  # type: ignore[arg-type]
        site.learn(talk_s=100)
        allowed[mode] = [site.allowed(busy=(age,) * 10) for age in (5.0, 100.0)]
    assert allowed["progressive"] == [0, 0]
    begun, nearly_over = allowed["predictive"]
    assert begun < nearly_over and nearly_over > 0


def test_agents_in_wrap_up_count_in_both_modes(clock: ManualClock, agents_mode: Mode) -> None:
    site = Site(clock, agents_mode)
    site.learn()
    assert site.allowed(soon=(10.0,) * 5) > 0


def test_agents_who_leave_stop_the_dialling_at_once(clock: ManualClock, agents_mode: Mode) -> None:
    site = Site(clock, agents_mode)
    site.learn()
    for _ in range(site.allowed(free=6)):
        site.dial()
    assert site.allowed(free=2) == 0


def test_debtors_who_wait_are_served_before_anybody_else_is_dialled(
    clock: ManualClock, agents_mode: Mode
) -> None:
    site = Site(clock, agents_mode)
    site.learn()
    before = site.allowed(free=4)
    for _ in range(4):
        name = site.dial()
        site.pacing.answered(name)
        site.asks(name, seat=False)
    assert site.allowed(free=4) == 0 < before


def test_a_wait_that_is_over_is_abandoned_once_and_lowers_the_risk(clock: ManualClock) -> None:
    site = Site(clock, "predictive")
    site.learn(rounds=120)
    before = site.pacing.status().risk_allowed
    name = site.dial()
    site.pacing.answered(name)
    site.asks(name, seat=False)
    clock.advance(20.5)
    site.pacing.sweep(SeatsNow(0, (), (9.0,)))
    assert site.pacing.totals == Totals(wanted=121, abandoned=1)
    site.ends(name)
    assert site.pacing.totals == Totals(wanted=121, abandoned=1)
    assert site.pacing.status().risk_allowed < before


def test_a_debtor_who_hangs_up_while_nobody_is_rung_is_abandoned_while_a_phone_rings_is_not(
    clock: ManualClock,
) -> None:
    site = Site(clock, "progressive")
    alone, rung = site.dial(), site.dial()
    for name in (alone, rung):
        site.pacing.answered(name)
    site.asks(alone, seat=False)
    number = site.asks(rung)
    site.released(number, "debtor_gone")
    site.ends(rung)
    assert site.pacing.totals == Totals(wanted=1, abandoned=0)
    site.ends(alone)
    assert site.pacing.totals == Totals(wanted=2, abandoned=1)


def test_a_seat_that_is_declined_leaves_the_debtor_waiting_and_nobody_else_means_abandoned(
    clock: ManualClock,
) -> None:
    site = Site(clock, "progressive")
    name = site.dial()
    site.pacing.answered(name)
    site.released(site.asks(name), "declined")
    assert site.pacing.totals == Totals()
    site.pacing.desk("reserve", {"attempt_id": name}, {"nobody": "all_agents_tried"})
    assert site.pacing.totals == Totals(wanted=1, abandoned=1)


def test_the_cap_passed_is_an_alarm_and_keeps_agents_spare_until_it_is_mended(
    clock: ManualClock, agents_mode: Mode
) -> None:
    site = Site(clock, agents_mode)
    site.learn()
    before = site.allowed(free=6)
    for _ in range(4):
        name = site.dial()
        site.pacing.answered(name)
        site.asks(name, seat=False)
        site.ends(name)
    site.pacing.sweep(SeatsNow(6))
    assert [alarm.kind for alarm in site.alarms.active()] == [AlarmKind.ABANDON_CAP]
    assert site.pacing.status().risk_allowed < 0.003
    assert 0 < site.allowed(free=6) < before / 2
    assert site.allowed(free=4) <= 1
    site.learn(rounds=200)
    site.pacing.sweep(SeatsNow(6))
    assert site.alarms.active() == [] and site.allowed(free=6) >= before


def test_every_end_gives_its_line_back(clock: ManualClock) -> None:
    site = Site(clock, "fixed", lines=5)
    names = [site.dial() for _ in range(5)]
    site.busy(names[0])
    site.pacing.dropped(names[1])
    site.pacing.answered(names[2])
    site.ends(names[2])
    site.pacing.ended(names[3], sip_code=0, disposition=Disposition.NOT_DIALLED)
    for name in names[:4]:
        site.pacing.dropped(name)  # told twice
    assert site.pacing.in_flight == 1 and site.allowed() == 4


def test_calls_per_second_hold_in_every_mode(clock: ManualClock) -> None:
    site = Site(clock, "fixed", rate=2)
    assert site.allowed() == 1
    site.dial()
    allowance = site.pacing.allowance(SeatsNow())
    assert allowance.why is WhyNot.TOO_FAST and allowance.again_s == pytest.approx(0.5)


def test_what_the_file_may_change_holds_at_once(clock: ManualClock) -> None:
    site = Site(clock, "fixed", lines=10)
    for _ in range(4):
        site.dial()
    site.pacing.changed(Pacing(mode="fixed"), 3, 1000)
    assert site.pacing.allowance(SeatsNow()).why is WhyNot.LINES_FULL
    site.pacing.changed(Pacing(mode="progressive"), 10, 1000)
    assert site.pacing.allowance(SeatsNow()).why is WhyNot.NO_AGENT


def test_an_ill_trunk_and_resting_numbers_stop_the_dialling(clock: ManualClock) -> None:
    site = Site(clock, "fixed")
    for _ in range(12):
        name = site.dial()
        site.pacing.ended(name, sip_code=503, disposition=Disposition.CARRIER_FAILED)
    assert site.pacing.allowance(SeatsNow()).why is WhyNot.TRUNK_OPEN
    assert site.pacing.status().resting == {}  # the carrier's fault is not the number's
    clock.advance(60)
    assert site.allowed() == 2
    for _ in range(2):
        site.dial()
    assert site.pacing.allowance(SeatsNow()).why is WhyNot.PROBING
    site.pacing.accept_trunk()
    for _ in range(8):
        assert site.pacing.choose_caller([CALLER], 0)
        name = site.dial()
        site.pacing.ended(name, sip_code=608, disposition=Disposition.REJECTED)
        clock.advance(0.01)
    assert site.pacing.choose_caller([CALLER], 0) is None
    assert site.pacing.allowance(SeatsNow()).why is WhyNot.NO_NUMBER
    assert list(site.pacing.status().as_dict()["resting"]) == ["216****0001"]


def test_one_way_audio_opens_the_breaker_and_calls_too_short_to_tell_do_not(clock: ManualClock) -> None:
    site = Site(clock, "fixed")

    def answered_call(talked_s: float, rtp: bool) -> None:
        name = site.dial()
        site.pacing.answered(name)
        clock.advance(talked_s)
        site.pacing.ended(name, sip_code=200, disposition=Disposition.SILENT, rtp=rtp)

    for _ in range(5):
        answered_call(30, rtp=False)
    for _ in range(100):
        answered_call(2, rtp=True)  # over before anybody listened: no sign of health
    answered_call(30, rtp=False)
    answered_call(30, rtp=False)
    assert site.pacing.status().trunk_trouble == "answered calls have no sound"
