"""Optional packages: imported where they are used, and the extra named when they are absent."""

from __future__ import annotations

import importlib
import importlib.util
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
