"""The sound of a version: its fixed lines rendered ahead, and any line with sample values, to be heard."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from dialogs.manifest import Manifest, ManifestLine
from voicebot.errors import InputError
from voicebot.settings import Site
from voicebot.speech.spoken.slots import speak
from voicebot.speech.tts.cache import PromptCache
from voicebot.speech.tts.clauses import fill, slots_in, split, spoken_length

Progress = Callable[[int, int], None]
"""Told how many clauses are rendered, of how many; first with 0."""
SAMPLES: Mapping[str, str] = {
    "money": "123456",
    "name": "张伟",
    "text": "客户服务",
    "tail": "8207",
    "time": "16:30",
    "count": "12",
    "number": "4000095500",
}
"""A value of each type: 1,234.56 yuan, a name, the tail of a card …  A date is in nine days."""
NAMES: Mapping[str, str] = {
    "inst_name": "海城消金客服中心",
    "product": "消费贷款",
    "app_name": "海城生活",
    "crisis_hotline": "12356",
}
"""Values of slots that are no person's."""
SAMPLE_DAYS = 9
PLAYERS = (("pw-play",), ("paplay",), ("aplay", "-q"))
SOUND_CARDS = Path("/proc/asound/cards")
PLAY_LIMIT_S = 60


@dataclass(frozen=True)
class Heard:
    """A rendered line: what was spoken, and where its sound lies."""

    line: str
    text: str
    wav: Path
    seconds: float


def voice_of(site: Site, manifest: Manifest) -> str:
    """The site's voice when it may speak this version, else the version's usual one."""
    return site.tts.voice if site.tts.voice in manifest.voices else manifest.voices[0]


def fixed_clauses(manifest: Manifest) -> list[str]:
    """Texts that are the same in every call, each once."""
    run = _run_slots(manifest)
    parts = (part for line in manifest.lines.values() for part in split(line.text, run))
    return list(dict.fromkeys(part.strip() for part in parts if spoken_length(part) and not slots_in(part)))


def rendered(site: Site, manifest: Manifest) -> tuple[int, int]:
    """How many fixed clauses are in the prompt cache, of how many."""
    texts = fixed_clauses(manifest)
    return len(texts) - len(PromptCache(site.prompts).missing(voice_of(site, manifest), texts)), len(texts)


def render_fixed(site: Site, manifest: Manifest, progress: Progress) -> int:
    """Renders what is missing (blocking; seconds a clause).  Returns how many were new."""
    cache, voice = PromptCache(site.prompts), voice_of(site, manifest)
    missing = cache.missing(voice, fixed_clauses(manifest))
    if missing:
        progress(0, len(missing))
        cache.render(voice, missing, site.models, processes=site.tts.processes, progress=progress)
    return len(missing)


def hear(
    site: Site, manifest: Manifest, lines: Sequence[str], today: date, folder: Path, progress: Progress
) -> list[Heard]:
    """Renders lines with sample values, one WAV each below `folder`.  InputError for an unknown line."""
    chosen = [_line(manifest, name) for name in lines] or list(manifest.lines.values())
    spoken = {line.id: _clauses(manifest, line, today) for line in chosen}
    cache, voice = PromptCache(site.prompts), voice_of(site, manifest)
    texts = [text for clauses in spoken.values() for text in clauses]
    if missing := cache.missing(voice, texts):
        progress(0, len(missing))
        cache.render(voice, missing, site.models, processes=site.tts.processes, progress=progress)
    heard = []
    for name, clauses in spoken.items():
        wav = folder / f"{name}.wav"
        heard.append(Heard(name, "".join(clauses), wav, cache.assemble(voice, clauses, wav)))
    return heard


def with_samples(manifest: Manifest, line_id: str, run_slots: Mapping[str, str], today: date) -> str:
    """A line's text with its run-time values, and samples for what the ledger would fill in."""
    line = manifest.lines[line_id]
    values = {name: _sample(manifest, name, today) for name in line.slots}
    values |= {name: speak(manifest.slots[name].type, value, today) for name, value in run_slots.items()}
    return fill(line.text, values)


def play(wav: Path) -> bool:
    """Plays a WAV where the machine has a sound device and a player; False where it has none."""
    try:
        cards = SOUND_CARDS.read_text(encoding="utf-8")
    except OSError:
        return False
    if "no soundcards" in cards or not cards.strip():
        return False
    for program, *options in PLAYERS:
        if shutil.which(program):
            done = subprocess.run(
                [program, *options, str(wav)], capture_output=True, timeout=PLAY_LIMIT_S, check=False
            )
            if done.returncode == 0:
                return True
    return False


def _line(manifest: Manifest, name: str) -> ManifestLine:
    if name not in manifest.lines:
        near = [one for one in manifest.lines if one.split(".")[0] == name.split(".")[0]]
        raise InputError(
            f"{manifest.track}@{manifest.version} has no line {name!r}",
            f"Lines: {', '.join(near or manifest.lines)}.",
        )
    return manifest.lines[name]


def _clauses(manifest: Manifest, line: ManifestLine, today: date) -> list[str]:
    values = {name: _sample(manifest, name, today) for name in line.slots}
    parts = split(line.text, _run_slots(manifest))
    return [fill(part, values) for part in parts if spoken_length(part)]


def _sample(manifest: Manifest, name: str, today: date) -> str:
    spec = manifest.slots[name]
    if spec.values:
        return speak(spec.type, spec.default or spec.values[0], today)
    if spec.type == "date":
        return speak(spec.type, (today + timedelta(days=SAMPLE_DAYS)).isoformat(), today)
    return speak(spec.type, NAMES.get(name, SAMPLES[spec.type]), today)


def _run_slots(manifest: Manifest) -> frozenset[str]:
    return frozenset(name for name, spec in manifest.slots.items() if spec.when == "run")
