"""Any encoder of sound of `transformers` that takes samples or frames, from its folder: wav2vec 2.0, HuBERT, AST.

Sounds are encoded one at a time, unpadded: several of these models let padding leak into what is real.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from consilience.core.errors import UserError
from consilience.core.optional import need
from consilience.modalities.audio.backbones import heard
from consilience.modalities.audio.config import Config
from consilience.modalities.backbone import Backbone, model_type, read_json
from consilience.modalities.stack import from_folder, quiet


class TransformersAudio(Backbone):
    """The folder of a model and its feature extractor, as `save_pretrained` writes them."""

    kind = "transformers"
    settings = ("config.json", "preprocessor_config.json")

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return model_type(folder) is not None and "sampling_rate" in heard.settings(folder)

    @property
    def width(self) -> int:
        return int(read_json(self.folder / "config.json")["hidden_size"])

    @cached_property
    def _loading(self) -> Config:
        return heard.load_config(Config(), rate=int(heard.settings(self.folder)["sampling_rate"]))

    def load_config(self, config: Config) -> Config:
        return heard.load_config(config, rate=self._loading.rate)

    @cached_property
    def extractor(self) -> Any:
        transformers = need("transformers", extra="pretrained", to="use a pretrained backbone")
        with quiet():
            try:
                return transformers.AutoFeatureExtractor.from_pretrained(
                    self.folder, local_files_only=True, trust_remote_code=False
                )
            except (OSError, ValueError, KeyError, ImportError) as error:
                raise UserError(f"{self.folder}: its feature extractor cannot be loaded: {error}") from error

    def length(self, value: Any) -> int:
        return 1  # each is computed alone

    def build(self) -> Any:
        if self.config.cut:
            self.upper_from()  # says that this is not for this kind
        return from_folder(self.folder, part="audio_model")

    def run(self, module: Any, values: Sequence[Any]) -> tuple[Any, Any]:
        from torch.nn.utils.rnn import pad_sequence

        rows = [self._one(module, heard.wave(value, self._loading)) for value in values]
        tokens = pad_sequence(rows, batch_first=True)
        counts = tokens.new_tensor([len(row) for row in rows])
        mask = tokens.new_ones(tokens.shape[:2]).cumsum(1) <= counts[:, None]
        return tokens, mask

    def _one(self, module: Any, wave: Any) -> Any:
        coded = self.extractor(wave, sampling_rate=self._loading.rate, return_tensors="pt")
        given = {k: v.to(module.device) for k, v in coded.items() if k in ("input_values", "input_features")}
        return module(**given).last_hidden_state[0]
