"""Tasks beyond one class or number, as a user meets them: files in, predictions out, served, exported, resumed."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

import consilience as cs
from consilience.cli import main
from consilience.core.errors import UserError
from consilience.core.progress import Reporter
from consilience.workflows.answer import evaluate, predict

RNG = np.random.default_rng
QUICK = {"classic": {"single": ["linear"], "joined": ["linear"]}, "ensemble": {"rules": ["average", "stack"]}}
DEEP = {"train": {"epochs": 3}, "deep": {"width": 16}, "ensemble": {"rules": []}}


def rows(count=120, seed=0):
    """Words tell the tags, the number the grade and the price; every row has a weight."""
    rng = RNG(seed)
    out = []
    for _ in range(count):
        tags = [t for t in ("fun", "sad", "fast") if rng.random() < 0.4]
        x = rng.uniform(0, 3)
        out.append(
            {
                "words": " ".join([f"{t}ness" for t in tags] + ["film"]),
                "x": round(x, 3),
                "tags": tags,
                "grade": ["low", "mid", "high"][int(x)],
                "price": round(4 * x + rng.normal(0, 0.2), 3),
            }
        )
    return out


def only(found, *names):
    return [{name: row[name] for name in ("words", "x", *names)} for row in found]


def write_csv(path, found):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, found[0])
        writer.writeheader()
        writer.writerows(found)
    return path


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class Said(Reporter):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """(a run on a CSV whose tags are parted by semicolons, its folder)"""
    folder = tmp_path_factory.mktemp("tagged")
    found = [{**row, "tags": ";".join(row["tags"]) or "[]"} for row in only(rows(), "tags")]
    said = Said()
    result = cs.fit(write_csv(folder / "t.csv", found), target="tags", preset="classic", config=QUICK,
                    out=folder / "run", reporter=said)  # fmt: skip
    assert any("multilabel" in line and "';'" in line for line in said.lines), "the choice is told, with its reason"
    return result, folder


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A network for a class that has an order, a number, and tags, some of them missing."""
    found = only(rows(), "grade", "price", "tags")
    for place, row in enumerate(found):
        if place % 7 == 0:
            row["price"] = None
        if place % 11 == 0:
            row["tags"] = None
    folder = tmp_path_factory.mktemp("both")
    order = {"kind": "ordinal", "order": ["low", "mid", "high"]}
    config = {**DEEP, "task": {"kind": "several", "of": {"grade": order}}}
    result = cs.fit(found, target=["grade", "price", "tags"], preset="deep", config=config, out=folder / "run")
    return result, found


def test_predictions_are_written_in_the_form_the_target_had(tagged):
    result, folder = tagged
    again = []
    for name in ("p.csv", "p.parquet", "p.jsonl"):
        out = folder / name
        predict(result.run, folder / "t.csv", out=out, proba=True, root=None, reporter=Reporter())
        if name == "p.csv":
            cells = [row["prediction"] for row in read_csv(out)]
            assert {"fun", "fast;fun", "[]"} <= set(cells), "an empty cell would say that nothing is known"
            again.append([sorted(c.split(";")) if c != "[]" else [] for c in cells])
        elif name == "p.parquet":
            table = pq.read_table(out)
            assert {"proba_fun", "proba_sad", "proba_fast"} <= set(table.column_names)
            again.append([sorted(c) for c in table["prediction"].to_pylist()])
        else:
            again.append([sorted(json.loads(line)["prediction"]) for line in out.read_text().splitlines()])
    assert again[0] == again[1] == again[2] == [sorted(p) for p in cs.load(result.run).predict(folder / "t.csv")]
    # What was predicted can be read as a target.
    found = [{**row, "tags": row["prediction"]} for row in read_csv(folder / "p.csv")]
    score = evaluate(
        result.run, write_csv(folder / "again.csv", found), by=None, root=None, seed=0, reporter=Reporter()
    )
    assert score["metrics"]["f1_micro"]["value"] == score["metrics"]["subset_accuracy"]["value"] == 1


def test_labels_that_training_never_saw_count_as_not_found(tagged):
    result, _ = tagged
    said = Said()
    found = [{"words": "funness film", "x": 1.0, "tags": "fun;new"}, {"words": "sadness film", "x": 1.0, "tags": "sad"}]
    score = evaluate(result.run, found, by=None, root=None, seed=0, reporter=said)
    assert any("never saw" in line and "new" in line for line in said.lines)
    assert score["metrics"]["precision_micro"]["value"] == 1
    assert score["metrics"]["recall_micro"]["value"] == pytest.approx(2 / 3)


def test_the_report_shows_each_target(both, tagged):
    page = (both[0].run / "report.html").read_text(encoding="utf-8")
    for words in ("Target <bdi>grade</bdi>", "Target <bdi>price</bdi>", "Target <bdi>tags</bdi>", "Quadratic kappa"):
        assert words in page
    page = (tagged[0].run / "report.html").read_text(encoding="utf-8")
    assert "F1 (micro)" in page
    assert "Per class" in page


def test_several_targets_have_a_column_each(both, tmp_path):
    result, found = both
    out = tmp_path / "p.csv"
    told = predict(result.run, found, out=out, proba=True, root=None, reporter=Reporter())
    names = [name for name in told["columns"] if name.startswith(("prediction", "proba"))]
    assert names == [
        "prediction_grade", "prediction_price", "prediction_tags",
        "proba_grade_low", "proba_grade_mid", "proba_grade_high",
        "proba_tags_fast", "proba_tags_fun", "proba_tags_sad",
    ]  # fmt: skip
    first = cs.load(result.run).predict(found[0])[0]
    assert set(first) == {"grade", "price", "tags"}
    assert first["grade"] in ("low", "mid", "high")
    assert isinstance(first["price"], float)
    metrics = evaluate(result.run, found, by=None, root=None, seed=0, reporter=Reporter())["metrics"]
    assert next(iter(metrics)) == "score"
    assert {"grade.qwk", "price.rmse", "tags.f1_micro"} <= set(metrics)
    assert all(set(entry) == {"value", "ci95"} for entry in metrics.values())


def test_rows_without_some_targets_teach_the_others(both):
    result, _ = both
    board = {entry["name"]: entry["metrics"] for entry in result.leaderboard}
    nothing = board["constant answers"]["score"]["value"]
    assert nothing == pytest.approx(0, abs=0.05)
    assert max(m["score"]["value"] for m in board.values()) > 0.3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_exported_network_answers_alike(both):
    from consilience.export.onnx import convert
    from consilience.workflows import kept

    result, found = both
    deep = next(e for e in result.leaderboard if e["preset"] == "deep")
    model = cs.load(result.run)
    was = kept.find(kept.folder_of(result.run / "checkpoints", deep["name"]), model.task)
    prepared = replace(model, member=was.member)
    if not set(was.member.inputs) <= set(model.inputs):
        pytest.skip("the chosen model does not look at everything")
    graph = convert(prepared)
    np.testing.assert_allclose(
        replace(model, member=graph).predict_proba(found), prepared.predict_proba(found), atol=1e-4, rtol=1e-4
    )


def test_served_answers_and_tensors(both, tagged):
    from starlette.testclient import TestClient

    from consilience.serve.config import ServeConfig
    from consilience.serve.engine import Engine
    from consilience.serve.metrics import Metrics
    from consilience.serve.rest import application

    row = {"words": "funness film", "x": 1.5}
    for (result, _), outputs in ((both, ["prediction_grade", "prediction_price", "prediction_tags"]),
                                 (tagged, ["prediction"])):  # fmt: skip
        model = cs.load(result.run)
        with TestClient(application(Engine(model, ServeConfig(), Metrics()))) as client:
            line = client.post("/v1/predict", json={"inputs": row}).json()["predictions"][0]
            assert line["prediction"] == model.predict(row)[0]
            assert list(line["probabilities"]) == [model.task.names[k] for k in model.task.probable]
            meta = client.get("/v2/models/model").json()
            assert [o["name"] for o in meta["outputs"]] == [*outputs, "probabilities"]
            body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [1.5]}]}
            told = {o["name"]: o for o in client.post("/v2/models/model/infer", json=body).json()["outputs"]}
            for output in meta["outputs"]:
                assert told[output["name"]]["datatype"] == output["datatype"]
            assert told["probabilities"]["shape"] == [1, len(model.task.probable)]
            assert client.get("/").status_code == 200


def test_a_run_that_was_cut_off_goes_on_to_the_same_end(tmp_path, monkeypatch):
    from consilience.workflows import presets

    found = write_csv(tmp_path / "t.csv", only(rows(90), "grade", "price"))
    call = {"target": "grade,price", "preset": "classic", "config": QUICK}
    want = cs.fit(found, out=tmp_path / "whole", **call)
    real, calls = presets.fit_classic, []

    def cut(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("cut off")
        return real(*args, **kwargs)

    monkeypatch.setattr(presets, "fit_classic", cut)
    with pytest.raises(RuntimeError, match="cut off"):
        cs.fit(found, out=tmp_path / "run", **call)
    monkeypatch.setattr(presets, "fit_classic", real)
    again = cs.fit(resume=True, out=tmp_path / "run")
    assert [e["metrics"] for e in again.leaderboard] == [e["metrics"] for e in want.leaderboard]
    assert again.test == want.test


# ------------------------------------------------------------------------------------------ weights of rows


@pytest.mark.parametrize("preset", ["classic", "deep"])
def test_rows_of_weight_zero_have_no_influence(preset, tmp_path):
    good = [{**row, "w": 0.5 + (place % 4)} for place, row in enumerate(only(rows(80), "grade"))]
    garbage = [{"words": "noise " * 9, "x": 1e6, "grade": "nonsense", "w": 0} for _ in range(20)]
    mixed = [row for pair in zip(good[:20], garbage, strict=True) for row in pair] + good[20:]
    config = (QUICK if preset == "classic" else DEEP) | {"data": {"weight": "w"}}
    one = cs.fit(good, target="grade", preset=preset, config=config, out=tmp_path / "one")
    two = cs.fit(mixed, target="grade", preset=preset, config=config, out=tmp_path / "two")
    assert [(e["name"], e["metrics"]) for e in one.leaderboard] == [(e["name"], e["metrics"]) for e in two.leaderboard]
    assert one.test == two.test
    assert "w" not in cs.load(two.run).columns
    fresh = only(rows(20, seed=5))
    assert (cs.load(one.run).predict_proba(fresh) == cs.load(two.run).predict_proba(fresh)).all()


def test_weights_move_models_baselines_and_metrics(tmp_path):
    found = [{**row, "w": 9.0 if row["grade"] == "high" else 0.1} for row in only(rows(), "grade")]
    result = cs.fit(found, target="grade", preset="classic", config=QUICK | {"data": {"weight": "w"}},
                    out=tmp_path / "run")  # fmt: skip
    nothing = next(e for e in result.leaderboard if e["preset"] == "baseline")
    assert nothing["metrics"]["accuracy"]["value"] > 0.9, "a third of the rows, nearly all of the weight"
    told = evaluate(result.run, found, by=None, root=None, seed=0, reporter=Reporter())
    assert set(told) == {"metrics", "rows", "bad_cells", "bad_rows", "warnings", "notes", "by", "unweighted"}
    assert told["metrics"]["accuracy"]["value"] > told["unweighted"]["accuracy"]["value"]
    without = [{k: v for k, v in row.items() if k != "w"} for row in found]
    assert "unweighted" not in evaluate(result.run, without, by=None, root=None, seed=0, reporter=Reporter())


# ------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("change", "call", "says"),
    [
        ({"w": -1}, {}, r"weight column 'w', row 3 holds '-1'"),
        ({"w": "nan"}, {}, r"weight column 'w', row 3 holds 'nan'"),
        ({"w": ""}, {}, r"weight column 'w', row 3 is empty"),
        ({}, {"config": {"data": {"weight": "grade"}}}, "both the target and the weight"),
        ({}, {"config": {"data": {"weight": "ww"}}}, "unknown column 'ww'"),
        ({}, {"target": "grade,grade"}, "names column 'grade' twice"),
        ({}, {"target": "grade,nope"}, "unknown column 'nope'"),
        ({}, {"config": {"task": "ordinal"}}, "order of its 3 labels is not clear"),
        ({}, {"config": {"task": {"order": ["low", "high"]}}}, r"t.csv: column 'grade', row \d+: 'mid' is outside"),
        ({}, {"config": {"task": {"kind": "ordinal", "order": ["a", "a"]}}}, "task: order names 'a' twice"),
        ({}, {"config": {"task": "ordinl"}}, "unknown task 'ordinl'. Did you mean 'ordinal'"),
        ({}, {"config": {"task": {"thresold": 0.2}}}, "task.thresold: unknown key .*'threshold'"),
        ({"tags": '["a", ["b"]]'}, {"target": "tags"}, r"row 3: .* is no set of labels: a label is text or a number"),
        ({"tags": '["a", ""]'}, {"target": "tags"}, "one of its labels is empty"),
        ({"tags": '["a", null]'}, {"target": "tags"}, "a label is text or a number"),
        ({"tags": "fun, sad"}, {"target": "tags"}, "it is no JSON list"),
        ({}, {"target": "grade,x", "config": {"task": "multilabel"}}, "'grade', row 2: 'low' is neither yes nor no"),
        ({}, {"target": "none", "config": {"task": "multilabel"}}, "no training row has any label"),
        ({}, {"target": "same", "config": {"task": "multilabel"}}, "every training row has the same labels"),
        ({}, {"target": "grade,empty"}, "target 'empty': no row has a value"),
        ({}, {"target": "grade,x", "config": {"task": {"of": {"y": "ordinal"}}}}, "unknown target 'y'"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_is_refused_and_named(change, call, says, tmp_path):
    found = only(rows(24), "grade", "tags")
    grades = ["low", "mid", "high"]
    for place, row in enumerate(found):
        row |= {"grade": grades[place % 3], "tags": json.dumps(row["tags"]), "none": "[]", "same": '["a"]', "empty": "",
                "w": 1}  # fmt: skip
    found[1] |= change
    table = write_csv(tmp_path / "t.csv", found)
    config = {**QUICK, **({"data": {"weight": "w"}} if "w" in change else {}), **call.get("config", {})}
    with pytest.raises(UserError, match=says):
        cs.fit(table, target=call.get("target", "grade"), preset="classic", config=config, out=tmp_path / "run")


def test_empty_cells_are_left_out_or_no_label_as_you_say(tmp_path):
    found = [{**row, "tags": "|".join(row["tags"])} for row in only(rows(), "tags")]
    blank = sum(not row["tags"] for row in found)
    assert blank > 5
    table = write_csv(tmp_path / "t.csv", found)
    counts = []
    for number, task in enumerate(("multilabel", {"kind": "multilabel", "blank": "none"})):
        config = {**QUICK, "task": task}
        out = tmp_path / str(number)
        cs.fit(table, target="tags", preset="classic", config=config, out=out)
        counts.append(len(pq.read_table(out / "splits.parquet")))
        assert evaluate(out, table, by=None, root=None, seed=0, reporter=Reporter())["rows"] == counts[-1]
    assert counts == [len(found) - blank, len(found)]


def test_a_separator_within_a_class_is_told_of(tmp_path):
    found = [{"x": i, "y": f"{'ab'[i % 2]}, {'cd'[i // 2 % 2]}"} for i in range(60)]
    said = Said()
    cs.fit(found, target="y", preset="classic", config=QUICK, out=tmp_path / "run", reporter=said)
    assert any("pass --task multilabel" in line for line in said.lines)


def test_inspect_says_what_a_target_is_for_and_why(tmp_path, capsys):
    table = write_csv(tmp_path / "t.csv", [{**r, "tags": json.dumps(r["tags"])} for r in rows(40)])
    assert main(["inspect", str(table), "--target", "tags,grade", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["tasks"]
    assert found["tags"]["kind"] == "multilabel"
    assert "JSON" in found["tags"]["reason"]
    assert found["grade"]["kind"] == "classification"
    assert main(["list", "tasks"]) == 0
    assert {"multilabel", "ordinal", "several"} <= set(capsys.readouterr().out.split())


def test_a_list_column_is_no_input(tmp_path):
    found = cs.fit(
        only(rows(40), "tags", "grade"), target="grade", preset="classic", config=QUICK, out=tmp_path / "run"
    )
    assert [w for w in found.warnings if w.startswith("column 'tags' is left out: it holds lists") and "--ignore" in w]
    assert all("tags" not in line["inputs"] for line in found.leaderboard)
