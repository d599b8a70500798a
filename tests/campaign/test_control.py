"""A running campaign is paused, resumed, drained and stopped from another process, on both stores.

The nodes are real processes; only their workers have no phone: each INVITE is a line with its real time.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import pytest
import structlog

from tests.campaign.nodes_at_work import PATIENCE_S, NodesAtWork, at_work
from tests.campaign.site import LedgerSite, approve
from voicebot.campaign.control import Controls, Wish
from voicebot.campaign.nodes import Nodes
from voicebot.campaign.progress import progress
from voicebot.cli import campaign_commands, unresolved_commands
from voicebot.clock import WallClock
from voicebot.errors import InputError
from voicebot.settings import Site
from voicebot.store.audit_check import check
from voicebot.store.states import Disposition
from voicebot.store.stop_list import StopList

WITHIN_S = 1.0
"""A command is in force so soon: measured three times, so that a busy machine's hiccup is no fault."""
RINGING = "ring-0.2-0.4-0.5"
"""Calls that ring and talk for a while."""
RINGS_S = 60
FOR_LONG = f"ring-{RINGS_S}-60-1"
"""Calls that ring until they are told to end."""

Start = Callable[..., NodesAtWork]


@pytest.fixture
def begin(site: LedgerSite, tmp_path: Path) -> Iterator[Start]:
    """Starts a node on the site's store and waits until it dials."""
    with ExitStack() as ending:

        def start(people: int, act: str, **changes: object) -> NodesAtWork:
            nodes = ending.enter_context(at_work(site.store, tmp_path, people, act, **changes))
            nodes.start("--calls", "4")
            nodes.wait_for("the first INVITE", nodes.invites)
            return nodes

        yield start


@pytest.fixture
def own_log() -> Iterator[None]:
    """A command sets up its log; the next test finds its own."""
    yield
    structlog.reset_defaults()


def ask(site: LedgerSite, wish: Wish) -> tuple[float, float]:
    """As the command does; returns the moment at which it came back, and how long that took."""
    settings = Site()
    began = time.monotonic()
    head = Controls(site.store, WallClock(settings.zone)).find("spring")
    campaign_commands._ask_one(site.store, settings, head, wish)
    return time.time(), time.monotonic() - began


def last_invite(nodes: NodesAtWork) -> float:
    return max(float(line["at"]) for line in nodes.invites())


def test_pause_and_resume_are_in_force_within_a_second(begin: Start, site: LedgerSite) -> None:
    nodes = begin(60, RINGING)
    if site.store.is_postgresql:  # commands wait for every node
        nodes.start("--join", "spring")
        campaign = Controls(site.store, site.clock).find("spring").id
        nodes.wait_for("both nodes", lambda: len(Nodes(site.store).of(campaign)) == 2)
    took: list[float] = []
    for _ in range(3):
        paused_at, paused_s = ask(site, Wish.PAUSE)
        time.sleep(0.4)
        assert last_invite(nodes) <= paused_at
        assert nodes.nodes[0].running, "a paused run waits"
        before = len(nodes.invites())
        _, resumed_s = ask(site, Wish.RESUME)
        nodes.wait_for("INVITEs after the resume", lambda before=before: len(nodes.invites()) > before)
        took += paused_s, resumed_s
    assert median(took) < WITHIN_S, took
    assert [node.wait(PATIENCE_S) for node in nodes.nodes] == [0] * len(nodes.nodes)
    assert len(nodes.invites()) == 60
    assert set(Counter(line["case"] for line in nodes.invites()).values()) == {1}
    assert Controls(site.store, WallClock(Site().zone)).find("spring").state == "done"
    verdict = check(site.store)  # what was decided and done is chained, and signed to its end
    assert verdict.faults == [] and verdict.unsigned == 0
    assert verdict.decisions >= 120 and verdict.records == 60


def test_drain_lets_every_call_go_on_to_its_end(begin: Start, site: LedgerSite) -> None:
    nodes = begin(40, "ring-0.3-0.6-1")
    drained_at, _ = ask(site, Wish.DRAIN)
    assert nodes.nodes[0].wait(PATIENCE_S) == 0
    assert last_invite(nodes) <= drained_at
    counted = progress(site.store, Controls(site.store, site.clock).find("spring").id)
    dialled = {**counted.dispositions}
    dialled.pop("NOT_DIALLED", None)  # claimed before the drain, refused at the permit: planned again
    assert dialled == {"DECLINED_TO_PAY": len(nodes.invites())}
    assert counted.planned == 40 - len(nodes.invites())


def test_stop_cancels_what_rings_and_ends_what_talks(begin: Start, site: LedgerSite) -> None:
    nodes = begin(40, FOR_LONG, lines=4)
    nodes.wait_for("four ringing calls", lambda: len(nodes.invites()) == 4)
    stopped_at, _ = ask(site, Wish.STOP)
    assert nodes.nodes[0].wait(RINGS_S / 2) == 0, "it did not wait for those that ring"
    assert last_invite(nodes) <= stopped_at
    counted = progress(site.store, Controls(site.store, site.clock).find("spring").id)
    assert counted.dispositions.get("NO_ANSWER") == 4
    assert set(counted.dispositions) <= {"NO_ANSWER", "NOT_DIALLED"}
    assert counted.answered == 0
    assert counted.planned == 36


def test_a_stop_list_entry_cancels_a_ringing_call_only(begin: Start, site: LedgerSite) -> None:
    nodes = begin(4, FOR_LONG, lines=4)
    nodes.wait_for("four ringing calls", lambda: len(nodes.invites()) == 4)
    campaign = Controls(site.store, site.clock).find("spring").id
    took: list[float] = []
    for closed in range(1, 4):
        began, phone = time.monotonic(), f"+861380000000{closed}"
        StopList(site.store, site.clock).add(phone=phone, reason="CONTACT_REFUSED", made_by="lin")
        nodes.wait_for("a closed call", lambda closed=closed: progress(site.store, campaign).done == closed)
        took.append(time.monotonic() - began)
        counted = progress(site.store, campaign)
        assert (counted.dispositions, counted.answered) == ({"NO_ANSWER": closed}, 0)
        assert counted.live == 4 - closed, "the others ring on"
    assert median(took) < WITHIN_S, took


def test_revoking_the_talk_track_ends_the_run_politely(begin: Start, site: LedgerSite) -> None:
    nodes = begin(40, "ring-0.1-60-1", lines=4)
    nodes.wait_for("four calls", lambda: len(nodes.invites()) == 4)
    campaign = Controls(site.store, site.clock).find("spring").id
    nodes.wait_for("answered calls", lambda: progress(site.store, campaign).answered == 4)
    approve(site.store, "revoked", "2026-03-02T10:16:00+08:00")
    revoked_at = time.time()
    assert nodes.nodes[0].wait(PATIENCE_S) == 1
    assert "the approval of its talk track was revoked" in nodes.output()
    assert last_invite(nodes) <= revoked_at, "the gate itself asks for the approval"
    counted = progress(site.store, campaign)
    assert counted.dispositions == {"NOT_UNDERSTOOD": 4}
    assert (counted.refused, counted.planned) == (0, 36), "a revocation refuses nobody for good"


def test_a_paused_campaign_stays_paused_when_it_is_run_again(begin: Start, site: LedgerSite) -> None:
    nodes = begin(12, RINGING)
    ask(site, Wish.PAUSE)
    nodes.nodes[0].kill()
    dialled = len(nodes.invites())
    again = nodes.start("--calls", "4")
    nodes.wait_for("its word on the pause", lambda: "paused by" in nodes.output(1))
    campaign = Controls(site.store, site.clock).find("spring").id
    nodes.wait_for("its heartbeat", lambda: any(node.alive for node in Nodes(site.store).of(campaign)))
    time.sleep(0.5)
    assert len(nodes.invites()) == dialled
    ask(site, Wish.RESUME)
    assert again.wait(PATIENCE_S) == 0
    assert len(nodes.invites()) == 12
    assert set(Counter(line["case"] for line in nodes.invites()).values()) == {1}


def test_a_run_that_broke_off_is_gone_on_with(
    begin: Start,
    site: LedgerSite,
    store_url: str,
    tmp_path: Path,
    own_log: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was on its lines is unknown, listed, and dialled again only when a person says so."""
    monkeypatch.setenv("VOICEBOT_VAR", str(tmp_path))  # its keys are the site's

    def unresolved() -> dict[str, str]:
        unresolved_commands.unresolved("spring", as_json=True, store=store_url)
        listed = json.loads(capsys.readouterr().out)
        assert all(one["number"].startswith("138****") for one in listed)
        return {one["case"]: one["attempt"] for one in listed}

    nodes = begin(16, "ring-0.2-0.5-1")
    nodes.wait_for("a few calls", lambda: len(nodes.invites()) >= 6)
    nodes.nodes[0].kill()
    broken = unresolved()
    assert 1 <= len(broken) <= 4, "what was on four lines"
    assert set(broken) <= {line["case"] for line in nodes.invites()}
    (first, attempt), *rest = broken.items()
    resolve = partial(
        unresolved_commands.resolve, reason="carrier's log", person="reviewer-wang", store=store_url
    )
    resolve(attempt, Disposition.NO_ANSWER, dial_again=True)
    assert f"{attempt}: closed as NO_ANSWER by reviewer-wang; its contact is planned again" in (
        capsys.readouterr().out
    )
    with pytest.raises(InputError, match="the attempt is closed, not unknown"):
        resolve(attempt, Disposition.BUSY)

    assert nodes.start("--calls", "4").wait(PATIENCE_S) == 0
    assert "going on with spring-" in nodes.output(1)
    assert len(Controls(site.store, site.clock).campaigns("spring")) == 1
    dialled = Counter(line["case"] for line in nodes.invites())
    assert dialled == {f"case-{n}": 2 if f"case-{n}" == first else 1 for n in range(16)}
    assert unresolved() == dict(rest), "the others wait for a person"
    for _, other in rest:
        with pytest.raises(InputError, match="is finished"):
            resolve(other, Disposition.NO_ANSWER, dial_again=True)
        resolve(other, Disposition.CARRIER_FAILED)
    capsys.readouterr()
    assert unresolved() == {}


def test_killed_at_any_moment_nobody_is_dialled_twice(site: LedgerSite, tmp_path: Path) -> None:
    """While it starts, enrols, dials, again and again; then a run comes to the end."""
    with at_work(site.store, tmp_path, 30, "ring-0.2-0.4-0.5") as nodes:
        for lived_s in (0.05, 0.3, 0.6, 1.2):
            node = nodes.start("--calls", "4")
            time.sleep(lived_s)
            node.kill()
        assert nodes.start("--calls", "4").wait(PATIENCE_S) == 0
        dialled = Counter(line["case"] for line in nodes.invites())
    (head,) = Controls(site.store, site.clock).campaigns("spring")
    counted = progress(site.store, head.id)
    unknown = {one.case_id for one in site.ledger.unresolved(head.id)}
    assert max(dialled.values()) == 1
    assert {f"case-{n}" for n in range(30)} - set(dialled) <= unknown, "permitted, killed before the INVITE"
    assert counted.done == 30, "everybody came to one end"
    assert (counted.planned, counted.live, head.state) == (0, 0, "done")


def test_an_edit_takes_lines_and_refuses_the_rest(begin: Start, site: LedgerSite) -> None:
    nodes = begin(400, "ring-0.6-0.3-0", lines=1)
    nodes.write_campaign(lines=4, queue="legal")
    campaign = Controls(site.store, site.clock).find("spring").id
    nodes.wait_for("four calls at a time", lambda: calls(site, campaign) == 4)
    assert "in force now: lines: 4" in nodes.output()
    assert "queue: cannot change while it runs" in nodes.output()
    nodes.write_campaign(lines=0)
    nodes.wait_for("its word on the bad edit", lambda: "not taken over" in nodes.output())
    nodes.wait_for("four calls as before", lambda: calls(site, campaign) == 4)


def calls(site: LedgerSite, campaign: str) -> int:
    return sum(int(node.numbers.get("calls", 0)) for node in Nodes(site.store).of(campaign) if node.alive)


def test_commands_for_what_does_not_run_say_so(
    site: LedgerSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.enrol()
    with pytest.raises(InputError, match="is not running"):
        ask(site, Wish.DRAIN)
    ask(site, Wish.PAUSE)
    assert "is not running now: it is paused and stays so" in capsys.readouterr().out
    ask(site, Wish.RESUME)
    ask(site, Wish.RESUME)
    assert "is not paused" in capsys.readouterr().out
    controls = Controls(site.store, site.clock)
    controls.finish(controls.find("spring").id)
    with pytest.raises(InputError, match="is finished"):
        ask(site, Wish.PAUSE)
    with pytest.raises(InputError, match="there is no campaign 'autumn'"):
        controls.find("autumn")
