"""Orders and records hold personal data: a fault in one names the field, never the value."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from voicebot.call.order import DialOrder
from voicebot.call.record import CallRecord


@pytest.mark.parametrize("kind", [DialOrder, CallRecord])
def test_a_broken_message_does_not_tell_its_values(kind: type[BaseModel]) -> None:
    with pytest.raises(ValidationError) as broken:
        kind.model_validate({"attempt_id": 13812341234, "request_uri": ["sip:13812341234"], "turns": "张伟"})
    assert "13812341234" not in str(broken.value)
    assert "张伟" not in str(broken.value)
