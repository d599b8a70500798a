"""The register of the desk's people: what commands say of agents, on top of configs/agents.yaml.

The file describes; whoever is added, disabled or certified by command stands in the store, and the store's
word counts.  People of operations log in to the desk and take no calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import Connection, insert, select, update

from handoff.agents import Agent, load_agents
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import StaffRow
from voicebot.store.models.desk import STAFF_ROLES

Role = Literal["agent", "supervisor", "operations"]
CERTIFICATES = ("prejob_passed", "confidentiality_signed", "business_exam", "security_exam")
EXAMS = ("business_exam", "security_exam")
"""These are good for the pack's `training.valid_days`; the others for ever."""


@dataclass(frozen=True)
class Member:
    """One row of the register.  `profile` holds what commands set, under the keys of agents.yaml."""

    id: str
    role: Role
    profile: Mapping[str, Any]
    enabled: bool
    password_hash: str | None
    must_change: bool
    failures: int
    locked_until_ms: int


@dataclass(frozen=True)
class Standing:
    """What a session depends on.  `must_change`: the password was handed out and not changed since."""

    role: Role
    enabled: bool
    must_change: bool


class Staff:
    """Reads and writes the register.  Every change is a link of the audit chain."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock, self._audit = store, clock, AuditChain(store, clock)

    def find(self, member_id: str) -> Member | None:
        """The row, or None."""
        with self._store.reading() as connection:
            row = connection.execute(select(StaffRow.__table__).where(StaffRow.id == member_id)).first()
        return None if row is None else self._member(row)

    def all(self) -> list[Member]:
        """Everybody, by id."""
        with self._store.reading() as connection:
            rows = connection.execute(select(StaffRow.__table__).order_by(StaffRow.id)).all()
        return [self._member(row) for row in rows]

    def standing(self) -> dict[str, Standing]:
        """What sessions depend on.  Nothing is opened for it: a profile that cannot be read keeps nobody
        logged in."""
        query = select(StaffRow.id, StaffRow.role, StaffRow.enabled, StaffRow.must_change)
        with self._store.reading() as connection:
            return {
                row.id: Standing(row.role, row.enabled, row.must_change) for row in connection.execute(query)
            }

    def over(self, described: Sequence[Agent]) -> tuple[Agent, ...]:
        """The agents as they are in force.  InputError for a profile that is no agent's."""
        members = {one.id: one for one in self.all()}
        agents = [_in_force(agent, members.pop(agent.id, None)) for agent in described]
        for member in members.values():
            if member.role != "operations" and "sip" in member.profile:
                agents.append(_made(member))
        return tuple(agents)

    def put(
        self, member_id: str, role: Role, profile: Mapping[str, Any], by: str, kind: str, **told: Any
    ) -> None:
        """Adds somebody or changes their profile; `kind` and `told` are the audit's words.

        InputError for an unknown role.
        """
        if role not in STAFF_ROLES:
            raise InputError(f"unknown role {role!r}", f"One of {', '.join(STAFF_ROLES)}.", key="--role")
        with self._store.begin() as connection:
            sealed = self._store.keys.encrypt(json.dumps(dict(profile)), _binding(member_id))
            self._keep(connection, member_id, role=role, profile_ct=sealed)
            self._audit.append_in(connection, kind, member_id, {"by": by, "role": role, **told})

    def set_enabled(self, member_id: str, role: Role, enabled: bool, by: str) -> None:
        """A disabled agent is not rung and cannot log in."""
        with self._store.begin() as connection:
            self._keep(connection, member_id, role=role, enabled=enabled)
            kind = "agent_enabled" if enabled else "agent_disabled"
            self._audit.append_in(connection, kind, member_id, {"by": by})

    def set_password(self, member_id: str, role: Role, hashed: str, by: str, *, must_change: bool) -> None:
        """Also unlocks."""
        with self._store.begin() as connection:
            self._keep(
                connection,
                member_id,
                role=role,
                password_hash=hashed,
                must_change=must_change,
                failures=0,
                locked_until_ms=0,
            )
            self._audit.append_in(connection, "password_set", member_id, {"by": by})

    def count_try(self, member_id: str, now_ms: int) -> int | None:
        """One more password is about to be looked at: how many that makes in a row, however many come at
        once.  None: the account is locked, or there is none."""
        row = update(StaffRow).where(StaffRow.id == member_id, StaffRow.locked_until_ms <= now_ms)
        with self._store.begin() as connection:
            counted = row.values(failures=StaffRow.failures + 1).returning(StaffRow.failures)
            found: int | None = connection.execute(counted).scalar_one_or_none()
            return found

    def lock(self, member_id: str, now_ms: int, until_ms: int, failures: int) -> None:
        """No password is taken until then."""
        row = update(StaffRow).where(StaffRow.id == member_id, StaffRow.locked_until_ms <= now_ms)
        with self._store.begin() as connection:
            if connection.execute(row.values(failures=0, locked_until_ms=until_ms)).rowcount:
                self._audit.append_in(connection, "login_locked", member_id, {"failures": failures})

    def was_right(self, member_id: str) -> None:
        """The password was: earlier wrong ones do not count any more."""
        with self._store.begin() as connection:
            connection.execute(update(StaffRow).where(StaffRow.id == member_id).values(failures=0))

    def _keep(self, connection: Connection, member_id: str, **values: Any) -> None:
        now = moment_ms(self._clock.now())
        changed = update(StaffRow).where(StaffRow.id == member_id).values(changed_ms=now, **values)
        if connection.execute(changed).rowcount:
            return
        new = {
            "profile_ct": self._store.keys.encrypt("{}", _binding(member_id)),
            "enabled": True,
            "password_hash": None,
            "must_change": False,
            "failures": 0,
            "locked_until_ms": 0,
        }
        connection.execute(
            insert(StaffRow).values(id=member_id, made_ms=now, changed_ms=now, **(new | values))
        )

    def _member(self, row: Any) -> Member:
        profile = json.loads(self._store.keys.decrypt(row.profile_ct, _binding(row.id)))
        return Member(
            row.id,
            row.role,
            profile,
            row.enabled,
            row.password_hash,
            row.must_change,
            row.failures,
            row.locked_until_ms,
        )


def agents_in_force(path: Path, store_url: str, keys: Path, clock: Clock) -> tuple[Agent, ...]:
    """agents.yaml with the register of the site's store on top; a store that is not made yet says nothing.

    InputError or NotReady: who may be rung is not known then.
    """
    described = load_agents(path)
    if not Store.is_made(store_url):
        return described
    store = Store.open(store_url, KeyRing.load(keys))
    try:
        return Staff(store, clock).over(described)
    finally:
        store.close()


def valid_until(agent: Agent, valid_days: int) -> date | None:
    """The last day on which the agent's certificates are good; None when one was never got."""
    held = agent.certificates.model_dump()
    if any(held[name] is None for name in CERTIFICATES):
        return None
    first: date = min(held[name] for name in EXAMS)
    return first + timedelta(days=valid_days)


def _in_force(agent: Agent, member: Member | None) -> Agent:
    if member is None:
        return agent
    profile = dict(member.profile)
    certificates = agent.certificates.model_dump() | profile.pop("certificates", {})
    changed = agent.model_dump() | profile | {"certificates": certificates}
    return _agent(changed | {"enabled": agent.enabled and member.enabled})


def _made(member: Member) -> Agent:
    return _agent({**member.profile, "id": member.id, "role": member.role, "enabled": member.enabled})


def _agent(fields: Mapping[str, Any]) -> Agent:
    try:
        return Agent.model_validate(fields)
    except ValidationError as fault:
        first = fault.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"agent {fields['id']}: {first['msg']}", "Add the agent again.", key=key) from None


def _binding(member_id: str) -> str:
    """What a profile's ciphertext is bound to."""
    return f"staff.profile:{member_id}"
