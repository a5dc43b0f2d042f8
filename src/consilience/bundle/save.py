"""A model -> a bundle on disk."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from consilience import __version__
from consilience.bundle import golden
from consilience.bundle.manifest import FORMAT, seal, unseal, write_arrays, write_text
from consilience.bundle.model import Model
from consilience.core.config import dump_toml, encode
from consilience.data.sources import write
from consilience.modalities.backbone import Backbone

_BACKBONES = "backbones"
"""Folder of the backbones that inputs are seen through."""


def save(
    model: Model, folder: Path, *, config: Any, facts: Mapping[str, Any], baseline: Mapping[str, Sequence[Any]]
) -> None:
    """Write the bundle of `model`. It appears whole, or not at all; an older one in its place is replaced.

    `config`: the run's whole config. `facts`: JSON about the training for the model card (rows, metrics, date).
    `baseline`: columns of training-time statistics that monitoring compares with.
    """
    with _replacing(folder) as work:
        described = _write_model(model, work)
        write_text(work / "config.toml", dump_toml(config))
        write(baseline, work / "baseline.parquet")
        golden.write(work / "golden.safetensors", model)
        write_text(work / "README.md", card(model, facts))
        _seal(work, {**described, "facts": dict(facts)})


def rewrite(model: Model, source: Path, folder: Path, *, about: Mapping[str, Any]) -> None:
    """Write `model`, another form of the model in the bundle `source`, as a folder like that bundle: all that is said
    of the training, and the golden rows with the answers of the original, are copied. `about` joins the manifest."""
    original = unseal(source)
    with _replacing(folder) as work:
        described = _write_model(model, work)
        for name in original["files"]:
            if name not in original.get("model_files", ("weights.safetensors",)) and Path(name).parts[0] != _BACKBONES:
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, work / name)
        kept = {key: original[key] for key in ("created", "facts")}
        _seal(work, {**described, **kept, **about})


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `folder` when the block has ended well."""
    work = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(work, folder)


def _write_model(model: Model, work: Path) -> dict[str, Any]:
    """Arrays and files of the model and its processors in `work`; returns what the manifest says of them."""
    state = model.member.state()
    arrays = {f"model/{key}": value for key, value in state.arrays.items()}
    inputs = []
    for number, (name, given) in enumerate(sorted(model.inputs.items())):
        learned = given.processor.state()
        arrays |= {f"input{number}/{key}": value for key, value in learned.arrays.items()}
        plan = given.plan
        frozen = {} if given.backbone is None else {"backbone": _write_backbone(given.backbone, work)}
        inputs.append(
            {
                **frozen,
                "name": name,
                "modality": plan.modality,
                "columns": list(plan.columns),
                "kinds": list(plan.kinds),
                "config": encode(given.config),
                "state": learned.meta,
                "missing": given.missing,
                "unreadable": dict(given.unreadable),
            }
        )
    write_arrays(work / "weights.safetensors", arrays)
    for name, content in state.files.items():
        (work / name).write_bytes(content)
    return {
        "format": FORMAT,
        "consilience": __version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "name": model.name,
        "target": model.target,
        **({"targets": list(model.targets)} if len(model.targets) > 1 else {}),
        **({"weight": model.weight} if model.weight is not None else {}),
        "task": model.task.meta(),
        "model": {"kind": model.member.kind, "state": state.meta},
        "model_files": ["weights.safetensors", *sorted(state.files)],
        "inputs": inputs,
        "limits": encode(model.limits),
        "columns": list(model.columns),
    }


def _write_backbone(backbone: Backbone, work: Path) -> dict[str, Any]:
    """Its files in a folder of their own, which inputs that share it share; what the manifest says of it."""
    folder = Path(_BACKBONES) / backbone.fingerprint[:16]
    if not (work / folder).exists():
        backbone.save(work / folder)
    return {**backbone.about(), "folder": folder.as_posix()}


def _seal(work: Path, manifest: Mapping[str, Any]) -> None:
    seal(work, json.loads(json.dumps(manifest, default=_plain)))


def _plain(value: Any) -> Any:
    """NumPy scalars in JSON as what they are."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be kept in a manifest")


def card(model: Model, facts: Mapping[str, Any]) -> str:
    """The model card: what it is, what it was trained on (in numbers), how well it does."""
    lines = [f"# {model.target}: {model.name}", "", f"A {model.task.kind} model made by consilience {__version__}.", ""]
    lines += ["| input | modality | columns |", "|---|---|---|"]
    lines += [f"| {n} | {i.plan.modality} | {', '.join(i.plan.columns)} |" for n, i in sorted(model.inputs.items())]
    lines += ["", "Any input may be missing on any row.", ""]
    for backbone in {b.fingerprint: b for i in model.inputs.values() if (b := i.backbone) is not None}.values():
        lines.append(f"- backbone {backbone.name}: {backbone.size / 1e6:.1f} MB of this folder, frozen")
    lines += [f"- {key}: {json.dumps(value, ensure_ascii=False, default=_plain)}" for key, value in facts.items()]
    lines += ["", "Predict: `consilience predict THIS_FOLDER table.csv`", ""]
    return "\n".join(lines)
