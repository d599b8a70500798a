"""Environment of the processes that speak: one core each, and this package found from any folder."""

from __future__ import annotations

import os
from pathlib import Path

_PROJECT = Path(__file__).parents[3]
_ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def environment() -> dict[str, str]:
    """For subprocess's `env`."""
    path = os.pathsep.join(filter(None, (str(_PROJECT), os.environ.get("PYTHONPATH"))))
    return os.environ | _ONE_CORE | {"PYTHONPATH": path}
