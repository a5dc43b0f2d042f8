"""Everything a user can get wrong: an exit code of 2 and a sentence, or a line in bad_cells.csv; never a traceback."""

import csv
import errno
import json
import os
import random
import shutil
import struct
import zlib
from pathlib import Path

import pytest

from consilience.cli import main


@pytest.fixture
def cli(capsys):
    """Run the CLI in this process: (exit code, standard output, standard error)."""

    def call(*words):
        try:
            code = main([str(w) for w in words])
        except SystemExit as stop:  # argparse
            code = stop.code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return code, printed.out, printed.err

    return call


def fit(cli, table, *more, target="label"):
    out = Path(table).parent / "run"
    named = () if "--target" in more else ("--target", target)
    words = ("fit", table, *named, "--preset", "classic", "--time-budget", "40s", "--out", out, "--json")
    return (*cli(*words, "--set", 'classic.single=["linear"]', "--set", 'classic.joined=["linear"]', *more), out)


def rewrite(path, change):
    """Change the rows of a CSV: `change(row number, row)`."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        change(number, row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def bad_cells(run, name="bad_cells.csv"):
    with (run / name).open(newline="") as file:
        return [(int(r["row"]), r["column"], r["reason"]) for r in csv.DictReader(file)]


def gigapixels() -> bytes:
    """A PNG whose header says 40,000 x 40,000; decoded it would take 4.8 GB."""
    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("fit", "none.csv", "--target", "y"), "none.csv"),
        (("fit",), "TABLE"),
        (("fit", "t.csv"), "--target COL"),
        (("fit", "t.csv", "--target", "a", "--target", "b"), "--target: given twice, as 'a' and 'b'"),
        (("fit", "t.csv", "--target", "a", "--group", "b", "--group", "c"), "--group: given twice"),
        (("fit", "t.csv", "--weight", "b", "--weight=c"), "--weight: given twice"),
        (("inspect", "t.csv", "--target", "a", "--target", "b"), "--target: given twice"),
        (("evaluate", "run", "t.csv", "--by", "a", "--by", "b"), "--by: given twice"),
        (("evaluate", "none", "none.csv"), "no such run"),
        (("predict", ".", "none.csv"), "neither a run nor a bundle"),
        (("config", "show"), "one of the two"),
        (("config", "show", "--preset", "depe"), "Did you mean 'deep'"),
        (("list", "colours"), "invalid choice"),
        (("nonsense",), "invalid choice"),
        (("demo", "--data", "easy-vq"), "Did you mean 'easy-vqa'"),
    ],
)
def test_wrong_calls(cli, words, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(*words)
    assert code == 2
    assert out == ""
    assert says in err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--target", "lable"), "Did you mean 'label'"),
        (("--ignore", "pric"), "Did you mean 'price'"),
        (("--group", "shopp"), "Did you mean 'shop'"),
        (("--split", "0.5,0.5"), "add up to 1"),
        (("--split", "1,0,0"), "validation needs rows"),
        (("--time-budget", "soon"), "time budget"),
        (("--input", "p=picture:photo"), "picture"),
        (("--input", "p=image:foto"), "Did you mean 'photo'"),
        (("--input", "photo"), "NAME=KIND:COL"),
        (("--set", "classic.linear.C=1"), "classic.linear: unknown key"),
        (("--set", "train.lr=1"), "would do nothing"),
        (("--set", "inputs.photo.siz=32"), "Did you mean 'size'"),
        (("--set", "inputs.foto.size=32"), "no such input"),
        (("--set", "seed=one"), "seed: expected a whole number"),
        (("--media-root", "nowhere"), "no such folder"),
        (("--config", "none.toml"), "none.toml"),
        (("--task", "regression"), "is not a finite number"),
        (("--preset", "clasic"), "Did you mean 'classic'"),
        (("--ignore", "photo", "--ignore", "review", "--input", "table=number:label"), "target"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_flags(cli, mixed_table, more, says):
    code, out, err, _ = fit(cli, mixed_table, *more)
    assert code == 2, err
    assert out == ""
    assert says in err


def test_an_existing_run_is_not_overwritten(cli, mixed_table):
    (mixed_table.parent / "run").mkdir()
    (mixed_table.parent / "run" / "precious.txt").write_text("mine")
    code, _, err, run = fit(cli, mixed_table)
    assert code == 2
    assert "not empty" in err
    assert [p.name for p in run.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"photo,label\n", "no row"),
        (b"photo,label\na.png,x,extra\n", "line 2"),
        (b"photo,photo\na,b\n", "photo"),
        ("label,review\nrot,sch\u00f6n\n".encode("latin-1"), "UTF-8"),
        ("label,review\n\u597d,\u5f88\u597d\n".encode("gb18030"), "UTF-8"),
    ],
)
def test_tables_that_are_none(cli, tmp_path, content, says):
    table = tmp_path / "t.csv"
    table.write_bytes(content)
    code, _, err, _ = fit(cli, table)
    assert code == 2, err
    assert "t.csv" in err
    assert says in err


def test_bad_pictures_of_every_kind_are_lines_in_a_file(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=120)
    photos = tmp_path / "photos"
    (tmp_path / "outside.png").write_bytes((photos / "train-000.png").read_bytes())
    whole = (photos / "train-001.png").read_bytes()
    (photos / "zero.png").write_bytes(b"")
    (photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "text.png").write_text("no picture at all")
    (photos / "huge.png").write_bytes(gigapixels())
    wrong = {
        0: ("photos/zero.png", "zero bytes"),
        7: ("photos/cut.png", ""),
        14: ("photos/text.png", ""),
        21: ("photos/huge.png", "too many pixels"),
        28: ("photos/nowhere.png", "no such file"),
        35: ("../outside.png", "outside the media root"),
        42: ("photos", "not a regular file"),
    }
    (tmp_path.parent / "outside.png").write_bytes(whole)
    rewrite(table, lambda n, row: row.update(photo=wrong[n][0]) if n in wrong else None)
    code, out, err, run = fit(cli, table, "--media-root", str(tmp_path), "--confine")
    assert code == 0, err
    listed = {row: reason for row, column, reason in bad_cells(run) if column == "photo"}
    assert set(listed) == {n + 2 for n in wrong}  # the line of the CSV, whose first line is the header
    for n, (_, reason) in wrong.items():
        assert reason in listed[n + 2]
    assert "photo: 7 of" in err
    assert json.loads(out)["test"]["accuracy"]["value"] > 0.5


def test_half_of_the_pictures_corrupted(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=150)
    photos = sorted((tmp_path / "photos").iterdir())
    rng = random.Random(0)
    for photo in rng.sample(photos, len(photos) // 2):
        content = photo.read_bytes()
        photo.write_bytes(rng.choice([b"", content[:40], rng.randbytes(100)]))
    code, out, err, run = fit(cli, table)
    assert code == 0, err
    assert len({row for row, column, _ in bad_cells(run) if column == "photo"}) >= 60
    assert "could not be used" in err
    assert json.loads(out)["test"]["accuracy"]["value"] > 0.3


def test_every_picture_unusable_is_an_error_that_names_the_remedy(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=60)
    code, _, err, _ = fit(cli, table, "--media-root", tmp_path / "photos")
    assert code == 2
    assert "--media-root" in err
    assert "photo" in err


def test_mixed_types_in_a_number_column(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=100)
    rewrite(table, lambda n, row: row.update(price="twelve") if n in (5, 6) else None)
    code, _, err, run = fit(cli, table)
    assert code == 0, err
    found = [(row, reason) for row, column, reason in bad_cells(run) if column == "price"]
    assert [row for row, _ in found] == [7, 8]
    assert all("twelve" in reason for _, reason in found)


def test_targets_that_are_missing_are_left_out_and_said(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=100)
    rewrite(table, lambda n, row: row.update(label="") if n < 3 else None)
    code, _, err, run = fit(cli, table)
    assert code == 0, err
    assert [(r, c) for r, c, reason in bad_cells(run) if "no target" in reason] == [
        (2, "label"),
        (3, "label"),
        (4, "label"),
    ]


def test_words_for_nothing_among_the_numbers_of_a_target(cli, make_mixed_table, tmp_path):
    """As data frames write them. They neither make labels of the numbers nor end the run."""
    table = make_mixed_table(tmp_path, rows=100)
    rewrite(table, lambda n, row: row.update(price=("NA", "NaN", "null")[n]) if n < 3 else None)
    code, out, err, run = fit(cli, table, target="price")
    assert code == 0, err
    assert {"rmse"} <= set(json.loads(out)["test"])
    assert [r for r, _, reason in bad_cells(run) if "no target" in reason][:3] == [2, 3, 4]


def test_a_word_that_is_a_label_stays_one_wherever_it_is_read(cli, make_mixed_table, tmp_path):
    """Named in the order of ranks, or known to the model: then "None" is no gap, though all others are numbers."""
    table = make_mixed_table(tmp_path, rows=120)
    rewrite(table, lambda n, row: row.update(label=("None", "1", "2", "3+")[n % 4]))
    code, _, err, run = fit(cli, table)
    assert code == 0, err
    some = tmp_path / "some.csv"
    some.write_text("".join(line for line in table.read_text().splitlines(True) if "3+" not in line))
    code, out, err = cli("evaluate", run, some, "--json")
    assert (code, json.loads(out)["rows"]) == (0, 90), err
    rewrite(table, lambda n, row: row.update(label=("None", "1", "2", "3")[n % 4]))
    shutil.rmtree(run)
    order = ("--task", "ordinal", "--set", 'task.order=["None", "1", "2", "3"]')
    code, out, err, run = fit(cli, table, *order)
    assert code == 0, err
    assert not [1 for _, _, reason in bad_cells(run) if "no target" in reason]


def test_a_word_for_nothing_among_labels_is_said(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=100)
    rewrite(table, lambda n, row: row.update(label="NA") if n % 4 == 0 else None)
    code, _, err, _ = fit(cli, table)
    assert code == 0
    assert "'NA' is taken for a label" in err


def test_what_is_refused_is_not_in_the_way_of_what_is_right(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=80)
    for wrong in (("--weight", "review"), ("--group", "nobody"), ("--ignore", "photo,review,price,shop,day")):
        code, _, _, run = fit(cli, table, *wrong)
        assert code == 2
        assert not run.exists()
    assert fit(cli, table, target="nothing")[0] == 2
    run.mkdir()
    assert fit(cli, table, "--weight", "review")[0] == 2
    assert list(run.iterdir()) == []  # the folder was the user's
    code, _, err, _ = fit(cli, table)
    assert code == 0, err


def test_a_media_root_that_is_not_there_is_named(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=80)
    assert fit(cli, table)[0] == 0
    for words in (("predict", tmp_path / "run", table, "--out", tmp_path / "a.csv"), ("inspect", table)):
        code, _, err = cli(*words, "--media-root", tmp_path / "nowhere")
        assert (code, "there is no such folder" in err) == (2, True), err


def test_no_target_at_all(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path)
    rewrite(table, lambda n, row: row.update(label=""))
    code, _, err, _ = fit(cli, table)
    assert code == 2
    assert "none with a target" in err


def test_one_class_only(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path)
    rewrite(table, lambda n, row: row.update(label="red"))
    code, _, err, _ = fit(cli, table)
    assert code == 2
    assert "same label" in err


def test_a_label_seen_once_is_kept_and_said(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=100)
    rewrite(table, lambda n, row: row.update(label="violet") if n == 50 else None)
    code, out, err, run = fit(cli, table)
    assert code == 0, err
    assert "violet" in err
    assert "violet" in (run / "bundle" / "manifest.json").read_text()
    assert json.loads(out)["best"]


def test_a_test_label_never_seen_counts_as_wrong(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=150)
    test = make_mixed_table(tmp_path, rows=60, name="test.csv")
    rewrite(test, lambda n, row: row.update(label="violet") if n % 2 else None)
    code, out, err, _ = fit(cli, table, "--test", test)
    assert code == 0, err
    assert "violet" in err
    assert json.loads(out)["test"]["accuracy"]["value"] <= 0.5


def test_unseen_categories_and_empty_texts_are_answered(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=120)
    code, _, err, run = fit(cli, table)
    assert code == 0, err
    new = make_mixed_table(tmp_path, rows=20, name="new.csv")
    rewrite(new, lambda n, row: row.update(shop="the moon", review="   " if n % 2 else "", day="someday"))
    code, out, err = cli("predict", run, new)
    assert code == 0, err
    assert len(out.splitlines()) == 21


def test_predict_without_any_known_column(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=100)
    _, _, _, run = fit(cli, table)
    other = tmp_path / "other.csv"
    other.write_text("foto\nx.png\n")
    code, _, err = cli("predict", run, other)
    assert code == 2
    assert "none of the model's columns" in err
    (tmp_path / "header.csv").write_text("photo,review\n")
    code, _, err = cli("predict", run, tmp_path / "header.csv")
    assert code == 2
    assert "no rows" in err


@pytest.mark.parametrize("name", ["weights.safetensors", "manifest.json", "golden.safetensors", "config.toml"])
def test_a_damaged_bundle_is_refused_and_the_file_named(cli, make_mixed_table, tmp_path, name):
    table = make_mixed_table(tmp_path, rows=100)
    _, _, _, run = fit(cli, table)
    path = run / "bundle" / name
    content = path.read_bytes()
    for damage in (content[: len(content) // 2], content[:-1] + bytes([content[-1] ^ 1]), None):
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage)
        code, _, err = cli("predict", run, table)
        assert code == 2, damage
        assert name in err


def test_duplicates_between_train_and_test_are_said(cli, make_mixed_table, tmp_path):
    table = make_mixed_table(tmp_path, rows=120)
    test = tmp_path / "test.csv"
    lines = table.read_text().splitlines()
    test.write_text("\n".join([lines[0], *lines[1:30]]) + "\n")
    code, _, err, _ = fit(cli, table, "--test", test)
    assert code == 0, err
    assert "seen in training" in err


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        (lambda n: f"https://example.org/{n}", "--allow-url example.org"),
        (lambda n: f"scans/{n:04}.dcm", "--media-root"),
        (lambda n: ["::", "->", "1:2/3", "4.4.4.4", "?!"][n % 5] + str(n), "--ignore odd"),
    ],
    ids=["URLs", "files nobody reads", "junk"],
)
def test_an_odd_column_is_left_out_and_said(cli, make_mixed_table, tmp_path, odd, says):
    table = make_mixed_table(tmp_path, rows=80)
    rewrite(table, lambda n, row: row.update(odd=odd(n)))
    code, out, err = cli("inspect", table, "--target", "label", "--json")
    assert code == 0, err
    report = next(c for c in json.loads(out)["columns"] if c["name"] == "odd")
    assert report["kind"] == "unknown"
    assert says in report["hint"]
    code, out, err = cli("inspect", table, "--target", "label")
    assert "Left out, since nothing here recognises them (1):" in out
    assert f"  odd: {report['hint']}" in out
    code, _, err, run = fit(cli, table)
    assert code == 0, err
    assert f"warning: column 'odd' is left out: {report['reason']}" in err
    board = json.loads((run / "leaderboard.json").read_text())
    assert all("odd" not in line["inputs"] for line in board["leaderboard"])
    assert "is left out" in (run / "report.html").read_text()


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, {1, 2}], ids=["list", "dict", "set"])
def test_values_no_cell_may_hold_cost_their_column_alone(value, tmp_path):
    import consilience as cs

    rows = [{"size": n % 9, "odd": value, "label": "ab"[n % 9 > 4]} for n in range(90)]
    found = cs.fit(rows, target="label", preset="classic", out=tmp_path / "run", config={"time_budget": 30.0})
    assert [w for w in found.warnings if w.startswith("column 'odd' is left out: ") and "--ignore odd" in w]
    assert found.test["accuracy"]["value"] > 0.8


def test_what_is_planned_is_said_first(cli, mixed_table):
    _, _, err, _ = fit(cli, mixed_table)
    plan = [line for line in err.splitlines() if line.startswith("plan: ")]
    assert "5 columns in 3 inputs; of the time budget of 40 s" in plan[0]
    assert "linear[photo], linear[review], linear[table], linear[photo + review + table]" in plan[1]


@pytest.mark.parametrize("where", ["write_splits", "search", "finish", "save"])
def test_a_disk_that_fills_up_leaves_a_run_to_go_on_with(tmp_path, cli, make_mixed_table, monkeypatch, where):
    table = make_mixed_table(tmp_path, rows=60)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(f"consilience.workflows.fit.{where}", full)
        code, _, said, out = fit(cli, table, "--no-audit")
    assert code == 2
    assert f"{out}: No space left on device" in said
    assert f"fit --resume --out {out}" in said
    assert "fault of consilience" not in said
    assert cli("fit", "--resume", "--out", out)[0] == 0
    assert (out / "report.html").is_file()


def test_folders_of_what_is_written_are_made(tmp_path, cli, make_mixed_table):
    table = make_mixed_table(tmp_path, rows=60)
    *_, run = fit(cli, table, "--no-audit")
    for words, made in [
        (("predict", run, table, "--out"), "a/b/answers.csv"),
        (("evaluate", run, table, "--html"), "c/d/page.html"),
        (("export", run, "--out"), "e/f"),
    ]:
        code, _, said = cli(*words, tmp_path / made)
        assert code == 0, said
        assert (tmp_path / made).exists()
