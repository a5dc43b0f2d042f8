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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from consilience.core.errors import UserError
from consilience.core.optional import need
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
    cut: int = 0
    """Last layers left out: what would enter them is kept then, all of it, for layers that go on learning; see
    pretrained.unfreeze."""

    def __post_init__(self) -> None:
        if self.most_tokens < 1:
            raise ValueError("most_tokens must be at least 1")
        if self.cut < 0:
            raise ValueError("cut may not be negative")


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

    reads_whole: ClassVar[bool] = True
    """Whether every value is read to its end, whatever its length."""

    def cut_short(self, values: Sequence[Any]) -> tuple[int, str]:
        """How many of these values it does not read to their end, and where it stops, in words ("after 256 tokens").
        The default: none."""
        return 0, ""

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
        torch = need("torch", extra="pretrained", to="use a pretrained backbone")
        module, threads = self.module, torch.get_num_threads()
        torch.set_num_threads(sensible())
        on_gpu = self.device != "cpu"
        try:
            with torch.inference_mode(), torch.autocast(self.device.partition(":")[0], torch.bfloat16, enabled=on_gpu):
                tokens, mask = self.run(module, values)
                if self.config.tokens == "pooled" and not self.config.cut:
                    weight = mask.unsqueeze(2).to(tokens.dtype)
                    tokens = (tokens * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)
                    mask = mask.any(1, keepdim=True)
            vectors, real = tokens.float().cpu().numpy(), mask.cpu().numpy()
        finally:
            torch.set_num_threads(threads)
        most = vectors.shape[1] if self.config.cut else self.config.most_tokens
        return [thin(v[m], most) for v, m in zip(vectors, real, strict=True)]

    def without_last(self, cut: int) -> Backbone:
        """The same one, `cut` layers shorter: its vectors are what enters those layers."""
        return type(self)(self.folder, replace(self.config, cut=cut), name=f"{self.name}-top{cut}", device=self.device)

    def upper_from(self) -> dict[str, Any]:
        """JSON that `upper` makes the last `config.cut` layers of. Raises UserError where they cannot be taken off."""
        raise UserError(f"backbone {self.name}: its last layers cannot be unfrozen (pretrained.unfreeze = 0)")

    @classmethod
    def upper(cls, made_of: Mapping[str, Any]) -> Any:
        """A torch module with fresh weights: Tokens of what enters the last layers -> Tokens of what leaves them."""
        raise NotImplementedError

    def upper_weights(self) -> dict[str, Any]:
        """The pretrained weights of `upper`."""
        raise NotImplementedError

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
