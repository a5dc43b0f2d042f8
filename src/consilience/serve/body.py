"""Request bodies: read within limits of size and time, and turned into rows. Knows no model.

Shape of JSON: {"inputs": {column: value}} for one row, {"inputs": [{column: value}, ...]} for many; files as base64.
multipart/form-data holds one row: a part per column, files as they are.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from consilience.serve.config import ServeConfig
from consilience.serve.errors import Malformed, Slow, TooLarge

_DEPTH = 64
_BRACKETS = re.compile(rb"[\[{]")


async def read(request: Request, config: ServeConfig) -> bytes:
    """The whole body, unpacked when it is compressed. Raises TooLarge before reading more than the limit, Slow."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > config.body_bytes:
        raise TooLarge(f"the body has {int(declared):,} bytes; at most {config.body_bytes:,} are taken")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(config.read_timeout):
            async for chunk in request.stream():
                size += len(chunk)
                if size > config.body_bytes:
                    raise TooLarge(f"the body has more than {config.body_bytes:,} bytes")
                chunks.append(chunk)
    except TimeoutError as error:
        raise Slow(f"the body did not arrive within {config.read_timeout:.0f} s") from error
    except ClientDisconnect as error:
        raise Malformed("the client went away before the body was there") from error
    return _unpacked(b"".join(chunks), request.headers.get("content-encoding", ""), config.body_bytes)


def _unpacked(body: bytes, encoding: str, most: int) -> bytes:
    if encoding in ("", "identity"):
        return body
    windows = {"gzip": 31, "deflate": 15}  # what HTTP calls deflate is a zlib stream
    if encoding not in windows:
        raise Malformed(f"content encoding {encoding[:40]!r} is not supported; send gzip, deflate or none")
    unpacker = zlib.decompressobj(windows[encoding])
    try:
        content = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise Malformed(f"the body is not {encoding}: {error}") from error
    if len(content) > most:
        raise TooLarge(f"the unpacked body has more than {most:,} bytes")
    if not unpacker.eof:
        raise Malformed(f"the {encoding} body is cut off")
    return content


def parse_json(body: bytes | memoryview) -> Any:
    """JSON with a bound on nesting: Python's parser recurses. Raises Malformed."""
    content = bytes(body)
    if len(_BRACKETS.findall(content)) > _DEPTH and _nesting(content) > _DEPTH:
        raise Malformed(f"the JSON is nested more than {_DEPTH} deep")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise Malformed(f"the body is not JSON: {error}") from error


def _nesting(content: bytes) -> int:
    """An upper bound of the depth: brackets inside text count too, unless they are closed there."""
    depth = most = 0
    for bracket in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', content, re.DOTALL):
        first = bracket.group()[:1]
        depth += (first in b"[{") - (first in b"]}")
        most = max(most, depth)
    return most


def json_rows(body: bytes) -> list[Any]:
    """The rows of a native JSON request."""
    content = parse_json(body)
    if not isinstance(content, dict) or "inputs" not in content:
        raise Malformed('expected {"inputs": {column: value}} or {"inputs": [{column: value}, ...]}')
    if strangers := [key for key in content if key != "inputs"]:
        raise Malformed(f"unknown key {strangers[0][:60]!r} beside 'inputs'; columns go inside 'inputs'")
    inputs = content["inputs"]
    if isinstance(inputs, list) and not inputs:
        raise Malformed("'inputs' is an empty list: there is no row to answer")
    return inputs if isinstance(inputs, list) else [inputs]


async def form_row(request: Request, body: bytes) -> dict[str, Any]:
    """The row of a multipart request: text and numbers as text, files as bytes; empty parts are left out."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    row: dict[str, Any] = {}
    limits = {"max_files": 64, "max_fields": 1024, "max_part_size": len(body) + 1}
    try:
        async with Request(request.scope, receive).form(**limits) as form:
            for column, value in form.multi_items():
                if column in row:
                    raise Malformed(f"{column[:100]} is given twice", field=column[:100])
                content = await value.read() if isinstance(value, UploadFile) else value
                if content:
                    row[column] = content
    except (HTTPException, MultiPartException, UnicodeDecodeError, KeyError) as error:
        raise Malformed(f"the form cannot be read: {getattr(error, 'detail', error)}") from error
    return row
