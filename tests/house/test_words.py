"""Shared code never knows a modality by name, and never asks which part it has: it asks the part.

A modality's name may stand in its own package, in the table of modalities, and where a person chooses by name: the
commands, the recipes and the demo. Docstrings and comments may say what they like.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import consilience
from consilience.core.registry import Family
from consilience.modalities import MODALITIES

PACKAGE = Path(consilience.__file__).parent
MAY_CHOOSE_BY_NAME = ("cli/", "recipes/", "testing/", "workflows/demos/")

# "text" is also an everyday word of programming (read_text, TextIO). An identifier means the modality when it speaks
# of it as one of several.
EVERYDAY = {"text"}
SPOKEN_OF_AS_ONE = {"modality", "encoder", "input", "column", "processor", "feature", "token", "is", "has"}


def _words(identifier: str) -> set[str]:
    """The words of snake_case or CamelCase, in lower case and singular."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)
    return {part.lower() for part in parts} | {part.lower().removesuffix("s") for part in parts}


def _docstrings(tree: ast.AST) -> set[int]:
    """Identities of the strings that stand alone as statements."""
    return {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}


def _identifiers(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.arg | ast.keyword):
        yield node.arg or ""
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.alias):
        yield from node.name.split(".")
        yield node.asname or ""
    elif isinstance(node, ast.ImportFrom):
        yield from (node.module or "").split(".")


def names_of_modalities(tree: ast.AST, modalities: set[str]) -> list[str]:
    """Where a module names a modality, as "line: what"."""
    docstrings, found = _docstrings(tree), []
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for identifier in _identifiers(node):
            words = _words(identifier)
            for name in sorted(modalities & words):
                if name not in EVERYDAY or words & SPOKEN_OF_AS_ONE:
                    found.append(f"{line}: {identifier}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            plain = node.value.strip().lower()
            if plain in modalities or re.search(rf"\bmodalities\.({'|'.join(sorted(modalities))})\b", plain):
                found.append(f"{line}: {node.value!r}")
    return found


def comparisons_with(tree: ast.AST, names: set[str]) -> list[str]:
    """Where a module compares something with the name of a part, as "line: what"."""
    found = []
    for node in ast.walk(tree):
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                sides += side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        for side in sides:
            if isinstance(side, ast.Constant) and side.value in names:
                found.append(f"{side.lineno}: {ast.unparse(node)}")
    return found


def shared_files() -> Iterator[tuple[str, ast.AST]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE).as_posix()
        if not place.startswith(MAY_CHOOSE_BY_NAME):
            yield place, ast.parse(file.read_text(encoding="utf-8"))


def test_shared_code_names_no_modality() -> None:
    found = []
    for place, tree in shared_files():
        if place == "modalities/__init__.py":
            continue
        own = {name for name in MODALITIES if place.startswith(f"modalities/{name}/")}
        found += [f"{place}:{fault}" for fault in names_of_modalities(tree, set(MODALITIES) - own)]
    assert found == []


def test_shared_code_never_asks_which_part_it_has() -> None:
    names: set[str] = set()
    for module in pkgutil.walk_packages(consilience.__path__, prefix="consilience."):
        if module.ispkg:
            package = importlib.import_module(module.name)
            names |= {kind for value in vars(package).values() if isinstance(value, Family) for kind in value}
    assert len(names) > 10
    found = [f"{place}:{fault}" for place, tree in shared_files() for fault in comparisons_with(tree, names)]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "from consilience.modalities.image import Image",
        "image_size = 3",
        "def encode_images(): ...",
        "kind = 'image'",
        "is_text = True",
        "class TextEncoder: ...",
        "load('consilience.modalities.text:Text')",
    ],
)
def test_the_check_finds(code: str) -> None:
    assert names_of_modalities(ast.parse(code), {"text", "image"})


@pytest.mark.parametrize(
    "code",
    [
        "text = path.read_text()",
        "context = 1",
        "'''image'''",
        "raise UserError('the text ends')",
        "imagine = io.TextIO",
    ],
)
def test_the_check_lets_through(code: str) -> None:
    assert names_of_modalities(ast.parse(code), {"text", "image"}) == []


def test_the_check_of_comparisons() -> None:
    assert comparisons_with(ast.parse("if kind == 'vote': pass"), {"vote"})
    assert comparisons_with(ast.parse("kind in ('a', 'vote')"), {"vote"})
    assert comparisons_with(ast.parse("match kind:\n  case 'vote': pass"), {"vote"})
    assert comparisons_with(ast.parse("x = {'vote': 1}['vote']"), {"vote"}) == []
