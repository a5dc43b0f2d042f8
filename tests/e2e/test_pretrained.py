"""Preset `pretrained` as a user meets it: fit on frozen backbones, once encoded; the bundle carries them along."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import consilience as cs
from consilience.bundle import golden
from consilience.cli import main
from consilience.testing.backbones import tiny_image, tiny_text
from consilience.workflows import side_by_side


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_mixed_table):
    """A folder with train.csv, test.csv and two tiny backbones, and a run of `pretrained` on them with a store."""
    folder = tmp_path_factory.mktemp("pretrained")
    make_mixed_table(folder, rows=150)
    make_mixed_table(folder, rows=40, seed=1, name="test.csv")
    tiny_text(folder / "letters"), tiny_image(folder / "patches")
    flags = ["--backbone", f"text={folder / 'letters'}", f"image={folder / 'patches'}", "--store", str(folder / "s")]
    assert main(fit(folder, "run", *flags)) == 0
    return folder, flags


def fit(folder: Path, out: str, *flags: str, preset: str = "pretrained") -> list[str]:
    common = ["--preset", preset, "--time-budget", "60s", "--out", str(folder / out), "--json"]
    return ["fit", str(folder / "train.csv"), "--target", "label", *common, *flags]


def board(folder: Path, run: str) -> list[dict]:
    return json.loads((folder / run / "leaderboard.json").read_text())["leaderboard"]


def said(folder: Path, run: str) -> str:
    return (folder / run / "log.jsonl").read_text()


def test_the_leaderboard_says_what_looked_through_what(place):
    folder, _ = place
    entries = board(folder, "run")
    names = {entry["name"] for entry in entries}
    joined = "photo@patches + review@letters + table"
    assert {f"linear[{joined}]", "linear[photo@patches]", "linear[review@letters]"} <= names
    assert {f"pretrained {fusion}[{joined}]" for fusion in ("concat", "gated", "film")} <= names
    assert {entry["preset"] for entry in entries} == {"pretrained", "ensemble", "baseline"}
    html = (folder / "run" / "report.html").read_text()
    assert "photo@patches" in html


def test_a_second_fit_with_another_fusion_encodes_nothing(place):
    folder, flags = place
    assert main(fit(folder, "second", *flags, "--set", 'pretrained.fusions=["hadamard"]')) == 0
    assert "photo@patches: 0 of" in said(folder, "second")
    assert "review@letters: 0 of" in said(folder, "second")
    assert any(entry["fusion"] == "hadamard" for entry in board(folder, "second"))
    same = [
        {entry["name"]: entry["metrics"]["accuracy"]["value"] for entry in board(folder, run)}
        for run in ("run", "second")
    ]
    assert same[0]["linear[photo@patches]"] == same[1]["linear[photo@patches]"]


def test_the_bundle_answers_alone_on_another_machine(place, tmp_path, monkeypatch):
    folder, _ = place
    want = cs.load(folder / "run").predict_proba(folder / "test.csv")
    moved = Path(shutil.copytree(folder / "run" / "bundle", tmp_path / "elsewhere"))
    names = {path.name for path in folder.iterdir()}
    for name in ("letters", "patches", "s"):
        (folder / name).rename(folder / f"hidden-{name}")
    try:
        model = cs.load(moved)
        assert np.array_equal(model.predict_proba(folder / "test.csv"), want)
        assert golden.difference(moved / "golden.safetensors", model) < 1e-6
    finally:
        for name in ("letters", "patches", "s"):
            (folder / f"hidden-{name}").rename(folder / name)
    assert {path.name for path in folder.iterdir()} == names
    assert "MB of this folder, frozen" in (moved / "README.md").read_text()


def test_a_tampered_backbone_is_refused(place, tmp_path):
    folder, _ = place
    moved = Path(shutil.copytree(folder / "run" / "bundle", tmp_path / "b"))
    weights = next(moved.glob("backbones/*/model.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(cs.UserError, match=r"backbones/.*changed since"):
        cs.load(moved)


def test_permuted_rows_and_missing_cells(place):
    folder, _ = place
    model = cs.load(folder / "run")
    from consilience.data.sources import read

    table = read(folder / "test.csv")
    answers = model.predict_proba(table)
    order = np.random.default_rng(0).permutation(len(table))
    assert np.abs(model.predict_proba(table.take(order)) - answers[order]).max() < 1e-5
    assert np.isfinite(model.predict_proba({"photo": None, "review": None, "price": 3})).all()


def test_export_says_why_not(place, capsys):
    folder, _ = place
    capsys.readouterr()
    assert main(["export", str(folder / "run"), "--to", "onnx", "--out", str(folder / "exported")]) == 2
    assert "is seen through the backbone" in capsys.readouterr().err
    assert not (folder / "exported").exists()


def test_served_answers_are_the_same(place):
    import asyncio

    from consilience.serve.config import ServeConfig
    from consilience.serve.engine import Engine
    from consilience.serve.metrics import Metrics

    folder, _ = place
    model = cs.load(folder / "run")
    engine = Engine(model, ServeConfig(), Metrics())
    engine.start()
    try:
        rows = [{"review": "small one: fine", "price": 3.5}, {"review": "this broke", "shop": "north"}]
        rows.append({"photo": (folder / "photos" / "test-000.png").read_bytes(), "review": "lovely"})
        answer = asyncio.run(engine.answer(rows))
    finally:
        engine.close()
    assert np.abs(answer.answers - model.predict_proba(rows)).max() < 1e-5


def test_unfrozen_layers_learn_and_are_kept(place, monkeypatch):
    """They start at their pretrained weights, move, and come back from the bundle as they were."""
    from safetensors.numpy import load_file

    folder, flags = place
    monkeypatch.setattr("consilience.workflows.fit.choose", lambda entries, prepared: entries[-1])
    short = ("--set", "pretrained.unfreeze=1", "--set", "pretrained.train.epochs=2", "--set", "ensemble.rules=[]")
    assert main(fit(folder, "tuned", *flags, *short, "--set", 'pretrained.fusions=["concat"]')) == 0
    name = "fine-tuned concat[photo@patches-top1 + review@letters-top1 + table]"
    entry = next(entry for entry in board(folder, "tuned") if entry["name"] == name)
    assert entry["preset"] == "pretrained"
    assert "photo@patches-top1" in said(folder, "tuned")
    kept = next((folder / "tuned" / "checkpoints").glob("fine-tuned-*/member.safetensors"))
    learned = load_file(kept)
    pretrained = load_file(folder / "letters" / "model.safetensors")
    moved = [n for n in learned if n.endswith("module.encoder.layer.0.output.dense.weight")]
    change = np.abs(learned[moved[0]] - pretrained["encoder.layer.1.output.dense.weight"]).max()
    assert 0 < change < 0.1
    model = cs.load(folder / "tuned")
    assert model.name == name
    assert golden.difference(folder / "tuned" / "bundle" / "golden.safetensors", model) < 1e-6


def test_auto_looks_both_ways(place, monkeypatch):
    """With backbones in the configured folder and none named; classic and deep see the inputs as they are."""
    folder, _ = place
    (folder / "backbones").mkdir()
    (folder / "backbones" / "text").symlink_to(folder / "letters")
    monkeypatch.setenv("CONSILIENCE_BACKBONES", str(folder / "backbones"))
    short = ("--set", "train.epochs=1", "--set", "pretrained.train.epochs=1", "--set", 'pretrained.fusions=["concat"]')
    assert main(fit(folder, "auto", *short, preset="auto")) == 0
    by_preset = {}
    for entry in board(folder, "auto"):
        by_preset.setdefault(entry["preset"], set()).update(entry["inputs"])
    assert by_preset["classic"] == by_preset["deep"] == {"photo", "review", "table"}
    assert by_preset["pretrained"] == {"photo", "review@letters", "table"}
    names = [entry["name"] for entry in board(folder, "auto")]
    assert len(names) == len(set(names))
    assert "linear[table]" in names
    assert cs.load(folder / "auto").predict(folder / "test.csv")
    reasons = (folder / "auto" / "bad_cells.csv").read_text().splitlines()
    assert len(reasons) == len(set(reasons))


@pytest.mark.slow
def test_encode_fills_the_store(place, capsys):
    folder, flags = place
    words = ["encode", str(folder / "train.csv"), "--ignore", "label", *flags[:3], "--store", str(folder / "s2")]
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main([*words, "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert first["inputs"].keys() == {"photo@patches", "review@letters"}
    for name, found in first["inputs"].items():
        assert found["encoded"] == found["cells"] > 1
        assert second["inputs"][name]["encoded"] == 0
        assert second["inputs"][name]["found"] == found["cells"]
    assert main(fit(folder, "third", *flags[:3], "--store", str(folder / "s2"))) == 0
    assert "photo@patches: 0 of" in said(folder, "third")
    assert main(words[:-2]) == 2
    assert "--store is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--backbone", "sound=letters"], "neither a modality nor an input"),
        (["--backbone", "text=nowhere"], "no such folder"),
        (["--backbone", "text=package:nothing"], "unknown packaged weights"),
        (["--backbone", "text=hub:nobody/nothing"], "--allow-download"),
        (["--backbone", "text"], "write it as KEY=FOLDER"),
        (["--backbone", "text=letters", "text=mine"], "text is given twice"),
        (["--backbone", "text=letters", "--set", "pretrained.keep.cut=1"], "follows from unfreeze"),
        (["--backbone", "text=letters", "--set", 'pretrained.fusions=["nothing"]'], "unknown fusion 'nothing'"),
        (["--backbone", "text=patches"], "no text backbone that is known here"),
        (["--backbone", "tabular=letters"], "no backbones of this modality"),
        ([], "needs weights"),
    ],
)
def test_what_cannot_be_used_is_said(place, capsys, monkeypatch, words, message):
    folder, _ = place
    monkeypatch.chdir(folder)
    assert main(fit(folder, f"wrong-{len(words)}-{abs(hash(message))}", *words)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_weights_for_a_modality_the_table_lacks_are_a_note(place, capsys):
    folder, flags = place
    more = ["--set", "pretrained.fusions=[]", "--backbone", "video=films", "audio=sounds"]
    assert main(fit(folder, "noted", *flags, *more)) == 0
    for key in ("video=films", "audio=sounds"):
        assert f"note: backbone {key} is not used: the table has no input for it" in said(folder, "noted")
    words = ["encode", str(folder / "train.csv"), "--ignore", "label", "--store", str(folder / "s3"), "--json"]
    assert main([*words, "--backbone", "video=films"]) == 2
    assert "backbone video=films is not used" in capsys.readouterr().err


def test_resumed_with_another_backbone_is_refused(place, capsys):
    """Its weights are part of what the run was begun with."""
    folder, _ = place
    tiny_text(folder / "mine", seed=1)
    assert main(fit(folder, "begun", "--backbone", f"text={folder / 'mine'}")) == 0
    progress = json.loads((folder / "begun" / "progress.json").read_text())
    (folder / "begun" / "progress.json").write_text(json.dumps({**progress, "result": None}))
    tiny_text(folder / "mine", seed=2)
    capsys.readouterr()
    assert main(["fit", "--resume", "--out", str(folder / "begun")]) == 2
    assert "the backbone of review@mine" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------- networks side by side

EPOCHS = 40
TRAINING = (
    *("--set", f"pretrained.train.epochs={EPOCHS}", "--set", f"pretrained.train.patience={EPOCHS}"),
    *("--set", 'pretrained.fusions=["concat", "gated", "film"]'),
)


def outcome(run: Path) -> tuple:
    """What the run knows when it is complete, but for times: the leaderboard, and the networks it kept."""
    from safetensors.numpy import load_file

    lines = json.loads((run / "leaderboard.json").read_text())
    timed = ("cpu_seconds", "ms_per_row")
    board = [{key: value for key, value in line.items() if key not in timed} for line in lines["leaderboard"]]
    networks = {}
    for path in run.glob("checkpoints/pretrained-*/member.safetensors"):
        arrays = load_file(path)
        told = json.loads(arrays.pop("told:").tobytes())
        losses = [(epoch["train_loss"], epoch["valid_loss"]) for epoch in told["facts"]["curve"]]
        networks[path.parent.name] = losses, {name: array.tobytes() for name, array in arrays.items()}
    assert [len(losses) for losses, _ in networks.values()] == [EPOCHS] * 3
    return board, lines["best"], lines["test"], networks


@pytest.fixture(scope="module")
def one_by_one(place):
    folder, flags = place
    assert main(fit(folder, "one-by-one", *flags, *TRAINING, "--set", "processes=1")) == 0
    return outcome(folder / "one-by-one")


needs_fork = pytest.mark.skipif(not side_by_side.possible(), reason="needs a fork")


@needs_fork
@pytest.mark.slow
def test_side_by_side_they_learn_the_same(place, one_by_one, monkeypatch):
    folder, flags = place
    seen, do = [], side_by_side.do
    monkeypatch.setattr(side_by_side, "do", lambda pieces, **given: seen.append([*pieces]) or do(pieces, **given))
    assert main(fit(folder, "together", *flags, *TRAINING, "--set", "processes=2")) == 0
    assert [len(names) for names in seen] == [3]
    assert outcome(folder / "together") == one_by_one


@needs_fork
@pytest.mark.slow
def test_a_network_whose_process_died_is_trained_alone(place, one_by_one, monkeypatch):
    from consilience.workflows import kept

    folder, flags = place
    here, keep = os.getpid(), kept.keep

    def killed(where, fitted):
        if os.getpid() != here and "gated" in where.name:
            os.kill(os.getpid(), signal.SIGKILL)
        keep(where, fitted)

    monkeypatch.setattr(kept, "keep", killed)
    assert main(fit(folder, "died", *flags, *TRAINING, "--set", "processes=2")) == 0
    assert "gated[photo@patches + review@letters + table]: its process ended early" in said(folder, "died")
    assert outcome(folder / "died") == one_by_one


def begin(folder: Path, out: str, flags: list[str]) -> tuple[subprocess.Popen, Path]:
    """A fit that is so far that it has trained a network and trains others."""
    words = fit(folder, out, *flags, *TRAINING, "--set", "processes=2")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(
        [sys.executable, "-m", "consilience", *words], **quiet, env=environment, start_new_session=True
    )
    found, patience = folder / out / "checkpoints", time.monotonic() + 100
    while not [*found.glob("pretrained-*/member.safetensors")] and process.poll() is None:
        assert time.monotonic() < patience
        time.sleep(0.002)
    return process, folder / out


@needs_fork
@pytest.mark.slow
def test_killed_while_they_train_the_run_goes_on_to_the_same_end(place, one_by_one):
    folder, flags = place
    process, run = begin(folder, "killed", flags)
    process.kill()
    process.communicate()
    assert not (run / "leaderboard.json").exists()
    assert main(["fit", "--resume", "--out", str(run)]) == 0
    assert outcome(run) == one_by_one


@needs_fork
@pytest.mark.slow
def test_ctrl_c_keeps_those_that_are_trained(place, one_by_one):
    folder, flags = place
    process, run = begin(folder, "pressed", flags)
    os.killpg(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=100)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    printed = json.loads(out)
    assert any(entry["name"].startswith("pretrained ") for entry in printed["leaderboard"])
    assert printed["test"] is None
    assert main(["fit", "--resume", "--out", str(run)]) == 0
    assert outcome(run) == one_by_one
