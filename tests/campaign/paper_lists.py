"""Lists as files, of any length, and the campaign that names them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from voicebot.campaign.campaign_file import Campaign

INSTITUTION = "海城消费金融"
COLUMNS = (
    "case_id,debtor_id,name,party,phone,phone_source,phone_evidence,id_tail,amount_due,due_date,overdue_days"
)


def line(number: int, **changes: Any) -> str:
    """A good row of a list: case C-N of debtor P-N."""
    cells = {
        "case_id": f"C-{number}",
        "debtor_id": f"P-{number}",
        "name": "张伟",
        "party": "debtor",
        "phone": f"138{number:08d}",
        "phone_source": "contract",
        "phone_evidence": f"HT-{number}",
        "id_tail": "123X",
        "amount_due": f"{number % 9000 + 100}.40",
        "due_date": f"2026-02-{number % 28 + 1:02d}",
        "overdue_days": str(number % 90),
    }
    return ",".join(map(str, (cells | changes).values()))


def write_list(path: Path, lines: Iterable[str]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.write(COLUMNS + "\n")
        file.writelines(f"{one}\n" for one in lines)
    return path


def campaign_of(*lists: Path, **changes: Any) -> Campaign:
    values: dict[str, Any] = {
        "name": "spring",
        "institution": INSTITUTION,
        "talk_track": "reminder@3",
        "lists": list(map(str, lists)),
        "callers": [{"number": "021-60000001"}],
        "trunk": "simulated",
        "windows": {"mon-sun": ["08:00-21:30"]},
        "balances": {"file": "balances.csv"},
    }
    return Campaign.model_validate(values | changes)
