"""Run folders: what a refused run takes away, and what it never does."""

from __future__ import annotations

from pathlib import Path

from consilience.workflows.config import resolve
from consilience.workflows.runs import PROGRESS, RUN, Run

CONFIG = resolve({"target": "y"}, preset="classic")


def begin(folder: Path) -> Run:
    return Run.begin(folder, CONFIG, {}, used=0.0)


def test_a_refused_run_leaves_nothing_but_what_others_put_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with begin(folder) as run:
        run.use(CONFIG)
        (folder / "bad_cells_test.csv").write_text("")
        run.refuse()
    assert not folder.exists()
    with begin(folder) as run:
        (folder / "store").mkdir()
        (folder / "notes.txt").write_text("mine")
        run.refuse()
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "store"]


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        run.refuse()
    assert list(tmp_path.iterdir()) == []


def test_another_run_that_was_begun_in_the_folder_since_is_not_touched(tmp_path: Path) -> None:
    with begin(tmp_path) as refused, begin(tmp_path) as other:
        other.use(CONFIG)
        refused.refuse()
        assert {RUN, PROGRESS, "config.toml"} <= {path.name for path in tmp_path.iterdir()}


def test_what_was_trained_is_kept(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        (tmp_path / "checkpoints" / "linear").mkdir(parents=True)
        run.refuse()
    assert (tmp_path / RUN).exists()
