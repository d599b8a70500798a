"""The `voicebot` command.  Every fault that a person can mend is one line and exit code 2."""

from __future__ import annotations

import typer

from voicebot import __version__
from voicebot.cli import (
    agreement_commands,
    call_commands,
    campaign_commands,
    case_commands,
    check,
    models_commands,
    people_commands,
    policy_commands,
    stop_list_commands,
    tools_commands,
    unresolved_commands,
)
from voicebot.cli.apply import apply
from voicebot.cli.demo import app as demo_app
from voicebot.cli.doctor import doctor
from voicebot.cli.run import run_campaign_file
from voicebot.cli.worker import worker
from voicebot.console import run_app

app = typer.Typer(
    name="voicebot",
    help=(
        "Outbound voice bot with human handoff for loan-repayment reminder calls.\n\n"
        "Start with `voicebot doctor` (is this site ready?), then `voicebot check FILE` "
        "(who would be called, who is refused and why), then `voicebot run FILE`."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run_campaign_file)
app.command("status")(campaign_commands.status)
app.command("pause")(campaign_commands.pause)
app.command("resume")(campaign_commands.resume)
app.command("drain")(campaign_commands.drain)
app.command("stop")(campaign_commands.stop)
app.command("worker")(worker)
app.command("unresolved")(unresolved_commands.unresolved)
app.command("resolve")(unresolved_commands.resolve)
app.command("check")(check.check)
app.command("doctor")(doctor)
app.command("apply")(apply)
app.add_typer(call_commands.app, name="call", help="Look at calls: one as a readable script, or the list.")
app.add_typer(
    policy_commands.app, name="policy", help="The rules: explain one case, run the packs' own tests."
)
app.add_typer(stop_list_commands.app, name="stop-list", help="Who must not be called, and why.")
app.add_typer(tools_commands.app, name="tools", help="Registered caller numbers (作业工具).")
app.add_typer(agreement_commands.app, name="agreement", help="What debtors agreed to beforehand (约定).")
app.add_typer(case_commands.app, name="case", help="Holds, approvals and events of a case.")
app.add_typer(people_commands.app, name="people", help="Who may sign, in which roles, and their keys.")
app.add_typer(models_commands.app, name="models", help="Speech models: list, install, check.")
app.add_typer(demo_app, name="demo", help="Prepare the demo: its keys, approvals and prompts.")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def run() -> None:
    """Entry point of the console script."""
    run_app(app, "voicebot")


if __name__ == "__main__":
    run()
