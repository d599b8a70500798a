"""The tables.  Names, numbers and records are ciphertexts (`*_ct`); look-ups go by blind index (`bix`).

Times are milliseconds since the epoch (UTC); days are proleptic ordinals in the policy pack's zone.
"""

from voicebot.store.models.approvals import PersonRow, ReviewRow, TrackVersionRow
from voicebot.store.models.attempt import (
    AttemptRow,
    DayUseRow,
    DecisionBasisRow,
    DecisionRow,
    LateReportRow,
)
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
from voicebot.store.models.desk import DeskCallRow, StaffRow
from voicebot.store.models.dialling import TrunkRow, WorkerRow
from voicebot.store.models.enrolment import EnrolmentRow
from voicebot.store.models.evidence import AuditRow, CheckpointRow, RecordingRow, RecordRow
from voicebot.store.models.outbox import OutboxRow, TallyRow
from voicebot.store.models.pacing import NumberReputationRow, PacingTotalRow
from voicebot.store.models.registers import (
    AgencyRow,
    AgreementRow,
    MarkRow,
    StopRemovalRow,
    StopRow,
    ToolRow,
)

__all__ = [
    "AgencyRow",
    "AgreementRow",
    "AttemptRow",
    "AuditRow",
    "Base",
    "Big",
    "CampaignRow",
    "CaseRow",
    "CheckpointRow",
    "ContactPointRow",
    "ContactRow",
    "ControlRow",
    "DayUseRow",
    "DebtorRow",
    "DecisionBasisRow",
    "DecisionRow",
    "DeskCallRow",
    "EnrolmentRow",
    "LateReportRow",
    "MarkRow",
    "NodeRow",
    "NumberReputationRow",
    "OutboxRow",
    "PacingTotalRow",
    "PersonRow",
    "PhoneRow",
    "RecordRow",
    "RecordingRow",
    "ReviewRow",
    "StaffRow",
    "StopRemovalRow",
    "StopRow",
    "TallyRow",
    "ToolRow",
    "TrackVersionRow",
    "TrunkRow",
    "WorkerRow",
]
