"""What a bundle says of itself, and how its files are read and written. Knows no model."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.errors import BundleError

FORMAT = 1
MANIFEST = "manifest.json"


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Put a whole file in place by rename: a reader sees the old one or the new one. Makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, str] | None = None) -> None:
    from safetensors.numpy import save_file

    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, temporary, metadata=dict(meta or {}))
    os.replace(temporary, path)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise BundleError(f"{path}: cannot be read: {error}. Copy the bundle again or rebuild it with fit.") from error


def seal(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, last, with the hash of every other file."""
    paths = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    files = sorted(name for name in paths if name != MANIFEST)
    whole = {**manifest, "files": {name: sha256(folder / name) for name in files}}
    whole["sha256"] = _own_hash(whole)
    write_text(folder / MANIFEST, json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def _own_hash(manifest: Mapping[str, Any]) -> str:
    """Of everything the manifest says but this."""
    said = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def find(path: Path) -> Path:
    """The bundle folder of a run or a bundle. Raises BundleError when it is neither."""
    for folder in (path, path / "bundle"):
        if (folder / MANIFEST).is_file():
            return folder
    if not path.exists():
        raise BundleError(f"{path}: there is no such run or bundle.")
    raise BundleError(f"{path}: neither a run nor a bundle (no {MANIFEST}). Was the fit interrupted before a model?")


def unseal(folder: Path) -> dict[str, Any]:
    """Read the manifest after checking its format and the hash of every file it names."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = dict(manifest["files"])
        version = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder / MANIFEST}: damaged: {error!r}. Copy the bundle again.") from error
    if version != FORMAT:
        raise BundleError(
            f"{folder}: bundle format {version}; this version of consilience reads format {FORMAT}. "
            f"It was written by consilience {manifest.get('consilience')}."
        )
    if "sha256" in manifest and manifest["sha256"] != _own_hash(manifest):  # earlier ones have none
        raise BundleError(f"{folder / MANIFEST}: changed since the bundle was written. Copy the bundle again.")
    for name, want in files.items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{path}: missing from the bundle. Copy the bundle again.")
        if sha256(path) != want:
            raise BundleError(f"{path}: changed since the bundle was written (sha256 differs). Copy the bundle again.")
    return manifest
