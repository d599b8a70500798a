"""The form after a talk: what it must hold, and what it obliges us to."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

PROMISE_DAYS = 90
CALLBACK_DAYS = 14
NOTE = 500
"""Characters; kept encrypted."""


class Came(StrEnum):
    """What a talk with an agent may have come to: of the closed list of dispositions, those that fit."""

    PTP = "PTP"
    PLAN_SUBMITTED = "PLAN_SUBMITTED"
    CALLBACK = "CALLBACK"
    PAID_CLAIM = "PAID_CLAIM"
    INFORMED = "INFORMED"
    DECLINED_TO_PAY = "DECLINED_TO_PAY"
    DISPUTE = "DISPUTE"
    HARDSHIP = "HARDSHIP"
    VULNERABLE = "VULNERABLE"
    COMPLAINT = "COMPLAINT"
    STOP_REQUEST = "STOP_REQUEST"
    WRONG_PARTY = "WRONG_PARTY"
    NOT_VERIFIED = "NOT_VERIFIED"
    HUNG_UP = "HUNG_UP"


HOLD_OF = {
    Came.COMPLAINT: "open_complaint",
    Came.DISPUTE: "open_dispute",
    Came.PAID_CLAIM: "paid_unconfirmed",
}
STOP_OF = {
    Came.STOP_REQUEST: "DEBTOR_NO_BOT",
    Came.WRONG_PARTY: "WRONG_PARTY",
    Came.VULNERABLE: "VULNERABLE",
}


class WrapUp(BaseModel):
    """As the page sends it.  `fault` of a ValueError is a word of the pages."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    call: int
    disposition: Came
    promise_date: date | None = None
    promise_amount: Decimal | None = Field(default=None, gt=0, max_digits=12, decimal_places=2)
    callback_at: datetime | None = None
    instalments: int | None = Field(default=None, ge=2, le=60)
    stop_calling: bool = False
    note: str = Field(default="", max_length=NOTE)

    @model_validator(mode="after")
    def _complete(self) -> WrapUp:
        if self.disposition is Came.PTP and (self.promise_date is None or self.promise_amount is None):
            raise ValueError("promise_incomplete")
        if self.disposition is Came.CALLBACK and self.callback_at is None:
            raise ValueError("callback_incomplete")
        if self.disposition is Came.PLAN_SUBMITTED and self.instalments is None:
            raise ValueError("instalments_incomplete")
        return self

    def check(self, now: datetime) -> None:
        """Dates against the day of the case's own clock.  ValueError with a word of the pages."""
        today = now.date()
        if self.promise_date is not None and not today <= self.promise_date <= today + timedelta(
            PROMISE_DAYS
        ):
            raise ValueError("promise_date_range")
        if (at := self.callback_at) is not None:
            local = at.replace(tzinfo=now.tzinfo) if at.tzinfo is None else at
            if not now < local <= now + timedelta(CALLBACK_DAYS):
                raise ValueError("callback_range")

    def effects(self) -> dict[str, str | None]:
        """What must be written to the case, under the names of the ledger; None: nothing of that kind."""
        stop = STOP_OF.get(self.disposition) or ("DEBTOR_NO_BOT" if self.stop_calling else None)
        return {
            "stop_list": stop,
            "hold": HOLD_OF.get(self.disposition),
            "promise_date": self.promise_date.isoformat() if self.promise_date else None,
            "callback_at": self.callback_at.isoformat(timespec="minutes") if self.callback_at else None,
        }

    def form(self) -> dict[str, Any]:
        """For keeping."""
        return self.model_dump(mode="json", exclude={"call", "disposition"}, exclude_defaults=True)
