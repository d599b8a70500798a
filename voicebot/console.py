"""The one way into every command: a fault that a person can mend is one line on stderr and exit code 2."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import NoReturn

import typer
from typer._click.exceptions import ClickException, NoArgsIsHelpError  # typer's own copy; it exports no base

from dialogs.errors import TrackError
from sip.errors import SipError
from voicebot.errors import InputError
from voicebot.logs import configure

BAD_INPUT = 2
INTERRUPTED = 130


def run_app(app: typer.Typer, name: str) -> NoReturn:
    """Runs a command line as the program `name` and ends the process with its exit code."""
    configure()
    sys.exit(_exit_code(app, name))


def told(fault: InputError | TrackError | SipError) -> str:
    """A fault of any of our packages as one line, in one form."""
    text = str(InputError(fault.what, fault.do, fault.where, fault.line, fault.key))
    return " ".join(part.strip() for part in text.splitlines())


def counted(number: int, what: str) -> str:
    """Like 1 signature, 2 signatures."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _exit_code(app: typer.Typer, name: str) -> int:
    try:
        code = app(prog_name=name, standalone_mode=False)
    except (InputError, TrackError, SipError) as fault:
        return _refuse(name, told(fault))
    except NoArgsIsHelpError as asked:
        print(asked.message, end="")  # rich has printed the help already; without rich it is the message
        return BAD_INPUT
    except ClickException as misuse:
        command = getattr(getattr(misuse, "ctx", None), "command_path", name)
        message = misuse.format_message().rstrip(".?")
        end = "?" if "Did you mean" in message else "."
        return _refuse(name, f"{message}{end} See `{command} --help`.")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `… | head`: nobody reads any more
        return 0
    except OSError as fault:
        if fault.filename is None:
            raise
        reason = fault.strerror or type(fault).__name__
        return _refuse(name, told(InputError(reason, "Check the path and its permissions.", fault.filename)))
    except (typer.Abort, KeyboardInterrupt, asyncio.CancelledError):  # Ctrl-C
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _refuse(name: str, line: str) -> int:
    print(f"{name}: {line}", file=sys.stderr)
    return BAD_INPUT
