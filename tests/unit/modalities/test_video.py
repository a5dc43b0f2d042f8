"""The video modality without torch: which frames are kept, what is said of them, loading whatever comes, claims."""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

import media_files as media
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.core.config import decode, encode
from consilience.core.errors import BadCell, ConfigError, UserError
from consilience.core.limits import Limits
from consilience.modalities.base import ColumnSample
from consilience.modalities.video import Video, features, frames, load
from consilience.modalities.video.clean import Spread, moments
from consilience.modalities.video.config import Config

VIDEO = Video()
SMALL = Config(size=32)
ROOT = Path("/nowhere")
NAMES = features.names()
SQUARE = media.moving_square()
FORMS = [
    ("mp4", "mpeg4"),
    ("mp4", "libx264"),
    ("webm", "libvpx"),
    ("matroska", "mpeg4"),
    ("avi", "mjpeg"),
    ("flv", "flv1"),
]


def opened(cell: object, config: Config = SMALL, root: Path = ROOT, **limits: float) -> tuple[dict, list[str]]:
    value, remarks = VIDEO.load((cell,), config, root, Limits(**limits))
    assert value.dtype == np.uint8
    assert len(value) <= VIDEO.array(config)[0][0]
    parts = load.layout(config).unpack(value)
    assert len(parts["features"]) == len(NAMES)
    assert len(parts["times"]) == len(parts["frames"])
    return {**parts, "said": dict(zip(NAMES, parts["features"].tolist(), strict=True))}, remarks


def reason(cell: object, config: Config = SMALL, root: Path = ROOT, **limits: float) -> str:
    with pytest.raises(BadCell) as caught:
        opened(cell, config, root, **limits)
    assert "\n" not in caught.value.reason
    return caught.value.reason


def column(cells: list[object], root: Path = ROOT) -> ColumnSample:
    return ColumnSample(name="clip", cells=cells, rows=len(cells), distinct=len(set(cells)), root=root)


def plain(level: int, count: int) -> list[np.ndarray]:
    return [np.full((32, 32, 3), level, np.uint8)] * count


# ------------------------------------------------------------------------------------------------------ which frames


@given(st.lists(st.floats(0, 1_000), min_size=1, max_size=300), st.integers(1, 8))
def test_frames_are_spread_in_time(times: list[float], count: int) -> None:
    spread = Spread(count)
    for time in sorted(times):
        spread.offer(time, lambda time=time: time)
    assert len(spread.times) <= 4 * count
    chosen, kept = spread.chosen(count, max(times))
    assert chosen == kept == sorted(set(chosen))
    assert 1 <= len(chosen) <= count
    assert set(chosen) <= set(times)


def test_uneven_frames_count_by_their_time() -> None:
    """A hundred frames in the first second, then one a second: what is on screen longest is seen most."""
    spread = Spread(4)
    for time in [*(n / 100 for n in range(100)), *range(1, 11)]:
        spread.offer(time, lambda time=time: time)
    chosen, _ = spread.chosen(4, 11.0)
    np.testing.assert_allclose(chosen, moments(0, 11, 4), atol=2.0)


@pytest.mark.parametrize(("form", "codec"), FORMS)
def test_every_container_gives_the_same_frames(form: str, codec: str) -> None:
    parts, remarks = opened(media.film(SQUARE, container=form, codec=codec))
    assert remarks == []
    assert parts["frames"].shape == (8, 32, 32, 3)
    np.testing.assert_allclose(parts["times"], np.arange(8) / 10, atol=0.03)
    assert np.abs(parts["frames"][3].astype(int) - SQUARE[3]).mean() < 8


def test_short_films_have_fewer_frames_and_long_ones_are_thinned() -> None:
    assert len(opened(media.film(SQUARE[:3]))[0]["frames"]) == 3
    assert len(opened(media.film(SQUARE[:1]))[0]["frames"]) == 1
    parts, _ = opened(media.film(media.moving_square(frames=100)))
    np.testing.assert_allclose(parts["times"], moments(0, 10, 8), atol=0.7)


@pytest.mark.parametrize("sampling", ["even", "key"])
def test_long_films_are_searched(sampling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above WHOLE frames; the brightness of a frame says when it was shown."""
    pictures = [np.full((32, 32, 3), n, np.uint8) for n in range(20, 220)]
    content = media.film(pictures, fps=25, codec="libx264", key_every=10)
    monkeypatch.setattr(load, "WHOLE", 100)
    counted: list[int] = []
    real = load.Watcher.value
    monkeypatch.setattr(load.Watcher, "value", lambda self: (counted.append(self.seen), real(self))[1])
    parts, remarks = opened(content, Config(size=32, sampling=sampling))
    assert remarks == []
    assert counted[0] < 150
    np.testing.assert_allclose(parts["times"], moments(0, 8, 8), atol=0.05 if sampling == "even" else 0.5)
    np.testing.assert_allclose(parts["frames"].mean((1, 2, 3)), 20 + parts["times"] * 25, atol=4)


def test_what_cannot_be_searched_is_read_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    import av

    content = media.film(media.moving_square(frames=60))
    monkeypatch.setattr(load, "WHOLE", 20)
    whole = opened(content)[0]

    class Stuck:
        def __init__(self, handle):
            self._handle = handle

        def __getattr__(self, name):
            return getattr(self._handle, name)

        def seek(self, *args, **options):
            raise av.error.PermissionError(1, "no", "no")

    real = load.Watcher.__init__

    def stuck(self, config, source, stream):
        real(self, config, source, stream)
        source.handle = Stuck(source.handle)

    monkeypatch.setattr(load.Watcher, "__init__", stuck)
    parts = opened(content)[0]
    np.testing.assert_allclose(parts["times"], whole["times"], atol=0.5)


# ------------------------------------------------------------------------------------------------------ how they look


def test_rotation_in_the_header_is_honoured() -> None:
    """A film whose header says it must be turned (phones): the upper left corner moves with it."""
    picture = np.full((32, 48, 3), 20, np.uint8)
    picture[:8, :8] = (250, 20, 20)
    for degrees, corner in ((0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (-90, (0, 1))):
        content = media.film([picture] * 3, rotated=degrees)
        (shown, *_) = opened(content, Config(size=48, fit="squash"))[0]["frames"]
        ends = [[shown[:6, :6].mean(), shown[:6, -6:].mean()], [shown[-6:, :6].mean(), shown[-6:, -6:].mean()]]
        assert np.unravel_index(np.argmax(ends), (2, 2)) == corner, degrees


ONE, UNIT = 1 << 16, 1 << 30
MATRICES = {
    "empty": ([0] * 9, (0, 0)),
    "no turn, twice the size": ([2 * ONE, 0, 0, 0, 2 * ONE, 0, 0, 0, UNIT], (0, 0)),
    "mirrored left to right": ([-ONE, 0, 0, 0, ONE, 0, 0, 0, UNIT], (0, 1)),
    "mirrored upside down": ([ONE, 0, 0, 0, -ONE, 0, 0, 0, UNIT], (1, 0)),
    "turned to the right": ([0, ONE, 0, -ONE, 0, 0, 0, 0, UNIT], (0, 1)),
    "turned to the right and mirrored": ([0, ONE, 0, ONE, 0, 0, 0, 0, UNIT], (0, 0)),
    "17 degrees": ([ONE, ONE // 3, 0, 5, ONE, 0, 0, 0, UNIT], (0, 0)),
    "nonsense": ([0x7FFFFFFF] * 9, (0, 0)),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_every_display_matrix_is_understood_or_left_alone(kind: str) -> None:
    matrix, corner = MATRICES[kind]
    picture = np.full((32, 48, 3), 20, np.uint8)
    picture[:8, :8] = (250, 20, 20)
    content = bytearray(media.film([picture] * 3))
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", *matrix)
    (shown, *_) = opened(bytes(content), Config(size=48, fit="squash"))[0]["frames"]
    ends = [[shown[:6, :6].mean(), shown[:6, -6:].mean()], [shown[-6:, :6].mean(), shown[-6:, -6:].mean()]]
    assert np.unravel_index(np.argmax(ends), (2, 2)) == corner


def test_how_a_frame_becomes_a_square() -> None:
    wide = media.moving_square(side=32, wide=64)
    content = media.film(wide)
    pad, crop, squash = (opened(content, Config(size=32, fit=fit))[0]["frames"][0] for fit in ("pad", "crop", "squash"))
    red = [(p[..., 0].astype(int) - p[..., 2] > 60).sum() for p in (pad, crop, squash)]
    assert 5 < red[0] < 30
    assert red[0] < red[2] < 64
    assert not np.array_equal(crop, squash)


def test_variable_frame_rate_goes_by_the_clock() -> None:
    """Half the time black, in one long frame; half the time white, in many short ones."""
    times = [0, *range(1_000, 2_000, 50)]
    content = media.film([*plain(0, 1), *plain(255, 20)], times=times, container="matroska")
    parts, _ = opened(content, Config(size=32, frames=6))
    levels = parts["frames"].mean((1, 2, 3)) > 128
    assert levels.sum() in (3, 4, 5)
    assert not levels[0]
    assert (np.diff(parts["times"][levels]) > 0.1).all()


# ---------------------------------------------------------------------------------------------------------- features


@pytest.mark.parametrize(("step", "sign"), [(2, 1), (-2, -1), (0, 0)])
def test_motion_has_a_direction(step: int, sign: int) -> None:
    pictures = [np.roll(SQUARE[0], 8 + n * step, axis=1) for n in range(5)]
    said = opened(media.film(pictures, codec="ffv1", container="matroska"))[0]["said"]
    assert np.sign(round(said["motion right"], 3)) == sign
    assert abs(said["motion down"]) < 0.02
    assert (said["motion amount"] > 0.003) == bool(sign)


def test_cuts_are_counted_and_are_no_motion() -> None:
    noise = np.random.default_rng(0)
    scenes = [noise.integers(0, 60, (32, 32, 3), np.uint8) + np.uint8(level) for level in (0, 190, 90)]
    content = media.film([scene for scene in scenes for _ in range(10)], codec="mjpeg", container="avi")
    said = opened(content)[0]["said"]
    assert said["cuts a second"] == pytest.approx(2 / 2.9, abs=0.1)
    assert said["motion amount 100 %"] < 0.05


def test_colours_and_lengths() -> None:
    said = opened(media.film(media.moving_square(frames=20, colour=(20, 20, 230)), fps=20))[0]["said"]
    assert said["duration (log2 s)"] == pytest.approx(0, abs=0.1)
    assert said["frames a second"] == pytest.approx(20)
    assert said["pixels (log2)"] == pytest.approx(10)
    assert said["brightness"] == pytest.approx(0.86, abs=0.05)
    fading = [np.full((32, 32, 3), 20 * n, np.uint8) for n in range(10)]
    parts = opened(media.film(fading))[0]["said"]
    assert parts["light from start to end at 1,1"] > 0.3
    assert len(set(NAMES)) == len(NAMES)


def test_memory_of_motion_is_bounded() -> None:
    motion = features.Motion()
    for n in range(1_000):
        motion.see(n / 10, np.full((32, 32), n % 50, np.uint8))
    assert len(motion._rows) <= 2 * features.SPEED
    assert np.isfinite(motion.describe()).all()


# ---------------------------------------------------------------------------------------------------------- bad input


def test_no_pictures_and_no_sound() -> None:
    assert reason(media.wav(media.tone())) == "there are no pictures in the file, only sound"
    assert opened(media.film(SQUARE, samples=media.tone()))[1] == []


def test_damage_is_said_and_what_is_there_is_used() -> None:
    content = media.film(media.moving_square(frames=40), container="matroska", codec="mjpeg")
    parts, remarks = opened(content[: len(content) // 2])
    assert parts["times"].max() < 2.5
    assert "its header says 4.0 s; what is there is used" in remarks[0]
    mp4 = media.film(SQUARE)
    assert "damaged or cut off" in reason(mp4[: len(mp4) // 2])


@pytest.mark.parametrize("whole", [600, 5])
def test_a_header_that_lies_about_the_length(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matroska's duration (an 8-byte fraction behind the mark 44 89 88) says 200 s, or a fifth; there are 4."""
    monkeypatch.setattr(load, "WHOLE", whole)
    content = media.film(media.moving_square(frames=40), container="matroska", codec="mjpeg")
    at = content.index(b"\x44\x89\x88") + 3
    assert struct.unpack(">d", content[at : at + 8])[0] == pytest.approx(4_000, rel=0.1)
    for said in (200_000.0, 800.0):
        lying = content[:at] + struct.pack(">d", said) + content[at + 8 :]
        parts, remarks = opened(lying)
        assert len(parts["frames"]) >= 1
        assert (remarks != []) == (said > 4_000)
    assert "limits.seconds" in reason(content[:at] + struct.pack(">d", 1e9) + content[at + 8 :])
    assert "limits.seconds" in reason(content[:at] + struct.pack(">d", 100.0) + content[at + 8 :], seconds=1.0)


def test_limits() -> None:
    content = media.film(SQUARE)
    assert reason(content, pixels=1_000) == "frames of 32 x 32 = 1,024 pixels; the limit is 1,000 (limits.pixels)"
    assert "limits.frames" in reason(content, frames=3)
    assert "limits.seconds" in reason(content, seconds=0.2)
    assert "limits.bytes" in reason(content, bytes=100)
    assert "limits.cell_seconds" in reason(media.film(media.moving_square(frames=200)), cell_seconds=1e-6)


def test_wrong_names_and_what_is_no_film(tmp_path: Path) -> None:
    (tmp_path / "really_mp4.avi").write_bytes(media.film(SQUARE))
    (tmp_path / "text.mp4").write_bytes(b"no film at all")
    (tmp_path / "empty.mp4").touch()
    assert opened("really_mp4.avi", root=tmp_path)[1] == []
    assert "neither sound nor film" in reason("text.mp4", root=tmp_path)
    assert "zero bytes" in reason("empty.mp4", root=tmp_path)
    assert reason("gone.mp4", root=tmp_path) == "no such file"


@given(st.integers(0, 8_000), st.binary(min_size=1, max_size=40), st.sampled_from(range(3)))
def test_any_damage_is_one_bad_cell_or_a_value(place: int, junk: bytes, which: int) -> None:
    content = DAMAGE[which]
    place %= len(content)
    with contextlib.suppress(BadCell):  # nothing else may be raised
        opened(content[:place] + junk + content[place + len(junk) :])


DAMAGE = [media.film(SQUARE[:4], container=form, codec=codec) for form, codec in (FORMS[0], FORMS[2], FORMS[4])]


# ------------------------------------------------------------------------------------------------- learned, and tokens


@pytest.fixture(scope="module")
def values() -> list:
    films = [
        media.film(media.moving_square(frames=n, colour=c))
        for n, c in ((4, (200, 0, 0)), (8, (0, 0, 200)), (1, (0, 200, 0)))
    ]
    return [VIDEO.load((content,), SMALL, ROOT, Limits())[0] for content in films]


def test_tokens_are_normalised_and_masked(values: list) -> None:
    processor = VIDEO.fit(values, SMALL, weights=np.ones(3))
    tokens = processor.collate([values[0], None, values[1], values[2]])
    assert tokens.values.shape == (4, 8, 3, 32, 32)
    assert tokens.mask.sum(1).tolist() == [4, 0, 8, 1]
    real = tokens.values[tokens.mask]
    np.testing.assert_allclose(real.mean((0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(real.std((0, 2, 3)), 1, atol=1e-3)
    assert processor.collate([None]).mask.tolist() == [[False]]
    assert frames(values[1], SMALL).shape == (8, 32, 32, 3)


def test_fitting_does_not_depend_on_order_and_is_restored_bit_for_bit(values: list) -> None:
    weights = np.array([1.0, 2.0, 5.0])
    one = VIDEO.fit(values, SMALL, weights=weights)
    for other in (VIDEO.fit(values[::-1], SMALL, weights=weights[::-1]), VIDEO.restore(one.state(), SMALL)):
        assert np.array_equal(other.collate(values).values, one.collate(values).values)
    assert np.isfinite(VIDEO.fit([], SMALL, weights=np.zeros(0)).collate(values).values).all()
    found = one.features([None, values[1]])
    assert found.present.tolist() == [False, True]
    assert found.matrix.shape == (2, len(NAMES))


def test_augmenting_changes_all_frames_of_a_film_alike(values: list) -> None:
    config = Config(size=32, flip=True, shift=0.1, brightness=0.3)
    still = VIDEO.load((media.film([SQUARE[0]] * 4, container="matroska", codec="ffv1"),), config, ROOT, Limits())[0]
    processor = VIDEO.fit([still, *values], config, weights=np.ones(4))
    tokens = processor.collate([still, None, values[0]])
    changed = processor.augment(tokens, np.random.default_rng(3))
    assert np.array_equal(changed.mask, tokens.mask)
    assert not np.array_equal(changed.values[0], tokens.values[0])
    for n in range(1, 4):
        np.testing.assert_allclose(changed.values[0, n], changed.values[0, 0], atol=1e-6)
    assert np.array_equal(changed.values[~tokens.mask], tokens.values[~tokens.mask])
    again = processor.augment(processor.collate([still, values[1], values[0]]), np.random.default_rng(3))
    assert np.array_equal(again.values[0, :4], changed.values[0, :4])
    off = VIDEO.fit(values, Config(size=32, shift=0.0, brightness=0.0), weights=np.ones(3))
    assert np.array_equal(off.augment(tokens, np.random.default_rng(0)).values, tokens.values)


# ---------------------------------------------------------------------------------------------------------- claims


def test_claims(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(media.film(SQUARE, samples=media.tone()))
    (tmp_path / "hash").write_bytes(media.film(SQUARE))
    (tmp_path / "a.wav").write_bytes(media.wav(media.tone()))
    (tmp_path / "a.mp4").write_bytes(media.sound(media.tone(), "mp4", "aac", 16_000))

    def claim(*cells: object) -> object:
        return VIDEO.sniff(column(list(cells), tmp_path))

    assert claim("film.mp4", "hash").reason == "2 of 2 cells that were looked at hold films"
    assert claim("hash").kind == "video"
    assert claim(media.film(SQUARE)).strength > 0.95
    assert claim("a.wav") is None
    assert claim("a.mp4", "a.mp4") is None  # sound alone, whatever its name
    assert claim("film.mp4", "a.mp4") is not None
    assert "none can be read" in claim("gone.mp4", "gone.avi").reason
    assert "URLs" in claim("https://example.org/a.mp4").reason
    assert claim("some words", 3) is None
    assert claim() is None


def test_the_size_is_decided_from_headers(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(media.film(media.moving_square(side=48, wide=80)))
    assert VIDEO.resolve(Config(), [column(["a.mp4", "gone.mp4"], tmp_path)], ["video"]).size == 48
    assert VIDEO.resolve(Config(), [column([])], ["video"]).size == 64
    assert VIDEO.resolve(Config(size=20), [column([])], ["video"]).size == 20
    with pytest.raises(UserError, match="one film a row"):
        VIDEO.resolve(Config(), [column([]), column([])], ["video", "video"])


@pytest.mark.parametrize(
    "wrong",
    [{"frames": 0}, {"size": 5}, {"fit": "x"}, {"sampling": "x"}, {"shift": 1.0}, {"brightness": 1.0}, {"fps": 3}],
)
def test_config_mistakes_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        decode(Config, wrong)
    assert decode(Config, encode(Config())) == Config()


def test_an_example_is_loaded_and_has_a_sound_too() -> None:
    from consilience.modalities import container

    (cell,) = VIDEO.example(SMALL, None, np.random.default_rng(0))
    assert set(container.kinds_of(cell, ROOT)) == {"audio", "video"}
    assert opened(cell)[1] == []
    (field,) = VIDEO.fields(SMALL, ["clip"])
    assert (field.form, field.accept) == ("file", "video/*")


def test_a_sparse_giant_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "giant.mp4"
    path.write_bytes(media.film(SQUARE))
    os.truncate(path, 20_000_000_000)
    assert "limits.stream_bytes" in reason("giant.mp4", root=tmp_path)
