"""The audit through the front door: plants are named, a clean table is not accused, and what it says adds up."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys

import numpy as np
import pytest

import consilience as cs
from consilience.api import audit
from consilience.core.errors import UserError

QUICK = {
    "preset": "classic",
    "time_budget": 120.0,
    "classic": {"single": ["linear"], "joined": ["linear"]},
    "ensemble": {"rules": []},
}
SIZE = {"a": "small", "b": "large", "c": "huge"}


def rows(count=600, seed=0):
    """A text and two numbers, each of which says something of its own about one of three labels."""
    rng = np.random.default_rng(seed)
    label = rng.choice(list("abc"), count)
    said = np.where(rng.random(count) < 0.75, label, rng.choice(list("abc"), count))
    number = np.array(["abc".index(name) for name in label])
    return {
        "note": [f"a {SIZE[s]} one, no {n} of {rng.integers(10**6)}" for n, s in enumerate(said)],
        "height": (number + rng.normal(0, 1.0, count)).round(3).tolist(),
        "age": (number % 2 + rng.normal(0, 1.0, count)).round(3).tolist(),
        "label": label.tolist(),
    }


def fitted(table, folder, **config):
    return cs.fit(table, target="label", config={**QUICK, **config}, out=folder / "run")


def named(found):
    verdicts = {name for name, given in found["inputs"].items() if given["verdict"] in ("does_not", "harms", "unused")}
    return {item["column"] for item in found["leaks"]}, {item["kind"] for item in found["duplicates"]}, verdicts


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    with (folder / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        table = rows()
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return fitted(folder / "train.csv", folder)


def test_a_clean_table_is_not_accused(clean):
    found = clean.audit
    assert named(found) == (set(), set(), set())
    assert found["findings"] == []
    assert {given["verdict"] for given in found["inputs"].values()} == {"earns"}
    assert found["verdict"][0].startswith("Nothing suspicious")
    assert json.loads((clean.run / "audit.json").read_text()) == found


def test_what_it_says_adds_up(clean):
    found = clean.audit
    assert found["on"] == "test"
    assert found["score"]["value"] == pytest.approx(clean.test["accuracy"]["value"])
    values = found["shapley"]["values"]
    total = found["shapley"]["total"]["value"]
    assert sum(told["value"] for told in values.values()) == pytest.approx(total)
    by_inputs = {tuple(line["inputs"]): line["masked"] for line in found["subsets"]}
    assert set(by_inputs) == {(), ("note",), ("table",), ("note", "table")}
    assert by_inputs["note", "table"]["value"] - by_inputs[()]["value"] == pytest.approx(total)
    missing = found["inputs"]["note"]["missing"]["value"]
    assert by_inputs["note", "table"]["value"] - by_inputs["table",]["value"] == pytest.approx(missing)
    assert {(line["how"], tuple(line["inputs"])) for line in found["baselines"]} == {
        ("constant", ()),
        ("fitted alone", ("note",)),
        ("fitted alone", ("table",)),
        ("average", ("note", "table")),
        ("stack", ("note", "table")),
    }


def test_the_full_audit_of_a_run_retrains(clean, tmp_path):
    found = audit(clean.run, html=tmp_path / "audit.html", seconds=60)
    assert found["form"] == "full"
    assert found["score"]["value"] == pytest.approx(clean.audit["score"]["value"])
    assert found["retrained_with"] == clean.best
    whole = [line for line in found["subsets"] if len(line["inputs"]) == 1]
    assert all(line["retrained"]["value"] > 0.4 for line in whole)
    page = (tmp_path / "audit.html").read_text()
    assert "earns its keep" in page
    assert "http:" not in page


def test_a_bundle_is_audited_on_a_table_and_says_what_it_could_not_look_for(clean, tmp_path):
    with pytest.raises(UserError, match="Give a table with the target column 'label'"):
        audit(clean.run / "bundle")
    found = audit(clean.run / "bundle", rows(200, seed=1))
    assert found["rows"] == 200
    assert found["leaks"] == found["duplicates"] == []
    assert any("leaks" in said for said in found["skipped"])
    assert found["retrained_with"] is None


def test_a_table_that_was_trained_on_is_noticed(clean):
    copied = {name: cells[:150] for name, cells in rows().items()}
    found = audit(clean.run, copied)
    assert "rows" in {item["kind"] for item in found["duplicates"]}
    fresh = audit(clean.run, rows(150, seed=1))
    assert fresh["duplicates"] == []


def test_plants_are_named(tmp_path):
    table, rng = rows(), np.random.default_rng(9)
    table["ledger"] = [f"K{'cab'.index(name)}" for name in table["label"]]
    found = fitted(table, tmp_path / "leak").audit
    assert named(found)[0] == {"ledger"}
    assert "--ignore ledger" in found["findings"][0]

    table = rows()
    words = ["stone", "cloud", "amber", "river", "quiet", "ladder", "copper", "small", "huge", "large"]
    table["note"] = [" ".join(rng.choice(words, 8)) for _ in table["note"]]
    assert named(fitted(table, tmp_path / "useless").audit) == (set(), set(), {"note"})

    table = rows()
    for name, cells in table.items():
        cells += [cell.upper() if name == "note" else cell for cell in cells[:40]]
    assert fitted(table, tmp_path / "together").audit["duplicates"] == []  # the split keeps such rows on one side
    found = fitted(table, tmp_path / "copies", data={"group_repeats": False}).audit
    assert named(found)[1] == {"rows", "texts"}
    assert len(found["duplicates"][0]["examples"][0]) == 2


LATE = {
    "status": lambda label, rng: label[0].upper() * 3,
    "code": lambda label, rng: {"a": 30, "b": 10, "c": 20}[label],
    "closed as": lambda label, rng: f"{SIZE[label]}-{rng.integers(10**4, 10**5)}",
    "returned on": lambda label, rng: f"2026-03-{rng.integers(1, 31):02}" if label == "c" else None,
}


@pytest.mark.parametrize("names", [["status", "code"], ["code", "closed as", "returned on"], [*LATE]])
def test_leaks_do_not_hide_each_other_and_an_id_hides_none(names, tmp_path):
    table, rng = rows(), np.random.default_rng(0)
    table |= {name: [LATE[name](label, rng) for label in table["label"]] for name in names}
    assert named(fitted(table, tmp_path / "a").audit)[0] == {*names}
    table["id"] = [bytes(rng.bytes(16)).hex() for _ in table["label"]]
    found = fitted(table, tmp_path / "b").audit
    assert named(found)[0] == {*names}
    assert found["inputs"]["id"]["verdict"] in ("unused", "does_not")


EASY = {
    "a threshold": lambda x, red: (x > 5, {"size": x.round(2)}),
    "two columns together": lambda x, red: (
        (x > 5) != red,
        {"size": x.round(2), "colour": np.where(red, "red", "blue")},
    ),
    "a text of two kinds": lambda x, red: (
        red,
        {"note": [f"{'a fine' if r else 'a torn'} thing in box {n} of all" for n, r in enumerate(red)]},
    ),
}


@pytest.mark.parametrize("more", ["", "id", "counter"])
@pytest.mark.parametrize("make", EASY.values(), ids=EASY)
def test_what_is_easy_and_honest_is_no_leak_with_and_without_an_id(make, more, tmp_path):
    rng = np.random.default_rng(0)
    answer, table = make(10 * rng.random(300), rng.random(300) < 0.4)
    table = {name: list(cells) for name, cells in table.items()} | {"label": np.where(answer, "yes", "no").tolist()}
    if more:
        table[more] = [bytes(rng.bytes(16)).hex() for _ in answer] if more == "id" else rng.permutation(300).tolist()
    found = cs.fit(table, target="label", preset="classic", out=tmp_path / "run").audit
    assert {(item["column"], item["kind"]) for item in found["leaks"]} <= {("counter", "counter")}
    if more == "id":
        assert found["inputs"]["id"]["verdict"] in ("unused", "does_not")


def test_shuffled_labels_are_worth_nothing(tmp_path):
    table = rows()
    table["label"] = np.random.default_rng(3).permutation(table["label"]).tolist()
    found = fitted(table, tmp_path).audit
    assert not any(given["verdict"] in ("earns", "harms") for given in found["inputs"].values())


def test_regression_has_an_audit_too(tmp_path):
    table, rng = rows(), np.random.default_rng(0)
    table["label"] = (2.0 * np.array(table["height"]) + rng.normal(0, 0.3, 600)).tolist()
    found = fitted(table, tmp_path, task="regression").audit
    assert found["metric"] == "rmse"
    assert found["calibration"] is None
    assert found["inputs"]["table"]["verdict"] == "earns"
    assert found["inputs"]["table"]["shapley"]["value"] > 0
    assert found["inputs"]["note"]["verdict"] in ("does_not", "unclear", "unused")


def test_it_can_be_left_out(tmp_path):
    result = fitted(rows(120), tmp_path, audit={"at_end": False})
    assert result.audit is None
    assert not (result.run / "audit.json").exists()
    assert "earn its keep" not in (result.run / "report.html").read_text()


@pytest.mark.slow
def test_the_command_prints_one_object(clean, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "consilience", "audit", clean.run, "--json", "--html", tmp_path / "a.html"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == set(clean.audit)
    assert (tmp_path / "a.html").is_file()
    again = subprocess.run(
        [sys.executable, "-m", "consilience", "audit", clean.run / "bundle"], capture_output=True, text=True, timeout=60
    )
    assert again.returncode == 2
    assert "Give a table" in again.stderr


def test_beyond_six_inputs_shapley_values_are_sampled_and_still_add_up(tmp_path):
    table, rng = rows(300), np.random.default_rng(0)
    for n in range(6):
        table[f"more {n}"] = rng.normal(size=300).round(3).tolist()
    names = ["height", "age", *(f"more {n}" for n in range(6))]
    inputs = {name: {"kind": "number", "columns": [name]} for name in names}
    found = fitted(table, tmp_path, inputs=inputs, audit={"orders": 16}).audit
    assert len(found["inputs"]) == 9
    assert found["shapley"]["exact"] is False
    assert found["shapley"]["permutations"] == 16
    total = sum(told["value"] for told in found["shapley"]["values"].values())
    assert total == pytest.approx(found["shapley"]["total"]["value"])
    assert len(found["subsets"]) == 1 + 9 + 9 + 1
    best = max(found["shapley"]["values"], key=lambda name: found["shapley"]["values"][name]["value"])
    assert best in ("note", "height")


def test_without_test_rows_the_model_is_asked_as_it_was_before_it_saw_the_validation_rows(tmp_path):
    result = fitted(rows(300), tmp_path, data={"split": [0.8, 0.2, 0.0]})
    assert result.audit["on"] == "validation"
    best = next(line for line in result.leaderboard if line["name"] == result.best)
    assert result.audit["score"]["value"] == pytest.approx(best["metrics"]["accuracy"]["value"])
    with pytest.raises(UserError, match="there are no rows to audit on"):
        audit(result.run)


def test_a_run_whose_table_has_changed_says_so(clean, tmp_path):
    import shutil

    folder = tmp_path / "moved"
    shutil.copytree(clean.run, folder)
    facts = json.loads((folder / "run.json").read_text())
    gone = {str(tmp_path / "gone.csv"): {"size": 1, "changed": 1, "sha256": "0"}}
    facts["sources"]["train"] = {"given": str(tmp_path / "gone.csv"), "files": gone}
    (folder / "run.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="Give a table"):
        audit(folder)
    assert audit(folder, rows(100, seed=2))["rows"] == 100


def test_when_time_is_up_it_says_what_it_did_not_look_for(clean):
    found = audit(clean.run, seconds=1e-3)
    assert any(said.startswith("time was up: leaks") for said in found["skipped"])
    assert found["verdict"][0] == "No input was found that does not earn its keep."
    assert found["retrained_with"] is None
    assert found["shapley"]["values"]


def test_a_handful_of_rows_is_no_proof_of_anything(tmp_path):
    """Four test rows, all answered well by the text: that happens."""
    words = ["good", "bad"]
    rows = {
        "text": [f"{words[n % 2]} number {n}" for n in range(30)],
        "price": [round(math.sin(n * n), 3) for n in range(30)],
        "label": [f"c{n % 2}" for n in range(30)],
    }
    run = cs.fit(rows, target="label", preset="classic", out=tmp_path / "run").run
    found = json.loads((run / "audit.json").read_text())
    assert found["rows"] < 12
    assert found["leaks"] == []
    assert {given["verdict"] for given in found["inputs"].values()} <= {"unclear", "unused", "earns"}
    assert "can be trusted" not in " ".join(found["verdict"])
