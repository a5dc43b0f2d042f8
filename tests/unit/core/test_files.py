"""Opening users' files: nothing outside the root, nothing too large, every reason in words."""

import base64
import os
import urllib.parse

import pytest

from consilience.core import files
from consilience.core.errors import BadCell
from consilience.core.files import read


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "media"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"abc")
    (folder / "empty.bin").write_bytes(b"")
    (tmp_path / "secret.bin").write_bytes(b"secret")
    os.symlink(tmp_path / "secret.bin", folder / "link.bin")
    os.symlink(folder / "a.bin", folder / "inside.bin")
    os.symlink(folder / "loop.bin", folder / "loop.bin")
    return folder


@pytest.mark.parametrize("cell", ["a.bin", "./a.bin", "sub/../a.bin", "inside.bin", b"abc"])
def test_what_is_inside_is_read(root, cell) -> None:
    assert read(cell, root=root, max_bytes=10) == b"abc"


def test_an_absolute_path_inside_is_read(root) -> None:
    assert read(str(root / "a.bin"), root=root, max_bytes=10) == b"abc"


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("../secret.bin", "outside the media root"),
        ("link.bin", "outside the media root"),
        ("/etc/passwd", "outside the media root"),
        ("none.bin", "no such file"),
        ("loop.bin", "no such file"),
        (".", "not a regular file"),
        ("empty.bin", "zero bytes"),
        (b"", "zero bytes"),
        ("a\0.bin", "NUL"),
        ("a\ud800.bin", "valid file name"),
        ("https://example.org/a.png", "URL"),
        ("x." * 2500, "cannot be opened"),
        (b"x" * 11, "limit"),
    ],
)
def test_what_is_not_read_says_why(root, cell, reason) -> None:
    with pytest.raises(BadCell, match=reason):
        read(cell, root=root, max_bytes=10)


def test_size_is_checked_before_reading(root) -> None:
    with (root / "large.bin").open("wb") as file:
        file.truncate(10**12)  # sparse: reading it would not fit in memory
    with pytest.raises(BadCell, match="limit"):
        read("large.bin", root=root, max_bytes=10**6)


PIXEL = bytes(range(256))


@pytest.mark.parametrize(
    "cell",
    [
        "data:image/png;base64," + base64.b64encode(PIXEL).decode(),
        "DATA:;base64," + base64.b64encode(PIXEL).decode().rstrip("="),
        "data:application/octet-stream," + urllib.parse.quote_from_bytes(PIXEL),
        base64.b64encode(PIXEL).decode(),
        base64.urlsafe_b64encode(PIXEL).decode(),
        base64.encodebytes(PIXEL).decode(),
    ],
)
def test_content_in_the_cell_itself(tmp_path, cell) -> None:
    assert files.read(cell, root=tmp_path, max_bytes=1000) == PIXEL
    with pytest.raises(BadCell, match="limit"):
        files.read(cell, root=tmp_path, max_bytes=100)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("data:image/png;base64", "no comma"),
        ("data:image/png;base64,@@@@", "cannot be decoded"),
        ("data:;base64,", "zero bytes"),
        (base64.b64encode(PIXEL).decode()[:81], "cannot be decoded"),
        ("deadbeef" * 8, "no such file"),
        ("photos/" * 12 + "a.png", "no such file"),
    ],
)
def test_content_that_is_damaged_or_none(tmp_path, cell, reason) -> None:
    with pytest.raises(BadCell, match=reason):
        files.read(cell, root=tmp_path, max_bytes=1000)


def test_a_file_of_that_name_wins(tmp_path) -> None:
    name = base64.urlsafe_b64encode(PIXEL).decode()[:80]
    (tmp_path / name).write_bytes(b"the file")
    assert files.read(name, root=tmp_path, max_bytes=1000) == b"the file"
