"""What must hold after a chaos run, seen from the dial log and from the store; each fault is one line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sqlalchemy import func, select

from tests.soak.desks import Caps
from tests.soak.dial_log import Book, Dial
from tests.soak.people_called import Person
from voicebot.campaign.closing import NOT_DIALLED_TRIES
from voicebot.clock import Clock
from voicebot.store import tally
from voicebot.store.audit_check import check
from voicebot.store.database import Store
from voicebot.store.models import AttemptRow, ContactRow, DayUseRow, OutboxRow

GRACE_S = 1.5
"""A permission that was given before a pause may be dialled by until it is stale, and the log be late."""
MOST_SHOWN = 5
CLOSINGS = {"attempt_closed", "attempt_unknown", "attempt_not_dialled"}


@dataclass
class Happened:
    """What the conductor did, in CLOCK_MONOTONIC seconds."""

    died: dict[str, float] = field(default_factory=dict)
    "When each process was gone."
    pauses: list[tuple[str, float, float]] = field(default_factory=list)
    "Campaign, when its pause was committed, when its end was asked for."
    stopped: dict[str, float] = field(default_factory=dict)
    "When each number was on the stop list, committed."
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Run:
    """A run that is over: nothing moves any more."""

    store: Store
    clock: Clock
    book: Book
    people: Sequence[Person]
    campaigns: Sequence[str]
    happened: Happened
    lines: int
    caps: Caps


def broken(run: Run) -> list[str]:
    """Everything that does not hold; empty when all does."""
    checks = (_once, _caps, _overlaps, _forbidden, _closed, _contacts, _counters, _tally, _audit)
    return [fault for check in checks for fault in _first(check(run))]


def _first(faults: Iterator[str]) -> list[str]:
    found = list(faults)
    return found[:MOST_SHOWN] + ([f"… and {len(found) - MOST_SHOWN} more"] if found[MOST_SHOWN:] else [])


def _once(run: Run) -> Iterator[str]:
    """No permission is dialled by twice."""
    for attempt, n in Counter(one.attempt for one in run.book.dials).items():
        if n > 1:
            yield f"attempt {attempt} was dialled {n} times"


def _by(dials: Sequence[Dial], of_case: Mapping[str, str]) -> dict[str, list[Dial]]:
    found: defaultdict[str, list[Dial]] = defaultdict(list)
    for one in dials:
        found[of_case[one.case]].append(one)
    return found


def _debtors(run: Run) -> dict[str, list[Dial]]:
    return _by(run.book.dials, {case: one.debtor for one in run.people for case in one.cases})


def _phones(run: Run) -> dict[str, list[Dial]]:
    return _by(run.book.dials, {case: one.phone for one in run.people for case in one.cases})


def _caps(run: Run) -> Iterator[str]:
    """A call of which nobody knows the end counts as answered."""
    ends = run.book.ends
    for debtor, dials in _debtors(run).items():
        answered = sum(one.attempt not in ends or ends[one.attempt].answered for one in dials)
        if answered > run.caps.connected:
            yield f"{debtor} was connected {answered} times"
    for phone, dials in _phones(run).items():
        if len(dials) > run.caps.attempts:
            yield f"the number that ends in {phone[-4:]} was dialled {len(dials)} times"


def _overlaps(run: Run) -> Iterator[str]:
    """A call lasts until it ends by itself or its process is dead."""
    for who in (_debtors(run), _phones(run)):
        for name, dials in who.items():
            ordered = sorted(dials, key=lambda one: one.at)
            for before, after in pairwise(ordered):
                if _over(run, before) > after.at:
                    yield f"{name[-6:]} was dialled twice at once: {before.attempt} and {after.attempt}"
    edges = [(one.at, 1) for one in run.book.dials] + [(_over(run, one), -1) for one in run.book.dials]
    busy = most = 0
    for _at, change in sorted(edges):
        busy += change
        most = max(most, busy)
    if most > run.lines:
        yield f"{most} calls at once on a trunk of {run.lines} lines"


def _over(run: Run, dial: Dial) -> float:
    end = run.book.ends.get(dial.attempt)
    return end.at if end else run.happened.died.get(dial.process, float("inf"))


def _forbidden(run: Run) -> Iterator[str]:
    """Nothing that was asked for after a pause or a stop is dialled; nor anything later than at once."""
    of_case = {case: one.phone for one in run.people for case in one.cases}
    with run.store.reading() as connection:
        rows = connection.execute(select(AttemptRow.id, AttemptRow.campaign_id)).all()
    campaign = {row.id: row.campaign_id for row in rows}
    for one in run.book.dials:
        stopped = run.happened.stopped.get(of_case[one.case], float("inf"))
        if one.asked > stopped or one.at > stopped + GRACE_S:
            yield f"{one.attempt} was dialled {one.at - stopped:.3f} s after its number was stopped"
        for paused, begin, end in run.happened.pauses:
            if campaign.get(one.attempt) == paused and (begin < one.asked and one.at < end):
                yield f"{one.attempt} was dialled {one.at - begin:.3f} s after its campaign was paused"
            elif campaign.get(one.attempt) == paused and begin + GRACE_S < one.at < end:
                yield f"{one.attempt} was dialled late, {one.at - begin:.3f} s after a pause"


def _closed(run: Run) -> Iterator[str]:
    """Every attempt that was ever begun has ended, once, in the store, in the audit and for its process."""
    with run.store.reading() as connection:
        query = select(AttemptRow.id, AttemptRow.phase, AttemptRow.state, AttemptRow.dialled_ms)
        rows = connection.execute(query).all()
        kept = connection.execute(select(OutboxRow.events)).scalars().all()
    noted = Counter(event[1] for events in kept for event in events if event[0] in CLOSINGS)
    states = {row.id: row.state for row in rows}
    for row in rows:
        wanted = int(row.phase == 2 and row.state != "refused")
        if row.phase == 1:
            yield f"attempt {row.id} is still {row.state}"
        elif noted[row.id] != wanted:
            yield f"attempt {row.id} is {row.state} and was closed {noted[row.id]} times"
        elif row.state == "unknown" and row.dialled_ms is None:
            yield f"attempt {row.id} is unknown and had no permission"
    for one in run.book.dials:
        if states.get(one.attempt) not in ("closed", "unknown"):
            yield f"attempt {one.attempt} was dialled and is {states.get(one.attempt)}"
    for attempt, n in Counter(run.book.closed).items():
        if n > 1:
            yield f"attempt {attempt} was said to be closed {n} times"


def _contacts(run: Run) -> Iterator[str]:
    """Each contact is planned once, or has come to an end for which there is a reason."""
    wanted = sum(len(one.cases) for one in run.people)
    with run.store.reading() as connection:
        query = select(AttemptRow.contact_id, func.count().label("n")).where(AttemptRow.phase == 0)
        waiting = connection.execute(query.group_by(AttemptRow.contact_id)).all()
        last_ones = select(AttemptRow.contact_id, AttemptRow.disposition, AttemptRow.rule, AttemptRow.number)
        ended = connection.execute(
            last_ones.where(AttemptRow.phase == 2).order_by(AttemptRow.number, AttemptRow.planned_ms)
        ).all()
        contacts = connection.execute(select(ContactRow.id, ContactRow.state, ContactRow.why)).all()
    if len(contacts) != wanted:
        yield f"{len(contacts)} contacts of {wanted} are there"
    planned = {row.contact_id: row.n for row in waiting}
    last = {row.contact_id: row.disposition for row in ended}
    faults = Counter(row.contact_id for row in ended if row.disposition == "NOT_DIALLED" and not row.rule)
    for one in contacts:
        n = planned.get(one.id, 0)
        if n != (one.state == "open"):
            yield f"contact {one.id} is {one.state} ({one.why}) with {n} attempts planned"
        elif one.state == "done" and last.get(one.id) == "NOT_DIALLED" and faults[one.id] < NOT_DIALLED_TRIES:
            yield f"contact {one.id} was given up ({one.why}) after {faults[one.id]} faults"


def _counters(run: Run) -> Iterator[str]:
    """The caps' counters hold just the slots that attempts kept."""
    with run.store.reading() as connection:
        kept = connection.execute(select(AttemptRow.reserved)).scalars().all()
        rows = connection.execute(select(DayUseRow.__table__)).all()
    slots = Counter((counter, subject, day) for several in kept for counter, subject, day in several)
    used = Counter({(row.counter, bytes(row.subject).hex(), row.day): row.used for row in rows})
    for key in slots.keys() | used.keys():
        if slots[key] != used[key]:
            yield f"counter {key[0]} of {key[1][:6]} is {used[key]}; attempts hold {slots[key]} of it"


def _tally(run: Run) -> Iterator[str]:
    """The live table's numbers are those of the rows."""
    for campaign in run.campaigns:
        with run.store.reading() as connection:
            told = tally.read(connection, campaign)
            counted: Counter[str] = Counter()
            query = select(
                AttemptRow.state, AttemptRow.disposition, AttemptRow.reason, func.count().label("n")
            )
            query = query.where(AttemptRow.campaign_id == campaign)
            for row in connection.execute(
                query.group_by(AttemptRow.state, AttemptRow.disposition, AttemptRow.reason)
            ):
                counted[row.state] += row.n
                if row.reason is not None:
                    counted[f"reason {row.reason}"] += row.n
                elif row.disposition is not None:
                    counted[f"disposition {row.disposition}"] += row.n
            answered = select(func.count()).where(AttemptRow.campaign_id == campaign)
            counted["was answered"] = connection.execute(
                answered.where(AttemptRow.answered_ms.is_not(None))
            ).scalar_one()
        for what in told.keys() | counted.keys():
            if told[what] != counted[what]:
                yield f"the tally of {campaign} says {what}: {told[what]}; rows say {counted[what]}"


def _audit(run: Run) -> Iterator[str]:
    """The chain holds, and nothing is left outside of it."""
    if wrong := check(run.store).first:
        yield f"the audit chain breaks: {wrong}"
    with run.store.reading() as connection:
        left = connection.execute(select(func.count()).where(OutboxRow.link.is_(None))).scalar_one()
    if left:
        yield f"{left} rows of the outbox are not sealed"
