"""Trains one compiled project: `python -m dialogs.rasa.train PROJECT OUT_FILE` in the Rasa environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rasa.model_training import train

from dialogs.rasa.intents import KEPT


def main(project: Path, out: Path) -> int:
    """Writes the model archive to `out`.  Returns Rasa's exit code."""
    os.environ[KEPT] = str(out.parent.parent)  # beside the tracks, which share a bank
    result = train(
        domain=str(project / "domain.yml"),
        config=str(project / "config.yml"),
        training_files=str(project / "data"),
        output=str(out.parent),
        fixed_model_name=out.name.removesuffix(".tar.gz"),
        force_training=True,
    )
    return result.code if result.model and Path(result.model) == out else result.code or 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
