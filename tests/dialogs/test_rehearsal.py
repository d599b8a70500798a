"""A script's lines become events, and a rehearsal keeps what was said; the engine is scripted here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from dialogs.errors import TrackError
from dialogs.manifest import Manifest
from dialogs.policy import Command, LineRef, Reply, TurnEvent
from dialogs.rehearsal import Rehearsal, event_of
from dialogs.track import Track

TODAY = date(2025, 11, 24)


class Engine:
    """One call that answers each event with the next of its replies."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.events, self.closed = list(replies), [], False
        self.flags: Mapping[str, bool] = {}

    async def open(self, call_id: str, digest: str, *, flags, slots, today) -> Engine:
        self.flags = flags
        return self

    async def turn(self, event: TurnEvent) -> Reply:
        self.events.append(event)
        return self.replies.pop(0)

    async def close(self) -> None:
        self.closed = True

    async def ready(self) -> bool:
        return True


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return Manifest.of(Track.load(Path("dialogs/talktracks/reminder.yaml")))


@pytest.mark.parametrize(
    "written, kind, text, digit, values",
    [
        ("喂，你好", "speech", "喂，你好", "", {}),
        ("下周三还|date=2025-12-03", "speech", "下周三还", "", {"date": "2025-12-03"}),
        ("五百|money=50000|offer=plan", "speech", "五百", "", {"money": "50000", "offer": "plan"}),
        ("<verified>", "verified", "", "", {}),
        ("<machine assistant>", "machine", "assistant", "", {}),
        ("<time_up>", "time_up", "", "", {}),
        ("<0>", "dtmf", "", "0", {}),
        ("<#>", "dtmf", "", "#", {}),
    ],
)
def test_a_line_of_a_script(written: str, kind: str, text: str, digit: str, values: dict[str, str]):
    event = event_of(written)
    assert (event.kind, event.text, event.digit, dict(event.values)) == (kind, text, digit, values)


@pytest.mark.parametrize(
    "written, said", [("<verifeid>", "no event 'verifeid'"), ("好|明天", "gives no value")]
)
def test_a_line_that_is_written_wrongly(written: str, said: str):
    with pytest.raises(TrackError, match=said):
        event_of(written)


async def test_a_talk_keeps_what_was_said(manifest: Manifest):
    engine = Engine(
        Reply((LineRef("C.open"),), None, "opening", 0, "unknown"),
        Reply((LineRef("A.ptp", {"promise_date": "2025-12-01"}),), None, "promise", 2, "debtor", asks=1),
        Reply((LineRef("C.bye"),), Command("hangup", "PTP"), "promise", 2, "debtor", asks=1),
    )
    read = {"下周一": {"date": "2025-12-01"}}
    async with Rehearsal(
        engine,
        manifest,
        today=TODAY,
        flags={"partial_allowed": True},
        read=lambda text, today: read.get(text, {}),
    ) as talk:
        assert talk.now.ids == "C.open" and not talk.over
        answer = await talk.say("下周一")
        assert answer.lines[0].text == "好的，我记一下，您打算2025-12-01处理{amount_due}，对吗？"
        assert (answer.stage, answer.level, answer.listener, answer.asks) == ("promise", 2, "debtor", 1)
        await talk.hear("对")
        assert talk.over and talk.disposition == "PTP"
    assert engine.closed and engine.flags == {"partial_allowed": True}
    assert [event.kind for event in engine.events] == ["start", "speech", "speech"]
    assert dict(engine.events[1].values) == {"date": "2025-12-01"}
    assert [answer.heard for answer in talk.answers] == ["<start>", "下周一", "对"]


async def test_a_flag_that_the_track_does_not_know_is_refused(manifest: Manifest):
    with pytest.raises(TrackError, match="no flag 'plan_aproved'"):
        async with Rehearsal(Engine(), manifest, today=TODAY, flags={"plan_aproved": True}):
            pass
