"""Campaigns that this process works on: their file, hours, gate and balances, read once from the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from voicebot.campaign.balances import BalanceSource, balance_source
from voicebot.campaign.calling_hours import CallingHours
from voicebot.campaign.campaign_file import Campaign
from voicebot.policy.gate import Gate
from voicebot.store.database import Store
from voicebot.store.models import CampaignRow


@dataclass(frozen=True)
class RunningCampaign:
    """A campaign as it was enrolled, or as it was edited within what may change while it runs."""

    id: str
    campaign: Campaign
    digest: str
    gate: Gate
    hours: CallingHours
    balances: BalanceSource

    def day(self, at: datetime) -> int:
        """The day on which a call at `at` counts."""
        return self.gate.day_of(at, self.campaign.timezone)


class RunningCampaigns:
    """By campaign id."""

    def __init__(self, store: Store, gate: Gate) -> None:
        self._store, self._gate = store, gate
        self._known: dict[str, RunningCampaign] = {}

    def forget(self, campaign_id: str) -> None:
        """Reads it again when it is next asked for."""
        self._known.pop(campaign_id, None)

    def get(self, campaign_id: str) -> RunningCampaign:
        """LookupError when the store knows no such campaign."""
        if campaign_id not in self._known:
            with self._store.reading() as connection:
                query = select(CampaignRow.file, CampaignRow.digest).where(CampaignRow.id == campaign_id)
                row = connection.execute(query).first()
            if row is None:
                raise LookupError(f"there is no campaign {campaign_id}")
            campaign = Campaign.model_validate(row.file)
            gate = self._gate.of(campaign.institution)
            hours = CallingHours(campaign, gate)
            source = balance_source(campaign)
            self._known[campaign_id] = RunningCampaign(campaign_id, campaign, row.digest, gate, hours, source)
        return self._known[campaign_id]
