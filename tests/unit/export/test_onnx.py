"""Export to ONNX: every network answers as before, from a folder that needs no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import consilience as cs
from consilience.bundle.load import load
from consilience.bundle.save import save
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


@pytest.mark.slow
def test_a_run_is_exported_and_answers_alike(run, table, tmp_path):
    found = export(run, to="onnx", out=tmp_path / "out", verify=True)
    assert found["max_difference"] < 1e-4
    assert any(name.endswith(".onnx") for name in found["files"])
    assert found["bytes"] == sum(p.stat().st_size for p in (tmp_path / "out").iterdir())
    exported, original = load(tmp_path / "out"), load(run)
    assert exported.predict(table) == original.predict(table)
    np.testing.assert_allclose(exported.predict_proba(table), original.predict_proba(table), atol=1e-4)
    again = export(tmp_path / "out", to="onnx", out=tmp_path / "again", verify=True)
    assert again["files"] == found["files"], "exporting an export changes nothing"


@pytest.mark.slow
def test_an_exported_folder_predicts_without_torch_and_scikit_learn(run, table, tmp_path):
    export(run, to="onnx", out=tmp_path / "out", verify=False)
    block = "import sys\nfor name in ('torch', 'sklearn', 'scipy', 'onnx'): sys.modules[name] = None\n"
    code = block + f"import consilience as cs\nprint(cs.load({str(tmp_path / 'out')!r}).predict({str(table)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == str(load(run).predict(table))


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_folder_is_refused_and_the_file_named(damage, run, tmp_path):
    export(run, to="onnx", out=tmp_path / "out", verify=False)
    graph = next((tmp_path / "out").glob("*.onnx"))
    content = graph.read_bytes()
    if damage == "gone":
        graph.unlink()
    else:
        graph.write_bytes(content[:-7] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=graph.name):
        load(tmp_path / "out")


@pytest.mark.slow
def test_answers_that_differ_fail_the_verification(run, tmp_path, monkeypatch):
    monkeypatch.setattr("consilience.workflows.export.golden.difference", lambda *_: 0.01)
    with pytest.raises(ExportError, match=r"0\.01"):
        export(run, to="onnx", out=tmp_path / "out", verify=True)
    assert export(run, to="onnx", out=tmp_path / "out", verify=False)["max_difference"] == 0.01


def test_a_folder_of_something_else_is_not_overwritten(run, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="no exported folder"):
        export(run, to="onnx", out=tmp_path, verify=False)
    with pytest.raises(ValueError, match="the bundle itself"):
        export(run, to="onnx", out=run, verify=False)
    with pytest.raises(ValueError, match="Did you mean 'onnx'"):
        export(run, to="onx", out=None, verify=False)


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


def test_the_command_prints_the_json_of_the_contract(run, tmp_path, capsys):
    from consilience.cli import main

    assert main(["export", str(run), "--to", "onnx", "--out", str(tmp_path / "o"), "--verify", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"out", "files", "bytes", "max_difference"}
