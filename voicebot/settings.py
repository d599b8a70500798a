"""Settings of a site: configs/site.yaml, overridden by the environment (VOICEBOT_ASR__ENGINE=vosk …).

Paths count from the working folder, which is the site's folder: the one that holds `configs/`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.policy.gate import Gate
from voicebot.policy.overrides import with_overrides
from voicebot.policy.pack import PackBody, PackFile, Scalar, load_pack
from voicebot.yaml_document import YamlDocument

SITE_FILE = Path("configs/site.yaml")
PREFIX = "VOICEBOT_"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Asr(_Part):
    """Speech recognition.  `auto` takes Vosk when `model` is installed, else Whisper base."""

    engine: Literal["auto", "whisper", "vosk", "vosk-server"] = "auto"
    model: Path | None = None
    url: str = Field(default="", pattern=r"^(wss?://\S+)?$")
    "Of an external vosk-server, with engine: vosk-server."
    threads: int = Field(default=1, ge=1, le=64)
    most_rss_mb: int = Field(default=2000, ge=500)
    "A speech service that has grown beyond this is replaced by a fresh one; no call notices."


class Tts(_Part):
    """The bot's voice: kokoro:NAME (natural), espeak:NAME (always there), or a site's own, sherpa:NAME and
    recorded:NAME."""

    voice: str = Field(
        default="kokoro:zf_xiaoxiao", pattern=r"^(kokoro|espeak|sherpa|recorded):[A-Za-z0-9_-]+$"
    )
    processes: int = Field(default=2, ge=1, le=64)


class Sip(_Part):
    """The address that workers send SIP and RTP from, and the UDP ports that they may take there."""

    ip: str = "127.0.0.1"
    ports: tuple[int, int] = (16384, 32000)
    "First and last: what the firewall lets through.  A worker takes a block of at least 64."

    @field_validator("ports")
    @classmethod
    def _a_range(cls, ports: tuple[int, int]) -> tuple[int, int]:
        first, last = ports
        if not 1024 <= first < last <= 65535:
            raise ValueError("ports are two numbers from 1024 to 65535, the first one below the last")
        return ports


class Recording(_Part):
    """How calls are recorded: FLAC keeps every sample, Opus takes a tenth of its room."""

    format: Literal["flac", "opus"] = "flac"
    retention_years: dict[str, int] = Field(default_factory=dict)
    "By product, where another time than the pack's (5 years) holds; never below the pack's bound."


class Policy(_Part):
    """A pack file, which pack of it, and parameters set tighter than the pack's own.

    `institutions` sets some of them tighter still for the calls of one institution.
    """

    file: Path
    pack: str | None = None
    params: dict[str, Scalar] = Field(default_factory=dict)
    institutions: dict[str, dict[str, Scalar]] = Field(default_factory=dict)


class Site(BaseSettings):
    """One machine's settings.  What is left out of the file has the value shown here."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True
    )

    _file: Path | None = PrivateAttr(default=None)
    timezone: str = "Asia/Shanghai"
    var: Path = Path("var")
    "Everything that runs write; models, tracks, prompts and runs lie below unless they are named."
    models: Path = Path()
    prompts: Path = Path()
    tracks: Path = Path()
    "Compiled talk tracks: one folder a digest."
    runs: Path = Path()
    keys: Path = Path()
    "The site's key ring."
    store: str = ""
    "sqlite:///FILE or postgresql://USER@HOST/NAME."
    talktracks: Path = Path("dialogs/talktracks")
    trunks: Path = Path("configs/trunks.yaml")
    tools: Path = Path("configs/tools.yaml")
    people: Path = Path("configs/people.yaml")
    agents: Path = Path("configs/agents.yaml")
    queues: Path = Path("configs/queues.yaml")
    policies: tuple[Policy, ...] = Field(
        default=(Policy(file=Path("configs/policies/cn-gbt45251-2025.yaml")),), min_length=1
    )
    rasa_python: Path = Path("dialogs/rasa/.venv/bin/python")
    workers: int = Field(default=2, ge=1, le=256)
    legs_per_worker: int = Field(default=2, ge=1, le=30)
    "Debtor legs a worker takes at a time; it keeps one slot for a consult leg and one to spare."
    asr: Asr = Asr()
    tts: Tts = Tts()
    sip: Sip = Sip()
    recording: Recording = Recording()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {value!r}; use a name like Asia/Shanghai") from None
        return value

    @model_validator(mode="before")
    @classmethod
    def _below_var(cls, data: Any) -> Any:
        """What is not named lies below `var`."""
        if isinstance(data, dict):
            var = Path(data.get("var", "var"))
            for name in ("models", "prompts", "tracks", "runs"):
                data.setdefault(name, var / name)
            data.setdefault("keys", var / "keys.json")
            data.setdefault("store", f"sqlite:///{var / 'voicebot.db'}")
        return data

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment comes before the file; no .env file is read."""
        return env_settings, init_settings

    @property
    def file(self) -> Path:
        """Where these settings were read from."""
        return self._file or SITE_FILE

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def packs(self, institution: str | None = None) -> list[PackBody]:
        """The policy packs with the site's tighter parameters, and those of an institution on top.

        InputError for anything wrong in them, with the line of the settings file.
        """
        return self._packs(institution, [load_pack(policy.file) for policy in self.policies])

    def gate(self, clock: Clock) -> Gate:
        """The gate over all packs; `gate.of(institution)` is the one with an institution's own parameters."""
        files = [load_pack(policy.file) for policy in self.policies]
        names = sorted({name for policy in self.policies for name in policy.institutions})
        return Gate(self._packs(None, files), clock, {name: self._packs(name, files) for name in names})

    def _packs(self, institution: str | None, files: list[PackFile]) -> list[PackBody]:
        return [self._pack(number, file, institution) for number, file in enumerate(files)]

    def _pack(self, number: int, file: PackFile, institution: str | None) -> PackBody:
        policy = self.policies[number]
        own = policy.institutions.get(institution, {}) if institution is not None else {}
        place: tuple[int | str, ...] = ("policies", number)
        try:
            pack = file if policy.pack is None else file.body(policy.pack)
        except InputError as fault:
            raise self._placed(fault, (*place, "pack")) from None
        try:
            pack = with_overrides(pack, policy.params)
        except InputError as fault:
            raise self._placed(fault, (*place, "params", str(fault.key))) from None
        try:
            return with_overrides(pack, own)
        except InputError as fault:
            loc = (*place, "institutions", str(institution), str(fault.key))
            raise self._placed(fault, loc) from None

    def _placed(self, fault: InputError, loc: tuple[int | str, ...]) -> InputError:
        """The fault with its line in the settings file."""
        if self._file is None or f"{PREFIX}POLICIES" in os.environ:
            return InputError(fault.what, fault.do, "environment", key=f"{PREFIX}POLICIES")
        return YamlDocument.read(self._file).error(fault.what, loc, fault.do)


def load_site(path: Path | str | None = None, environment: Mapping[str, str] | None = None) -> Site:
    """Reads the settings.  Without a path: VOICEBOT_SITE, else configs/site.yaml.  InputError when wrong."""
    environment = os.environ if environment is None else environment
    chosen = Path(path or environment.get(f"{PREFIX}SITE") or SITE_FILE)
    document = YamlDocument.read(chosen)
    if not isinstance(document.data, dict):
        raise document.error("the file must hold keys and values")
    for name in document.data:
        if not isinstance(name, str):
            raise document.error("a setting's name must be a word", (str(name),))
    try:
        site = Site(**document.data)
        site._file = chosen
        return site
    except SettingsError as fault:  # a group given as text that is no JSON
        names = (name for name in environment if f'"{name.removeprefix(PREFIX).lower()}"' in str(fault))
        raise InputError(
            "this is no JSON",
            f"Set a part of it instead, like {PREFIX}ASR__ENGINE.",
            "environment",
            key=next(names, None),
        ) from None
    except ValidationError as fault:
        name = f"{PREFIX}{'__'.join(str(part) for part in fault.errors()[0]['loc'])}".upper()
        if name in environment:
            raise InputError(fault.errors()[0]["msg"], "Mend or unset it.", "environment", key=name) from None
        raise document.explain(fault, Site) from None
