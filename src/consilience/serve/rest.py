"""HTTP: the native route, the Open Inference Protocol v2 with its binary extension, health, metrics, docs, the page.

Every error is JSON with the key `error`. Knows no transport but HTTP and no model but through the engine.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from consilience import __version__
from consilience.serve import body, describe, metrics, protocol
from consilience.serve.engine import Engine
from consilience.serve.errors import Busy, Malformed, Refusal, UnknownModel

log = logging.getLogger("consilience.serve")

_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
_HEADER_LENGTH = "inference-header-content-length"
Handler = Callable[[Request], Awaitable[Response]]


def application(engine: Engine, *, also: Callable[[], Any] | None = None) -> FastAPI:
    """The app of one process. `also`: a context manager open while it serves (the gRPC server)."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engine.start()
        try:
            if also is None:
                yield
            else:
                async with also():
                    yield
        finally:
            engine.close()

    title = f"Consilience: {engine.model.target}"
    app = FastAPI(title=title, version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    routes = _Routes(engine)
    page = HTMLResponse(describe.page(engine), headers=describe.PAGE_HEADERS)

    async def show_page(_: Request) -> Response:
        return page

    async def show_docs(_: Request) -> Response:
        return HTMLResponse(describe.docs(app.openapi()), headers=describe.PAGE_HEADERS)

    model = "/v2/models/{name}"
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/", show_page),
        ("GET", "/docs", show_docs),
        ("POST", "/v1/predict", routes.predict),
        ("GET", "/metrics", routes.metrics),
        ("GET", "/v2/health/live", routes.live),
        ("GET", "/v2/health/ready", routes.ready),
        ("GET", "/v2", routes.server),
        ("GET", "/v2/", routes.server),
    ]
    for path in (model, model + "/versions/{version}"):
        table += [("GET", path, routes.describe), ("GET", path + "/ready", routes.model_ready)]
        table += [("POST", path + "/infer", routes.infer)]
    for method, path, handler in table:
        app.add_api_route(path, handler, methods=[method], openapi_extra=describe.operation(method, path, engine))
    app.add_exception_handler(HTTPException, _http_error)
    return app


class _Routes:
    """The handlers: what they share is the engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.config = engine, engine.config

    # ------------------------------------------------------------------------------------------------ answering

    async def predict(self, request: Request) -> Response:
        """Answer one row or many: JSON, or a form with files."""
        return await self._answered(request, "native", self._predict)

    async def infer(self, request: Request) -> Response:
        """Answer tensors (Open Inference Protocol v2)."""
        return await self._answered(request, "oip", self._infer)

    async def _predict(self, request: Request, content: bytes, seen: dict[str, Any]) -> Response:
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            given: list[Any] = [await body.form_row(request, content)]
        elif kind == "application/json":
            given = body.json_rows(content)
        else:
            raise Malformed(f"content type {kind[:60]!r}: send application/json or multipart/form-data")
        rows = self.engine.fields.rows(given, most=self.config.rows)
        seen["rows"] = len(rows)
        answer = await self.engine.answer(rows)
        task = self.engine.model.task
        predictions = [{"prediction": p} for p in answer.predictions]
        if task.discrete:
            for line, row in zip(predictions, answer.answers.tolist(), strict=True):
                line["probabilities"] = {task.names[k]: row[k] for k in task.probable}
        return JSONResponse({"id": seen["id"], "model": self.config.name, "predictions": predictions})

    async def _infer(self, request: Request, content: bytes, seen: dict[str, Any]) -> Response:
        self._check_model(request)
        wanted, tensors = _tensors(request, content, self.config.rows)
        seen["id"] = wanted.get("id") or seen["id"]
        rows = self.engine.fields.rows(protocol.rows(tensors, self.engine.fields), most=self.config.rows)
        seen["rows"] = len(rows)
        outputs, binary = _asked_outputs(wanted)
        made = protocol.outputs(await self.engine.answer(rows), self.engine.model)
        made = protocol.chosen(made, [output["name"] for output in outputs])
        head = {"model_name": self.config.name, "model_version": protocol.VERSION, "id": seen["id"]}
        as_raw = {o["name"]: (o.get("parameters") or {}).get("binary_data", binary) for o in outputs}
        return _tensor_response(head, made, {tensor.name: as_raw.get(tensor.name, binary) for tensor in made})

    async def _answered(
        self, request: Request, kind: str, handle: Callable[[Request, bytes, dict[str, Any]], Awaitable[Response]]
    ) -> Response:
        """Read, answer, count, log; every way out is a response."""
        started, found = perf_counter(), self.engine.metrics
        given = request.headers.get("x-request-id", "")
        seen: dict[str, Any] = {"id": given if _ID.fullmatch(given) else uuid.uuid4().hex, "rows": 0, "bytes": 0}
        found.in_flight.inc()
        reason = None
        try:
            with found.timed("read"):
                content = await body.read(request, self.config)
            seen["bytes"] = len(content)
            response = await handle(request, content, seen)
        except Refusal as refusal:
            reason = refusal.reason
            headers = {"Retry-After": str(Busy.retry_after)} if isinstance(refusal, Busy) else {}
            response = JSONResponse({**refusal.json(), "id": seen["id"]}, refusal.status, headers)
        except Exception:  # a fault of ours: logged with its traceback, told without
            reason = "internal"
            log.exception("request %s failed", seen["id"])
            response = JSONResponse({"error": "the server failed on this request", "id": seen["id"]}, 500)
        finally:
            found.in_flight.dec()
        took = perf_counter() - started
        if reason is not None:
            found.errors.labels(reason).inc()
        found.requests.labels(kind, str(response.status_code)).inc()
        found.duration.labels(kind).observe(took)
        response.headers["X-Request-ID"] = seen["id"]
        if log.isEnabledFor(logging.INFO):
            log.info(
                "answered",
                extra={"request": {**seen, "protocol": kind, "status": response.status_code, "ms": 1000 * took}},
            )
        return response

    # ------------------------------------------------------------------------------------------------ about us

    async def live(self, _: Request) -> Response:
        """The process runs."""
        return JSONResponse({"live": True})

    async def ready(self, _: Request) -> Response:
        """The model is loaded and takes requests."""
        return JSONResponse({"ready": self.engine.ready, "live": True}, 200 if self.engine.ready else 503)

    async def server(self, _: Request) -> Response:
        """Server metadata."""
        return JSONResponse(protocol.server_metadata())

    async def describe(self, request: Request) -> Response:
        """Model metadata: inputs and outputs."""
        return self._of_model(
            request, lambda: protocol.model_metadata(self.config.name, self.engine.model, self.engine.fields)
        )

    async def model_ready(self, request: Request) -> Response:
        """Whether the model takes requests."""
        state = {"name": self.config.name, "ready": self.engine.ready}
        return self._of_model(request, lambda: state, 200 if self.engine.ready else 503)

    async def metrics(self, _: Request) -> Response:
        """Prometheus metrics."""
        return Response(self.engine.metrics.expose(), headers={"content-type": metrics.CONTENT_TYPE})

    def _of_model(self, request: Request, make: Callable[[], dict[str, Any]], status: int = 200) -> Response:
        try:
            self._check_model(request)
        except UnknownModel as refusal:
            return JSONResponse(refusal.json(), refusal.status)
        return JSONResponse(make(), status)

    def _check_model(self, request: Request) -> None:
        name, version = request.path_params["name"], request.path_params.get("version", protocol.VERSION)
        if name != self.config.name:
            raise UnknownModel(f"unknown model {name[:100]!r}; this server has {self.config.name!r}")
        if version != protocol.VERSION:
            raise UnknownModel(f"unknown version {version[:40]!r} of {name!r}; there is {protocol.VERSION!r}")


def _tensors(request: Request, content: bytes, most: int) -> tuple[dict[str, Any], list[protocol.Tensor]]:
    """The JSON part of an inference request, and its input tensors in JSON or binary form."""
    header = request.headers.get(_HEADER_LENGTH)
    if header is None:
        head, rest = content, memoryview(b"")
    elif header.isdecimal() and int(header) <= len(content):
        head, rest = content[: int(header)], memoryview(content)[int(header) :]
    else:
        raise Malformed(
            f"Inference-Header-Content-Length {header[:40]!r} does not fit a body of {len(content):,} bytes"
        )
    wanted = body.parse_json(head)
    if not isinstance(wanted, dict) or not isinstance(wanted.get("inputs"), list):
        raise Malformed("expected a JSON object with a list 'inputs'")
    if not isinstance(wanted.get("id", ""), str):
        raise Malformed("'id' must be text")
    tensors = []
    for given in wanted["inputs"]:
        tensor, rest = _tensor(given, rest, most)
        tensors.append(tensor)
    if len(rest):
        raise Malformed(f"{len(rest):,} bytes are left after the last binary input")
    return wanted, tensors


def _tensor(given: Any, rest: memoryview, most: int) -> tuple[protocol.Tensor, memoryview]:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str) or not given["name"]:
        raise Malformed("every input needs a name")
    name, datatype, shape = given["name"], given.get("datatype"), given.get("shape")
    size = _parameters(given).get("binary_data_size")
    if size is None:
        return _json_tensor(given, name, datatype, shape, most), rest
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(rest):
        raise Malformed(f"input {name}: binary_data_size {str(size)[:40]} does not fit the body", field=name)
    if "data" in given:
        raise Malformed(f"input {name}: has both 'data' and binary_data_size", field=name)
    made = protocol.from_raw(rest[:size], name=name, datatype=str(datatype)[:40], shape=shape or (), most=most)
    return made, rest[size:]


def _json_tensor(given: dict[str, Any], name: str, datatype: Any, shape: Any, most: int) -> protocol.Tensor:
    size = protocol.count(name, shape, most=most)
    data = given.get("data")
    if not isinstance(data, list):
        raise Malformed(f"input {name}: 'data' must be a list", field=name)
    flat = [value for part in data for value in (part if isinstance(part, list) else [part])]
    if len(flat) != size:
        raise Malformed(f"input {name}: {len(flat):,} values, but shape {shape} takes {size:,}", field=name)
    if datatype == "BYTES":
        if not all(isinstance(value, str) for value in flat):
            raise Malformed(f"input {name}: BYTES in JSON must be text", field=name)
        flat = [value or b"" for value in flat]
    elif datatype in protocol.NUMBERS:
        if not all(isinstance(value, int | float) for value in flat):
            raise Malformed(f"input {name}: {datatype} must be numbers", field=name)
    else:
        raise Malformed(f"input {name}: datatype {str(datatype)[:40]!r} is not supported", field=name)
    return protocol.Tensor(name=name, datatype=datatype, shape=tuple(shape), data=flat)


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    parameters = given.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise Malformed("'parameters' must be an object")
    return parameters


def _asked_outputs(wanted: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """The outputs asked for, and whether outputs are binary unless they say otherwise."""
    outputs = wanted.get("outputs") or []
    if not isinstance(outputs, list) or not all(
        isinstance(o, dict) and isinstance(o.get("name"), str) for o in outputs
    ):
        raise Malformed("'outputs' must be a list of objects with a name")
    for output in outputs:
        _parameters(output)
    return outputs, bool(_parameters(wanted).get("binary_data_output", False))


def _tensor_response(head: dict[str, Any], made: list[protocol.Tensor], as_raw: dict[str, Any]) -> Response:
    outputs, raw = [], []
    for tensor in made:
        if as_raw[tensor.name]:
            content = tensor.raw()
            about = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
            outputs.append({**about, "parameters": {"binary_data_size": len(content)}})
            raw.append(content)
        else:
            words = tensor.datatype == "BYTES"
            outputs.append({**tensor.json(), "data": [v.decode() for v in tensor.data] if words else list(tensor.data)})
    if not raw:
        return JSONResponse({**head, "outputs": outputs})
    start = json.dumps({**head, "outputs": outputs}).encode()
    headers = {"Inference-Header-Content-Length": str(len(start))}
    return Response(start + b"".join(raw), media_type="application/octet-stream", headers=headers)


async def _http_error(_: Request, error: Exception) -> Response:
    """Unknown paths and methods, in the form of all our errors."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)
