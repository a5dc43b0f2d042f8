"""Tiny backbones with random weights, as folders: what tests and docs try the code paths of pretrained ones on."""

from __future__ import annotations

import json
import string
from pathlib import Path

from consilience.modalities.stack import quiet


def tiny_text(folder: Path, *, seed: int = 0, width: int = 16, layers: int = 2) -> Path:
    """A BERT of two layers that reads letters, with its tokeniser."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.ascii_lowercase, *string.digits]
    vocabulary = [*pieces, *(f"##{piece}" for piece in pieces[5:])]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=40,
    )
    with quiet():
        BertModel(config).save_pretrained(folder)
        BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def tiny_image(folder: Path, *, seed: int = 0, width: int = 16, layers: int = 2, side: int = 32) -> Path:
    """A ViT of two layers on `side` x `side` pixels, with the settings of its image processor."""
    import torch
    from transformers import ViTConfig, ViTModel

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    config = ViTConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        image_size=side,
        patch_size=8,
    )
    with quiet():
        ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    settings = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": side, "width": side},
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.25, 0.5, 0.2],
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def tiny_whisper(folder: Path, *, seed: int = 0, width: int = 16, layers: int = 2) -> Path:
    """A Whisper of two layers, with its decoder, and the settings of its feature extractor."""
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=60,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
        num_mel_bins=20,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=2 * width,
        decoder_ffn_dim=2 * width,
        max_source_positions=100,
    )
    with quiet():
        WhisperModel(config).save_pretrained(folder)
        WhisperFeatureExtractor(feature_size=20).save_pretrained(folder)
    return folder


def tiny_wav2vec(folder: Path, *, seed: int = 0, width: int = 16, layers: int = 2) -> Path:
    """A wav2vec 2.0 of two layers that takes 40 samples a token, and the settings of its feature extractor."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        conv_dim=[8, 8],
        conv_stride=[8, 5],
        conv_kernel=[16, 10],
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    with quiet():
        Wav2Vec2Model(config).save_pretrained(folder)
        Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def tiny_video(folder: Path, *, seed: int = 0, width: int = 16, layers: int = 2, side: int = 32) -> Path:
    """A VideoMAE of two layers on four frames of `side` x `side` pixels, with the settings of its processor."""
    import torch
    from transformers import VideoMAEConfig, VideoMAEModel

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    config = VideoMAEConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        image_size=side,
        patch_size=8,
        num_frames=4,
        tubelet_size=2,
    )
    with quiet():
        VideoMAEModel(config).save_pretrained(folder)
    settings = {"size": {"shortest_edge": side}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.25, 0.5, 0.2]}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
