"""How many threads numerical libraries get. Small steps get slower with more of them, and spinning threads steal the
cores of the processes that decode; so: half the cores, at most 8, unless OMP_NUM_THREADS says otherwise.

It depends on the machine alone, never on its load, so that two runs under one seed agree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_WISH = "OMP_NUM_THREADS"
_before: list[str | None] = []
"""What it was before each `limited` that is open."""


def sensible() -> int:
    """Threads for one process on this machine."""
    return wished() or max(1, min(8, cores() // 2))


def wished() -> int:
    """What OMP_NUM_THREADS says; 0 where it says nothing."""
    wanted = _before[0] if _before else os.environ.get(_WISH)
    return int(wanted) if wanted and wanted.isdecimal() else 0


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def single() -> None:
    """From now on this process, and what it starts, has one thread for numerical libraries."""
    from threadpoolctl import threadpool_limits

    _before.clear()
    os.environ[_WISH] = "1"
    threadpool_limits(limits=1)


@contextmanager
def limited(count: int) -> Iterator[None]:
    """BLAS and OpenMP libraries keep to `count` threads while this is open, those that are loaded meanwhile too."""
    from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

    known = {library["filepath"] for library in threadpool_info()}
    before = os.environ.get(_WISH)
    _before.append(before)
    os.environ[_WISH] = str(count)
    try:
        with threadpool_limits(limits=count):
            yield
    finally:
        if _before:  # after `single` one thread it is for good
            _before.pop()
            if before is None:
                os.environ.pop(_WISH, None)
            else:
                os.environ[_WISH] = before
            # Those loaded meanwhile have read the limit as their own: they get what they would have had.
            late = [library["filepath"] for library in threadpool_info() if library["filepath"] not in known]
            usual = int(before) if before and before.isdecimal() else cores()
            ThreadpoolController().select(filepath=late).limit(limits=usual)
