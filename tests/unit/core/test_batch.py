"""The spike the design rests on: the travelling types survive pytrees, torch.func, torch.export and ONNX."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

from consilience.core.batch import Batch, Fused, Output, Tokens, register_pytrees
from consilience.core.masks import masked_max, masked_mean
from consilience.core.signature import flatten, unflatten

register_pytrees()


def make_batch(cells: int, rows: int, length: int) -> Batch:
    torch.manual_seed(cells * 100 + rows)
    mask = torch.rand(cells, length) > 0.3
    mask[0] = False  # one missing cell
    return Batch(
        inputs={
            "a.title": Tokens(values=torch.randn(cells, length, 5), mask=mask),
            "b": Tokens(values=torch.randn(3, 1, 4), mask=torch.tensor([[True], [False], [True]])),
        },
        cells={"a.title": torch.randint(cells, (rows,)), "b": torch.randint(3, (rows,))},
        target=torch.zeros(rows),
        ids=tuple(map(str, range(rows))),
    )


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(5, 8), nn.Linear(4, 8), nn.Linear(16, 3)

    def forward(self, batch: Batch) -> Output:
        a, b = batch.inputs["a.title"], batch.inputs["b"]
        pooled = torch.cat(
            [
                masked_mean(self.a(a.values), a.mask)[batch.cells["a.title"]],
                masked_max(self.b(b.values), b.mask)[batch.cells["b"]],
            ],
            1,
        )
        return Output(values={"scores": self.head(Fused(pooled=pooled).pooled)})


class Flat(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.model(unflatten(tensors)).values["scores"]


def test_every_tensor_is_reached_and_comes_back() -> None:
    batch = make_batch(4, 6, 7)
    leaves, spec = pytree.tree_flatten(batch)
    assert sum(isinstance(leaf, torch.Tensor) for leaf in leaves) == 7
    again = pytree.tree_unflatten(leaves, spec)
    assert again.ids == batch.ids
    assert all(torch.equal(x, y) for x, y in zip(pytree.tree_leaves(again), leaves, strict=True) if x is not None)


def test_map_reaches_what_pytree_reaches() -> None:
    batch = make_batch(4, 6, 7)
    seen: list[torch.Tensor] = []
    batch.map(lambda t: seen.append(t) or t)
    tensors = [leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, torch.Tensor)]
    assert {id(t) for t in seen} == {id(t) for t in tensors}


def test_signature_round_trip_with_a_dot_in_a_name() -> None:
    batch = make_batch(4, 6, 7)
    flat = flatten(batch)
    assert set(flat) == {f"{n}.{part}" for n in ("a.title", "b") for part in ("values", "mask", "cells")}
    again = unflatten(flat)
    assert set(again.inputs) == {"a.title", "b"}
    assert torch.equal(again.inputs["a.title"].values, batch.inputs["a.title"].values)


def test_func_sees_inside() -> None:
    model, batch = Small(), make_batch(4, 6, 7)
    params = dict(model.named_parameters())
    grads = torch.func.grad(lambda p: torch.func.functional_call(model, p, (batch,)).values["scores"].sum())(params)
    assert all(g.abs().sum() > 0 for g in grads.values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_export_and_onnx_with_other_sizes(tmp_path) -> None:
    import onnxruntime as ort

    model = Flat(Small()).eval()
    example = flatten(make_batch(4, 6, 7))
    cells, rows, length, second = (torch.export.Dim(n, min=1) for n in ("cells", "rows", "length", "second"))
    dims = {
        "a.title.values": {0: cells, 1: length},
        "a.title.mask": {0: cells, 1: length},
        "a.title.cells": {0: rows},
        "b.values": {0: second},
        "b.mask": {0: second},
        "b.cells": {0: rows},
    }
    exported = torch.export.export(model, (example,), dynamic_shapes=(dims,))
    program = torch.onnx.export(exported, dynamo=True)
    program.save(str(tmp_path / "m.onnx"))
    session = ort.InferenceSession(str(tmp_path / "m.onnx"))
    for sizes in [(9, 3, 2), (2, 1, 1), (3, 20, 11)]:
        flat = flatten(make_batch(*sizes))
        want = model(flat).detach()
        torch.testing.assert_close(exported.module()(flat), want)
        names = [i.name for i in session.get_inputs()]
        assert len(names) == len(flat)
        given = {n: flat[k].numpy() for n, k in zip(names, flat, strict=True)}
        np.testing.assert_allclose(session.run(None, given)[0], want.numpy(), atol=1e-5)
