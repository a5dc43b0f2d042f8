"""The layers of the architecture, kept by import-linter (contracts in pyproject.toml)."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import consilience
from consilience.core.registry import Family

ROOT = Path(__file__).parents[2]

# Members of these families may use each other: an ensemble is made of the other models.
MAY_USE_SIBLINGS = {"model"}


def test_imports_point_to_lower_layers() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def families() -> list[Family]:
    """Every table of parts that a package of ours defines."""
    found = []
    for module in pkgutil.walk_packages(consilience.__path__, prefix="consilience."):
        if module.ispkg:
            package = importlib.import_module(module.name)
            found += [value for value in vars(package).values() if isinstance(value, Family)]
    return found


def test_siblings_are_kept_apart() -> None:
    """A new part of a family is held to independence of its siblings: a contract of pyproject.toml names it."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    apart = [contract["modules"] for contract in contracts if contract["type"] == "independence"]
    checked = [family for family in families() if family.name not in MAY_USE_SIBLINGS]
    assert len(checked) >= 5
    for family in checked:
        modules = {place.partition(":")[0] for place in family.values()}
        covered = any(all(any(fnmatchcase(m, pattern) for pattern in contract) for m in modules) for contract in apart)
        assert covered, f"no independence contract covers all of {sorted(modules)}"
