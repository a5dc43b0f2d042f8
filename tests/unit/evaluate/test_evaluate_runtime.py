"""Evaluation must run where only the runtime is installed: NumPy, and no training library."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
for name in ("torch", "sklearn", "scipy", "pandas", "pyarrow"):
    sys.modules[name] = None
import numpy as np
from consilience.evaluate import by_group, point, score
from consilience.evaluate.calibration import temperature
from consilience.evaluate.report import render

rng = np.random.default_rng(0)
answers, target = rng.dirichlet(np.ones(3), 90), rng.integers(0, 3, 90)
metrics = score("classification", answers, target, names="abc", groups=target)
by_group("classification", answers, target, ["x", None, "3"] * 30, names="abc")
score("regression", answers[:, :1], answers[:, 1], names="y")
temperature(answers, target)
entry = {"name": "m", "preset": "", "fusion": None, "inputs": [], "metrics": metrics, "cpu_seconds": 1, "ms_per_row": 1}
data = {"target": "t", "task": "classification", "primary": "accuracy", "leaderboard": [entry], "best": "m"}
print(len(render({**data, "details": metrics["details"]})))
"""


def test_no_training_library_is_needed() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10_000
