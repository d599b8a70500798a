"""The tally, for whoever writes attempts in bulk; see voicebot.store.tally."""

from voicebot.store.tally import add_in

__all__ = ["add_in"]
