"""The table of a handoff's states, move by move."""

from __future__ import annotations

import itertools
import re

import pytest

from handoff import states
from handoff.states import ENDS, MOVES, HandoffMachine, HandoffState, IllegalHandoffMove

PATH_TO = {
    HandoffState.REQUESTED: [],
    HandoffState.RESERVING: [HandoffState.RESERVING],
    HandoffState.RINGING: [HandoffState.RESERVING, HandoffState.RINGING],
    HandoffState.WHISPER: [HandoffState.RESERVING, HandoffState.RINGING, HandoffState.WHISPER],
}
PATH_TO[HandoffState.BRIDGED] = [*PATH_TO[HandoffState.WHISPER], HandoffState.BRIDGED]
for end, before in {
    HandoffState.WRAP_UP: HandoffState.BRIDGED,
    HandoffState.RETURNED: HandoffState.BRIDGED,
    HandoffState.PASSED_ON: HandoffState.BRIDGED,
    HandoffState.CALLBACK: HandoffState.RESERVING,
    HandoffState.ABANDONED: HandoffState.REQUESTED,
}.items():
    PATH_TO[end] = [*PATH_TO[before], end]


def machine_in(state: HandoffState) -> HandoffMachine:
    machine = HandoffMachine()
    for step in PATH_TO[state]:
        machine.move(step)
    assert machine.state is state
    return machine


@pytest.mark.parametrize(("old", "new"), list(itertools.product(HandoffState, HandoffState)))
def test_a_move_is_legal_only_as_the_table_says(old: HandoffState, new: HandoffState) -> None:
    machine = machine_in(old)
    if new in MOVES[old]:
        machine.move(new)
        assert machine.state is new
    else:
        with pytest.raises(IllegalHandoffMove):
            machine.move(new)
        assert machine.state is old


def test_the_table_drawn_for_people_is_the_table_in_force() -> None:
    drawn: dict[str, set[str]] = {}
    old = ""
    for line in (states.__doc__ or "").splitlines():
        if found := re.match(r"\s*([\w-]*)\s+→ ([\w-]+)\s{3,}", line):
            old = found[1] or old
            drawn.setdefault(old, set()).add(found[2])
    drawn.pop("from")
    assert drawn == {old.value: {new.value for new in MOVES[old]} for old in MOVES if MOVES[old]}


def test_exactly_five_ends_and_a_talk_has_no_way_back_into_the_queue() -> None:
    assert [str(end) for end in sorted(ENDS)] == ["abandoned", "callback", "passed-on", "returned", "wrap-up"]
    assert all(machine_in(end).over for end in ENDS)
    assert not machine_in(HandoffState.BRIDGED).over
