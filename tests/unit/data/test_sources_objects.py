"""Tables of other packages and streams of rows: polars, Hugging Face datasets, generators."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from consilience.core import files
from consilience.core.errors import BadCell, DataError
from consilience.data import sources, spool
from consilience.data.table import BLOCK


def png(level: int = 0) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (4, 4), (level, 0, 0)).save(content, "PNG")
    return content.getvalue()


def test_a_stream_is_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MEMORY", 1_000)
    day, seen = datetime(2026, 1, 2, 3), []

    def rows() -> Iterator[dict]:
        for n in range(BLOCK + 3):
            seen.append(n)
            yield {"n": n, "b": bytes([n % 256]) * 3, "d": day, "late": "x"} if n else {"n": n}

    table = sources.read(rows())
    assert list(table["n"]) == list(range(BLOCK + 3)) == seen
    assert (table["b"][0], table["b"][258], table["d"][BLOCK + 1]) == (None, b"\2\2\2", day)
    assert list(table["late"])[:2] == [None, "x"]


def test_nested_rows_and_records_of_media() -> None:
    photo = {"bytes": png(), "path": "a.png"}
    (row,) = sources.read(iter([{"a": {"b": 1}, "photo": photo, "other": {"bytes": None, "path": "b.png"}}])).rows()
    assert row == {"a.b": 1, "photo": photo["bytes"], "other": "b.png"}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"a": 1}, 3], "row 2 is int, not a dict"),
        ([{"a": 1}, {"a": object()}], "row 2: column 'a' holds a value of type object"),
        ([{"a": {"b": 1}, "a.b": 2}], "row 1: two values for 'a.b'"),
        ([{" ": 1}], "has no name"),
    ],
)
def test_what_is_wrong_with_a_stream(rows: list, says: str) -> None:
    with pytest.raises(DataError, match=says):
        sources.read(iter(rows))


def test_lists_are_cells_and_nested_ones_are_refused_when_they_are_used() -> None:
    assert list(sources.read(iter([{"tags": ["a", "b"]}, {"tags": ()}, {"a": 1}]))["tags"]) == [("a", "b"), (), None]
    table = sources.read(iter([{"a": 1, "tags": None}, {"a": 2, "tags": {"x": ("u", [2])}}]))
    assert list(table["a"]) == [1, 2]
    with pytest.raises(DataError, match=r"row 2: column 'tags.x' holds a list"):
        list(table["tags.x"])


def test_polars() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "n": [1, None],
            "f": [float("nan"), 1.5],
            "t": ["a", "é"],
            "c": polars.Series(["u", None], dtype=polars.Categorical),
            "d": [datetime(2026, 1, 2), None],
            "b": [b"\0x", b""],
        }
    )
    rows = [
        {"n": 1, "f": None, "t": "a", "c": "u", "d": datetime(2026, 1, 2), "b": b"\0x"},
        {"n": None, "f": 1.5, "t": "é", "c": None, "d": None, "b": b""},
    ]
    assert list(sources.read(frame).rows()) == rows
    assert list(sources.read(frame.lazy()).rows()) == rows
    assert sources.read(frame.lazy()).name == "the polars LazyFrame"
    with pytest.raises(DataError, match="column 'o' holds Python objects"):
        sources.read(polars.DataFrame({"o": [object()]}))
    assert list(sources.read(polars.DataFrame({"l": [["a", "b"], None]}))["l"]) == [("a", "b"), None]
    with pytest.raises(DataError, match="'l'"):
        list(sources.read(polars.DataFrame({"l": [[[1, 2]]]}))["l"])


@pytest.fixture
def dataset():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"photo": datasets.Image(), "n": datasets.Value("int64"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    photos = [{"bytes": png(n), "path": None} for n in range(4)]
    return datasets.Dataset.from_dict(
        {"photo": photos, "n": [3, 1, 2, None], "label": [0, 1, 1, -1]}, features=features
    )


def test_a_dataset(dataset, tmp_path: Path) -> None:
    rows = [(png(n), v, c) for n, v, c in ((0, 3, "no"), (1, 1, "yes"), (2, 2, "yes"), (3, None, None))]
    for source in (dataset, dataset.to_iterable_dataset()):
        assert [tuple(row.values()) for row in sources.read(source).rows()] == rows
    chosen = sources.read(dataset.select([2, 0]))
    assert (list(chosen["n"]), chosen["photo"][0]) == ([2, 3], png(2))
    dataset.save_to_disk(tmp_path / "one")
    table = sources.read(tmp_path / "one")
    assert [tuple(row.values()) for row in table.rows()] == rows
    assert table.root == tmp_path / "one"
    (tmp_path / "one" / "state.json").write_text("{")
    with pytest.raises(DataError, match="not a readable saved dataset"):
        sources.read(tmp_path / "one")


def test_a_dict_of_datasets_is_sides(dataset, tmp_path: Path) -> None:
    import datasets

    both = datasets.DatasetDict({"test": dataset, "train": dataset, "validation": dataset})
    assert list(sources.sides(both)) == ["train", "valid", "test"]
    both.save_to_disk(tmp_path / "d")
    assert sources.sides(tmp_path / "d") == {
        "train": tmp_path / "d/train",
        "valid": tmp_path / "d/validation",
        "test": tmp_path / "d/test",
    }
    for source in (both, tmp_path / "d"):
        with pytest.raises(DataError, match="several splits"):
            sources.read(source)
    with pytest.raises(DataError, match="cannot be told from their names"):
        sources.sides(datasets.DatasetDict({"one": dataset, "train": dataset}))
    with pytest.raises(DataError, match="no split called train"):
        sources.sides(datasets.DatasetDict({"test": dataset}))


def _image(mode, size=(6, 4)):
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "I", "YCbCr", "HSV", "RGBX"])
@pytest.mark.parametrize("form", ["rows", "columns", "frame", "stream"])
def test_pillow_images_in_cells_are_images(mode, form) -> None:
    image = _image("L").convert("I").convert(mode) if mode == "I;16" else _image(mode)
    source = {
        "rows": [{"photo": image, "n": 1}, {"photo": None, "n": 2}],
        "columns": {"photo": [image, None], "n": [1, 2]},
        "frame": pd.DataFrame({"photo": [image, None], "n": [1, 2]}),
        "stream": ({"photo": cell, "n": 1} for cell in (image, None)),
    }[form]
    first, second = sources.read(source)["photo"]
    assert second is None
    with Image.open(io.BytesIO(first)) as again:
        assert again.size == image.size
        plain = image.convert("RGB") if mode in ("YCbCr", "HSV", "RGBX") else image
        assert np.array_equal(np.asarray(again.convert("F")), np.asarray(plain.convert("F")))


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_images_multiplied_by_their_opacity(mode) -> None:
    cell = sources.read([{"photo": _image("RGB").convert(mode.upper()).convert(mode)}])["photo"][0]
    with Image.open(io.BytesIO(cell)) as again:
        assert again.mode == mode.upper()


def _closed():
    image = Image.open(io.BytesIO(png()))
    image.close()
    return image


def _cut_off():
    whole = io.BytesIO()
    _image("RGB", (64, 64)).save(whole, "PNG")
    return Image.open(io.BytesIO(whole.getvalue()[:-4000]))


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (_closed(), "closed"),
        (_cut_off(), "image cannot be used"),
        (Image.new("RGB", (0, 0)), "image cannot be used"),
        ({"array": None, "sampling_rate": 8000}, "at least one"),
        ({"array": [], "sampling_rate": 8000}, "at least one"),
        ({"array": [0.1], "sampling_rate": None}, "sound cannot be used"),
        ({"array": [0.1], "sampling_rate": 0}, "sampling rate"),
        ({"array": [0.1], "sampling_rate": float("nan")}, "sampling rate"),
        ({"array": "abc", "sampling_rate": 8000}, "samples"),
        ({"array": ["a", "b"], "sampling_rate": 8000}, "not of numbers"),
        ({"array": [[1, 2], [3]], "sampling_rate": 8000}, "sound cannot be used"),
        ({"array": np.zeros((2, 3, 4)), "sampling_rate": 8000}, "samples"),
        ({"array": np.zeros((100, 100)), "sampling_rate": 8000}, "100 channels"),
        ({"array": np.arange(100.0), "sampling_rate": 8000}, "from -1 to 1, but here to 99"),
    ],
)
@pytest.mark.parametrize("form", ["rows", "stream"])
def test_an_object_that_cannot_be_used_is_one_bad_cell(cell, says, form) -> None:
    rows = [{"x": cell}, {"x": png()}]
    bad, good = sources.read(rows if form == "rows" else iter(rows))["x"]
    assert good == png()
    with pytest.raises(BadCell, match=says):
        files.read(bad, root=Path("."), max_bytes=1000)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8", "int8", "float32", "float64"])
@pytest.mark.parametrize("turned", [False, True])
def test_samples_of_any_type_are_as_loud_as_they_are(dtype, turned) -> None:
    wanted = np.stack([np.sin(np.arange(900) / 9) * 0.5, np.zeros(900)])
    kind = np.dtype(dtype)
    if kind.kind == "f":
        array = wanted.astype(kind)
    else:
        half = 2 ** (8 * kind.itemsize - 1)
        array = np.round(wanted * (half - 1) + (half if kind.kind == "u" else 0)).astype(kind)
    sound = {"array": array.T if turned else array, "sampling_rate": 8000}
    with wave.open(io.BytesIO(sources.read([{"voice": sound}])["voice"][0])) as file:
        assert (file.getnframes(), file.getnchannels()) == (900, 2)
        heard = np.frombuffer(file.readframes(900), "<i2").reshape(900, 2).T / 32767
    assert np.abs(heard - wanted).max() < (0.01 if kind.itemsize == 1 else 1e-3)


@pytest.mark.parametrize("form", ["rows", "columns", "frame", "stream"])
def test_records_of_media_as_hugging_face_keeps_them(form) -> None:
    cells = [{"bytes": png(), "path": "a.png"}, {"bytes": None, "path": "b.png"}, {"bytes": None, "path": None}]
    rows = [{"photo": cell, "n": n} for n, cell in enumerate(cells)]
    source = {
        "rows": rows,
        "columns": {"photo": cells, "n": [0, 1, 2]},
        "frame": pd.DataFrame(rows),
        "stream": iter(rows),
    }[form]
    assert list(sources.read(source)["photo"]) == [png(), "b.png", None]


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((4, 6), "uint8"),
        ((4, 6, 1), "uint8"),
        ((4, 6, 3), "uint8"),
        ((4, 6, 4), "uint8"),
        ((4, 6), "uint16"),
        ((4, 6), ">u2"),
        ((4, 6, 1), "uint16"),
    ],
)
def test_arrays_of_pixels_in_cells_are_images(shape, dtype) -> None:
    array = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    cell = sources.read([{"photo": array}])["photo"][0]
    with Image.open(io.BytesIO(cell)) as again:
        assert np.array_equal(np.asarray(again), array.reshape(shape[:2]) if shape[2:] == (1,) else array)


@pytest.mark.parametrize("array", [np.zeros((4, 6, 3)), np.zeros((3, 4, 6), np.uint8), np.zeros((2, 2, 2, 2))], ids=str)
def test_other_arrays_are_refused_with_what_an_image_is(array) -> None:
    with pytest.raises(DataError, match=r"column 'photo', row 1.*uint8"):
        list(sources.read([{"photo": array}])["photo"])


@pytest.mark.parametrize("channels", [0, 1, 2])
def test_decoded_sounds_in_cells_are_sounds(channels) -> None:
    samples = np.sin(np.arange(800) / 5) * 0.5
    array = samples if not channels else np.stack([samples] * channels)
    sound = {"array": array, "sampling_rate": 8000, "path": None}
    for source in ([{"voice": sound}], iter([{"voice": sound}])):
        cell = sources.read(source)["voice"][0]
        with wave.open(io.BytesIO(cell)) as file:
            assert (file.getframerate(), file.getnframes(), file.getnchannels()) == (8000, 800, max(1, channels))
            heard = np.frombuffer(file.readframes(800), "<i2").reshape(800, -1)[:, 0] / 32767
        assert np.abs(heard - samples).max() < 1e-4
