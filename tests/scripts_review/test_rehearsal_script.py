"""Scripts of rehearsals: what counts as written, and the script through every way out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from dialogs.manifest import Manifest
from dialogs.policy import Command, LineRef, Reply, TurnEvent
from dialogs.track import Track
from scripts_review.exits_script import exit_calls, write
from scripts_review.rehearsal_script import Outcome, ScriptedCall, load_script, rehearse
from voicebot.errors import InputError

TODAY = date(2025, 11, 24)
CONTACT = Path("dialogs/talktracks/contact.yaml")
OPEN = Reply((LineRef("D.open"),), None, "opening", 0, "unknown", intent="event.start")


@pytest.fixture(scope="module")
def track() -> Track:
    return Track.load(CONTACT)


class Engine:
    """Understands only the texts of `knows`; the day that each call was opened with is kept."""

    def __init__(self, knows: Mapping[str, Reply]) -> None:
        self.knows = knows
        self.days: list[date] = []

    async def open(self, call_id: str, digest: str, *, today: date, **_: object) -> Engine:
        self.days.append(today)
        return self

    async def turn(self, event: TurnEvent) -> Reply:
        other = Reply((LineRef("C.sorry"),), None, "opening", 0, "unknown", intent="nlu_fallback")
        return OPEN if event.kind == "start" else self.knows.get(event.text, other)

    async def close(self) -> None: ...

    async def ready(self) -> bool:
        return True


STOP = Reply(
    (LineRef("C.stop_debtor"),),
    Command("hangup", "STOP_REQUEST", stop_list="DEBTOR_NO_BOT"),
    "opening",
    0,
    "unknown",
    intent="D.refuse_contact",
)


async def played(track: Track, engine: Engine, **call: object) -> Outcome:
    return await rehearse(engine, Manifest.of(track), "one", ScriptedCall.model_validate(call), TODAY)


async def test_one_of_several_ways_to_say_it_is_enough(track: Track) -> None:
    engine = Engine({"别打了": STOP})
    outcome = await played(
        track,
        engine,
        today="2025-12-01",
        said=[["不要来电", "别打了"]],
        intents=["D.refuse_contact"],
        lines=["C.stop_debtor"],
        command={
            "action": "hangup",
            "disposition": "STOP_REQUEST",
            "stop_list": "DEBTOR_NO_BOT",
            "hold": None,
        },
    )
    assert outcome.faults == () and outcome.exit == "hangup STOP_REQUEST + DEBTOR_NO_BOT"
    assert engine.days == [date(2025, 12, 1)] * 2, "the script's own day, at each try"


async def test_what_went_otherwise_is_told_of_the_first_way(track: Track) -> None:
    outcome = await played(
        track,
        Engine({}),
        said=[["不要来电", "别打了"]],
        intents=["D.refuse_contact"],
        command={"action": "hangup"},
    )
    assert outcome.faults == (
        "'不要来电', taken for nlu_fallback: intent nlu_fallback, not D.refuse_contact",
        "it did not end: {'action': 'hangup'}",
    )


async def test_another_command_is_a_fault(track: Track) -> None:
    engine = Engine({"别打了": STOP})
    for wanted, told in (
        ({"hold": "open_complaint"}, "hold None, not 'open_complaint'"),
        ({"disposition": "COMPLAINT"}, "disposition 'STOP_REQUEST', not 'COMPLAINT'"),
        (None, "it ended with STOP_REQUEST"),
    ):
        assert (await played(track, engine, said=["别打了"], command=wanted)).faults == (told,)
    assert (await played(track, engine, said=["别打了", "喂"])).faults == (
        "'喂' is not heard any more: the call was over",
    )


async def test_a_line_that_the_player_would_refuse_is_a_fault(track: Track) -> None:
    """The engine names a debt line to somebody who was not verified: no call may say it."""
    reminder = Track.load(CONTACT.with_name("reminder.yaml"))
    told = Reply((LineRef("A.post"),), None, "opening", 1, "unknown", intent="C.yes_self")
    outcome = await played(reminder, Engine({"是我": told}), said=["是我"])
    assert outcome.faults == ("'是我': A.post needs debtor at v2; here is unknown at v1",)


def test_the_script_through_every_exit_says_the_same_in_its_file(tmp_path: Path, track: Track) -> None:
    calls, missing = exit_calls(track, TODAY)
    assert not missing and len(calls) > 100
    write(calls, tmp_path / "exits.yaml", "contact@1")
    assert load_script(tmp_path / "exits.yaml") == calls
    assert "&id" not in (tmp_path / "exits.yaml").read_text("utf-8"), "a person reads it"
    ends = {(call.command or {}).get("disposition") for call in calls.values()}
    assert {"COMPLAINT", "DISPUTE", "VULNERABLE", "HUMAN", "CONTACT_REFUSED", "WRONG_PARTY"} <= ends
    assert all(call.today == TODAY and len(call.said) == len(call.intents) for call in calls.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one: {said: [喂], lines: [C.open, C.bye]}", "lines has 2 entries for 1 things said"),
        ("one: {said: [[]]}", "at least 1 item"),
        ("one: {say: [喂]}", "unknown"),
    ],
)
def test_a_script_that_is_written_wrongly(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said) as fault:
        load_script(path)
    assert fault.value.line == 1
