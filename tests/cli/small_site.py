"""A site of its own with one small campaign, and the commands as a person calls them there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog

import scripts_review.cli
import voicebot.cli.main
from voicebot.store.encryption import KeyRing

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = {"voicebot": voicebot.cli.main.run, "scripts-review": scripts_review.cli.run}
CAMPAIGN = """\
name: small
institution: 海城消费金融
talk_track: reminder@1
lists: [list.csv]
balances: {file: balances.csv}
trunk: simulated
callers: [{number: "+8602160000001"}]
timezone: Asia/Shanghai
windows: {mon-fri: ["08:00-21:30"]}
values: {inst_name: 海城消金客服中心, official_no: "4000095500"}
simulation: {start: "2026-03-02T10:15"}
"""
LIST = """\
case_id,debtor_id,name,phone,amount_due
A-1,P-1,陈志明,13800002001,815.60
A-2,P-2,王秀英,13800002006,1280.00
"""
BALANCES = """\
case_id,amount_due,as_of
A-1,815.60,2026-03-02T10:14:00
A-2,1280.00,2026-03-02T10:14:00
"""


@dataclass(frozen=True)
class Said:
    """What a command left behind on the screen."""

    code: int
    out: str
    err: str

    def refused(self, *words: str) -> str:
        """The one line of a refusal, after the look at its form; every word must be in it."""
        assert self.code == 2, f"exit code {self.code}\n{self.out}\n{self.err}"
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        line = lines[0]
        assert line.startswith(("voicebot: ", "scripts-review: ")), line
        assert "Traceback" not in self.out
        for word in words:
            assert word in line, f"{word!r} is not in: {line}"
        for doubled in ("..", ".:", ". .", "?.", "  "):
            assert doubled not in line.replace("...", ""), line
        return line


@dataclass
class SmallSite:
    """`folder` is the working folder; its `var` is its own."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def campaign(self, old: str = "", new: str = "") -> str:
        """Writes the campaign with one change; its name as a person would give it."""
        assert old in CAMPAIGN
        self.write("campaign.yaml", CAMPAIGN.replace(old, new, 1) if old else CAMPAIGN)
        return "campaign.yaml"

    def settings(self, text: str) -> None:
        self.write("configs/site.yaml", text)

    def command(self, program: str, *arguments: str) -> Said:
        """The console entry, in this process."""
        old = structlog.get_config()
        self.capsys.readouterr()
        with self.monkeypatch.context() as patch:
            patch.setattr(sys, "argv", [program, *arguments])
            for name, value in self.environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                ENTRIES[program]()
        structlog.configure(**old)
        said = self.capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Said(code, said.out, said.err)

    def started(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """The installed command in a process of its own, running."""
        return subprocess.Popen(
            [Path(sys.executable).with_name(program), *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def process(self, program: str, *arguments: str) -> Said:
        """The same, to its end."""
        with self.started(program, *arguments) as running:
            try:
                out, err = running.communicate(timeout=60)
            finally:
                running.kill()
        return Said(running.returncode, out, err)

    def files(self) -> set[str]:
        """Everything below `var`, to see that nothing was begun."""
        var = self.folder / "var"
        return {str(path.relative_to(var)) for path in var.rglob("*")} if var.exists() else set()


def build(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> SmallSite:
    """A site that could run, but for an approved talk track."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    (folder / "dialogs").symlink_to(ROOT / "dialogs")
    for name in [name for name in os.environ if name.startswith("VOICEBOT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(folder)
    site = SmallSite(folder, monkeypatch, capsys)
    site.environment["VOICEBOT_MODELS"] = str(ROOT / "var" / "models")
    site.environment["VOICEBOT_RASA_PYTHON"] = sys.executable
    site.write("list.csv", LIST)
    site.write("balances.csv", BALANCES)
    site.campaign()
    KeyRing.create(folder / "var" / "keys.json")
    return site
