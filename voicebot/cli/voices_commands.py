"""`voicebot voices`: what the bot can speak with, and how one voice compares with another."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from voicebot.errors import InputError, NotReady
from voicebot.settings import Site, load_site
from voicebot.simulate.hearing import sounds
from voicebot.speech.asr.engine import Engine, load_engine
from voicebot.speech.audio import SAMPLE_RATE, Samples, level_dbfs, to_pcm
from voicebot.speech.tts.engine import RenderError, Voice, installed_voices, load_voice, voice_version
from voicebot.speech.tts.loudness import to_prompt
from voicebot.speech.tts.render_process import write_wav
from voicebot.speech.tts.soundness import fault_of

TEXTS = (
    "您好，本次通话由AI合成语音提供，并会全程录音。",
    "请问您打算什么时候还款？",
    "三千二百五十六元八角，",
    "好的，感谢接听，再见。",
)

app = typer.Typer(no_args_is_help=True, help="The bot's voices: list, compare.")
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@dataclass(frozen=True)
class Compared:
    """One voice over all texts."""

    voice: str
    fault: str = ""
    seconds: float = 0.0
    "Of speech."
    cpu: float = 0.0
    "CPU seconds a second of speech, the loading of the voice not counted."
    dbfs: float = 0.0
    understood: float = 0.0
    "Share of the syllables that the recogniser of this site gets back."
    files: tuple[str, ...] = ()


@app.command("list")
def list_voices(as_json: AsJson = False) -> None:
    """Show the voices that this machine has."""
    site = load_site()
    rows = [
        {"voice": name, "version": voice_version(name), "of_this_site": name == site.tts.voice}
        for name in installed_voices(site.models)
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    table = Table(title=f"Voices in {site.models}", title_justify="left")
    for column in ("voice", "version", ""):
        table.add_column(column)
    for row in rows:
        speaks = "speaks (tts.voice)" if row["of_this_site"] else ""
        table.add_row(str(row["voice"]), str(row["version"]), speaks)
    Console().print(table)


@app.command("compare")
def compare(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to speak; a few usual ones.")] = None,
    voice: Annotated[list[str] | None, typer.Option(help="Voices; all that are installed.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the WAV files.")] = Path("var/voices"),
    as_json: AsJson = False,
) -> None:
    """Speak the same texts with each voice, as the telephone will carry them, and say what they cost."""
    site = load_site()
    engine = _recogniser(site)
    wanted = voice or installed_voices(site.models)
    found = [_compared(site, name, tuple(texts or TEXTS), out, engine) for name in wanted]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1))
    else:
        _show(found, out)
    if all(one.fault for one in found):
        raise typer.Exit(1)


def _recogniser(site: Site) -> Engine:
    return load_engine(site.asr.engine, site.models, 1, site.asr.model, site.asr.url)


def _compared(site: Site, name: str, texts: tuple[str, ...], out: Path, engine: Engine) -> Compared:
    try:
        voice = load_voice(name, site.models)
        return _measured(voice, name, texts, out, engine)
    except (InputError, NotReady, RenderError) as fault:
        return Compared(name, str(fault))


def _measured(voice: Voice, name: str, texts: tuple[str, ...], out: Path, engine: Engine) -> Compared:
    folder = out / name.replace(":", "-")
    folder.mkdir(parents=True, exist_ok=True)
    seconds = cpu = levels = understood = 0.0
    files = []
    voice.render(texts[0])  # what is loaded at the first text is not counted
    for number, text in enumerate(texts, 1):
        began = _cpu_s()
        raw, rate = voice.render(text)
        prompt = to_prompt(raw, rate)
        cpu += _cpu_s() - began
        if fault := fault_of(raw, prompt, text):
            raise RenderError(f"text {number}: {fault}")
        path = folder / f"{number}.wav"
        write_wav(path, to_pcm(prompt))
        files.append(str(path))
        seconds += prompt.size / SAMPLE_RATE
        levels += level_dbfs(prompt)
        understood += _understood(engine, text, prompt)
    return Compared(
        name,
        "",
        round(seconds, 2),
        round(cpu / seconds, 3),
        round(levels / len(texts), 1),
        round(understood / len(texts), 3),
        tuple(files),
    )


def _cpu_s() -> float:
    """Of this process and of children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _understood(engine: Engine, text: str, prompt: Samples) -> float:
    session = engine.open("live", ())
    session.feed(to_pcm(prompt))
    heard = session.decode().text
    session.close()
    return SequenceMatcher(None, sounds(text), sounds(heard), autojunk=False).ratio()


def _show(found: list[Compared], out: Path) -> None:
    table = Table(title=f"Voices compared; listen in {out}", title_justify="left")
    for column in ("voice", "speech s", "CPU s a second", "dBFS", "understood"):
        table.add_column(column, justify="left" if column == "voice" else "right", no_wrap=True)
    for one in found:
        if not one.fault:
            table.add_row(
                one.voice, f"{one.seconds:.1f}", f"{one.cpu:.2f}", f"{one.dbfs:.0f}", f"{one.understood:.0%}"
            )
    Console().print(table)
    for one in found:
        if one.fault:
            typer.echo(f"✗ {one.voice}: {one.fault}")
