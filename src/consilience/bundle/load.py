"""A bundle on disk -> a model ready to answer. Imports nothing that trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from consilience.bundle.manifest import find, read_arrays, unseal
from consilience.bundle.model import Input, Model
from consilience.core.arguments import path_of
from consilience.core.config import decode
from consilience.core.errors import BundleError, ConfigError
from consilience.core.limits import Limits
from consilience.core.state import State
from consilience.data.infer import InputPlan
from consilience.modalities import MODALITIES
from consilience.modalities.backbone import restore_backbone
from consilience.modalities.frozen import FrozenProcessor
from consilience.models import MEMBERS
from consilience.tasks import TASKS

RUN = 'the folder of a run or bundle, for example load("runs/first") or load(result.run)'


def load(path: str | Path) -> Model:
    """Load the model of a run or bundle. Every file is checked against the manifest first.

    Raises BundleError (UserError for what is no path): not there, damaged, changed, or of another format version.
    """
    folder = find(path_of("run", path, RUN))
    manifest = unseal(folder)
    arrays = read_arrays(folder / "weights.safetensors")
    files = {name: (folder / name).read_bytes() for name in manifest.get("model_files", ())[1:]}
    try:
        return _build(folder, manifest, arrays, files)
    except (KeyError, TypeError, IndexError, ConfigError) as error:
        raise BundleError(f"{folder}: the manifest and the weights do not fit together: {error!r}") from error


def _build(folder: Path, manifest: dict[str, Any], arrays: dict[str, np.ndarray], files: dict[str, bytes]) -> Model:
    inputs = {}
    for number, given in enumerate(manifest["inputs"]):
        modality = MODALITIES.load(given["modality"])()
        config = decode(modality.Config, given["config"], f"inputs.{given['name']}")
        state = State(arrays=_under(arrays, f"input{number}/"), meta=given["state"])
        plan = InputPlan(
            name=given["name"],
            modality=given["modality"],
            columns=tuple(given["columns"]),
            kinds=tuple(given["kinds"]),
        )
        if (about := given.get("backbone")) is None:
            backbone, processor = None, modality.restore(state, config)
        else:
            backbone = restore_backbone(modality.backbones, about, folder / about["folder"])
            processor = FrozenProcessor.restore(state)
        inputs[plan.name] = Input(
            plan=plan,
            config=config,
            processor=processor,
            backbone=backbone,
            missing=given["missing"],
            unreadable=given["unreadable"],
        )
    task = TASKS.load(manifest["task"]["kind"]).restore(manifest["task"])
    kind = manifest["model"]["kind"]
    state = State(arrays=_under(arrays, "model/"), meta=manifest["model"]["state"], files=files)
    return Model(
        name=manifest["name"],
        target=manifest["target"],
        task=task,
        inputs=inputs,
        member=MEMBERS.load(kind).restore(state, task),
        limits=decode(Limits, manifest["limits"]),
        columns=tuple(manifest["columns"]),
        targets=tuple(manifest.get("targets", (manifest["target"],))),
        weight=manifest.get("weight"),
    )


def _under(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {key[len(prefix) :]: value for key, value in arrays.items() if key.startswith(prefix)}
