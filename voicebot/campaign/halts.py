"""What keeps a whole campaign from dialling just now.  It is no attempt's fault: none is refused for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

from voicebot.campaign.facts import FactFinder
from voicebot.campaign.running import RunningCampaign
from voicebot.policy.gate import Refusal
from voicebot.store.bulk import Bulk, Query

PAUSED = Refusal("campaign", "CAMPAIGN_PAUSED", "外呼任务已暂停", passes_by=True)
CLOSED_WINDOW = Refusal("campaign", "CAMPAIGN_WINDOW", "不在外呼任务的时段内", passes_by=True)
NOT_APPROVED = Refusal("campaign", "TALKTRACK", "话术版本未审核", passes_by=True)
NO_RECORDER = Refusal("campaign", "NO_RECORDER", "录音不可用", passes_by=True)
DAY_IS_OVER = Refusal("campaign", "DAY_IS_OVER", "占用的是昨日的次数", passes_by=True)
"""A call counts on the day of its claim: one that was claimed yesterday is not dialled today."""

BALANCES = Refusal("campaign", "BALANCES", "账务数据整体过期或不可用", passes_by=True)

HELD_UP_BY = {
    CLOSED_WINDOW: "its windows",
    NO_RECORDER: "no room for recordings",
    NOT_APPROVED: "its track's approval",
    BALANCES: "its balances: not readable, or all of them too old",
}
"""How a person is told what holds a whole campaign up."""

MAX_AGE = "slots.max_age_min"
"""The packs' parameter: minutes."""
STATE = Query("SELECT state FROM campaign WHERE id = ?")
"""A campaign's own state, by its id."""


def halted(
    bulk: Bulk, running: RunningCampaign, facts: FactFinder, now: datetime, recorder_ready: bool
) -> Callable[[], Refusal | None]:
    """Why nothing of the campaign may be claimed or dialled now; None when it may (its track is approved).
    Asked for here, answered when what is returned is called.

    Without this, a revoked talk track, a full disk or a balance export that failed would use up every contact
    within minutes.  The balances are those that were looked at last.  Within the
    campaign's windows but outside of the rules' hours, only those may be asked about who agreed to them.
    """
    state = bulk.later(STATE, running.id)
    approved = facts.approval(bulk, running.digest)

    def halt() -> Refusal | None:
        row = state.one()
        if row is None or row[0] != "running":
            return PAUSED
        if not running.hours.within_windows(now):
            return CLOSED_WINDOW
        if not recorder_ready:
            return NO_RECORDER
        if not _balances_fresh(running, now):
            return BALANCES
        return None if approved() else NOT_APPROVED

    return halt


def _balances_fresh(running: RunningCampaign, now: datetime) -> bool:
    try:
        limit = running.gate.parameter(MAX_AGE)
    except KeyError:  # no pack asks for their age
        limit = math.inf
    return running.balances.fresh(now, limit)
