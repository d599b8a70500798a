"""Files that describe registers: caller numbers, agencies, people, stop lists."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from voicebot.campaign.campaign_file import Number
from voicebot.campaign.phone_number import to_e164
from voicebot.campaign.table_file import read_table
from voicebot.errors import InputError
from voicebot.store.registers import Agencies, Tool, Tools
from voicebot.store.stop_list import EVERYBODY, NewStop, StopList, check_reason
from voicebot.yaml_document import YamlDocument


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ToolEntry(_Part):
    """A caller number of configs/tools.yaml."""

    number: Number
    institution: str
    agency: str | None = None
    genuine_cli: bool
    valid_from: date
    valid_to: date
    registered_by: str
    approved_by: str | None = None


class AgencyEntry(_Part):
    """An agency of configs/tools.yaml."""

    name: str
    listed: bool
    mandates: tuple[str, ...]
    evaluated: date | None = None


class ToolsFile(_Part):
    tools: tuple[ToolEntry, ...] = ()
    agencies: tuple[AgencyEntry, ...] = ()

    def bring_into(self, tools: Tools, agencies: Agencies) -> None:
        """Registers everything; InputError as the registers say."""
        for tool in self.tools:
            tools.register(Tool(**tool.model_dump()))
        for agency in self.agencies:
            agencies.register(
                agency.name, listed=agency.listed, mandates=agency.mandates, evaluated=agency.evaluated
            )


class PersonEntry(_Part):
    """Somebody of configs/people.yaml; without a public key the person cannot sign yet."""

    id: str
    name: str
    roles: tuple[str, ...]
    public_key: str | None = None
    agency: str | None = None
    "The outside agency that the person works for."


class PeopleFile(_Part):
    people: tuple[PersonEntry, ...]


def load_tools(path: Path) -> ToolsFile:
    """InputError names file, line and key."""
    return YamlDocument.read(path).parse(ToolsFile)


def load_people(path: Path) -> PeopleFile:
    """InputError names file, line and key."""
    return YamlDocument.read(path).parse(PeopleFile)


def import_stop_list(path: Path, stop_list: StopList, made_by: str) -> int:
    """Adds the numbers of a CSV or XLSX file (phone, reason, note, institution); all of them, or none.

    Returns how many.  InputError names the first bad row.
    """
    entries: list[NewStop] = []
    for line, cells in read_table(path, ("phone", "reason")):
        try:
            phone = to_e164(cells.get("phone", ""))
        except ValueError as fault:
            raise InputError(str(fault), "", path, line, "phone") from None
        try:
            check_reason(cells.get("reason", ""))
        except InputError as fault:
            raise InputError(fault.what, fault.do, path, line, "reason") from None
        institution = cells.get("institution") or EVERYBODY
        entries.append(NewStop(phone, cells["reason"], cells.get("note", ""), institution))
    stop_list.add_all(entries, made_by, path.name)
    return len(entries)
