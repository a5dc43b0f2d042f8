"""Every config is a frozen, keyword-only dataclass, and a line under each field says what it means."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"


def _is_frozen_dataclass(decorator: ast.expr) -> bool:
    if not isinstance(decorator, ast.Call):
        return False
    name = decorator.func.attr if isinstance(decorator.func, ast.Attribute) else getattr(decorator.func, "id", "")
    settings = {k.arg: k.value.value for k in decorator.keywords if isinstance(k.value, ast.Constant)}
    return name == "dataclass" and settings.get("frozen") is True and settings.get("kw_only") is True


def _is_text(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_class_variable(field: ast.AnnAssign) -> bool:
    return "ClassVar" in ast.unparse(field.annotation)


def faults(tree: ast.AST) -> list[str]:
    """What is wrong with the configs of a module, as "line: what"."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or not node.name.endswith("Config"):
            continue
        if not any(map(_is_frozen_dataclass, node.decorator_list)):
            found.append(f"{node.lineno}: {node.name} is not @dataclass(frozen=True, kw_only=True)")
        for field, below in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and not _is_class_variable(field) and not _is_text(below):
                found.append(f"{field.lineno}: {node.name}.{ast.unparse(field.target)} has no docstring under it")
    return found


def test_every_config_is_frozen_and_explained() -> None:
    configs, found = 0, []
    for file in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        configs += sum(isinstance(n, ast.ClassDef) and n.name.endswith("Config") for n in ast.walk(tree))
        found += [f"{file.relative_to(SOURCE)}:{fault}" for fault in faults(tree)]
    assert configs > 5
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "class Config:\n    'doc'\n",
        "@dataclass(frozen=True)\nclass RunConfig:\n    'doc'\n",
        "@dataclass(frozen=True, kw_only=True)\nclass Config:\n    a: int = 1\n",
        "@dataclass(frozen=True, kw_only=True)\nclass Config:\n    a: int = 1\n    b: int = 2\n    'only b'\n",
    ],
)
def test_the_check_finds(code: str) -> None:
    assert faults(ast.parse(code))


def test_the_check_lets_through() -> None:
    code = (
        "@dataclass(frozen=True, kw_only=True)\nclass Config:\n    a: int = 1\n    'unit'\n    k: ClassVar[int] = 2\n"
    )
    assert faults(ast.parse(code)) == []
