"""Any text encoder of `transformers`, from its folder: BERT and its kin, the encoder of an encoder-decoder, the text
side of a CLIP. Knows cleaned texts and no table.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from consilience.core.errors import UserError
from consilience.core.optional import need
from consilience.modalities.backbone import model_type, read_json
from consilience.modalities.stack import Stack, from_folder, quiet
from consilience.modalities.text.config import Config

LONGEST = 512
"""Tokens of a text that are looked at, at most."""


class TransformersText(Stack):
    """The folder of a model and its tokeniser, as `save_pretrained` writes them."""

    kind, part, feed, masks = "transformers", "text_model", "inputs_embeds", True
    reads_whole = False
    settings = ("config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt",
                "*.model")  # fmt: skip

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return model_type(folder) is not None and any(folder.glob("tokenizer*"))

    @cached_property
    def _config(self) -> dict[str, Any]:
        config = read_json(self.folder / "config.json")
        own = config.get("text_config")
        return own if isinstance(own, dict) else config

    @property
    def width(self) -> int:
        for key in ("hidden_size", "d_model", "dim", "n_embd"):
            if isinstance(self._config.get(key), int):
                return int(self._config[key])
        return int(from_folder(self.folder, self.part).config.hidden_size)

    def load_config(self, config: Config) -> Config:
        return config  # the same cleaning for everybody

    @cached_property
    def tokenizer(self) -> Any:
        transformers = need("transformers", extra="pretrained", to="use a pretrained backbone")
        with quiet():
            try:
                tokenizer = transformers.AutoTokenizer.from_pretrained(
                    self.folder, local_files_only=True, trust_remote_code=False
                )
            except (OSError, ValueError, KeyError, ImportError) as error:
                raise UserError(f"{self.folder}: its tokeniser cannot be loaded: {error}") from error
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        return tokenizer

    @property
    def longest(self) -> int:
        positions = self._config.get("max_position_embeddings") or self._config.get("n_positions") or LONGEST
        offset = int(self._config.get("pad_token_id") or 0) + 1 if self._config.get("model_type") in OFFSET else 0
        return min(LONGEST, int(positions) - offset, int(self.tokenizer.model_max_length))

    def length(self, value: Any) -> int:
        return min(self.longest, len(value.split()) + len(value) // 4 + 2)

    def cut_short(self, values: Sequence[Any]) -> tuple[int, str]:
        long = [value for value in values if len(value) >= self.longest]  # a token has at least one character
        coded = self.tokenizer(long, truncation=False, verbose=False)["input_ids"] if long else []
        return sum(len(ids) > self.longest for ids in coded), f"after {self.longest:,} tokens"

    def probe(self) -> Sequence[Any]:
        return ["one", "two words and some more"]

    def call(self, module: Any, values: Sequence[Any]) -> tuple[Any, Any]:
        coded = self.tokenizer(
            list(values), padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
        )
        given = {k: v.to(module.device) for k, v in coded.items() if k in ("input_ids", "attention_mask")}
        return module(**given).last_hidden_state, given["attention_mask"].bool()


OFFSET = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "data2vec-text")
"""Their positions begin after the number of the padding token."""
