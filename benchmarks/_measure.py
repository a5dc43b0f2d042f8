"""What the benchmarks share: run a command, and know the CPU-seconds and the peak memory of it and all it started."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Cost:
    cpu_seconds: float
    wall_seconds: float
    output: str

    def json(self) -> Any:
        return json.loads(self.output)


def run(*command: str, threads: int = 1) -> Cost:
    """Run a command to its end. CPU time is of the whole process and its children, start-up and imports included.

    Everything is given the same number of threads, ours and the reference.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu_seconds=cpu, wall_seconds=time.perf_counter() - started, output=done.stdout)


def consilience(*words: str, threads: int = 1) -> Cost:
    return run(sys.executable, "-m", "consilience", *words, threads=threads)


def machine() -> str:
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}"
    )
