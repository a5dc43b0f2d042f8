"""The public names: few, lazy, and each the very object its home module defines."""

from __future__ import annotations

import importlib
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import consilience

ROOT = Path(__file__).parents[2]
EXPECTED = {
    "ConfigError", "ConsilienceClassifier", "ConsilienceRegressor", "DataError", "FitResult", "Model", "UserError",
    "__version__", "audit", "fit", "load",
}  # fmt: skip


def test_the_list_is_the_contract() -> None:
    assert set(consilience.__all__) == EXPECTED
    assert dir(consilience) == sorted(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED - {"__version__"}))
def test_each_name_comes_from_its_home(name: str) -> None:
    home = importlib.import_module(consilience._HOME[name])
    assert getattr(consilience, name) is getattr(home, name)
    assert getattr(home, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        consilience.fitt  # noqa: B018
    assert not hasattr(consilience, "torch")


def test_version_and_types_are_shipped() -> None:
    assert metadata.version("consilience") == consilience.__version__
    package = Path(consilience.__file__).parent
    assert (package / "py.typed").is_file()
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "py.typed" in config["tool"]["setuptools"]["package-data"]["consilience"]
