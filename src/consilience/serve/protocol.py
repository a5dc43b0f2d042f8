"""The Open Inference Protocol v2 as tensors in and tensors out, shared by REST and gRPC. Knows no transport.

Every column is an input tensor of shape [B] or [B, 1]: BYTES for files and text (zero bytes: missing), FP64 for numbers
(NaN: missing; any number type is taken). An input left out is missing on every row. Outputs: `prediction` (of several
targets one `prediction_<target>` each; a set of labels as text) and, where the model has them, `probabilities` [B, K]
FP64.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience import __version__
from consilience.bundle.model import Model
from consilience.serve.engine import Answer
from consilience.serve.errors import Malformed, TooLarge, Unusable
from consilience.serve.fields import Fields

VERSION = "1"
EXTENSIONS = ("binary_tensor_data",)
NUMBERS = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """`data`: flat, row-major; numbers, or bytes for BYTES."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Sequence[Any]

    def json(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape), "data": list(self.data)}

    def raw(self) -> bytes:
        """The binary form: little-endian, or 4 bytes of length before each value of BYTES."""
        if self.datatype == "BYTES":
            return b"".join(len(value).to_bytes(4, "little") + value for value in self.data)
        return np.asarray(self.data, NUMBERS[self.datatype]).tobytes()


def from_raw(content: bytes | memoryview, *, name: str, datatype: str, shape: Sequence[Any], most: int) -> Tensor:
    """A tensor from its binary form. Raises Malformed when length, type and shape do not agree."""
    size = count(name, shape, most=most)
    if datatype == "BYTES":
        return Tensor(name=name, datatype=datatype, shape=tuple(shape), data=_pieces(content, name, size))
    dtype = NUMBERS.get(datatype)
    if dtype is None:
        raise Malformed(f"input {name}: datatype {datatype!r} is not supported", field=name)
    if len(content) != size * dtype.itemsize:
        raise Malformed(
            f"input {name}: {len(content):,} bytes, but shape {list(shape)} of {datatype} takes "
            f"{size * dtype.itemsize:,}",
            field=name,
        )
    return Tensor(name=name, datatype=datatype, shape=tuple(shape), data=np.frombuffer(content, dtype).tolist())


def _pieces(content: bytes | memoryview, name: str, size: int) -> list[bytes]:
    out: list[bytes] = []
    place = 0
    while place < len(content) and len(out) <= size:
        length = int.from_bytes(content[place : place + 4], "little")
        end = place + 4 + length
        if place + 4 > len(content) or end > len(content):
            raise Malformed(f"input {name}: a value of BYTES ends beyond the data", field=name)
        out.append(bytes(content[place + 4 : end]))
        place = end
    if len(out) != size or place != len(content):
        raise Malformed(f"input {name}: the data does not hold {size:,} values of BYTES", field=name)
    return out


def count(name: str, shape: Any, *, most: int) -> int:
    """Elements of a shape [B] or [B, 1]. Raises Malformed or TooLarge."""
    good = isinstance(shape, Sequence) and not isinstance(shape, str) and len(shape) in (1, 2)
    good = good and all(isinstance(n, int) and not isinstance(n, bool) for n in shape) and shape[0] >= 1
    if not good or (len(shape) == 2 and shape[1] != 1):
        raise Malformed(f"input {name}: the shape must be [rows] or [rows, 1], not {str(shape)[:60]}", field=name)
    if shape[0] > most:
        raise TooLarge(f"{shape[0]:,} rows, and at most {most:,} are taken at once; send them in parts", field=name)
    return int(shape[0])


def rows(tensors: Sequence[Tensor], fields: Fields) -> list[dict[str, Any]]:
    """The rows the tensors hold, for `Fields.rows`. Raises Refusal."""
    if not tensors:
        raise Malformed("the request has no inputs")
    lengths = {tensor.shape[0] for tensor in tensors}
    if len(lengths) > 1:
        raise Malformed(f"inputs with different numbers of rows: {', '.join(map(str, sorted(lengths)))}")
    names = [tensor.name for tensor in tensors]
    if len(set(names)) < len(names):
        raise Malformed("two inputs have the same name")
    out: list[dict[str, Any]] = [{} for _ in range(lengths.pop())]
    for tensor in tensors:
        _known(tensor, fields)
        for row, value in zip(out, tensor.data, strict=True):
            missing = value == b"" or (isinstance(value, float) and math.isnan(value))
            row[tensor.name] = None if missing else value
    return out


def _known(tensor: Tensor, fields: Fields) -> None:
    """An input that the model has, of a type it can take."""
    field = fields.all.get(tensor.name)
    if field is not None and field.form != "words" and (tensor.datatype == "BYTES") != (field.form == "file"):
        wanted = "BYTES" if field.form == "file" else "a number type"
        raise Unusable(f"input {tensor.name}: expected {wanted}, not {tensor.datatype}", field=tensor.name)


def outputs(answer: Answer, model: Model) -> list[Tensor]:
    told = model.task.predictions(answer.answers, nested=False)
    tensors = [_told(name, cells) for name, cells in told.items()]
    if not model.task.discrete:
        return tensors
    flat = answer.answers[:, list(model.task.probable)].astype(np.float64)
    return [*tensors, Tensor(name="probabilities", datatype="FP64", shape=flat.shape, data=flat.ravel().tolist())]


def _told(name: str, cells: Sequence[Any]) -> Tensor:
    """Predictions as numbers where all of them are, else as text."""
    if all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells):
        return Tensor(name=name, datatype="FP64", shape=(len(cells),), data=[float(cell) for cell in cells])
    return Tensor(name=name, datatype="BYTES", shape=(len(cells),), data=[str(cell).encode() for cell in cells])


def chosen(given: Sequence[Tensor], names: Sequence[str]) -> list[Tensor]:
    """The outputs a client asked for, in its order; all of them when it asked for none. Raises Malformed."""
    by_name = {tensor.name: tensor for tensor in given}
    if strangers := [name for name in names if name not in by_name]:
        raise Malformed(f"there is no output {strangers[0][:100]!r}; there are {', '.join(by_name)}")
    if len(set(names)) < len(names):
        raise Malformed("an output is asked for twice")
    return [by_name[name] for name in names] or list(given)


def server_metadata() -> dict[str, Any]:
    return {"name": "consilience", "version": __version__, "extensions": list(EXTENSIONS)}


def model_metadata(name: str, model: Model, fields: Fields) -> dict[str, Any]:
    inputs = [
        {"name": f.column, "datatype": "FP64" if f.form == "number" else "BYTES", "shape": [-1]}
        for f in fields.all.values()
    ]
    # Of a made-up answer: the types of predictions are the same for all.
    made_up = model.task.predictions(np.full((1, model.task.width), 1.0 / model.task.width), nested=False)
    told = [_told(column, cells) for column, cells in made_up.items()]
    out: list[dict[str, Any]] = [{"name": t.name, "datatype": t.datatype, "shape": [-1]} for t in told]
    labels = [model.task.names[k] for k in model.task.probable] or list(model.task.names)
    if model.task.discrete:
        out.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, len(labels)]})
    metadata = {"name": name, "versions": [VERSION], "platform": "consilience", "inputs": inputs, "outputs": out}
    return {**metadata, "parameters": {"target": model.target, "labels": json.dumps(labels)}}
