"""`voicebot trace NUMBER --around "昨天下午"`: from a complaint to the call, its tool, its bot."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from voicebot.campaign.phone_number import to_e164
from voicebot.campaign.simulated_run import clock_of
from voicebot.cli.listing import show_json
from voicebot.cli.site_store import AsJson, By, SiteFile, StoreUrl, actor, opened
from voicebot.errors import InputError
from voicebot.quality.trace import Traced, trace
from voicebot.quality.when import when
from voicebot.quality.wording import DISPOSITIONS
from voicebot.store.looks import note_look
from voicebot.store.masking import mask_phone


def trace_number(
    number: Annotated[str, typer.Argument(help="The number that was called: 138…, 010-…, +86….")],
    around: Annotated[
        str | None,
        typer.Option(
            help="About when: 昨天下午, 11月20日上午十点, 2026-11-20 15:30 …; any time if left out."
        ),
    ] = None,
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Find the calls to a number: case, registered caller number, approved version or agent, recording.

    The look-up is audited, with the number as its keyed hash. Exit code 1 when there was no such call.
    """
    try:
        e164 = to_e164(number)
    except ValueError as fault:
        raise InputError(f"this is no number: {fault}", key="NUMBER") from None
    with opened(site_file, store) as place:
        clock = clock_of(place.store, place.zone)
        span = when(around, clock.now()) if around else None
        note_look(
            place.store, clock, actor(by), "trace", place.store.keys.blind_index(e164).hex(), around or ""
        )
        found = trace(place.store, e164, span, place.zone)
    if as_json:
        show_json([asdict(one) for one in found])
    else:
        asked = f", {span.begin:%Y-%m-%d %H:%M} – {span.end:%Y-%m-%d %H:%M}" if span else ""
        typer.echo(f"{mask_phone(e164)}{asked}: {len(found)} calls")
        for one in found:
            typer.echo(_told(one))
    if not found:
        raise typer.Exit(1)


def _told(one: Traced) -> str:
    at = f"{one.dialled_at:%Y-%m-%d %H:%M:%S}"
    known = {str(disposition): meaning.chinese for disposition, meaning in DISPOSITIONS.items()}
    return "\n".join(
        (
            f"\n{at}  {one.disposition} {known.get(one.disposition, '')}".rstrip(),
            f"  call       {one.attempt_id}",
            f"  case       {one.case_id} of {one.institution} (campaign {one.campaign})",
            f"  from       {one.caller}, {one.tool}",
            f"  bot        {one.bot}, approved by {', '.join(one.approved_by) or 'nobody known'}",
            f"  agent      {one.agent or '-'}",
            f"  recording  {one.recording or '-'}",
        )
    )
