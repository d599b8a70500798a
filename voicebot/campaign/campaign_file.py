"""Campaign files: what operations write.  Every fault names file, line and what is allowed."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from sip.trunk import load_trunks
from voicebot.campaign.calling_windows import WeekWindows
from voicebot.campaign.holidays import calendar
from voicebot.campaign.pacing_settings import Pacing
from voicebot.campaign.phone_number import to_e164
from voicebot.clock import Clock, SimulationClock, WallClock
from voicebot.store.states import Disposition
from voicebot.yaml_document import YamlDocument

SHARED_TYPES = {
    "official_no": "number",
    "crisis_hotline": "number",
    "deduct_time": "time",
    "plan_count": "count",
}
"""Types of shared values that are known by their name; every other one is a text."""
_TELLS_OF_DEBT = re.compile("贷|催|清收|债")
_WAIT = re.compile(r"(\d+)\s*(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_TALK_TRACK = re.compile(r"[a-z][a-z0-9_]*@[1-9][0-9]*")
TRIED_AGAIN = (
    Disposition.BUSY,
    Disposition.NO_ANSWER,
    Disposition.REJECTED,
    Disposition.EMPTY_NUMBER,
    Disposition.POWERED_OFF,
    Disposition.SUSPENDED,
    Disposition.UNREACHABLE,
    Disposition.CARRIER_FAILED,
    Disposition.VOICEMAIL,
    Disposition.ASSISTANT,
    Disposition.SILENT,
    Disposition.NOT_UNDERSTOOD,
    Disposition.HUNG_UP,
    Disposition.NOT_VERIFIED,
    Disposition.RELAYED,
)
"""Outcomes after which a campaign may try again; after others the debtor had his say, or a person decides."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _zone(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be the name of a time zone like Asia/Shanghai")
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {value!r}; use a name like Asia/Shanghai") from None
    return value


def _e164(value: Any) -> str:
    return to_e164(str(value))


def _wait(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    found = _WAIT.fullmatch(str(value))
    if found is None:
        raise ValueError(f"{value!r} is no waiting time; write 20m, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _talk_track(value: Any) -> str:
    if not _TALK_TRACK.fullmatch(str(value)):
        raise ValueError(f"{value!r} is no talk track with its version; write it like reminder@1")
    return str(value)


def _retried(after: dict[Disposition, timedelta]) -> dict[Disposition, timedelta]:
    for outcome in after:
        if outcome not in TRIED_AGAIN:
            raise ValueError(f"after {outcome} nobody is tried again; allowed: {', '.join(TRIED_AGAIN)}")
    return after


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str | Path) else value


_WAIT_SCHEMA = {"type": "string", "pattern": f"^{_WAIT.pattern}$", "examples": ["20m", "2h", "1d"]}
Zone = Annotated[str, BeforeValidator(_zone)]
Number = Annotated[str, BeforeValidator(_e164)]
Wait = Annotated[
    timedelta, BeforeValidator(_wait), PlainSerializer(lambda wait: f"{int(wait.total_seconds() // 60)}m")
]
Waits = Annotated[
    dict[Disposition, Wait],
    AfterValidator(_retried),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {str(outcome): _WAIT_SCHEMA for outcome in TRIED_AGAIN},
            "additionalProperties": False,
        }
    ),
]
TalkTrack = Annotated[
    str,
    BeforeValidator(_talk_track),
    WithJsonSchema({"type": "string", "pattern": f"^{_TALK_TRACK.pattern}$", "examples": ["reminder@1"]}),
]
Lists = Annotated[
    tuple[Path, ...],
    BeforeValidator(_several),
    WithJsonSchema(
        {
            "description": "CSV or XLSX files: one, or several.",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
        }
    ),
]


class Caller(_Part):
    """A caller number; `agency` says for which agency's rows it is used (null: the institution's own)."""

    number: Number
    agency: str | None = None


class Retry(_Part):
    """One budget of attempts a contact, over all outcomes; only outcomes named in `after` are tried again."""

    attempts: int = Field(default=1, ge=1, le=20)
    after: Waits = Field(default_factory=dict)


class Balances(_Part):
    """Where the amounts come from: a file that is read again when it changes, or an HTTP endpoint."""

    file: Path | None = None
    http: str | None = Field(default=None, pattern=r"^https?://")

    @model_validator(mode="after")
    def one_source(self) -> Balances:
        if (self.file is None) == (self.http is None):
            raise ValueError("give either file or http")
        return self


class SharedValue(_Part):
    """A value spoken in every call, with its type."""

    type: Literal["money", "date", "name", "text", "tail", "time", "count", "number"]
    value: str | int


class Simulation(_Part):
    """An explicit clock, and the scenarios of the simulated world.  Only with a trunk on loopback."""

    start: datetime
    scenarios: Path | None = None


class Campaign(_Part):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    "Its reports lie below var/NAME."
    institution: str = Field(min_length=1)
    "Whose claims these are; a row of a list that names another one is refused."
    agency: str | None = None
    "The agency that acts for the institution in every row that names none."
    talk_track: TalkTrack
    "id@version: what is spoken is the approved digest of that version."
    lists: Lists = Field(min_length=1)
    callers: tuple[Caller, ...] = Field(min_length=1)
    "Registered caller numbers (作业工具)."
    trunk: str
    "A trunk of configs/trunks.yaml."
    timezone: Zone = "Asia/Shanghai"
    windows: WeekWindows
    holidays: Literal["cn", "none"] | Path = "cn"
    "cn: China's public holidays and 调休 days.  none: weekdays alone decide.  Or a calendar file."
    lines: int = Field(default=4, ge=1, le=10_000)
    "Calls at a time, at most."
    calls_per_second: float = Field(default=2.0, gt=0, le=1000)
    "New calls a second, at most; the trunk's own limit holds too."
    ring_s: float = Field(default=30.0, ge=5, le=120)
    "Seconds that it may ring."
    retry: Retry = Retry()
    order: Literal["list", "amount", "overdue", "newest"] = "list"
    "Who comes first: as in the list, the highest amount, the longest overdue, the newest due date."
    queue: str = "general"
    "The handoff queue of configs/queues.yaml."
    pacing: Pacing = Pacing()
    voicemail: Literal["hang_up", "leave_line"] = "hang_up"
    "leave_line: the talk track's voicemail line, which says nothing of a debt."
    balances: Balances
    values: dict[str, str | int | SharedValue] = Field(default_factory=dict)
    "Values spoken in every call: inst_name, official_no …"
    start: date | None = None
    "The first day; with end, dates in the campaign's zone."
    end: date | None = None
    "The last day."
    simulation: Simulation | None = None

    @model_validator(mode="after")
    def dates_in_order(self) -> Campaign:
        if self.start and self.end and self.end < self.start:
            raise ValueError("end is before start")
        return self

    @field_validator("values")
    @classmethod
    def name_tells_of_no_debt(
        cls, values: dict[str, str | int | SharedValue]
    ) -> dict[str, str | int | SharedValue]:
        """Rule T-OPEN-INST of configs/policies/lint_rules.yaml: anybody who answers hears the name."""
        name = values.get("inst_name", "")
        if told := _TELLS_OF_DEBT.search(str(name.value if isinstance(name, SharedValue) else name)):
            raise ValueError(f"inst_name is heard by anybody who answers and must not say {told[0]}")
        return values

    @property
    def track_id(self) -> str:
        """The talk track's id, without its version."""
        return self.talk_track.partition("@")[0]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def callers_of(self, agency: str | None) -> list[str]:
        """The caller numbers for rows of an agency, or of the institution itself."""
        return [caller.number for caller in self.callers if caller.agency == agency]

    def shared_slots(self) -> dict[str, tuple[str, str | int]]:
        """The shared values as typed slots."""
        slots: dict[str, tuple[str, str | int]] = {}
        for name, value in self.values.items():
            if isinstance(value, SharedValue):
                slots[name] = (value.type, value.value)
            else:
                slots[name] = (SHARED_TYPES.get(name, "text"), value)
        return slots

    @property
    def simulation_start(self) -> datetime | None:
        """The start of the simulation clock, aware of its zone."""
        if self.simulation is None:
            return None
        start = self.simulation.start
        return start if start.tzinfo else start.replace(tzinfo=self.zone)


def campaign_clock(campaign: Campaign) -> Clock:
    """A new clock of the campaign: simulated only where its file says so, else the real time in its zone."""
    start = campaign.simulation_start
    return WallClock(campaign.zone) if start is None else SimulationClock(start)


def load_campaign(path: Path | str, trunks: Path | str = "configs/trunks.yaml") -> Campaign:
    """Reads and checks a campaign file.  Paths count from the file's folder, else from the working folder."""
    document = YamlDocument.read(path)
    campaign = document.parse(Campaign)
    changes: dict[str, Any] = {}
    changes["lists"] = tuple(
        _existing(document, one, ("lists", number)) for number, one in enumerate(campaign.lists)
    )
    if campaign.balances.file is not None:
        file = _existing(document, campaign.balances.file, ("balances", "file"))
        changes["balances"] = campaign.balances.model_copy(update={"file": file})
    if isinstance(campaign.holidays, Path):
        changes["holidays"] = _existing(document, campaign.holidays, ("holidays",))
        calendar(changes["holidays"])
    _check_trunk(document, campaign, Path(trunks))
    if campaign.simulation is not None and campaign.simulation.scenarios is not None:
        folder = _existing(document, campaign.simulation.scenarios, ("simulation", "scenarios"))
        changes["simulation"] = campaign.simulation.model_copy(update={"scenarios": folder})
    return campaign.model_copy(update=changes)


def _existing(document: YamlDocument, path: Path, loc: tuple[int | str, ...]) -> Path:
    for candidate in (document.path.parent / path, path):
        if candidate.exists():
            return candidate
    raise document.error(
        f"there is no {path}", loc, "Give a path from this file's folder or the working folder."
    )


def _check_trunk(document: YamlDocument, campaign: Campaign, path: Path) -> None:
    """The trunk exists; and a simulated clock must never meet a real telephone."""
    trunks = load_trunks(path)
    trunk = trunks.get(campaign.trunk)
    if trunk is None:
        raise document.error(
            f"there is no trunk {campaign.trunk!r}", ("trunk",), f"Known: {', '.join(trunks)}."
        )
    if campaign.simulation is not None and not trunk.on_loopback:
        raise document.error(
            f"a simulation is only for a trunk on loopback, and {campaign.trunk!r} is not",
            ("simulation",),
            "Use the simulated trunk, or leave simulation out.",
        )
