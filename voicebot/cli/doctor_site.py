"""The doctor's look at the site: files, models, keys, store, talk tracks, trunks."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy.engine import make_url

from dialogs.manifest import Manifest
from sip.errors import SipError
from sip.trunk import Trunk, load_trunks
from voicebot.campaign.register_files import load_tools
from voicebot.cli.finding import Finding
from voicebot.cli.trunk_probe import answer_to_options, try_to_register
from voicebot.settings import Site
from voicebot.speech.models import ModelShelf, choose
from voicebot.store.approvals import TAMPERED, VERIFY, Approvals
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

PREPARE = "For the demo run: make setup"


def files(site: Site) -> Finding:
    """The files that settings name are there; the packs load."""
    named = (site.trunks, site.tools, site.people, site.agents, site.queues)
    missing = [str(path) for path in named if not path.exists()]
    if missing:
        return Finding.bad(
            f"{', '.join(missing)} missing", "Write it, or name another file in the site's file."
        )
    packs = ", ".join(pack.label for pack in site.packs())
    known = {tool.institution for tool in load_tools(site.tools).tools}
    strangers = {name for policy in site.policies for name in policy.institutions} - known
    if strangers:
        return Finding.bad(
            f"policies.institutions names {', '.join(sorted(strangers))}, who has no caller number",
            f"Write the institution as in {site.tools}, or its parameters hold for nobody.",
        )
    return Finding.fine(f"{len(named)} files; rules of {packs}")


def models(site: Site, *, deep: bool = False) -> Finding:
    """The models of the engines that this site is set to."""
    own = site.asr.model
    if own is not None and not own.is_dir():
        return Finding.bad(
            f"asr.model {own} is no folder", "Unpack the Vosk model there, or remove the setting."
        )
    if site.asr.engine == "vosk" and own is None:
        return Finding.bad("asr.engine is vosk, but asr.model names no model", "Set asr: {model: FOLDER}.")
    if site.asr.engine == "vosk-server" and not site.asr.url:
        return Finding.bad(
            "asr.engine is vosk-server, but asr.url is empty", "Set asr: {url: ws://HOST:PORT}."
        )
    names = ["silero"]
    if site.asr.engine == "whisper" or (site.asr.engine == "auto" and own is None):
        names.append("whisper-base")
    if site.tts.voice.startswith("kokoro:"):
        names.append("kokoro")
    faults = ModelShelf(site.models).faults(choose(names), deep=deep)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return Finding.bad(f"{faults[0]}{more}", "Run: voicebot models install")
    recognises = f"vosk ({own})" if own is not None and site.asr.engine != "whisper" else "whisper-base"
    if site.asr.engine == "vosk-server":
        recognises = f"the vosk-server at {site.asr.url}"
    how = "read again" if deep else "as listed"
    return Finding.fine(
        f"{', '.join(names)} {how}; recognises with {recognises}, speaks with {site.tts.voice}"
    )


def keys(site: Site) -> Finding:
    """The key ring that opens the store's columns."""
    if not site.keys.exists():
        return Finding.bad(f"{site.keys} is missing", PREPARE)
    KeyRing.load(site.keys)
    mode = site.keys.stat().st_mode & 0o777
    if mode & 0o077:
        return Finding.bad(
            f"{site.keys} can be read by others (mode {mode:o})", f"Run: chmod 600 {site.keys}"
        )
    return Finding.fine(f"{site.keys}, mode {mode:o}")


def store(site: Site) -> Finding:
    """The store opens; one that is not there yet is made by what writes first."""
    shown = make_url(site.store).render_as_string(hide_password=True)
    if not site.keys.exists():
        return Finding.bad("not tried: there is no key ring", PREPARE)
    if not Store.is_made(site.store):
        return Finding.fine(
            f"{shown} will be made by what writes first: voicebot apply, scripts-review submit"
        )
    began = time.perf_counter()
    opened = Store.open(site.store, KeyRing.load(site.keys))
    opened.close()
    return Finding.fine(f"{shown} opens ({(time.perf_counter() - began) * 1000:.0f} ms)")


def tracks(site: Site) -> Finding:
    """Every approved version was built on this machine, and the record of reviews is whole."""
    if not Store.is_made(site.store):
        return Finding.bad("no talk track is approved yet", f"scripts-review submit, approve. {PREPARE}")
    store = Store.open(site.store, KeyRing.load(site.keys))
    try:
        record = Approvals(store).record()
    finally:
        store.close()
    if record.faults:
        return Finding.bad(f"{TAMPERED}: {record.faults[0]}", VERIFY)
    approved = [one for one in record.versions.values() if one.speakable]
    if not approved:
        return Finding.bad("no talk track is approved yet", f"scripts-review submit, approve. {PREPARE}")
    built = []
    for one in approved:
        folder = site.tracks / one.digest
        if not (folder / "manifest.json").exists() or not (folder / "model.tar.gz").exists():
            do = f"Run: scripts-review prepare {one.reference}"
            return Finding.bad(f"{one.reference} ({one.digest[:12]}) is approved but not built", do)
        manifest = Manifest.load(folder / "manifest.json")
        built.append(f"{one.reference} ({one.digest[:12]}, {len(manifest.lines)} lines)")
    return Finding.fine(f"approved and built: {', '.join(built)}")


def trunks(site: Site) -> Finding:
    """Each gateway is asked with OPTIONS; any SIP answer means that somebody is there.  A trunk that wants it
    is registered once, and the registration given back."""
    said: list[str] = []
    wrong: list[str] = []
    for trunk in load_trunks(site.trunks).values():
        if trunk.simulated:
            said.append(f"{trunk.name} is simulated (its gateways start with the run)")
        elif not trunk.options:
            said.append(f"{trunk.name} is not asked (options: false)")
        try:
            trunk.require_files()
            for gateway in trunk.gateways if trunk.options else ():
                answer = answer_to_options(trunk, gateway, site.sip.ip)
                (said if answer else wrong).append(_told(trunk, gateway, answer))
            if trunk.registration is not None:
                status = asyncio.run(try_to_register(trunk, site.sip.ip))
                (said if status.ready else wrong).append(f"{trunk.name}: {status.text}")
        except SipError as fault:
            wrong.append(str(fault))
    if wrong:
        return Finding.bad(
            "; ".join(wrong),
            "Check the address, the firewall and whether the carrier answers OPTIONS; "
            "`voicebot trunk test NAME` tries one trunk step by step.",
        )
    return Finding.fine("; ".join(said))


def _told(trunk: Trunk, gateway: str, answer: str) -> str:
    return (
        f"{trunk.name} {gateway} answers {answer}"
        if answer
        else f"{trunk.name} {gateway} does not answer OPTIONS"
    )
