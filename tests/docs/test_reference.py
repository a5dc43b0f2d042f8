"""The reference pages are what the code says, and the code says something of everything that is public."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import consilience

HERE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", HERE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_up_to_date(make: ModuleType) -> None:
    stale = [name for name, text in make.pages().items() if (HERE / name).read_text(encoding="utf-8") != text]
    assert stale == [], "run `make reference`"


def test_every_setting_has_a_meaning(make: ModuleType) -> None:
    lines = [line for line in make.settings().splitlines() if line.startswith("| `")]
    assert len(lines) > 60
    assert [line for line in lines if line.endswith("|  |")] == []


def test_every_public_name_has_a_docstring() -> None:
    names = [name for name in consilience.__all__ if not name.startswith("__")]
    assert [name for name in names if not getattr(consilience, name).__doc__] == []


def test_a_field_is_told_by_the_string_below_it(make: ModuleType) -> None:
    from consilience.core.limits import Limits

    assert make.field_docs(Limits)["bytes"].startswith("Largest file")
