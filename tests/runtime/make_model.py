"""Half one of `make runtime-test`, where everything is installed: an exported ensemble with a network, and its answers.

python tests/runtime/make_model.py FOLDER
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import consilience as cs
from consilience.bundle.load import load
from consilience.bundle.save import rewrite
from consilience.core.state import State
from consilience.fusion import DECISION_FUSIONS
from consilience.models.config import DeepConfig
from consilience.models.ensemble import Ensemble
from consilience.models.network import build
from consilience.workflows.demos.shop import write_table
from consilience.workflows.export import export


def main() -> None:
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    table = write_table(folder, rows=120)
    config = {"preset": "classic", "classic": {"single": [], "joined": ["linear", "trees"]}, "ensemble": {"rules": []}}
    model = load(cs.fit(table, target="label", config=config, out=folder / "run").run)
    shapes = {n: {"modality": i.plan.modality, "shape": i.processor.shape()} for n, i in model.inputs.items()}
    members = {"classic": model.member, "network": build(DeepConfig(), shapes, model.task)}
    even = np.full(model.task.width, 1 / model.task.width)
    rule = DECISION_FUSIONS.load("average").restore(State(arrays={"otherwise": even}))
    both = replace(model, member=Ensemble(members, rule, kind="average"))
    rewrite(both, folder / "run" / "bundle", folder / "both", about={})
    found = export(folder / "both", to="onnx", out=folder / "exported", verify=False)
    probabilities = load(folder / "both").predict_proba(table).tolist()
    (folder / "expected.json").write_text(json.dumps(probabilities))
    print(f"{found['out']}: {len(found['files'])} files, {found['bytes'] / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
