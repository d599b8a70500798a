"""What a callee notices of the bot, tick by tick."""

from __future__ import annotations

from voicebot.simulate.bot_watch import BotWatch


def test_a_bot_that_begins_within_the_last_key_has_answered() -> None:
    watch = BotWatch()
    for level in [-90.0] * 10 + [-20.0] * 100 + [-90.0] * 20 + [-20.0] * 50:
        watch.feed(level)
    assert watch.answered_since(12) == 10
    assert watch.started_since(12) == 130
    assert watch.answered_since(115) == 130
