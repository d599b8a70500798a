"""The words that open the identity gate: only a confirmation, with nothing in it that could mean another."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import yaml

from dialogs.bank import Bank
from dialogs.rasa.identity import LONGEST, confirms
from dialogs.wording import spoken

SAID = yaml.safe_load((Path(__file__).parent / "identity.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("said", SAID["said_by_others"])
def test_who_belongs_to_the_person_is_not_the_person(said: str):
    opened = [text for other in SAID["others"] if confirms(text := said.replace("_", other))]
    assert opened == []
    assert len(SAID["others"]) * len(SAID["said_by_others"]) > 500


@pytest.mark.parametrize("said", SAID["no_confirmation"] + SAID["more_that_is_none"])
def test_questions_echoes_greetings_and_television_confirm_nothing(said: str):
    assert not confirms(spoken(said))


@pytest.mark.parametrize(
    "before, after", list(product(("是我", "对", "我就是"), ("他爸", "不是", "吗", "的手机", "弟弟")))
)
def test_one_word_more_takes_a_confirmation_back(before: str, after: str):
    assert confirms(before) and not confirms(before + after)


@pytest.mark.parametrize("said", SAID["confirmations"])
def test_what_people_say_who_are_asked_for(said: str):
    assert confirms(spoken(said))


def test_no_utterance_of_another_intent_confirms():
    bank = Bank.load(sorted(Path("dialogs/utterances").glob("*.yaml")))
    others = {name: texts for name, texts in bank.intents.items() if name not in ("C.yes", "C.yes_self")}
    assert {(name, text) for name, texts in others.items() for text in texts if confirms(text)} == set()


@pytest.mark.timeout(5)
@pytest.mark.parametrize("part", ["是我", "对", "我是", "我就是你说", "好是的", "张伟是我", "没错对的"])
def test_stammering_costs_no_time(part: str):
    for length in range(1, LONGEST + 5):
        confirms(f"{(part * LONGEST)[:length]}不")
