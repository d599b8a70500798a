"""The `voicebot` command.  Every fault that a person can mend is one line and exit code 2.

A command's module is imported when that command is asked for: who stops a campaign does not wait for what
draws a report.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from voicebot import __version__
from voicebot.console import run_app

Place = tuple[str, str, str | None]
"""Module in this package, name in it, and the help of a group of commands."""
COMMANDS: dict[str, Place] = {
    "run": ("run", "run_campaign_file", None),
    "status": ("campaign_commands", "status", None),
    "pause": ("campaign_commands", "pause", None),
    "resume": ("campaign_commands", "resume", None),
    "drain": ("campaign_commands", "drain", None),
    "stop": ("campaign_commands", "stop", None),
    "worker": ("worker", "worker", None),
    "unresolved": ("unresolved_commands", "unresolved", None),
    "resolve": ("unresolved_commands", "resolve", None),
    "check": ("check", "check", None),
    "doctor": ("doctor", "doctor", None),
    "apply": ("apply", "apply", None),
    "call": ("call_commands", "app", "Look at calls: one as a readable script, or the list."),
    "policy": ("policy_commands", "app", "The rules: explain one case, run the packs' own tests."),
    "stop-list": ("stop_list_commands", "app", "Who must not be called, and why."),
    "tools": ("tools_commands", "app", "Registered caller numbers (作业工具)."),
    "agreement": ("agreement_commands", "app", "What debtors agreed to beforehand (约定)."),
    "case": ("case_commands", "app", "Holds, approvals and events of a case."),
    "desk": ("desk", "desk", None),
    "agents": ("agent_commands", "app", "Who takes calls: accounts of the desk, certificates, why not."),
    "audit": ("audit_commands", "app", "What happened, proved: verify, hand out evidence, check it."),
    "trace": ("trace", "trace_number", None),
    "retention": ("retention_commands", "app", "How long records are kept, and deleting them afterwards."),
    "keys": ("keys_commands", "app", "The site's key ring: list, rotate."),
    "people": ("people_commands", "app", "Who may sign, in which roles, and their keys."),
    "trunk": ("trunk_commands", "app", "Trunks: list them, test one, what the SIP stack can do."),
    "models": ("models_commands", "app", "Speech models: list, install, add, check."),
    "voices": ("voices_commands", "app", "The bot's voices: list, compare."),
    "demo": ("demo", "app", "Prepare the demo: its keys, approvals and prompts."),
    "version": ("main", "version", None),
}


class Commands(MutableMapping[str, Any]):
    """Looks like the mapping that typer fills, but imports what is taken from it."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        if name not in self._loaded:
            module, found, about = COMMANDS[name]
            self._loaded[name] = _command(
                name, getattr(import_module(f"voicebot.cli.{module}"), found), about
            )
        return self._loaded[name]  # type: ignore[no-any-return]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _command(name: str, found: Any, about: str | None) -> Any:
    """A function or a group of commands, as typer makes it."""
    alone = typer.Typer(pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name, help=about)
    else:
        alone.command(name)(found)
    return get_group(alone).commands[name]


class Voicebot(TyperGroup):
    """The group of all commands."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = Commands()


app = typer.Typer(
    name="voicebot",
    cls=Voicebot,
    help=(
        "Outbound voice bot with human handoff for loan-repayment reminder calls.\n\n"
        "Start with `voicebot doctor` (is this site ready?), then `voicebot check FILE` "
        "(who would be called, who is refused and why), then `voicebot run FILE`."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def voicebot() -> None:
    """Makes it a group of commands."""


def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def run() -> None:
    """Entry point of the console script."""
    run_app(app, "voicebot")


if __name__ == "__main__":
    run()
