"""Candidates: told apart by name, and fitted again by what their first fit found out."""

from __future__ import annotations

import pytest

import consilience as cs
from consilience.core.config import Part
from consilience.core.progress import Reporter
from consilience.models.learners import LEARNERS
from consilience.workflows import presets
from consilience.workflows.presets import titles


def test_titles() -> None:
    def part(kind: str, **settings: object) -> Part:
        return Part(kind=kind, config=LEARNERS.load(kind).Config(**settings))

    assert titles([part("linear"), part("trees", max_iter=3)]) == ["linear", "trees"]
    parts = [part("trees", max_iter=3), part("linear"), part("trees"), part("trees", max_iter=4)]
    assert titles(parts) == ["trees max_iter=3", "linear", "trees", "trees max_iter=4"]


def test_two_settings_of_a_learner_are_two_models(tmp_path) -> None:
    rows = [{"a": i % 7, "b": (i * 5) % 11, "y": (i % 7) * ((i * 5) % 11) * 1.0} for i in range(120)]
    joined = [{"kind": "trees", "max_iter": 1}, {"kind": "trees", "max_iter": 60}]
    config = {"classic": {"single": [], "joined": joined}, "audit": {"at_end": False}}
    board = cs.fit(rows, target="y", preset="classic", config=config, out=tmp_path / "run").leaderboard
    scores = {line["name"]: line["metrics"]["mae"]["value"] for line in board if "trees" in line["name"]}
    assert scores["trees max_iter=1[table]"] > 1.5 * scores["trees max_iter=60[table]"]


def test_folds_and_the_last_fit_keep_the_C_that_was_found(tmp_path, monkeypatch) -> None:
    words = ["apple", "pear", "plum", "grape", "carrot", "leek", "kale", "beet"]
    rows = [{"a": f"the {words[n % 8]} of day {n}", "b": n, "y": "fruit" if n % 8 < 4 else "root"} for n in range(240)]
    learned: list[tuple[tuple[str, ...], float]] = []
    plain = presets.fit_classic

    def spy(part: Part, *given: object, inputs: tuple[str, ...], **named: object) -> object:
        if part.kind == "linear":
            learned.append((inputs, part.config.C))
        return plain(part, *given, inputs=inputs, **named)

    monkeypatch.setattr(presets, "fit_classic", spy)
    cs.fit(rows, target="y", preset="classic", config={"audit": {"at_end": False}}, out=tmp_path / "run")
    for inputs in {inputs for inputs, _ in learned}:
        first, *again = [C for own, C in learned if own == inputs]
        assert first == 0
        assert all(C >= 1 for C in again)
    assert len(learned) > 3
    assert max(C for _, C in learned) > 1


class Said(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize(("rows", "ends"), [(2800, True), (280, False)], ids=["many rows", "few rows"])
def test_a_search_ends_when_nothing_left_could_win(tmp_path, rows: int, ends: bool) -> None:
    words = ["apple", "pear", "plum", "grape", "carrot", "leek", "kale", "beet"]
    made = [
        {"a": f"the {words[n % 8]} of day {n}", "b": n * 7919 % 1000, "y": "fruit" if n % 8 < 4 else "root"}
        for n in range(rows)
    ]
    config = {
        "audit": {"at_end": False},
        "report": {"errors": 0},
        "time_budget": 60.0,
        "data": {"group_repeats": False},
    }
    said = Said()
    found = cs.fit(made, target="y", preset="classic", config=config, out=tmp_path / "run", reporter=said)
    assert any("nothing left could win" in line for line in said.lines) is ends
    assert any(line["preset"] == "ensemble" for line in found.leaderboard) is not ends
    names = {line["name"] for line in found.leaderboard}
    assert {"linear[a]", "linear[table]"} <= names  # what each input is worth is known all the same
    assert found.test is not None
    assert found.test["accuracy"]["value"] == 1.0
    plan = [line for line in said.lines if line.startswith("plan: ")]
    assert f"{rows * 7 // 10:,} training rows, 2 columns in 2 inputs" in plan[0]
    assert "9 models in this order" in plan[1]
