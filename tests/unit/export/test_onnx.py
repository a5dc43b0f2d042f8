"""Export to ONNX: every network answers as before, from a folder that needs no torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import consilience as cs
from consilience.bundle.load import load
from consilience.bundle.save import save
from consilience.cli import main
from consilience.core.config import decode
from consilience.core.errors import BundleError, ExportError
from consilience.core.state import State
from consilience.export.onnx import convert
from consilience.fusion import DECISION_FUSIONS
from consilience.models.base import Member
from consilience.models.config import DeepConfig
from consilience.models.ensemble import Ensemble
from consilience.models.network import build
from consilience.workflows.export import export


@pytest.fixture(scope="module")
def table(tmp_path_factory, make_mixed_table):
    return make_mixed_table(tmp_path_factory.mktemp("export"), rows=60)


@pytest.fixture(scope="module")
def run(table):
    """A bundle with an ensemble of a network and a linear model."""
    quick = {"preset": "classic", "classic": {"single": ["linear"], "joined": ["linear"]}}
    model = load(cs.fit(table, target="label", config=quick, out=table.parent / "run").run)
    members = {"network": network_of(model), "linear": model.member}
    rule = DECISION_FUSIONS.load("average").restore(
        State(arrays={"otherwise": np.full(model.task.width, 1 / model.task.width)})
    )
    both = replace(model, member=Ensemble(members, rule, kind="average"))
    save(both, table.parent / "both", config=model.limits, facts={}, baseline={"input": ["photo"]})
    return table.parent / "both"


def network_of(model: cs.Model, **deep: object):
    """A network with fresh weights for the inputs of a model."""
    inputs = {
        n: {"modality": given.plan.modality, "shape": given.processor.shape()} for n, given in model.inputs.items()
    }
    member = build(decode(DeepConfig, {"width": 16, **deep}), inputs, model.task)
    member.model.eval()
    return member


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """The run's folder, and what exporting it said. Exporting that folder again is quick: its graphs are kept."""
    found = export(run, to="onnx", out=tmp_path_factory.mktemp("exported") / "out", verify=True)
    return Path(found["out"]), found


@pytest.fixture
def copy(exported, tmp_path):
    return Path(shutil.copytree(exported[0], tmp_path / "copy"))


@pytest.mark.slow
def test_a_run_is_exported_and_answers_alike(run, table, exported, tmp_path):
    folder, found = exported
    assert found["max_difference"] < 1e-4
    assert any(name.endswith(".onnx") for name in found["files"])
    assert found["bytes"] == sum(p.stat().st_size for p in folder.iterdir())
    loaded, original = load(folder), load(run)
    assert loaded.predict(table) == original.predict(table)
    np.testing.assert_allclose(loaded.predict_proba(table), original.predict_proba(table), atol=1e-4)
    again = export(folder, to="onnx", out=tmp_path / "again", verify=True)
    assert again["files"] == found["files"], "exporting an export changes nothing"


@pytest.mark.slow
def test_an_exported_folder_predicts_without_torch_and_scikit_learn(run, table, exported):
    block = "import sys\nfor name in ('torch', 'sklearn', 'scipy', 'onnx'): sys.modules[name] = None\n"
    code = block + f"import consilience as cs\nprint(cs.load({str(exported[0])!r}).predict({str(table)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == str(load(run).predict(table))


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
@pytest.mark.parametrize("pattern", ["*.onnx", "weights.safetensors", "golden.safetensors", "manifest.json"])
def test_a_damaged_folder_is_refused_and_the_file_named(damage, pattern, copy):
    path = next(copy.glob(pattern))
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-7] if damage == "cut" else content.replace(content[-9:-4], b"12345"))
    with pytest.raises(BundleError, match=path.name):
        load(copy)


@pytest.mark.slow
def test_a_folder_that_was_tampered_with_a_newer_one_and_half_of_one(copy, capsys):
    manifest = json.loads((copy / "manifest.json").read_text())
    task = {**manifest["task"], "labels": manifest["task"]["labels"][::-1]}
    (copy / "manifest.json").write_text(json.dumps({**manifest, "task": task}))
    with pytest.raises(BundleError, match=r"manifest\.json: changed"):
        load(copy)
    (copy / "manifest.json").write_text(json.dumps({**manifest, "format": 99, "consilience": "9.9"}))
    for command in (["serve", str(copy), "--port", "0"], ["export", str(copy)]):
        assert main(command) == 2
        assert "format 99" in (said := capsys.readouterr().err)
        assert "9.9" in said
    (copy / "manifest.json").unlink()
    assert main(["serve", str(copy), "--port", "0"]) == 2
    assert "neither a run nor a bundle" in capsys.readouterr().err


@pytest.mark.slow
def test_answers_that_differ_fail_the_verification(copy, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("consilience.workflows.export.golden.difference", lambda *_: 0.01)
    assert main(["export", str(copy), "--out", str(tmp_path / "out"), "--verify"]) == 2
    said = capsys.readouterr().err
    assert "0.01" in said
    assert str(tmp_path / "out") in said
    assert export(copy, to="onnx", out=tmp_path / "out", verify=False)["max_difference"] == 0.01


def test_nothing_but_an_earlier_export_is_overwritten(run, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="no exported folder"):
        export(run, to="onnx", out=tmp_path, verify=False)
    other = shutil.copytree(run, tmp_path / "other")
    with pytest.raises(ValueError, match="no exported folder"):
        export(run, to="onnx", out=other, verify=False)
    with pytest.raises(ValueError, match="the bundle itself"):
        export(run, to="onnx", out=run, verify=False)
    with pytest.raises(ValueError, match="Did you mean 'onnx'"):
        export(run, to="onx", out=None, verify=False)


def test_an_input_seen_through_a_backbone_is_refused_by_name(run):
    class Eyes:
        name = "eyes"

    model = load(run)
    photo = replace(model.inputs["photo"], backbone=Eyes())
    with pytest.raises(ExportError, match="photo is seen through the backbone eyes"):
        convert(replace(model, inputs={**model.inputs, "photo": photo}))


def test_a_member_nobody_can_convert_is_refused(run):
    class Odd(Member):
        kind, inputs = "odd", ()

        def predict(self, view):
            raise NotImplementedError

        def state(self):
            raise NotImplementedError

        @classmethod
        def restore(cls, state, task):
            raise NotImplementedError

    with pytest.raises(ExportError, match="'odd'"):
        convert(replace(load(run), member=Odd()))


@pytest.mark.slow
def test_the_command_prints_the_json_of_the_contract(copy, tmp_path, capsys):
    assert main(["export", str(copy), "--to", "onnx", "--out", str(tmp_path / "o"), "--verify", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"out", "files", "bytes", "max_difference"}
