"""Where the tables of a run came from: what it remembers of them, and whether they are the same when it goes on."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from consilience.core.errors import UserError
from consilience.data.fingerprint import changed, files, fingerprint
from consilience.data.split import row_keys
from consilience.data.table import Table
from consilience.workflows.prepare import digest
from consilience.workflows.runs import Begun, Run


def remember(sources: Mapping[str, Any]) -> dict[str, Any]:
    """JSON: by side, what the user gave and a fingerprint of each file of it; null for both of a table in memory."""
    remembered: dict[str, Any] = {}
    for side, source in sources.items():
        found = files(source)
        if found is None:
            remembered[side] = {"given": None, "files": None}
        else:
            given = str(source) if isinstance(source, str | os.PathLike) else [str(part) for part in source]
            remembered[side] = {"given": given, "files": {str(path): fingerprint(path) for path in found}}
    return remembered


def recall(run: Run | Begun, given: Mapping[str, Any]) -> dict[str, Any]:
    """The run's tables, as `read` takes them: its files, which must be as they were, and those given in memory.

    Raises UserError, naming it, for a file that has changed, and for whatever is given that is not the run's.
    """
    sources = {}
    for side in dict.fromkeys([*run.facts["sources"], *given]):
        known = run.facts["sources"].get(side)
        if known is None:
            raise _other(run, side, "without one")
        if known["files"] is None:
            if side not in given or files(given[side]) is not None:
                raise UserError(
                    f"{run.folder}: its {side} table was given in memory, and no file has it. Go on in Python: "
                    f"consilience.fit(table, resume=True, out={str(run.folder)!r})"
                )
            sources[side] = given[side]
            continue
        if side in given and [str(path) for path in files(given[side]) or []] != [*known["files"]]:
            raise _other(run, side, f"with {', '.join(known['files'])}")
        for path, was in known["files"].items():
            if (what := changed(Path(path), was)) is not None:
                raise UserError(
                    f"{path}: the {side} table {what}, so the run in {run.folder} cannot go on with it. Put it back as "
                    "it was, or start a new run."
                )
        sources[side] = _path(run, known)
    return sources


def in_memory(run: Run, tables: Mapping[str, Table], *, unreadable: Collection[str]) -> dict[str, str]:
    """By side: a hash of the rows of a table in memory, which no file vouches for, but for columns that cannot be
    looked at."""
    sides = [side for side, known in run.facts["sources"].items() if known["files"] is None]
    ignored = {*run.config.data.ignore, *unreadable}
    return {
        f"the {side} table": digest(row_keys(tables[side], [c for c in tables[side].columns if c not in ignored]))
        for side in sides
    }


def _other(run: Run | Begun, side: str, begun: str) -> UserError:
    return UserError(
        f"{run.folder}: the run was begun {begun}; the {side} table given is another. Leave it out (the run knows its "
        "tables), or start a new run."
    )


def _path(run: Run | Begun, known: Mapping[str, Any]) -> Any:
    """As it was given, where that means the same here; else the files it meant."""
    given, found = known["given"], [*known["files"]]
    if Path(run.facts["folder"]) == Path.cwd():
        return Path(given) if isinstance(given, str) else given
    return Path(found[0]) if len(found) == 1 else found
