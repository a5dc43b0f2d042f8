"""Keys and fingerprints: equal for what is equal, different for everything that decides a value."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.data.keys import KEY_BYTES, fingerprint, key, key_of


def test_keys_tell_values_types_and_borders_apart() -> None:
    cells = [
        (b"1",),
        ("1",),
        (1,),
        (1.0,),
        (True,),
        (None,),
        (b"ab", b"c"),
        (b"a", b"bc"),
        (b"abc",),
        (),
        (b"",),
        ("",),
    ]
    keys = [key(*cell) for cell in cells]
    assert len(set(keys)) == len(cells)
    assert {len(k) for k in keys} == {KEY_BYTES}
    assert keys == [key(*cell) for cell in cells]


def test_a_key_is_the_same_for_ever() -> None:
    assert key(b"content", "x", 3).hex() == "b152561ef079e605e9675bff45005841"


def test_a_key_of_any_text() -> None:
    assert key("\ud800") != key("\ud801")


@pytest.mark.parametrize(
    "other",
    [
        ({"size": 33}, {"w": np.arange(4, dtype=np.float32)}, [b"x"]),
        ({"size": 32}, {"v": np.arange(4, dtype=np.float32)}, [b"x"]),
        ({"size": 32}, {"w": np.arange(4, dtype=np.float64)}, [b"x"]),
        ({"size": 32}, {"w": np.arange(4, dtype=np.float32).reshape(2, 2)}, [b"x"]),
        ({"size": 32}, {"w": np.arange(4, dtype=np.float32)[::-1]}, [b"x"]),
        ({"size": 32}, {"w": np.arange(4, dtype=np.float32), "e": np.zeros(0)}, [b"x"]),
        ({"size": 32}, {"w": np.arange(4, dtype=np.float32)}, [b"y"]),
        ({"size": 32}, {"w": np.arange(4, dtype=np.float32)}, [b"x", b""]),
    ],
)
def test_whatever_decides_a_value_changes_the_fingerprint(other: tuple) -> None:
    own = fingerprint({"size": 32, "a": 1}, {"w": np.arange(4, dtype=np.float32)}, blobs=[b"x"])
    assert own == fingerprint({"a": 1, "size": 32}, {"w": np.arange(4, dtype=">f4")}, blobs=[b"x"])
    assert own != fingerprint({**other[0], "a": 1}, other[1], blobs=other[2])


def test_loaded_values_get_keys() -> None:
    array = np.arange(6, dtype=np.float32)
    values = ["a", 1, 1.0, (1, "a"), (1.0, "a"), ("1", "a"), (None, "a"), [1, "a"], array, array.reshape(2, 3),
              array.astype(np.float64), (array, array), (array, array[:5]), {"a": array}, float("nan"), b"a",
              np.arange(3000), np.arange(3000) * (np.arange(3000) != 1500)]  # fmt: skip
    keys = [key_of(value) for value in values]
    assert len(set(keys)) == len(values)
    assert keys[8] == key_of(np.arange(12, dtype=np.float32)[::2] / 2)
    assert key_of((float("nan"),)) == key_of((float("nan"),))
    for unknown in (object(), np.array([None])):
        with pytest.raises(TypeError, match="no key"):
            key_of(unknown)
