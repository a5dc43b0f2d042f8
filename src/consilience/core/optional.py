"""Optional packages: imported where they are used, and the extra named when they are absent. And packages that others
import for what we do not use."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from consilience.core.errors import MissingExtra


def need(module: str, *, extra: str, to: str) -> Any:
    """Import `module`, or say which extra brings it and what it is needed for (`to` is a verb phrase)."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and not (module + ".").startswith(error.name + "."):
            raise
        raise MissingExtra(f"{module} is needed to {to}: pip install 'consilience[{extra}]'") from error


def require(*modules: str, extra: str, to: str) -> None:
    """Refuse at once, without importing anything, when one of `modules` is not installed."""
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        raise MissingExtra(f"{', '.join(absent)} {verb} needed to {to}: pip install 'consilience[{extra}]'")


class _Absent:
    """A finder to whom some packages are not installed, when the thread that opened `lean` asks."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.thread = 0

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self.modules and threading.get_ident() == self.thread:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


_absent = _Absent()


def spare(*modules: str) -> None:
    """`lean` keeps these from being imported, from now on. For a process that is a program of ours: in that of somebody
    else, they may miss what a library leaves out where one of these is absent."""
    _absent.modules.update(modules)


@contextmanager
def lean() -> Iterator[None]:
    """Libraries that are imported, or import something, while this is open take what is spared for absent. LightGBM
    imports scikit-learn, and Arrow pandas, only if they are there: a second of every short run."""
    _absent.thread = threading.get_ident()
    sys.meta_path.insert(0, _absent)
    try:
        yield
    finally:
        sys.meta_path.remove(_absent)
