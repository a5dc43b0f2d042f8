"""Pieces of work done side by side, each in a process of its own with one thread. What a piece makes, it leaves in
files: a process that dies takes nothing with it. Knows no candidate and no model.

The processes are forked, so that they see what is in memory without a copy. Two things do not survive a fork: pools of
threads, hence one thread each, and an accelerator's driver, hence `possible`.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, cast

from consilience.core import threads
from consilience.core.progress import Advance, Reporter

Piece = Callable[[Reporter], Any]
"""Does its work and tells of it. What it returns is forgotten."""

_TOLD_EVERY = 0.1
"""Seconds between two words on how far a piece is."""
_PR_SET_PDEATHSIG = 1


def possible() -> bool:
    """Not in a process that is itself of a pool: those may start none."""
    import torch

    alone = not multiprocessing.current_process().daemon
    return sys.platform == "linux" and alone and not torch.accelerator.is_available()


def do(pieces: Mapping[str, Piece], *, at_once: int, label: str, reporter: Reporter) -> bool:
    """Do the pieces, by name, `at_once` at a time, begun in their order. Whether they came to their end: Ctrl-C ends
    them all.

    Of a piece that fails, or whose process dies, no more is said than that: who misses what it should have left does it
    again here, and sees why. Their progress is one bar; it takes them to be of one length.
    """
    waiting, running = deque(pieces.items()), dict[Connection, Any]()
    with ExitStack() as stack:
        stack.callback(_end, running)
        progress = stack.enter_context(_Progress(label, pieces, reporter))
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    name, piece = waiting.popleft()
                    pipe, process = _start(piece)
                    running[pipe] = name, process
                for pipe in cast("list[Connection]", wait(list(running))):
                    name, process = running[pipe]
                    try:
                        progress.hear(name, *pipe.recv())
                    except (EOFError, OSError):  # the process is over
                        process.join()
                        progress.hear(name, "over", process.exitcode)
                        del running[pipe]
                        pipe.close()
        except KeyboardInterrupt:
            return False
    return True


def _start(piece: Piece) -> tuple[Connection, Any]:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_work, args=(piece, theirs, os.getpid()), daemon=True)
    with warnings.catch_warnings():  # of threads in this process: those there are hold no lock that a piece needs
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    theirs.close()  # so that the end of the process is the end of the pipe
    return ours, process


def _work(piece: Piece, pipe: Connection, parent: int) -> None:
    """The life of a process: it ends with its work, or at once with its parent, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent alone acts on it
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    code = 1
    with suppress(BaseException):
        if os.getppid() == parent:
            threads.single()
            piece(_Told(pipe))
            code = 0
    os._exit(code)  # what the parent would do at its exit is not for this process to do


def _end(running: dict[Connection, Any]) -> None:
    for pipe, (_, process) in running.items():
        process.kill()
        process.join()
        pipe.close()


class _Told(Reporter):
    """Tells the parent."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def say(self, text: str) -> None:
        self._pipe.send(("say", text))

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Advance]:
        self._pipe.send(("total", total))
        last = 0.0

        def advance(done: int, note: str) -> None:
            nonlocal last
            if (now := time.monotonic()) - last >= _TOLD_EVERY:
                self._pipe.send(("done", done))
                last = now

        yield advance


class _Progress(ExitStack):
    """One bar for all pieces, from the moment one of them says how long it is."""

    def __init__(self, label: str, names: Iterable[str], reporter: Reporter) -> None:
        super().__init__()
        self._label, self._reporter, self._done = label, reporter, dict.fromkeys(names, 0)
        self._each, self._over = 0, 0
        self._advance: Advance = lambda done, note: None

    def hear(self, name: str, what: str, value: Any) -> None:
        if what == "say":
            self._reporter.say(f"{name}: {value}")
        elif what == "total" and not self._each:
            self._each = value
            self._advance = self.enter_context(self._reporter.bar(self._label, value * len(self._done)))
        elif what == "done":
            self._done[name] = value
        elif what == "over":
            self._done[name] = self._each
            self._over += 1
            if value:
                self._reporter.say(f"{name}: its process ended early (exit code {value}); it is done again alone")
        self._advance(sum(self._done.values()), f"{self._over} of {len(self._done)} done")
