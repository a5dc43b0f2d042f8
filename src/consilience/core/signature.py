"""Batch <-> flat named tensors: "title.values", "title.mask", "title.cells". Exported graphs take exactly these."""

from __future__ import annotations

from collections.abc import Mapping

from consilience.core.batch import Array, Batch, Tokens


def flatten(batch: Batch) -> dict[str, Array]:
    """The inputs of a batch as named tensors, in sorted order of names; target and ids stay behind."""
    out: dict[str, Array] = {}
    for name in sorted(batch.inputs):
        out[f"{name}.values"] = batch.inputs[name].values
        out[f"{name}.mask"] = batch.inputs[name].mask
        out[f"{name}.cells"] = batch.cells[name]
    return out


def unflatten(tensors: Mapping[str, Array]) -> Batch:
    """The inverse of `flatten`. Input names may themselves contain dots."""
    names = sorted({key.rpartition(".")[0] for key in tensors})
    return Batch(
        inputs={n: Tokens(values=tensors[f"{n}.values"], mask=tensors[f"{n}.mask"]) for n in names},
        cells={n: tensors[f"{n}.cells"] for n in names},
    )
