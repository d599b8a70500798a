"""One entry for the player: the spoken form of a typed slot.  The type comes from the talk track, never from
the look of the value (500 is an amount or a code, 13812341234 a number to be read digit by digit)."""

from __future__ import annotations

from datetime import date

from voicebot.speech.spoken.counts import speak_count
from voicebot.speech.spoken.dates import speak_date
from voicebot.speech.spoken.digits import speak_digits, speak_number
from voicebot.speech.spoken.money import speak_money
from voicebot.speech.spoken.times import speak_time


def speak(slot_type: str, value: str | int, today: date) -> str:
    """Spoken text of `value`.

    Types: money (fen), date (ISO), time (HH:MM), count, tail (digits one by one), number (phone number in
    groups), name and text (as they are).  Raises ValueError for an unknown type or an impossible value,
    without naming the value: it may be personal.
    """
    try:
        match slot_type:
            case "money":
                return speak_money(int(value))
            case "count":
                return speak_count(int(value))
            case "date":
                return speak_date(str(value), today)
            case "time":
                return speak_time(str(value))
            case "tail":
                return speak_digits(str(value))
            case "number":
                return speak_number(str(value))
            case "name" | "text":
                return str(value).strip()
    except ValueError:
        raise ValueError(f"a value of a slot of type {slot_type} cannot be spoken") from None
    raise ValueError(f"unknown slot type {slot_type!r}")
