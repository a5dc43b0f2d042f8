"""WebDataset shards: rows by key, media in place, shards that are cut, damaged or made to harm."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consilience.core import files
from consilience.core.errors import BadCell, DataError
from consilience.data import sources
from consilience.data.infer import infer
from consilience.data.sources import shards

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c49444154789c6360f8cf00000301010018dd8db00000000049454e44ae426082"
)


def shard(path: Path, members: list[tuple[str, bytes]], kind: bytes = tarfile.REGTYPE, pax: bool = False) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.type = len(content) if kind == tarfile.REGTYPE else 0, kind
            if kind != tarfile.REGTYPE:
                member.linkname = "/etc/passwd"
            tar.addfile(member, io.BytesIO(content))
    return path


def sample(key: str, label: str = "1") -> list[tuple[str, bytes]]:
    fields = json.dumps({"price": 2, "by": {"name": "é"}}).encode()
    contents = {"png": PNG + key.encode(), "json": fields, "txt": b"well", "cls": label.encode()}
    return [(f"{key}.{ending}", content) for ending, content in contents.items()]


def test_rows_by_key(tmp_path: Path) -> None:
    shard(tmp_path / "s-000.tar", [*sample("a/1.x"), *sample("a/2")])
    shard(tmp_path / "s-001.tar", sample("b", "0"), pax=True)
    table = sources.read(tmp_path / "s-{000..001}.tar")
    assert list(table.columns) == ["__key__", "x.png", "price", "by.name", "x.txt", "x.cls", "png", "txt", "cls"]
    last = list(table.rows())[2]
    assert last == {
        "__key__": "b", "x.png": None, "price": 2, "by.name": "é", "x.txt": None, "x.cls": None,
        "png": "s-001.tar/b.png", "txt": "well", "cls": "0",
    }  # fmt: skip
    assert (table.file(2), table.line(2), table.labels) == (str(tmp_path / "s-001.tar"), 1, ("__key__",))
    cell = pickle.loads(pickle.dumps(table["png"][2]))
    assert files.read(cell, root=tmp_path, max_bytes=1000) == PNG + b"b"
    with files.open_cell(cell, tmp_path) as file:
        assert (file.seek(-2, io.SEEK_END), file.read(), file.seek(1), file.read(3)) == (
            len(PNG) - 1,
            b"\x82b",
            1,
            b"PNG",
        )
    with pytest.raises(BadCell, match="limit"):
        files.read(cell, root=tmp_path, max_bytes=10)


def test_media_are_found_and_keys_are_not_learned_from(tmp_path: Path) -> None:
    members = [member for n in range(30) for member in sample(f"{n:03}", str(n % 2))]
    found = infer(sources.read(shard(tmp_path / "s.tar", members)), target="cls")
    kinds = {column.name: column.kind for column in found.columns}
    assert (kinds["png"], kinds["__key__"], kinds["cls"], kinds["price"]) == ("image", "ignored", "target", "number")


def test_a_packed_shard(tmp_path: Path) -> None:
    plain = shard(tmp_path / "s.tar", [*sample("a"), *sample("b")]).read_bytes()
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress(plain))
    table = sources.read([tmp_path / "s.tar.gz", shard(tmp_path / "t.tar", sample("c"))])
    assert [files.read(cell, root=tmp_path, max_bytes=1000)[-1:] for cell in table["png"]] == [b"a", b"b", b"c"]
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress(plain[: 6 * 512]))
    assert "cut off before" in sources.read(tmp_path / "s.tar.gz").notes[0]
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress(plain, mtime=0)[:-5])
    assert len(sources.read(tmp_path / "s.tar.gz")) == 2
    (tmp_path / "s.tar.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"s\.tar\.gz: it is plain text"):
        sources.read(tmp_path / "s.tar.gz")


def test_a_packed_shard_made_to_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ENOUGH", 1 << 20)
    monkeypatch.setattr(shards, "RATIO", 2)
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress(bytes(4 << 20)))
    with pytest.raises(DataError, match="made to fill the disk"):
        sources.read(tmp_path / "s.tar.gz")


def test_nothing_is_unpacked_and_links_are_left_out(tmp_path: Path) -> None:
    table = sources.read(shard(tmp_path / "s.tar", [("../../up.png", PNG), ("/etc/x.png", PNG), ("a/.hidden", b"")]))
    assert list(table["__key__"]) == ["../../up", "/etc/x"]
    assert files.read(table["png"][1], root=tmp_path, max_bytes=1000) == PNG
    assert "1 members are links" in table.notes[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.tar"]
    table = sources.read(shard(tmp_path / "links.tar", [("a.png", b""), ("b.png", b"")], kind=tarfile.SYMTYPE))
    assert len(table) == 0
    assert "2 members are links" in table.notes[0]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("a.png", PNG), ("a.PNG", PNG)], "key 'a' has two values for 'png'"),
        ([("a.json", b'{"x": 1}'), ("a.x", b"2")], "two values for 'x'"),
        ([("a.json", b"{")], "member 'a.json': not valid JSON"),
        ([("a.json", b"[1]")], "member 'a.json': a list"),
        ([("a.json", b"\xff")], "member 'a.json': not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_member(tmp_path: Path, members: list[tuple[str, bytes]], says: str) -> None:
    with pytest.raises(DataError, match=says):
        sources.read(shard(tmp_path / "s.tar", members))


@pytest.mark.parametrize("content", [b"", b"x" * 2000, b"\x89PNG"])
def test_no_tar_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.tar").write_bytes(content)
    with pytest.raises(
        DataError, match=r"s\.tar: (the file is empty|not a readable tar file|it is plain text|it is a PNG)"
    ):
        sources.read(tmp_path / "s.tar")


@given(cut=st.integers(1, 30 * 512))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_cut_shard_gives_its_whole_rows_and_says_so(tmp_path: Path, cut: int) -> None:
    path = shard(tmp_path / "whole.tar", [member for key in "abc" for member in sample(key)])
    whole, content = list(sources.read(path).rows()), path.read_bytes()
    assert sources.read(path).notes == ()
    end = 3 * 4 * 2 * 512  # twelve members of a header and a block each; after them, zeros
    cut_path = tmp_path / "cut.tar"
    cut_path.write_bytes(content[:cut])
    try:
        table = sources.read(cut_path)
    except DataError:
        assert cut < 512  # not even one header
        return
    rows = [{**row, "png": None} for row in table.rows()]
    assert rows == [{**row, "png": None} for row in whole[: len(rows)]]
    for row in table.rows():
        assert files.read(row["png"], root=tmp_path, max_bytes=1000) == PNG + row["__key__"].encode()
    if cut < end + 512:
        (note,) = table.notes
        assert "cut.tar: cut off" in note
        assert len(rows) == max(0, cut - 512) // 4096  # a key is whole once the header after it is there
        assert ("before its first row" if not rows else f"after key {'abc'[len(rows) - 1]!r}") in note
    else:
        assert (len(rows), table.notes) == (3, ())


@given(place=st.integers(0, 24 * 512 - 1), byte=st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_a_damaged_shard_ends_in_rows_or_an_error_of_ours(tmp_path: Path, place: int, byte: int) -> None:
    content = bytearray(shard(tmp_path / "whole.tar", [m for key in "abc" for m in sample(key)]).read_bytes())
    content[place] = byte
    (tmp_path / "bad.tar").write_bytes(content)
    try:
        table = sources.read(tmp_path / "bad.tar")
    except DataError as error:
        said = str(error)
    else:
        said = str(tmp_path / "bad.tar")
        assert len(table) <= 4
        for cell in table["png"] if "png" in table.columns else []:
            assert cell is None or len(files.read(cell, root=tmp_path, max_bytes=10**6)) == cell.size
    assert "bad.tar" in said
