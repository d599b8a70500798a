"""What has to be rendered before a campaign's cases can be spoken to, and which cases lack a value for it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from dialogs.manifest import Manifest
from voicebot.call.prompt_book import LineRefused
from voicebot.campaign.balances import Balance
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.contact_list import ListRow
from voicebot.campaign.prompts_ahead import PromptsAhead
from voicebot.campaign.row_sealer import case_flags, case_slots
from voicebot.settings import Site
from voicebot.speech.tts.cache import PromptCache

COUNTED_CASES = 300
"""Cases whose prompts are looked up in the cache one by one; the rest is taken to be like them."""


class PromptPlan:
    """Hears of each case that would be called."""

    def __init__(self, site: Site, campaign: Campaign, manifest: Manifest, today: date) -> None:
        self._campaign, self._cache, self._voice = campaign, PromptCache(site.prompts), site.tts.voice
        self._ahead = PromptsAhead(manifest, self._cache, site.tts.voice, site.models, today)
        self._shared = campaign.shared_slots()
        self._faults: dict[tuple[frozenset[str], frozenset[str]], str | None] = {}
        self._shared_missing = set(self._cache.missing(self._voice, self._ahead.shared_clauses()))
        self._missing: set[str] = set()
        self._counted = self._cases = 0

    def hear(self, row: ListRow, balance: Balance | None) -> str | None:
        """Counts a case's prompts.  Returns None, or why the talk track cannot be spoken to it.

        Whether a line can be spoken depends on which values there are, not on the values.
        """
        slots = case_slots(row) | self._shared | (dict(balance.slots) if balance else {})
        flags = {flag: True for flag in case_flags(row)}
        agency = bool(row.agency or self._campaign.agency)
        flags |= {"agency": agency, "by_agency": agency, "to_contact": row.party == "contact"}
        flags["leave_message"] = self._campaign.voicemail == "leave_line"
        kind = frozenset(slots), frozenset(name for name, holds in flags.items() if holds)
        fault = self._faults.get(kind)
        if fault is None and (self._counted < COUNTED_CASES or kind not in self._faults):
            try:
                clauses = self._ahead.case_clauses(slots, flags)
            except LineRefused as refused:
                fault = str(refused)
            else:
                if self._counted < COUNTED_CASES:
                    self._missing.update(self._cache.missing(self._voice, clauses))
                    self._counted += 1
            self._faults[kind] = fault
        self._cases += fault is None
        return fault

    @property
    def to_render(self) -> int:
        """Prompts that are not in the cache."""
        missing = len(self._missing - self._shared_missing)
        if self._cases > self._counted:
            missing = round(missing * self._cases / self._counted)
        return len(self._shared_missing) + missing

    @property
    def exact(self) -> bool:
        """False when `to_render` is reckoned from the first cases."""
        return self._cases <= self._counted


def prompt_plan(site: Site, campaign: Campaign, digest: str, today: date) -> PromptPlan | None:
    """None when the talk track is not approved, or not built on this machine yet."""
    path: Path = site.tracks / digest / "manifest.json"
    if not digest or not path.is_file():
        return None
    return PromptPlan(site, campaign, Manifest.load(path), today)
