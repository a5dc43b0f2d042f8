"""The Open Inference Protocol v2 as tensors in and tensors out, shared by REST and gRPC. Knows no transport.

Every column that the model looks at is an input tensor of shape [B] or [B, 1]: BYTES for files and text (zero bytes:
missing), FP64 for numbers (NaN: missing; any number type is taken). An input left out is missing on every row. Other
columns of the training table may be sent too, as they may stand in a row, and make no difference. Outputs:
`prediction` (words, numbers, or, of a set of labels, text in the form the target column had; of several targets one
`prediction_<target>` each) and, where the model has them, `probabilities` [B, K] FP64.
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
from consilience.serve.metrics import Metrics

VERSION = "1"
EXTENSIONS = ("binary_tensor_data", "parameters", "statistics")
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

    def raw(self) -> bytes:
        """The binary form: little-endian, or 4 bytes of length before each value of BYTES."""
        if self.datatype == "BYTES":
            return b"".join(len(value).to_bytes(4, "little") + value for value in self.data)
        return np.asarray(self.data, NUMBERS[self.datatype]).tobytes()


def from_raw(content: bytes | memoryview, *, name: str, datatype: str, shape: Any, most: int) -> Tensor:
    """A tensor from its binary form. Raises Malformed when length, type and shape do not agree."""
    size = count(name, shape, most=most)
    if datatype == "BYTES":
        return Tensor(name=name, datatype=datatype, shape=tuple(shape), data=_pieces(content, name, size))
    dtype = NUMBERS.get(datatype)
    if dtype is None:
        raise Malformed(f"input {name[:100]}: datatype {datatype[:40]!r} is not supported", field=name)
    if len(content) != size * dtype.itemsize:
        raise Malformed(
            f"input {name[:100]}: {len(content):,} bytes, but shape {list(shape)} of {datatype} takes "
            f"{size * dtype.itemsize:,}",
            field=name,
        )
    return Tensor(name=name, datatype=datatype, shape=tuple(shape), data=np.frombuffer(content, dtype).tolist())


def from_json(flat: list[Any], *, name: str, datatype: str, shape: Sequence[int]) -> Tensor:
    """A tensor from JSON values. Raises Malformed when one of them is not of the type."""
    if datatype == "BYTES":
        good, flat = all(isinstance(value, str) for value in flat), [value or b"" for value in flat]
    elif (dtype := NUMBERS.get(datatype)) is None:
        raise Malformed(f"input {name[:100]}: datatype {datatype[:40]!r} is not supported", field=name)
    elif dtype.kind == "b":
        good = all(isinstance(value, bool) for value in flat)
    elif dtype.kind == "f":
        good = all(isinstance(value, int | float) and not isinstance(value, bool) for value in flat)
    else:
        bits = 8 * dtype.itemsize
        low, high = (0, 2**bits - 1) if dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        good = all(isinstance(v, int) and not isinstance(v, bool) and low <= v <= high for v in flat)
    if not good:
        wanted = "texts" if datatype == "BYTES" else "true or false" if datatype == "BOOL" else "numbers of that type"
        raise Malformed(f"input {name[:100]}: the data of {datatype} must be {wanted}", field=name)
    return Tensor(name=name, datatype=datatype, shape=tuple(shape), data=flat)


def from_one_value(content: bytes, fields: Fields) -> Tensor:
    """The body of a raw request: one value of the one input there is. Raises Malformed."""
    if len(fields.all) != 1:
        raise Malformed(f"a body without a JSON head is for models with one input; this one has {len(fields.all)}")
    field = next(iter(fields.all.values()))
    if field.form == "number":
        return from_raw(content, name=field.column, datatype="FP64", shape=(1,), most=1)
    return Tensor(name=field.column, datatype="BYTES", shape=(1,), data=[content])


def _pieces(content: bytes | memoryview, name: str, size: int) -> list[bytes]:
    out: list[bytes] = []
    place = 0
    while place < len(content) and len(out) <= size:
        length = int.from_bytes(content[place : place + 4], "little")
        end = place + 4 + length
        if place + 4 > len(content) or end > len(content):
            raise Malformed(f"input {name[:100]}: a value of BYTES ends beyond the data", field=name)
        out.append(bytes(content[place + 4 : end]))
        place = end
    if len(out) != size or place != len(content):
        raise Malformed(f"input {name[:100]}: the data does not hold {size:,} values of BYTES", field=name)
    return out


def count(name: str, shape: Any, *, most: int) -> int:
    """Elements of a shape [B] or [B, 1]. Raises Malformed or TooLarge."""
    good = isinstance(shape, Sequence) and not isinstance(shape, str) and len(shape) in (1, 2)
    good = good and all(isinstance(n, int) and not isinstance(n, bool) for n in shape) and shape[0] >= 1
    if not good or (len(shape) == 2 and shape[1] != 1):
        raise Malformed(f"input {name[:100]}: the shape must be [rows] or [rows, 1], not {str(shape)[:60]}", field=name)
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
        raise Unusable(f"input {tensor.name[:100]}: expected {wanted}, not {tensor.datatype}", field=tensor.name)


def outputs(answer: Answer, model: Model) -> list[Tensor]:
    told = model.task.predictions(answer.answers, nested=False)
    tensors = []
    for name, kind in _prediction_types(model).items():
        data = [float(cell) if kind == "FP64" else str(cell).encode() for cell in told[name]]
        tensors.append(Tensor(name=name, datatype=kind, shape=(len(data),), data=data))
    if not model.task.discrete:
        return tensors
    flat = answer.answers[:, list(model.task.probable)].astype(np.float64)
    return [*tensors, Tensor(name="probabilities", datatype="FP64", shape=flat.shape, data=flat.ravel().tolist())]


def check_outputs(names: Sequence[str], model: Model) -> Sequence[str]:
    """The outputs a client asked for, if there are such. Raises Malformed."""
    known = [*_prediction_types(model), *(["probabilities"] if model.task.discrete else [])]
    if strangers := [name for name in names if name not in known]:
        raise Malformed(f"there is no output {strangers[0][:100]!r}; there are {', '.join(known)}")
    if len(set(names)) < len(names):
        raise Malformed("an output is asked for twice")
    return names


def chosen(given: Sequence[Tensor], names: Sequence[str]) -> list[Tensor]:
    """The outputs a client asked for, in its order; all of them when it asked for none."""
    by_name = {tensor.name: tensor for tensor in given}
    return [by_name[name] for name in names] or list(given)


def server_metadata() -> dict[str, Any]:
    return {"name": "consilience", "version": __version__, "extensions": list(EXTENSIONS)}


def model_metadata(name: str, model: Model, fields: Fields) -> dict[str, Any]:
    inputs = [
        {"name": f.column, "datatype": "FP64" if f.form == "number" else "BYTES", "shape": [-1]}
        for f in fields.all.values()
    ]
    told = _prediction_types(model)
    out: list[dict[str, Any]] = [{"name": column, "datatype": kind, "shape": [-1]} for column, kind in told.items()]
    labels = [model.task.names[k] for k in model.task.probable] or list(model.task.names)
    if model.task.discrete:
        out.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, len(labels)]})
    metadata = {"name": name, "versions": [VERSION], "platform": "consilience", "inputs": inputs, "outputs": out}
    return {**metadata, "parameters": {"target": model.target, "labels": json.dumps(labels)}}


def index(name: str, *, ready: bool) -> dict[str, str]:
    """The one entry of the model repository's index."""
    state = {"state": "READY", "reason": ""} if ready else {"state": "UNAVAILABLE", "reason": "starting or stopping"}
    return {"name": name, "version": VERSION, **state}


def statistics(name: str, metrics: Metrics) -> dict[str, Any]:
    """The statistics extension, from what the metrics have counted since the start, in the extension's own units:
    nanoseconds, and milliseconds since 1970. A batch is one execution; reading and decoding are its input."""
    found = metrics.totals()

    def spent(metric: str, **labels: str) -> dict[str, int]:
        count, seconds = (found.sum(f"consilience_{metric}_{part}", **labels) for part in ("count", "sum"))
        return {"count": int(count), "ns": int(1e9 * seconds)}

    def stage(which: str) -> dict[str, int]:
        return spent("stage_duration_seconds", stage=which)

    nothing = {"count": 0, "ns": 0}
    return {
        "name": name,
        "version": VERSION,
        "last_inference": int(1e3 * found.sum("consilience_last_answer_timestamp_seconds")),
        "inference_count": int(found.sum("consilience_batch_rows_sum")),
        "execution_count": int(found.sum("consilience_batch_rows_count")),
        "inference_stats": {
            "success": spent("request_duration_seconds", outcome="answered"),
            "fail": spent("request_duration_seconds", outcome="refused"),
            "queue": stage("queue"),
            "compute_input": stage("decode"),
            "compute_infer": stage("compute"),
            "compute_output": nothing,
            "cache_hit": nothing,
            "cache_miss": nothing,
        },
    }


def _prediction_types(model: Model) -> dict[str, str]:
    """By output: FP64 where every answer is a number, else BYTES: known before there is an answer."""
    shown = np.eye(model.task.width) if model.task.discrete else np.zeros((1, model.task.width))
    told = model.task.predictions(shown, nested=False)
    return {
        name: "FP64" if all(isinstance(a, int | float) and not isinstance(a, bool) for a in cells) else "BYTES"
        for name, cells in told.items()
    }
