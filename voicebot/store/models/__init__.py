"""The tables.  Names, numbers and records are ciphertexts (`*_ct`); look-ups go by blind index (`bix`).

Times are milliseconds since the epoch (UTC); days are proleptic ordinals in the policy pack's zone.
"""

from voicebot.store.models.approvals import ApprovalRow, PersonRow
from voicebot.store.models.attempt import AttemptRow, DayUseRow, DecisionRow, WorkerRow
from voicebot.store.models.base import Base, Big
from voicebot.store.models.campaign import (
    CampaignRow,
    CaseRow,
    ContactPointRow,
    ContactRow,
    DebtorRow,
    PhoneRow,
)
from voicebot.store.models.control import ControlRow, NodeRow
from voicebot.store.models.evidence import AuditRow, RecordRow
from voicebot.store.models.registers import AgencyRow, AgreementRow, MarkRow, StopRow, ToolRow

__all__ = [
    "AgencyRow",
    "AgreementRow",
    "ApprovalRow",
    "AttemptRow",
    "AuditRow",
    "Base",
    "Big",
    "CampaignRow",
    "CaseRow",
    "ContactPointRow",
    "ContactRow",
    "ControlRow",
    "DayUseRow",
    "DebtorRow",
    "DecisionRow",
    "MarkRow",
    "NodeRow",
    "PersonRow",
    "PhoneRow",
    "RecordRow",
    "StopRow",
    "ToolRow",
    "WorkerRow",
]
