"""The demo's data sets: tables from packages as they lie on disk, and what is said when a package is not there."""

import json

import pytest
from PIL import Image

from consilience.core.errors import UserError
from consilience.data.sources import read
from consilience.workflows.demos import DEMOS, flags, stamps


def put(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def put_picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), "red").save(path)


@pytest.fixture
def tux(tmp_path, monkeypatch):
    """A folder as tuxpaint-stamps-default lays it out: twelve categories, the last two with a single stamp."""
    root = tmp_path / "stamps"
    for c in range(12):
        for s in range(3 if c < 10 else 1):
            stem = root / f"kind{c:02}" / "sub" / f"stamp{s}"
            put_picture(stem.with_suffix(".png"))
            put(stem.with_suffix(".txt"), f"A thing {c}.\nes.utf8=Una cosa.\n".encode())
            put(stem.with_name(f"{stem.name}_desc_es.ogg"))
    put_picture(root / "kind00" / "sub" / "stamp0_mirror.png")
    put(root / "kind00" / "sub" / "stamp0_mirror.txt", b"A thing 0.\n")
    put(root / "kind00" / "sub" / "stamp0_mirror_desc_es.ogg")
    put_picture(root / "kind00" / "sub" / "silent.png")
    put(root / "kind00" / "sub" / "silent.txt", b"Without speech.\n")
    monkeypatch.setattr(stamps, "STAMPS", root)
    return root


def test_stamps_are_those_with_caption_and_speech_of_the_largest_categories(tux, tmp_path):
    made = stamps.prepare(tmp_path / "data")
    rows = list(read(made.sources["train"]).rows())
    assert len(rows) == 30
    assert {row["category"] for row in rows} == {f"kind{c:02}" for c in range(10)}
    for row in rows:
        assert (tux / row["picture"]).is_file()
        assert (tux / row["speech"]).is_file()
        assert row["thing"] == row["caption"].lower()
    assert made.flags["data"]["group"] == "thing"
    assert made.flags["data"]["media_root"] == str(tux)


def test_absent_stamps_say_how_to_install_them(tmp_path, monkeypatch):
    monkeypatch.setattr(stamps, "STAMPS", tmp_path / "nowhere")
    with pytest.raises(UserError, match="apt-get install tuxpaint-stamps-default"):
        stamps.prepare(tmp_path / "data")


def country(code, **facts):
    common = {"name": {"common": code}, "translations": {"zho": {"common": "国"}}, "languages": {"x": "X"}}
    return {
        "cca2": code, "area": 1.5, "borders": ["A"], "landlocked": False, "independent": True, "region": "Asia",
        **common, **facts,
    }  # fmt: skip


@pytest.fixture
def packages(tmp_path):
    """node_modules as npm lays it out, with the flags of two of three countries."""
    root = tmp_path / "data" / "node_modules"
    known = [country("DE", region="Europe"), country("CN"), country("ZZ")]
    put(root / "world-countries" / "countries.json", json.dumps(known).encode())
    for points in ("1f1e9-1f1ea", "1f1e8-1f1f3"):
        put_picture(root / "emoji-datasource-twitter" / "img" / "twitter" / "64" / f"{points}.png")
    return root


def test_flags_are_countries_with_a_picture(packages, tmp_path):
    made = flags.prepare(tmp_path / "data")
    rows = list(read(made.sources["train"]).rows())
    assert [(row["code"], row["region"], row["name_zh"]) for row in rows] == [
        ("CN", "Asia", "国"),
        ("DE", "Europe", "国"),
    ]
    assert all((packages / row["flag"]).is_file() for row in rows)


def test_absent_packages_say_how_to_install_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"npm install --prefix .* emoji-datasource-twitter world-countries"):
        flags.prepare(tmp_path / "data")


def test_a_package_of_another_form_is_named(packages, tmp_path):
    put(packages / "world-countries" / "countries.json", b'[{"cca2": "DE"}]')
    with pytest.raises(UserError, match=r"countries\.json"):
        flags.prepare(tmp_path / "data")


def test_every_listed_demo_can_be_loaded():
    assert all(callable(DEMOS.load(name)) for name in DEMOS)
