"""The plan of a campaign before it runs: who would be called, who is refused and why, and how it would look.

Everybody is asked about, one case after another; what is kept is counts and the first of each kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sip.trunk import Trunk
from voicebot.campaign.calling_hours import CallingHours
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.campaign_lists import CampaignLists
from voicebot.campaign.contact_list import ListRow
from voicebot.campaign.prompt_plan import PromptPlan, prompt_plan
from voicebot.campaign.verdicts import Verdict, Verdicts
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.policy.gate import Gate
from voicebot.settings import Site
from voicebot.store.approvals import Approval, Approvals
from voicebot.store.database import Store
from voicebot.store.registers import Tools

NAMED_ROWS = 3
"""How many people are named for each reason."""
USUAL_CALL_S = 60
"""A call's usual length with ringing, for the expected duration."""
WORLD_GATEWAY = "127.0.0.1:5060"
"""Stands for the simulated world's gateway, whose port is known when it runs."""
CANNOT_SPEAK = "PROMPTS"
"""Reason code of cases that lack a value which a line of the talk track needs."""
TELL_EVERY = 500

Told = Callable[[int, int], None]
"""Hears of how many cases is known what becomes of them, and how many there are."""


@dataclass(frozen=True)
class Named:
    """Somebody as an example, masked."""

    case_id: str
    name: str
    phone: str
    line: int


@dataclass(frozen=True)
class CallerState:
    """A caller number of the campaign: whether it is a registered tool of `of`, valid on that day."""

    number: str
    of: str
    registered: bool


@dataclass
class Reason:
    """Why people are refused: the code, the rule, the words, how many, and the first of them."""

    reason: str
    rule: str
    zh: str
    count: int = 0
    first: list[Named] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        self.count += 1
        if len(self.first) < NAMED_ROWS:
            row = verdict.row
            self.first.append(Named(row.case_id, verdict.name_masked, verdict.phone_masked, row.line))


@dataclass(frozen=True)
class Plan:
    """`at` is the time that the plan holds for: now, or the next opening."""

    at: datetime | None
    approval: Approval | None
    not_approved: str
    "Why the talk track cannot be spoken, when it cannot."
    to_call: int
    refused: tuple[Reason, ...]
    hours_left: timedelta
    expected: timedelta
    callers: tuple[CallerState, ...]
    prompts: int | None
    "To be rendered; None when the talk track is not built here yet."
    prompts_exact: bool
    calendar: str
    unknown_day: date | None
    "The first date in sight that the holiday calendar does not cover: nobody is called on it."
    request_uri: str = ""
    caller_uri: str = ""


class Planner:
    """Asks the gate about every person of a campaign's lists."""

    def __init__(self, site: Site, store: Store, gate: Gate, clock: Clock, campaign: Campaign) -> None:
        self._site, self._store, self._gate = site, store, gate
        self._clock, self._campaign = clock, campaign
        self._hours = CallingHours(campaign, gate.of(campaign.institution))

    def plan(self, lists: CampaignLists, trunk: Trunk, told: Told = lambda done, wanted: None) -> Plan:
        """The whole plan.  Balances are read as they are now."""
        now = self._clock.now()
        at = self._hours.next_open(now)
        approval, why = spoken(self._store, self._campaign)
        digest = approval.digest if approval else ""
        prompts = prompt_plan(self._site, self._campaign, digest, (at or now).date())
        verdicts = Verdicts(self._store, self._gate, self._campaign, digest).of(
            _counting(lists, told), at or now
        )
        sample, to_call, reasons = self._counted(verdicts, prompts)
        request_uri, caller_uri = self._sample(sample, trunk)
        return Plan(
            at=at,
            approval=approval,
            not_approved=why,
            to_call=to_call,
            refused=tuple(sorted(reasons, key=lambda one: -one.count)),
            hours_left=self._hours.left_today(now),
            expected=self._expected(to_call),
            callers=self._callers((at or now).astimezone(self._campaign.zone).date()),
            prompts=prompts.to_render if prompts else None,
            prompts_exact=prompts.exact if prompts else True,
            calendar=self._hours.calendar.source,
            unknown_day=self._hours.unknown_within(now),
            request_uri=request_uri,
            caller_uri=caller_uri,
        )

    def _callers(self, day: date) -> tuple[CallerState, ...]:
        tools, institution = Tools(self._store), self._campaign.institution
        with self._store.reading() as connection:
            return tuple(
                CallerState(
                    one.number,
                    one.agency or institution,
                    _holds(tools.facts_in(connection, one.number, institution, one.agency, day)),
                )
                for one in self._campaign.callers
            )

    def _counted(
        self, verdicts: Iterator[Verdict], prompts: PromptPlan | None
    ) -> tuple[Verdict | None, int, list[Reason]]:
        """The first call, how many there are, and the reasons of the others: each by its first refusal."""
        reasons: dict[tuple[str, str], Reason] = {}
        sample, to_call = None, 0
        for one in verdicts:
            if one.decision.allowed:
                fault = prompts.hear(one.row, one.balance) if prompts else None
                if fault is None:
                    sample, to_call = sample or one, to_call + 1
                    continue
                reasons.setdefault((CANNOT_SPEAK, fault), Reason(CANNOT_SPEAK, "talk track", fault)).add(one)
            else:
                first = one.decision.refusals[0]
                key = first.reason, first.rule
                reasons.setdefault(key, Reason(first.reason, first.rule, first.zh)).add(one)
        return sample, to_call, list(reasons.values())

    def _sample(self, sample: Verdict | None, trunk: Trunk) -> tuple[str, str]:
        """Request-URI and From of the first call."""
        if sample is None:
            return "", ""
        row = sample.row
        ready = trunk if trunk.gateways else trunk.with_gateways([WORLD_GATEWAY])
        caller = self._campaign.callers_of(row.agency or self._campaign.agency or None)[0]
        return ready.request_uri(row.phone), ready.caller_uri(caller)

    def _expected(self, calls: int) -> timedelta:
        by_lines = calls * USUAL_CALL_S / self._campaign.lines
        return timedelta(seconds=round(max(by_lines, calls / self._campaign.calls_per_second)))


def _counting(lists: CampaignLists, told: Told) -> Iterator[list[ListRow]]:
    for number, points in enumerate(lists.groups(), 1):
        yield points
        if number % TELL_EVERY == 0 or number == lists.cases:
            told(number, lists.cases)


def _holds(tool: Mapping[str, bool] | None) -> bool:
    return tool is not None and all(tool.values())


def spoken(store: Store, campaign: Campaign) -> tuple[Approval | None, str]:
    """The approved version that the campaign would speak, or why there is none."""
    try:
        return Approvals(store).resolve(campaign.talk_track), ""
    except InputError as fault:
        return None, str(InputError(fault.what, fault.do))


def spoken_digest(store: Store, campaign: Campaign) -> str:
    """Its digest, or an empty text, which no gate lets pass."""
    approval, _ = spoken(store, campaign)
    return approval.digest if approval else ""
