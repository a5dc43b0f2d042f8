"""What backbones that `transformers` loads have in common: from a folder to a module, whole, or cut in two.

Knows no modality: what a value is, and how it is given to the module, is left to each modality's own.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from consilience.core.batch import Tokens
from consilience.core.errors import UserError
from consilience.core.optional import need
from consilience.modalities.backbone import Backbone, read_json


class Stack(Backbone):
    """A backbone whose module is a `transformers` model: embeddings, then a list of alike layers."""

    part: ClassVar[str]
    """Of a model with several encoders, the attribute that holds the one wanted, if there is one."""
    feed: ClassVar[str]
    """The argument of `forward` that vectors are given as, in the place of what was to be embedded."""
    masks: ClassVar[bool]
    """`forward` takes an attention mask."""

    @abstractmethod
    def call(self, module: Any, values: Sequence[Any]) -> tuple[Any, Any]:
        """The last layer's tensors [U, T, D], and their mask [U, T]."""

    @abstractmethod
    def probe(self) -> Sequence[Any]:
        """A few made-up values that halves are tried on."""

    def build(self) -> Any:
        module = from_folder(self.folder, self.part)
        if not self.config.cut:
            return module
        from consilience.modalities.frozen.encoders import halves

        return halves.lower(module, self.config.cut)

    def run(self, module: Any, values: Sequence[Any]) -> tuple[Any, Any]:
        tokens, mask = self.call(module, values)
        if self.config.cut:
            from consilience.modalities.frozen.encoders import halves

            tokens = halves.entered(module)
        return tokens, mask

    def upper_from(self) -> dict[str, Any]:
        return {"config": read_json(self.folder / "config.json"), "cut": self.config.cut, "width": self.width}

    @classmethod
    def upper(cls, made_of: Mapping[str, Any]) -> Any:
        return cls._upper(from_config(made_of["config"], cls.part), made_of)

    @classmethod
    def _upper(cls, module: Any, made_of: Mapping[str, Any]) -> Any:
        from consilience.modalities.frozen.encoders.halves import Upper

        return Upper(module, made_of["cut"], width=made_of["width"], feed=cls.feed, masks=cls.masks)

    def upper_weights(self) -> dict[str, Any]:
        from consilience.modalities.frozen.encoders import halves

        torch = need("torch", extra="pretrained", to="use a pretrained backbone")
        upper = self._upper(from_folder(self.folder, self.part), self.upper_from()).eval()
        with torch.inference_mode():
            entering, mask = self.run(self.build().eval(), self.probe())
            leaving, _ = self.call(from_folder(self.folder, self.part).eval(), self.probe())
            both = upper(Tokens(values=entering, mask=mask))
        halves.agree(Tokens(values=leaving, mask=mask), both, name=self.name)
        weights: dict[str, Any] = upper.state_dict()
        return weights


def from_folder(folder: Path, part: str = "") -> Any:
    """The model of a folder, nothing fetched and no code of the folder run. `part`: see `Stack.part`."""
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
    return _chosen(model, part)


def from_config(config: Mapping[str, Any], part: str = "") -> Any:
    """The model that a config describes, with random weights."""
    transformers = need("transformers", extra="pretrained", to="use a pretrained backbone")
    said = {key: value for key, value in config.items() if key not in ("model_type", "transformers_version")}
    with quiet():
        model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(config["model_type"], **said))
    return _chosen(model, part)


def _chosen(model: Any, part: str) -> Any:
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
