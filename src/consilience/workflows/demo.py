"""demo: the main job on real data that a package ships. The only place that knows a data set."""

from __future__ import annotations

from pathlib import Path

from consilience.core.errors import UserError, unknown
from consilience.core.optional import need
from consilience.core.progress import Reporter
from consilience.core.result import FitResult
from consilience.data.sources import write
from consilience.workflows.config import resolve
from consilience.workflows.fit import fit

DATA = ("easy-vqa",)


def demo(data: str, *, out: Path, rows: int = 5_000, seed: int, reporter: Reporter) -> FitResult:
    """Write the tables of `data` to `out`, fit them with the default preset, leave the run in `out`/run."""
    if data not in DATA:
        raise UserError(unknown("demo data", data, DATA))
    folder, root = out / "data", easy_vqa_tables(out / "data", rows=rows, test_rows=None)
    reporter.say(f"easy-VQA: {rows:,} questions about pictures in {folder / 'train.csv'}; test: {folder / 'test.csv'}")
    flags = {
        "target": "answer",
        "seed": seed,
        "time_budget": 240.0,
        "data": {"split": [0.85, 0.15, 0.0], "media_root": str(root)},
    }
    sources = {"train": folder / "train.csv", "test": folder / "test.csv"}
    return fit(sources, resolve(flags), out=out / "run", reporter=reporter)


def easy_vqa_tables(folder: Path, *, rows: int | None, test_rows: int | None) -> Path:
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
