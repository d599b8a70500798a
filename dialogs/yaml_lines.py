"""Reads YAML and remembers the line of every place in it, so a fault can be shown where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dialogs.errors import TrackError

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[int | str, ...]
UNKNOWN = "this key is unknown"


class YamlFile:
    """One file's data (`data`) and the way back from a key to its line."""

    def __init__(self, path: Path) -> None:
        """TrackError when the file is missing, not UTF-8, no YAML, or gives a key twice."""
        self.path = path
        try:
            self.raw = path.read_bytes()
            text = self.raw.decode("utf-8-sig")
        except OSError as fault:
            raise TrackError(f"cannot be read: {fault.strerror}", "Give an existing file.", path) from None
        except UnicodeDecodeError:
            raise TrackError("the file is not UTF-8", "Save it as UTF-8.", path) from None
        loader = yaml.CSafeLoader(text)
        try:
            self._node = loader.get_single_node()
            self._refuse_doubles(self._node)
            self.data: Any = loader.construct_document(self._node) if self._node else None
        except yaml.MarkedYAMLError as fault:
            mark = fault.problem_mark
            raise TrackError(fault.problem or "no YAML", "", path, mark.line + 1 if mark else None) from None
        except yaml.YAMLError as fault:
            what = f"this is no YAML: {fault}".splitlines()[0]
            raise TrackError(what, "Save it as plain text in UTF-8.", path) from None
        finally:
            loader.dispose()
        if not isinstance(self.data, dict):
            raise TrackError("the file must hold keys and values", "", path)

    def _refuse_doubles(self, node: yaml.Node | None) -> None:
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                self._refuse_doubles(item)
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen:
                    raise TrackError(
                        "this key is given twice", "Keep one.", self.path, key.start_mark.line + 1, key.value
                    )
                seen.add(key.value)
                self._refuse_doubles(value)

    def line_of(self, loc: Loc) -> int | None:
        """The 1-based line of the deepest part of `loc` that the file has."""
        node, line = self._node, None
        for part in loc:
            if isinstance(node, yaml.MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
                if found is None:
                    break
                line, node = found[0].start_mark.line + 1, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
        return line

    def error(self, what: str, loc: Loc = (), do: str = "") -> TrackError:
        """A TrackError at a place of this file."""
        return TrackError(what, do, self.path, self.line_of(loc), ".".join(map(str, loc)) or None)

    def parse(self, model: type[Model]) -> Model:
        """The data as `model`.  TrackError for the first fault in the file; `more` has the others."""
        try:
            return model.model_validate(self.data)
        except ValidationError as fault:
            found: dict[tuple[int | None, str], TrackError] = {}
            for one in fault.errors(include_url=False):
                told = self._told(one["type"], one["msg"], tuple(one["loc"]))
                found.setdefault((told.line, told.what), told)  # a union tells the same of each member
            # Misspelt keys first: another key is missing because of them.
            first, *more = sorted(found.values(), key=lambda told: (told.what != UNKNOWN, told.line or 0))
            first.more = tuple(more)
            raise first from None

    def _told(self, kind: str, message: str, loc: Loc) -> TrackError:
        """pydantic's fault in our words: what, and what to do."""
        what = message.removeprefix("Value error, ")
        match kind:
            case "extra_forbidden":
                return self.error(UNKNOWN, loc, "Remove it or correct its spelling.")
            case "missing":
                return self.error("this key is missing", loc, "Add it.")
            case "literal_error":
                return self.error(what[0].lower() + what[1:], loc, "Use one of these words.")
            case "value_error":
                return self.error(what, loc, "Correct this entry.")
        return self.error(what[0].lower() + what[1:], loc, "Correct this value.")
