"""The `scripts-review` command: read, compare, lint, hear, try, submit and approve talk tracks."""

from __future__ import annotations

import typer

from scripts_review import desk_commands, listening_commands, reading_commands, rehearsal_commands
from voicebot.console import run_app

app = typer.Typer(
    name="scripts-review",
    help=(
        "Review of talk tracks (话术审核): nothing is spoken that two other people have not approved.\n\n"
        "ID@V is a track and its version, like reminder@2."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("submit")(desk_commands.submit)
app.command("list")(reading_commands.list_)
app.command("show")(reading_commands.show)
app.command("diff")(reading_commands.diff)
app.command("lint")(reading_commands.lint_command)
app.command("hear")(listening_commands.hear)
app.command("simulate")(rehearsal_commands.simulate)
app.command("exits")(rehearsal_commands.exits)
app.command("approve")(desk_commands.approve)
app.command("reject")(desk_commands.reject)
app.command("revoke")(desk_commands.revoke)
app.command("history")(reading_commands.history)
app.command("verify")(reading_commands.verify)
app.command("prepare")(listening_commands.prepare)
app.command("keygen")(desk_commands.keygen)
app.command("export")(desk_commands.export)
app.command("import")(desk_commands.import_)


def run() -> None:
    """Entry point of the console script."""
    run_app(app, "scripts-review")


if __name__ == "__main__":
    run()
