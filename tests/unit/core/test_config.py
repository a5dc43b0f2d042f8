"""Config: strict both ways, every mistake at once, nothing lost between dataclass, dict and TOML."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.core.config import assign, decode, dump_toml, encode, merge
from consilience.core.errors import ConfigError, UserError
from consilience.workflows.config import PRESETS, RunConfig, parse_seconds, parse_split, resolve


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.5
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError("rate may not be negative")


@dataclass(frozen=True, kw_only=True)
class Outer:
    size: int
    mode: Literal["a", "b"] = "a"
    maybe: str | None = None
    inner: Inner = field(default_factory=Inner)
    more: dict[str, int] = field(default_factory=dict)


def test_every_mistake_at_once_with_its_path() -> None:
    raw = {"mode": "c", "inner": {"rat": 1, "names": [1]}, "more": {"x": "y"}, "maybe": 3}
    with pytest.raises(ConfigError) as caught:
        decode(Outer, raw)
    text = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 6
    for words in ("size: this key is required", "mode: unknown value 'c'", "inner.rat: ", "Did you mean 'rate'"):
        assert words in text
    for path in ("inner.names[0]", "more.x", "maybe"):
        assert f"{path}: expected" in text


def test_a_parts_own_check_is_reported_with_its_path() -> None:
    with pytest.raises(ConfigError, match=r"inner: rate may not be negative"):
        decode(Outer, {"size": 1, "inner": {"rate": -1}})


@pytest.mark.parametrize("wrong", [True, 1.5, "1", None, [1]])
def test_a_whole_number_is_only_a_whole_number(wrong) -> None:
    with pytest.raises(ConfigError, match="size: expected a whole number"):
        decode(Outer, {"size": wrong})


@given(
    st.builds(
        Outer,
        size=st.integers(-(2**31), 2**31),
        mode=st.sampled_from(["a", "b"]),
        maybe=st.none() | st.text(),
        inner=st.builds(Inner, rate=st.floats(0, 1e9), names=st.lists(st.text(), max_size=3).map(tuple)),
        more=st.dictionaries(st.text(min_size=1), st.integers(-100, 100), max_size=3),
    )
)
def test_round_trip_through_toml(config) -> None:
    assert decode(Outer, tomllib.loads(dump_toml(config))) == config


def test_assign_reads_toml_values_and_falls_back_to_text() -> None:
    raw: dict = {"deep": {"fusion": "concat"}}
    for setting in ("train.lr=1e-3", "data.ignore=['a', 'b']", "name=plain words", "deep.fusion.hidden=64"):
        assign(raw, setting)
    assert raw == {
        "deep": {"fusion": {"kind": "concat", "hidden": 64}},
        "train": {"lr": 1e-3},
        "data": {"ignore": ["a", "b"]},
        "name": "plain words",
    }


@pytest.mark.parametrize("bad", ["", "=1", "a", "a..b=1", ".a=1"])
def test_assign_refuses_what_is_no_setting(bad) -> None:
    with pytest.raises(UserError, match=r"name\.of\.key=value"):
        assign({}, bad)


def test_merge_replaces_a_part_of_another_kind_whole() -> None:
    base = {"fusion": {"kind": "film", "hidden": 3}, "a": {"x": 1, "y": 2}}
    assert merge(base, {"fusion": {"kind": "concat"}, "a": {"y": 3}}) == {
        "fusion": {"kind": "concat"},
        "a": {"x": 1, "y": 3},
    }
    assert merge(base, {"fusion": {"hidden": 4}})["fusion"] == {"kind": "film", "hidden": 4}


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_presets_config_survives_toml(preset) -> None:
    config = resolve({"target": "y"}, preset=preset)
    assert decode(RunConfig, tomllib.loads(dump_toml(config))) == config
    assert encode(config)["preset"] == preset


def test_a_section_the_preset_does_not_use_is_refused() -> None:
    with pytest.raises(ConfigError, match="would do nothing"):
        resolve({"target": "y"}, preset="classic", settings=["train.lr=1e-3"])


def test_unknown_parts_name_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"deep.fusion: unknown fusion 'flim'. Did you mean 'film'"):
        resolve({"target": "y"}, settings=["deep.fusion=flim"])


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("10m", 600), ("1.5h", 5400), ("90", 90), (90, 90), (1.5, 1.5)]
)
def test_time_budgets(text, seconds) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "0", "1d", "nan", "inf", 0, -1.0, True, None, [90]])
def test_time_budgets_that_are_none(text) -> None:
    with pytest.raises(UserError, match="time budget"):
        parse_seconds(text)


def test_splits() -> None:
    assert parse_split("0.85,0.15,0") == [0.85, 0.15, 0.0]
    for bad in ("1", "0.5,0.5", "0.9,0.2,-0.1", "a,b,c", "0.5,0.3,0.1"):
        with pytest.raises(UserError, match="add up to 1"):
            parse_split(bad)


@pytest.mark.parametrize(
    ("key", "listed", "path"),
    [
        ("classic.joined", ["trees", {"kind": "linear", "C": 1.0}, "trees"], r"classic\.joined\[2\]: trees stands"),
        ("ensemble.rules", [{"kind": "weighted", "pull": 10}, "weighted"], r"ensemble\.rules\[1\]: weighted stands"),
    ],
)
def test_the_same_part_twice_in_a_list_is_refused(key, listed, path) -> None:
    """Models are told apart by what they are called, and called by what they are."""
    section, name = key.split(".")
    with pytest.raises(ConfigError, match=path):
        resolve({"target": "y", section: {name: listed}}, preset="classic")
    resolve({"target": "y", section: {name: listed[1:]}}, preset="classic")


@pytest.mark.parametrize("settings", [{"time_budget": "2m"}, {"time_budget": 120}, {"time_budget": np.float32(120)}])
def test_a_config_takes_a_time_with_its_unit(settings) -> None:
    assert resolve({"target": "y", **settings}).time_budget == 120.0
    assert resolve({"target": "y"}, settings=["time_budget=2m"]).time_budget == 120.0


def test_values_as_python_programs_hold_them() -> None:
    config = resolve({"target": np.str_("y"), "seed": np.int64(7), "data": {"media_root": Path("media")}})
    assert (config.target, config.seed, config.data.media_root) == ("y", 7, "media")
    assert [type(value) for value in (config.target, config.seed, config.data.media_root)] == [str, int, str]
    assert tomllib.loads(dump_toml(config))["seed"] == 7


@pytest.mark.parametrize("value", [object(), np.zeros(3), {1, 2}])
def test_what_no_config_holds_is_named_by_its_type(value) -> None:
    with pytest.raises(
        ConfigError, match=f"seed: expected a whole number, got a value of type {type(value).__name__}$"
    ):
        resolve({"target": "y", "seed": value})


def test_a_config_without_a_target_says_how_to_name_it() -> None:
    with pytest.raises(ConfigError, match=r'--target COL on the command line, target="COL" in Python'):
        resolve({"seed": 1})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("image", "expected a table of keys"),
        (None, "expected a table of keys"),
        ({"kind": "image"}, "go together"),
        ({"columns": ["a"]}, "go together"),
        ({"kind": 5, "columns": ["a"]}, r"x\.kind: expected the name of a kind, got a value of type int"),
        ({"kind": "image", "columns": "a"}, r"x\.columns: .* got a value of type str"),
        ({"kind": "image", "columns": [1]}, r"x\.columns: .* got a list of int"),
        ({"kind": "image", "columns": None}, r"x\.columns: .* got None"),
    ],
)
def test_inputs_that_are_written_wrongly(given, says) -> None:
    with pytest.raises(ConfigError, match=rf"inputs\.x.*{says}|inputs\.{says}"):
        resolve({"target": "y", "inputs": {"x": given}})
