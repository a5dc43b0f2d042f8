"""Arguments of a call from Python: of the type that is wanted, or a UserError that names the argument, what was given
(its type, never what it holds) and what to give instead. Knows no function that is called.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from consilience.core.errors import UserError


def shown(value: Any) -> str:
    """What was given, for a message."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, list | tuple):
        kinds = ", ".join(dict.fromkeys(type(part).__name__ for part in value[:100]))
        return f"a {type(value).__name__} of {kinds}" if value else f"an empty {type(value).__name__}"
    return f"a value of type {type(value).__name__}"


def expect(name: str, value: Any, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Raises UserError unless the argument `name` is of one of the kinds. `wanted`: what to give, with an example."""
    if not isinstance(value, kinds):
        raise UserError(f"{name}: {shown(value)} was given; give {wanted}")


def path_of(name: str, value: Any, wanted: str = "a path, as text or pathlib.Path") -> Path:
    """The path that was given. Raises UserError for what is none."""
    expect(name, value, (str, os.PathLike), wanted)
    text = os.fspath(value)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise UserError(f"{name}: {text!r} is no path; give {wanted}")
    return value if isinstance(value, Path) else Path(text)


def texts_of(name: str, value: Any, wanted: str) -> list[str]:
    """The texts of a list. Raises UserError for a text alone, whose letters would be taken for them, and for anything
    else."""
    expect(name, value, (list, tuple, set, frozenset), wanted)
    if not all(isinstance(part, str) for part in value):
        raise UserError(f"{name}: {shown(value)} was given; give {wanted}")
    return [str(part) for part in value]


def columns_named(name: str, value: Any) -> str | list[str]:
    """The name of a column, or a list of names. Raises UserError for anything else, such as the column's number or its
    cells."""
    if isinstance(value, str):
        return str(value)
    wanted = f'the name of a column, as text ({name}="label"), or a list of names ({name}=["a", "b"])'
    expect(name, value, (list, tuple), wanted)
    return texts_of(name, value, wanted)
