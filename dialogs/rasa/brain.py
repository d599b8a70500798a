"""One approved version inside the Rasa process: understands a text, and decides the step for given facts.

Every decision is a fresh conversation of one turn: the facts of the call are its slots.  So a turn costs
the same at the end of a call as at its start, and nothing stays in Rasa's trackers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from cachetools import LRUCache
from rasa.core.agent import Agent
from rasa.core.channels.channel import UserMessage
from rasa.shared.core.events import ActionExecuted, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from dialogs.engine import engine
from dialogs.rasa.guard import Phrases, sound_of
from dialogs.wording import spoken

PLAN = "utter_plan"
NOT_UNDERSTOOD = "event.not_understood"
REMEMBERED = 4096
"""So many answers of the engine are kept: most of what is said on a telephone has been said before."""


class WrongModel(RuntimeError):
    """The archive is not the one that was built for this digest."""


class Brain:
    """Loaded once a digest; shared by all its calls."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds manifest.json and model.tar.gz.  Raises WrongModel."""
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        archive = folder / "model.tar.gz"
        if hashlib.sha256(archive.read_bytes()).hexdigest() != manifest["model"]:
            raise WrongModel(f"{folder.name[:12]}: the model is not the one that was built")
        if manifest.get("engine") != engine():
            raise WrongModel(f"{folder.name[:12]}: built by another version of the program; build it again")
        self._processor = Agent.load(str(archive)).processor
        self._domain = self._processor.domain
        self.plan: dict[str, Any] = self._domain.responses[PLAN][0]["custom"]
        if self.plan["digest"] != folder.name:
            raise WrongModel(f"{folder.name[:12]}: the model belongs to another digest")
        self._marks = {
            name: (Phrases(mark["phrases"]), Phrases(mark.get("unless", [])))
            for name, mark in self.plan["marks"].items()
        }
        self._parsed: LRUCache[str, list[dict[str, Any]]] = LRUCache(REMEMBERED)
        self._decided: LRUCache[Hashable, dict[str, Any]] = LRUCache(REMEMBERED)

    def marks_in(self, text: str) -> frozenset[str]:
        """The track's marks whose words were said."""
        said = spoken(text)
        sound = sound_of(said)
        return frozenset(
            name
            for name, (phrases, exceptions) in self._marks.items()
            if phrases.found_in(said, sound) and not exceptions.found_in(said, sound)
        )

    async def understand(self, text: str, stage: str) -> tuple[str, float]:
        """The intent and its confidence; NOT_UNDERSTOOD when nothing is likely enough, or two are alike."""
        return self.chosen(await self.ranking(text, stage))

    def chosen(self, ranking: list[tuple[str, float, float]]) -> tuple[str, float]:
        """What a call acts on."""
        if not ranking:
            return NOT_UNDERSTOOD, 1.0
        thresholds = self.plan["thresholds"]
        (intent, confidence, most), (_, _, next_most) = ranking[:2]
        if confidence < thresholds["confidence"] or most - next_most < thresholds["margin"]:
            return NOT_UNDERSTOOD, confidence
        return intent, confidence

    async def ranking(self, text: str, stage: str | None) -> list[tuple[str, float, float]]:
        """Intent, confidence and weight, the heaviest first; empty when nothing was said.

        What the stage does not expect weighs less; without a stage every intent weighs its confidence.
        """
        said = spoken(text)
        if not said:
            return []
        unlikely = set(self.plan["stages"][stage]["unlikely"]) if stage else ()
        less = self.plan["thresholds"]["unlikely"]
        weighed = []
        for one in await self._parse(said):
            name, sure = one["name"], one["confidence"]
            weighed.append((name, sure, sure * less if name in unlikely and sure < 1.0 else sure))
        return sorted(weighed, key=lambda one: (-one[2], one[0]))

    async def _parse(self, said: str) -> list[dict[str, Any]]:
        """The engine's ranking, which depends on nothing but the text."""
        if said not in self._parsed:
            parsed = await self._processor.parse_message(UserMessage(said, input_channel="voice"))
            self._parsed[said] = parsed.get("intent_ranking") or [parsed["intent"]]
        return self._parsed[said]

    def decide(self, intent: str, facts: Mapping[str, str | bool]) -> Mapping[str, Any]:
        """The step of the one rule that matches.  LookupError when there is none: never guess."""
        key = (intent, *sorted(facts.items()))
        if key not in self._decided:
            self._decided[key] = self._predict(intent, facts)
        return self._decided[key]

    def _predict(self, intent: str, facts: Mapping[str, str | bool]) -> dict[str, Any]:
        tracker = DialogueStateTracker("turn", self._domain.slots)
        tracker.update(ActionExecuted("action_listen"), self._domain)
        for name, value in facts.items():
            tracker.update(SlotSet(name, value), self._domain)
        tracker.update(UserUttered("", intent={"name": intent, "confidence": 1.0}), self._domain)
        action, _ = self._processor.predict_next_with_tracker_if_should(tracker)
        responses = self._domain.responses.get(action.name())
        if not responses:
            raise LookupError(f"no rule for {intent} at {facts['place']}")
        return responses[0].get("custom") or {}
