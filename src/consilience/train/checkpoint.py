"""Checkpoints: tensors in safetensors, the rest in JSON; put in place by rename, so never seen half-written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def save(folder: Path, name: str, tensors: dict[str, torch.Tensor], meta: dict[str, Any]) -> None:
    """Write `name`.safetensors (with `meta` in its header) in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.{os.getpid()}"
    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    save_file(contiguous, temporary, metadata={"meta": json.dumps(meta)})
    os.replace(temporary, folder / f"{name}.safetensors")
