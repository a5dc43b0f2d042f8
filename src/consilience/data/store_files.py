"""The files of a space of the store: its head, its locks, bytes behind what counts. Knows no keys and no values."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.errors import DataError

Head = tuple[int, int, int, int, str]
"""Generation, entries, rows, D, dtype."""
_HEAD = struct.Struct("<8sQQQQ8s")
"""Magic, then a `Head`; a CRC-32 follows."""
_MAGIC, _SLOT = b"cnslstr1", 64


def claim(folder: Path) -> int:
    """A shared hold on a space (made if it is not there), until the descriptor is closed or the process ends."""
    import fcntl  # here, because there is none on Windows, where everything but stores works

    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # it was pruned this very moment
            descriptor = os.open(folder / "using", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(folder / "using")):
                    os.utime(descriptor)  # when it was last used
                    return descriptor
            os.close(descriptor)


@contextlib.contextmanager
def hold_alone(folder: Path) -> Iterator[bool]:
    """Whether nobody has the space open; while the block lasts, nobody gets it open then. Raises FileNotFoundError."""
    import fcntl

    descriptor = os.open(folder / "using", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = os.path.samestat(os.fstat(descriptor), os.stat(folder / "using"))
        except BlockingIOError:
            alone = False
        yield alone
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among all processes. Opened anew each time, as a forked process would share the lock with its parent."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def mapped(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    size = dtype.itemsize * int(np.prod(shape))
    if not size:
        return np.zeros(shape, dtype)
    with path.open("rb") as file:
        try:
            held = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise DataError(f"{path}: shorter than it was; delete this folder of the store") from error
    return np.frombuffer(held, dtype).reshape(shape)


def write_at(path: Path, place: int, array: np.ndarray) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else memoryview(b"")
        while len(raw):
            written = os.pwrite(descriptor, raw, place)
            raw, place = raw[written:], place + written
        os.fdatasync(descriptor)  # before the head says that it counts: the machine may lose its power
    finally:
        os.close(descriptor)


def read_head(folder: Path) -> Head | None:
    """None of a space nobody has appended to."""
    try:
        content = (folder / "head").read_bytes()
    except FileNotFoundError:
        return None
    slots = [content[at : at + _SLOT] for at in (0, _SLOT)]
    whole = []
    for slot in slots:
        told, check = slot[: _HEAD.size], slot[_HEAD.size : _HEAD.size + 4]
        if len(check) == 4 and zlib.crc32(told) == int.from_bytes(check, "little"):
            magic, *numbers, dtype = _HEAD.unpack(told)
            if magic == _MAGIC:
                whole.append((*numbers, dtype.rstrip(b"\0").decode()))
    if not whole and all(map(any, slots)):  # one alone may be the first, seen or cut off while it was written
        raise DataError(f"{folder}: the head is damaged. Delete this folder; what it held is computed again")
    return max(whole, default=None)


def write_head(folder: Path, head: Head) -> None:
    told = _HEAD.pack(_MAGIC, *head[:4], head[4].encode())
    slot = (told + zlib.crc32(told).to_bytes(4, "little")).ljust(_SLOT, b"\0")
    descriptor = os.open(folder / "head", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(descriptor, slot, head[0] % 2 * _SLOT)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def put(path: Path, told: Mapping[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(dict(told), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)
