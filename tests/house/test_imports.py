"""Importing is quick, does no work, and asks for no more than is needed.

Times are CPU seconds of a fresh process, best of five: other work on the machine does not make them fail.
"""

from __future__ import annotations

import os
import pkgutil
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import consilience

TORCH_FREE = ("consilience.core", "consilience.modalities", "consilience.bundle")
TRAINING = ["torch", "sklearn", "lightgbm", "scipy", "pandas", "pyarrow"]
NUMPY_FREE_IMPORT = "import sys, consilience; heavy = {'torch', 'numpy', 'sklearn', 'pandas', 'pyarrow', 'PIL', 'rich'}"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def cpu_seconds(command: Sequence[str]) -> float:
    """CPU seconds of the quickest of five runs, interpreter included."""
    best = float("inf")
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        best = min(best, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return best


def test_import_is_quick() -> None:
    assert cpu_seconds([sys.executable, "-c", "import consilience"]) < 0.3


def test_import_brings_nothing_heavy() -> None:
    done = run(f"{NUMPY_FREE_IMPORT}; print(sorted(heavy & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_help_is_quick() -> None:
    program = Path(sys.executable).with_name("consilience")
    assert cpu_seconds([str(program), "--help"]) < 0.5


def modules_of(package: str) -> list[str]:
    """The package and every module in it, except what lies under an `encoders` package."""
    root = Path(next(iter(consilience.__path__))).joinpath(*package.split(".")[1:])
    found = [package]
    for module in pkgutil.walk_packages([str(root)], prefix=package + ".", onerror=lambda name: None):
        if "encoders" not in module.name.split("."):
            found.append(module.name)
    return found


@pytest.mark.parametrize("package", TORCH_FREE)
def test_imports_without_training_packages(package: str) -> None:
    """With everything of the extra `train` made unimportable, every module outside encoders/ imports."""
    block = f"import sys, importlib; sys.modules.update(dict.fromkeys({TRAINING}))"
    names = modules_of(package)
    done = run(f"{block}; [importlib.import_module(name) for name in {names!r}]; print('imported')")
    assert done.stdout.strip() == "imported", done.stderr


def test_import_leaves_the_process_as_it_was() -> None:
    """No environment variable, no thread, no file handle, no warning filter is changed by importing the package."""
    code = (
        "import os, threading, warnings, logging, json\n"
        "look = lambda: (dict(os.environ), threading.active_count(), list(warnings.filters), "
        "list(logging.getLogger().handlers))\n"
        "before = look(); import consilience; assert look() == before"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_modules_were_found() -> None:
    """Guards the tests above against looking at an empty list."""
    assert len(modules_of("consilience.core")) > 5
    assert os.path.exists(consilience.__file__)


def test_a_fit_imports_neither_scikit_learn_nor_pandas(tmp_path: Path) -> None:
    """They would take a second of every short run; libraries that import them if they are there do without."""
    table = tmp_path / "t.csv"
    table.write_text("x,word,y\n" + "".join(f"{i % 7},{'ab'[i % 2]} {i % 5},{'pq'[i % 3 > 0]}\n" for i in range(120)))
    program = [sys.executable, "-X", "importtime", "-m", "consilience"]
    words = ["fit", str(table), "--target", "y", "--preset", "classic", "--out", str(tmp_path / "run")]
    done = subprocess.run([*program, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    names = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert {"lightgbm", "pyarrow"} <= names
    assert not [name for name in names if name.startswith(("sklearn.", "pandas."))]


def test_a_package_is_spared_for_those_who_asked_for_it_alone() -> None:
    done = run("""
import sys, threading
from consilience.core.optional import lean, spare

def tried(found):
    sys.modules.pop("colorsys", None)
    try:
        import colorsys
        found.append(True)
    except ModuleNotFoundError:
        found.append(False)

found = []
with lean():
    tried(found)
spare("colorsys")
tried(found)
with lean():
    tried(found)
    other = threading.Thread(target=tried, args=(found,))
    other.start()
    other.join()
tried(found)
print(found)
""")
    assert done.stdout.strip() == "[True, True, False, True, True]", done.stderr
