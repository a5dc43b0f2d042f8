"""The Open Inference Protocol v2 over gRPC, and gRPC's own health check. The messages are described here, field by
field as the protocol numbers them, in a descriptor pool of their own: there is no generated code to keep in step.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from consilience.serve import protocol
from consilience.serve.engine import Engine
from consilience.serve.errors import Malformed, Refusal, UnknownModel

log = logging.getLogger("consilience.serve")

_MOST_CALLS = 1_024
"""Calls at once; more are refused (RESOURCE_EXHAUSTED)."""
_SERVICE = "inference.GRPCInferenceService"
_SCALARS = {
    "bool": 8,
    "int64": 3,
    "string": 9,
    "bytes": 12,
    "double": 1,
    "uint64": 4,
    "float": 2,
    "int32": 5,
    "uint32": 13,
}

# Message -> (field, type, number); "[x]" repeated, "{x}" a map from text to x.
_MESSAGES: dict[str, list[tuple[str, str, int]]] = {
    "ServerLiveRequest": [],
    "ServerLiveResponse": [("live", "bool", 1)],
    "ServerReadyRequest": [],
    "ServerReadyResponse": [("ready", "bool", 1)],
    "ModelReadyRequest": [("name", "string", 1), ("version", "string", 2)],
    "ModelReadyResponse": [("ready", "bool", 1)],
    "ServerMetadataRequest": [],
    "ServerMetadataResponse": [("name", "string", 1), ("version", "string", 2), ("extensions", "[string]", 3)],
    "ModelMetadataRequest": [("name", "string", 1), ("version", "string", 2)],
    "TensorMetadata": [("name", "string", 1), ("datatype", "string", 2), ("shape", "[int64]", 3)],
    "ModelMetadataResponse": [
        ("name", "string", 1),
        ("versions", "[string]", 2),
        ("platform", "string", 3),
        ("inputs", "[TensorMetadata]", 4),
        ("outputs", "[TensorMetadata]", 5),
    ],
    "InferParameter": [
        ("bool_param", "bool", 1),
        ("int64_param", "int64", 2),
        ("string_param", "string", 3),
        ("double_param", "double", 4),
        ("uint64_param", "uint64", 5),
    ],
    "InferTensorContents": [
        ("bool_contents", "[bool]", 1),
        ("int_contents", "[int32]", 2),
        ("int64_contents", "[int64]", 3),
        ("uint_contents", "[uint32]", 4),
        ("uint64_contents", "[uint64]", 5),
        ("fp32_contents", "[float]", 6),
        ("fp64_contents", "[double]", 7),
        ("bytes_contents", "[bytes]", 8),
    ],
    "InferInputTensor": [
        ("name", "string", 1),
        ("datatype", "string", 2),
        ("shape", "[int64]", 3),
        ("parameters", "{InferParameter}", 4),
        ("contents", "InferTensorContents", 5),
    ],
    "InferRequestedOutputTensor": [("name", "string", 1), ("parameters", "{InferParameter}", 2)],
    "ModelInferRequest": [
        ("model_name", "string", 1),
        ("model_version", "string", 2),
        ("id", "string", 3),
        ("parameters", "{InferParameter}", 4),
        ("inputs", "[InferInputTensor]", 5),
        ("outputs", "[InferRequestedOutputTensor]", 6),
        ("raw_input_contents", "[bytes]", 7),
    ],
    "InferOutputTensor": [
        ("name", "string", 1),
        ("datatype", "string", 2),
        ("shape", "[int64]", 3),
        ("parameters", "{InferParameter}", 4),
        ("contents", "InferTensorContents", 5),
    ],
    "ModelInferResponse": [
        ("model_name", "string", 1),
        ("model_version", "string", 2),
        ("id", "string", 3),
        ("parameters", "{InferParameter}", 4),
        ("outputs", "[InferOutputTensor]", 5),
        ("raw_output_contents", "[bytes]", 6),
    ],
}
# Of Triton's extensions of the protocol, with its numbers.
_MESSAGES |= {
    "ModelStatisticsRequest": [("name", "string", 1), ("version", "string", 2)],
    "StatisticDuration": [("count", "uint64", 1), ("ns", "uint64", 2)],
    "InferStatistics": [
        (name, "StatisticDuration", number)
        for number, name in enumerate(
            ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss"),
            start=1,
        )
    ],
    "ModelStatistics": [
        ("name", "string", 1),
        ("version", "string", 2),
        ("last_inference", "uint64", 3),
        ("inference_count", "uint64", 4),
        ("execution_count", "uint64", 5),
        ("inference_stats", "InferStatistics", 6),
    ],
    "ModelStatisticsResponse": [("model_stats", "[ModelStatistics]", 1)],
    "RepositoryIndexRequest": [("repository_name", "string", 1), ("ready", "bool", 2)],
    "ModelIndex": [("name", "string", 1), ("version", "string", 2), ("state", "string", 3), ("reason", "string", 4)],
    "RepositoryIndexResponse": [("models", "[ModelIndex]", 1)],
}
_ONE_OF = {"InferParameter": "parameter_choice"}
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_HEALTH = {
    "HealthCheckRequest": [("service", "string", 1)],
    "HealthCheckResponse": [("status", "int32", 1)],  # on the wire an enum is a number; 1: serving, 2: not serving
}
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def messages(package: str, described: dict[str, list[tuple[str, str, int]]]) -> dict[str, Any]:
    """Message classes by name."""
    file = descriptor_pb2.FileDescriptorProto(name=f"consilience/{package}.proto", package=package, syntax="proto3")
    for name, fields in described.items():
        message = file.message_type.add(name=name)
        if name in _ONE_OF:
            message.oneof_decl.add(name=_ONE_OF[name])
        for field, kind, number in fields:
            _describe(message, package, field, kind, number, one_of=name in _ONE_OF)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in described
    }


def _describe(message: Any, package: str, name: str, kind: str, number: int, *, one_of: bool) -> None:
    repeated, word = kind[0] in "[{", kind.strip("[]{}")
    field = message.field.add(name=name, number=number, label=3 if repeated else 1)
    if one_of:
        field.oneof_index = 0
    if kind[0] == "{":  # a map travels as a list of entries
        entry = message.nested_type.add(name="".join(part.title() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=1, type=9)
        entry.field.add(name="value", number=2, label=1, type=11, type_name=f".{package}.{word}")
        field.type, field.type_name = 11, f".{package}.{message.name}.{entry.name}"
    elif word in _SCALARS:
        field.type = _SCALARS[word]
    else:
        field.type, field.type_name = 11, f".{package}.{word}"


OIP = messages("inference", _MESSAGES)
HEALTH = messages("grpc.health.v1", _HEALTH)


async def start(engine: Engine, address: str) -> Any:
    """A gRPC server on `address`, started; `await server.stop(grace)` ends it. Raises RuntimeError when it cannot
    listen there."""
    most = engine.config.body_bytes
    options = [
        ("grpc.max_receive_message_length", most),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 1),  # several worker processes share the port
    ]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=_MOST_CALLS)
    service = _Service(engine)
    for name, methods in service.methods().items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    server.add_insecure_port(address)
    await server.start()
    return server


class _Service:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.config = engine, engine.config

    def methods(self) -> dict[str, dict[str, Any]]:
        own = {
            "ServerLive": self.live,
            "ServerReady": self.ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server,
            "ModelMetadata": self.model,
            "ModelInfer": self.infer,
            "ModelStatistics": self.statistics,
            "RepositoryIndex": self.index,
        }
        return {
            _SERVICE: {name: _handler(OIP, name, method) for name, method in own.items()},
            "grpc.health.v1.Health": {"Check": _handler(HEALTH, "HealthCheck", self.check)},
        }

    async def live(self, _: Any, context: Any) -> Any:
        return OIP["ServerLiveResponse"](live=True)

    async def ready(self, _: Any, context: Any) -> Any:
        return OIP["ServerReadyResponse"](ready=self.engine.ready)

    async def check(self, request: Any, context: Any) -> Any:
        if request.service not in ("", _SERVICE):
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return HEALTH["HealthCheckResponse"](status=1 if self.engine.ready else 2)

    async def server(self, _: Any, context: Any) -> Any:
        return OIP["ServerMetadataResponse"](**protocol.server_metadata())

    async def model_ready(self, request: Any, context: Any) -> Any:
        known = request.name == self.config.name and request.version in ("", protocol.VERSION)
        return OIP["ModelReadyResponse"](ready=known and self.engine.ready)

    async def model(self, request: Any, context: Any) -> Any:
        try:
            self._check(request.name, request.version)
        except Refusal as refusal:
            await context.abort(_CODES[refusal.status], refusal.message)
        about = protocol.model_metadata(self.config.name, self.engine.model, self.engine.fields)
        del about["parameters"]  # the message has no place for them
        return OIP["ModelMetadataResponse"](**about)

    async def infer(self, request: Any, context: Any) -> Any:
        started, found = perf_counter(), self.engine.metrics
        seen: dict[str, Any] = {"id": uuid.uuid4().hex, "rows": 0, "bytes": request.ByteSize()}
        code, reason, told = grpc.StatusCode.OK, None, ""
        found.in_flight.inc()
        try:
            return await self._infer(request, seen)
        except Refusal as refusal:
            code, reason, told = _CODES[refusal.status], refusal.reason, refusal.message
        except asyncio.CancelledError:  # by the client, its deadline, or the end of the server
            code, reason = grpc.StatusCode.CANCELLED, "client_gone"
            raise
        except Exception:  # a fault of ours: logged with its place, told without
            log.exception("request %s failed", seen["id"])
            code, reason, told = grpc.StatusCode.INTERNAL, "internal", "the server failed on this request"
        finally:
            found.in_flight.dec()
            took = perf_counter() - started
            found.requested("grpc", code.name, took, reason)
            if log.isEnabledFor(logging.INFO):
                line = {**seen, "protocol": "grpc", "status": code.name, "ms": 1000 * took}
                log.info("answered", extra={"request": line if reason is None else {**line, "reason": reason}})
        await context.abort(code, told)

    async def _infer(self, request: Any, seen: dict[str, Any]) -> Any:
        self._check(request.model_name, request.model_version)
        with self.engine.metrics.timed("read"):
            rows = self.engine.fields.rows(
                protocol.rows(_tensors(request, self.config.rows), self.engine.fields), most=self.config.rows
            )
        seen["rows"] = len(rows)
        wanted = protocol.check_outputs([output.name for output in request.outputs], self.engine.model)
        answer = await self.engine.answer(rows)
        made = protocol.chosen(protocol.outputs(answer, self.engine.model), wanted)
        outputs = [OIP["InferOutputTensor"](name=t.name, datatype=t.datatype, shape=t.shape) for t in made]
        name = request.id or seen["id"]
        head: dict[str, Any] = {"model_name": self.config.name, "model_version": protocol.VERSION, "id": name}
        if answer.warnings:
            head["parameters"] = {"warnings": OIP["InferParameter"](string_param="\n".join(answer.warnings))}
        return OIP["ModelInferResponse"](**head, outputs=outputs, raw_output_contents=[t.raw() for t in made])

    async def statistics(self, request: Any, context: Any) -> Any:
        try:
            self._check(request.name or self.config.name, request.version)
        except Refusal as refusal:
            await context.abort(_CODES[refusal.status], refusal.message)
        return OIP["ModelStatisticsResponse"](model_stats=[protocol.statistics(self.config.name, self.engine.metrics)])

    async def index(self, request: Any, context: Any) -> Any:
        about = protocol.index(self.config.name, ready=self.engine.ready)
        shown = [about] if about["state"] == "READY" or not request.ready else []
        return OIP["RepositoryIndexResponse"](models=shown)

    def _check(self, name: str, version: str) -> None:
        if name != self.config.name or version not in ("", protocol.VERSION):
            raise UnknownModel(
                f"unknown model {name[:100]!r}, version {version[:40]!r}; this server has {self.config.name!r}, "
                f"version {protocol.VERSION!r}"
            )


def _tensors(request: Any, most: int) -> list[protocol.Tensor]:
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise Malformed(f"{len(request.inputs)} inputs but {len(raw)} raw_input_contents")
    tensors = []
    for number, given in enumerate(request.inputs):
        about = {"name": given.name, "datatype": given.datatype, "shape": list(given.shape)}
        if raw:
            if given.HasField("contents"):
                raise Malformed(f"input {given.name[:100]}: has both contents and raw_input_contents", field=given.name)
            tensors.append(protocol.from_raw(raw[number], **about, most=most))
            continue
        size = protocol.count(given.name, about["shape"], most=most)
        place = _CONTENTS.get(given.datatype)
        if place is None:
            raise Malformed(
                f"input {given.name[:100]}: datatype {given.datatype[:40]!r} is not supported", field=given.name
            )
        data = list(getattr(given.contents, place))
        if len(data) != size:
            raise Malformed(
                f"input {given.name[:100]}: {len(data):,} values in {place}, not {size:,}", field=given.name
            )
        tensors.append(protocol.Tensor(name=given.name, datatype=given.datatype, shape=(size,), data=data))
    return tensors


def _handler(kinds: dict[str, Any], name: str, method: Callable[[Any, Any], Awaitable[Any]]) -> Any:
    kind = kinds[f"{name}Request"]

    def parse(content: bytes) -> Any:
        try:
            return kind.FromString(content)
        except DecodeError:  # left to gRPC, this would be UNKNOWN, and a fault in the log
            return None

    async def answer(request: Any, context: Any) -> Any:
        if request is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"the message is no {name}Request")
        return await method(request, context)

    return grpc.unary_unary_rpc_method_handler(
        answer, request_deserializer=parse, response_serializer=kinds[f"{name}Response"].SerializeToString
    )
