"""The HTML report of one campaign run: a folder that stands alone and can be handed over.

index.html            numbers, all calls, all refusals
calls/<attempt>.html  one call: dialogue, decisions, timeline, player
audio/                copies of the recordings
assets/               style and script; nothing is fetched from anywhere
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from voicebot.call.record import CallRecord
from voicebot.call.recording_file import audio_suffix, open_recording
from voicebot.campaign.summary import Refused
from voicebot.quality.call_page import CallPage, read_call
from voicebot.quality.timeline import LEFT_SHARE, RIGHT_SHARE
from voicebot.quality.wording import DISPOSITIONS, LEVELS, SPEAKERS, length, readable, stamp
from voicebot.store.encryption import KeyRing
from voicebot.store.states import Disposition

ASSETS = ("style.css", "report.js")


def write_report(
    out: Path,
    *,
    campaign: str,
    records: Sequence[CallRecord],
    refused: Sequence[Refused],
    summary: Mapping[str, Any],
    names: Mapping[str, tuple[str, ...]] | None = None,
    keys: KeyRing | None = None,
) -> Path:
    """Writes the folder `out` and returns its index.html (written last: when it is there, all is there).

    `names` are the people of each case id (`calls.names_by_case`), known only to be masked in what was said.
    With `keys` the folder holds the recordings, opened, for whoever gets it; without, they stay sealed.
    A recording that is missing or altered is said on the call's page and fails nothing.
    """
    known = names or {}
    shown = sorted(records, key=lambda record: record.dialled_at)
    for folder in ("calls", "audio", "assets"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    pages = environment()
    source = jinja2.PackageLoader("voicebot.quality").get_source
    for asset in ASSETS:
        (out / "assets" / asset).write_text(source(pages, asset)[0], "utf-8")
    rows: list[CallPage] = []
    template = pages.get_template("call.html")
    for number, record in enumerate(shown):
        page = read_call(record, known.get(record.case_id, ()), keys)
        audio = _copy_audio(page, out / "audio", keys)
        html = template.render(
            campaign=campaign,
            page=page,
            record=record,
            picture=Markup(page.picture.svg)
            if page.picture
            else None,  # drawn by us, its texts escaped there
            left_share=LEFT_SHARE,
            right_share=RIGHT_SHARE,
            audio=audio,
            before=shown[number - 1] if number else None,
            after=shown[number + 1] if number + 1 < len(shown) else None,
        )
        (out / "calls" / f"{record.attempt_id}.html").write_text(html, "utf-8")
        rows.append(page)
    index = out / "index.html"
    part = out / "index.html.part"
    part.write_text(
        pages.get_template("index.html").render(
            campaign=campaign,
            calls=rows,
            refused=refused,
            summary=summary,
            shares=_shares(summary),
            packs=sorted({record.pack for record in shown}),
            digests=sorted({record.digest for record in shown}),
        ),
        "utf-8",
    )
    part.replace(index)
    return index


def environment() -> jinja2.Environment:
    """Where the templates of this package's pages come from, with the words that they use."""
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("voicebot.quality"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    pages.filters.update(stamp=stamp, minutes=length, readable=readable)
    pages.globals.update(SPEAKERS=SPEAKERS, LEVELS=LEVELS)
    return pages


def _copy_audio(page: CallPage, folder: Path, keys: KeyRing | None) -> str | None:
    """Returns the address of the copy as seen from the call's page, None when nothing can be played."""
    record = page.record
    if page.sound is None or page.sound.note or record.recording is None or keys is None:
        return None
    name = f"{record.attempt_id}{audio_suffix(record.recording)}"
    with (
        open_recording(record.recording, record.attempt_id, keys) as audio,
        (folder / name).open("wb") as copy,
    ):
        shutil.copyfileobj(audio, copy)
    return f"../audio/{name}"


def _shares(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The dispositions that occurred, most frequent first, with their share of the longest bar in percent."""
    counted = {code: count for code, count in summary["dispositions"].items() if count}
    most = max(counted.values(), default=1)
    return [
        {
            "code": code,
            "count": count,
            "percent": round(100 * count / most),
            "meaning": DISPOSITIONS[Disposition(code)],
        }
        for code, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    ]
