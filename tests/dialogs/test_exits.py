"""Through every exit of every track, on the real engine: what people say leads where the track says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dialogs.exits import Way, ways
from dialogs.manifest import Manifest
from dialogs.rehearsal import Rehearsal
from dialogs.service import DialogService
from dialogs.track import Track
from tests.dialogs.conftest import NAMES, TODAY

TEXTS = 6
"""So many of the bank's texts are tried for a turn: the bank is what was learned, not what is tested here."""


@pytest.mark.parametrize("name", NAMES)
def test_there_is_a_way_to_every_exit(name: str):
    """An exit without one can never happen: its reply is dead, and a reviewer would read it in vain."""
    found, missing = ways(Track.load(Path(f"dialogs/talktracks/{name}.yaml")), TODAY)
    assert not missing, [str(exit) for exit in missing]
    kinds = Counter(way.exit.step.end or way.exit.step.handoff for way in found)
    assert {"COMPLAINT", "DISPUTE", "VULNERABLE", "HUMAN", "CONTACT_REFUSED", "WRONG_PARTY"} <= set(kinds)


@pytest.mark.calls
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
async def test_every_exit_is_reached(service: DialogService, manifests: dict[str, Manifest], name: str):
    found, _ = ways(Track.load(Path(f"dialogs/talktracks/{name}.yaml")), TODAY)
    failed = []
    for way in found:
        for choice in range(TEXTS):
            if not (told := await went(service, manifests[name], way, choice)):
                break
        else:
            failed.append(f"{way.exit}: {told}")
    assert not failed, f"{len(failed)} of {len(found)}: " + "; ".join(failed)


async def went(service: DialogService, manifest: Manifest, way: Way, choice: int) -> str:
    """Empty when the call came to the exit; else where it went instead."""
    async with Rehearsal(
        service.policy(), manifest, today=TODAY, flags=dict.fromkeys(way.flags, True)
    ) as talk:
        for heard in way.heard:
            answer = await talk.hear(heard.script(choice))
            if answer.reply.degraded:
                return f"{heard.script(choice)}: the engine failed"
            if answer.intent != heard.intent:
                return f"{heard.script(choice)} was taken for {answer.intent}"
            for line in (manifest.lines[one.id] for one in answer.lines):  # else the player refuses it
                if line.level > answer.level or line.listener not in ("unknown", answer.listener):
                    return f"{line.id} cannot be spoken in {answer.stage}"
        step, command = way.exit.step, talk.now.command
        if command is None:
            return f"ended in {talk.now.stage} with {talk.now.ids}"
        given = (command.stop_list, command.hold, command.action, talk.now.ids)
        wanted = (step.stop_list, step.hold, "hangup" if step.end else "handoff", "+".join(step.say))
        return "" if given == wanted else f"{given} instead of {wanted}"
