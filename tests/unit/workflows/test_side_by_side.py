"""Pieces of work in processes of their own: at the same time, one thread each, gone when their parent is."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager

import pytest

from consilience.core.errors import ConfigError
from consilience.core.progress import Reporter
from consilience.core.threads import sensible
from consilience.workflows import side_by_side
from consilience.workflows.config import resolve

pytestmark = pytest.mark.skipif(not side_by_side.possible(), reason="needs a fork")


class Listener(Reporter):
    def __init__(self) -> None:
        self.said, self.bars = [], []

    def say(self, text):
        self.said.append(text)

    @contextmanager
    def bar(self, label, total):
        steps = []
        self.bars.append((label, total, steps))
        yield lambda done, note: steps.append((done, note))


def until(found, seconds=20.0):
    """Wait for it."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return value


def do(pieces, at_once=2, reporter=None):
    return side_by_side.do(pieces, at_once=at_once, label="working", reporter=reporter or Listener())


def gone(process: int) -> bool:
    """Ended; one that nobody has waited for yet has, too."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_they_work_at_the_same_time_but_no_more_than_asked(tmp_path) -> None:
    def piece(own, other):
        def work(reporter):
            (tmp_path / own).touch()
            until((tmp_path / other).exists)
            (tmp_path / f"{own} is done").touch()

        return work

    assert do({"a": piece("a", "b"), "b": piece("b", "a")})
    assert len([*tmp_path.glob("* is done")]) == 2

    def alone(name):
        def work(reporter):
            (tmp_path / "busy").touch(exist_ok=False)
            time.sleep(0.05)
            (tmp_path / "busy").unlink()
            (tmp_path / name).touch()

        return work

    assert do({name: alone(name) for name in ("c", "d", "e")}, at_once=1)
    assert all((tmp_path / name).exists() for name in ("c", "d", "e"))


def test_each_has_one_thread_and_what_the_parent_has_stays(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    def piece(reporter):
        (tmp_path / "threads").write_text(f"{sensible()} {os.getppid()}")

    assert do({"a": piece})
    assert (tmp_path / "threads").read_text() == f"1 {os.getpid()}"
    assert sensible() == 3


def test_not_in_a_process_that_may_start_none(tmp_path) -> None:
    """As the workers of multiprocessing.Pool."""
    assert do({"a": lambda reporter: (tmp_path / "possible").write_text(str(side_by_side.possible()))})
    assert (tmp_path / "possible").read_text() == "False"


@pytest.mark.slow
def test_a_network_trains_after_its_parent_used_several_threads(tmp_path) -> None:
    """A pool of threads does not survive a fork: whoever then waits for it waits for ever."""
    code = textwrap.dedent(
        f"""
        import torch
        from consilience.core.progress import Reporter
        from consilience.workflows import side_by_side

        def step():
            weights = torch.ones(600, 600, requires_grad=True)
            ((torch.rand(4000, 600) @ weights) ** 2).mean().backward()
            return float(weights.grad.sum())

        torch.set_num_threads(4)
        step()
        def piece(reporter):
            torch.set_num_threads(1)
            open({str(tmp_path / "done")!r}, "w").write(str(step()))
        assert side_by_side.do({{"a": piece, "b": piece}}, at_once=2, label="", reporter=Reporter())
        """
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "4"}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=environment)
    assert float((tmp_path / "done").read_text()) > 0


def test_those_that_fail_are_named_and_the_others_go_on(tmp_path) -> None:
    def fails(reporter):
        raise ValueError("no")

    def dies(reporter):
        os.kill(os.getpid(), signal.SIGKILL)

    reporter = Listener()
    assert do({"fails": fails, "dies": dies, "works": lambda r: (tmp_path / "x").touch()}, reporter=reporter)
    assert sorted(reporter.said) == [
        "dies: its process ended early (exit code -9); it is done again alone",
        "fails: its process ended early (exit code 1); it is done again alone",
    ]
    assert (tmp_path / "x").exists()


def test_what_they_tell_is_told_and_their_bars_are_one() -> None:
    def piece(reporter):
        reporter.say("hello")
        with reporter.bar("own", 10) as advance:
            for step in range(10):
                advance(step + 1, "")

    reporter = Listener()
    assert do({"a": piece, "b": piece, "c": piece}, reporter=reporter)
    assert sorted(reporter.said) == ["a: hello", "b: hello", "c: hello"]
    ((label, total, steps),) = reporter.bars
    assert (label, total) == ("working", 30)
    assert steps[-1] == (30, "3 of 3 done")
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_ctrl_c_ends_them_all(tmp_path) -> None:
    def piece(name):
        def work(reporter):
            (tmp_path / f".{name}").write_text(str(os.getpid()))
            (tmp_path / f".{name}").rename(tmp_path / name)
            time.sleep(60)

        return work

    def press():
        until(lambda: len([*tmp_path.glob("[ab]")]) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    assert not do({name: piece(name) for name in ("a", "b", "c")})
    assert not (tmp_path / "c").exists()
    assert all(gone(int((tmp_path / name).read_text())) for name in ("a", "b"))


def test_a_killed_parent_takes_them_along(tmp_path) -> None:
    code = textwrap.dedent(
        f"""
        import os, time
        from pathlib import Path
        from consilience.core.progress import Reporter
        from consilience.workflows import side_by_side

        def piece(reporter):
            Path({str(tmp_path)!r}, str(os.getpid())).touch()
            time.sleep(60)
        side_by_side.do({{"a": piece, "b": piece}}, at_once=2, label="", reporter=Reporter())
        """
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        until(lambda: len([*tmp_path.iterdir()]) == 2)
        parent.kill()
    for path in tmp_path.iterdir():
        assert until(lambda process=int(path.name): gone(process), seconds=2.0)


def test_several_processes_with_several_threads_are_refused() -> None:
    """A pool of threads does not survive the fork: they would wait for ever."""
    wanted = {"target": "label", "preset": "pretrained"}
    assert resolve({**wanted, "processes": 2, "threads": 1}).processes == 2
    assert resolve({**wanted, "processes": 1, "threads": 4}).threads == 4
    with pytest.raises(ConfigError, match="set threads or processes, not both"):
        resolve({**wanted, "processes": 2, "threads": 4})
