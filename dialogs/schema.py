"""The JSON Schema of talk-track files, for editors: `python -m dialogs.schema > docs/talk-track.schema.json`.

Made from the model that reads the files, so an editor marks what compile would refuse.  What needs the whole
track (lines that nobody speaks, missing duties, levels) only compile can see.
"""

from __future__ import annotations

import json
import sys

from pydantic.json_schema import GenerateJsonSchema

from dialogs.track_file import TrackFile

DIALECT = GenerateJsonSchema.schema_dialect


def schema_text() -> str:
    """The schema as it is published: JSON, two spaces, one line break at the end."""
    schema = {"$schema": DIALECT, **TrackFile.model_json_schema(), "title": "A voicebot talk track"}
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    """Writes it to standard output."""
    sys.stdout.write(schema_text())


if __name__ == "__main__":
    main()
