"""Families of parts: tables kind -> "module:Class". Listing a family imports nothing."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from consilience.core.errors import MissingExtra, UserError, unknown


class Family(Mapping[str, str]):
    """A named table of parts. `load(kind)` imports the part; an unknown kind names the closest known one,
    and a part whose package is not installed the extra that brings it."""

    def __init__(self, name: str, table: Mapping[str, str]) -> None:
        self.name = name
        self._table = dict(table)

    def load(self, kind: str) -> Any:
        if kind not in self._table:
            raise UserError(unknown(self.name, kind, self._table))
        module, _, attribute = self._table[kind].partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package == module.partition(".")[0]:
                raise  # a part of our own is not where the table says
            raise MissingExtra(
                f"the {self.name} {kind!r} needs {package}, which is not installed: pip install 'consilience[train]'"
            ) from error

    def __getitem__(self, kind: str) -> str:
        return self._table[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)
