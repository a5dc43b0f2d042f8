"""The contract of every encoder and feature fusion with export: as ONNX graphs they answer as before, for numbers of
rows, cells and tokens they were not traced with, and with anything missing. A new part is tested by being listed.

Encoders and fusions are graphs of their own, so each is exported once and not every pair of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from consilience.bundle.model import Input, Model
from consilience.core.config import decode
from consilience.core.limits import Limits
from consilience.data.infer import InputPlan
from consilience.data.table import Table
from consilience.export import onnx
from consilience.export.onnx import convert
from consilience.fusion import FEATURE_FUSIONS
from consilience.modalities import MODALITIES
from consilience.modalities.base import ColumnSample
from consilience.models.config import DeepConfig
from consilience.models.network import build
from consilience.tasks import TASKS

SAMPLES = {
    "text": ["a red circle on white", "two blue squares", "好看 的 图片", "no circle at all"] * 3,
    "tabular": ["1.5", "2", "-3", "7e1", "12"] * 3,
}
"""Raw cells from which a modality's processor learns something; media are made up."""
MORE = {"text": [" ".join(["a blue circle"] * 13), "two"], "tabular": ["4", "-0.25"]}
"""Raw cells of other lengths than any of those."""
RNG = np.random.default_rng(0)


def an_input(modality_name: str, column: str) -> tuple[Input, list[object]]:
    """An input of one column, and raw cells for it."""
    modality = MODALITIES.load(modality_name)()
    raw = SAMPLES.get(modality_name)
    sample = ColumnSample(name=column, cells=raw or [], rows=12, distinct=4, root=Path("."))
    config = modality.resolve(modality.Config(), [sample], [modality.kinds[0]])
    if raw is None:
        raw = [modality.example(config, None, RNG)[0] for _ in range(12)]
    values = [modality.load((cell,), config, Path("."), Limits())[0] for cell in raw]
    processor = modality.fit(values, config, weights=np.ones(len(values)))
    plan = InputPlan(name=column, modality=modality_name, columns=(column,), kinds=(modality.kinds[0],))
    return Input(plan=plan, config=config, processor=processor), [*raw, *MORE.get(modality_name, [])]


def check(inputs: dict[str, tuple[Input, list[object]]], deep: dict[str, object]) -> None:
    """A network over the inputs, as it is and exported, over tables of 14, 1 and 2 rows."""
    given = {column: one for column, (one, _) in inputs.items()}
    task = TASKS.load("classification")(["yes", "no", "perhaps"])
    shapes = {n: {"modality": i.plan.modality, "shape": i.processor.shape()} for n, i in given.items()}
    torch.manual_seed(0)
    member = build(decode(DeepConfig, {"width": 16, **deep}), shapes, task)
    model = Model(
        name="contract", target="t", task=task, inputs=given, member=member, limits=Limits(), columns=tuple(given)
    )
    graphs = convert(model)
    cells = {column: (raw * 2)[:14] for column, (_, raw) in inputs.items()}
    for number, column in enumerate(cells):  # one row lacks it; of the last, everything is missing
        cells[column] = [None if r in (number % 11 + 2, 13) else cell for r, cell in enumerate(cells[column])]
    whole = Table(columns=cells, name="contract", root=Path("."))
    for rows in (range(14), range(1), range(12, 14), [13], [2]):
        view = model.view(model.load(whole.take(rows), workers=0))
        want = member.predict(view)
        np.testing.assert_allclose(graphs.predict(view), want, atol=1e-4)
        assert np.isfinite(want).all()
    for column in cells:  # or the comparison above would have compared nothing
        alone = Table(columns={c: v if c == column else [None] * 14 for c, v in cells.items()}, name="", root=Path("."))
        answers = member.predict(model.view(model.load(alone, workers=0)))
        assert np.ptp(answers, axis=0).max() > 1e-5, f"{column} makes no difference"


@pytest.mark.slow
@pytest.mark.parametrize("modality", MODALITIES)
def test_every_encoder(modality):
    """Those of one modality in one network, each over an input of its own."""
    kinds = {f"by {kind}": kind for kind in MODALITIES.load(modality).encoders}
    inputs = {column: an_input(modality, column) for column in kinds}
    check(inputs, {"encoders": {column: {"kind": kind} for column, kind in kinds.items()}})


@pytest.mark.slow
@pytest.mark.parametrize("kind", FEATURE_FUSIONS)
def test_every_feature_fusion(kind, two_inputs, encoders_once):
    check(two_inputs, {"fusion": {"kind": kind}, "encoders": {"words": {"kind": "gru"}}})


@pytest.fixture(scope="module")
def two_inputs():
    return {"words": an_input("text", "words"), "numbers": an_input("tabular", "numbers")}


GRAPHS: dict[str, tuple[dict, bytes]] = {}


@pytest.fixture
def encoders_once(monkeypatch):
    """Encoders are the same in every test with these inputs, so each is made into a graph
    once, not once per fusion."""
    make = onnx._graph

    def graph(module, *given):
        if not isinstance(module, onnx._Encode):
            return make(module, *given)
        place = module.network.names.index(module.name)
        parts = torch.nn.ModuleList([module.network.encoders[place], module.network.summaries[place]])
        key = module.name + repr(parts)  # fusions differ in whether they want one summary or all tokens
        if key not in GRAPHS:
            GRAPHS[key] = ({n: w.clone() for n, w in parts.state_dict().items()}, make(module, *given))
        known, content = GRAPHS[key]
        parts.load_state_dict(known)
        return content

    monkeypatch.setattr(onnx, "_graph", graph)
