"""Who may dial and over what: the workers with their leases, the trunks with their lines and pace."""

from __future__ import annotations

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big


class WorkerRow(Base):
    """A worker of one life (epoch).  Without `expires_ms` its owner watches the process itself."""

    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(primary_key=True)
    dead: Mapped[bool]
    "Fenced: it may claim and dial no more."
    seen_ms: Mapped[int] = mapped_column(Big)
    epoch: Mapped[int] = mapped_column(server_default="1")
    ttl_ms: Mapped[int | None] = mapped_column(Big)
    expires_ms: Mapped[int | None] = mapped_column(Big)


class TrunkRow(Base):
    """What all machines together may use of a trunk.  Lines in use are counted from the live attempts."""

    __tablename__ = "trunk"
    __table_args__ = (CheckConstraint("lines >= 0 AND cps > 0 AND burst >= 1", name="trunk_limits"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    lines: Mapped[int]
    cps: Mapped[float]
    burst: Mapped[int]
    "Calls that may start at the same instant after a pause."
    next_ms: Mapped[float]
    "Theoretical time of the next call at exactly `cps`, milliseconds since the epoch."
