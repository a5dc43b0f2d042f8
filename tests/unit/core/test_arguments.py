"""What was given is named by its type, what is wanted with an example; what is right goes through."""

from pathlib import Path

import numpy as np
import pytest

from consilience.core.arguments import columns_named, expect, path_of, shown, texts_of
from consilience.core.errors import UserError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        ("secret", "a value of type str"),
        ([], "an empty list"),
        ([1, "a", 2], "a list of int, str"),
        ((None,), "a tuple of NoneType"),
        (np.zeros(3), "a value of type ndarray"),
    ],
)
def test_what_was_given_is_named_by_its_type(value, text) -> None:
    assert shown(value) == text


def test_an_argument_of_another_type_is_refused_by_name() -> None:
    expect("by", "shop", str, "a name")
    with pytest.raises(UserError, match=r"^by: a value of type int was given; give a name$"):
        expect("by", 5, str, "a name")


@pytest.mark.parametrize("value", ["runs/a", Path("runs/a")])
def test_paths(value) -> None:
    assert path_of("run", value) == Path("runs/a")


def test_a_path_keeps_its_class() -> None:
    class Own(type(Path())):
        pass

    assert type(path_of("root", Own("a"))) is Own


@pytest.mark.parametrize("value", [5, None, b"a", "", " ", "a\0b", ["a"], True])
def test_what_is_no_path(value) -> None:
    with pytest.raises(UserError, match=r"^run: "):
        path_of("run", value)


@pytest.mark.parametrize("value", [["a", "b"], ("a", "b"), np.array(["a", "b"]).tolist(), [np.str_("a"), "b"]])
def test_lists_of_texts(value) -> None:
    assert texts_of("settings", value, "texts") == ["a", "b"] == columns_named("target", value)
    assert set(map(type, texts_of("settings", value, "texts"))) == {str}


@pytest.mark.parametrize("value", ["ab", 5, None, {"a": 1}, ["a", 5], [None]])
def test_what_is_no_list_of_texts(value) -> None:
    with pytest.raises(UserError, match=r"^settings: "):
        texts_of("settings", value, "texts")
