"""Large values of media cells, put aside while a table is gone through: the first stay in memory, the others in a file.

A table of pictures in bytes may so be larger than memory, and workers read their cells themselves. Knows no modality.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Hashable
from pathlib import Path
from types import TracebackType
from typing import Any

from consilience.core.errors import BadCell
from consilience.core.files import Stored, inline, looks_coded

LARGE = 4096
"""Bytes or characters from which a value is put aside; no path is longer."""
MEMORY = 64_000_000
"""Bytes that stay in memory."""


class Spill:
    """Use it in a `with`: what was put aside is there until it ends."""

    def __init__(self, folder: Path | None) -> None:
        """`folder`: where the file is; the system's temporary one when None."""
        self._folder, self._held = folder, 0
        self._open: Any = None

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._open is not None:
            self._open.close()

    @staticmethod
    def key(part: Any) -> Hashable:
        """What stands for a value where equal ones are looked for: a digest of a large one."""
        if isinstance(part, bytes) and len(part) > LARGE:
            return hashlib.blake2b(part, digest_size=16).digest()
        if isinstance(part, str) and len(part) > LARGE:
            return hashlib.blake2b(part.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return part  # type: ignore[no-any-return]

    def aside(self, part: Any) -> Any:
        """The value, or a place in a file where it is."""
        if not isinstance(part, str | bytes) or len(part) <= LARGE or isinstance(part, Stored):
            return part
        if self._held + len(part) <= MEMORY:
            self._held += len(part)
            return part
        content = part if isinstance(part, bytes) else _decoded(part)
        if content is None:
            return part
        if self._open is None:
            self._open = tempfile.NamedTemporaryFile(prefix="consilience-", dir=self._folder)  # noqa: SIM115
        offset = self._open.tell()
        self._open.write(content)
        self._open.flush()
        return Stored("a value of the table", self._open.name, offset, len(content))


def _decoded(text: str) -> bytes | None:
    """What a data URL or base64 holds; None of damaged ones and of other texts, which loading refuses with a reason."""
    try:
        return inline(text, Path()) if looks_coded(text) else None
    except BadCell:
        return None
