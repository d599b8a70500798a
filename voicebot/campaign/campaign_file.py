"""Campaign files: what operations write.  Every fault names file, line and what is allowed."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from sip.trunk import load_trunks
from voicebot.campaign.phone_number import to_e164
from voicebot.clock import Clock, SimulationClock, WallClock
from voicebot.store.states import Disposition
from voicebot.yaml_document import YamlDocument

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SLOT_TYPES = ("money", "date", "name", "text", "tail", "time", "count", "number")
SHARED_TYPES = {
    "official_no": "number",
    "crisis_hotline": "number",
    "deduct_time": "time",
    "plan_count": "count",
}
"""Types of shared values that are known by their name; every other one is a text."""
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(([01]\d|2[0-3]):([0-5]\d)|24:00)")
_WAIT = re.compile(r"(\d+)\s*(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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


def _days(value: Any) -> dict[str, Any]:
    """Opens day ranges: mon-fri."""
    if not isinstance(value, dict):
        raise ValueError("must give the windows of each weekday, like mon-fri: [09:00-12:00]")
    opened: dict[str, Any] = {}
    for key, windows in value.items():
        first, _, last = str(key).partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise ValueError(f"{key!r} is no weekday; use {', '.join(DAYS)} or a range like mon-fri")
        start, end = DAYS.index(first), DAYS.index(last or first)
        if end < start:
            raise ValueError(f"the range {key!r} runs backwards")
        for day in DAYS[start : end + 1]:
            if day in opened:
                raise ValueError(f"{day} is given twice")
            opened[day] = windows
    return opened


Zone = Annotated[str, BeforeValidator(_zone)]
Number = Annotated[str, BeforeValidator(_e164)]
Wait = Annotated[
    timedelta, BeforeValidator(_wait), PlainSerializer(lambda wait: f"{int(wait.total_seconds() // 60)}m")
]


def parse_window(text: Any) -> Window:
    """ "09:00-12:00" → from 09:00 (inside) to 12:00 (outside)."""
    found = _WINDOW.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{text!r} is no calling window; write it like 09:00-12:00")
    start = time(int(found[1]), int(found[2]))
    end = time.max if found[3] == "24:00" else time(int(found[4]), int(found[5]))
    if end <= start:
        raise ValueError(f"the window {text!r} ends before it begins; a window stays within one day")
    return Window(start, end)


class Window(tuple[time, time]):
    """A stretch of local time within one day."""

    __slots__ = ()

    def __new__(cls, start: time, end: time) -> Window:
        return super().__new__(cls, (start, end))

    def holds(self, at: time) -> bool:
        return self[0] <= at < self[1] or (self[1] == time.max and at >= self[0])


def _windows(value: Any) -> tuple[str, ...]:
    windows = [value] if isinstance(value, str) else value
    if not isinstance(windows, list | tuple):
        raise ValueError("must be a list of windows like [09:00-12:00]")
    for one in windows:
        parse_window(one)
    return tuple(windows)


Windows = Annotated[tuple[str, ...], BeforeValidator(_windows)]


class Caller(_Part):
    """A caller number; `agency` says for which agency's rows it is used (null: the institution's own)."""

    number: Number
    agency: str | None = None


class Retry(_Part):
    """One budget of attempts a contact, over all outcomes; only outcomes named in `after` are tried again."""

    attempts: int = Field(default=1, ge=1, le=20)
    after: dict[Disposition, Wait] = Field(default_factory=dict)


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
    institution: str = Field(min_length=1)
    agency: str | None = None
    "The agency that acts for the institution in every row that names none."
    track: str
    digest: str = "approved"
    "approved: the newest approved one."
    lists: tuple[Path, ...] = Field(min_length=1)
    callers: tuple[Caller, ...] = Field(min_length=1)
    trunk: str
    timezone: Zone = "Asia/Shanghai"
    windows: Annotated[dict[str, Windows], BeforeValidator(_days)]
    lines: int = Field(default=4, ge=1, le=10_000)
    calls_per_second: float = Field(default=2.0, gt=0, le=1000)
    ring_s: float = Field(default=30.0, ge=5, le=120)
    retry: Retry = Retry()
    order: Literal["list", "amount", "overdue", "newest"] = "list"
    queue: str = "general"
    voicemail: Literal["hang_up", "leave_line"] = "hang_up"
    balances: Balances
    values: dict[str, str | int | SharedValue] = Field(default_factory=dict)
    start: date | None = None
    end: date | None = None
    simulation: Simulation | None = None

    @model_validator(mode="after")
    def dates_in_order(self) -> Campaign:
        if self.start and self.end and self.end < self.start:
            raise ValueError("end is before start")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def day_windows(self, day: int) -> list[Window]:
        """The windows of a weekday (Monday is 0)."""
        return [parse_window(one) for one in self.windows.get(DAYS[day], ())]

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
