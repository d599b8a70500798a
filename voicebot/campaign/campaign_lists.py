"""All lists of a campaign together: what one list cannot know is checked here."""

from __future__ import annotations

from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.contact_list import ListResult, ListRow, RejectedRow, read_list
from voicebot.errors import InputError

NAMED_ROWS = 20
"""Bad rows that one line names; `voicebot check` shows all."""


def read_lists(campaign: Campaign) -> ListResult:
    """Reads every list.  Rows of another institution and cases of two lists are rejected."""
    rows: list[ListRow] = []
    rejected: list[RejectedRow] = []
    home: dict[str, int] = {}
    for number, path in enumerate(campaign.lists):
        result = read_list(path)
        rejected += result.rejected
        for row in result.rows:
            if row.institution and row.institution != campaign.institution:
                rejected.append(RejectedRow(path, row.line, "institution", "not the campaign's institution"))
            elif home.setdefault(row.case_id, number) != number:
                rejected.append(RejectedRow(path, row.line, "case_id", "the case is in another list already"))
            else:
                rows.append(row)
    return ListResult(rows, rejected)


def good_rows(campaign: Campaign) -> list[ListRow]:
    """All rows of all lists; InputError names the bad ones, because half a list is nobody's intention."""
    lists = read_lists(campaign)
    bad = lists.rejected
    if not bad:
        return lists.rows
    more = f"; and {len(bad) - NAMED_ROWS} more" if len(bad) > NAMED_ROWS else ""
    raise InputError(
        f"{len(bad)} bad rows: {'; '.join(map(str, bad[:NAMED_ROWS]))}{more}"
        if len(bad) > 1
        else f"a bad row: {bad[0]}",
        "Mend or remove what is named; `voicebot check` shows the same.",
        key="lists",
    )
