"""What a run keeps of its candidates, so that a run that is cut off fits none of them twice. Knows no model.

checkpoints/NAME/ is a candidate's own folder while it is fitted; when it is, its model is there: member.safetensors.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from consilience.bundle.manifest import read_arrays, write_arrays
from consilience.core.errors import BundleError
from consilience.core.state import State
from consilience.models import MEMBERS
from consilience.models.base import Member
from consilience.tasks.base import Task

CHECKPOINTS = "checkpoints"
"""The folder of a run that holds its candidates' folders."""
_MEMBER = "member.safetensors"
_FILE, _TOLD = "file:", "told:"
"""Arrays that are bytes: before the name of each of the state's files, and the JSON."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A candidate that was fitted: what the leaderboard needs of it."""

    member: Member
    facts: dict[str, Any]
    cpu_seconds: float


def folder_of(checkpoints: Path, candidate: str) -> Path:
    """The candidate's own folder. Its name is for people; the hash tells apart what only special characters do."""
    words = re.sub(r"[^a-z0-9]+", "-", candidate.lower()).strip("-")[:60]
    return checkpoints / f"{words}-{hashlib.sha256(candidate.encode()).hexdigest()[:8]}"


def keep(folder: Path, kept: Kept) -> None:
    """Put the model in `folder` in the place of whatever its fitting left there."""
    state = kept.member.state()
    files = {_FILE + name: np.frombuffer(content, np.uint8) for name, content in state.files.items()}
    told = {"kind": kept.member.kind, "state": state.meta, "facts": kept.facts, "cpu_seconds": kept.cpu_seconds}
    folder.mkdir(parents=True, exist_ok=True)
    write_arrays(folder / _MEMBER, {**state.arrays, **files, _TOLD: _text(told)})
    for path in folder.iterdir():
        if path.name != _MEMBER:
            path.unlink()


def find(folder: Path, task: Task) -> Kept | None:
    """The candidate of `folder`, answering bit for bit as it did; None when it is not (or not readably) there."""
    if not (folder / _MEMBER).is_file():
        return None
    try:
        arrays = read_arrays(folder / _MEMBER)
    except BundleError:  # a disk that lost power half-way: it is fitted again
        return None
    told = json.loads(arrays.pop(_TOLD).tobytes())
    files = {name[len(_FILE) :]: arrays.pop(name).tobytes() for name in [*arrays] if name.startswith(_FILE)}
    state = State(arrays=arrays, meta=told["state"], files=files)
    member = MEMBERS.load(told["kind"]).restore(state, task)
    return Kept(member=member, facts=told["facts"], cpu_seconds=told["cpu_seconds"])


def begun(folder: Path) -> bool:
    """The candidate was being fitted, and left something to go on from."""
    return folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())


def _text(told: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(json.dumps(told, default=_plain).encode(), np.uint8)


def _plain(value: Any) -> Any:
    """NumPy scalars in JSON as what they are."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be kept of a candidate")
