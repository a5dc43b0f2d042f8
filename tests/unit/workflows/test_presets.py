"""Candidates are told apart by name: two settings of one kind are two lines, and neither is taken for the other."""

from __future__ import annotations

import consilience as cs
from consilience.core.config import Part
from consilience.models.learners import LEARNERS
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
