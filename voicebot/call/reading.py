"""What was heard, as the dialog policy is told of it: words with their dates and amounts, keys, silence.

The digits of the knowledge check stop here: they are compared, and the policy learns whether they were right.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from dialogs.policy import Expects, TurnEvent
from voicebot.call.inbox import Deaf, Key
from voicebot.call.listening import Utterance
from voicebot.call.transcript import Transcript
from voicebot.call.verification import MASKED_TEXT, KnowledgeCheck
from voicebot.speech.understanding import Instalments, values_in

HUMAN_KEY = "0"
UNKNOWN_KEY = "#"


@dataclass(frozen=True)
class Told:
    """One event for the policy.  `masked`: its words were digits of the check and are written nowhere."""

    event: TurnEvent
    masked: bool = False


class Reading:
    """One call's.  Writes what was heard into the transcript."""

    def __init__(
        self, check: KnowledgeCheck, transcript: Transcript, today: date, instalments: Instalments | None
    ) -> None:
        self._check, self._transcript = check, transcript
        self._today, self._instalments = today, instalments
        self.deaf_turns = 0
        "Turns in a row that the speech service could not recognise."

    def of(self, heard: Utterance | Key | Deaf | None, expects: Expects) -> Told | None:
        """The event; `heard` None is silence.  None: there is more to come before anything can be decided."""
        if heard is None:
            return self._silence()
        if isinstance(heard, Key):
            return self._key(heard, expects)
        if isinstance(heard, Deaf):
            self.deaf_turns += 1
            self._transcript.event("asr_fault", f"turn {self.deaf_turns} not recognised")
            return Told(TurnEvent("speech", text="", confidence=0.0))
        self.deaf_turns = 0
        return self._words(heard, expects)

    def _silence(self) -> Told:
        """Whoever pressed 0 and nothing after it wants a person, also where digits were asked for."""
        pressed = self._check.forget_keys()
        if pressed == HUMAN_KEY:
            return Told(TurnEvent("dtmf", digit=HUMAN_KEY))
        return Told(TurnEvent("silence"))

    def _words(self, heard: Utterance, expects: Expects) -> Told:
        self._transcript.speech_ended(heard, expects)
        # Four digits are taken for the identity tail, asked for or not: never kept, never sent on.
        masked = self._check.to_be_masked(heard.text, heard.alternatives)
        self._transcript.heard(heard, "debtor", masked=masked)
        self._check.forget_keys()
        if expects == "digits":
            right = self._check.in_speech(heard.text, heard.alternatives)
            if right is not None:
                return Told(_verdict(right), masked=True)
        text = MASKED_TEXT if masked else heard.text
        values = values_in(text, self._today, self._instalments)
        return Told(TurnEvent("speech", text=text, confidence=heard.confidence, values=values))

    def _key(self, key: Key, expects: Expects) -> Told | None:
        if expects != "digits":
            # Until the check has passed, any key may be one of its digits; only 0 asks for a person.
            known = self._check.passed or key.digit == HUMAN_KEY
            self._transcript.event("dtmf", key.digit if known else "a digit")
            return Told(TurnEvent("dtmf", digit=key.digit if known else UNKNOWN_KEY))
        self._transcript.event("dtmf", "digit of the check")
        right = self._check.key(key.digit)
        return None if right is None else Told(_verdict(right))


def _verdict(right: bool) -> TurnEvent:
    return TurnEvent("verified" if right else "not_verified")
