"""Sound and film through the commands, as a user would have them: good files, all kinds of bad ones, none at all."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import media_files as media
import numpy as np
import pytest

from consilience.cli import main

pytestmark = pytest.mark.slow  # eight seconds of getting ready
ROWS = 48


def run(*words: object) -> int:
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)


def read(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


BAD = {
    "clip": {
        "m/absent.mp4": "no such file",
        "m/cut.mp4": "damaged or cut off",
        "m/voice.mp4": "there are no pictures in the file, only sound",
        "m/words.mp4": "neither sound nor film",
        "m/empty.mp4": "the file is empty",
    },
    "voice": {
        "m/zero.wav": "the sound has zero channels",
        "m/hours.wav": "36,000 seconds long; the limit is 14,400 (limits.seconds)",
        "m/picture.wav": "neither sound nor film",
        "m/short.wav": "bytes that its header speaks of; what is there is used",
        "m/silent.mp4": "there is no sound in the file",
        "m/slow.wav": "limits.cell_seconds",
    },
}


def spoil(folder: Path, table: list[dict]) -> dict[int, tuple[str, str]]:
    """Put the bad cells in; by line of the table: column and what must be said."""
    film, note = media.film(media.moving_square()), media.wav(media.tone(seconds=2.0))
    files = {
        "cut.mp4": film[: len(film) // 2],
        "voice.mp4": media.sound(media.tone(), "mp4", "aac", 16_000),
        "words.mp4": b"these are words",
        "empty.mp4": b"",
        "zero.wav": media.wav_header(1, channels=0) + bytes(32_000),
        "hours.wav": media.wav_header(36_000),
        "picture.wav": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "short.wav": note[: len(note) // 2],
        "silent.mp4": film,
        "slow.wav": media.wav_header(14_000),
    }
    for name, content in files.items():
        (folder / "m" / name).write_bytes(content)
    os.truncate(folder / "m/hours.wav", 44 + 36_000 * 32_000)
    os.truncate(folder / "m/slow.wav", 44 + 14_000 * 32_000)
    expected, row = {}, 0
    for column, cells in BAD.items():
        for cell, said in cells.items():
            row += 1
            table[row][column] = cell
            expected[row + 2] = (column, said)
    return expected


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, dict[int, tuple[str, str]]]:
    """A fitted run beside its table, and which lines are bad."""
    folder = tmp_path_factory.mktemp("media")
    table = media.table(folder, ROWS)
    expected = spoil(folder, table)
    media.write(folder / "train.csv", table)
    code = run(
        *("fit", folder / "train.csv", "--target", "label", "--preset", "classic", "--out", folder / "run", "--json"),
        *("--set", 'classic.single=["linear"]', "--set", 'classic.joined=["linear"]', "--split", "0.7,0.3,0"),
        *("--set", "limits.cell_seconds=2", "--time-budget", "60s"),
    )
    assert code == 0
    return folder, expected


def test_every_bad_cell_is_said_and_the_run_goes_on(made) -> None:
    folder, expected = made
    found: dict[int, list[tuple[str, str]]] = {}
    for line in read(folder / "run/bad_cells.csv"):
        found.setdefault(int(line["row"]), []).append((line["column"], line["reason"]))
    assert set(found) == set(expected)
    for row, (column, said) in expected.items():
        assert any(where == column and said in reason for where, reason in found[row]), (row, found[row])
    assert max(map(len, found.values())) <= 2


def test_the_sound_of_a_film_is_an_input_of_its_own(made) -> None:
    folder, _ = made
    board = json.loads((folder / "run/leaderboard.json").read_text())["leaderboard"]
    alone = {
        e["inputs"][0]: e["metrics"]["accuracy"]["value"]
        for e in board
        if e["name"].startswith("linear[") and len(e["inputs"]) == 1
    }
    assert set(alone) == {"clip", "clip_sound", "voice", "table"}
    joined = next(e for e in board if e["name"].startswith("linear[") and len(e["inputs"]) == 4)
    assert joined["metrics"]["accuracy"]["value"] >= max(alone.values())
    assert joined["metrics"]["accuracy"]["value"] >= 0.7


def test_predict_takes_any_cell_missing(made) -> None:
    folder, _ = made
    table = read(folder / "train.csv")[20:32]
    rows = [*table, {**table[0], "clip": ""}, {**table[0], "voice": ""}, {**table[0], "clip": "", "voice": ""}]
    media.write(folder / "new.csv", rows)
    assert run("predict", folder / "run", folder / "new.csv", "--out", folder / "answers.csv", "--proba") == 0
    answers = read(folder / "answers.csv")
    assert len(answers) == len(rows)
    assert np.mean([a["prediction"] == a["label"] for a in answers[:12]]) >= 0.7
    media.write(folder / "turned.csv", rows[::-1])
    assert run("predict", folder / "run", folder / "turned.csv", "--out", folder / "turned_answers.csv", "--proba") == 0
    turned = read(folder / "turned_answers.csv")[::-1]
    probabilities = [[float(a[f"proba_{label}"]) for label in media.LABELS] for a in answers]
    np.testing.assert_allclose(
        probabilities, [[float(a[f"proba_{label}"]) for label in media.LABELS] for a in turned], atol=1e-6
    )


def test_inspect_says_what_is_a_film_and_has_sound(made, capsys) -> None:
    folder, _ = made
    assert run("inspect", folder / "train.csv", "--json") == 0
    said = {c["name"]: c for c in json.loads(capsys.readouterr().out)["columns"]}
    assert said["clip"]["kind"] == "video"
    assert "have a sound track" in said["clip"]["reason"]
    assert said["voice"]["kind"] == "audio"


def test_serve_takes_a_recording(made) -> None:
    from starlette.testclient import TestClient

    from consilience.bundle.load import load
    from consilience.serve.config import ServeConfig
    from consilience.serve.engine import Engine
    from consilience.serve.metrics import Metrics
    from consilience.serve.rest import application

    folder, _ = made
    note = (folder / "m/30.wav").read_bytes()
    film = (folder / "m/30.avi").read_bytes()
    engine = Engine(load(folder / "run"), ServeConfig(), Metrics())
    with TestClient(application(engine), raise_server_exceptions=False) as client:
        sent = client.post("/v1/predict", files={"voice": ("note.wav", note), "clip": ("film.avi", film)})
        assert sent.status_code == 200, sent.text
        assert media.LABELS[30 % 4] in sent.text
        assert client.post("/v1/predict", files={"voice": ("note.wav", note)}).status_code == 200
        broken = client.post("/v1/predict", files={"voice": ("note.wav", b"not a sound")})
        assert broken.status_code in (400, 422)
        assert "neither sound nor film" in broken.text
        page = client.get("/").text
        assert 'accept="audio/*"' in page
        assert 'accept="video/*"' in page


def test_networks_and_their_export(made, tmp_path, capsys) -> None:
    folder, _ = made
    table = [row for n, row in enumerate(read(folder / "train.csv")) if n == 0 or n > 11]
    media.write(folder / "good.csv", table)
    out = tmp_path / "deep"
    assert (
        run(
            *(
                "fit",
                folder / "good.csv",
                "--target",
                "label",
                "--preset",
                "deep",
                "--out",
                out,
                "--json",
                "--ignore",
                "price",
            ),
            *("--split", "0.8,0.2,0", "--set", "train.epochs=2", "--set", "deep.width=32"),
        )
        == 0
    )
    best = json.loads((out / "leaderboard.json").read_text())
    assert any(e["preset"] == "deep" and len(e["inputs"]) == 3 for e in best["leaderboard"])


def test_without_pyav_the_extra_is_named(made, monkeypatch, capsys) -> None:
    import importlib.util

    folder, _ = made
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "av" else real(name, *more))
    assert run("predict", folder / "run", folder / "train.csv", "--out", folder / "x.csv") == 2
    assert "pip install 'consilience[media]'" in capsys.readouterr().err
