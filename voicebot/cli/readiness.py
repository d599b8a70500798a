"""What a run asks before it makes anything: the trunk, the models, the dialog service's Python."""

from __future__ import annotations

from pathlib import Path

import typer

from sip.trunk import Trunk, load_trunks
from voicebot.campaign.campaign_file import Campaign
from voicebot.cli.trunk_probe import answer_to_options
from voicebot.errors import InputError, NotReady
from voicebot.settings import Site
from voicebot.speech.asr.engine import vosk_model_in
from voicebot.speech.models import ModelShelf
from voicebot.yaml_document import YamlDocument


def require_ready(site: Site, campaign: Campaign) -> None:
    """NotReady or InputError for the first part that is missing.  Takes 3.5 s for each silent gateway.

    A gateway that is silent beside others that answer is only named on stderr.
    """
    if not site.keys.is_file():
        raise NotReady(
            "the site has no keys yet",
            "Put the site's key file there; for the demo run: voicebot demo prepare.",
            site.keys,
        )
    if not site.rasa_python.is_file():
        raise NotReady("the Rasa environment is not set up", "Run: make setup", site.rasa_python)
    ModelShelf(site.models).require(*needed_models(site))
    trunk = load_trunks(site.trunks)[campaign.trunk]
    if not trunk.simulated:
        trunk.require_files()
        if trunk.options:
            _require_answers(site, trunk)
    elif campaign.simulation is None:
        raise InputError(
            "a simulated trunk needs a simulation section",
            "Write simulation: {start: 2026-03-02T10:15}, or name a carrier's trunk.",
            key="trunk",
        )


def needed_models(site: Site) -> list[str]:
    """Names in the catalogue of the models that the site's engines load.  A Vosk model is the site's own."""
    asr = site.asr
    own = asr.engine == "vosk" or (asr.engine == "auto" and (asr.model or vosk_model_in(site.models)))
    names = ["silero"] if own else ["silero", "whisper-base"]
    return [*names, "kokoro"] if site.tts.voice.startswith("kokoro:") else names


def _require_answers(site: Site, trunk: Trunk) -> None:
    """Somebody must answer; calls that go to a silent gateway in its turn may fail."""
    silent = [gateway for gateway in trunk.gateways if not answer_to_options(trunk, gateway, site.sip.ip)]
    if not silent:
        return
    named = f"{' and '.join(silent)} of trunk {trunk.name} did not answer OPTIONS from {site.sip.ip}"
    if len(silent) < len(trunk.gateways):
        typer.echo(f"warning: {named}; calls in its turn may fail", err=True)
    else:
        raise NotReady(
            named,
            "Check the address, the firewall and sip.ip of the site; if the carrier ignores OPTIONS, write "
            "options: false.",
            site.trunks,
            YamlDocument.read(site.trunks).line_of(("trunks", trunk.name, "gateways")),
            f"trunks.{trunk.name}.gateways",
        )


def placed(fault: InputError, file: Path) -> InputError:
    """The fault with the campaign file's line, where it names only a key of that file."""
    if fault.where is None and fault.key is not None:
        fault.where, fault.line = file, YamlDocument.read(file).line_of((fault.key,))
    return fault
