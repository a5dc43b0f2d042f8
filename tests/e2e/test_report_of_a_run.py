"""The report of a run: worst errors with their cells, slices, bad cells; and how to keep rows out of it."""

from __future__ import annotations

import base64
import re

import pytest

import consilience as cs
from consilience.api import evaluate
from consilience.core.errors import UserError

QUICK = {
    "preset": "classic",
    "time_budget": 60.0,
    "classic": {"single": ["linear"], "joined": ["linear"]},
    "ensemble": {"rules": []},
    "data": {"ignore": ["review"]},  # without it there are errors to show
    "audit": {"at_end": False},
}


@pytest.fixture(scope="module")
def run(make_mixed_table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    table = make_mixed_table(folder, rows=150)
    (folder / "photos" / "train-003.png").write_bytes(b"no picture")
    return cs.fit(table, target="label", config=QUICK, out=folder / "run").run


def test_worst_errors_are_shown_with_pictures_and_numbers(run):
    page = (run / "report.html").read_text()
    assert "Worst errors" in page
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)"', page)
    assert pictures
    assert base64.b64decode(pictures[0]).startswith(b"\x89PNG")
    assert "price: " in page
    assert "was taken for" in page
    assert len(page) < 400_000


def test_slices_and_bad_cells(run):
    page = (run / "report.html").read_text()
    assert "By <bdi>shop</bdi>" in page
    assert "harbour" in page
    assert "Bad cells</h2>" in page
    assert "not an image" in page


def test_rows_can_be_kept_out(run, tmp_path):
    result = cs.fit(
        run.parent / "train.csv", target="label", config={**QUICK, "report": {"errors": 0}}, out=tmp_path / "run"
    )
    page = (result.run / "report.html").read_text()
    assert "data:image" not in page
    assert "This page holds no row of the data." in page


def test_an_evaluation_has_a_page_too(run, tmp_path):
    found = evaluate(run, run.parent / "train.csv", by="shop", html=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert f"{found['rows']:,} rows of" in page
    for title in ("Scores", "Worst errors", "What is taken for what", "Calibration", "By <bdi>shop</bdi>"):
        assert title in page, title
    assert "data:image/png;base64," in page
    assert "http:" not in page
    with pytest.raises(UserError, match="a part of this path is a file"):
        evaluate(run, run.parent / "train.csv", html=tmp_path / "page.html" / "page.html")
    evaluate(run, run.parent / "train.csv", html=tmp_path / "new" / "page.html")
    assert (tmp_path / "new" / "page.html").is_file()


def test_a_regression_shows_what_is_furthest_off(tmp_path):
    table = {"size": [float(n % 17) for n in range(120)], "price": [2.0 * (n % 17) for n in range(120)]}
    table["price"][60:] = [p + (500 if n == 30 else 0) for n, p in enumerate(table["price"][60:])]
    result = cs.fit(table, target="price", config={**QUICK, "data": {}, "task": "regression"}, out=tmp_path / "run")
    page = (result.run / "report.html").read_text()
    assert "Worst errors" in page
    assert "size" in page
