"""What is kept of a candidate comes back bit for bit, or not at all."""

import numpy as np
import pytest

from consilience.core.state import State
from consilience.models.constant import Constant
from consilience.tasks.classification import Classification
from consilience.workflows import kept

TASK = Classification(["a", "b"])


def fitted(answer=(0.1, 0.9)):
    facts = {"curve": [{"epoch": 1, "train_loss": np.float32(0.1)}], "kept_epoch": np.int64(1)}
    return kept.Kept(member=Constant(np.array(answer)), facts=facts, cpu_seconds=1.5)


def test_a_candidate_comes_back(tmp_path) -> None:
    kept.keep(tmp_path / "x", fitted())
    found = kept.find(tmp_path / "x", TASK)
    assert found.member.state().arrays["answer"].tobytes() == np.array([0.1, 0.9]).tobytes()
    assert found.facts == {"curve": [{"epoch": 1, "train_loss": pytest.approx(0.1)}], "kept_epoch": 1}
    assert found.cpu_seconds == 1.5


def test_files_of_a_state_come_back(tmp_path, monkeypatch) -> None:
    state = State(arrays={"answer": np.array([1.0])}, files={"graph.onnx": b"\0bytes"})
    monkeypatch.setattr(Constant, "state", lambda self: state)
    seen = []
    monkeypatch.setattr(Constant, "restore", classmethod(lambda cls, state, task: seen.append(state)))
    kept.keep(tmp_path, fitted())
    kept.find(tmp_path, TASK)
    assert seen[0].files == state.files
    assert set(seen[0].arrays) == {"answer"}


def test_what_the_fitting_left_goes_when_the_member_is_there(tmp_path) -> None:
    (tmp_path / "training.safetensors").write_bytes(b"x")
    assert kept.begun(tmp_path)
    kept.keep(tmp_path, fitted())
    assert [p.name for p in tmp_path.iterdir()] == ["member.safetensors"]


def test_nothing_there_and_damaged_are_not_there(tmp_path) -> None:
    assert kept.find(tmp_path / "x", TASK) is None
    assert not kept.begun(tmp_path / "x")
    (tmp_path / ".half").write_bytes(b"x")
    assert not kept.begun(tmp_path)
    kept.keep(tmp_path, fitted())
    content = (tmp_path / "member.safetensors").read_bytes()
    for length in (0, 4, 50, len(content) - 1):
        (tmp_path / "member.safetensors").write_bytes(content[:length])
        assert kept.find(tmp_path, TASK) is None


def test_folders_differ_when_names_do(tmp_path) -> None:
    names = ["linear[a/b]", "linear[a b]", "linear[A b]", "linear[../../x]", "线性[问题]", "线性[图片]", "x" * 500]
    folders = {kept.folder_of(tmp_path, name) for name in names}
    assert len(folders) == len(names)
    assert all(folder.parent == tmp_path and len(folder.name) < 80 for folder in folders)
