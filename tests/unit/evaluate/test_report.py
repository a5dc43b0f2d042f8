"""The report: one page that opens anywhere, fetches nothing, says the right things, and that no label can break."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilience.core.errors import UserError
from consilience.evaluate import by_group, score, template
from consilience.evaluate.report import render, write_report

VOID = {"meta", "img", "input", "link", "br"}
HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style><script>alert(1)</script>",
    "{body} {0} %s ${x}",
    "<!-- &lt;b&gt; ]]>",
    "灰色 عربى 👩‍🔬",
]


class Page(HTMLParser):
    """Parses strictly: every tag is closed in order; remembers tags, attributes, texts and what scripts hold."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self.scripts: list[str] = []
        self.headless = 0  # <svg> whose first child is not a <title>
        self._after_svg = False
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        if self._after_svg and tag != "title":
            self.headless += 1
        self._after_svg = tag == "svg"
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._after_svg = False
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open[-1:] == ["script"] else self.parts).append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.parts))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.seen if name == tag]


def measured(seed: int, strength: float, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, len(names), 200)
    powers = np.exp(rng.normal(size=(200, len(names))) + strength * np.eye(len(names))[target])
    answers = powers / powers.sum(1, keepdims=True)
    return answers, target, score("classification", answers, target, names=names, resamples=50)


def entry(name: str, metrics: dict[str, Any], **others: Any) -> dict[str, Any]:
    plain = {"preset": "classic", "fusion": None, "inputs": ["question"], "cpu_seconds": 1.25, "ms_per_row": 0.04}
    return {"name": name, "metrics": metrics, **plain, **others}


def full(names: tuple[str, ...] = ("red", "green", "blue"), say: Any = str) -> Any:
    """A report with every section; every string that comes from outside goes through `say`."""
    answers, target, best = measured(0, 4, names)
    *_, weak = measured(1, 0.5, names)
    cells = [say(f"group {n % 3}") for n in range(200)]
    return {
        "target": say("answer"),
        "task": "classification",
        "primary": "accuracy",
        "leaderboard": [
            entry(say("film"), best, preset=say("deep"), fusion=say("film"), inputs=[say("question"), say("image")]),
            entry(say("question alone"), weak),
        ],
        "best": say("film"),
        "rows": {"train": 38575, "valid": 200, "test": 9673},
        "seed": 3,
        "date": say("2026-11-22"),
        "version": say("0.1.0"),
        "data": say("train.csv"),
        "baselines": [{"label": say("always answering the most frequent class"), **weak["accuracy"]}],
        "test": best,
        "details": best["details"],
        "curves": [
            {
                "name": say("film"),
                "epochs": [
                    {"epoch": n, "train_loss": 2 / n, "valid_loss": 2.1 / n, "metric": 1 - 1 / n} for n in range(1, 900)
                ],
            }
        ],
        "groups": {say("kind of question"): by_group("classification", answers, target, cells, names=names)},
        "columns": [
            {
                "column": say("image"),
                "kind": say("image"),
                "modality": say("image"),
                "reason": say("98 % are paths to pictures"),
                "missing": 0.031,
                "bad": 14,
            }
        ],
        "warnings": [say("3 pictures are on both sides of the split")],
        "bad_cells": [
            {"column": say("image"), "reason": say("no such file"), "rows": 3, "example": say("row 7: none")}
        ],
        "audit": audited(say),
        "errors": [
            {
                "row": 12,
                "true": say("red"),
                "predicted": say("green"),
                "confidence": 0.91,
                "cells": [{"input": say("question"), "words": say("what colour?\nreally"), "data": ""}],
            }
        ],
        "config": say("[train]\nlr = 0.001\n"),
    }


def told(value: float) -> dict[str, Any]:
    return {"value": value, "ci95": [value - 0.01, value + 0.01]}


def audited(say: Any) -> dict[str, Any]:
    given = {"alone": told(0.3), "missing": told(0.1), "permuted": told(0.2), "retrained": None, "shapley": told(0.25)}
    given["cost"] = {"load_ms": 0.5, "answer_ms": 0.25, "megabytes": 1.5}
    said = say("question earns its keep")
    masked = {**told(0.9), "loss": told(0.0)}
    return {
        "form": "short", "model": say("film"), "on": "test", "rows": 200, "metric": "accuracy", "score": told(0.9),
        "baselines": [{"name": say("majority"), "inputs": [], "how": "constant", **told(0.3), "gain": told(0.6)}],
        "subsets": [{"inputs": inputs, "masked": masked, "retrained": None} for inputs in ([], [say("question")])],
        "retrained_with": None,
        "shapley": {"exact": True, "permutations": 0, "total": told(0.6), "values": {say("question"): told(0.25)}},
        "inputs": {say("question"): {**given, "verdict": "earns", "said": said}},
        "findings": [], "verdict": [said], "skipped": [say("nothing was retrained")],
    }  # fmt: skip


def regression() -> Any:
    rng = np.random.default_rng(0)
    target = rng.normal(100, 20, 150)
    best, weak = (
        score("regression", (target + rng.normal(0, s, 150))[:, None], target, names=("price",)) for s in (3, 30)
    )
    return {
        "target": "price",
        "task": "regression",
        "primary": "rmse",
        "leaderboard": [entry("trees", best), entry("linear", weak)],
        "best": "trees",
        "rows": {"valid": 150},
        "baselines": [{"label": "always answering the mean", **weak["rmse"]}],
        "details": best["details"],
    }


def test_a_full_page_is_well_formed_and_has_every_section() -> None:
    page = Page(render(full()))
    for title in (
        "Predicting answer",
        "Worth a look",
        "Leaderboard",
        "Does each input earn its keep?",
        "What quality costs",
        "Worst errors",
        "Bad cells",
        "What is taken for what",
        "Per class",
        "Calibration",
        "By kind of question",
        "Learning curves",
        "Columns",
        "Reading the numbers",
        "Config",
    ):
        assert title in page.text, title
    for said in ("38,575", "9,673", "train.csv", "lr = 0.001", "98 % are paths", "3.1", "group 2", "0.1.0"):
        assert said in page.text, said


def test_the_page_refers_to_nothing_outside_itself() -> None:
    for data in (full(), regression()):
        content = render(data)
        page = Page(content)
        assert "http:" not in content
        assert "https:" not in content
        assert "url(" not in content
        assert "@import" not in content
        references = [v for _, attrs in page.seen for k, v in attrs.items() if k in ("src", "href", "srcset", "action")]
        assert references == ["#main"]
        assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.seen}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_name_label_or_text_becomes_markup(hostile: str) -> None:
    harmless, attacked = (
        Page(render(full(names=(f"a{x}", f"b{x}", f"c{x}"), say=lambda s, x=x: s + x)))
        for x in ("x" * len(hostile), hostile)
    )
    assert [tag for tag, _ in attacked.seen] == [tag for tag, _ in harmless.seen]
    assert [sorted(attrs) for _, attrs in attacked.seen] == [sorted(attrs) for _, attrs in harmless.seen]
    assert not [name for _, attrs in attacked.seen for name in attrs if name.startswith("on")]
    assert attacked.scripts == [template.SCRIPT]
    assert attacked.text.count(hostile) > 30  # shown as it was written, everywhere


def test_what_a_file_cannot_hold_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, full(say=lambda s: s + "\x00\x1b[31m\ud800"))
    content = path.read_bytes().decode("utf-8")
    assert "\x00" not in content
    assert "\x1b" not in content
    Page(content)


def test_the_policy_allows_our_script_and_no_other() -> None:
    page = Page(render(full()))
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    assert policy is not None
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_it_can_be_read_aloud() -> None:
    for data in (full(), regression()):
        page = Page(render(data))
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("h1")) == 1
        assert page.all("th")
        assert all(a.get("scope") in ("row", "col") for a in page.all("th"))
        assert page.all("svg")
        assert all(a.get("aria-label") and a.get("role") == "img" for a in page.all("svg"))
        assert page.headless == 0


def test_the_verdict_says_how_good_and_compared_with_what() -> None:
    data = full()
    data["leaderboard"][0]["metrics"]["accuracy"] = {"value": 0.971, "ci95": [0.964, 0.976]}
    data["test"] = {"accuracy": {"value": 0.968, "ci95": [0.96, 0.975]}}
    data["baselines"] = [
        {"label": "always answering the most frequent class", "value": 0.373, "ci95": [0.36, 0.39]},
        {"label": "the best single input", "value": 0.96, "ci95": [0.95, 0.97]},
        {"label": "the twin", "value": 0.971, "ci95": [0.95, 0.97]},
        {"label": "the rival", "value": 0.99, "ci95": None},
    ]
    said = Page(render(data)).text.replace("\u00a0", " ")
    for sentence in (
        "film is the best of 2 models: accuracy 97.1 % on the 200 validation rows (95 % interval 96.4 % to 97.6 %).",
        "On the 9,673 test rows, which took no part in any choice: 96.8 % (95 % interval 96.0 % to 97.5 %).",
        "Always answering the most frequent class: 37.3 %. The best model is 59.8 points better, clearly",
        "The best single input: 96.0 %. The best model is 1.1 points better, but the intervals overlap",
        "The twin: 97.1 %. The best model is exactly as good.",
        "The rival: 99.0 %. The best model is 1.9 points worse.",
    ):
        assert sentence in said, sentence


def test_where_less_is_better_the_verdict_knows() -> None:
    data = regression()
    data["leaderboard"][0]["metrics"]["rmse"] = {"value": 3.0, "ci95": [2.5, 3.5]}
    data["baselines"] = [{"label": "always answering the mean", "value": 30.5, "ci95": [29, 31]}]
    said = Page(render(data)).text
    assert "trees is the best of 2 models: RMSE 3 on the 150 validation rows (95 % interval 2.5 to 3.5)." in said
    assert "Always answering the mean: 30.5. The best model is 27.5 better, clearly" in said
    assert "a little optimistic" in said
    assert "Predicted against true" in said
    assert "What is taken for what" not in said


def test_the_least_it_needs_is_enough_and_undefined_numbers_are_dashes() -> None:
    nothing = {"accuracy": {"value": None, "ci95": None}}
    data: Any = {
        "target": "y",
        "task": "classification",
        "primary": "accuracy",
        "best": "only",
        "leaderboard": [entry("only", nothing, cpu_seconds=None, ms_per_row=None, inputs=[])],
    }
    page = Page(render(data))
    assert "only is the only model: accuracy – on the validation rows." in page.text
    for title in ("Config", "Columns", "Learning curves", "Per class", "Worth a look", "Calibration"):
        assert f"<h2>{title}" not in render(data), title
    data["baselines"] = [{"label": "the mean", "value": None, "ci95": None}]
    data["curves"] = [{"name": "n", "epochs": [{"epoch": 1, "train_loss": None, "valid_loss": float("nan")}]}]
    data["details"] = score("classification", np.zeros((0, 2)), np.zeros(0, int), names="ab")["details"]
    assert "The mean: –." in Page(render(data)).text


@pytest.mark.parametrize(("classes", "drawn"), [(30, True), (31, False), (120, False)])
def test_large_confusion_matrices_become_pairs(classes: int, drawn: bool) -> None:
    page = Page(render(full(names=tuple(f"class {n}" for n in range(classes)))))
    assert any("matrix" in (a.get("class") or "") for a in page.all("table")) == drawn
    assert "Most confused pairs" in page.text


def test_only_the_best_is_marked() -> None:
    page = Page(render(full()))
    assert [a.get("class") for a in page.all("tr")].count("best") == 2  # in the leaderboard, and in the full one


def test_long_curves_are_thinned_but_end_where_they_ended() -> None:
    content = render(full())
    lines = [line.split() for line in re.findall(r'<polyline class="line [ab]" points="([^"]+)"', content)]
    assert max(map(len, lines)) <= 301
    right = {line[-1].split(",")[0] for line in lines if len(line) > 200}
    assert right == {"448.0"}


def test_an_older_page_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(str(path), full())
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        write_report(tmp_path / "absent" / "report.html", full())
    with pytest.raises(UserError, match="'nobody' is not on the leaderboard, which holds film, question alone"):
        render({**full(), "best": "nobody"})


def test_the_page_shows_what_was_seen_and_heard_and_says_that_it_holds_rows() -> None:
    data = full()
    kinds = {"image/png": "img", "audio/wav": "audio", "video/mp4": "video"}
    urls = {kind: f"data:{kind};base64,AAAA" for kind in kinds}
    cells = [{"input": kind, "words": "", "data": url} for kind, url in urls.items()]
    data["errors"][0]["cells"] = [*cells, {"input": "odd", "words": "", "data": "javascript:alert(1)"}]
    page = Page(render(data))
    for kind, tag in kinds.items():
        (found,) = page.all(tag)
        assert found["src"] == urls[kind]
        assert found.get("alt") or found.get("aria-label")
    assert "javascript" not in render(data)
    assert "This page shows 1 rows of the data." in page.text
    assert "This page holds no row of the data." in Page(render({**full(), "errors": []})).text


def test_costs_are_drawn_for_models_that_look_at_something() -> None:
    page = Page(render(full()))
    drawn = [a["aria-label"] for a in page.all("svg") if "against" in str(a["aria-label"])]
    assert "Accuracy against ms per row of every model" in drawn
    free = full()
    for line in free["leaderboard"]:
        line["cpu_seconds"], line["ms_per_row"] = 0.0, None
    assert "What quality costs" not in Page(render(free)).text
