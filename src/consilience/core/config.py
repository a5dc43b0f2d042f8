"""Config dataclasses <-> plain dicts <-> TOML. Strict: every mistake is reported, all at once, with its path.

A part owns its config: a frozen, keyword-only dataclass whose fields carry the defaults and whose field docstrings
say the units. A field that chooses among a family of parts is a `Part`: {"kind": ..., its own config ...}.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path, PurePath
from typing import Any, TypeVar, cast

from consilience.core.arguments import shown, texts_of
from consilience.core.errors import ConfigError, UserError, unknown
from consilience.core.registry import Family

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A chosen member of a family: its kind and its own (already checked) config."""

    kind: str
    config: Any


def part(family: Family, kind: str, **settings: Any) -> Any:
    """A dataclass field that holds a `Part` of `family`; the default is `kind` with `settings`."""

    def default() -> Part:
        return Part(kind=kind, config=family.load(kind).Config(**settings))

    return dataclasses.field(default_factory=default, metadata={"family": family})


def parts(family: Family, *kinds: str, **settings: dict[str, Any]) -> Any:
    """A dataclass field that holds several `Part`s of `family`; `settings` of a kind differ from its own defaults."""

    def default() -> tuple[Part, ...]:
        return tuple(Part(kind=kind, config=family.load(kind).Config(**settings.get(kind, {}))) for kind in kinds)

    return dataclasses.field(default_factory=default, metadata={"family": family})


def decode(cls: type[T], raw: Mapping[str, Any], path: str = "") -> T:
    """Build the dataclass `cls` from a plain mapping. Raises ConfigError with every mistake in it."""
    problems: list[str] = []
    value = decode_into(cls, raw, path, problems)
    if problems:
        raise ConfigError(problems)
    return cast(T, value)


def encode(value: Any) -> Any:
    """The plain form of a config, every default written out; None is left out (TOML has none)."""
    if isinstance(value, Part):
        return {"kind": value.kind, **encode(value.config)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {name: plain for name, plain in pairs.items() if plain is not None}
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [encode(v) for v in value]
    return value


def load_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: the config file cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a TOML file: {error}") from error


def dump_toml(value: Any) -> str:
    import tomli_w

    return tomli_w.dumps(encode(value))


def assign(raw: dict[str, Any], setting: str) -> None:
    """Apply one `--set a.b.c=value` to a plain config in place. The value is TOML; what is not TOML is a string."""
    dotted, equals, text = setting.partition("=")
    if not equals or not all(dotted.split(".")):
        raise UserError(f"--set {setting!r}: write it as name.of.key=value, for example --set train.lr=1e-3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = dotted.split(".")
    node = raw
    for name in parents:
        child = node.setdefault(name, {})
        if isinstance(child, str):  # `fusion = "film"` followed by `fusion.width=64`
            child = node[name] = {"kind": child}
        if not isinstance(child, dict):
            raise UserError(f"--set {setting!r}: {name!r} is a value, not a table of keys")
        node = child
    node[last] = value


def assign_all(raw: dict[str, Any], settings: Any) -> None:
    """Apply several settings in their order. Raises UserError for what is no list of texts."""
    for setting in texts_of("settings", settings, 'a list of texts "key=value", for example ["train.lr=1e-3"]'):
        assign(raw, setting)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, table by table; a part of another kind replaces the whole table."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            same = value.get("kind", old.get("kind")) == old.get("kind")
            out[key] = merge(old, value) if same else value
        else:
            out[key] = value
    return out


def decode_into(cls: Any, raw: Any, path: str, problems: list[str]) -> Any:
    """Like `decode`, but mistakes go to `problems`, so that a caller can report several parts' at once."""
    if not isinstance(raw, Mapping):
        problems.append(f"{path or 'config'}: expected a table of keys, got {_show(raw)}")
        return None
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    before = len(problems)
    for name, item in raw.items():
        here = f"{path}.{name}" if path else str(name)
        if name not in known:
            problems.append(f"{here}: {unknown('key', str(name), known)}")
        else:
            values[name] = _value(hints[name], item, here, problems, known[name].metadata.get("family"))
    for name, f in known.items():
        if name not in raw and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            problems.append(f"{path + '.' if path else ''}{name}: {f.metadata.get('missing', 'this key is required')}")
    if len(problems) > before:
        return None
    try:
        return cls(**values)
    except ValueError as error:  # the part's own check of its own fields
        problems.append(f"{path or 'config'}: {error}")
        return None


def _value(kind: Any, raw: Any, path: str, problems: list[str], family: Family | None) -> Any:
    if family is not None and raw is not None:
        origin = typing.get_origin(kind)
        if origin is dict and isinstance(raw, Mapping):
            return {str(k): decode_part(v, f"{path}.{k}", problems, family) for k, v in raw.items()}
        if origin is tuple and isinstance(raw, list | tuple):
            decoded = tuple(decode_part(v, f"{path}[{i}]", problems, family) for i, v in enumerate(raw))
            for i, one in enumerate(decoded):
                if one is not None and one in decoded[:i]:
                    problems.append(f"{path}[{i}]: {one.kind} stands in this list with these settings already")
            return decoded
        return decode_part(raw, path, problems, family)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return raw
    if origin in (typing.Union, types.UnionType):
        options = [option for option in args if option is not type(None)]
        if raw is None and len(options) < len(args):
            return None
        if len(options) == 1:  # "X or nothing": what is wrong is wrong with X, inside it
            return _value(options[0], raw, path, problems, None)
        for option in options:
            trial: list[str] = []
            value = _value(option, raw, path, trial, None)
            if not trial:
                return value
        problems.append(f"{path}: expected {_name(kind)}, got {_show(raw)}")
        return None
    if origin is typing.Literal:
        if raw in args:
            return raw
        problems.append(f"{path}: {unknown('value', str(raw), map(str, args))}")
        return None
    if dataclasses.is_dataclass(kind):
        return decode_into(kind, raw, path, problems)
    if origin is tuple and isinstance(raw, list | tuple):
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_value(args[0], v, f"{path}[{i}]", problems, None) for i, v in enumerate(raw))
        if len(args) == len(raw):
            pairs = enumerate(zip(args, raw, strict=True))
            return tuple(_value(a, v, f"{path}[{i}]", problems, None) for i, (a, v) in pairs)
    if origin is dict and isinstance(raw, Mapping):
        return {str(k): _value(args[1], v, f"{path}.{k}", problems, None) for k, v in raw.items()}
    if kind is float and isinstance(raw, Real) and not isinstance(raw, bool):  # NumPy's numbers too
        return float(raw)
    if kind is int and isinstance(raw, Integral) and not isinstance(raw, bool):
        return int(raw)
    if kind is str and isinstance(raw, str | PurePath):
        return str(raw)
    if kind is bool and type(raw) is bool:
        return raw
    if kind is type(None) and raw is None:
        return None
    problems.append(f"{path}: expected {_name(kind)}, got {_show(raw)}")
    return None


def decode_part(raw: Any, path: str, problems: list[str], family: Family) -> Part | None:
    """A member of `family` from its name or its table; mistakes go to `problems`, and the answer is then None."""
    if isinstance(raw, str):
        raw = {"kind": raw}
    if not isinstance(raw, Mapping) or not isinstance(raw.get("kind"), str):
        problems.append(f"{path}: expected the name of a {family.name} or a table with a 'kind'; got {_show(raw)}")
        return None
    kind = raw["kind"]
    if kind not in family:
        problems.append(f"{path}: {unknown(family.name, kind, family)}")
        return None
    config = decode_into(family.load(kind).Config, {k: v for k, v in raw.items() if k != "kind"}, path, problems)
    return Part(kind=kind, config=config)


def _name(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a string", bool: "true or false", type(None): "nothing"}
    if kind in names:
        return names[kind]
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_name(a) for a in args)
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return f"a list, each {_name(args[0])}"
        return f"a list of {len(args)}"
    if origin is dict or dataclasses.is_dataclass(kind):
        return "a table of keys"
    return str(kind)


def _show(raw: Any) -> str:
    try:
        text = json.dumps(raw, ensure_ascii=False)
    except TypeError:
        return shown(raw)
    return text if len(text) <= 60 else text[:57] + "..."
