"""Labels in the forms that real tables have, and rare ones, as users meet them: files in, warnings and metrics out."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import consilience as cs
from consilience import ConsilienceClassifier
from consilience.cli import main
from consilience.core.errors import UserError
from consilience.core.progress import Reporter
from consilience.workflows.answer import evaluate

QUICK = {
    "audit": {"at_end": False},
    "classic": {"single": ["linear"], "joined": ["linear"]},
    "ensemble": {"rules": ["average"]},
}
SIZES = np.random.default_rng(0).uniform(0, 10, 240)
BIG = SIZES > 5


def tables(folder, labels, dtype=object):
    """One table as a DataFrame, a CSV, JSON Lines and, where its column has one type, Parquet."""
    frame = pd.DataFrame({"size": SIZES, "y": pd.Series(labels, dtype=dtype)})
    frame.to_csv(folder / "t.csv", index=False)
    lines = [json.dumps({"size": s, "y": y}) for s, y in zip(SIZES.tolist(), labels, strict=True)]
    (folder / "t.jsonl").write_text("\n".join(lines) + "\n")
    found = {"frame": frame, "csv": folder / "t.csv", "jsonl": folder / "t.jsonl"}
    if dtype is not object or len({type(label) for label in labels}) == 1:
        frame.to_parquet(folder / "t.parquet")
        found["parquet"] = folder / "t.parquet"
    return found


def scored(result, table):
    return evaluate(result.run, table, by=None, root=None, seed=0, reporter=Reporter())


MIXED = {
    "flags": lambda big, i: [str(big), str(big).lower(), bool(big), str(big).upper()][i % 4],
    "numbers": lambda big, i: [int(big), str(int(big)), f"{int(big)}.0", float(big)][i % 4],
    "flags and numbers": lambda big, i: [bool(big), int(big), str(big), f"{int(big)}.0"][i % 4],
    "words": lambda big, i: [["no", "yes"], ["No", "Yes"], ["NO ", " YES"]][i % 3][int(big)],
}


@pytest.mark.parametrize("form", MIXED)
def test_one_label_in_several_forms_is_one_class_in_every_table(form, tmp_path) -> None:
    labels = [MIXED[form](big, i) for i, big in enumerate(BIG)]
    for kind, table in tables(tmp_path, labels).items():
        result = cs.fit(table, target="y", preset="classic", config=QUICK, out=tmp_path / kind)
        assert len(cs.load(result.run).classes) == 2, kind
        assert [w for w in result.warnings if "written in several ways" in w], kind
        found = scored(result, table)
        assert found["metrics"]["accuracy"]["value"] > 0.9
        assert found["warnings"] == []


@pytest.mark.parametrize("dtype", ["bool", "boolean", "Int64", "int64", "float64", "category", object])
def test_one_form_is_one_class_without_a_word(dtype, tmp_path) -> None:
    labels = [bool(b) for b in BIG] if dtype in ("bool", "boolean", object) else [int(b) for b in BIG]
    for kind, table in tables(tmp_path, labels, dtype).items():
        result = cs.fit(table, target="y", preset="classic", config=QUICK, out=tmp_path / kind)
        assert result.warnings == (), kind
        for other in (["True" if b else "False" for b in BIG], [f"{int(b)}.0" for b in BIG]):
            found = scored(result, {"size": SIZES.tolist(), "y": other})
            assert found["metrics"]["accuracy"]["value"] > 0.9
            assert found["warnings"] == []


def uneven(count=1500, seed=0, signal=1.6):
    """About 3 % fraud, which the numbers hint at but never prove."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3))
    chance = 1 / (1 + np.exp(-(signal * x[:, 0] - 4.6)))
    label = np.where(rng.random(count) < chance, "fraud", "fine")
    return {**{f"x{i}": x[:, i].round(4).tolist() for i in range(3)}, "y": label.tolist()}


@pytest.fixture(scope="module")
def csvs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uneven")
    pd.DataFrame(uneven()).to_csv(folder / "train.csv", index=False)
    pd.DataFrame(uneven(4000, seed=1)).to_csv(folder / "later.csv", index=False)
    return folder


def command(*words, capsys):
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr()


def test_a_rare_class_is_missed_with_a_warning_and_found_with_another_metric(csvs, tmp_path, capsys) -> None:
    settings = ["--set", 'classic.single=["linear"]', "--set", 'classic.joined=["linear"]', "--no-audit"]
    fit = ["fit", csvs / "train.csv", "--target", "y", "--preset", "classic", *settings]
    said = command(*fit, "--out", tmp_path / "plain", capsys=capsys)
    assert "never predicted on the validation rows, though they have it: 'fraud'" in said.err
    assert "--metric balanced_accuracy or f1 or average_precision" in said.err
    plain = json.loads(command("evaluate", tmp_path / "plain", csvs / "later.csv", "--json", capsys=capsys).out)
    assert plain["metrics"]["balanced_accuracy"]["value"] < 0.6
    for metric, name in (("balanced_accuracy", "balanced_accuracy"), ("f1", "f1_macro"), ("average_precision", None)):
        run = tmp_path / metric
        said = command(*fit, "--metric", metric, "--out", run, capsys=capsys)
        assert f"{name or metric} (95 %)" in said.out, "the leaderboard is sorted by it"
        assert "never predicted" not in said.err
        assert f'metric = "{metric}"' in (run / "config.toml").read_text()
        found = json.loads(command("evaluate", run, csvs / "later.csv", "--json", capsys=capsys).out)
        assert next(iter(found["metrics"])) == (name or metric)
        assert found["warnings"] == []
        assert found["metrics"][name or metric]["value"] > plain["metrics"][name or metric]["value"] - 0.02
        gain = found["metrics"]["balanced_accuracy"]["value"] - plain["metrics"]["balanced_accuracy"]["value"]
        assert gain > (0.15 if metric == "balanced_accuracy" else 0.02)
    values = [e["metrics"]["balanced_accuracy"]["value"] for e in json.loads(
        (tmp_path / "balanced_accuracy" / "leaderboard.json").read_text())["leaderboard"]]  # fmt: skip
    assert values[1:] == sorted(values[1:], reverse=True)


def test_evaluate_warns_of_a_class_that_is_never_predicted(tmp_path, capsys) -> None:
    even = uneven(1200, signal=0.3)
    result = cs.fit(even, target="y", preset="classic", config=QUICK, out=tmp_path / "run")
    pd.DataFrame(uneven(1000, seed=3, signal=0.3)).to_csv(tmp_path / "later.csv", index=False)
    said = command("evaluate", result.run, tmp_path / "later.csv", "--json", capsys=capsys)
    (warning,) = json.loads(said.out)["warnings"]
    assert warning.startswith("never predicted on the given rows")
    assert warning in said.err


def test_labels_that_say_nothing_are_told_as_that_and_not_as_a_lost_class(tmp_path) -> None:
    rng = np.random.default_rng(5)
    table = {"x": rng.normal(size=400).tolist(), "y": rng.permutation(["a", "b"] * 200).tolist()}
    result = cs.fit(table, target="y", preset="classic", config=QUICK, out=tmp_path / "run")
    assert not any("never predicted" in warning for warning in result.warnings)


def test_an_unknown_metric_stops_before_anything_is_fitted(tmp_path) -> None:
    with pytest.raises(UserError, match=r"unknown metric 'blanced_accuracy'. Did you mean 'balanced_accuracy'"):
        cs.fit(uneven(200), target="y", metric="blanced_accuracy", config=QUICK, out=tmp_path / "run")


@pytest.mark.parametrize(
    ("target", "metric", "first"),
    [("x1", "mae", "mae"), ("x1", "r2", "r2"), ("x1,y", "balanced_accuracy", "score"), ("x1,y", "x1.mae", "x1.mae")],
)
def test_numbers_and_several_targets_have_metrics_to_choose_too(target, metric, first, tmp_path) -> None:
    table = uneven(300)
    table["x1"] = (2 * np.array(table["x0"])).tolist()
    result = cs.fit(table, target=target, preset="classic", metric=metric, config=QUICK, out=tmp_path / "run")
    assert next(iter(result.test)) == first
    assert cs.load(result.run).task.primary == first


def test_networks_stop_and_are_chosen_by_it(tmp_path) -> None:
    config = {"audit": {"at_end": False}, "train": {"epochs": 3}, "deep": {"width": 16}, "ensemble": {"rules": []}}
    result = cs.fit(uneven(400), target="y", preset="deep", metric="balanced_accuracy", config=config,
                    out=tmp_path / "run")  # fmt: skip
    (network,) = [e for e in result.leaderboard if e["preset"] == "deep"]
    assert next(iter(network["metrics"])) == "balanced_accuracy"


def test_an_estimator_predicts_as_the_metric_decides() -> None:
    table = uneven()
    X, y = pd.DataFrame(table).drop(columns="y"), table["y"]
    model = ConsilienceClassifier(preset="classic", metric="balanced_accuracy", time_budget=60, config=QUICK).fit(X, y)
    assert model.get_params()["metric"] == "balanced_accuracy"
    found = model.predict(X)
    assert (found == "fraud").mean() > 0.1
    assert (model.predict_proba(X)[:, 1] > 0.5).mean() < 0.05, "probabilities stay as they are"
