"""Writes the reference pages of this folder from docstrings, `--help` and the fields of configs: `make reference`.

Nothing is said here that the code does not say itself. A test fails when a page is not what this writes.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import functools
import inspect
import itertools
import json
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import consilience
from consilience.core.config import Part, encode
from consilience.core.registry import Family

HERE = Path(__file__).parent
NOTE = "<!-- made by docs/reference/make.py (`make reference`); do not edit -->\n"


def pages() -> dict[str, str]:
    """File name -> its whole text."""
    return {"python.md": python(), "commands.md": commands(), "settings.md": settings()}


# ----------------------------------------------------------------------------------------------------------- Python


def python() -> str:
    out = [
        NOTE,
        "# Python\n",
        "What `import consilience` offers. Importing it is quick: a name is looked up on first use.\n",
    ]
    for name in sorted(consilience.__all__):
        value = getattr(consilience, name)
        if name.startswith("__"):
            continue
        out.append(f"## {name}\n")
        out += _class(value) if inspect.isclass(value) else [_function(name, value)]
    return "\n".join(out)


def _class(value: type) -> Iterator[str]:
    yield _text(value.__doc__) + "\n"
    fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
    said = field_docs(value)
    if fields:
        yield "\n".join(f"- `{f.name}`: {_line(said.get(f.name, ''))}" for f in fields) + "\n"
    for name, member in vars(value).items():
        if not name.startswith("_") and inspect.isfunction(member) and member.__doc__:
            yield _function(f"{value.__name__}.{name}", member, level=3)


def _function(name: str, value: Any, *, level: int = 0) -> str:
    head = f"{'#' * level} {name}\n\n" if level else ""
    return f"{head}```text\n{name}{_signature(value)}\n```\n\n{_text(value.__doc__)}\n"


def _signature(value: Any) -> str:
    """One parameter a line where one line does not do."""
    signature = str(inspect.signature(value)).replace("'", "")
    if len(signature) < 90:
        return signature
    parameters = [str(p).replace("'", "") for p in inspect.signature(value).parameters.values()]
    return "(\n" + "".join(f"    {p},\n" for p in parameters) + ")" + signature[signature.rfind(")") + 1 :]


def _text(doc: str | None) -> str:
    """A docstring as Markdown: examples in it become blocks that are shown."""
    lines, out, inside = inspect.cleandoc(doc or "").splitlines(), [], False
    for line in lines:
        example = line.startswith((">>> ", "... "))
        if example != inside and (example or not line.strip()):
            out.append("```text" if example else "```")
            inside = example
        out.append(line.removesuffix("  # doctest: +SKIP"))
    return "\n".join([*out, "```"] if inside else out)


# --------------------------------------------------------------------------------------------------------- commands


def commands() -> str:
    from consilience.cli import COMMANDS, parser

    out = [NOTE, "# Commands\n", "What each prints with `--help`.\n"]
    top = parser()
    actions = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    for name in COMMANDS:
        out.append(f"## consilience {name}\n\n```text\n{_help(actions.choices[name])}```\n")
    return "\n".join(out)


def _help(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = functools.partial(argparse.HelpFormatter, width=100)  # type: ignore[assignment]
    text = parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            text += "".join("\n" + _help(verb) for verb in action.choices.values())
    return text


# --------------------------------------------------------------------------------------------------------- settings


def settings() -> str:
    from consilience.modalities import MODALITIES
    from consilience.workflows.config import RunConfig

    out = [
        NOTE,
        "# Settings\n",
        "Every key of a run's config (`--config run.toml`, `--set key=value`, `fit(config=...)`) with its default. An "
        "unknown key is refused. `consilience config show --preset NAME` prints a preset's as TOML.\n",
    ]
    families: dict[str, Family] = {}
    out += _section("Run", RunConfig, families)
    for name in MODALITIES:
        out += _section(f"inputs.NAME, of a {name} input", MODALITIES.load(name).Config, families)
        families[f"deep.encoders.NAME, of a {name} input"] = MODALITIES.load(name).encoders
    for title, family in families.items():
        out.append(f"## {title}\n\nOne of: {', '.join(f'`{kind}`' for kind in family)}.\n")
        for kind in family:
            part = family.load(kind)
            out.append(f"### {family.name} {kind}\n\n{_text(part.__doc__)}\n")
            if dataclasses.fields(part.Config):
                out.append(_keys(part.Config, ""))
    return "\n".join(out)


def _section(title: str, config: type, families: dict[str, Family], *, path: str = "") -> Iterator[str]:
    """The keys of a config, then a section for each config inside it. Families of parts that are met are noted."""
    yield f"## {title}\n\n{_text(config.__doc__ if not _generated(config) else '')}\n{_keys(config, path)}"
    hints = inspect.get_annotations(config, eval_str=True)
    for field in dataclasses.fields(config):
        here = f"{path}{field.name}"
        if (family := field.metadata.get("family")) is not None:
            families[here] = family
        for inner in getattr(hints[field.name], "__args__", (hints[field.name],)):
            if dataclasses.is_dataclass(inner) and inner is not Part:
                yield from _section(here, inner, families, path=f"{here}.")


def _keys(config: type, path: str) -> str:
    said = field_docs(config)
    rows = [f"| `{path}{f.name}` | {_default(f)} | {_line(said.get(f.name, ''))} |" for f in dataclasses.fields(config)]
    return "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *rows]) + "\n"


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return "required"
    if dataclasses.is_dataclass(value) and not isinstance(value, Part):
        return "see below"
    if value is None:
        return ""
    if isinstance(value, Part):
        return f"`{value.kind}`"
    if isinstance(value, tuple) and value and all(isinstance(part, Part) for part in value):
        return ", ".join(f"`{part.kind}`" for part in value)
    return f"`{json.dumps(encode(value), ensure_ascii=False)}`"


def _generated(config: type) -> bool:
    """The docstring is the signature that dataclasses write."""
    return (config.__doc__ or "").startswith(f"{config.__name__}(")


@functools.cache
def field_docs(config: type) -> dict[str, str]:
    """Field -> the string below it in the source, fields of bases included."""
    found: dict[str, str] = {}
    for cls in reversed(config.__mro__[:-1]):
        if not dataclasses.is_dataclass(cls):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
        body = tree.body[0].body  # type: ignore[attr-defined]
        for before, after in itertools.pairwise(body):
            if (
                isinstance(before, ast.AnnAssign)
                and isinstance(before.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                found[before.target.id] = inspect.cleandoc(str(after.value.value))
    return found


def _line(text: str) -> str:
    """On one line, safe in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Write the pages; with --check, write nothing and fail where one differs."""
    os.environ["COLUMNS"] = "100"
    stale = [name for name, text in pages().items() if not (HERE / name).is_file() or (HERE / name).read_text() != text]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/reference/{name} is not what the code says: run `make reference`", file=sys.stderr)
        return 1 if stale else 0
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
    print(f"written: {', '.join(stale) or 'nothing was out of date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
