"""Loading: each distinct cell once, bad ones reported by row, and worker processes that may die."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from consilience.core.errors import DataError, UserError
from consilience.core.limits import Limits
from consilience.core.registry import Family
from consilience.data import workers
from consilience.data.cells import ArrayValues, Dataset
from consilience.data.infer import InputPlan
from consilience.data.loader import load
from consilience.data.table import Table

NAMES = {"words": "Words", "rows": "Rows", "blob": "Blob", "array_blob": "ArrayBlob", "stream": "Stream"}
NAMES |= {"large_blob": "LargeBlob"}
FAKES = Family("modality", {kind: f"fakes_for_data:{name}" for kind, name in NAMES.items()})
FOLDER = str(Path(__file__).with_name("fakes"))


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)


def run(table: Table, *plans: tuple, **options) -> Dataset:
    made = {n: InputPlan(name=n, modality=m, columns=tuple(c), kinds=(m,) * len(c)) for n, m, c in plans}
    configs = {n: plan.columns for n, plan in made.items()}
    return load(table, made, configs, modalities=FAKES, **{"workers": 0, **options})


def blobs(folder: Path, contents: list[bytes | None]) -> Table:
    """One file a row; None is a missing cell."""
    cells: list = []
    for i, content in enumerate(contents):
        if content is not None:
            (folder / f"{i}.bin").write_bytes(content)
        cells.append(None if content is None else f"{i}.bin")
    return Table(columns={"file": cells}, name="t", root=folder)


def many(count: int = 400, **special: bytes) -> list[bytes | None]:
    contents: list[bytes | None] = [b"%04d and more" % i for i in range(count)]
    for place, content in special.items():
        contents[int(place[1:])] = content
    return contents


BLOB, ARRAY = ("in", "blob", ["file"]), ("in", "array_blob", ["file"])


def test_each_distinct_cell_is_loaded_once() -> None:
    table = Table(columns={"t": ["a", "b", None, "a", " ", "c", "b"]}, name="t", root=Path("."))
    cells = run(table, ("t", "words", ["t"])).inputs["t"]
    assert list(cells.values) == [("a",), ("b",), None, ("c",)]
    assert cells.index.tolist() == [0, 1, 2, 0, 2, 3, 1]
    assert cells.groups.tolist() == [-1] * 7
    assert cells.problems == ()


def test_equal_in_python_is_not_the_same_cell() -> None:
    table = Table(columns={"n": [1, 1.0, True, "1", 1]}, name="t", root=Path("."))
    cells = run(table, ("n", "rows", ["n"])).inputs["n"]
    assert [type(v[0]) for v in cells.values] == [int, float, bool, str]
    assert cells.index.tolist() == [0, 1, 2, 3, 0]


def test_a_bad_cell_is_a_problem_of_every_row_that_holds_it() -> None:
    table = Table(columns={"t": ["bad one", "fine", "bad one", "badly"]}, name="t", root=Path("."))
    data = run(table, ("text", "words", ["t"]))
    values = data.inputs["text"].values
    assert [values[u] for u in data.inputs["text"].index] == [None, ("fine",), None, None]
    assert [(p.row, p.column, p.reason, p.whole) for p in data.problems] == [
        (0, "t", "7 letters of badness", True),
        (2, "t", "7 letters of badness", True),
        (3, "t", "5 letters of badness", True),
    ]


def test_remarks_name_their_column_and_keep_the_rest() -> None:
    table = Table(columns={"a": ["odd", "1"], "a: b": ["2", "odd"], "c": ["3", "odd"]}, name="t", root=Path("."))
    data = run(table, ("table", "rows", ["a", "a: b", "c"]))
    assert list(data.inputs["table"].values) == [(None, "2", "3"), ("1", None, None)]
    assert [(p.row, p.column, p.reason, p.whole) for p in data.problems] == [
        (0, "a", "'odd' is odd", False),
        (1, "a: b", "'odd' is odd", False),
        (1, "c", "'odd' is odd", False),
    ]
    bad = run(Table(columns={"a": ["bad"], "b": ["x"]}, name="t", root=Path(".")), ("both", "words", ["a", "b"]))
    assert bad.problems[0].column == "both"


def test_paths_with_equal_bytes_are_one_group_in_every_table(tmp_path: Path) -> None:
    table = blobs(tmp_path, [b"same content", None, b"other", b"same content", b"bad bytes", b"bad bytes"])
    groups = run(table, BLOB).inputs["in"].groups
    assert groups[0] == groups[3] >= 0
    assert groups[2] not in (groups[0], -1)
    assert groups[[1, 4, 5]].tolist() == [-1, -1, -1]
    as_bytes = Table(columns={"file": [b"same content"]}, name="t", root=tmp_path)
    assert run(as_bytes, BLOB).inputs["in"].groups[0] == groups[0]


def test_whatever_a_decoder_raises_spoils_one_cell_only(tmp_path: Path) -> None:
    data = run(blobs(tmp_path, [b"good", b"bug!", b"nil ", b""]), BLOB)
    values = data.inputs["in"].values
    assert list(values) == [b"good", None, None, None]
    assert [(p.row, p.reason) for p in data.problems] == [
        (1, "the decoder failed (ZeroDivisionError)"),
        (3, "the file is empty (zero bytes)"),
    ]


def test_names_no_file_system_takes_spoil_one_cell_only(tmp_path: Path) -> None:
    (tmp_path / "loop.bin").symlink_to("loop.bin")
    (tmp_path / "a.bin").write_bytes(b"good")
    names = ["\ud800.bin", "loop.bin", "x" * 5000 + ".bin", "n\0.bin", "../a.bin", "a.bin"]
    data = run(Table(columns={"file": names}, name="t", root=tmp_path), BLOB)
    assert [p.row for p in data.problems] == [0, 1, 2, 3, 4]
    assert data.inputs["in"].values[5] == b"good"


def test_limits_reach_the_modality(tmp_path: Path) -> None:
    data = run(blobs(tmp_path, [b"0123456789", b"0"]), BLOB, limits=Limits(bytes=5))
    assert [(p.row, "the limit is 5" in p.reason) for p in data.problems] == [(0, True)]


@pytest.mark.parametrize("scratch", [False, True])
@pytest.mark.parametrize("count", [0, 2])
def test_arrays_come_back_the_same_however_they_travelled(tmp_path: Path, scratch: bool, count: int) -> None:
    (tmp_path / "scratch").mkdir()
    contents = many(300, _7=b"bad one", _9=None, _11=b"odd one", _12=b"0005 and more", _13=b"nil")
    table = blobs(tmp_path, contents)
    data = run(table, ARRAY, workers=count, scratch=tmp_path / "scratch" if scratch else None)
    cells = data.inputs["in"]
    assert isinstance(cells.values, ArrayValues)
    for row, content in enumerate(contents):
        value = cells.values[cells.index[row]]
        if row in (7, 9, 13):
            assert value is None
        else:
            assert value.tobytes() == np.frombuffer(content[:4], np.uint8).astype(np.int16).tobytes()
    assert [(p.row, p.reason, p.whole) for p in data.problems] == [
        (7, "the blob is bad", True),
        (11, "starts oddly", False),
    ]
    assert (cells.groups < 0).nonzero()[0].tolist() == [7, 9, 13]
    assert cells.groups[12] == cells.groups[5]
    assert len(list((tmp_path / "scratch").iterdir())) == scratch


def test_what_workers_send_is_not_held_twice(tmp_path: Path) -> None:
    table = blobs(tmp_path, many(600))
    tracemalloc.start()
    data = run(table, ("in", "large_blob", ["file"]), workers=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * 600 * 50_000
    assert [value[0] for value in data.inputs["in"].values] == [i % 256 for i in range(600)]


def test_permuted_rows_permute_the_answer(tmp_path: Path) -> None:
    table = blobs(tmp_path, [b"a", b"bad", None, b"odd", b"a", b"c"])
    order = [5, 2, 0, 4, 1, 3]
    one, two = run(table, BLOB), run(table.take(order), BLOB)

    def seen(data: Dataset, rows: list[int]) -> list:
        cells = data.inputs["in"]
        said = {p.row: p.reason for p in data.problems}
        return [(cells.values[cells.index[r]], cells.groups[r], said.get(r)) for r in rows]

    assert seen(two, list(range(6))) == seen(one, order)


@pytest.mark.parametrize("count", [0, 2])
def test_progress_ends_at_the_total(tmp_path: Path, count: int) -> None:
    calls: list[tuple[int, int]] = []
    run(blobs(tmp_path, many(300, _5=None)), BLOB, workers=count, progress=lambda *call: calls.append(call))
    assert calls[-1] == (300, 300)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


def test_no_rows() -> None:
    data = run(Table(columns={"file": []}, name="t", root=Path(".")), BLOB, ("b", "array_blob", ["file"]))
    assert data.rows == 0
    assert [len(cells.values) for cells in data.inputs.values()] == [0, 0]


def test_workers_are_lean(tmp_path: Path) -> None:
    reasons = {p.reason for p in run(blobs(tmp_path, many(300, _0=b"look", _299=b"look")), BLOB, workers=2).problems}
    assert all("threads 1, modules []" in reason for reason in reasons)
    assert all(f"process {os.getpid()}" not in reason for reason in reasons)
    here = run(blobs(tmp_path, [b"look"]), BLOB, workers=2).problems[0].reason  # few cells: not worth a process
    assert f"process {os.getpid()}" in here


@pytest.mark.parametrize("kind", [pytest.param(BLOB, marks=pytest.mark.slow), ARRAY])
def test_a_cell_that_kills_its_worker_is_the_only_one_lost(tmp_path: Path, kind: tuple) -> None:
    (tmp_path / "scratch").mkdir()
    contents = many(300, _3=b"die", _150=b"die", _200=b"bad")
    data = run(blobs(tmp_path, contents), kind, workers=2, scratch=tmp_path / "scratch")
    assert [(p.row, p.reason) for p in data.problems] == [
        (3, "the decoder crashed"),
        (150, "the decoder crashed"),
        (200, "the blob is bad"),
    ]
    cells = data.inputs["in"]
    lost = [row for row in range(300) if cells.values[cells.index[row]] is None]
    assert lost == [3, 150, 200]


@pytest.mark.slow
def test_a_decoder_that_always_crashes_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_MOST_CRASHES", 2)
    with pytest.raises(DataError, match="crashed on more than 2 cells"):
        run(blobs(tmp_path, [b"die%d" % i for i in range(256)]), BLOB, workers=2)


def test_workers_that_cannot_start_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_start_worker", os.abort)
    with pytest.raises(UserError, match="die as soon as they start"):
        run(blobs(tmp_path, many(256)), BLOB, workers=1)


STREAM = ("in", "stream", ["file"])


@pytest.mark.parametrize("scratch", [False, True])
@pytest.mark.parametrize("count", [5, 400])
def test_values_of_different_lengths_come_back(tmp_path: Path, scratch: bool, count: int) -> None:
    (tmp_path / "scratch").mkdir()
    contents: list[bytes | None] = [b"x" * (1 + i % 60) + b"%03d" % i for i in range(count)]
    contents[1], contents[2] = None, b"nil"
    folder = tmp_path / "scratch" if scratch else None
    data = run(blobs(tmp_path, contents), STREAM, workers=None if count > 100 else 0, scratch=folder)
    cells = data.inputs["in"]
    for row, content in enumerate(contents):
        value = cells.values[cells.index[row]]
        assert (None if value is None else value.tobytes()) == (None if content in (None, b"nil") else content)
    assert data.problems == ()
    assert (cells.groups[[1, 2]] == -1).all()
    bytes_of_it = Table(columns={"file": [contents[0]]}, name="t", root=tmp_path)
    assert run(bytes_of_it, STREAM).inputs["in"].groups[0] == cells.groups[0]


def test_a_decoder_that_hangs_is_stopped_and_the_cell_reported(tmp_path: Path) -> None:
    """Also with few cells, and with 0 workers: such decoders never run in this process."""
    contents = [b"good", b"hang", b"look", b"die", b"fine"]
    data = run(blobs(tmp_path, contents), STREAM, limits=Limits(cell_seconds=0.7))
    reasons = {p.row: p.reason for p in data.problems}
    assert reasons[1] == "loading it took longer than 0.7 s and was stopped (limits.cell_seconds)"
    assert reasons[3] == "the decoder crashed"
    assert f"process {os.getpid()}" != reasons[2]
    assert set(reasons) == {1, 2, 3}
    again = run(blobs(tmp_path, [b"look"]), STREAM).problems[0].reason
    assert run(blobs(tmp_path, [b"look"]), STREAM).problems[0].reason == again  # the process is kept


@pytest.mark.slow
def test_hanging_cells_among_many(tmp_path: Path) -> None:
    data = run(blobs(tmp_path, many(300, _3=b"hang", _200=b"hang")), STREAM, workers=2, limits=Limits(cell_seconds=1))
    assert [p.row for p in data.problems] == [3, 200]
    assert all("limits.cell_seconds" in p.reason for p in data.problems)


def test_chunks_of_large_bytes_are_small() -> None:
    cells = [(b"x" * 5_000_000,)] * 7 + [("path",)] * 100
    chunks = workers.chunks_of(cells)
    assert [i for chunk in chunks for i in chunk] == list(range(107))
    assert [len(chunk) for chunk in chunks[:2]] == [3, 3]
    assert max(map(len, chunks)) <= 32


def test_a_full_or_absent_scratch_folder_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="loaded values cannot be kept there"):
        run(blobs(tmp_path, [b"a"]), ARRAY, scratch=tmp_path / "absent")


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [{folder!r}]
from consilience.core.registry import Family
from consilience.data.infer import InputPlan
from consilience.data.loader import load
from consilience.data.table import Table

folder = Path(sys.argv[1])
files = sorted((path.name for path in folder.glob("*.bin")), key=lambda name: int(name[:-4]))
plan = {{"in": InputPlan(name="in", modality="blob", columns=("file",), kinds=("blob",))}}
table = Table(columns={{"file": files}}, name="t", root=folder)
data = load(
    table, plan, {{"in": None}}, workers=2, scratch=folder / "scratch",
    progress=lambda done, total: print("tick", flush=True),
    modalities=Family("modality", {{"blob": "fakes_for_data:ArrayBlob"}}),
)
print("loaded", sum(value is not None for value in data.inputs["in"].values))
"""


def script(folder: Path) -> list[str]:
    (folder / "scratch").mkdir()
    (folder / "run.py").write_text(SCRIPT.format(folder=FOLDER))
    return [sys.executable, str(folder / "run.py"), str(folder)]


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    blobs(tmp_path, many(300))
    done = subprocess.run(script(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "loaded 300", done.stderr
    assert done.stdout.count("loaded") == 1  # the workers did not run the script again


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes through /proc")
def test_an_interrupt_leaves_no_worker_and_no_file(tmp_path: Path) -> None:
    blobs(tmp_path, many(400, _40=b"slow", _70=b"slow"))  # in the second and third chunk
    mark = f"{tmp_path.name}-{os.getpid()}-{time.time_ns()}"
    environment = {**os.environ, "CONSILIENCE_TEST_MARK": mark}
    process = subprocess.Popen(
        script(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "tick\n"
    assert any((tmp_path / "scratch").iterdir())
    assert len(marked(mark)) >= 3  # the script and its workers
    time.sleep(0.5)  # until both workers are busy with a slow cell
    os.killpg(process.pid, 2)  # as Ctrl-C does: everybody gets it
    _, errors = process.communicate(timeout=15)
    assert "KeyboardInterrupt" in errors
    assert errors.count("Traceback") == 1  # the script's own; the workers say nothing
    assert process.returncode != 0
    assert list((tmp_path / "scratch").iterdir()) == []
    for _ in range(50):
        left = marked(mark)
        if not left:
            break
        time.sleep(0.1)
    assert left == []


def marked(mark: str) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in place.read_bytes():
                found.append(int(place.parent.name))
        except OSError:  # ended meanwhile, or another user's
            continue
    return found


IDLE = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from fakes_for_data import Blob
from consilience.core.limits import Limits
from consilience.data.workers import Job, Workers

with Workers(2) as pool:
    job = Job(modality=Blob(), config=(), root=Path("."), limits=Limits())
    pool.load(job, [(b"%04d" % i,) for i in range(100)], range(100), lambda some, outcomes: None)
    print("idle", flush=True)
    time.sleep(100)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_workers_end_with_a_process_that_was_killed() -> None:
    """Idle ones too: they wait for work that nobody can send any more."""
    command = [sys.executable, "-c", IDLE, FOLDER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "idle\n"
        children = [stat.parent for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == process.pid]
        workers = [child for child in children if _is_worker(child)]
        process.kill()
    assert len(workers) == 2
    patience = time.monotonic() + 30
    while any(map(_is_worker, workers)) and time.monotonic() < patience:
        time.sleep(0.1)
    assert not any(map(_is_worker, workers))


def _parent(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return -1


def _is_worker(process: Path) -> bool:
    """Whether the process is there and is one of loky's."""
    try:
        return b"LokyProcess" in (process / "cmdline").read_bytes()
    except OSError:
        return False
