"""A YAML file as plain values, with the line of every key, so that a fault can name its place."""

from __future__ import annotations

from pathlib import Path

import yaml

from sip.errors import SipError

Lines = dict[tuple[str, ...], int]


def read(path: Path) -> tuple[object, Lines]:
    """The file's value, and the line (from 1) of each key and item.  Raises SipError with file and line."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.CSafeLoader)
    except OSError as fault:
        raise SipError("the trunk file can't be read.", f"{fault.strerror}.", where=path) from None
    except UnicodeDecodeError:
        raise SipError("the trunk file is not UTF-8.", "Save it as UTF-8.", where=path) from None
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else None
        raise SipError(f"this is not YAML: {fault.problem}.", where=path, line=line) from None
    except yaml.YAMLError as fault:
        what = f"this is not YAML: {fault}.".splitlines()[0]
        raise SipError(what, "Save it as plain text in UTF-8.", where=path) from None
    lines: Lines = {}
    return _plain(node, (), lines, path), lines


def line_of(lines: Lines, key: tuple[str, ...]) -> int | None:
    """The line of a key, or of the nearest one around it."""
    return next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)


def _plain(node: yaml.Node | None, at: tuple[str, ...], lines: Lines, path: Path) -> object:
    if isinstance(node, yaml.MappingNode):
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in values:
                raise SipError("this key stands here twice.", where=path, line=line, key=".".join((*at, key)))
            lines[(*at, key)] = line
            values[key] = _plain(value_node, (*at, key), lines, path)
        return values
    if isinstance(node, yaml.SequenceNode):
        items: list[object] = []
        for number, item in enumerate(node.value):
            lines[(*at, str(number))] = item.start_mark.line + 1
            items.append(_plain(item, (*at, str(number)), lines, path))
        return items
    return None if node is None else yaml.SafeLoader("").construct_object(node)
