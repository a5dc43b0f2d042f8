"""How many threads numerical libraries get."""

import os
import subprocess
import sys

from consilience.core import threads

_LATE = """
from consilience.core.threads import limited
with limited(1):
    from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
    print(_openmp_effective_n_threads())
from threadpoolctl import threadpool_info
print({library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp"} == {3})
"""


def test_a_library_loaded_later_keeps_to_the_limit():
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    done = subprocess.run(
        [sys.executable, "-c", _LATE], env=environment, stdout=subprocess.PIPE, text=True, timeout=120, check=True
    )
    assert done.stdout == "1\nTrue\n"  # and afterwards has what it would have had


def test_a_limit_is_not_a_wish(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with threads.limited(3):
        assert os.environ["OMP_NUM_THREADS"] == "3"
        assert threads.wished() == 0
        with threads.limited(2):
            assert threads.wished() == 0
        assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with threads.limited(3):
        assert threads.wished() == threads.sensible() == 5
    assert os.environ["OMP_NUM_THREADS"] == "5"


def test_a_process_with_one_thread_wishes_for_one():
    """As it is after a fork, while the parent's limit is open."""
    code = (
        "from consilience.core import threads\n"
        "with threads.limited(4):\n"
        "    threads.single()\n"
        "    print(threads.sensible(), flush=True)\n"
        "    import os; os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    assert done.stdout == "1\n"
