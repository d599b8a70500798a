"""A small site for ledger tests: one campaign, a list, registered numbers, an approved talk track."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from tests.scripts_review import reviewed
from tests.store.stores import SHANGHAI
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.contact_list import ListRow
from voicebot.campaign.ledger import Claim, Ledger
from voicebot.clock import ManualClock
from voicebot.policy.gate import Gate
from voicebot.policy.pack import load_pack
from voicebot.store.database import Store
from voicebot.store.registers import Agencies, Tool, Tools

PACK = load_pack(Path(__file__).parents[2] / "configs/policies/cn-gbt45251-2025.yaml")
INSTITUTION = "海城消费金融"
OWN_NUMBER, AGENCY_NUMBER, UNFILED = "+862160000001", "+862160000002", "+862160000003"
AGENCY = "海岸服务"
CONTENT = reviewed.content("reminder", 3)
DIGEST = CONTENT.digest


@dataclass
class LedgerSite:
    """`ledger` over `store`; balances are a file that a test may change."""

    store: Store
    clock: ManualClock
    ledger: Ledger
    gate: Gate
    balances: Path

    def campaign(self, **changes: Any) -> Campaign:
        values: dict[str, Any] = {
            "name": "spring",
            "institution": INSTITUTION,
            "talk_track": "reminder@3",
            "lists": ["list.csv"],
            "callers": [
                {"number": OWN_NUMBER},
                {"number": AGENCY_NUMBER, "agency": AGENCY},
                {"number": UNFILED, "agency": "无名服务"},
            ],
            "trunk": "simulated",
            "lines": 1000,
            "windows": {"mon-sun": ["08:00-21:30"]},
            "balances": {"file": str(self.balances)},
            "values": {"inst_name": "海城消金", "official_no": "4000095500"},
        }
        return Campaign.model_validate(values | changes)

    def enrol(self, *rows: ListRow, **changes: Any) -> str:
        self.owe(*rows)
        return self.ledger.enrol(self.campaign(**changes), DIGEST, rows)

    def owe(self, *rows: ListRow, amount: str = "520.40", as_of: datetime | None = None) -> None:
        """Writes the balance file."""
        stamp = (as_of or self.clock.now()).isoformat()
        lines = ["case_id,amount_due,as_of"] + [f"{row.case_id},{amount},{stamp}" for row in rows]
        self.balances.write_text("\n".join(lines) + "\n")

    def dial(self, claim: Claim, worker: str = "w1") -> None:
        """Permission, which must be given."""
        decision = self.ledger.permit(claim.attempt_id, worker)
        assert decision.allowed, decision.refusals

    def claim_one(self, campaign_id: str, worker: str = "w1") -> Claim:
        (claim,) = self.ledger.claim(campaign_id, worker, 1)
        return claim


def row(number: int, **changes: Any) -> ListRow:
    """A good row: case-N of debtor-N."""
    values: dict[str, Any] = {
        "line": number + 1,
        "case_id": f"case-{number}",
        "debtor_id": f"debtor-{number}",
        "name": "张伟",
        "phone": f"+86138{number:08d}",
        "amount_due": 52040,
        "phone_source": "contract",
        "phone_evidence": f"contract-{number}",
        "id_tail": "123X",
    }
    return ListRow(**(values | changes))


def build(store: Store, clock: ManualClock, folder: Path, recorder_ready: Callable[[], bool]) -> LedgerSite:
    """Registers numbers, agencies and the approval, and opens a ledger."""
    tools = Tools(store)
    for number, agency in ((OWN_NUMBER, None), (AGENCY_NUMBER, AGENCY)):
        tools.register(
            Tool(
                number,
                INSTITUTION,
                agency,
                True,
                date(2026, 1, 1),
                date(2026, 12, 31),
                "ops-lin",
                "compliance-zhao",
            )
        )
    for name in (AGENCY, "无名服务"):
        Agencies(store).register(name, listed=True, mandates=[INSTITUTION], evaluated=date(2025, 10, 20))
    approve(store)
    gate = Gate([PACK], clock)
    ledger = Ledger(store, gate, clock, recorder_ready=recorder_ready)
    return LedgerSite(store, clock, ledger, gate, folder / "balances.csv")


def approve(store: Store, state: str = "approved", at: str = reviewed.SIGNED_AT) -> None:
    """Two reviewers sign the talk track, or one of them revokes it."""
    if state == "approved":
        reviewed.approve(store, CONTENT, at=at)
    else:
        reviewed.revoke(store, CONTENT, at=at)


def at(hour: int, minute: int, day: int = 2) -> datetime:
    """A time of March 2026 (the 2nd is a Monday)."""
    return datetime(2026, 3, day, hour, minute, tzinfo=SHANGHAI)
