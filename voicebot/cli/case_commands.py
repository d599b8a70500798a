"""`voicebot case`: holds, approvals and events of a case, which the gate goes by."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from voicebot.cli.listing import show_done, show_rows
from voicebot.cli.site_store import AsJson, By, SiteFile, StoreUrl, actor, moment, opened
from voicebot.errors import InputError
from voicebot.store.case_marks import APPROVALS, CONSENT, MARKS, CaseMarks

app = typer.Typer(no_args_is_help=True)

CaseId = Annotated[str, typer.Argument(help="The case's id, as the lists have it.")]
MarkName = Annotated[str, typer.Argument(help=f"One of {', '.join(MARKS)}.")]
Institution = Annotated[str, typer.Option(help="Whose case it is.")]


@app.command("mark")
def mark(
    case_id: CaseId,
    name: MarkName,
    institution: Institution,
    evidence: Annotated[
        str, typer.Option(help="The recording or document (needed for approvals and consent).")
    ] = "",
    until: Annotated[str | None, typer.Option(help="The last moment, like 2026-05-01.")] = None,
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Put a hold, an approval or an event on a case."""
    if name in (*APPROVALS, CONSENT) and not evidence.strip():
        raise InputError(f"{name} needs evidence", "Name the recording or document.", key="--evidence")
    with opened(site_file, store) as place:
        expires = moment(until, place.zone, "--until", end=True)
        marks = CaseMarks(place.store, place.clock)
        marks.set(institution, case_id, name, made_by=actor(by), evidence=evidence, expires=expires)
    done = {"case": case_id, "mark": name, "until": expires, "evidence": evidence}
    show_done(done, as_json, f"{case_id}: {name} is in force.")


@app.command("clear")
def clear(
    case_id: CaseId,
    name: MarkName,
    institution: Institution,
    why: Annotated[str, typer.Option(help="Why it ends, like the answer to the complaint.")],
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """End a mark."""
    with opened(site_file, store) as place:
        marks = CaseMarks(place.store, place.clock)
        marks.clear(institution, case_id, name, made_by=actor(by), why=why)
    show_done({"case": case_id, "mark": name, "why": why}, as_json, f"{case_id}: {name} has ended.")


@app.command("list")
def list_marks(
    case_id: Annotated[str | None, typer.Option("--case", help="Only this case's.")] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Show the marks in force."""
    with opened(site_file, store) as place:
        rows = [
            {
                "case": one.case_id,
                "institution": one.institution,
                "mark": one.mark,
                "evidence": one.evidence,
                "by": one.made_by,
                "since": datetime.fromtimestamp(one.made_ms / 1000, place.zone),
                "until": datetime.fromtimestamp(one.expires_ms / 1000, place.zone)
                if one.expires_ms
                else None,
            }
            for one in CaseMarks(place.store, place.clock).all()
            if case_id in (None, one.case_id)
        ]
    show_rows(rows, as_json, "No case is marked.")
