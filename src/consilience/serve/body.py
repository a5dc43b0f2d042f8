"""Request bodies: read within limits of size and time, and JSON parsed within limits of its structure. Knows no model.

Shape of native JSON: {"inputs": {column: value}} for one row, {"inputs": [{column: value}, ...]} for many; files as
base64. Forms are read in form.py.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request

from consilience.serve.config import ServeConfig
from consilience.serve.errors import Busy, Gone, Malformed, Slow, TooLarge

_DEPTH = 64
_PARTS = 200_000
"""Most brackets and commas in JSON outside its texts: a value costs 20 times its bytes in memory."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LARGE = 1_000_000
"""Bodies of more bytes are parsed away from the event loop."""


class Held:
    """The bytes of bodies in memory, of all requests of the process."""

    def __init__(self, most: int) -> None:
        self.most, self.now = most, 0

    def add(self, size: int) -> None:
        if self.now + size > self.most:
            raise Busy("the requests being read and answered hold too much memory; try again in a moment")
        self.now += size


class Body:
    """The body of one request, counted in `held` until `drop`."""

    def __init__(self, held: Held) -> None:
        self._held, self._size = held, 0
        self.content = b""

    def drop(self) -> None:
        self._held.now -= self._size
        self._size, self.content = 0, b""

    def _grow(self, size: int) -> None:
        self._held.add(size)
        self._size += size

    async def read(self, request: Request, config: ServeConfig) -> None:
        """Read all of it, unpacked when it is compressed. Raises TooLarge before reading more than the limit, Slow,
        Busy, Gone, Malformed."""
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > config.body_bytes:
            raise TooLarge(f"the body has {int(declared):,} bytes; at most {config.body_bytes:,} are taken")
        chunks = []
        try:
            async with asyncio.timeout(config.read_timeout):
                async for chunk in request.stream():
                    if self._size + len(chunk) > config.body_bytes:
                        raise TooLarge(f"the body has more than {config.body_bytes:,} bytes")
                    self._grow(len(chunk))
                    chunks.append(chunk)
        except TimeoutError as error:
            raise Slow(f"the body did not arrive within {config.read_timeout:g} s") from error
        except ClientDisconnect as error:
            raise Gone("the client went away before the body was there") from error
        self.content = b"".join(chunks)
        encoding = request.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            self.content = await apart(self._size, _unpacked, self.content, encoding, config.body_bytes)
            self._grow(max(0, len(self.content) - self._size))


async def apart(size: int, work: Callable[..., Any], *given: Any) -> Any:
    """`work(*given)`, in another thread when there is much of it: others are answered meanwhile."""
    return work(*given) if size < _LARGE else await asyncio.to_thread(work, *given)


def _unpacked(body: bytes, encoding: str, most: int) -> bytes:
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
    if unpacker.unused_data:
        raise Malformed(f"there are bytes after the end of the {encoding} body")
    return content


def parse_json(body: bytes | memoryview) -> Any:
    """JSON within bounds of nesting (Python's parser recurses) and of the number of its parts. Raises Malformed,
    TooLarge. A key that is given twice is refused: which one was meant?"""
    content = bytes(body)
    _check_structure(content)
    try:
        found = json.loads(content, object_pairs_hook=_object)
        if _SURROGATE.search(content):  # half of a character: no text that could be answered or logged
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # UnicodeError is a ValueError
        said = "half of a character (a lone surrogate)" if isinstance(error, UnicodeEncodeError) else error
        raise Malformed(f"the body is not JSON: {said}") from error
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed(f"the key {twice[:100]!r} is given twice in one object", field=twice[:100])
    return found


def _check_structure(content: bytes) -> None:
    """What is counted in the raw bytes is an upper bound; only when that is over, texts are left out."""
    brackets = sum(map(content.count, (b"[", b"{")))
    parts = brackets + sum(map(content.count, (b"]", b"}", b",")))
    if brackets <= _DEPTH and parts <= _PARTS:
        return
    bare = _without_texts(content)
    if sum(map(bare.count, (b"[", b"{", b"]", b"}", b","))) > _PARTS:
        raise TooLarge(_TOO_MANY)
    depth = 0
    for bracket in re.findall(rb"[\[{}\]]", bare):
        depth += 1 if bracket in b"[{" else -1
        if depth > _DEPTH:
            raise Malformed(f"the JSON is nested more than {_DEPTH} deep")


def _without_texts(content: bytes) -> bytes:
    """What stands outside of texts, in a few quick passes (a pattern would hold up everybody for seconds)."""
    plain = content.replace(rb"\\", b"").replace(rb"\"", b"")
    if plain.count(b'"') > 4 * _PARTS:  # a key and a value between two commas
        raise TooLarge(_TOO_MANY)
    return b"".join(plain.split(b'"')[::2])


_TOO_MANY = f"the JSON has more than {_PARTS:,} parts; send fewer rows at once, or tensors in binary form"


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
