"""What an agent must not say: the reviewers' lint, asked about words that were spoken just now."""

from __future__ import annotations

from scripts_review.lint_rules import LintRules, Meta

ONLY_FOR_THE_BOT = frozenset({"LITERAL_MONEY", "LIKENESS"})
"""An agent names amounts from the case; and how a sentence reads is no proof of what was said."""


def forbidden(text: str, to_contact: bool) -> list[str]:
    """Why each found wording is forbidden, with the rule's id.

    Whoever talks with the debtor is taken to have checked who it is: that the bot has not is no proof.
    """
    meta = Meta("human", "contact") if to_contact else Meta("human", "debtor", 2)
    broken = LintRules.load().broken_by(text, meta)
    return [
        f"{rule.why} ({rule.id})"
        for rule, _ in broken
        if rule.severity == "error" and rule.id not in ONLY_FOR_THE_BOT
    ]
