"""The Open Inference Protocol's tensors over REST: in JSON, or binary behind a JSON head. Knows no model.

Binary: the header Inference-Header-Content-Length says how long the JSON is; the tensors follow in its order. With 0
the whole body is the one input there is, as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from consilience.serve import body, protocol
from consilience.serve.errors import Malformed
from consilience.serve.fields import Fields

_HEADER_LENGTH = "inference-header-content-length"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: its tensors, its id ("" when it has none), the outputs it wants (none: all) and in which form."""

    tensors: list[protocol.Tensor]
    id: str = ""
    outputs: tuple[str, ...] = ()
    binary: bool = False
    """Outputs are binary where `binary_of` does not say otherwise."""
    binary_of: dict[str, bool]


def read(request: Request, content: bytes, *, fields: Fields, most: int) -> Asked:
    """Raises Malformed, TooLarge."""
    length = request.headers.get(_HEADER_LENGTH)
    if length == "0":
        tensors = [protocol.from_one_value(content, fields)]
        return Asked(tensors=tensors, binary=True, binary_of={})
    head, rest = content, memoryview(b"")
    if length is not None:
        if not (length.isascii() and length.isdecimal() and int(length[:20]) <= len(content)):
            raise Malformed(
                f"Inference-Header-Content-Length {length[:40]!r} does not fit a body of {len(content):,} bytes"
            )
        head, rest = content[: int(length)], memoryview(content)[int(length) :]
    wanted = body.parse_json(head)
    if not isinstance(wanted, dict) or not isinstance(wanted.get("inputs"), list):
        raise Malformed("expected a JSON object with a list 'inputs'")
    tensors = []
    for given in wanted["inputs"]:
        tensor, rest = _tensor(given, rest, most)
        tensors.append(tensor)
    if len(rest):
        raise Malformed(f"{len(rest):,} bytes are left after the last binary input")
    return _asked(wanted, tensors)


def _asked(wanted: dict[str, Any], tensors: list[protocol.Tensor]) -> Asked:
    if not isinstance(wanted.get("id") or "", str):
        raise Malformed("'id' must be text", field="id")
    outputs = wanted.get("outputs") or []
    if not isinstance(outputs, list) or not all(
        isinstance(o, dict) and isinstance(o.get("name"), str) for o in outputs
    ):
        raise Malformed("'outputs' must be a list of objects with a name", field="outputs")
    forms = {output["name"]: _flag(output, "binary_data") for output in outputs}
    return Asked(
        tensors=tensors,
        id=wanted.get("id") or "",
        outputs=tuple(output["name"] for output in outputs),
        binary=_flag(wanted, "binary_data_output") or False,
        binary_of={name: form for name, form in forms.items() if form is not None},
    )


def _flag(given: dict[str, Any], name: str) -> bool | None:
    value = _parameters(given).get(name)
    if value is not None and not isinstance(value, bool):
        raise Malformed(f"parameter {name} must be true or false", field=name)
    return value


def _tensor(given: Any, rest: memoryview, most: int) -> tuple[protocol.Tensor, memoryview]:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str) or not given["name"]:
        raise Malformed("every input needs a name")
    name, datatype, shape = given["name"], given.get("datatype"), given.get("shape")
    if not isinstance(datatype, str):
        raise Malformed(f"input {name[:100]}: 'datatype' must be text", field=name)
    size = _parameters(given).get("binary_data_size")
    if size is None:
        return _json_tensor(given, name, datatype, shape, most), rest
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(rest):
        raise Malformed(f"input {name[:100]}: binary_data_size {str(size)[:40]} does not fit the body", field=name)
    if "data" in given:
        raise Malformed(f"input {name[:100]}: has both 'data' and binary_data_size", field=name)
    made = protocol.from_raw(rest[:size], name=name, datatype=datatype[:40], shape=shape, most=most)
    return made, rest[size:]


def _json_tensor(given: dict[str, Any], name: str, datatype: str, shape: Any, most: int) -> protocol.Tensor:
    size = protocol.count(name, shape, most=most)
    data = given.get("data")
    if not isinstance(data, list):
        raise Malformed(f"input {name[:100]}: 'data' must be a list", field=name)
    flat = [value for part in data for value in (part if isinstance(part, list) else [part])]
    if len(flat) != size:
        raise Malformed(f"input {name[:100]}: {len(flat):,} values, but shape {shape} takes {size:,}", field=name)
    return protocol.from_json(flat, name=name, datatype=datatype, shape=shape)


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    parameters = given.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise Malformed("'parameters' must be an object", field="parameters")
    return parameters


def response(head: dict[str, Any], made: list[protocol.Tensor], asked: Asked) -> Response:
    outputs, raw = [], []
    for tensor in made:
        about = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if asked.binary_of.get(tensor.name, asked.binary):
            content = tensor.raw()
            outputs.append({**about, "parameters": {"binary_data_size": len(content)}})
            raw.append(content)
        else:
            words = tensor.datatype == "BYTES"
            outputs.append({**about, "data": [v.decode() for v in tensor.data] if words else list(tensor.data)})
    if not raw:
        return JSONResponse({**head, "outputs": outputs})
    start = json.dumps({**head, "outputs": outputs}).encode()
    headers = {"Inference-Header-Content-Length": str(len(start))}
    return Response(start + b"".join(raw), media_type="application/octet-stream", headers=headers)
