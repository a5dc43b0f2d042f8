"""Folders of class folders, of sides, of table files."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from consilience.core.errors import DataError
from consilience.data import sources


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for label in ("cat", "dog"):
        (folder / label / "deep").mkdir(parents=True)
        for n in range(3):
            Image.new("RGB", (4, 4), (n, 0, 0)).save(folder / label / f"{n}.png")
        Image.new("RGB", (4, 4)).save(folder / label / "deep" / "x.JPG")
    return folder


def test_one_row_a_file(photos: Path) -> None:
    (photos / "cat" / ".DS_Store").write_text("x")
    (photos / "cat" / "notes.doc").write_text("x")
    (photos / "bird").mkdir()
    (photos / "README").write_text("x")
    table = sources.read(photos, root=Path("/"))
    assert list(table.columns) == ["image", "label"]
    assert list(table["image"])[:4] == ["cat/0.png", "cat/1.png", "cat/2.png", "cat/deep/x.JPG"]
    assert list(table["label"]) == ["cat"] * 4 + ["dog"] * 4
    assert table.root == photos
    told = "\n".join(table.notes)
    assert "1 files are no media and were left out (1 .doc; cat/notes.doc)" in told
    assert "no class folder and were left out (README)" in told
    assert "no media file in bird" in told
    assert ".DS_Store" not in told


def test_files_alone_have_no_label(photos: Path) -> None:
    table = sources.read(photos / "cat" / "deep")
    assert list(table.rows()) == [{"image": "x.JPG"}]


def test_sides(photos: Path) -> None:
    root = photos.parent
    (root / "all").mkdir()
    photos.rename(root / "all" / "train")
    (root / "all" / "Val" / "cat").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(root / "all" / "Val" / "cat" / "v.png")
    assert sources.sides(root / "all") == {"train": root / "all" / "train", "valid": root / "all" / "Val"}
    assert sources.sides(root / "all" / "train") == {"train": root / "all" / "train"}
    with pytest.raises(DataError, match=r"sides of a split \(train, valid\); say which"):
        sources.read(root / "all")
    (root / "all" / "dev").mkdir()
    with pytest.raises(DataError, match="two folders are the same side"):
        sources.sides(root / "all")


def test_sides_by_the_names_of_files(tmp_path: Path) -> None:
    hub = tmp_path / "hub" / "data"
    hub.mkdir(parents=True)
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        (hub / f"{name}.csv").write_text(f"a\n{name}\n")
    found = sources.sides(tmp_path / "hub")
    assert list(found) == ["train", "test"]
    assert list(sources.read(found["train"])["a"]) == ["train-00000-of-00002", "train-00001-of-00002"]
    (hub / "other.csv").write_text("a\n1\n")
    assert list(sources.sides(hub)) == ["train"]
    assert len(sources.read(hub)) == 4


def test_a_stray_table_does_not_hide_class_folders(photos: Path) -> None:
    (photos / "cat" / "index.csv").write_text("a\n1\n")
    assert len(sources.read(photos)) == 8
    (photos / "table.csv").write_text("a\n1\n")
    assert len(sources.read(photos)) == 1  # a table in the folder itself is what is meant
