"""Admission, batching and isolation: who shares a batch never changes an answer, and a full queue says so."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from consilience.serve.config import ServeConfig
from consilience.serve.engine import Engine
from consilience.serve.errors import Busy, TimedOut, Unusable
from consilience.serve.metrics import Metrics


def running(model, **settings) -> Engine:
    engine = Engine(model, ServeConfig(**settings), Metrics())
    engine.start()
    return engine


def value(engine: Engine, name: str, **labels) -> float:
    return engine.metrics.registry.get_sample_value(f"consilience_{name}", labels) or 0.0


def test_batches_form_under_load_and_answers_stay_the_same(model, photo):
    rows = [{"review": f"text {i}"} if i % 3 else {"photo": photo, "price": float(i)} for i in range(40)]
    engine = running(model, batch_rows=16)
    gate = threading.Event()
    real = engine._predict
    engine._predict = lambda dataset: (gate.wait(10), real(dataset))[1]

    async def load():
        tasks = [asyncio.create_task(engine.answer([row])) for row in rows]
        await asyncio.sleep(0.5)  # all are decoded and wait behind the first batch
        gate.set()
        return await asyncio.gather(*tasks)

    got = np.concatenate([answer.answers for answer in asyncio.run(load())])
    engine.close()
    np.testing.assert_allclose(got, model.predict_proba(rows), atol=1e-9)
    batches = value(engine, "batch_rows_count")
    assert 3 <= batches < 40, "40 rows in batches of at most 16"
    assert value(engine, "queue_rows") == 0


def test_a_bad_value_fails_its_own_request_only(model, photo):
    engine = running(model)

    async def load():
        rows = [{"photo": photo}, {"photo": photo[:50]}, {"review": "x"}]
        return await asyncio.gather(*(engine.answer([row]) for row in rows), return_exceptions=True)

    first, second, third = asyncio.run(load())
    engine.close()
    assert isinstance(second, Unusable)
    assert second.field == "photo"
    assert len(first.predictions) == len(third.predictions) == 1


def test_a_full_queue_refuses_at_once_and_recovers(model):
    engine = running(model, waiting_rows=3)
    gate = threading.Event()
    real = engine._predict
    engine._predict = lambda dataset: (gate.wait(10), real(dataset))[1]

    async def load():
        tasks = [asyncio.create_task(engine.answer([{"review": str(i)}])) for i in range(5)]
        await asyncio.sleep(0.2)
        early = [task for task in tasks if task.done()]
        gate.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        return early, outcomes, await engine.answer([{"review": "again"}])

    early, outcomes, again = asyncio.run(load())
    engine.close()
    assert len(early) == 2
    assert sum(isinstance(outcome, Busy) for outcome in outcomes) == 2
    assert len(again.predictions) == 1


def test_a_request_that_takes_too_long_is_given_up_and_not_computed(model):
    engine = running(model, timeout=0.2)
    gate, computed = threading.Event(), []
    real = engine._predict
    engine._predict = lambda dataset: (computed.append(dataset.rows), gate.wait(10), real(dataset))[2]

    async def load():
        first = asyncio.create_task(engine.answer([{"review": "a"}]))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(engine.answer([{"review": "b"}]))
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        gate.set()
        return outcomes

    outcomes = asyncio.run(load())
    engine.close()
    assert all(isinstance(outcome, TimedOut) for outcome in outcomes)
    assert computed == [1], "the second was gone before its turn"


def test_closing_finishes_what_was_admitted(model):
    engine = running(model)

    async def load():
        task = asyncio.create_task(engine.answer([{"review": "a"}] * 5))
        await asyncio.sleep(0.01)
        await asyncio.get_running_loop().run_in_executor(None, engine.close)
        return await task

    assert len(asyncio.run(load()).predictions) == 5
    assert not engine.ready


@pytest.mark.parametrize("setting", [{"rows": 0}, {"timeout": 0}, {"body_bytes": -1}])
def test_settings_that_make_no_sense(setting):
    with pytest.raises(ValueError, match=r"at least|above"):
        ServeConfig(**setting)
