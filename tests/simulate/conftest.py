"""Scenarios with the quick voice, so that no test waits for a rendering."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

PERSON = "voice: espeak:cmn\nanswer: {after_s: 0.2}\n"
SCENARIOS = {
    "31": PERSON
    + """
steps:
  - {when: answered, after_s: 0.3, say: 喂，你好。}
  - {say: 是我，我就是本人。}
  - {say: 我明天就还。}
linger_s: 8
expects: {disposition: PTP}
""",
    "32": PERSON
    + """
steps:
  - {when: bot_started, after_s: 0.6, say: 等一下，我有话要说。}
  - {when: at_once, wait_s: 1}
  - {when: at_once, hang_up: true}
expects: {disposition: HUNG_UP}
""",
    "33": "answer: {kind: busy, after_s: 0.2}\nexpects: {disposition: BUSY}\n",
    "34": "answer: {kind: rejected, after_s: 0.2}\nexpects: {disposition: REJECTED}\n",
    "35": "answer: {kind: no_answer}\nexpects: {disposition: NO_ANSWER}\n",
    "36": """
answer: {kind: announcement, after_s: 0.2, voice: espeak:cmn, text: 您拨打的号码是空号。, code: 503}
expects: {disposition: EMPTY_NUMBER}
""",
    "37": """
answer: {kind: voicemail, after_s: 0.2, voice: espeak:cmn, text: 请在滴声后留言。}
expects: {disposition: VOICEMAIL}
""",
    "38": PERSON
    + """
steps:
  - {keys: "5806"}
  - {say: 好的。}
linger_s: 8
expects: {disposition: PTP}
""",
    "39": PERSON
    + """
steps:
  - {say: 转人工。}
  - {when: agent_greeted, after_s: 0.3, say: 你好，我想分期。}
expects: {disposition: HUMAN, handed_over: true}
""",
}
AGENT = """
id: agent1001
voice: espeak:cmn
answers_after_s: 0.3
greets: 您好，我是人工客服，请问有什么可以帮您？
answers: [好的，马上登记。]
says_goodbye: 再见。
"""


@pytest.fixture(scope="session")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenarios")
    for number, text in SCENARIOS.items():
        head = f'id: made{number}\nnumber: "{number}"\ntitle: made\n'
        (folder / f"{number}.yaml").write_text(head + text, "utf-8")
    return folder


@pytest.fixture(scope="session")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agents")
    (folder / "agent1001.yaml").write_text(AGENT, "utf-8")
    return folder


@pytest.fixture(scope="session")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prompts")


@pytest.fixture
def tone(tmp_path: Path) -> Callable[[float], Path]:
    """WAV of a tone of so many seconds, -20 dBFS."""

    def write(seconds: float) -> Path:
        path = tmp_path / f"tone{seconds:g}.wav"
        t = np.arange(int(seconds * 8000)) / 8000
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(8000)
            out.writeframes((4600 * np.sin(2 * np.pi * 300 * t)).astype("<i2").tobytes())
        return path

    return write
