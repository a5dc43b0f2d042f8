"""Consilience: from a table of text, pictures and numbers to a trained model that predicts.

The public names, and nothing else. Importing this package is quick and imports none of them: each is looked up the
first time it is used, so `import consilience` needs neither torch nor NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consilience.api import FitResult, Model, audit, fit, load
    from consilience.core.errors import ConfigError, DataError, UserError
    from consilience.estimators import ConsilienceClassifier, ConsilienceRegressor

__version__ = "0.1.0.dev0"

__all__ = [
    "ConfigError",
    "ConsilienceClassifier",
    "ConsilienceRegressor",
    "DataError",
    "FitResult",
    "Model",
    "UserError",
    "__version__",
    "audit",
    "fit",
    "load",
]

_HOME = {
    "ConsilienceClassifier": "consilience.estimators",
    "ConsilienceRegressor": "consilience.estimators",
    "audit": "consilience.api",
    "fit": "consilience.api",
    "load": "consilience.api",
    "Model": "consilience.api",
    "FitResult": "consilience.api",
    "UserError": "consilience.core.errors",
    "DataError": "consilience.core.errors",
    "ConfigError": "consilience.core.errors",
}
"""Where each public name is defined."""


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value  # looked up once
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
