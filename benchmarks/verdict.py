"""How a benchmark ends: its figures, a line for each condition that was missed, and the exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn


def conclude(
    found: dict[str, Any], wrong: Sequence[str], as_json: bool, show: Callable[[dict[str, Any]], None]
) -> NoReturn:
    """Prints `found`: as JSON, with `wrong` under "missed", or as `show` has it.  Exit code 1 for any."""
    if as_json:
        print(json.dumps(found | {"missed": wrong}, ensure_ascii=False, indent=1))
    else:
        show(found)
    refuse(wrong)


def refuse(wrong: Sequence[str]) -> NoReturn:
    """Only what was missed, on stderr."""
    for line in wrong:
        print(f"missed: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)
