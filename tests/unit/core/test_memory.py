"""Freed memory stays while it is reused, and goes back to the kernel afterwards."""

import sys

import numpy as np
import pytest

from consilience.core import memory

linux = pytest.mark.skipif(memory._glibc() is None, reason="needs glibc")
SIZE = 200 << 20


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def fill() -> None:
    """Allocate, write and free `SIZE` bytes."""
    np.ones(SIZE, np.uint8)


@linux
def test_what_is_freed_stays_and_then_goes_back() -> None:
    fill()
    before = resident()
    with memory.reused():
        with memory.reused():
            fill()
        fill()
        assert resident() - before > SIZE // 2
    assert resident() - before < SIZE // 4
    fill()
    assert resident() - before < SIZE // 4


@linux
def test_it_does_nothing_when_told_so() -> None:
    with memory.reused(when=False):
        fill()
        before = resident()
        fill()
        assert resident() - before < SIZE // 4


def test_elsewhere_it_does_nothing(monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with memory.reused():
        fill()
    assert memory._open == 0


@linux
def test_an_error_leaves_nothing_behind() -> None:
    with pytest.raises(ValueError, match="x"), memory.reused():
        raise ValueError("x")
    assert memory._open == 0
