"""Files that are not what they are called: read as what they are, or refused with what they are and what to do."""

import gzip
import io
import lzma
import pickle
import sqlite3
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pyarrow.feather
import pytest

from consilience.core.errors import DataError
from consilience.data import sources

FRAME = pd.DataFrame({"x": range(60), "y": ["a", "b"] * 30})
CSV = FRAME.to_csv(index=False).encode()
LINES = FRAME.to_json(orient="records", lines=True).encode()


def packed(name: str) -> bytes:
    buffer = io.BytesIO()
    if name == "parquet":
        FRAME.to_parquet(buffer)
    elif name == "feather":
        pyarrow.feather.write_feather(FRAME, buffer)
    elif name == "arrow stream":
        table = pyarrow.Table.from_pandas(FRAME)
        with pyarrow.ipc.new_stream(buffer, table.schema) as writer:
            writer.write_table(table)
    elif name == "tar":
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("t.csv"))
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
    assert "read as a Parquet file" in table.notes[0]
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
    "a stream of Arrow": packed("arrow stream"),
    "in it a Parquet file": gzip.compress(packed("parquet")),
    "in it a tar archive": gzip.compress(packed("tar")),
    "unxz": lzma.compress(CSV),
    "unlzma": lzma.compress(CSV, format=lzma.FORMAT_ALONE),
    "unzstd": b"\x28\xb5\x2f\xfd\x24\0" + bytes(range(200)),
    "an ORC": b"ORC" + bytes(range(100)),
    "a SAS": bytes(12) + b"\xc2\xea\x81\x60" + bytes(100),
    "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "an error": b"<Error><Code>AccessDenied</Code></Error>",
    "git-annex": b"/annex/objects/SHA256E-s3--abc.csv\n",
    "iconv -f UTF-16LE": CSV.decode().encode("utf-16-le"),
    "iconv -f UTF-16BE": CSV.decode().encode("utf-16-be"),
    "binary data": bytes(range(256)) * 4,
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


@pytest.mark.parametrize("content", [CSV, gzip.compress(CSV), "a,b\n1,2\n".encode("utf-16")])
def test_text_called_parquet_is_told(tmp_path, content) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match="plain text"):
        sources.read(path)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".parquet", ".tar"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_json_lines_under_another_name_are_read_and_told(tmp_path, ending, pack) -> None:
    path = tmp_path / f"t{ending}"
    path.write_bytes(pack(LINES))
    table = sources.read(path)
    assert list(table["x"]) == list(range(60))
    assert "read as JSON Lines" in table.notes[0]


@pytest.mark.parametrize("content", [b'[{"x": 1}]', b'\n[\n  {"x": 1}\n]\n'])
def test_a_json_list_called_csv_is_told(tmp_path, content) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match="one JSON list"):
        sources.read(path)


def test_a_csv_called_jsonl_is_told(tmp_path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(CSV)
    with pytest.raises(DataError, match=r"call a CSV \.csv"):
        sources.read(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_byte_order_mark_says_the_encoding(tmp_path, encoding, pack) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(pack("名称;y\n猫;1\n".encode(encoding)))
    assert list(sources.read(path)["名称"]) == ["猫"]
    path.with_suffix(".jsonl").write_bytes('{"名称": "猫"}\n'.encode(encoding))
    assert list(sources.read(path.with_suffix(".jsonl"))["名称"]) == ["猫"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "gb18030", "shift-jis"])
def test_an_encoding_that_is_given_is_taken(tmp_path, encoding) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("name,価格\n1,2\n".encode(encoding))
    assert list(sources.read(path, encoding=encoding).columns) == ["name", "価格"]


@pytest.mark.parametrize(
    "header",
    ["ORC,b", "RDX,b", "BZh9,b", "PAR1,PAR2", "ARROW1,b", "FEA1,b", "GIF8,b", "Rar!,b", "MATLAB 5.0,b",
     "12345678DUCK,b", "<unk>,<pad>", "[CLS],[SEP]", "{a},b", "version,b"],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_of_columns_are_no_signatures(tmp_path, header, encoding) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"{header}\n1,2\n".encode(encoding))
    table = sources.read(path)
    assert list(table.columns) == header.split(",")
    assert table.notes == ()


@pytest.mark.parametrize("content", [CSV, "名称,y\n猫,1\n".encode(), b"\xef\xbb\xbfx,y\n1,2\n"])
def test_nothing_is_said_of_a_table_that_is_what_it_is_called(tmp_path, content) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert sources.read(path).notes == ()
