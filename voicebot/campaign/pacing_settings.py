"""How fast a campaign dials: the `pacing` key of its file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Pacing(BaseModel):
    """fixed: every line.  progressive: as many calls as there are free agents.  predictive: ahead of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["fixed", "progressive", "predictive"] = "fixed"
    abandon_cap: float = Field(default=0.03, gt=0, le=0.05)
    "Share of answered calls that wanted an agent and found none, over the whole campaign: never more."
    lines_per_agent: float = Field(default=1.0, ge=1, le=10)
    "progressive: lines for each free agent; predictive: the most that it goes up to."
