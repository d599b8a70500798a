"""`voicebot doctor`: is this site ready to call?  One line a check, and what to do about each fault."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dialogs.errors import TrackError
from sip.errors import SipError
from voicebot.cli import doctor_machine, doctor_site
from voicebot.cli.finding import Finding
from voicebot.console import told
from voicebot.errors import InputError
from voicebot.settings import Site, load_site

CHECKS: tuple[tuple[str, Callable[[Site], Finding]], ...] = (
    ("core environment", doctor_machine.core_environment),
    ("Rasa environment", doctor_machine.rasa_environment),
    ("disk", doctor_machine.disk),
    ("clock", doctor_machine.clock),
    ("espeak-ng", doctor_machine.espeak),
    ("fonts", doctor_machine.fonts),
    ("PJSIP call limit", doctor_machine.call_limit),
    ("ports", doctor_machine.ports),
    ("files in configs", doctor_site.files),
    ("models", doctor_site.models),
    ("key ring", doctor_site.keys),
    ("store", doctor_site.store),
    ("talk tracks", doctor_site.tracks),
    ("trunks", doctor_site.trunks),
)


@dataclass(frozen=True)
class Checked:
    """One check's name, finding and duration."""

    name: str
    finding: Finding
    seconds: float

    def line(self) -> str:
        mark = "✓" if self.finding.good else "✗"
        do = f" → {self.finding.do}" if self.finding.do else ""
        return f"{mark} {self.name}: {self.finding.text}{do}"


def examine(site: Site, deep: bool, tell: Callable[[Checked], None]) -> bool:
    """Runs every check, one after another; True when all are good.  A fault of one never hides the others."""
    good = True
    for name, check in CHECKS:
        began = time.perf_counter()
        try:
            finding = doctor_site.models(site, deep=deep) if check is doctor_site.models else check(site)
        except (InputError, TrackError, SipError) as fault:
            finding = Finding.bad(told(fault))
        except OSError as fault:
            finding = Finding.bad(
                f"{fault.strerror or fault} ({fault.filename})" if fault.filename else str(fault)
            )
        tell(Checked(name, finding, time.perf_counter() - began))
        good = good and finding.good
    return good


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read every model file again (seconds).")] = False,
    site_file: Annotated[Path | None, typer.Option("--site", help="The site's settings file.")] = None,
) -> None:
    """Is this site ready to call?  Says what to do about each fault; exit code 1 when there is one."""
    site = load_site(site_file)
    if not examine(site, deep, lambda checked: typer.echo(checked.line())):
        raise typer.Exit(1)
