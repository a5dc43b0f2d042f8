"""Bundles: sealed, checked, whole or not there, and golden rows that notice a change."""

import errno
import json
import os

import numpy as np
import pytest

import consilience as cs
from consilience.bundle import golden, manifest
from consilience.bundle.manifest import FORMAT, find, seal, unseal
from consilience.core.errors import BundleError

QUICK = {"preset": "classic", "classic": {"single": ["linear"], "joined": ["linear"]}}


@pytest.fixture(scope="module")
def run(tmp_path_factory, make_mixed_table):
    folder = tmp_path_factory.mktemp("bundle")
    return cs.fit(make_mixed_table(folder, rows=100), target="label", config=QUICK, out=folder / "run").run


def test_a_text_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "new" / "page.html"
    manifest.write_text(path, "a")
    assert path.read_text() == "a"

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        manifest.write_text(path, "b")
    assert [p.read_text() for p in path.parent.iterdir()] == ["a"]


def test_a_run_and_its_bundle_are_the_same_model(run):
    assert find(run) == find(run / "bundle") == run / "bundle"


def test_golden_rows_hold_every_absence_and_agree(run):
    model = cs.load(run)
    rows = golden.make(model)
    names = sorted(model.member.inputs)
    assert len(rows) == 4 + len(names) + 1
    gone = [{n for n in names if all(row[c] is None for c in model.inputs[n].plan.columns)} for row in rows]
    assert gone == [set()] * 4 + [{n} for n in names] + [set(names)]
    assert golden.difference(run / "bundle" / "golden.safetensors", model) == 0


def test_golden_rows_notice_another_model(run):
    model = cs.load(run)
    learner = (model.member.members if hasattr(model.member, "members") else {"": model.member}).values()
    for member in learner:
        member.learner._model.intercept[:] += [0.5, 0, 0, 0]
    assert golden.difference(run / "bundle" / "golden.safetensors", model) > 1e-3


def test_the_manifest_names_every_file(run):
    manifest = json.loads((run / "bundle" / "manifest.json").read_text())
    on_disk = {p.name for p in (run / "bundle").iterdir()} - {"manifest.json"}
    assert set(manifest["files"]) == on_disk
    assert manifest["format"] == FORMAT


def test_another_format_says_who_wrote_it(tmp_path):
    seal(tmp_path, {"format": FORMAT + 1, "consilience": "9.9"})
    with pytest.raises(BundleError, match=r"format 2.*9\.9"):
        unseal(tmp_path)


def test_what_is_no_manifest_is_refused(tmp_path):
    for text in ("", "[]", "{}", '{"files": 3, "format": 1}', "\0"):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(BundleError, match=r"manifest\.json"):
            unseal(tmp_path)


def test_the_baseline_says_how_often_inputs_are_missing(run):
    import pyarrow.parquet as pq

    rows = pq.read_table(run / "bundle" / "baseline.parquet").to_pylist()
    missing = {row["input"]: row["value"] for row in rows if row["statistic"] == "missing"}
    assert set(missing) == {"photo", "review", "table"}
    assert 0 < missing["photo"] < 0.3
    assert ("review", "mean of log of characters") in {(row["input"], row["statistic"]) for row in rows}
    answers = [row["value"] for row in rows if row["statistic"].startswith("mean answer")]
    assert np.sum(answers) == pytest.approx(1)


def test_a_table_may_have_only_columns_that_the_chosen_model_does_not_look_at(run):
    """They were inputs in training, so it is the right kind of table; one with none of them is another table."""
    from dataclasses import replace

    from consilience.core.errors import DataError
    from consilience.models.constant import Constant

    model = replace(cs.load(run), member=Constant(np.full(4, 0.25)))
    assert {"photo", "review", "price", "shop", "day"} == set(model.columns)
    np.testing.assert_array_equal(model.predict_proba([{"price": 3.5}]), np.full((1, 4), 0.25))
    with pytest.raises(DataError, match="none of the model's columns"):
        model.predict([{"prize": 3.5}])


def test_no_rows_are_no_answers(run):
    model = cs.load(run)
    for rows in ([], {column: [] for column in model.columns}):
        assert model.predict(rows) == []
        assert model.predict_proba(rows).shape == (0, len(model.classes))


def test_golden_rows_of_a_model_that_looks_at_nothing(run, tmp_path):
    """What an early Ctrl-C leaves."""
    from dataclasses import replace

    from consilience.models.constant import Constant

    model = replace(cs.load(run), member=Constant(np.full(4, 0.25)), inputs={})
    golden.write(tmp_path / "golden.safetensors", model)
    assert golden.difference(tmp_path / "golden.safetensors", model) == 0
