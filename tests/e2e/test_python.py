"""The main job from Python: other tasks, other sources, inputs made by hand, tables given for validation."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import consilience as cs

QUICK = {
    "preset": "classic",
    "time_budget": 60.0,
    "classic": {"single": ["linear"], "joined": ["linear", {"kind": "trees", "max_iter": 5}]},
}


def numbers(rows=240, seed=0):
    rng = np.random.default_rng(seed)
    size, colour = rng.normal(size=rows), rng.choice(["red", "blue", "green"], rows)
    price = 10 + 5 * size + 8 * (colour == "red") + rng.normal(0, 0.5, rows)
    return {"size": size.tolist(), "colour": colour.tolist(), "price": price.tolist()}


def test_regression_from_columns(tmp_path):
    result = cs.fit(numbers(), target="price", test=numbers(seed=1), config=QUICK, out=tmp_path / "run")
    assert result.test["r2"]["value"] > 0.9
    assert set(result.leaderboard[0]["metrics"]) == {"mae", "rmse", "r2"}
    assert {e["name"] for e in result.leaderboard} >= {"mean"}
    model = cs.load(result.run)
    (low,), (high,) = model.predict({"size": -1.0, "colour": "blue"}), model.predict({"size": 1.0, "colour": "red"})
    assert low < 8 < 18 < high
    assert "rmse" in (result.run / "report.html").read_text().lower()


@pytest.mark.slow
def test_regression_by_a_network(tmp_path):
    config = {"preset": "deep", "time_budget": 60.0, "train": {"epochs": 30, "batch_rows": 32}}
    result = cs.fit(numbers(), target="price", test=numbers(seed=1), config=config, out=tmp_path / "run")
    network = next(e for e in result.leaderboard if e["preset"] == "deep")
    assert network["metrics"]["r2"]["value"] > 0.8


@pytest.mark.parametrize("only", ["review", "photo", "price"])
def test_one_input_is_enough(only, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=100)
    ignore = [c for c in ("photo", "review", "price", "shop", "day") if c != only]
    result = cs.fit(table, target="label", config={**QUICK, "data": {"ignore": ignore}}, out=tmp_path / "run")
    assert {tuple(e["inputs"]) for e in result.leaderboard if e["inputs"]} == {("table" if only == "price" else only,)}


def test_data_frames_answer_like_files(make_mixed_table, tmp_path, monkeypatch):
    import pandas as pd
    import pyarrow as pa

    table = make_mixed_table(tmp_path, rows=100)
    result = cs.fit(table, target="label", config=QUICK, out=tmp_path / "run")
    model = cs.load(result.run)
    monkeypatch.chdir(tmp_path)
    frame = pd.read_csv(table)
    want = model.predict_proba(table)
    for rows in (
        frame,
        pa.Table.from_pandas(frame),
        frame.astype(object).where(frame.notna(), None).to_dict("records"),
    ):
        np.testing.assert_allclose(model.predict_proba(rows), want, atol=1e-9)


def test_inputs_made_by_hand(make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=100)
    inputs = {
        "words": {"kind": "text", "columns": ["review", "shop"]},
        "costs": {"kind": "number", "columns": ["price"]},
        "photo": {"size": 32},
    }
    result = cs.fit(table, target="label", config={**QUICK, "inputs": inputs}, out=tmp_path / "run")
    model = cs.load(result.run)
    used = {name for e in result.leaderboard for name in e["inputs"]}
    assert used == {"words", "costs", "photo", "table"}
    assert model.inputs["words"].plan.columns == ("review", "shop")


def test_rows_of_a_group_stay_together(make_mixed_table, tmp_path):
    import pyarrow.parquet as pq

    table = make_mixed_table(tmp_path, rows=200)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rng = np.random.default_rng(0)
    for row in rows:
        row["person"] = f"p{rng.integers(25)}"
    config = {**QUICK, "data": {"group": "person", "ignore": ["photo"]}}
    result = cs.fit(rows, target="label", config=config, out=tmp_path / "run")
    splits = pq.read_table(result.run / "splits.parquet").to_pydict()
    side_of: dict[str, set[str]] = {}
    for row, side in zip(splits["row"], splits["side"], strict=True):
        side_of.setdefault(rows[row - 1]["person"], set()).add(side)
    assert len(side_of) == 25
    assert all(len(sides) == 1 for sides in side_of.values())
    assert "person" in (result.run / "report.html").read_text()


def test_what_a_group_shares_is_no_evidence_to_trees(tmp_path):
    """Each patient has one report, of words that say nothing, and one answer; a number on every row says a little."""
    rng = np.random.default_rng(0)
    rows = []
    for patient in range(200):
        words = " ".join(f"w{n}" for n in rng.integers(0, 3000, 9))
        sick = int(rng.integers(2))
        values = sick + rng.normal(size=6) * 1.5
        rows += [{"patient": patient, "report": words, "value": value, "sick": sick} for value in values]
    trees = {"kind": "trees", "max_iter": 15, "sparse_columns": 0}
    config = {
        "preset": "classic",
        "classic": {"single": [], "joined": [trees]},
        "inputs": {"report": {"kind": "text", "columns": ["report"]}},
    }

    def loss(name, **data):
        result = cs.fit(rows, target="sick", config={**config, "data": data}, out=tmp_path / name)
        return next(e for e in result.leaderboard if e["inputs"])["metrics"]["log_loss"]["value"]

    assert loss("grouped", group="patient") < 0.8
    assert loss("not", ignore=["patient"]) < 0.5  # patients are on both sides, and give themselves away


def test_rows_that_share_a_picture_stay_together_unless_told_otherwise(make_mixed_table, tmp_path):
    import pyarrow.parquet as pq

    table = make_mixed_table(tmp_path, rows=150)
    with table.open(newline="") as file:
        photos = [row["photo"] for row in csv.DictReader(file)]

    def spread(run):
        splits = pq.read_table(run / "splits.parquet").to_pydict()
        sides: dict[str, set[str]] = {}
        for row, side in zip(splits["row"], splits["side"], strict=True):
            if photos[row - 2]:
                sides.setdefault(photos[row - 2], set()).add(side)
        return max(map(len, sides.values()))

    together = cs.fit(table, target="label", config=QUICK, out=tmp_path / "a")
    apart = cs.fit(table, target="label", config={**QUICK, "data": {"group_media": False}}, out=tmp_path / "b")
    assert spread(together.run) == 1
    assert spread(apart.run) > 1
    assert any("seen in training" in w for w in apart.warnings)


def test_shuffled_labels_leave_chance(make_mixed_table, tmp_path):
    """The negative control: nothing in the pipeline may know the answer."""
    table = make_mixed_table(tmp_path, rows=300)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = np.random.default_rng(0).permutation([row["label"] for row in rows])
    for row, label in zip(rows, labels, strict=True):
        row["label"] = str(label)
    result = cs.fit(rows, target="label", config={**QUICK, "data": {"media_root": str(tmp_path)}}, out=tmp_path / "run")
    assert result.test["accuracy"]["ci95"][0] < 0.35


@pytest.mark.slow
def test_ctrl_c_leaves_a_usable_run(make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=200)
    words = ["fit", table, "--target", "label", "--preset", "deep", "--set", "train.epochs=100000"]
    more = ["--set", "train.patience=100000", "--out", tmp_path / "run"]
    process = subprocess.Popen(
        [sys.executable, "-m", "consilience", *map(str, words + more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    checkpoints = tmp_path / "run" / "checkpoints"
    patience = time.monotonic() + 120
    while (
        not [*checkpoints.glob("deep-*/training.safetensors")]
        and time.monotonic() < patience
        and process.poll() is None
    ):
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=100)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert len(cs.load(tmp_path / "run").predict(table)) == 200


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["auto", "deep"])
def test_the_time_budget_is_kept(make_mixed_table, tmp_path, preset):
    table = make_mixed_table(tmp_path, rows=2_000)
    config = {"preset": preset, "time_budget": 30.0, "train": {"epochs": 100_000, "patience": 100_000}}
    started = time.monotonic()
    result = cs.fit(table, target="label", config=config, out=tmp_path / "run")
    assert time.monotonic() - started < 33
    assert any(e["preset"] == "deep" for e in result.leaderboard)
