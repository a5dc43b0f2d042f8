"""easy-VQA (PyPI `easy-vqa`, MIT): 64x64 pictures of one shape, questions about them, 13 answers."""

from __future__ import annotations

from pathlib import Path

from consilience.core.optional import need
from consilience.data.sources import write
from consilience.workflows.demos.base import Demo

_ROWS = 5_000
"""Training questions of the demo, of 38,575: they leave time to look."""


def prepare(folder: Path) -> Demo:
    root = tables(folder, rows=_ROWS, test_rows=None)
    sources = {side: folder / f"{side}.csv" for side in ("train", "test")}
    return Demo(
        about=f"easy-VQA: {_ROWS:,} questions about pictures in {sources['train']}; test: {sources['test']}",
        sources=sources,
        flags={
            "target": "answer",
            "time_budget": 240.0,
            "data": {"split": [0.85, 0.15, 0.0], "media_root": str(root)},
        },
    )


def tables(folder: Path, *, rows: int | None, test_rows: int | None) -> Path:
    """train.csv and test.csv (image, question, answer) of the package easy-vqa; returns the pictures' root folder."""
    package = need("easy_vqa", extra="demo", to="run the easy-VQA demo")
    folder.mkdir(parents=True, exist_ok=True)
    sides = (
        ("train", package.get_train_questions, package.get_train_image_paths, rows),
        ("test", package.get_test_questions, package.get_test_image_paths, test_rows),
    )
    root = Path(package.__file__).parent
    for side, questions, paths, count in sides:
        texts, answers, images = (column[:count] for column in questions())
        where = paths()
        columns = {
            "image": [str(Path(where[i]).resolve().relative_to(root.resolve())) for i in images],
            "question": list(texts),
            "answer": list(answers),
        }
        write(columns, folder / f"{side}.csv")
    return root
