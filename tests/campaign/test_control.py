"""A running campaign is paused, resumed, drained and stopped from another process, on both stores.

The nodes are real processes; only their workers have no phone: each INVITE is a line with its real time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.campaign.nodes_at_work import PATIENCE_S, NodesAtWork, at_work
from tests.campaign.site import LedgerSite, approve
from voicebot.campaign.control import Controls, Wish
from voicebot.campaign.nodes import Nodes
from voicebot.campaign.progress import progress
from voicebot.cli import campaign_commands
from voicebot.clock import WallClock
from voicebot.errors import InputError
from voicebot.settings import Site
from voicebot.store.stop_list import StopList

WITHIN_S = 1.0
"""A command is in force so soon."""
RINGING = "ring-0.3-0.5-0.5"
"""Calls that ring and talk for a while."""

Start = Callable[..., NodesAtWork]


@pytest.fixture
def begin(site: LedgerSite, tmp_path: Path) -> Iterator[Start]:
    """Starts a node on the site's store and waits until it dials."""
    with ExitStack() as ending:

        def start(people: int, act: str, **changes: object) -> NodesAtWork:
            nodes = ending.enter_context(at_work(site.store, tmp_path, people, act, **changes))
            nodes.start("--workers", "2")
            nodes.wait_for("the first INVITE", nodes.invites)
            return nodes

        yield start


def ask(site: LedgerSite, wish: Wish, capsys: pytest.CaptureFixture[str] | None = None) -> float:
    """As the command does; returns the moment at which it came back, after it took at most a second."""
    settings = Site()
    began = time.monotonic()
    head = Controls(site.store, WallClock(settings.zone)).find("spring")
    campaign_commands._ask_one(site.store, settings, head, wish)
    assert time.monotonic() - began < WITHIN_S
    return time.time()


def last_invite(nodes: NodesAtWork) -> float:
    return max(float(line["at"]) for line in nodes.invites())


def test_pause_and_resume(begin: Start, site: LedgerSite) -> None:
    nodes = begin(60, RINGING)
    paused_at = ask(site, Wish.PAUSE)
    time.sleep(1.2)
    assert last_invite(nodes) <= paused_at
    before = len(nodes.invites())
    assert nodes.nodes[0].poll() is None, "a paused run waits"
    ask(site, Wish.RESUME)
    nodes.wait_for("INVITEs after the resume", lambda: len(nodes.invites()) > before, 5)
    assert nodes.nodes[0].wait(PATIENCE_S) == 0
    assert len(nodes.invites()) == 60
    assert set(Counter(line["case"] for line in nodes.invites()).values()) == {1}
    assert Controls(site.store, WallClock(Site().zone)).find("spring").state == "done"


def test_drain_lets_every_call_go_on_to_its_end(begin: Start, site: LedgerSite) -> None:
    nodes = begin(40, "ring-0.5-1-1")
    drained_at = ask(site, Wish.DRAIN)
    assert nodes.nodes[0].wait(PATIENCE_S) == 0
    assert last_invite(nodes) <= drained_at
    counted = progress(site.store, Controls(site.store, site.clock).find("spring").id)
    dialled = {**counted.dispositions}
    dialled.pop("NOT_DIALLED", None)  # claimed before the drain, refused at the permit: planned again
    assert dialled == {"DECLINED_TO_PAY": len(nodes.invites())}
    assert counted.planned == 40 - len(nodes.invites())


def test_stop_cancels_what_rings_and_ends_what_talks(begin: Start, site: LedgerSite) -> None:
    nodes = begin(40, "ring-30-30-1", lines=4)
    nodes.wait_for("four ringing calls", lambda: len(nodes.invites()) == 4)
    stopped_at = ask(site, Wish.STOP)
    began = time.monotonic()
    assert nodes.nodes[0].wait(PATIENCE_S) == 0
    assert time.monotonic() - began < 5
    assert last_invite(nodes) <= stopped_at
    counted = progress(site.store, Controls(site.store, site.clock).find("spring").id)
    assert counted.dispositions.get("NO_ANSWER") == 4
    assert set(counted.dispositions) <= {"NO_ANSWER", "NOT_DIALLED"}
    assert counted.answered == 0
    assert counted.planned == 36


def test_a_stop_list_entry_cancels_a_ringing_call_only(begin: Start, site: LedgerSite) -> None:
    nodes = begin(3, "ring-30-30-1", lines=3)
    nodes.wait_for("three ringing calls", lambda: len(nodes.invites()) == 3)
    began = time.monotonic()
    StopList(site.store, site.clock).add(phone="+8613800000001", reason="CONTACT_REFUSED", made_by="lin")
    campaign = Controls(site.store, site.clock).find("spring").id
    nodes.wait_for("a closed call", lambda: progress(site.store, campaign).done == 1, 5)
    assert time.monotonic() - began < WITHIN_S
    counted = progress(site.store, campaign)
    assert (counted.dispositions, counted.answered, counted.live) == ({"NO_ANSWER": 1}, 0, 2)


def test_revoking_the_talk_track_ends_the_run_politely(begin: Start, site: LedgerSite) -> None:
    nodes = begin(40, "ring-0.1-30-1", lines=4)
    nodes.wait_for("four calls", lambda: len(nodes.invites()) == 4)
    campaign = Controls(site.store, site.clock).find("spring").id
    nodes.wait_for("answered calls", lambda: progress(site.store, campaign).answered == 4)
    approve(site.store, "revoked", "2026-03-02T10:16:00+08:00")
    revoked_at = time.time()
    assert nodes.nodes[0].wait(PATIENCE_S) == 1
    assert "the approval of its talk track was revoked" in nodes.output()
    assert last_invite(nodes) <= revoked_at + WITHIN_S
    counted = progress(site.store, campaign)
    assert counted.dispositions == {"NOT_UNDERSTOOD": 4}
    assert (counted.refused, counted.planned) == (0, 36), "a revocation refuses nobody for good"


def test_a_paused_campaign_stays_paused_when_it_is_run_again(begin: Start, site: LedgerSite) -> None:
    nodes = begin(30, RINGING)
    ask(site, Wish.PAUSE)
    nodes.nodes[0].kill()
    nodes.nodes[0].wait()
    dialled = len(nodes.invites())
    again = nodes.start("--workers", "2")
    nodes.wait_for("its word on the pause", lambda: "paused by" in nodes.output(1))
    time.sleep(1.5)
    assert len(nodes.invites()) == dialled
    ask(site, Wish.RESUME)
    assert again.wait(PATIENCE_S) == 0
    assert len(nodes.invites()) == 30
    assert set(Counter(line["case"] for line in nodes.invites()).values()) == {1}


def test_a_run_that_broke_off_is_gone_on_with(begin: Start, site: LedgerSite) -> None:
    nodes = begin(30, RINGING)
    nodes.wait_for("a few calls", lambda: len(nodes.invites()) >= 8)
    nodes.nodes[0].kill()
    nodes.nodes[0].wait()
    assert nodes.start().wait(PATIENCE_S) == 0
    assert "going on with spring-" in nodes.output(1)
    assert len(Controls(site.store, site.clock).campaigns("spring")) == 1
    assert len(nodes.invites()) == 30
    assert set(Counter(line["case"] for line in nodes.invites()).values()) == {1}


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
