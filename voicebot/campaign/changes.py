"""What an edited campaign file may change while the campaign runs, and what it may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voicebot.campaign.campaign_file import Campaign

CHANGEABLE = ("pacing", "lines", "calls_per_second", "windows")
"""How fast and when: everything else is as it was when the campaign was enrolled."""


@dataclass(frozen=True)
class Changes:
    """`allowed` holds new values by key; `refused` names the keys that differ and stay as they were."""

    allowed: Mapping[str, Any]
    refused: tuple[str, ...]

    def applied_to(self, campaign: Campaign) -> Campaign:
        """The campaign with what is allowed, and nothing else."""
        return campaign.model_copy(update=dict(self.allowed))

    def __bool__(self) -> bool:
        return bool(self.allowed or self.refused)


def changed_while_running(old: Campaign, new: Campaign) -> Changes:
    """What differs between the enrolled campaign and its file as it is now."""
    differing = [name for name in Campaign.model_fields if getattr(old, name) != getattr(new, name)]
    return Changes(
        {name: getattr(new, name) for name in differing if name in CHANGEABLE},
        tuple(name for name in differing if name not in CHANGEABLE),
    )
