"""A small model with a picture, a text and a table, and an app around it that is driven without a socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

import consilience as cs
from consilience.bundle.load import load
from consilience.serve.config import ServeConfig
from consilience.serve.engine import Engine
from consilience.serve.metrics import Metrics
from consilience.serve.rest import application


@pytest.fixture(scope="package")
def served_run(tmp_path_factory, make_mixed_table):
    folder = tmp_path_factory.mktemp("serve")
    quick = {"preset": "classic", "classic": {"single": ["linear"], "joined": ["linear"]}}
    return cs.fit(make_mixed_table(folder, rows=90), target="label", config=quick, out=folder / "run").run


@pytest.fixture(scope="package")
def model(served_run):
    return load(served_run)


@pytest.fixture(scope="package")
def photo(served_run) -> bytes:
    return next((served_run.parent / "photos").glob("*.png")).read_bytes()


@pytest.fixture
def engine(model) -> Engine:
    return Engine(model, ServeConfig(body_bytes=300_000, rows=20, timeout=20.0), Metrics())


@pytest.fixture
def client(engine) -> Iterator[TestClient]:
    with TestClient(application(engine), raise_server_exceptions=False) as client:
        yield client
