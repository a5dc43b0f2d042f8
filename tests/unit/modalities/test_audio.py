"""The audio modality without torch: formulas, features, loading whatever comes, collating, claims."""

from __future__ import annotations

import base64
import contextlib
import os
import struct
from pathlib import Path

import media_files as media
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.core.batch import Tokens
from consilience.core.config import decode, encode
from consilience.core.errors import BadCell, ConfigError, UserError
from consilience.core.limits import Limits
from consilience.modalities.audio import Audio, features, samples, transform
from consilience.modalities.audio.config import Config
from consilience.modalities.audio.load import Listener, layout
from consilience.modalities.base import ColumnSample

AUDIO = Audio()
SHORT = Config(seconds=1.0)
ROOT = Path("/nowhere")
RNG = np.random.default_rng(5)
NAMES = features.names()


def load(cell: object, config: Config = SHORT, root: Path = ROOT, **limits: float) -> tuple[dict, list[str]]:
    value, remarks = AUDIO.load((cell,), config, root, Limits(**limits))
    assert value.dtype == np.uint8
    assert len(value) <= AUDIO.array(config)[0][0]
    parts = layout(config).unpack(value)
    assert len(parts["features"]) == len(NAMES)
    return {**parts, "said": dict(zip(NAMES, parts["features"].tolist(), strict=True))}, remarks


def reason(cell: object, config: Config = SHORT, root: Path = ROOT, **limits: float) -> str:
    with pytest.raises(BadCell) as caught:
        load(cell, config, root, **limits)
    assert "\n" not in caught.value.reason
    return caught.value.reason


def column(cells: list[object], root: Path = ROOT) -> ColumnSample:
    return ColumnSample(name="note", cells=cells, rows=len(cells), distinct=len(set(cells)), root=root)


# ---------------------------------------------------------------------------------------------------------- formulas


def test_known_points_of_the_mel_scales() -> None:
    assert transform.hz_to_mel(np.array([0, 1000, 6400]), "slaney").tolist() == pytest.approx([0, 15, 42])
    assert transform.hz_to_mel(np.array([0, 700, 1000]), "htk").tolist() == pytest.approx([0, 781.17, 999.99], abs=0.01)
    for scale in ("slaney", "htk"):
        hz = np.array([1.0, 440, 999, 1000, 1001, 7999])
        np.testing.assert_allclose(transform.mel_to_hz(transform.hz_to_mel(hz, scale), scale), hz)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_filters_are_those_of_another_implementation(scale: str) -> None:
    """transformers' filter bank, which its own tests hold to librosa's."""
    reference = pytest.importorskip("transformers.audio_utils").mel_filter_bank
    ours = transform.filters(rate=16_000, fft=512, bands=64, low=20.0, high=8_000.0, scale=scale)
    theirs = reference(
        num_frequency_bins=257,
        num_mel_filters=64,
        min_frequency=20.0,
        max_frequency=8_000.0,
        sampling_rate=16_000,
        norm="slaney",
        mel_scale=scale,
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-7)


def test_a_frame_by_the_definition() -> None:
    """Mel and cepstra of one frame, summed term by term."""
    config = Config(seconds=1.0, bands=20)
    frame = RNG.normal(0, 0.1, config.window)
    n = np.arange(config.window)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / config.window)
    bins = range(config.fft // 2 + 1)
    power = np.array([abs(np.sum(frame * window * np.exp(-2j * np.pi * k * n / config.fft))) ** 2 for k in bins])
    bank = transform.filters(rate=16_000, fft=config.fft, bands=20, low=20.0, high=8_000.0, scale="slaney")
    mel = np.log(power @ bank)
    ours = transform.log_mel(transform.spectrum(frame[None].astype(np.float32), config), config)
    np.testing.assert_allclose(ours[0], mel, atol=1e-3)
    m = np.arange(20)
    decibel = 10 * np.log10(np.exp(mel))
    for k in (0, 1, 7):
        scale = np.sqrt((1 if k == 0 else 2) / 20)
        want = scale * np.sum(decibel * np.cos(np.pi * k * (2 * m + 1) / 40))
        assert transform.mfcc(ours, config)[0, k] == pytest.approx(want, abs=1e-2)


def test_slopes() -> None:
    assert transform.delta(np.arange(8.0) * 3)[2:-2].tolist() == pytest.approx([3.0] * 4)


@pytest.mark.parametrize("hz", [90.0, 147.0, 220.0, 440.0])
def test_pitch_of_a_voice_like_sound(hz: float) -> None:
    time = np.arange(8_000) / 16_000
    voice = sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 8)) * 0.2 + RNG.normal(0, 0.005, 8_000)
    said = load(media.wav(voice))[0]["said"]
    assert said["pitch median"] == pytest.approx(12 * np.log2(hz / 55), abs=0.2)
    assert said["voiced share"] > 0.9


def test_noise_and_silence_have_no_pitch() -> None:
    for sound in (RNG.normal(0, 0.2, 8_000), np.zeros(8_000)):
        parts, _ = load(media.wav(sound))
        assert parts["said"]["voiced share"] < 0.1
    assert np.isnan(parts["said"]["pitch median"])
    assert np.isfinite(np.delete(parts["features"], [i for i, n in enumerate(NAMES) if n.startswith("pitch")])).all()


def test_what_the_features_say() -> None:
    high, low = (load(media.wav(media.tone(hz, seconds=0.8)))[0]["said"] for hz in (3_000.0, 300.0))
    assert high["centroid mean"] == pytest.approx(3_000, rel=0.05)
    assert low["zero crossings mean"] == pytest.approx(2 * 300 / 16_000, rel=0.1)
    assert low["duration (log2 s)"] == pytest.approx(np.log2(0.8), abs=0.01)
    assert low["peak"] == pytest.approx(0.3, abs=0.01)
    assert low["energy mean"] == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.2)
    gap = np.concatenate([media.tone(seconds=0.5), np.zeros(8_000), media.tone(seconds=0.5)])
    assert load(media.wav(gap))[0]["said"]["pauses"] == pytest.approx(1 / 3, abs=0.03)


# ---------------------------------------------------------------------------------------------------------- loading


@pytest.mark.parametrize("name", media.SOUNDS)
def test_every_container_gives_the_same_sound(name: str) -> None:
    form, codec, rate = media.SOUNDS[name]
    parts, remarks = load(media.sound(media.tone(440, seconds=0.6, rate=rate), form, codec, rate))
    assert remarks == []
    assert parts["said"]["pitch median"] == pytest.approx(36.0, abs=0.1)
    assert 2 ** parts["said"]["duration (log2 s)"] == pytest.approx(0.6, abs=0.15)


def test_channels_are_mixed_and_rates_changed() -> None:
    left = media.tone(440, seconds=0.5, rate=44_100)
    both = load(media.wav(np.stack([left, np.zeros_like(left)], 1), 44_100, channels=2))[0]
    assert both["said"]["pitch median"] == pytest.approx(36.0, abs=0.05)
    assert both["said"]["peak"] == pytest.approx(0.15, abs=0.01)


def test_the_sound_of_a_film_and_a_film_without() -> None:
    pictures = media.moving_square()
    parts, _ = load(media.film(pictures, samples=media.tone()))
    assert parts["said"]["pitch median"] == pytest.approx(36.0, abs=0.1)
    silent = media.film(pictures)
    assert reason(silent) == "there is no sound in the file"
    assert AUDIO.load((silent,), Config(seconds=1.0, optional=True), ROOT, Limits()) == (None, [])


def test_block_borders_do_not_show() -> None:
    """However the samples arrive, and whether the decoder hands over many or few: the same value."""
    whole = RNG.normal(0, 0.1, 400_000).astype(np.float32)
    config = Config(seconds=30.0)
    values = []
    for size in (400_000, 1_024, 3_333):
        listener = Listener(config, 25.0)
        for start in range(0, len(whole), size):
            listener.hear(whole[start : start + size])
        values.append(listener.value())
    assert np.array_equal(values[0], values[1])
    assert np.array_equal(values[0], values[2])
    mel = layout(config).unpack(values[0])["mel"]
    direct = transform.log_mel(transform.spectrum(transform.framed(whole, config), config), config)
    assert abs(len(mel) - len(direct)) <= 1
    np.testing.assert_allclose(mel[: len(direct)], direct[: len(mel)], atol=0.02)


def test_which_part_is_kept() -> None:
    low, high = media.tone(300, seconds=2.0), media.tone(3_000, seconds=1.0)
    content = media.wav(np.concatenate([low, high, low]))
    centre = {}
    for part in ("start", "middle"):
        mel = load(content, Config(seconds=1.0, part=part))[0]["mel"]
        assert len(mel) == 100
        centre[part] = int(mel.astype(float).mean(0).argmax())
    assert centre["start"] < centre["middle"]
    lying = media.wav_header(4.0) + content[44:20_044]  # its middle never comes
    assert len(load(lying, Config(seconds=1.0, part="middle"))[0]["mel"]) > 10


def test_samples_are_kept_when_asked_for_and_silence_cut() -> None:
    sound = np.concatenate([np.zeros(8_000), media.tone(seconds=0.5), np.zeros(8_000)])
    config = Config(seconds=2.0, wave=True)
    value, _ = AUDIO.load((media.wav(sound),), config, ROOT, Limits())
    heard = samples(value, config)
    np.testing.assert_allclose(heard, sound[: len(heard)], atol=1e-4)
    assert len(heard) > 23_000
    config = Config(seconds=2.0, wave=True, trim=True)
    value, _ = AUDIO.load((media.wav(sound),), config, ROOT, Limits())
    assert len(samples(value, config)) == pytest.approx(8_000, abs=800)
    assert len(samples(AUDIO.load((media.wav(sound),), SHORT, ROOT, Limits())[0], SHORT)) == 0


def test_very_short_and_very_long() -> None:
    assert len(load(media.wav(np.full(3, 0.1)))[0]["mel"]) == 1
    parts, _ = load(media.wav(media.tone(seconds=40)))
    assert len(parts["mel"]) == 100
    assert 2 ** parts["said"]["duration (log2 s)"] == pytest.approx(40, abs=0.1)


def test_long_sounds_are_remembered_evenly() -> None:
    memory = features.Memory(most=100)
    for block in np.split(np.arange(1_000.0)[:, None], 10):
        memory.add(block)
    kept = memory.all()[:, 0]
    assert 50 <= len(kept) <= 100
    assert len(set(np.diff(kept))) == 1


# ---------------------------------------------------------------------------------------------------------- bad input


def test_damage_is_said_and_what_is_there_is_used() -> None:
    whole = media.wav(media.tone(seconds=2.0))
    parts, remarks = load(whole[: len(whole) // 3])
    assert 2 ** parts["said"]["duration (log2 s)"] == pytest.approx(0.66, abs=0.05)
    assert "of the 64,044 bytes that its header speaks of" in remarks[0]
    flac = media.sound(media.tone(seconds=20.0), "flac", "flac", 16_000)
    assert "its header says 20.0 s" in load(flac[: len(flac) // 2])[1][0]
    m4a = media.sound(media.tone(seconds=2.0), "ipod", "aac", 16_000)
    assert "damaged or cut off" in reason(m4a[: len(m4a) // 2])


def test_headers_no_recording_has() -> None:
    data = bytes(32_000)
    assert reason(media.wav_header(1, channels=0) + data) == "the sound has zero channels"
    assert "channels; at most 64" in reason(media.wav_header(1, channels=300) + data)
    assert "samples a second" in reason(media.wav_header(1, rate=10) + data)
    assert reason(media.wav_header(0)) == "the wav file holds no sound: not one sample could be decoded"


def test_a_wrong_extension_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "really_wav.mp3").write_bytes(media.wav(media.tone()))
    (tmp_path / "really_png.wav").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    assert load("really_wav.mp3", root=tmp_path)[1] == []
    assert "neither sound nor film" in reason("really_png.wav", root=tmp_path)


def test_ten_hours_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(media.wav_header(36_000))
    os.truncate(path, 44 + 36_000 * 32_000)
    assert reason("long.wav", root=tmp_path) == "36,000 seconds long; the limit is 14,400 (limits.seconds)"


def test_more_than_the_header_said_is_noticed() -> None:
    """An MP3 without a header of its own: the limit holds for what is decoded too."""
    content = media.sound(media.tone(seconds=3.0), "adts", "aac", 16_000)
    assert "limits.seconds" in reason(content, seconds=1.0)


def test_what_is_no_number_is_silence() -> None:
    values = np.concatenate([media.tone(seconds=0.3), np.array([np.nan, np.inf, -np.inf] * 50)]).astype("<f4")
    form = struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32)
    data = values.tobytes()
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + form
    parts, _ = load(head + b"data" + struct.pack("<I", len(data)) + data)
    assert np.isfinite(parts["mel"]).all()
    assert parts["said"]["peak"] == pytest.approx(1.0)


@given(
    st.integers(0, 3_000), st.binary(min_size=1, max_size=40), st.sampled_from(["a.wav", "a.mp3", "a.weba", "a.flac"])
)
def test_any_damage_is_one_bad_cell_or_a_value(place: int, junk: bytes, name: str) -> None:
    content = DAMAGE[name]
    place %= len(content)
    with contextlib.suppress(BadCell):  # nothing else may be raised
        load(content[:place] + junk + content[place + len(junk) :])


DAMAGE = {n: media.sound(media.tone(seconds=0.2, rate=media.SOUNDS[n][2]), *media.SOUNDS[n]) for n in
          ("a.wav", "a.mp3", "a.weba", "a.flac")}  # fmt: skip


# ------------------------------------------------------------------------------------------------- learned, and tokens


@pytest.fixture(scope="module")
def values() -> list:
    contents = [media.wav(media.tone(hz, seconds=s)) for hz, s in ((300, 0.3), (700, 0.5), (1_500, 0.2))]
    return [AUDIO.load((content,), SHORT, ROOT, Limits())[0] for content in contents]


def test_tokens_are_normalised_and_masked(values: list) -> None:
    processor = AUDIO.fit(values, SHORT, weights=np.ones(3))
    tokens = processor.collate([values[0], None, values[1], values[2]])
    mels = [layout(SHORT).unpack(value)["mel"] for value in values]
    assert tokens.mask.sum(1).tolist() == [-(-len(mels[0]) // 4), 0, *(-(-len(mel) // 4) for mel in mels[1:])]
    assert tokens.values.shape == (4, max(tokens.mask.sum(1)), 4, 64)
    one = tokens.values[0].reshape(-1, 64)
    assert (one[len(mels[0]) : 4 * tokens.mask[0].sum()] == one[len(mels[0]) - 1]).all()
    frames = tokens.values.reshape(4, -1, 64)
    real = np.concatenate([frames[place, : len(mel)] for place, mel in zip((0, 2, 3), mels, strict=True)])
    np.testing.assert_allclose(real.mean(0), 0, atol=0.01)
    assert processor.collate([None]).mask.tolist() == [[False]]
    assert real.std() == pytest.approx(1, abs=0.2)


def test_fitting_does_not_depend_on_order_and_is_restored_bit_for_bit(values: list) -> None:
    weights = np.array([1.0, 2.0, 5.0])
    one = AUDIO.fit(values, SHORT, weights=weights)
    other = AUDIO.fit(values[::-1], SHORT, weights=weights[::-1])
    again = AUDIO.restore(one.state(), SHORT)
    for processor in (other, again):
        assert np.array_equal(processor.collate(values).values, one.collate(values).values)
    unseen = AUDIO.fit(values, SHORT, weights=np.array([1.0, 0.0, 0.0]))
    assert np.array_equal(
        unseen.state().arrays["mean"], AUDIO.fit(values[:1], SHORT, weights=np.ones(1)).state().arrays["mean"]
    )
    assert np.isfinite(AUDIO.fit([], SHORT, weights=np.zeros(0)).collate(values).values).all()


def test_features_of_missing_sounds_are_absent(values: list) -> None:
    processor = AUDIO.fit(values, SHORT, weights=np.ones(3))
    found = processor.features([None, values[1]])
    assert found.present.tolist() == [False, True]
    assert found.matrix.shape == (2, len(NAMES))
    assert not found.matrix[0].any()
    assert len(set(found.names)) == len(found.names)


def test_augmenting_blots_out_and_leaves_the_rest(values: list) -> None:
    config = Config(seconds=1.0, gain=0.0)
    processor = AUDIO.fit(values, config, weights=np.ones(3))
    tokens = processor.collate([values[0], None, values[1]])
    changed = processor.augment(tokens, np.random.default_rng(0))
    assert np.array_equal(changed.mask, tokens.mask)
    blotted = (changed.values == 0) & (tokens.values != 0)
    assert 0 < blotted[tokens.mask].mean() < 0.5
    assert np.array_equal(np.where(blotted, 0, tokens.values), changed.values)
    with_gap = processor.collate([values[0], values[2], values[1]])
    same = processor.augment(with_gap, np.random.default_rng(0))
    assert np.array_equal(same.values[0][same.mask[0]], changed.values[0][changed.mask[0]])
    off = Config(seconds=1.0, gain=0.0, time_masks=0, band_masks=0)
    plain = AUDIO.fit(values, off, weights=np.ones(3)).augment(tokens, np.random.default_rng(0))
    assert np.array_equal(plain.values, tokens.values)
    louder = AUDIO.fit(values, Config(seconds=1.0, time_masks=0, band_masks=0), weights=np.ones(3))
    moved: Tokens = louder.augment(tokens, np.random.default_rng(0))
    assert not moved.values[~tokens.mask].any()
    assert (moved.values != tokens.values)[tokens.mask].all()


# ---------------------------------------------------------------------------------------------------------- claims


def test_claims(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(media.wav(media.tone()))
    (tmp_path / "hash1").write_bytes(media.sound(media.tone(), "ogg", "libopus", 48_000))
    (tmp_path / "film.mp4").write_bytes(media.film(media.moving_square(), samples=media.tone()))
    (tmp_path / "silent.mp4").write_bytes(media.film(media.moving_square()))
    (tmp_path / "text.txt").write_bytes(b"hello")

    def claim(*cells: object) -> object:
        return AUDIO.sniff(column(list(cells), tmp_path))

    by_name = claim("a.wav", "gone.mp3")
    assert by_name.kind == "audio"
    assert "of 2 that were looked at, 1 hold sound" in by_name.reason
    assert claim("hash1").kind == "audio"
    assert claim(media.wav(media.tone())).kind == "audio"
    film = claim("film.mp4", "silent.mp4")
    assert (film.kind, film.beside) == ("sound", "sound")
    assert film.strength < by_name.strength
    assert claim("silent.mp4") is None
    assert claim("text.txt", "a fine sentence about a.wav and what else there is to say.wav") is None
    assert claim("hello", "a b c") is None
    assert claim() is None
    coded = base64.b64encode(media.wav(media.tone())).decode()
    assert claim(coded, f"data:audio/wav;base64,{coded}").kind == "audio"
    assert load(coded)[0]["said"] == load(media.wav(media.tone()))[0]["said"]
    assert "URLs" in claim("https://example.org/a.wav").reason


def test_seconds_are_decided_from_headers(tmp_path: Path) -> None:
    for n in range(20):
        (tmp_path / f"{n}.wav").write_bytes(media.wav(media.tone(seconds=1.5 if n < 19 else 4.0)))
    cells = [f"{n}.wav" for n in range(20)]
    decided = AUDIO.resolve(Config(), [column(cells, tmp_path)], ["audio"])
    assert decided.seconds == pytest.approx(4.0)
    assert not decided.optional
    assert AUDIO.resolve(Config(), [column(["gone.wav"], tmp_path)], ["sound"]).optional
    assert AUDIO.resolve(Config(), [column([], tmp_path)], ["audio"]).seconds == 10.0
    assert AUDIO.resolve(Config(seconds=2.5), [column(cells, tmp_path)], ["audio"]).seconds == 2.5
    with pytest.raises(UserError, match="one sound a row"):
        AUDIO.resolve(Config(), [column(cells), column(cells)], ["audio", "audio"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 100},
        {"seconds": 1e6},
        {"bands": 3},
        {"low": 9_000.0},
        {"high": 20_000.0},
        {"time_share": 1.0},
        {"gain": -1.0},
        {"part": "end"},
        {"bnads": 64},
    ],
)
def test_config_mistakes_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        decode(Config, wrong)


def test_every_key_of_the_config_does_something() -> None:
    """Whatever changes what is loaded changes the value; the keys for training only are tested above."""
    assert decode(Config, encode(Config())) == Config()
    sound = np.concatenate([np.zeros(4_000), media.tone(2_000, seconds=1.0), media.tone(200, seconds=1.0)])
    content = media.wav(sound)
    plain, _ = AUDIO.load((content,), SHORT, ROOT, Limits())
    for change in (
        {"rate": 8_000},
        {"seconds": 0.5},
        {"part": "middle"},
        {"bands": 40},
        {"low": 200.0},
        {"high": 4_000.0},
        {"scale": "htk"},
        {"trim": True},
        {"wave": True},
    ):
        other, _ = AUDIO.load((content,), Config(**{"seconds": 1.0, **change}), ROOT, Limits())
        assert not np.array_equal(plain, other), change


def test_an_example_is_loaded() -> None:
    (cell,) = AUDIO.example(SHORT, None, np.random.default_rng(0))
    assert load(cell)[1] == []
    (field,) = AUDIO.fields(SHORT, ["note"])
    assert (field.form, field.accept) == ("file", "audio/*")
