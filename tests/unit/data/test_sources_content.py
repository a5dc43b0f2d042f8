"""Files that are not what they are called: read as what they are, or refused with what they are and what to do."""

import gzip
import io
import pickle
import sqlite3
import zipfile

import numpy as np
import pandas as pd
import pyarrow.feather
import pytest

from consilience.core.errors import DataError
from consilience.data import sources

FRAME = pd.DataFrame({"x": range(60), "y": ["a", "b"] * 30})
CSV = FRAME.to_csv(index=False).encode()


def packed(name: str) -> bytes:
    buffer = io.BytesIO()
    if name == "parquet":
        FRAME.to_parquet(buffer)
    elif name == "feather":
        pyarrow.feather.write_feather(FRAME, buffer)
    elif name == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("t.csv", CSV)
    elif name == "npy":
        np.save(buffer, np.arange(9))
    elif name == "pickle":
        pickle.dump(FRAME.to_dict(), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".CSV"])
def test_what_can_be_read_is_read_and_told(tmp_path, ending) -> None:
    path = tmp_path / f"t{ending}"
    path.write_bytes(packed("parquet"))
    table = sources.read(path)
    assert list(table["x"]) == list(range(60))
    assert "read as Parquet" in table.notes[0]
    if ending == ".csv":
        path.write_bytes(gzip.compress(CSV))
        table = sources.read(path)
        assert list(table["y"]) == ["a", "b"] * 30
        assert "packed with gzip" in table.notes[0]


REFUSED = {
    "an Excel workbook": packed("zip"),
    "an old Excel workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "a NumPy array": packed("npy"),
    "a Python pickle": packed("pickle"),
    "an Arrow": packed("feather"),
    "bunzip2": b"BZh91AY&SY" + bytes(range(256)),
    "log-in page": b"\n<!DOCTYPE html>\n<html><body>Please sign in</body></html>\n",
    "Git LFS pointer": b"version https://git-lfs.example/spec/v1\noid sha256:0\nsize 3\n",
    "a PDF": b"%PDF-1.7\n" + bytes(range(256)),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".csv.gz"])
def test_what_cannot_be_read_is_named_with_what_to_do(tmp_path, what, ending) -> None:
    path = tmp_path / f"t{ending}"
    path.write_bytes(REFUSED[what])
    with pytest.raises(DataError, match=what) as caught:
        sources.read(path)
    assert "Latin-1" not in str(caught.value)


def test_a_database_is_named(tmp_path) -> None:
    path = tmp_path / "t.csv"
    with sqlite3.connect(path) as database:
        database.execute("create table t (x)")
    database.close()
    with pytest.raises(DataError, match="SQLite"):
        sources.read(path)


@pytest.mark.parametrize("content", [CSV, b'{"x": 1}\n'])
def test_text_called_parquet_is_told(tmp_path, content) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match="plain text"):
        sources.read(path)


@pytest.mark.parametrize("content", [CSV, "名称,y\n猫,1\n".encode(), b"\xef\xbb\xbfx,y\n1,2\n"])
def test_nothing_is_said_of_a_table_that_is_what_it_is_called(tmp_path, content) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert sources.read(path).notes == ()
