"""The demo's data sets: tables from packages as they lie on disk, and what is said when a package is not there."""

import json
import os
import re
import shutil

import pytest
from PIL import Image

from consilience.cli import main
from consilience.core.errors import UserError
from consilience.core.progress import Reporter
from consilience.data.sources import read
from consilience.workflows.demos import DEMOS, TABLES, demo, flags, stamps, svg

DRAWING = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10">
<circle cx="10" cy="5" r="4" fill="#00f"/></svg>"""

# In CI these tests may not be left out: there they fail without the program.
renders = pytest.mark.skipif(
    shutil.which("rsvg-convert") is None and "CI" not in os.environ,
    reason="Debian's librsvg2-bin is not installed (.ci/run does)",
)


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


def put_drawing(root, name, content=DRAWING):
    """A stamp of the largest categories with an SVG instead of a PNG."""
    stem = root / "kind00" / "drawn" / name
    put(stem.with_suffix(".svg"), content)
    put(stem.with_suffix(".txt"), b"A drawing.\n")
    put(stem.with_name(f"{name}_desc_es.ogg"))


def rows_of(made):
    return list(read(made.sources["train"]).rows())


def test_stamps_are_those_with_caption_and_speech_of_the_largest_categories(tux, tmp_path):
    made = stamps.prepare(tmp_path / "data")
    rows = rows_of(made)
    assert len(rows) == 30
    assert made.notes == ()
    assert {row["category"] for row in rows} == {f"kind{c:02}" for c in range(10)}
    for row in rows:
        for cell in (row["picture"], row["speech"]):
            held = (tmp_path / "data" / cell).read_bytes()
            assert held == tux.joinpath(*cell.split("/")[1:]).read_bytes()
        assert row["thing"] == row["caption"].lower()
    assert made.flags["data"]["group"] == "thing"


@renders
def test_a_stamp_with_an_svg_alone_is_rendered(tux, tmp_path):
    put_drawing(tux, "blue")
    put(tux / "kind01" / "sub" / "stamp0.svg", DRAWING)  # has a PNG too: no row of its own
    made = stamps.prepare(tmp_path / "data")
    rows = rows_of(made)
    assert len(rows) == 31
    assert made.notes == ()
    assert rows[0] == {
        "picture": "stamps/kind00/drawn/blue.png",
        "caption": "A drawing.",
        "speech": "stamps/kind00/drawn/blue_desc_es.ogg",
        "thing": "a drawing.",
        "category": "kind00",
    }
    assert (tmp_path / "data" / rows[0]["speech"]).is_file()
    with Image.open(tmp_path / "data" / rows[0]["picture"]) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (256, 128))
        assert picture.getpixel((128, 64)) == (0, 0, 255, 255)
        assert picture.getpixel((0, 0))[3] == 0  # transparent, as in the pictures that come as PNG


@renders
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (DRAWING[:-10], "rsvg-convert ended with 1: .*XML parse error"),
        (b"", "rsvg-convert ended with 1"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "nothing is drawn in it"),
    ],
)
def test_a_drawing_that_cannot_be_rendered_is_named_and_left_out(tux, tmp_path, content, why):
    put_drawing(tux, "good")
    put_drawing(tux, "bad", content)
    made = stamps.prepare(tmp_path / "data")
    (note,) = made.notes
    assert note.startswith(f"{tux / 'kind00' / 'drawn' / 'bad.svg'}: this stamp is left out")
    assert re.search(why, note)
    assert [row["picture"] for row in rows_of(made) if "drawn" in row["picture"]] == ["stamps/kind00/drawn/good.png"]
    assert not (tmp_path / "data" / "stamps" / "kind00" / "drawn" / "bad.png").exists()


@pytest.mark.parametrize(
    ("script", "seconds", "why"),
    [("exec sleep 60", 0.2, "rsvg-convert was stopped after 0.2 seconds"), ("echo no picture", 60.0, "not an image")],
)
def test_a_program_that_hangs_or_writes_something_else_costs_that_stamp_alone(
    tux, tmp_path, monkeypatch, script, seconds, why
):
    put_drawing(tux, "blue")
    put(tmp_path / "bin" / "rsvg-convert", f"#!/bin/sh\n{script}\n".encode())
    (tmp_path / "bin" / "rsvg-convert").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setattr(svg, "_SECONDS", seconds)
    made = stamps.prepare(tmp_path / "data")
    (note,) = made.notes
    assert "blue.svg: this stamp is left out" in note
    assert why in note
    assert len(rows_of(made)) == 30


def test_without_the_program_the_demo_says_what_it_leaves_out_and_goes_on(tux, tmp_path, monkeypatch):
    for name in ("blue", "red"):
        put_drawing(tux, name)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    said, fitted = [], []

    class Listener(Reporter):
        def say(self, text):
            said.append(text)

    monkeypatch.setattr(
        "consilience.workflows.fit.fit", lambda sources, *_, **__: fitted.append(read(sources["train"]))
    )
    demo("stamps", out=tmp_path, seed=0, reporter=Listener())
    assert said[1] == (
        "warning: 2 stamps whose only picture is an SVG are left out, for rsvg-convert is not installed. "
        "On Debian or Ubuntu: sudo apt-get install librsvg2-bin, then run the demo again"
    )
    assert len(fitted[0]) == 30


def test_a_folder_that_cannot_be_written_is_named(tux, tmp_path):
    put(tmp_path / "data" / "stamps")  # a file
    with pytest.raises(UserError, match=r"data.stamps.*: cannot be read or written: "):
        stamps.prepare(tmp_path / "data")


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
    rows = rows_of(made)
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


def test_the_shop_is_written_and_nothing_is_overwritten(tmp_path, capsys) -> None:
    assert main(["demo", "--data", "shop", "--out", str(tmp_path)]) == 0
    assert f"consilience inspect {tmp_path / 'train.csv'}" in capsys.readouterr().out
    train, test = (read(tmp_path / name) for name in ("train.csv", "test.csv"))
    assert list(train.columns) == ["photo", "review", "price", "shop", "day", "label"]
    assert (len(train), len(test)) == (180, 60)
    assert all((tmp_path / cell).is_file() for cell in (*train["photo"], *test["photo"]) if cell)
    before = (tmp_path / "train.csv").read_bytes()
    assert main(["demo", "--data", "shop", "--out", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "train.csv").read_bytes() == before


def test_no_name_is_both_fitted_and_only_written() -> None:
    assert not set(DEMOS) & set(TABLES)
