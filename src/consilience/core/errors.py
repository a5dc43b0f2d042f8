"""Everything we raise on purpose.

ConsilienceError
├── UserError (also ValueError)        the input is wrong: exit code 2
│   ├── ConfigError                    one or more config mistakes, all at once
│   ├── DataError                      the table: file, row, column, reason
│   ├── BundleError                    a run or bundle that cannot be loaded
│   ├── ExportError                    a model that cannot be brought into the form asked for
│   └── MissingExtra (also ImportError)  an optional package is not installed
└── BadCell                            one cell cannot be used; the loader turns it into a missing value and a report
DataWarning (a UserWarning)            the table asked about differs from the one the model was trained on

DataWarning (UserWarning)              a table can be used, but is not like the one a model was trained on

A message says what happened, where, why we stop and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class ConsilienceError(Exception):
    """Root of all errors raised on purpose."""


class UserError(ConsilienceError, ValueError):
    """What the user gave is wrong; the message says what, where and what to do."""


class ConfigError(UserError):
    """Config mistakes, every one of them, each with its dotted path."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class DataError(UserError):
    """The table, or a column or row of it, cannot be used."""


class BundleError(UserError):
    """A run or bundle on disk is missing, damaged or of another format version."""


class ExportError(UserError):
    """A model cannot be exported, or answers differently afterwards; the message says why."""


class MissingExtra(UserError, ImportError):
    """An optional package is needed; the message names the extra that brings it."""


class BadCell(ConsilienceError):
    """One cell cannot be used. `reason` is one line, without the cell's content."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class DataWarning(UserWarning):
    """The table asked about differs from the one the model was trained on; answers may well be wrong."""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for an unknown name: the closest known one, then all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"unknown {what} {name!r}.{hint} Known: {', '.join(known) or 'none'}."
