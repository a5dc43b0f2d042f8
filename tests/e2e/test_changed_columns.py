"""A table asked about that differs from the one of training: the same answers where the same is meant, else a warning
that names column, share of rows and the nearest name: predict, evaluate, fit --test, audit, serve, Python."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

import consilience as cs
from consilience.api import evaluate
from consilience.cli import main
from consilience.core.errors import DataWarning

QUICK = {"classic": {"single": [], "joined": ["trees"]}, "ensemble": {"rules": []}, "audit": {"at_end": False}}
N = 240


def the_table(seed=0):
    rng = np.random.default_rng(seed)
    flag, colour = rng.random(N) < 0.5, rng.choice(["Red", "green", "blue"], N)
    code, size = rng.choice(["007", "012", "123", "900"], N), rng.random(N) * 10
    score = 1.3 * flag + (colour == "Red") + np.isin(code, ["007", "123"]) + size / 20
    answer = np.where(score > 1.7, "yes", "no")
    days = pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d")
    return pd.DataFrame({"flag": flag, "colour": colour, "code": code, "size": size, "day": days, "y": answer})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("changed")


@pytest.fixture(scope="module")
def run(folder):
    the_table().to_csv(folder / "train.csv", index=False)
    return cs.fit(the_table(), target="y", preset="classic", config=QUICK, out=folder / "run").run


@pytest.fixture(scope="module")
def model(run):
    return cs.load(run)


def asked(table):
    return table.drop(columns="y")


# ------------------------------------------------------------------------------------------------------ same meaning

SAME = {
    "1/0": lambda t: t.assign(flag=t.flag.astype(int)),
    "1.0/0.0": lambda t: t.assign(flag=t.flag.astype(float)),
    "text 1/0": lambda t: t.assign(flag=t.flag.astype(int).astype(str)),
    "TRUE": lambda t: t.assign(flag=t.flag.astype(str).str.upper()),
    "true": lambda t: t.assign(flag=t.flag.astype(str).str.lower()),
    "t/f": lambda t: t.assign(flag=np.where(t.flag, "t", "f")),
    "nullable boolean": lambda t: t.assign(flag=t.flag.astype("boolean")),
    "nullable Int64": lambda t: t.assign(flag=t.flag.astype("Int64")),
    "codes without zeros": lambda t: t.assign(code=t.code.astype(int)),
    "codes as floats": lambda t: t.assign(code=t.code.astype(float)),
    "codes as Int64": lambda t: t.assign(code=t.code.astype(int).astype("Int64")),
    "upper case": lambda t: t.assign(colour=t.colour.str.upper()),
    "lower case and blanks": lambda t: t.assign(colour=" " + t.colour.str.lower() + " "),
    "full width": lambda t: t.assign(code=t.code.map(lambda c: "".join(chr(ord(d) + 0xFEE0) for d in c))),
    "categorical": lambda t: t.assign(colour=t.colour.astype("category"), code=t.code.astype("category")),
    "arrow strings": lambda t: t.assign(colour=t.colour.astype("string"), size=t["size"].astype("Float64")),
}


@pytest.mark.parametrize("form", SAME)
def test_the_same_meaning_has_the_same_answer(form, model, tmp_path):
    table = asked(the_table())
    want = model.predict_proba(table)
    other = SAME[form](table)
    assert np.array_equal(model.predict_proba(other), want)
    other.to_csv(tmp_path / "t.csv", index=False)
    other.to_parquet(tmp_path / "t.parquet", index=False)
    rows = other.astype(object).where(other.notna(), None).to_dict("records")
    for source in (tmp_path / "t.csv", tmp_path / "t.parquet", rows):
        assert np.array_equal(model.predict_proba(source), want), source


@pytest.mark.parametrize("form", [int, bool, str, lambda v: str(bool(v)), lambda v: str(bool(v)).upper(), np.bool_])
def test_trained_on_1_and_0(form, tmp_path):
    table = the_table()[["flag", "size"]].assign(flag=lambda t: t.flag.astype(int))
    table["y"] = np.where(table.flag == 1, "a", "b")
    model = cs.load(cs.fit(table, target="y", preset="classic", config=QUICK, out=tmp_path / "r").run)
    told = model.predict(table.assign(flag=[form(v) for v in table.flag]).drop(columns="y"))
    assert np.mean(np.array(told) == table.y) > 0.95


def test_another_form_is_told_of(run, folder, capsys):
    SAME["upper case"](the_table()).to_csv(folder / "upper.csv", index=False)
    assert main(["predict", str(run), str(folder / "upper.csv"), "--out", str(folder / "p.csv"), "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found["warnings"] == []
    assert "note: column 'colour'" in told.err
    assert "'RED' for 'Red'" in found["notes"][0]


# ---------------------------------------------------------------------------------------------------- another meaning

DIFFERENT = {
    "case": (lambda t: t.rename(columns={"colour": "Colour"}), ["'colour'", "100 %", "'Colour'"]),
    "typo": (lambda t: t.rename(columns={"colour": "color"}), ["'colour'", "100 %", "'color'"]),
    "blank": (lambda t: t.rename(columns={"code": "code "}), ["'code'", "100 %", "'code '"]),
    "underscore": (lambda t: t.rename(columns={"size": "_Size_"}), ["'size'", "'_Size_'"]),
    "absent": (lambda t: t.drop(columns="flag"), ["'flag'", "100 %"]),
    "all new": (lambda t: t.assign(colour="c_" + t.colour), ["'colour'", "240 of 240 rows (100 %)", "'c_Red'"]),
    "mostly new": (
        lambda t: t.assign(colour=t.colour.where(t.colour == "Red", "rouge")),
        ["'colour'", "new to the model", "'rouge'", " %)"],
    ),
    "flags as words": (lambda t: t.assign(flag=np.where(t.flag, "oui", "non")), ["'flag'", "'oui'"]),
    "letters before codes": (lambda t: t.assign(code="Z" + t.code), ["'code'", "'Z"]),
    "unreadable": (lambda t: t.assign(size="big"), ["size", "240 of 240", "is not a number"]),
    "unreadable dates": (lambda t: t.assign(day="soon"), ["day", "240 of 240", "is not a date"]),
    "empty": (lambda t: t.assign(size=np.nan), ["'size'", "240 of 240 rows (100 %)", "0 % in training"]),
    "another unit": (lambda t: t.assign(size=1000 + t["size"] * 1000), ["'size'", "outside", "240 of 240"]),
}


@pytest.fixture(params=DIFFERENT)
def different(request, folder):
    change, words = DIFFERENT[request.param]
    table = change(the_table())
    path = folder / f"{request.param}.csv".replace(" ", "-")
    table.to_csv(path, index=False)
    return table, str(path), words


def says(words, text):
    return all(word in text for word in words)


def test_predict_and_evaluate_say_so(different, run, tmp_path, capsys):
    _, path, words = different
    assert main(["predict", str(run), path, "--out", str(tmp_path / "p.csv"), "--json"]) == 0
    told = capsys.readouterr()
    assert any(says(words, text) for text in json.loads(told.out)["warnings"])
    assert says(words, told.err)
    assert main(["evaluate", str(run), path, "--json"]) == 0
    told = capsys.readouterr()
    assert any(says(words, text) for text in json.loads(told.out)["warnings"])
    assert says(words, told.err)


def test_python_warns(different, run, model):
    table, path, words = different
    with pytest.warns(DataWarning) as found:
        model.predict(table.drop(columns="y"))
    assert any(says(words, str(w.message)) for w in found)
    assert found[0].filename == __file__
    with pytest.warns(DataWarning) as found:
        told = evaluate(run, path)
    assert any(says(words, str(w.message)) for w in found)
    assert any(says(words, text) for text in told["warnings"])


@pytest.mark.parametrize("side", ["test", "valid"])
@pytest.mark.parametrize("kind", ["case", "all new", "unreadable", "empty"])
def test_fit_says_so_of_its_other_tables(side, kind, tmp_path):
    change, words = DIFFERENT[kind]
    tables = {side: change(the_table(1))}
    fitted = cs.fit(the_table(), target="y", preset="classic", config=QUICK, out=tmp_path / "r", **tables)
    assert any(says(words, text) for text in fitted.warnings), fitted.warnings


def test_audit_says_so(run, folder, capsys):
    the_table().rename(columns={"colour": "Colour"}).to_csv(folder / "audit.csv", index=False)
    assert main(["audit", str(run), str(folder / "audit.csv"), "--time-budget", "1s"]) == 0
    assert "Did you mean 'Colour'?" in capsys.readouterr().err


def test_unreadable_parts_are_never_no_bad_cells(run, folder, capsys):
    the_table().assign(day="soon").to_csv(folder / "soon.csv", index=False)
    assert main(["evaluate", str(run), str(folder / "soon.csv")]) == 0
    assert capsys.readouterr().out.splitlines()[0].strip() == "240 rows, bad cells: day 240"
    with pytest.warns(DataWarning):
        told = evaluate(run, folder / "soon.csv")
    assert told["bad_cells"] == 240
    assert told["bad_rows"] == {"day": 240}


def test_dicts_may_leave_out_what_they_like_but_not_misspell(model):
    rows = asked(the_table()).to_dict("records")
    model.predict({"size": 3.0})
    model.predict([{"size": 3.0}] * 9)
    model.predict([{**row, "unrelated": 1} for row in rows[:9]])
    with pytest.warns(DataWarning, match="Did you mean 'Colour'"):
        model.predict({"Colour": "Red", "size": 1.0})
    with pytest.warns(DataWarning, match="Did you mean 'color'"):
        model.predict([{"color": "Red", "size": 1}] * 9)


def test_few_rows_are_no_reason_to_talk_of_shares(model):
    table = asked(the_table())
    model.predict(table.assign(colour="mauve").head(2))
    model.predict(table.assign(size=np.nan).head(3))
    with pytest.warns(DataWarning, match="'colour'"):
        model.predict(table.drop(columns="colour").head(1))


def test_an_estimator_warns(tmp_path):
    table = the_table()
    found = cs.ConsilienceClassifier(preset="classic", config=QUICK, out=tmp_path / "e").fit(asked(table), table.y)
    found.predict(asked(table))
    found.predict([{"size": 2.0}, {"colour": "Red"}])
    with pytest.warns(DataWarning, match="'c_Red'"):
        found.predict(asked(table.assign(colour="c_" + table.colour)))


def test_the_target_is_absent_or_in_other_words(run, folder, capsys):
    the_table().rename(columns={"y": "Y "}).to_csv(folder / "target.csv", index=False)
    assert main(["evaluate", str(run), str(folder / "target.csv")]) == 2
    assert "Did you mean 'Y '?" in capsys.readouterr().err
    the_table().assign(y=lambda t: "is_" + t.y).to_csv(folder / "labels.csv", index=False)
    assert main(["evaluate", str(run), str(folder / "labels.csv"), "--json"]) == 0
    assert "240 of 240 rows (100" in json.loads(capsys.readouterr().out)["warnings"][0]


# ---------------------------------------------------------------------------------------------------- on a clean table


def shapes():
    """Tables of many kinds, each with a column that tells the answer."""
    rng = np.random.default_rng(3)
    n = 400
    z = rng.random(n)
    words = np.array(["a", "fine", "small", "blue", "thing", "that", "was", "sold", "here", "today"])
    yield "many categories", {"x": rng.choice([f"n{k}" for k in range(150)], n)}, z
    yield "half missing", {"x": np.where(rng.random(n) < 0.5, np.nan, rng.random(n))}, z
    yield "nearly empty", {"x": np.where(rng.random(n) < 0.97, np.nan, rng.random(n))}, z
    yield "heavy tails", {"x": rng.standard_cauchy(n), "w": np.exp(rng.normal(size=n) * 3)}, z
    yield "a constant", {"x": np.ones(n)}, z
    yield "counting up", {"x": np.arange(n) * 1.5, "day": pd.date_range("2020-01-01", periods=n)}, z
    yield "rare flag", {"x": (rng.random(n) < 0.01).astype(int)}, z
    yield "flags", {"x": rng.random(n) < 0.5, "w": rng.choice(["Yes", "No"], n)}, z
    yield "Zipf", {"x": [f"w{k}" for k in rng.zipf(1.6, n)]}, z
    yield "two spellings", {"x": rng.choice(["Red", "red", "RED", "blue"], n)}, z
    yield "text", {"t": [" ".join(rng.choice(words, 8)) for _ in range(n)]}, z


@pytest.mark.parametrize(("columns", "z"), [pytest.param(c, z, id=name) for name, c, z in shapes()])
def test_nothing_is_said_of_a_table_like_that_of_training(columns, z, tmp_path):
    table = pd.DataFrame(columns).assign(z=z, y=np.where(z > 0.5, "a", "b"))
    order = np.random.default_rng(0).permutation(len(table))
    train, other = table.iloc[order[:200]], table.iloc[order[200:]]
    fitted = cs.fit(train, target="y", test=other, preset="classic", config=QUICK, out=tmp_path / "r")
    assert not [text for text in fitted.warnings if "column" in text and ("model" in text or "training" in text)]
    model = cs.load(fitted.run)
    assert model.member.inputs, "a model that looks at nothing has nothing to say"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows in (table, train, other, other.head(7), other.head(1)):
            model.predict(rows.drop(columns="y"))
    assert evaluate(fitted.run, other)["warnings"] == []
    assert model._answered(other.drop(columns="y"), None, ()).comparison.notes == ()


# ------------------------------------------------------------------------------------------ columns called as ours are


@pytest.mark.parametrize("name", ["prediction", "proba_yes", "prediction_1"])
def test_an_input_may_be_called_like_an_answer(name, tmp_path, capsys):
    rng = np.random.default_rng(0)
    score = rng.random(N)
    table = pd.DataFrame({name: score, "n": rng.random(N), "y": np.where(score > 0.5, "yes", "no")})
    table.to_csv(tmp_path / "t.csv", index=False)
    fitted = cs.fit(tmp_path / "t.csv", target="y", preset="classic", config=QUICK, out=tmp_path / "r")
    first, second = tmp_path / "p.csv", tmp_path / "q.csv"
    assert main(["predict", str(fitted.run), str(tmp_path / "t.csv"), "--out", str(first), "--proba", "--json"]) == 0
    told = capsys.readouterr()
    ours = json.loads(told.out)["prediction_column"]
    answers = pd.read_csv(first)
    assert np.allclose(answers[name], score), "the user's own column is as it was"
    assert np.mean(answers[ours] == table.y) > 0.95
    assert ours == ("prediction_1" if name == "prediction" else "prediction")
    assert ("already; ours is called" in told.err) == (name in ("prediction", "proba_yes"))
    assert main(["predict", str(fitted.run), str(first), "--out", str(second), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["prediction_column"]
    assert again not in answers.columns
    assert (pd.read_csv(second)[again] == answers[ours]).all()


# -------------------------------------------------------------------------------------------------------------- served


def served(model, given):
    from fastapi.testclient import TestClient

    from consilience.serve.config import ServeConfig
    from consilience.serve.engine import Engine
    from consilience.serve.metrics import Metrics
    from consilience.serve.rest import application

    with TestClient(application(Engine(model, ServeConfig(), Metrics()))) as client:
        return client.post("/v1/predict", json={"inputs": given}), client.get("/metrics").text


@pytest.mark.parametrize(("value", "said"), [("mauve", True), ("Red", False), ("RED", False), (None, False)])
def test_the_server_says_that_a_value_is_new(value, said, model):
    response, counted = served(model, {"colour": value, "size": 2.0})
    assert response.status_code == 200
    found = response.json()
    assert ("warnings" in found) is said
    if said:
        assert found["warnings"] == ["row 0: column 'colour' holds 'mauve', which is new to the model"]
    assert ('input_new_values_total{input="table"} 1.0' in counted) is said


def test_the_server_says_so_of_each_row_whatever_the_others_hold(model):
    rows = [{"colour": "Red"}] * 12 + [{"colour": "gren"}, {"code": "124"}, {"colour": "gren"}, {"size": 1.0}]
    response, counted = served(model, rows)
    assert response.json()["warnings"] == [
        "rows 12, 14: column 'colour' holds 'gren' (nearest known: 'green'), which is new to the model",
        "row 13: column 'code' holds '124', which is new to the model",
    ]
    assert 'input_new_values_total{input="table"} 3.0' in counted
    alone, _ = served(model, rows[12])
    assert alone.json()["predictions"][0] == response.json()["predictions"][12]
    assert "'gren'" in alone.json()["warnings"][0]


def test_the_server_says_that_numbers_are_all_outside_of_the_range(model):
    response, _ = served(model, [{"size": 1000.0 + k} for k in range(6)])
    assert says(["'size'", "6 of 6 rows", "outside"], response.json()["warnings"][0])
    for honest in ([{"size": 1000.0}] * 4, [{"size": 1000.0}] * 6 + [{"size": 5.0}], [{"colour": None}] * 6):
        assert "warnings" not in served(model, honest)[0].json()


def test_the_server_does_not_say_everything_of_a_large_request(model):
    response, counted = served(model, [{"colour": f"colour {k}"} for k in range(50)])
    found = response.json()["warnings"]
    assert len(found) == 21
    assert found[-1] == "and 30 more such values"
    assert 'input_new_values_total{input="table"} 50.0' in counted


def test_the_server_says_it_in_the_open_protocol_and_in_forms(model):
    from fastapi.testclient import TestClient

    from consilience.serve.config import ServeConfig
    from consilience.serve.engine import Engine
    from consilience.serve.metrics import Metrics
    from consilience.serve.rest import application

    with TestClient(application(Engine(model, ServeConfig(), Metrics()))) as client:
        form = client.post("/v1/predict", files={"colour": (None, "blu"), "size": (None, "2")})
        assert "nearest known: 'blue'" in form.json()["warnings"][0]
        tensor = {"name": "colour", "shape": [2], "datatype": "BYTES", "data": ["Red", "blu"]}
        asked = client.post("/v2/models/model/infer", json={"inputs": [tensor]})
        assert asked.json()["parameters"]["warnings"].startswith("row 1: column 'colour' holds 'blu'")
        tensor = {**tensor, "data": ["Red", "BLUE"]}
        assert "parameters" not in client.post("/v2/models/model/infer", json={"inputs": [tensor]}).json()


def test_the_server_says_nothing_where_training_had_many_unknown_values(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"n{k}" for k in rng.zipf(1.5, 300)]
    z = rng.random(300)
    table = pd.DataFrame({"name": names, "z": z, "y": np.where(z > 0.5, "a", "b")})
    config = QUICK | {"inputs": {"who": {"kind": "category", "columns": ["name"]}}}
    found = cs.load(cs.fit(table, target="y", preset="classic", config=config, out=tmp_path / "r").run)
    assert found.inputs["who"].processor.seen[0].other > 0.1
    response, counted = served(found, {"name": "somebody", "z": 0.2})
    assert "warnings" not in response.json()
    assert 'input_new_values_total{input="who"} 1.0' in counted, "a rate is worth watching all the same"


def test_the_server_refuses_names_and_parts_it_cannot_use(model):
    response, _ = served(model, {"Colour": "Red"})
    assert response.status_code == 422
    assert "Did you mean 'colour'?" in response.json()["error"]
    response, _ = served(model, {"size": "big", "colour": "Red"})
    assert response.status_code == 422
    assert response.json()["field"] == "size"


def test_as_many_unreadable_cells_as_in_training_are_a_note(tmp_path):
    rng = np.random.default_rng(0)
    size = rng.random(N)
    cells = [
        f"{x:.4f}" if r > 0.05 else f"too {'xyz'[int(100 * r) % 3]}" for x, r in zip(size, rng.random(N), strict=True)
    ]
    table = pd.DataFrame({"size": cells, "z": size, "y": np.where(size > 0.5, "a", "b")})
    fitted = cs.fit(table, target="y", preset="classic", config=QUICK, out=tmp_path / "r")
    model = cs.load(fitted.run)
    model.predict(table)
    told = evaluate(fitted.run, table)
    assert told["warnings"] == []
    assert "size" in told["notes"][0]
    assert told["bad_rows"] == {"size": sum(cell.startswith("too") for cell in cells)}
    with pytest.warns(DataWarning, match="120 of 240"):
        model.predict(table.assign(size=["no idea", "0.5"] * 120))
