"""The JSON Schema of campaign files, for editors.

`python -m voicebot.campaign.campaign_schema docs/campaign.schema.json` writes it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from voicebot.campaign.campaign_file import Campaign


def campaign_schema() -> dict[str, Any]:
    """What an editor can check while a campaign file is written; `voicebot check` checks more."""
    schema = Campaign.model_json_schema(mode="validation", by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Campaign file",
        "description": "A campaign of voicebot: whom to call, when, how fast, with which talk track.",
    }


def schema_text() -> str:
    """The schema as its file has it."""
    return json.dumps(campaign_schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
