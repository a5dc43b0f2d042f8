"""The main job through the real command line: files in, a run, answers out, in fresh processes."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def consilience(*words, code=0):
    """Run the CLI in a process of its own; returns what it printed on (standard output, standard error)."""
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-m", "consilience", *map(str, words)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=250,
    )
    assert done.returncode == code, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module", params=["auto", "classic", "deep"])
def run(request, tmp_path_factory, make_mixed_table):
    """(preset, folder with train.csv and test.csv, the run, what fit printed)."""
    folder = tmp_path_factory.mktemp(request.param)
    make_mixed_table(folder, rows=300)
    make_mixed_table(folder, rows=90, name="test.csv")
    out, _ = consilience(
        "fit", folder / "train.csv", "--target", "label", "--test", folder / "test.csv", "--preset", request.param,
        "--set", "train.epochs=12" if request.param != "classic" else "seed=0",
        "--out", folder / "run", "--time-budget", "60s", "--json",
    )  # fmt: skip
    return request.param, folder, folder / "run", json.loads(out)


def test_fit_prints_the_contract(run):
    preset, _, path, printed = run
    assert set(printed) == {"run", "leaderboard", "best", "test"}
    assert Path(printed["run"]) == path
    for entry in printed["leaderboard"]:
        assert set(entry) == {"name", "preset", "fusion", "inputs", "metrics", "cpu_seconds", "ms_per_row"}
        low, high = entry["metrics"]["accuracy"]["ci95"]
        assert 0 <= low <= entry["metrics"]["accuracy"]["value"] <= high <= 1
    by_name = {entry["name"]: entry for entry in printed["leaderboard"]}
    assert printed["best"] in by_name
    alone = {tuple(e["inputs"]) for e in printed["leaderboard"] if len(e["inputs"]) == 1}
    assert alone == {("photo",), ("review",), ("table",)}
    baseline = next(e for e in printed["leaderboard"] if not e["inputs"])
    assert printed["test"]["accuracy"]["value"] > baseline["metrics"]["accuracy"]["value"] + 0.2
    expected = {"auto": {"classic", "deep"}, "classic": {"classic"}, "deep": {"deep", "classic"}}[preset]
    assert expected <= {e["preset"] for e in printed["leaderboard"]}


def test_the_run_folder_is_whole(run):
    _, _, path, printed = run
    names = {p.name for p in path.iterdir()}
    assert {
        "bundle",
        "config.toml",
        "leaderboard.json",
        "report.html",
        "bad_cells.csv",
        "splits.parquet",
        "log.jsonl",
    } <= names
    bundle = {p.name for p in (path / "bundle").iterdir()}
    assert {
        "manifest.json",
        "config.toml",
        "weights.safetensors",
        "golden.safetensors",
        "baseline.parquet",
        "README.md",
    } == bundle
    assert json.loads((path / "leaderboard.json").read_text())["best"] == printed["best"]
    report = (path / "report.html").read_text()
    assert printed["best"] in report
    assert "http://" not in report.replace("http://www.w3.org", "")


def test_no_row_of_the_user_is_in_the_bundle(run):
    _, folder, path, _ = run
    with (folder / "train.csv").open() as file:
        photos = {row["photo"] for row in csv.DictReader(file)} - {""}
    everything = b"".join(p.read_bytes() for p in (path / "bundle").iterdir())
    assert not [p for p in photos if p.encode() in everything]


def test_predict_writes_every_row_in_order(run):
    _, folder, path, printed = run
    consilience("predict", path, folder / "test.csv", "--out", folder / "p.csv", "--proba")
    with (folder / "test.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (folder / "p.csv").open() as file:
        answered = list(csv.DictReader(file))
    assert len(answered) == len(rows)
    for given, got in zip(rows, answered, strict=True):
        assert {k: got[k] for k in given} == given
    labels = sorted({"red", "green", "blue", "refund"})
    assert list(answered[0]) == [*rows[0], "prediction", *(f"proba_{label}" for label in labels)]
    for got in answered:
        chances = {label: float(got[f"proba_{label}"]) for label in labels}
        assert sum(chances.values()) == pytest.approx(1)
        assert max(chances, key=chances.get) == got["prediction"]
    right = sum(got["prediction"] == given["label"] for given, got in zip(rows, answered, strict=True))
    assert right / len(rows) == pytest.approx(printed["test"]["accuracy"]["value"])


def test_evaluate_agrees_with_the_test_of_fit(run):
    _, folder, path, printed = run
    out, _ = consilience("evaluate", path / "bundle", folder / "test.csv", "--by", "shop", "--json")
    found = json.loads(out)
    assert found["rows"] == 90
    assert found["metrics"]["accuracy"]["value"] == pytest.approx(printed["test"]["accuracy"]["value"])
    assert set(found["by"]) == {"north", "south", "harbour"}
    assert sum(group["rows"] for group in found["by"].values()) == 90


def test_a_bundle_needs_no_training_code_and_answers_bit_for_bit(run):
    """In a fresh process, with the training code (and Arrow, pandas, scikit-learn) out of reach."""
    _, folder, path, _ = run
    program = f"""
import sys
for name in ("sklearn", "lightgbm", "pandas", "pyarrow", "scipy", "consilience.train", "consilience.workflows"):
    sys.modules[name] = None
import consilience, numpy as np
model = consilience.load({str(path)!r})
print(model.predict_proba({str(folder / "test.csv")!r}).tobytes().hex())
"""
    first, second = (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=200) for _ in range(2)
    )
    assert first.returncode == 0, first.stderr[-2000:]
    assert first.stdout == second.stdout
    from consilience import load

    assert load(path).predict_proba(folder / "test.csv").tobytes().hex() == first.stdout.strip()


def test_rows_are_independent_and_order_is_irrelevant(run):
    import numpy as np

    from consilience import load
    from consilience.data.sources import read

    _, folder, path, _ = run
    model, table = load(path), read(folder / "test.csv")
    straight = model.answer(table).answers
    order = np.random.default_rng(0).permutation(len(table))
    turned = model.answer(table.take(order.tolist())).answers
    np.testing.assert_allclose(turned, straight[order], atol=1e-6)
    assert (turned.argmax(1) == straight[order].argmax(1)).all()
    (folder / "photos" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot a picture")
    columns = {name: list(cells) for name, cells in table.columns.items()}
    columns["photo"][3] = "photos/broken.png"
    columns["price"][3] = "a lot"
    hurt = model.answer(type(table)(columns=columns, name="t", root=table.root))
    others = [r for r in range(len(table)) if r != 3]
    np.testing.assert_allclose(hurt.answers[others], straight[others], atol=1e-6)
    assert [(p.row, p.column) for p in hurt.problems if p.column == "photo"] == [(3, "photo")]


def test_any_input_may_be_missing(run):
    import numpy as np

    from consilience import load

    _, folder, path, _ = run
    model = load(path)
    whole = {"photo": "photos/test-001.png", "review": "it broke", "price": 3.5, "shop": "north", "day": "2026-01-02"}
    for gone in [(), ("photo",), ("review",), ("price", "shop", "day"), ("photo", "review")]:
        row = {k: v for k, v in whole.items() if k not in gone}
        answer = model.predict_proba([row], root=folder)
        assert np.isfinite(answer).all()
        assert answer.sum() == pytest.approx(1)


def test_config_show_gives_the_run_back(run, tmp_path):
    import tomllib

    preset, _, path, _ = run
    shown, _ = consilience("config", "show", path)
    assert tomllib.loads(shown)["preset"] == preset
    (tmp_path / "again.toml").write_text(shown)
    _, error = consilience("fit", tmp_path / "none.csv", "--config", tmp_path / "again.toml", code=2)
    assert "none.csv" in error


def test_the_same_seed_gives_the_same_answers(run):
    _, folder, path, _ = run
    consilience(
        "fit", folder / "train.csv", "--test", folder / "test.csv", "--config", path / "config.toml",
        "--out", folder / "again", "--json",
    )  # fmt: skip
    weights = [(p / "bundle" / "weights.safetensors").read_bytes() for p in (path, folder / "again")]
    assert weights[0] == weights[1]
