"""Every kind of table through the commands: fit, evaluate, predict and inspect take them all, and say what is wrong."""

import base64
import csv
import gzip
import io
import json
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import consilience as cs
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


LINEAR = ("--set", 'classic.single=["linear"]', "--set", 'classic.joined=["linear"]')
QUICK = ("--preset", "classic", "--time-budget", "40s", *LINEAR)


def fitted(cli, out, *table, target="label"):
    code, printed, err = cli("fit", *table, "--target", target, *QUICK, "--out", out, "--json")
    assert code == 0, err
    return json.loads(printed), err


@pytest.fixture
def rows(mixed_table):
    with mixed_table.open(newline="") as file:
        return [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]


def content(mixed_table, row):
    return None if row["photo"] is None else (mixed_table.parent / row["photo"]).read_bytes()


def write_shards(folder, mixed_table, rows):
    for n in range(2):
        with tarfile.open(folder / f"s-{n:03}.tar", "w") as tar:
            for i, row in enumerate(rows[n::2]):
                fields = {"price": row["price"] and float(row["price"]), "shop": row["shop"]}
                members = {"png": content(mixed_table, row), "txt": row["review"] and row["review"].encode()}
                members |= {"json": json.dumps(fields).encode(), "cls": row["label"].encode()}
                for ending, body in members.items():
                    if body is not None:
                        member = tarfile.TarInfo(f"{n}-{i:03}.{ending}")
                        member.size = len(body)
                        tar.addfile(member, io.BytesIO(body))


def test_shards(cli, mixed_table, rows, tmp_path):
    write_shards(tmp_path, mixed_table, rows)
    body = (tmp_path / "s-001.tar").read_bytes()
    (tmp_path / "s-002.tar").write_bytes(body[: len(body) // 2])
    done, err = fitted(cli, tmp_path / "run", f"{tmp_path}/s-{{000..001}}.tar", target="cls")
    assert any("png" in entry["inputs"] for entry in done["leaderboard"])
    code, printed, err = cli("evaluate", tmp_path / "run", *sorted(tmp_path.glob("s-*.tar")), "--json")
    assert (code, json.loads(printed)["rows"] > 60) == (0, True)
    assert json.loads(printed)["metrics"]["accuracy"]["value"] > 0.5
    assert "s-002.tar: " in err
    assert "after key '1-0" in err
    code, printed, _ = cli("predict", tmp_path / "run", tmp_path / "s-000.tar")
    lines = list(csv.DictReader(io.StringIO(printed)))
    assert (code, len(lines), lines[0]["png"], lines[0]["__key__"]) == (0, 30, "s-000.tar/0-000.png", "0-000")
    code, printed, _ = cli("inspect", f"{tmp_path}/s-{{000..001}}.tar", "--json")
    kinds = {column["name"]: column["kind"] for column in json.loads(printed)["columns"]}
    assert (kinds["png"], kinds["txt"], kinds["__key__"], kinds["price"]) == ("image", "text", "ignored", "number")


def test_several_files_and_their_bad_cells(cli, mixed_table, rows, tmp_path):
    for n in range(2):
        part = [dict(row) for row in rows[n::2]]
        part[3]["photo"] = f"photos/none-{n}.png"
        with (tmp_path / f"part-{n}.jsonl").open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in part)
    fitted(cli, tmp_path / "run", tmp_path / "part-*.jsonl")
    with (tmp_path / "run" / "bad_cells.csv").open(newline="") as file:
        bad = [(Path(r["file"]).name, r["row"], r["column"], r["reason"]) for r in csv.DictReader(file)]
    assert bad == [(f"part-{n}.jsonl", "4", "photo", "no such file") for n in range(2)]
    code, printed, _ = cli("evaluate", tmp_path / "run", tmp_path / "part-0.jsonl", tmp_path / "part-1.jsonl", "--json")
    assert (code, json.loads(printed)["rows"], json.loads(printed)["bad_cells"]) == (0, 60, 2)


@pytest.mark.slow
def test_a_folder_of_class_folders_with_sides(cli, mixed_table, rows, tmp_path):
    for n, row in enumerate(rows):
        if row["photo"] and row["label"] != "refund":
            folder = tmp_path / "all" / ("test" if n % 4 == 0 else "train") / row["label"]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{n}.png").write_bytes(content(mixed_table, row))
    (tmp_path / "all" / "train" / "red" / "notes.doc").write_text("x")
    done, err = fitted(cli, tmp_path / "run", tmp_path / "all")
    assert "notes.doc" in err
    assert done["test"]["accuracy"]["value"] > 0.8
    code, printed, err = cli("evaluate", tmp_path / "run", tmp_path / "all" / "test", "--json")
    assert (code, json.loads(printed)["metrics"]["accuracy"]["value"]) == (0, done["test"]["accuracy"]["value"])
    code, _, err = cli("evaluate", tmp_path / "run", tmp_path / "all")
    assert (code, "say which" in err) == (2, True)


@pytest.mark.slow
def test_the_same_answers_whatever_holds_the_rows(cli, mixed_table, rows, tmp_path, monkeypatch):
    """One model, one set of rows: as paths, bytes, base64, data URLs, a stream, polars, a dataset, and fetched."""
    datasets, polars = pytest.importorskip("datasets"), pytest.importorskip("polars")
    monkeypatch.chdir(tmp_path)
    fitted(cli, tmp_path / "run", mixed_table)
    model = cs.load(tmp_path / "run")
    want = model.predict_proba(mixed_table)
    kept = [row | {"price": row["price"] and float(row["price"]), "label": None} for row in rows]
    held = [row | {"photo": content(mixed_table, row)} for row in kept]
    coded = [row | {"photo": row["photo"] and base64.b64encode(row["photo"]).decode()} for row in held]
    urls = [row | {"photo": row["photo"] and f"data:image/png;base64,{row['photo']}"} for row in coded]
    records = [row | {"photo": row["photo"] and {"bytes": row["photo"], "path": None}} for row in held]
    dataset = datasets.Dataset.from_list(records)
    dataset = dataset.cast_column("photo", datasets.Image())
    dataset.save_to_disk(tmp_path / "saved")
    polars.DataFrame(held).write_parquet(tmp_path / "held.parquet")
    many = [kept, held, coded, urls, iter(held), polars.DataFrame(held), polars.LazyFrame(held), dataset]
    many += ["saved", "held.parquet"]
    for source in many:
        assert abs(model.predict_proba(source) - want).max() < 1e-9, type(source)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        far = [row | {"photo": row["photo"] and f"http://{host}/{row['photo']}"} for row in rows]
        (tmp_path / "urls.jsonl").write_text("".join(json.dumps(row) + "\n" for row in far))
        assert abs(model.predict_proba("urls.jsonl", allow_urls=[host]) - want).max() < 1e-9
        code, _, err = cli("predict", "run", "urls.jsonl", "--out", "a.csv", "--allow-url", host)
        assert (code, "bad cells" in err) == (0, False)
        code, _, err = cli("predict", "run", "urls.jsonl", "--out", "b.csv")
        assert (code, "bad cells" in err) == (0, True)
        assert "URLs are not fetched" in (tmp_path / "b.bad_cells.csv").read_text()
        done, _ = fitted(cli, tmp_path / "run2", "urls.jsonl", "--allow-url", host)
        assert any("photo" in entry["inputs"] for entry in done["leaderboard"])
        assert (tmp_path / "run2" / "bad_cells.csv").read_text().splitlines() == ["row,column,reason"]
        server.shutdown()


@pytest.mark.parametrize(
    ("files", "table", "says"),
    [
        ({"a.jsonl": b'{"a": 1}\n{"a": \n'}, "a.jsonl", ["a.jsonl, line 2", "not valid JSON"]),
        ({"a.jsonl": b'{"a": 1, "a": 2}\n'}, "a.jsonl", ["line 1", "two values for 'a'"]),
        (
            {"a.jsonl": b'{"a": [1]}\n'},
            "a.jsonl",
            ["no column is left", "column 'a': it holds lists", "--ignore a"],
        ),
        ({"a.jsonl": b'{"a": "\xff"}\n'}, "a.jsonl", ["line 1, byte 7", "not UTF-8"]),
        ({"a.csv.gz": gzip.compress(b"a,b\n1,2\n")[:-9]}, "a.csv.gz", ["a.csv.gz", "gzip", "cut off"]),
        ({"a.csv": b"x,y\n1,2\n", "b.csv": b"x,z\n1,2\n"}, "*.csv", ["b.csv: lacks 'y' and has 'z'"]),
        ({"a.csv": b"x\n1\n", "b.jsonl": b'{"x": 1}\n'}, "a.csv,b.jsonl", ["one kind", "a.csv (.csv)"]),
        ({"a.csv": b"x\n1\n"}, "a.csv,b.csv", ["b.csv: no such file"]),
        ({}, "*.parquet", ["no file matches"]),
        ({"a.tar": b"x" * 600}, "a.tar", ["a.tar: it is plain text", "called .tar"]),
        ({"a.tar": b""}, "a-{0..1}.tar", ["a-0.tar: no such file"]),
        ({"a.json": b"[]"}, "a.json", [".jsonl", "line of its own"]),
        ({"d/x.bin": b"\0\1", "d/y.bin": b"\0\2"}, "d", ["no table and no media file", "x.bin"]),
        ({"d/state.json": b"{", "d/dataset_info.json": b"{"}, "d", ["d: not a readable saved dataset"]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_is_said(cli, tmp_path, monkeypatch, files, table, says):
    monkeypatch.chdir(tmp_path)
    for name, body in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(body)
    code, out, err = cli("inspect", table)
    assert (code, out) == (2, "")
    for words in says:
        assert words in err


@pytest.mark.parametrize("name", ["http://a/b", "*", ""])
def test_a_host_that_is_none(cli, mixed_table, name):
    code, _, err = cli("fit", mixed_table, "--target", "label", "--allow-url", name, "--out", mixed_table.parent / "r")
    assert (code, "--allow-url" in err) == (2, True)


GROUPS = [
    (["words=text:review,shop"], {"words": ["review", "shop"], "photo": ["photo"], "table": ["price", "day"]}, None),
    (["a=number:price", "b=tabular:day,shop"], {"a": ["price"], "b": ["day", "shop"], "photo": ["photo"]}, None),
    (["front=image:photo"], {"front": ["photo"], "review": ["review"]}, None),
    (["both=image:photo,review"], None, "Make one input of each column"),
    (["a=text:review", "b=text:review"], None, "given to two inputs, 'a' and 'b'"),
    (["a=text:label"], None, "'label' is the target"),
    (["a=words:review"], None, "unknown kind 'words'"),
    (["a=text:reviw"], None, "Did you mean 'review'?"),
    (["a=text"], None, "write it as NAME=KIND:COLUMN"),
    (["a=text:review,review"], None, "named twice"),
    (["photo=text:review"], None, "'photo' is called like a column"),
]


@pytest.mark.parametrize(("inputs", "want", "says"), GROUPS, ids=lambda value: str(value)[:30])
def test_inputs_made_by_hand(cli, mixed_table, inputs, want, says):
    flags = [word for text in inputs for word in ("--input", text)]
    code, printed, err = cli("inspect", mixed_table, "--target", "label", *flags, "--json")
    if says is not None:
        assert (code, says in err) == (2, True), err
        assert cli("fit", mixed_table, "--target", "label", *flags, "--out", mixed_table.parent / "run")[0] == 2
        return
    found = {name: given["columns"] for name, given in json.loads(printed)["inputs"].items()}
    assert want.items() <= found.items()


def test_inputs_made_by_hand_are_what_a_model_looks_at(cli, mixed_table, tmp_path):
    flags = ("--input", "words=text:review,shop", "--input", "cost=number:price", "--ignore", "photo")
    done, _ = fitted(cli, tmp_path / "run", mixed_table, *flags, "--ignore", "day")
    assert {name for entry in done["leaderboard"] for name in entry["inputs"]} == {"words", "cost"}
    model = cs.load(tmp_path / "run")
    if "words" in model.member.inputs:  # each column of the joined text counts
        one, other = model.predict_proba([{"review": "it is fine"}, {"shop": "it is fine"}])
        assert abs(one - other).max() < 1e-9
