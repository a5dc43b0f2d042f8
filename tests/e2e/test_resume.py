"""A run that was cut off, anywhere and in whatever way, goes on to the end it would have had."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import consilience as cs
from consilience.core.errors import UserError
from consilience.core.progress import Reporter

CONFIG = {
    "time_budget": 600.0,
    "data": {"workers": 0},
    "classic": {"single": ["linear"], "joined": ["linear", {"kind": "trees", "max_iter": 3}]},
    "deep": {"width": 16},
    "train": {"epochs": 3, "batch_rows": 16},
}


TRAINING = "checkpoints/deep-*/training.safetensors"


class Cut(BaseException):
    """What ends a process without asking, as far as code can tell."""


class Scissors(Reporter):
    """Cuts at the n-th sign of life."""

    def __init__(self, after: int | None = None, error: type[BaseException] = Cut) -> None:
        self.after, self.error, self.signs = after, error, 0
        self.said: list[str] = []

    def sign(self) -> None:
        self.signs += 1
        if self.signs == self.after:
            raise self.error

    def say(self, text):
        self.said.append(text)
        self.sign()

    @contextmanager
    def bar(self, label, total):
        yield lambda done, note: self.sign()


def outcome(run: Path) -> dict:
    board = json.loads((run / "leaderboard.json").read_text())
    lines = [{k: v for k, v in e.items() if k not in ("cpu_seconds", "ms_per_row")} for e in board["leaderboard"]]
    return {
        "weights": (run / "bundle" / "weights.safetensors").read_bytes(),
        "baseline": (run / "bundle" / "baseline.parquet").read_bytes(),
        "board": (lines, board["best"], board["test"]),
    }


@pytest.fixture(scope="module")
def straight(make_mixed_table, tmp_path_factory):
    """(table, outcome of a run nobody disturbed, its signs of life)."""
    folder = tmp_path_factory.mktemp("straight")
    table, reporter = make_mixed_table(folder, rows=90), Scissors()
    result = cs.fit(table, target="label", config=CONFIG, out=folder / "run", reporter=reporter)
    return table, outcome(result.run), reporter.signs


@pytest.mark.slow
@pytest.mark.parametrize("error", [Cut, KeyboardInterrupt])
def test_cut_anywhere_it_ends_the_same(straight, tmp_path, error):
    table, want, signs = straight
    for n in range(1, signs + 1, 5 if error is Cut else 11):
        run = tmp_path / str(n)
        try:
            result = cs.fit(table, target="label", config=CONFIG, out=run, reporter=Scissors(n, error))
            assert result.interrupted
            assert result.test is None
        except error:
            pass
        result = cs.fit(resume=True, out=run)
        assert not result.interrupted
        assert outcome(run) == want, n
        assert not [p.name for p in run.glob("**/.*")]


@pytest.mark.slow
def test_cut_again_and_again(straight, tmp_path):
    table, want, signs = straight
    with pytest.raises(Cut):
        cs.fit(table, target="label", config=CONFIG, out=tmp_path / "run", reporter=Scissors(signs // 3))
    for n in (2, 9, 5, 12, 3):
        with pytest.raises(Cut):
            cs.fit(resume=True, out=tmp_path / "run", reporter=Scissors(n))
    cs.fit(resume=True, out=tmp_path / "run")
    assert outcome(tmp_path / "run") == want


@pytest.fixture
def cut(straight, tmp_path):
    """(table, a run that was cut off in training)."""
    table, _, signs = straight
    with pytest.raises(Cut):
        cs.fit(table, target="label", config=CONFIG, out=tmp_path / "run", reporter=Scissors(signs - 8))
    return table, tmp_path / "run"


def test_candidates_are_not_fitted_again(cut, monkeypatch):
    import pyarrow.parquet as pq

    from consilience.workflows import audit, presets

    _, run = cut
    assert [*run.glob("checkpoints/*/training.safetensors")]

    monkeypatch.setattr(audit, "RETRAIN", 0.0)  # which would fit models without some of their inputs
    real, rows = presets.fit_classic, []

    def watched(part, view, *args, **kwargs):
        rows.append(len(view))
        return real(part, view, *args, **kwargs)

    monkeypatch.setattr(presets, "fit_classic", watched)
    reporter = Scissors()
    result = cs.fit(resume=True, out=run, reporter=reporter)
    assert any("training goes on after epoch" in text for text in reporter.said)
    trained = pq.read_table(run / "splits.parquet")["side"].to_pylist().count("train")
    # A candidate is fitted on all training rows; out-of-fold answers come of fewer, and the chosen ones are fitted
    # again on more, with the validation rows.
    assert rows
    assert trained not in rows
    deep = next(e for e in result.leaderboard if e["preset"] == "deep")
    assert deep["cpu_seconds"] > 0


def test_what_is_given_may_agree(cut):
    table, run = cut
    result = cs.fit(table, target="label", config=CONFIG, resume=True, out=run)
    assert not result.interrupted


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"target": "shop"}, "target: the run was begun with 'label', not 'shop'"),
        ({"config": {"train": {"lr": 0.5}}}, "train.lr: the run was begun with 0.002, not 0.5"),
        ({"settings": ["classic.refit_below=7"]}, "classic.refit_below: the run was begun with 3000, not 7"),
        ({"preset": "classic"}, "preset: the run was begun with 'auto', not 'classic'"),
        ({"settings": ["train.lrr=1"]}, "train.lrr: unknown key"),
        ({"valid": "TABLE"}, "begun without one; the valid table"),
        ({"train": "other.csv"}, "the train table given is another"),
        ({"train": {"a": [1]}}, "the train table given is another"),
        ({"out": "nowhere"}, "no run to go on with"),
        ({"out": None}, "which run"),
    ],
)  # fmt: skip
def test_what_disagrees_is_refused_and_named(cut, monkeypatch, call, says):
    table, run = cut
    monkeypatch.chdir(run.parent)
    call = {key: table if value == "TABLE" else value for key, value in call.items()}
    with pytest.raises(UserError, match=says):
        cs.fit(**{"resume": True, "out": run, **call})


def test_a_changed_table_is_refused_and_named(make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path)
    with pytest.raises(Cut):
        cs.fit(table, target="label", config=CONFIG, out=tmp_path / "run", reporter=Scissors(20))
    content = table.read_bytes()
    table.write_bytes(content + b"\n")
    with pytest.raises(UserError, match=r"train\.csv: the train table has changed"):
        cs.fit(resume=True, out=tmp_path / "run")
    table.unlink()
    with pytest.raises(UserError, match=r"train\.csv: the train table is not there"):
        cs.fit(resume=True, out=tmp_path / "run")
    table.write_bytes(content)  # the same again, at another moment
    photo = next(p for p in (tmp_path / "photos").iterdir())
    bytes_of_photo = photo.read_bytes()
    photo.write_bytes(next(p for p in (tmp_path / "photos").iterdir() if p != photo).read_bytes())
    with pytest.raises(UserError, match="photo: not what it was"):
        cs.fit(resume=True, out=tmp_path / "run")
    photo.write_bytes(bytes_of_photo)
    assert not cs.fit(resume=True, out=tmp_path / "run").interrupted


@pytest.mark.slow
def test_a_table_in_memory_is_given_again(straight, tmp_path):
    import pandas as pd

    table, want, signs = straight
    frame = pd.read_csv(table, dtype=str)
    config = {**CONFIG, "data": {"workers": 0, "media_root": str(table.parent)}}
    with pytest.raises(Cut):
        cs.fit(frame, target="label", config=config, out=tmp_path / "run", reporter=Scissors(signs - 8))
    with pytest.raises(UserError, match="given in memory"):
        cs.fit(resume=True, out=tmp_path / "run")
    other = frame.assign(review=frame.review.str.upper())
    with pytest.raises(UserError, match="the train table: not what it was"):
        cs.fit(other, resume=True, out=tmp_path / "run")
    cs.fit(frame, resume=True, out=tmp_path / "run")
    assert outcome(tmp_path / "run")["weights"] == want["weights"]


@pytest.mark.slow
def test_relative_paths_mean_what_they_meant(straight, tmp_path, monkeypatch):
    table, want, _ = straight
    monkeypatch.chdir(table.parent)
    with pytest.raises(Cut):
        cs.fit("train.csv", target="label", config=CONFIG, out=tmp_path / "run", reporter=Scissors(30))
    monkeypatch.chdir(tmp_path)
    cs.fit(resume=True, out="run")
    assert outcome(tmp_path / "run")["weights"] == want["weights"]


@pytest.mark.slow
def test_a_store_keeps_what_was_encoded(straight, tmp_path, monkeypatch):
    """Cut anywhere with a store, it ends the same, and the store equals that of a run nobody disturbed. A relative
    store is where it was."""
    table, want, signs = straight
    config = {**CONFIG, "data": {"workers": 0, "store": "store"}}
    held = []
    for place, cuts in (("straight", []), ("cut", [signs // 2, 4, 12, 9])):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        call = {"train": table, "target": "label", "config": config, "out": tmp_path / place / "run"}
        for n in cuts:
            with pytest.raises(Cut):
                cs.fit(**call, reporter=Scissors(n))
            monkeypatch.chdir(tmp_path)
            call = {"resume": True, "out": tmp_path / place / "run"}
        cs.fit(**call)
        assert not (tmp_path / "store").exists()
        assert outcome(tmp_path / place / "run") == want
        held.append(bench().held(tmp_path / place / "store"))
    assert held[0] == held[1] != {}


def test_the_time_that_was_used_is_not_given_again(cut):
    """Nothing is left: it ends with what it has. More is given: it goes on."""
    _, run = cut
    progress = json.loads((run / "progress.json").read_text())
    assert 0 < progress["seconds"] < 300
    (run / "progress.json").write_text(json.dumps({**progress, "seconds": 1e6}))
    reporter = Scissors(error=KeyboardInterrupt)
    result = cs.fit(resume=True, out=run, reporter=reporter)
    assert not result.interrupted
    assert json.loads((run / "progress.json").read_text())["seconds"] > 1e6
    deep = next(e for e in result.leaderboard if e["preset"] == "deep")
    assert deep["inputs"] == ["photo", "review", "table"]
    assert reporter.said[0].endswith("1000000 s of 600 s are used")


def test_more_time_may_be_given(cut):
    _, run = cut
    progress = json.loads((run / "progress.json").read_text())
    (run / "progress.json").write_text(json.dumps({**progress, "seconds": 1e6}))
    reporter = Scissors(3)
    with pytest.raises(Cut):
        cs.fit(resume=True, out=run, config={"time_budget": 2e6}, reporter=reporter)
    assert reporter.said[0].endswith("of 2000000 s are used")
    assert "time_budget = 2000000.0" in (run / "config.toml").read_text()
    reporter = Scissors(3)
    with pytest.raises(Cut):  # it is remembered
        cs.fit(resume=True, out=run, reporter=reporter)
    assert reporter.said[0].endswith("of 2000000 s are used")


# ---------------------------------------------------------------------------------------------- the command line


def consilience(*words, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "consilience", "fit", *map(str, words)], capture_output=True, text=True, timeout=250
    )
    assert done.returncode == code, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.mark.slow
def test_a_complete_run_is_told_again(straight, tmp_path):
    table, _, _ = straight
    words = [word for key in ("epochs=1", "patience=1") for word in ("--set", f"train.{key}")]
    first, _ = consilience(table, "--target", "label", *words, "--out", tmp_path / "run", "--json")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "bundle").iterdir()}
    again, said = consilience("--resume", "--out", tmp_path / "run", "--json")
    assert json.loads(again) == json.loads(first)
    assert "this run is complete" in said
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "bundle").iterdir()}
    shown, _ = consilience(table, "--resume", "--out", tmp_path / "run")
    assert "Leaderboard" in shown
    _, said = consilience(table, "--target", "label", "--out", tmp_path / "run", code=2)
    assert f"fit --resume --out {tmp_path / 'run'}" in said


@pytest.mark.slow
def test_wrong_calls_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for words, says in [
        (["--resume"], "--out RUN"),
        ([], "TABLE is missing"),
        (["--resume", "--out", tmp_path / "file"], "file"),
        (["--resume", "--out", tmp_path / "folder"], "no run to go on with"),
    ]:
        assert says in consilience(*words, code=2)[1]


def bench():
    """The functions of benchmarks/bench_resume.py, which does the same twenty times."""
    path = Path(__file__).parents[2] / "benchmarks" / "bench_resume.py"
    spec = importlib.util.spec_from_file_location("bench_resume", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(bench_resume, its table, what an undisturbed run comes to, how long that took)."""
    made, folder = bench(), tmp_path_factory.mktemp("small")
    source = made.table(folder, rows=150, side=150)
    process, started = made.begin(source, folder / "run"), time.monotonic()
    printed = made.end(process)
    took = time.monotonic() - started
    return made, source, made.outcome(folder / "run", printed, source), took


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_killed(small, tmp_path, share):
    made, source, want, took = small
    process = made.begin(source, tmp_path / "run")
    time.sleep(share * took)
    made.kill(process, tmp_path / "run")
    assert made.differences(want, tmp_path / "run", source) == []


def until(found, process):
    patience = time.monotonic() + 120
    while not found() and time.monotonic() < patience and process.poll() is None:
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "model"), [(".scratch-*", False), (TRAINING, True)], ids=["encoding", "training"])
def test_ctrl_c_and_on(small, tmp_path, file, model):
    made, source, want, _ = small
    run = tmp_path / "run"
    process = made.begin(source, run)
    until(lambda: [*run.glob(file)], process)
    os.killpg(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=100)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert f"--resume --out {run}" in error
    assert (run / "bundle").is_dir() == bool(out) == model
    if model:
        assert json.loads(out)["test"] is None
    assert made.differences(want, run, source) == []


@pytest.mark.slow
def test_ctrl_c_twice_ends_at_once(small, tmp_path):
    made, source, want, _ = small
    run = tmp_path / "run"
    process = made.begin(source, run)
    until(lambda: [*run.glob(TRAINING)], process)
    os.killpg(process.pid, signal.SIGINT)
    until(lambda: '"interrupted: ' in (run / "log.jsonl").read_text(), process)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert "interrupted; to go on" in error, "said by the second alone: the choosing and saving did not reach its end"
    assert not (run / "report.html").is_file()
    assert made.differences(want, run, source) == []


@pytest.mark.slow
def test_two_at_once_are_one_too_many(small, tmp_path):
    made, source, want, _ = small
    run = tmp_path / "run"
    process = made.begin(source, run)
    _, said = consilience("--resume", "--out", run, code=2)
    assert "another process works in this run" in said
    made.kill(process, run)
    assert made.differences(want, run, source) == []
