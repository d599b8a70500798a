"""How fast a campaign dials: the `pacing` key of its file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Pacing(BaseModel):
    """fixed: every line.  progressive: what free agents can take.  predictive: ahead of those who talk."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    mode: Literal["fixed", "progressive", "predictive"] = "fixed"
    abandon_cap: float = Field(default=0.03, gt=0, le=0.05)
    "Share of answered calls that wanted an agent and found none, over the whole campaign: never more."
    most_lines_per_agent: float = Field(default=20.0, ge=1, le=100)
    "Calls in flight for each agent at work, at most.  Only some answered calls ask for an agent, hence many."
