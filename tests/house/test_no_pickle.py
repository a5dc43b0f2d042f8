"""Nothing is ever unpickled, and no text is ever run as code: what lies on disk is arrays, JSON, TOML and CSV."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"

MODULES = {"pickle", "_pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {("torch", "load"), ("torch", "save"), ("pandas", "read_pickle"), ("pd", "read_pickle")}
ALWAYS = {"read_pickle", "to_pickle"}


def faults(tree: ast.AST) -> list[str]:
    """What in a module could unpickle or run text, as "line: what". torch.load is let through where it is told, in so
    many words, to read nothing but tensors."""
    found = []
    tensors_only = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "weights_only" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
    }
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            found += [f"{line}: import {a.name}" for a in node.names if a.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            module = (node.module or "").split(".")[0]
            if module in MODULES:
                found.append(f"{line}: from {node.module}")
            found += [f"{line}: from {module} import {a.name}" for a in node.names if (module, a.name) in METHODS]
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in CALLS:
                found.append(f"{line}: {node.func.id}()")
            for keyword in node.keywords:
                allowed = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg == "allow_pickle" and not allowed:
                    found.append(f"{line}: allow_pickle")
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if (
                (owner, node.attr) in METHODS and (node.attr == "save" or id(node) not in tensors_only)
            ) or node.attr in ALWAYS:
                found.append(f"{line}: {owner}.{node.attr}")
    return found


def test_foreign_weights_are_read_in_one_place() -> None:
    reading = [f for f in SOURCE.rglob("*.py") if "torch.load(" in f.read_text(encoding="utf-8")]
    assert [f.relative_to(SOURCE / "consilience").as_posix() for f in reading] == ["models/weights.py"]


def test_source_neither_unpickles_nor_runs_text() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 20
    found = [
        f"{file.relative_to(SOURCE)}:{fault}"
        for file in files
        for fault in faults(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "torch.load('x', weights_only=False)",
        "torch.load('x', weights_only=safe)",
        "torch.save('x', weights_only=True)",
        "from torch import load",
        "eval('1')",
        "np.load('x', allow_pickle=True)",
        "frame.to_pickle('x')",
    ],
)
def test_the_check_finds(code: str) -> None:
    assert faults(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    ["model.eval()", "torch.load('x', weights_only=True)", "re.compile('x')", "np.load('x', allow_pickle=False)"],
)
def test_the_check_lets_through(code: str) -> None:
    assert faults(ast.parse(code)) == []
