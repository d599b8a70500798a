"""What each ciphertext of the store is bound to: none can be read in another's place."""

from __future__ import annotations


def phone_binding(bix: bytes) -> str:
    """A phone number's."""
    return f"phone.e164:{bix.hex()}"


def record_binding(campaign_id: str, case_id: str) -> str:
    """A case record's."""
    return f"case_file.record:{campaign_id}/{case_id}"


def notes_binding(campaign_id: str, case_id: str) -> str:
    """A case's notes'."""
    return f"case_file.notes:{campaign_id}/{case_id}"


def name_binding(case_pk: int) -> str:
    """A contact's name's."""
    return f"contact.name:{case_pk}"


def recording_binding(attempt_id: str) -> str:
    """A recording's seal: it opens as this call's only."""
    return f"recording:{attempt_id}"
