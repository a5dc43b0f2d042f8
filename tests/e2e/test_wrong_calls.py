"""Wrong calls from Python end in a UserError that names the argument, tells what was given by its type and says what to
give instead; never in a TypeError or KeyError from deep inside."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import consilience as cs
from consilience import api

QUICK = {
    "preset": "classic",
    "time_budget": "30s",
    "classic": {"single": [], "joined": ["linear"]},
    "ensemble": {"rules": []},
    "audit": {"at_end": False},
}
ROWS = 60
FRAME = pd.DataFrame({"size": np.random.default_rng(0).normal(size=ROWS), "colour": ["red", "blue"] * (ROWS // 2)})
FRAME["label"] = np.where(FRAME["size"] > 0, "big", "small")
X, Y = FRAME[["size", "colour"]], FRAME["label"]
LEVELS = FRAME.set_axis(pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "label")]), axis=1)
TWICE = pd.concat([FRAME, FRAME[["size"]]], axis=1)
RECORDS, SETS = FRAME.assign(size=[{"a": "secret"}] * ROWS), FRAME.assign(size=[{"secret"}] * ROWS)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return cs.fit(FRAME, target="label", config=QUICK, out=tmp_path_factory.mktemp("calls") / "run").run


@pytest.fixture(scope="module")
def model(run):
    return cs.load(run)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file.txt").write_text("no table")


def refused(call, *says):
    with pytest.raises(cs.UserError) as caught:
        call()
    text = str(caught.value)
    assert all(part in text for part in says), text
    assert "secret" not in text, "a message tells the type of what was given, not what it holds"


def known(**inputs):
    return {**QUICK, "inputs": inputs}


ONE = ["target", "name of a column", 'target="label"']
FIT = {
    "no table": ({"train": None}, ["no table to train on"]),
    "no target": ({"target": None}, ["--target", 'target="COL"']),
    "target is a number": ({"target": 2}, ["int", *ONE]),
    "target is true": ({"target": True}, ["True", *ONE]),
    "target is nothing": ({"target": []}, ["names no column"]),
    "target is empty": ({"target": ""}, ["names no column"]),
    "target twice": ({"target": ["label", "label"]}, ["twice"]),
    "target misspelt": ({"target": "lable"}, ["Did you mean 'label'"]),
    "target by place": ({"target": [2]}, ["list of int", *ONE]),
    "target is the cells": ({"target": Y}, ["Series", *ONE]),
    "target is an array": ({"target": Y.to_numpy()}, ["ndarray", *ONE]),
    "target is a dict": ({"target": {"label": 1}}, ["dict", *ONE]),
    "target is bytes": ({"target": b"label"}, ["bytes", *ONE]),
    "config is a text": ({"config": "x"}, ["config", "str", "dict of settings"]),
    "config is a list": ({"config": ["seed"]}, ["config", "list of str", "dict of settings"]),
    "config misspelt": ({"config": {"audti": {}}}, ["audti", "Did you mean 'audit'"]),
    "config by number": ({"config": {1: 2}}, ["unknown key '1'"]),
    "config of a part": ({"config": {"data": None}}, ["data", "table of keys"]),
    "config of an object": ({"config": {"seed": object()}}, ["seed", "whole number", "type object"]),
    "budget of words": ({"config": {"time_budget": "soon"}}, ["time budget", "soon", "10m"]),
    "budget is a word": ({"time_budget": "soon"}, ["time budget", "soon", "10m"]),
    "budget is true": ({"time_budget": True}, ["time_budget", "a number"]),
    "budget below 0": ({"time_budget": -1}, ["time_budget", "above 0"]),
    "preset is a number": ({"preset": 5}, ["preset", "classic"]),
    "preset misspelt": ({"preset": "classc"}, ["Did you mean 'classic'"]),
    "metric misspelt": ({"metric": "acuracy"}, ["Did you mean 'accuracy'"]),
    "metric is a number": ({"metric": 5}, ["metric", "a string"]),
    "task misspelt": ({"task": "clasification"}, ["Did you mean 'classification'"]),
    "task is a number": ({"task": 5}, ["task", "a string"]),
    "seed is a word": ({"seed": "a"}, ["seed", "whole number"]),
    "seed between": ({"seed": 1.5}, ["seed", "whole number"]),
    "group is a number": ({"group": 5}, ["data.group", "a string"]),
    "group misspelt": ({"group": "color"}, ["Did you mean 'colour'"]),
    "weight is a list": ({"weight": ["size"]}, ["data.weight", "a string"]),
    "ignore is a number": ({"ignore": 5}, ["ignore", "int", "name of a column"]),
    "ignore misspelt": ({"ignore": "color"}, ["Did you mean 'colour'"]),
    "settings are a text": ({"settings": "seed=1"}, ["settings", "str", "list of texts"]),
    "settings are a dict": ({"settings": {"seed": 1}}, ["settings", "dict", "list of texts"]),
    "settings are numbers": ({"settings": [5]}, ["settings", "list of int", "key=value"]),
    "settings are None": ({"settings": None}, ["settings", "None", "key=value"]),
    "out is a number": ({"out": 123}, ["out", "int", "run folder"]),
    "out is true": ({"out": True}, ["out", "True", "run folder"]),
    "out is a list": ({"out": ["a"]}, ["out", "list of str", "run folder"]),
    "out is empty": ({"out": ""}, ["out", "no path"]),
    "out is a file": ({"out": "file.txt"}, ["file.txt", "Choose another"]),
    "valid is a share": ({"valid": 0.2}, ["float", "list of dicts"]),
    "test is a pair": ({"test": (X, Y)}, ["DataFrame, not a dict"]),
    "test has no row": ({"test": FRAME.iloc[:0]}, ["no row with a target"]),
    "resume of nothing": ({"resume": True, "out": None}, ["out=RUN"]),
    "resume of nowhere": ({"resume": True, "out": "nowhere"}, ["no run to go on with"]),
    "resume of a number": ({"resume": True, "out": 5}, ["out", "int"]),
    "resume is the run": ({"resume": "run"}, ["resume", "str", "out=RUN"]),
    "reporter is a function": ({"reporter": print}, ["reporter", "Reporter"]),
    "input of a kind alone": ({"config": known(a="image")}, ["inputs.a", "table of keys", "image"]),
    "input is None": ({"config": known(a=None)}, ["inputs.a", "table of keys"]),
    "inputs are a list": ({"config": {**QUICK, "inputs": ["a"]}}, ["inputs", "table of keys"]),
    "input without columns": ({"config": known(a={"kind": "text"})}, ["inputs.a", "go together", '"columns"']),
    "input of one column": ({"config": known(a={"kind": "text", "columns": "colour"})}, ["inputs.a.columns", "str"]),
    "input by place": ({"config": known(a={"kind": "text", "columns": [1]})}, ["inputs.a.columns", "list of int"]),
    "input of None": ({"config": known(a={"kind": "text", "columns": None})}, ["inputs.a.columns", "None"]),
    "input of a number": ({"config": known(a={"kind": 5, "columns": ["colour"]})}, ["inputs.a.kind", "int"]),
    "table is a number": ({"train": 5}, ["int", "DataFrame"]),
    "table is nowhere": ({"train": "nowhere.csv"}, ["nowhere.csv", "no such file"]),
    "table is a Series": ({"train": FRAME["size"]}, ["Series", "to_frame()"]),
    "table is an array": ({"train": FRAME.to_numpy()}, ["ndarray", "pandas.DataFrame(array, columns="]),
    "table is bytes": ({"train": b"a,b"}, ["bytes", "path"]),
    "table is empty": ({"train": FRAME.iloc[:0]}, ["0 rows"]),
    "table is lists": ({"train": FRAME.values.tolist()}, ["row 1 is list", "dict"]),
    "table is a pair": ({"train": (X, Y)}, ["row 1 is DataFrame", "dict"]),
    "columns twice": ({"train": TWICE}, ["two columns are called 'size'"]),
    "columns in levels": ({"train": LEVELS}, ["Did you mean", "('b', 'label')"]),
    "columns of one value": ({"train": {"size": np.array(1.0), "label": ["a"]}}, ["'size' is one value"]),
    "columns without order": ({"train": {"size": {1, 2}, "label": ["a", "b"]}}, ["'size' is a set", "list"]),
    "columns of a table": ({"train": {"size": X, "label": list(Y)}}, ["'size' is one value"]),
    "target of records": ({"train": RECORDS, "target": "size"}, ["column 'size', row 1", "type dict"]),
    "stream of numbers": ({"train": iter([{"label": 1}, 5])}, ["row 2 is int"]),
    "stream that is over": ({"train": iter(())}, ["'label'"]),
}


@pytest.mark.parametrize(("more", "says"), FIT.values(), ids=FIT)
def test_fit(more, says):
    refused(lambda: cs.fit(**{"train": FRAME, "target": "label", "config": QUICK, **more}), *says)
    assert not [*Path("runs").glob("*")]  # no half of a run is left


def test_settings_of_the_command_line_are_keywords_too(tmp_path):
    rows = FRAME.assign(person=[n // 3 for n in range(ROWS)], counts=1.0)
    result = cs.fit(
        rows,
        target=np.str_("label"),
        task="classification",
        time_budget="30s",
        seed=np.int64(3),
        group="person",
        weight="counts",
        ignore="colour",
        config={**QUICK, "time_budget": 5, "data": {"stratify": False}},
        out=tmp_path / "run",
    )
    text = (result.run / "config.toml").read_text()
    for line in ('target = "label"', "time_budget = 30.0", "seed = 3", 'group = "person"', 'weight = "counts"'):
        assert line in text
    assert "stratify = false" in text  # what was given beside them stays
    assert cs.load(result.run).columns == ("size",)


PATHS = {
    "a number": (123, "int"),
    "nothing": (None, "None"),
    "a list": (["run"], "list of str"),
    "bytes": (b"run", "bytes"),
    "a table": (FRAME, "DataFrame"),
    "empty": ("", "no path"),
    "a NUL byte": ("a\0b", "no path"),
    "nowhere": ("nowhere", "no such run"),
    "a file": ("file.txt", "neither a run nor a bundle"),
}


@pytest.mark.parametrize(("given", "says"), PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("verb", [cs.load, cs.audit, lambda run: api.predict(run, X), lambda run: api.evaluate(run, X)])
def test_runs(verb, given, says):
    refused(lambda: verb(given), says)


@pytest.mark.parametrize("given", ["seed=1", [5], {"seed": 1}, None])
def test_settings_of_a_run_that_goes_on(run, given):
    refused(lambda: cs.fit(FRAME, resume=True, out=run, settings=given), "settings", "key=value")


def test_a_model_is_no_run(model):
    refused(lambda: cs.load(model), "Model", "load(result.run)")


TABLES = {
    "a number": (3, "int"),
    "nothing": (None, "NoneType"),
    "bytes": (b"abc", "bytes"),
    "nowhere": ("nowhere.csv", "no such file"),
    "another file": ("file.txt", "cannot tell what kind of table"),
    "a Series": (X["size"], "to_frame()"),
    "a row": (X.iloc[0], "to_dict()"),
    "numbers": (np.zeros(2), "pandas.DataFrame"),
    "an array": (np.zeros((2, 2)), "pandas.DataFrame"),
    "a sparse array": (scipy.sparse.eye_array(2), "pandas.DataFrame"),
    "lists": ([[1, 2]], "row 1 is list"),
    "paths": (["a.csv"], "no such file"),
    "tables": ([X], "row 1 is DataFrame"),
    "rows and others": ([{"size": 1.0}, 5], "row 2 is int"),
    "one value and a list": ({"size": 1.0, "colour": ["red"]}, "'size' is one value"),
    "another length": ({"size": [1.0], "colour": ["red", "blue"]}, "different lengths"),
    "a set": ({"size": [1.0], "colour": {"red"}}, "no order"),
    "keys that are numbers": ([{1: 2}], "none of the model's columns"),
    "a key that is empty": ([{"": 2}], "no name"),
    "a row of nothing": ({}, "no columns"),
    "rows of nothing": ([{}, {}], "no columns"),
    "a stream of nothing": (iter([{}]), "no columns"),
    "an index alone": (pd.DataFrame(index=range(3)), "no columns"),
    "columns twice": (TWICE, "two columns are called 'size'"),
    "columns in levels": (LEVELS, "none of the model's columns"),
    "columns by number": (FRAME.set_axis([0, 1, 2], axis=1), "none of the model's columns"),
    "records": (RECORDS, "type dict"),
    "sets": (SETS, "type set"),
    "a record": ({"size": {"a": "secret"}}, "type dict"),
    "an object": ({"size": object()}, "type object"),
    "a table in a row": ({"size": X}, "type DataFrame"),
}


@pytest.mark.parametrize(("rows", "says"), TABLES.values(), ids=TABLES)
def test_tables(model, rows, says):
    with pytest.raises(cs.DataError, match=r".") as caught:
        model.predict(rows)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_one_row_or_columns_of_them(model):
    for one in ({"size": 1.0, "colour": "red"}, {"size": np.float64(1), "colour": None}):
        assert len(model.predict(one)) == 1
    for cells in ([1.0, 2.0], (1.0, 2.0), np.ones(2), pd.Series([1.0, 2.0]), range(2)):
        assert len(model.predict({"size": cells, "colour": ["red", "blue"]})) == 2
    for none in ([], (), iter(()), X.iloc[:0]):
        assert model.predict(none) == []


BESIDE = {
    "root is a number": ({"media_root": 3}, ["media root", "int"]),
    "root is nowhere": ({"media_root": "nowhere"}, ["no such folder"]),
    "confined to nothing": ({"confine": True}, ["media-root"]),
    "confine is a word": ({"confine": "no"}, ["confine", "True or False"]),
    "hosts are a text": ({"allow_urls": "a.org"}, ["hosts", "str", "list of names"]),
    "hosts are a number": ({"allow_urls": 5}, ["hosts", "int", "list of names"]),
    "hosts are numbers": ({"allow_urls": [5]}, ["hosts", "list of int"]),
}


@pytest.mark.parametrize(("more", "says"), BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize("verb", [api.predict, api.evaluate, api.audit])
def test_paths_and_hosts(run, verb, more, says):
    refused(lambda: verb(run, FRAME, **more), *says)


@pytest.mark.parametrize(("more", "says"), [({"root": 5}, "media root"), ({"allow_urls": "a.org"}, "hosts")])
def test_paths_and_hosts_of_a_model(model, more, says):
    refused(lambda: model.predict_proba(X, **more), says)


@pytest.mark.parametrize(
    ("verb", "table", "more", "says"),
    [
        (api.evaluate, X, {}, ["'label'"]),
        (api.evaluate, FRAME.iloc[:0], {}, ["no row with a target"]),
        (api.evaluate, FRAME.assign(label=None), {}, ["no row with a target"]),
        (api.evaluate, FRAME, {"by": 5}, ["by", "int", "one column"]),
        (api.evaluate, FRAME, {"by": ["colour"]}, ["by", "list of str", "one column"]),
        (api.evaluate, FRAME, {"by": "color"}, ["Did you mean 'colour'"]),
        (api.evaluate, FRAME, {"html": 5}, ["html", "int"]),
        (api.evaluate, FRAME, {"html": "."}, ["folder"]),
        (cs.audit, X, {}, ["'label'"]),
        (cs.audit, 5, {}, ["int", "DataFrame"]),
        (cs.audit, FRAME.iloc[:0], {}, ["no row with a target"]),
        (cs.audit, None, {}, ["no rows to audit on", "Give a table"]),
        (cs.audit, FRAME, {"seconds": "soon"}, ["time budget", "soon"]),
        (cs.audit, FRAME, {"seconds": -1}, ["time budget", "-1"]),
        (cs.audit, FRAME, {"seconds": float("nan")}, ["time budget", "nan"]),
        (cs.audit, FRAME, {"seconds": None}, ["time budget", "None"]),
        (cs.audit, FRAME, {"html": ["a"]}, ["html", "list of str"]),
    ],
)
def test_evaluate_and_audit(run, verb, table, more, says):
    refused(lambda: verb(run, table, **more), *says)


@pytest.mark.parametrize(
    ("table", "target", "says"),
    [
        (None, None, ["NoneType"]),
        (5, None, ["int"]),
        ({}, None, ["no columns"]),
        (FRAME, "nope", ["unknown column 'nope'"]),
        (FRAME, 2, ["target", "int"]),
        (FRAME, [], ["names no column"]),
        (FRAME, Y, ["target", "Series"]),
    ],
)
def test_inspect(table, target, says):
    refused(lambda: api.inspect(table, target=target), *says)


def classifier(**more):
    given = {key: value for key, value in QUICK.items() if key not in ("preset", "time_budget")}
    return cs.ConsilienceClassifier(**{"preset": "classic", "time_budget": "30s", "config": given, **more})


COLUMNS = X.to_dict("list")
ESTIMATORS = {
    "X is None": (lambda: classifier().fit(None, Y), "None was given"),
    "X is a path": (lambda: classifier().fit("t.csv", Y), "read_csv"),
    "X is a stream": (lambda: classifier().fit(iter(()), Y), "2-D array"),
    "X is one row": (lambda: classifier().fit({"size": 1, "colour": "red"}, Y), "list of values"),
    "X is letters": (lambda: classifier().fit({"size": "abc"}, list("aba")), "list of values"),
    "X has columns twice": (lambda: classifier().fit(TWICE, Y), "two columns"),
    "X is 1-D": (lambda: classifier().fit(X["size"], Y), "2"),
    "X is ragged": (lambda: classifier().fit({"size": [1, 2], "colour": [1]}, ["a", "b"]), "numbers of rows"),
    "y is None": (lambda: classifier().fit(COLUMNS, None), "y is None"),
    "y is a name": (lambda: classifier().fit(COLUMNS, "label"), "1d array"),
    "y is a table": (lambda: classifier().fit(COLUMNS, X), "1d array"),
    "y is shorter": (lambda: classifier().fit(COLUMNS, Y[:10]), "numbers of rows"),
    "y has gaps": (lambda: classifier().fit(X, [None, *Y[1:]]), "no answer in 1 of 60 rows"),
    "y has NaN among texts": (lambda: classifier().fit(COLUMNS, [float("nan"), *Y[1:]]), "no answer in 1 of 60"),
    "y of a number has gaps": (lambda: cs.ConsilienceRegressor().fit(COLUMNS, [None] * ROWS), "no answer"),
    "y is text": (lambda: cs.ConsilienceRegressor().fit(COLUMNS, Y), "float"),
    "budget of words": (lambda: classifier(time_budget="soon").fit(X, Y), "time budget"),
    "no budget": (lambda: classifier(time_budget=None).fit(X, Y), "time_budget"),
    "config is a number": (lambda: classifier(config=5).fit(X, Y), "dict of settings"),
    "config is a text": (lambda: classifier(config="x").fit(X, Y), "dict of settings"),
    "config of a part": (lambda: classifier(config={"data": 5}).fit(X, Y), "table of keys"),
    "inputs are a number": (lambda: classifier(config={"inputs": 5}).fit(np.ones((9, 2)), list("abc" * 3)), "keys"),
    "preset is a number": (lambda: classifier(preset=5).fit(X, Y), "preset"),
    "out is a number": (lambda: classifier(out=5).fit(X, Y), "out"),
    "root is a number": (lambda: classifier(media_root=5).fit(X, Y), "media_root"),
    "no such setting": (lambda: classifier().set_params(presset="deep"), "presset"),
    "not fitted": (lambda: classifier().predict(X), "not fitted"),
}


@pytest.mark.parametrize(("call", "says"), ESTIMATORS.values(), ids=ESTIMATORS)
def test_estimators(call, says):
    with pytest.raises(ValueError, match=r".") as caught:
        call()
    assert says in str(caught.value)


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, Y)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (None, "None was given"),
        ("t.csv", "read_csv"),
        (iter(()), "2-D array"),
        ({"size": 1.0, "colour": "red"}, "list of values"),
        ({"colour": "red"}, "list of values"),
        ({}, "no columns"),
        ({"size": [1.0], "colour": ["a", "b"]}, "different lengths"),
        ([{"other": 1}], "none of the model's columns"),
        (X[["size"]], "colour"),
        (TWICE, "two columns"),
    ],
)
def test_predictions_of_estimators(fitted, rows, says):
    with pytest.raises(ValueError, match=r".") as caught:
        fitted.predict(rows)
    assert says in str(caught.value)
