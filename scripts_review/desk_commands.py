"""Commands that sign something: submit, approve, reject, revoke; keys, and the way between sites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts_review.preparing import queue
from scripts_review.site_desk import OWN_KEYS, key_of, opened, passphrase
from scripts_review.transfer import bring_in, export_version, read_bundle
from voicebot.console import counted
from voicebot.errors import InputError
from voicebot.store.approvals import why_not
from voicebot.store.review_record import Standing
from voicebot.store.signatures import create_key, public_text
from voicebot.store.track_states import SPEAKABLE, TrackState

LEAST_PASSPHRASE = 8
Reference = Annotated[str, typer.Argument(metavar="ID@V", help="Like reminder@2.")]
Person = Annotated[str, typer.Option("--as", help="Your id in the register of people.")]
KeyFile = Annotated[
    Path | None, typer.Option("--key", help="Your private key; without it ~/.config/voicebot/YOUR-ID.pem.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SiteFile = Annotated[Path | None, typer.Option("--site", help="Site settings (configs/site.yaml).")]


def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The talk track, YAML.")],
    person: Person,
    author: Annotated[str, typer.Option(help="Who wrote it, when that was not you.")] = "",
    comment: Annotated[str, typer.Option(help="What changed, for the reviewers.")] = "",
    key: KeyFile = None,
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a lint-clean track before the reviewers, whole: what they read is kept in the store."""
    with opened(site, make=True) as here:
        signer = key_of(here.site, person, key)
        _print(here.desk.submit(file, person, signer, author=author, comment=comment), as_json)


def approve(
    reference: Reference,
    person: Person,
    comment: Annotated[str, typer.Option(help="What you read, heard and tried.")],
    key: KeyFile = None,
    prepare: Annotated[
        bool, typer.Option("--prepare/--no-prepare", help="Build and render in the background when approved.")
    ] = True,
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Sign a submitted version.  The last signature that it takes publishes it."""
    with opened(site) as here:
        standing = here.desk.approve(reference, person, key_of(here.site, person, key), comment)
        log = queue(here.site, standing, site) if prepare and standing.speakable else None
    _print(standing, as_json, log)


def reject(
    reference: Reference,
    person: Person,
    reason: Annotated[str, typer.Option(help="What must change.")],
    key: KeyFile = None,
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Send a submitted version back to its author."""
    with opened(site) as here:
        _print(here.desk.reject(reference, person, key_of(here.site, person, key), reason), as_json)


def revoke(
    reference: Reference,
    person: Person,
    reason: Annotated[str, typer.Option(help="Why nobody may hear it any more.")],
    key: KeyFile = None,
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Take an approved version out of use at once: no new call, and calls in progress end politely."""
    with opened(site) as here:
        _print(here.desk.revoke(reference, person, key_of(here.site, person, key), reason), as_json)


def keygen(
    who: Annotated[
        str,
        typer.Argument(metavar="PERSON|FILE", help="Your id: ~/.config/voicebot/ID.pem; or another file."),
    ],
    unencrypted: Annotated[
        bool, typer.Option("--unencrypted", help="Without a passphrase: whoever reads the file can sign.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make your key, sealed by a passphrase; print the public half, which is registered for you."""
    path = Path(who) if "/" in who or who.endswith(".pem") else OWN_KEYS.expanduser() / f"{who}.pem"
    if path.exists():
        raise InputError("there is a key already", "Keep it, or move it away first.", path)
    secret = b"" if unencrypted else passphrase(f"Passphrase for {path}: ", twice=True)
    if not unencrypted and len(secret) < LEAST_PASSPHRASE:
        raise InputError(
            f"the passphrase has fewer than {LEAST_PASSPHRASE} bytes", "Take a longer one.", key="passphrase"
        )
    public = public_text(create_key(path, secret or None))
    if as_json:
        typer.echo(json.dumps({"private_key": str(path), "public_key": public}))
    else:
        typer.echo(f"private key  {path} (for you alone)\npublic_key: {public}")


def export(
    reference: Reference,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where it is written, JSON.")],
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Write a version with everything that was signed about it, for another site."""
    with opened(site) as here:
        bundle = export_version(here.store, reference)
    out.write_text(json.dumps(bundle, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    told = {"reference": reference, "file": str(out), "reviews": len(bundle["reviews"])}
    typer.echo(
        json.dumps(told)
        if as_json
        else f"{reference} with {counted(len(bundle['reviews']), 'signature')}: {out}"
    )


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What another site exported.")],
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Bring an exported version into this site's store; its signers must be registered here."""
    bundle = read_bundle(file)
    with opened(site, make=True) as here:
        standing, new = bring_in(here.store, here.clock, bundle)
    if not as_json:
        typer.echo(counted(new, "new signature"))
    _print(standing, as_json)


def as_data(standing: Standing) -> dict[str, Any]:
    """Where a version stands, for --json."""
    return {
        "reference": standing.reference,
        "track": standing.track,
        "version": standing.version,
        "digest": standing.digest,
        "state": str(standing.state),
        "speakable": standing.speakable,
        "author": standing.author,
        "submitter": standing.submitter,
        "topics": list(standing.topics),
        "approved_by": list(standing.signers),
        "approved_at": standing.approved_at.isoformat() if standing.approved_at else None,
        "waits_for": waits_for(standing),
    }


def waits_for(standing: Standing) -> str:
    """What a version still takes, or why nobody may speak it; empty when it may be spoken."""
    if standing.speakable:
        return ""
    if standing.state is TrackState.SUBMITTED:
        return standing.waits_for
    return why_not(standing)


def _print(standing: Standing, as_json: bool, log: Path | None = None) -> None:
    if as_json:
        typer.echo(
            json.dumps({**as_data(standing), "preparing": str(log) if log else None}, ensure_ascii=False)
        )
        return
    typer.echo(f"{standing.reference} is {standing.state}  digest {standing.digest}")
    by = f", approved by {', '.join(standing.signers)}" if standing.signatures else ""
    typer.echo(f"author {standing.author}{by}")
    if standing.state is TrackState.SUBMITTED:
        topics = f" (it speaks of {', '.join(standing.topics)})" if standing.topics else ""
        typer.echo(f"it takes {standing.waits_for}{topics}")
    elif standing.state not in SPEAKABLE:
        typer.echo(why_not(standing))
    if log is not None:
        typer.echo(f"building and rendering in the background: {log}; see scripts-review list")
