"""HTTP: the native route, the Open Inference Protocol v2, health, metrics, docs, the page.

Every error is JSON with the key `error`. Knows no transport but HTTP and no model but through the engine.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from time import perf_counter
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from consilience import __version__
from consilience.serve import body, describe, form, metrics, protocol, tensors
from consilience.serve.engine import Engine
from consilience.serve.errors import Busy, Malformed, Refusal, UnknownModel

log = logging.getLogger("consilience.serve")

_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
Handler = Callable[[Request], Awaitable[Response]]


def application(engine: Engine, *, also: Callable[[], Any] | None = None) -> FastAPI:
    """The app of one process. `also`: a context manager open while it serves (the gRPC server)."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        try:
            engine.start()
            async with also() if also is not None else nullcontext():
                yield {"head_timeout": engine.config.read_timeout}
        except Exception as error:  # nothing has been asked yet, so the message holds nobody's content
            log.error("the server cannot start: %s", error)
            raise
        finally:
            await asyncio.to_thread(engine.close)

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
        ("GET", "/v2/models", routes.models),
        ("POST", "/v2/repository/index", routes.index),
        ("GET", "/v2/models/stats", routes.statistics),  # before the model's own: no model is called "stats"
    ]
    for path in (model, model + "/versions/{version}"):
        table += [("GET", path, routes.describe), ("GET", path + "/ready", routes.model_ready)]
        table += [("POST", path + "/infer", routes.infer), ("GET", path + "/stats", routes.statistics)]
    for method, path, handler in table:
        if method == "GET":  # load balancers and uptime monitors ask for the head alone; the schema shows GET alone
            app.add_api_route(path, handler, methods=["GET", "HEAD"], include_in_schema=False)
        app.add_api_route(path, handler, methods=[method], openapi_extra=describe.operation(method, path, engine))
    app.add_exception_handler(HTTPException, _http_error)
    return app


class _Routes:
    """The handlers: what they share is the engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.config = engine, engine.config
        self._held = body.Held(engine.config.held_bytes)

    # ------------------------------------------------------------------------------------------------ answering

    async def predict(self, request: Request) -> Response:
        """Answer one row or many: JSON, or a form with files."""
        return await self._answered(request, "native", self._predict)

    async def infer(self, request: Request) -> Response:
        """Answer tensors (Open Inference Protocol v2)."""
        return await self._answered(request, "oip", self._infer)

    async def _predict(self, request: Request, content: bytes, seen: dict[str, Any]) -> Response:
        written = request.headers.get("content-type", "application/json")
        kind = written.partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            most = self.config.rows * max(1, len(self.engine.fields.all) + len(self.engine.fields.ignored))
            given = await body.apart(len(content), partial(form.rows, content, written, most=most))
        elif kind == "application/json":
            given = await body.apart(len(content), body.json_rows, content)
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
        found = {"id": seen["id"], "model": self.config.name, "predictions": predictions}
        return JSONResponse({**found, "warnings": list(answer.warnings)} if answer.warnings else found)

    async def _infer(self, request: Request, content: bytes, seen: dict[str, Any]) -> Response:
        self._check_model(request)
        read = partial(tensors.read, request, content, fields=self.engine.fields, most=self.config.rows)
        asked = await body.apart(len(content), read)
        if _ID.fullmatch(asked.id):
            seen["id"] = asked.id
        rows = self.engine.fields.rows(protocol.rows(asked.tensors, self.engine.fields), most=self.config.rows)
        seen["rows"] = len(rows)
        known = protocol.check_outputs(asked.outputs, self.engine.model)
        answer = await self.engine.answer(rows)
        made = protocol.chosen(protocol.outputs(answer, self.engine.model), known)
        head: dict[str, Any] = {"model_name": self.config.name, "model_version": protocol.VERSION}
        head["id"] = asked.id or seen["id"]
        if answer.warnings:
            head["parameters"] = {"warnings": "\n".join(answer.warnings)}
        return tensors.response(head, made, asked)

    async def _answered(
        self, request: Request, kind: str, handle: Callable[[Request, bytes, dict[str, Any]], Awaitable[Response]]
    ) -> Response:
        """Read, answer, count, log; every way out is a response."""
        started, found = perf_counter(), self.engine.metrics
        given = request.headers.get("x-request-id", "")
        seen: dict[str, Any] = {"id": given if _ID.fullmatch(given) else uuid.uuid4().hex, "rows": 0, "bytes": 0}
        found.in_flight.inc()
        reason, whole = None, False
        content = body.Body(self._held)
        try:
            with found.timed("read"):
                await content.read(request, self.config)
            whole, seen["bytes"] = True, len(content.content)
            response = await handle(request, content.content, seen)
        except Refusal as refusal:
            reason, response = refusal.reason, self._refused(refusal, seen)
        except asyncio.CancelledError:  # the time for ending what was under way is over
            late = Busy("the server is stopping; try again in a moment")
            reason, response = late.reason, self._refused(late, seen)
        except Exception:  # a fault of ours: logged with its place, told without
            reason = "internal"
            log.exception("request %s failed", seen["id"])
            response = JSONResponse({"error": "the server failed on this request", "id": seen["id"]}, 500)
        finally:
            content.drop()
            found.in_flight.dec()
        took = perf_counter() - started
        found.requested(kind, str(response.status_code), took, reason)
        response.headers["X-Request-ID"] = seen["id"]
        if not whole:
            response.headers["Connection"] = "close"  # the rest of the body is not read
        if log.isEnabledFor(logging.INFO):
            line = {**seen, "protocol": kind, "status": response.status_code, "ms": 1000 * took}
            log.info("answered", extra={"request": line if reason is None else {**line, "reason": reason}})
        return response

    def _refused(self, refusal: Refusal, seen: dict[str, Any]) -> Response:
        headers = {"Retry-After": str(Busy.retry_after)} if isinstance(refusal, Busy) else {}
        return JSONResponse({**refusal.json(), "id": seen["id"]}, refusal.status, headers)

    # ------------------------------------------------------------------------------------------------ about us

    async def live(self, _: Request) -> Response:
        """The process runs."""
        return JSONResponse({"live": True})

    async def ready(self, _: Request) -> Response:
        """The model is loaded and takes requests."""
        return self._state({"ready": self.engine.ready, "live": True})

    def _state(self, state: dict[str, Any]) -> Response:
        if self.engine.ready:
            return JSONResponse(state)
        return JSONResponse(state, 503, {"Retry-After": str(Busy.retry_after)})

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
        return self._of_model(request, lambda: {"name": self.config.name, "ready": self.engine.ready}, self._state)

    async def models(self, _: Request) -> Response:
        """The names of the models there are."""
        return JSONResponse({"models": [self.config.name]})

    async def index(self, _: Request) -> Response:
        """The model repository's index."""
        return JSONResponse([protocol.index(self.config.name, ready=self.engine.ready)])

    async def statistics(self, request: Request) -> Response:
        """How many requests there were, and how long they took."""
        return self._of_model(
            request, lambda: {"model_stats": [protocol.statistics(self.config.name, self.engine.metrics)]}
        )

    async def metrics(self, _: Request) -> Response:
        """Prometheus metrics."""
        return Response(self.engine.metrics.expose(), headers={"content-type": metrics.CONTENT_TYPE})

    def _of_model(
        self,
        request: Request,
        make: Callable[[], dict[str, Any]],
        respond: Callable[[dict[str, Any]], Response] = JSONResponse,
    ) -> Response:
        try:
            self._check_model(request)
        except UnknownModel as refusal:
            return JSONResponse(refusal.json(), refusal.status)
        return respond(make())

    def _check_model(self, request: Request) -> None:
        name = request.path_params.get("name", self.config.name)
        version = request.path_params.get("version", protocol.VERSION)
        if name != self.config.name:
            raise UnknownModel(f"unknown model {name[:100]!r}; this server has {self.config.name!r}")
        if version != protocol.VERSION:
            raise UnknownModel(f"unknown version {version[:40]!r} of {name!r}; there is {protocol.VERSION!r}")


async def _http_error(_: Request, error: Exception) -> Response:
    """Unknown paths and methods, in the form of all our errors."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)
