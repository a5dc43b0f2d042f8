"""What a pretrained backbone promises: loaded values in, vectors out, always the same ones. Imports no torch.

A backbone is a folder of weights (safetensors) and settings (JSON). It is frozen: a cell is encoded once, and every
model learns from the stored vectors. What a value is, only the modality's own backbones know.

Shape legend: U values, T tokens of one value, D width.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from consilience.core.errors import UserError
from consilience.core.registry import Family
from consilience.core.threads import sensible

FORM = 1
"""Raised when the same weights and settings would give other vectors: what was stored before is then not used."""
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Names of weights in one file; the first that is there is taken. Of several files there is an index beside them."""


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    tokens: Literal["pooled", "all"] = "pooled"
    """What is kept of a cell: one vector, the mean of its tokens; or all of them, for fusions that look at tokens."""
    most_tokens: int = 64
    """Most vectors kept of a cell when all are; of a longer one, neighbours are averaged."""

    def __post_init__(self) -> None:
        if self.most_tokens < 1:
            raise ValueError("most_tokens must be at least 1")


class Backbone(ABC):
    """One folder of weights, ready to encode. Nothing is loaded before something is encoded."""

    kind: ClassVar[str]
    settings: ClassVar[tuple[str, ...]] = ("config.json",)
    """Files beside the weights (patterns) that its answers depend on."""

    def __init__(
        self, folder: Path, config: BackboneConfig, *, name: str, fingerprint: str = "", device: str = "cpu"
    ) -> None:
        """`fingerprint`: what it was when the folder was made of another one; computed when not given."""
        self.folder, self.config, self.name, self.device = folder, config, name, device
        self._given = fingerprint

    @classmethod
    @abstractmethod
    def claims(cls, folder: Path) -> bool:
        """Whether the folder holds weights of this kind."""

    @property
    @abstractmethod
    def width(self) -> int:
        """D, known without loading the weights."""

    @abstractmethod
    def load_config(self, config: Any) -> Any:
        """The modality's processing config with what this backbone needs of a loaded value (a picture's size)."""

    @abstractmethod
    def length(self, value: Any) -> int:
        """About how many tokens a value is: values of like length are encoded together."""

    @abstractmethod
    def build(self) -> Any:
        """The torch module, on the processor, with its weights, in evaluation mode."""

    @abstractmethod
    def run(self, module: Any, values: Sequence[Any]) -> tuple[Any, Any]:
        """values -> tensors [U, T, D] and mask [U, T]; called without gradients, on the module's device."""

    @cached_property
    def module(self) -> Any:
        return self.build().eval().requires_grad_(False).to(self.device)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the weights, the settings they are used with and what is kept: equal ones encode alike."""
        if self._given:
            return self._given
        said = hashlib.sha256(json.dumps([FORM, self.kind, asdict(self.config)]).encode())
        for path in self.files():
            with path.open("rb") as file:
                said.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return said.hexdigest()

    def files(self) -> list[Path]:
        """Weights and settings, by name."""
        found = {path for pattern in self.settings for path in self.folder.glob(pattern) if path.is_file()}
        return sorted(found | set(weight_files(self.folder)))

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(path.stat().st_size for path in self.files())

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """One batch: each value's vectors [T, D] float32; T is 1 when they are pooled. No value may be None."""
        import torch

        module, threads = self.module, torch.get_num_threads()
        torch.set_num_threads(sensible())
        on_gpu = self.device != "cpu"
        try:
            with torch.inference_mode(), torch.autocast(self.device.partition(":")[0], torch.bfloat16, enabled=on_gpu):
                tokens, mask = self.run(module, values)
                if self.config.tokens == "pooled":
                    weight = mask.unsqueeze(2).to(tokens.dtype)
                    tokens = (tokens * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)
                    mask = mask.any(1, keepdim=True)
            vectors, real = tokens.float().cpu().numpy(), mask.cpu().numpy()
        finally:
            torch.set_num_threads(threads)
        return [thin(v[m], self.config.most_tokens) for v, m in zip(vectors, real, strict=True)]

    def save(self, folder: Path) -> None:
        """A folder that gives the same vectors on another machine: settings as they are, weights in safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = weight_files(self.folder)
        for path in self.files():
            if path not in weights or path.suffix in (".safetensors", ".json"):
                shutil.copyfile(path, folder / path.name)
        if any(path.suffix == ".bin" for path in weights):
            from safetensors.torch import save_model

            save_model(self.build(), str(folder / WEIGHTS[0]))

    def about(self) -> dict[str, Any]:
        """JSON to make it again from its folder."""
        return {
            "kind": self.kind,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "config": asdict(self.config),
            "bytes": self.size,
        }


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights, safetensors before anything else; none when there are none that are read."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            return [index, *(folder / Path(part).name for part in sorted(parts))]
    return []


def thin(vectors: np.ndarray, most: int) -> np.ndarray:
    """[T, D] with at most `most` rows: neighbours are averaged in equal shares."""
    if len(vectors) <= most:
        return np.ascontiguousarray(vectors, np.float32)
    edges = (np.arange(most) * len(vectors)) // most
    counts = np.diff([*edges, len(vectors)])
    return (np.add.reduceat(vectors, edges, axis=0) / counts[:, None]).astype(np.float32)


def read_json(path: Path) -> dict[str, Any]:
    """The settings in a file of a backbone's folder; raises UserError when it holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}. Copy the folder of the backbone again.") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: expected an object of settings. Copy the folder of the backbone again.")
    return found


def model_type(folder: Path) -> str | None:
    """What `config.json` of a folder says it is; None when there is no such file."""
    path = folder / "config.json"
    return str(read_json(path).get("model_type", "")) if path.is_file() else None


def from_folder(folder: Path, *, part: str = "") -> Any:
    """The `transformers` model of a folder, nothing fetched and no code of the folder run. `part`: of a model with
    several encoders, the attribute that holds the one wanted, if there is one."""
    from consilience.core.optional import need

    transformers = need("transformers", extra="pretrained", to="use a pretrained backbone")
    with quiet():
        try:
            model = transformers.AutoModel.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, weights_only=True
            )
        except Exception as error:  # anything at all, an UnpicklingError for weights that are more than tensors too
            raise UserError(
                f"{folder}: transformers cannot load this model: {str(error).strip().splitlines()[0]}"
            ) from error
    if hasattr(model, part):
        return getattr(model, part)
    return model.get_encoder() if getattr(model.config, "is_encoder_decoder", False) else model


@contextmanager
def quiet() -> Iterator[None]:
    """transformers draws progress bars and logs at length."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def restore_backbone(family: Family, about: Mapping[str, Any], folder: Path) -> Backbone:
    """The backbone that `about()` was said of, from the folder it was saved in."""
    made: Backbone = family.load(about["kind"])(
        folder, BackboneConfig(**about["config"]), name=about["name"], fingerprint=about["fingerprint"]
    )
    return made


def find_backbone(family: Family, folder: Path, config: BackboneConfig, *, name: str, device: str) -> Backbone:
    """The backbone in a folder, whichever of the family claims it. Raises UserError when none does."""
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder of weights")
    for kind in family:
        cls = family.load(kind)
        if cls.claims(folder):
            if not weight_files(folder):
                raise UserError(
                    f"{folder}: no weights in it ({' or '.join(WEIGHTS)}; no other form is read). Copy all of it"
                )
            made: Backbone = cls(folder, config, name=name, device=device)
            return made
    raise UserError(
        f"{folder}: no {family.name} that is known here ({', '.join(family) or 'there is none'}): expected a folder as "
        "save_pretrained writes it, with config.json, the weights, and the tokeniser or preprocessor"
    )
