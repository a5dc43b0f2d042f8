"""Candidates in turn and several at a time: each fitted once, in its share of what is left."""

import time

import numpy as np
import pytest

from consilience.core.progress import Reporter
from consilience.models.constant import Constant
from consilience.tasks.classification import Classification
from consilience.workflows import side_by_side
from consilience.workflows.candidates import Candidate, Search

TASK = Classification(["a", "b"])


def candidate(name, seconds, *, share=0.5, several=False, work=lambda: None):
    """One that writes down how long it may take in `seconds`, a folder."""

    def fit(deadline, folder, reporter):
        with (seconds / name).open("a") as file:
            file.write(f"{deadline.seconds:.1f}\n")
        work()
        return Constant(np.array([0.25, 0.75])), {"name": name}

    return Candidate(name=name, preset="x", fusion=None, inputs=("i",), fit=fit, share=share, one_of_several=several)


@pytest.fixture
def seconds(tmp_path):
    (tmp_path / "seconds").mkdir()
    return tmp_path / "seconds"


def search(tmp_path, *, left=100.0, at_once=1):
    return Search(
        task=TASK, folder=tmp_path / "kept", left=lambda: left, least=5.0, at_once=at_once, reporter=Reporter()
    )


def names(found):
    return [(c.name, None if kept is None else kept.facts["name"]) for c, kept in found]


def test_each_is_fitted_once_in_its_share(tmp_path, seconds) -> None:
    tried = [candidate("a", seconds, share=0.25), candidate("b", seconds, share=0.5)]
    for _ in range(2):
        assert names(search(tmp_path).fit(tried)) == [("a", "a"), ("b", "b")]
    assert (seconds / "a").read_text() == "25.0\n"
    assert (seconds / "b").read_text() == "50.0\n"


def test_without_time_none_is_begun_but_what_was_begun_ends(tmp_path, seconds) -> None:
    late = search(tmp_path, left=3.0)
    (late.folder / "b-3e23e816").mkdir(parents=True)
    (late.folder / "b-3e23e816" / "training.safetensors").touch()
    assert names(late.fit([candidate(name, seconds) for name in "ab"])) == [("a", None), ("b", "b")]


@pytest.mark.skipif(not side_by_side.possible(), reason="needs a fork")
def test_several_share_with_those_after_them_and_not_with_those_beside_them(tmp_path, seconds) -> None:
    shares = {"a": 1 / 4, "b": 1 / 3, "c": 1 / 2}
    tried = [candidate(name, seconds, share=share, several=True) for name, share in shares.items()]
    tried.append(candidate("last", seconds, share=0.9))
    assert names(search(tmp_path, at_once=2).fit(tried)) == [(name, name) for name in ("a", "b", "c", "last")]
    found = {path.name: float(path.read_text()) for path in seconds.iterdir()}
    assert found == {"a": 50.0, "b": 50.0, "c": 50.0, "last": 90.0}


@pytest.mark.skipif(not side_by_side.possible(), reason="needs a fork")
def test_ctrl_c_leaves_those_that_were_fitted(tmp_path, seconds, monkeypatch) -> None:
    def pressed(pieces, **given):
        pieces["a"](Reporter())
        return False

    monkeypatch.setattr(side_by_side, "do", pressed)
    found = search(tmp_path, at_once=2).fit(candidate(name, seconds, several=True) for name in "ab")
    assert next(found)[0].name == "a"
    with pytest.raises(KeyboardInterrupt):
        next(found)


@pytest.mark.skipif(not side_by_side.possible(), reason="needs a fork")
def test_an_error_is_raised_here(tmp_path, seconds) -> None:
    def fail():
        raise ValueError("this one")

    with pytest.raises(ValueError, match="this one"):
        names(search(tmp_path, at_once=2).fit([candidate("a", seconds, several=True, work=fail)]))


@pytest.mark.skipif(not side_by_side.possible(), reason="needs a fork")
def test_they_are_fitted_at_the_same_time(tmp_path, seconds) -> None:
    def meet():
        end = time.monotonic() + 20
        while len([*seconds.iterdir()]) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)

    tried = [candidate(name, seconds, several=True, work=meet) for name in "ab"]
    assert names(search(tmp_path, at_once=2).fit(tried)) == [("a", "a"), ("b", "b")]
    assert all((seconds / name).read_text().count("\n") == 1 for name in "ab")
