"""What a person who need not know sees of a number or a name."""

from __future__ import annotations

MASK = "****"
COUNTRY = "+86"


def mask_phone(phone: str) -> str:
    """+8613812341234 → 138****1234; a fixed line keeps its area code's start and its last four."""
    national = phone.removeprefix(COUNTRY) if phone.startswith(COUNTRY) else phone
    if len(national) <= 4:
        return MASK
    head = national[: min(3, len(national) - 7)] if len(national) > 7 else ""
    return f"{head}{MASK}{national[-4:]}"


def mask_name(name: str) -> str:
    """张伟 → 张*; a compound or foreign name keeps its first character only."""
    name = name.strip()
    return name[:1] + "*" * max(1, len(name) - 1) if name else ""
