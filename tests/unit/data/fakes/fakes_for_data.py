"""Small modalities for the tests of the data package. In a file of its own, because worker processes import it."""

from __future__ import annotations

import ctypes
import os
import sys
import time

import numpy as np

from consilience.core import files
from consilience.core.errors import BadCell
from consilience.modalities.base import Evidence, Modality, is_blank


class Config:
    pass


class Fake(Modality):
    media, joint, encoders, default_encoder, Config = False, False, None, "", Config

    def example(self, config, processor, rng):
        return ("made up",)

    def sniff(self, column):
        return None

    def resolve(self, config, columns, kinds):
        return config

    def missing(self, cell):
        return all(map(is_blank, cell))

    def fit(self, values, config, *, weights):
        raise NotImplementedError

    def restore(self, state, config):
        raise NotImplementedError


class Words(Fake):
    """Claims any text weakly; a cell that starts with "bad" is bad."""

    name, kinds = "words", ("words",)

    def sniff(self, column):
        if all(isinstance(c, str) for c in column.cells):
            return Evidence(strength=0.4, reason="text", kind="words")
        return None

    def load(self, cell, config, root, limits):
        if str(cell[0]).startswith("bad"):
            raise BadCell(f"{len(cell[0])} letters of badness")
        return tuple(cell), []


class Rows(Fake):
    """Numbers and words of a table; the remarks name their column."""

    name, kinds, joint = "rows", ("rows", "number", "label"), True

    def sniff(self, column):
        try:
            [float(c) for c in column.cells]
        except (TypeError, ValueError):
            few = column.distinct <= 2 and column.rows > 4
            return Evidence(strength=0.5, reason="few words", kind="label") if few else None
        return Evidence(strength=0.9, reason="numbers", kind="number")

    def load(self, cell, config, root, limits):
        remarks = [f"{config[i]}: {part!r} is odd" for i, part in enumerate(cell) if part == "odd"]
        return tuple(None if part == "odd" else part for part in cell), remarks


class Rival(Rows):
    """Claims exactly what Rows claims, as strongly."""

    name, kinds = "rival", ("rival", "number", "score")


class Blob(Fake):
    """A media file: its first four bytes. b"bad" is bad, b"die" ends the process, b"bug" raises, b"nil" is nothing."""

    name, kinds, media = "blob", ("blob", "file"), True

    def sniff(self, column):
        named = [isinstance(c, str) and c.endswith(".bin") for c in column.cells]
        return Evidence(strength=0.95, reason="names of blobs", kind="blob") if all(named) else None

    def load(self, cell, config, root, limits):
        content = files.read(cell[0], root=root, max_bytes=limits.bytes)
        if content.startswith(b"bad"):
            raise BadCell("the blob is bad")
        if content.startswith(b"die"):
            os._exit(3)
        if content.startswith(b"bug"):
            raise ZeroDivisionError
        if content.startswith(b"slow"):
            time.sleep(30)
        if content.startswith(b"look"):
            modules = [m for m in ("torch", "sklearn", "scipy", "pandas") if m in sys.modules]
            raise BadCell(f"threads {os.environ.get('OMP_NUM_THREADS')}, modules {modules}, process {os.getpid()}")
        if content.startswith(b"nil"):
            return None, []
        return self.value(content), ["starts oddly"] if content.startswith(b"odd") else []

    def value(self, content):
        return content[:4]


class ArrayBlob(Blob):
    """The same, as arrays that are all alike."""

    name, kinds = "array_blob", ("array_blob",)

    def value(self, content):
        return np.frombuffer(content[:4].ljust(4, b"\0"), np.uint8).reshape(2, 2).astype(np.int16)

    def array(self, config):
        return (2, 2), np.dtype(np.int16)


class LargeBlob(Blob):
    """The same, as arrays of 50 kB."""

    name, kinds = "large_blob", ("large_blob",)

    def value(self, content):
        return np.full(50_000, int(content[:4]) % 256, np.uint8)

    def array(self, config):
        return (50_000,), np.dtype(np.uint8)


class Stream(Fake):
    """A file read piece by piece, by a decoder like Blob's that may also hang; values are as long as the file."""

    name, kinds, media, streamed, ragged = "stream", ("stream",), True, True, True

    def load(self, cell, config, root, limits):
        assert isinstance(cell[0], bytes) or cell[0].endswith(".bin"), "paths are handed over as they are"
        content = files.read(cell[0], root=root, max_bytes=limits.stream_bytes)
        if content.startswith(b"hang"):
            ctypes.PyDLL(None).pause()  # waits for ever, and lets no other thread of Python run
        if content.startswith(b"die"):
            os._exit(3)
        if content.startswith(b"look"):
            raise BadCell(f"process {os.getpid()}")
        if content.startswith(b"nil"):
            return None, []
        return np.frombuffer(content, np.uint8), []

    def array(self, config):
        return (64,), np.dtype(np.uint8)


class Track(Fake):
    """Reads of blobs what Blob does not."""

    name, kinds = "track", ("track",)

    def sniff(self, column):
        named = [isinstance(c, str) and c.endswith(".bin") for c in column.cells]
        return Evidence(strength=0.3, reason="blobs have tracks", kind="track", beside="track") if all(named) else None

    def load(self, cell, config, root, limits):
        return cell[0], []
