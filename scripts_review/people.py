"""People who may write or approve talk tracks: their roles and public keys (configs/people.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from voicebot.errors import InputError
from voicebot.yaml_document import YamlDocument

AUTHOR, REVIEWER = "author", "reviewer"


class Person(BaseModel):
    """`public_key` is base64 of the 32 bytes of an Ed25519 key; without one a person cannot sign."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str = ""
    roles: tuple[str, ...]
    public_key: str | None = None


class PeopleFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    people: tuple[Person, ...]


People = Mapping[str, Person]


def load_people(path: Path) -> People:
    """InputError with the line when the file does not hold."""
    return {person.id: person for person in YamlDocument.read(path).parse(PeopleFile).people}


def person_with_role(people: People, person_id: str, role: str) -> Person:
    """InputError when the person is unknown or has another role."""
    person = people.get(person_id)
    if person is None:
        raise InputError(f"nobody is called {person_id!r}", "Use an id of the people file.")
    if role not in person.roles:
        raise InputError(f"{person_id} is no {role}", f"It takes a person with the role {role}.")
    return person
