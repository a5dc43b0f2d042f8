"""Opening users' files: nothing outside the root, nothing too large, every reason in words."""

import base64
import os
import pickle
import unicodedata
import urllib.parse
from pathlib import Path

import pytest

from consilience.core import files
from consilience.core.errors import BadCell, UserError
from consilience.core.files import Followed, read


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
        ("loop.bin", "link leads to a file that is not there"),
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


@pytest.mark.parametrize(
    "cell", ["../secret.bin", "link.bin", "{tmp}/secret.bin", "../media/link.bin", "file://{tmp}/secret.bin"]
)
def test_the_users_own_table_may_lead_anywhere_unless_it_is_confined(root, tmp_path, cell) -> None:
    cell = cell.format(tmp=tmp_path)
    assert read(cell, root=files.followed(root), max_bytes=10) == b"secret"
    travelled = pickle.loads(pickle.dumps(files.followed(root)))  # to a worker process
    assert read(cell, root=travelled, max_bytes=10) == b"secret"
    for kept in (root, files.followed(files.media_root(root, confine=True)), Path(files.followed(root))):
        with pytest.raises(BadCell, match="outside the media root"):
            read(cell, root=kept, max_bytes=10)


@pytest.mark.parametrize(
    "cell",
    [
        "{way}/secret.bin", "{way}/none.bin", "{way}/SECRET.BIN", "{way}/deep/TWIN.bin", "{way}/got.bin", "{way}",
        "{way}/../{way}/none.bin", "./{way}/none.bin", "'{way}/none.bin'", ".\\{way}\\none.bin", "%2E/{way}/none.bin",
        "../out/secret.bin", "%2e%2e/out/secret.bin", "file://%2e%2e/out/none.bin", "..\\out\\secret.bin",
        "sub/../../out/secret.bin", "//etc/passwd", "FILE://localhost/etc/passwd", "\\etc\\passwd",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "way", ["link", "LINK", "SUB/link", "sub/Link", "l\u0131nk/../LINK", "{up}/media/LINK", "{up}/NO/../media/LINK"]
)
@pytest.mark.parametrize("keep", [Path, files.Confined])
def test_nothing_is_learned_of_what_lies_outside(tmp_path, monkeypatch, keep, way, cell) -> None:
    """Whether a file is there, is called nearly so, or was fetched: the answer is the same."""
    (tmp_path / "media" / "sub").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    os.symlink(tmp_path / "out", tmp_path / "media" / "link")
    os.symlink(tmp_path / "out", tmp_path / "media" / "sub" / "link")
    monkeypatch.chdir(tmp_path)
    cell = cell.format(way=way.format(up=tmp_path))

    def answers() -> list[str]:
        said = []
        for root in (keep(tmp_path / "media"), keep("media")):
            with pytest.raises(BadCell) as caught:
                read(cell, root=root, max_bytes=10)
            said.append(str(caught.value))
        return said

    before = answers()
    assert {*before} <= {"no such file", "the path is outside the media root (choose it with --media-root)"}
    (tmp_path / "out" / "deep").mkdir()
    for name in ("secret.bin", "deep/Twin.bin", "deep/twin.BIN", "got.bin.dvc"):
        (tmp_path / "out" / name).write_bytes(b"secret")
    assert answers() == before


@pytest.mark.parametrize(
    "cell", ["a%00.bin", "file:///a%00.bin", "%00", "a\0.bin", "a%ud800", "%ff%fe.bin", "%", "%zz"]
)
@pytest.mark.parametrize("kind", [Path, files.Confined, files.Followed])
def test_odd_signs_in_a_path_are_one_bad_cell(root, kind, cell) -> None:
    with pytest.raises(BadCell):
        read(cell, root=kind(root), max_bytes=10)


def test_to_confine_needs_a_folder() -> None:
    with pytest.raises(UserError, match="--media-root"):
        files.media_root(None, confine=True)


@pytest.mark.parametrize(
    "cell",
    [
        " a.bin", "a.bin\n", "\ufeffa.bin", '"a.bin"', "'a.bin' ", ".\\a.bin", "A.BIN", "sub\\été.bin", "SUB/ÉTÉ.bin",
        "sub/e\u0301te\u0301.bin", "sub/\u00e9t\u00e9.bin", " sub/../sub\\e\u0301t\u00e9.bin ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_path_is_found_as_people_write_it(root, cell, form) -> None:
    (root / "sub").mkdir()
    (root / "sub" / unicodedata.normalize(form, "été.bin")).write_bytes(b"abc")
    assert read(cell, root=root, max_bytes=10) == b"abc"


def test_the_exact_name_wins_and_two_that_are_alike_are_none(root) -> None:
    (root / "B.bin").write_bytes(b"B")
    (root / " a.bin").write_bytes(b"blank")
    assert read(" a.bin", root=root, max_bytes=10) == b"blank"
    assert read("b.bin", root=root, max_bytes=10) == b"B"
    (root / "b.BIN").write_bytes(b"other")
    with pytest.raises(BadCell, match="2 files of nearly that name"):
        read("b.bin", root=root, max_bytes=10)
    assert read("b.BIN", root=root, max_bytes=10) == b"other"


@pytest.mark.parametrize("cell", ["C:\\photos\\a.bin", "D:/photos/a.bin"])
def test_a_path_of_another_system_is_told(root, cell) -> None:
    with pytest.raises(BadCell, match="Windows drive"):
        read(cell, root=root, max_bytes=10)


def test_what_was_not_fetched_is_told(root) -> None:
    os.symlink("../.git/annex/objects/a", root / "annexed.bin")
    (root / "large.png").write_bytes(b"version https://git-lfs.example/spec/v1\noid sha256:0\nsize 3\n")
    with pytest.raises(BadCell, match="git annex get"):
        read("annexed.bin", root=files.followed(root), max_bytes=10)
    with pytest.raises(BadCell, match="git lfs pull"):
        read("large.png", root=root, max_bytes=1000)


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


@pytest.mark.parametrize("kind", [Path, Followed])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: p.with_name("a.png.dvc").write_text("outs:"), "dvc pull"),
        (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull"),
        (lambda p: p.write_text("/annex/objects/SHA256E-s9--0.png\n"), "git annex get"),
    ],
    ids=["dvc", "git lfs", "git annex"],
)
def test_content_kept_elsewhere_says_how_to_get_it(tmp_path, kind, make, reason) -> None:
    make(tmp_path / "a.png")
    with pytest.raises(BadCell, match=reason):
        read("a.png", root=kind(tmp_path), max_bytes=1000)


@pytest.mark.parametrize(
    ("there", "cell"), [("table/sub/a.png", "a.png"), ("photos/a.png", "photos/a.png"), ("table/a.png", "x/a.png")]
)
def test_a_missing_file_comes_with_the_nearest_hint(tmp_path, there, cell) -> None:
    for folder in ("table/sub", "photos"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / there).write_bytes(b"abc")
    with pytest.raises(BadCell, match=r"no such file.*but"):
        read(cell, root=Followed(tmp_path / "table"), max_bytes=10)
    with pytest.raises(BadCell) as strict:  # a server names no folders of its machine
        read(cell, root=tmp_path / "table", max_bytes=10)
    assert strict.value.reason == "no such file"


def test_a_quoted_path_is_read(tmp_path) -> None:
    for name in ("a b.png", "100%25.png"):
        (tmp_path / name).write_bytes(name.encode())
    assert read("a%20b.png", root=tmp_path, max_bytes=100) == b"a b.png"
    assert read("100%25.png", root=tmp_path, max_bytes=100) == b"100%25.png"
    with pytest.raises(BadCell, match="outside"):
        read("%2e%2e/secret.bin", root=tmp_path, max_bytes=10)
