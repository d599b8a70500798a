"""Builds the scene of a warm transfer on paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from handoff.consult import WarmTransfer
from tests.handoff.paper_phone import PaperPhone, Script, queue_with, tone
from tests.handoff.paper_scene import SETTINGS, WHISPER_S, Build, Scene


@pytest.fixture
def scene(tmp_path: Path) -> Build:
    whisper = tone(tmp_path / "whisper.wav", 800, WHISPER_S)
    hold = tone(tmp_path / "hold.wav", 500, 0.5)
    gone = tone(tmp_path / "gone.wav", 900, 0.05)

    def build(
        scripts: dict[str, Script], *, barred: frozenset[str] = frozenset(), **changes: object
    ) -> Scene:
        settings = SETTINGS.model_copy(update=changes)
        phone = PaperPhone(scripts)
        debtor = phone.debtor()
        queue, line, desk = queue_with(
            {name: f"sip:{name}@127.0.0.1" for name in scripts}, settings, barred=barred
        )
        made = Scene(phone, debtor, queue, line, None)  # type: ignore[arg-type]
        made.transfer = WarmTransfer(
            debtor, phone, desk, whisper=whisper, hold=hold, gone=gone, settings=settings,  # type: ignore[arg-type]
            attempt_id="att-1", on_state=made.note,
        )  # fmt: skip
        return made

    return build
