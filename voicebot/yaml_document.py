"""A YAML file that remembers its lines, so that every fault names the file, the line and what is allowed."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from voicebot.errors import InputError

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[int | str, ...]


class _Loader(yaml.CSafeLoader):
    """CSafeLoader that refuses a key given twice instead of taking the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node)
            if key != "<<" and key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


class YamlDocument:
    """One file: its data, and the line of any place in it."""

    def __init__(self, path: Path, data: Any, node: yaml.Node | None) -> None:
        self.path, self.data, self._node = path, data, node

    @classmethod
    def read(cls, path: Path | str) -> YamlDocument:
        """Reads a UTF-8 file.  InputError when it is missing, not UTF-8 or no YAML."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise InputError("there is no such file", "Give the path of an existing file.", path) from None
        except IsADirectoryError:
            raise InputError("this is a folder", "Give the path of a file.", path) from None
        except UnicodeDecodeError:
            raise InputError("the file is not UTF-8", "Save it as UTF-8.", path) from None
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            data = loader.construct_document(node) if node is not None else {}
        except yaml.MarkedYAMLError as fault:
            mark = fault.problem_mark
            line = mark.line + 1 if mark else None
            do = "Correct this line, or the ones before it."
            raise InputError(fault.problem or "this is no YAML", do, path, line) from None
        except yaml.YAMLError as fault:
            what = f"this is no YAML: {fault}".splitlines()[0]
            raise InputError(what, "Save it as plain text in UTF-8.", path) from None
        finally:
            loader.dispose()
        return cls(path, data, node)

    def line_of(self, loc: Loc) -> int | None:
        """The 1-based line of the deepest part of `loc` that is in the file."""
        node, line = self._node, 1 if self._node is not None else None
        for part in loc:
            if isinstance(node, yaml.MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
                if found is None:
                    break
                line, node = found[0].start_mark.line + 1, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
            # other parts are pydantic's names of union members: they stand nowhere in the file
        return line

    def error(self, what: str, loc: Loc = (), do: str = "") -> InputError:
        """An InputError at a place of this file."""
        key = ".".join(str(part) for part in loc) or None
        return InputError(what, do, self.path, self.line_of(loc), key)

    def parse(self, model: type[Model]) -> Model:
        """The data as `model`; InputError names the first fault's line and what is allowed there."""
        if not isinstance(self.data, dict):
            raise self.error("the file must hold keys and values")
        try:
            return model.model_validate(self.data)
        except ValidationError as fault:
            raise self.explain(fault, model) from None

    def explain(self, fault: ValidationError, model: type[BaseModel]) -> InputError:
        """The first error of a failed validation; a misspelt key comes before the one it leaves missing."""
        errors = fault.errors(include_url=False)
        first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
        loc: Loc = tuple(first["loc"])
        allowed = _fields_at(model, loc[:-1])
        name = str(loc[-1]) if loc else ""
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, allowed, 1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            return self.error("this key is unknown", loc, f"{hint}Allowed: {', '.join(allowed)}.")
        if first["type"] == "missing":
            return self.error(
                "this key is missing", loc, f"Allowed: {', '.join(allowed)}." if allowed else ""
            )
        message = first["msg"].removeprefix("Value error, ")
        return self.error(message[:1].lower() + message[1:], loc)


def _fields_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """Names of the keys that a model allows at `loc`; empty when the place is no model."""
    current: Any = model
    for part in loc:
        current = _step(current, part)
        if current is None:
            return []
    found = _models(current)
    return sorted({info.alias or name for one in found for name, info in one.model_fields.items()})


def _step(kind: Any, part: int | str) -> Any:
    for one in _models(kind):
        for name, info in one.model_fields.items():
            if part in (name, info.alias):
                return info.annotation
    if hasattr(kind, "__metadata__"):
        return _step(typing.get_args(kind)[0], part)
    arguments = [one for one in typing.get_args(kind) if one is not Ellipsis]
    return arguments[-1] if arguments else None


def _models(kind: Any) -> list[type[BaseModel]]:
    if typing.get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for part in typing.get_args(kind) for model in _models(part)]
