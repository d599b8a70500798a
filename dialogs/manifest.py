"""What a player needs to know of an approved track: its lines, slots and voices, under its digest."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dialogs.engine import engine
from dialogs.errors import TrackError
from dialogs.track import SLOT, Track


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ManifestLine(_Part):
    """Who may hear the line, from which level on, and which facts the ledger must vouch for."""

    id: str
    text: str
    listener: str
    level: int
    flags: tuple[str, ...] = ()

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the slots in the text, in order."""
        return tuple(SLOT.findall(self.text))


class ManifestSlot(_Part):
    """Case slots come from the ledger; run-time slots take one of `values`, or a date within `days` days."""

    type: str
    when: str
    values: tuple[str, ...] = ()
    days: int = 0
    default: str = ""


class Manifest(_Part):
    """`digest` names what was approved; `project` and `model` are sha256 of what was built from it, `engine`
    of the code that it was built for."""

    digest: str
    track: str
    version: int
    purpose: str
    institution: str
    flags: tuple[str, ...]
    voices: tuple[str, ...]
    limits: dict[str, int]
    lines: dict[str, ManifestLine]
    slots: dict[str, ManifestSlot]
    engine: str = ""
    project: str = ""
    model: str = ""

    @classmethod
    def of(cls, track: Track) -> Manifest:
        """The manifest of a track that is not built yet."""
        return cls(
            digest=track.digest,
            engine=engine(),
            track=track.id,
            version=track.version,
            purpose=track.purpose,
            institution=track.institution,
            flags=track.flags,
            voices=track.voices,
            limits=track.limits,
            lines={
                line.id: ManifestLine(
                    id=line.id, text=line.text, listener=line.listener, level=line.level, flags=line.flags
                )
                for line in track.lines.values()
            },
            slots={
                name: ManifestSlot(
                    type=spec.type, when=spec.when, values=spec.values, days=spec.days, default=spec.default
                )
                for name, spec in track.slots.items()
            },
        )

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """TrackError when the file is missing or no manifest."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError:
            raise TrackError(
                "there is no built track here", "Build it: python -m dialogs.build TRACK.yaml", path
            ) from None
        except ValueError:
            raise TrackError("this is no manifest of this version", "Build the track again.", path) from None

    def save(self, path: Path) -> None:
        """Writes the file whole or not at all."""
        unfinished = path.with_suffix(".part")
        unfinished.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        unfinished.replace(path)
