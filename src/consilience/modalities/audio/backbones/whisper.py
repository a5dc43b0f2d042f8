"""The encoder of a Whisper (Radford et al. 2022), from the folder of the whole model or of its encoder alone.

Whisper listens to 30 seconds, silence included. Here a sound is as long as it is: 50 positions a second, and what is
padded is masked, also between the two convolutions; a short sound costs what it is worth.

Shape legend: U sounds, F frames of 10 ms, T positions of 20 ms, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.batch import Tokens
from consilience.core.errors import UserError
from consilience.core.masks import masked
from consilience.core.optional import need
from consilience.modalities.audio.backbones import heard
from consilience.modalities.audio.config import Config
from consilience.modalities.backbone import Backbone, model_type, read_json, weight_files
from consilience.modalities.stack import quiet

TYPE = "whisper"
"""What config.json says of such a folder."""
PREFIXES = ("model.encoder.", "encoder.", "")
"""What may stand before the names of the encoder's weights."""


class Whisper(Backbone):
    """The sequence of the encoder, one token every 20 ms."""

    kind = "whisper"
    settings = ("config.json", "preprocessor_config.json")

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return model_type(folder) == TYPE

    @cached_property
    def _config(self) -> dict[str, Any]:
        return read_json(self.folder / "config.json")

    @property
    def width(self) -> int:
        return int(self._config["d_model"])

    @cached_property
    def _loading(self) -> Config:
        said = heard.settings(self.folder)
        seconds = int(self._config["max_source_positions"]) / 50
        return heard.load_config(Config(), rate=int(said.get("sampling_rate", 16_000)), seconds=seconds)

    def load_config(self, config: Config) -> Config:
        return heard.load_config(config, rate=self._loading.rate, seconds=self._loading.seconds)

    @cached_property
    def extractor(self) -> Any:
        transformers = need("transformers", extra="pretrained", to="use a pretrained backbone")
        with quiet():
            return transformers.WhisperFeatureExtractor.from_pretrained(self.folder, local_files_only=True)

    def length(self, value: Any) -> int:
        return len(heard.wave(value, self._loading)) // 320 + 1

    def build(self) -> Any:
        module, cut = self._whole(), self.config.cut
        if cut:
            if cut >= len(module.layers):
                raise UserError(f"backbone {self.name}: {len(module.layers)} layers, so {cut} cannot be unfrozen")
            module.layers, module.layer_norm = module.layers[:-cut], _nothing()
        return module

    def upper_from(self) -> dict[str, Any]:
        return {"config": self._config, "cut": self.config.cut}

    @classmethod
    def upper(cls, made_of: Mapping[str, Any]) -> Any:
        return _upper(_network(made_of["config"]), made_of["cut"])

    def upper_weights(self) -> dict[str, Any]:
        weights: dict[str, Any] = _upper(self._whole(), self.config.cut).state_dict()
        return weights

    def _whole(self) -> Any:
        need("transformers", extra="pretrained", to="use a pretrained backbone")
        module = _network(self._config)
        weights = encoder_weights(self.folder)
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            raise UserError(f"{self.folder}: the weights do not fit its config.json: {error}") from error
        return module

    def run(self, module: Any, values: Sequence[Any]) -> tuple[Any, Any]:
        import torch

        frames = [self._frames(value) for value in values]
        counts = torch.tensor([part.shape[1] for part in frames])
        mel_UMF = torch.zeros(len(frames), frames[0].shape[0], int(counts.max() + 1) // 2 * 2)
        for row, part in zip(mel_UMF, frames, strict=True):
            row[:, : part.shape[1]] = torch.from_numpy(part)
        device = module.conv1.weight.device
        mel_UMF, counts = mel_UMF.to(device), counts.to(device)
        real_UF = torch.arange(mel_UMF.shape[2], device=device) < counts[:, None]
        return listen(module, mel_UMF, real_UF)

    def _frames(self, value: Any) -> np.ndarray:
        """[M, F] log-mel as Whisper was trained on, as long as the sound is; a part of a frame counts as one."""
        wave = heard.wave(value, self._loading)
        hop = int(self.extractor.hop_length)
        wave = np.pad(wave, (0, -len(wave) % (2 * hop)))
        coded = self.extractor(wave, sampling_rate=self._loading.rate, padding=False, return_tensors="np")
        frames: np.ndarray = coded["input_features"][0]
        return frames


def _network(config: Mapping[str, Any]) -> Any:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    with quiet():
        return WhisperEncoder(WhisperConfig.from_dict(dict(config)))


def _nothing() -> Any:
    from torch import nn

    return nn.Identity()


def _upper(whole: Any, cut: int) -> Any:
    """The last layers as an encoder of tokens."""
    from torch import nn

    class Upper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers, self.layer_norm = whole.layers[-cut:], whole.layer_norm
            self.width = int(whole.config.d_model)

        def forward(self, tokens: Tokens) -> Tokens:
            values = go_through(self, masked(tokens.values, tokens.mask), tokens.mask)
            return Tokens(values=masked(values, tokens.mask), mask=tokens.mask)

    return Upper()


def listen(module: Any, mel_UMF: Any, real_UF: Any) -> tuple[Any, Any]:
    """WhisperEncoder.forward for sounds of any length: tokens [U, T, D] and their mask [U, T]."""
    from torch.nn.functional import gelu

    mask_UT = real_UF[:, ::2]
    x = gelu(module.conv1(mel_UMF)) * real_UF[:, None]
    x = gelu(module.conv2(x)).transpose(1, 2)
    x = x + module.embed_positions.weight[: x.shape[1]]
    return go_through(module, x, mask_UT), mask_UT


def go_through(module: Any, x: Any, mask_UT: Any) -> Any:
    """The layers and the norm after them; nothing attends to what is masked."""
    import torch

    barred = torch.zeros(mask_UT.shape, dtype=x.dtype, device=x.device).masked_fill(~mask_UT, torch.finfo(x.dtype).min)
    for layer in module.layers:
        x = layer(x, barred[:, None, None, :])
    return module.layer_norm(x)


def encoder_weights(folder: Path) -> dict[str, Any]:
    """The tensors of the encoder, by the names they have in it."""
    from safetensors import safe_open

    found: dict[str, Any] = {}
    for path in weight_files(folder):
        if path.suffix != ".safetensors":
            continue
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            prefix = next((p for p in PREFIXES if any(name.startswith(f"{p}conv1.") for name in names)), "")
            wanted = [name for name in names if name.startswith(prefix) and not name.startswith("decoder.")]
            found |= {name.removeprefix(prefix): file.get_tensor(name).float() for name in wanted}
    if not found:
        raise UserError(f"{folder}: its weights are not in safetensors; write them again with save_pretrained")
    return found
