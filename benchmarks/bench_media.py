"""Memory of a fit on films and sounds: does it grow with how many there are, or with how long they are?

    python benchmarks/bench_media.py [--clips 1000] [--hours 2] [--preset classic] [--folder DIR]

Data are made up from a seed: films of half a second (32 x 32, 10 frames a second, a tone beside them; the colour and
the pitch tell the label), a film of some hours (64 x 48, 5 frames a second, with a tone), and sounds of three seconds.
Three pairs of fits, each in processes of its own, whose peak memory is compared (all processes together, shared pages
counted once): a tenth of the clips and all of them; a film of a minute among a few clips and one of hours; a tenth of
the sounds and all of them. Held to: the larger of a pair peaks at most 1.1 times as high. Counted is what belongs to
the processes alone; beside it stand the pages of files they have mapped, programs above all, in parts that
hang on who else has them mapped, and a few megabytes of loaded values.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import wave
from pathlib import Path

import av
import numpy as np
from _measure import machine

BAR = 1.1
COLOURS = ((200, 40, 40), (40, 180, 60), (50, 70, 210))
PITCHES = (300, 900)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--clips", type=int, default=1_000)
    ask.add_argument("--hours", type=float, default=2.0)
    ask.add_argument("--preset", default="classic")
    ask.add_argument("--budget", default="120s")
    ask.add_argument("--folder", type=Path, help="where the data are kept (default: removed)")
    given = ask.parse_args()
    print(f"{given.clips:,} clips, a film of {given.hours:g} hours, preset {given.preset}; {machine()}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        make(folder, given.clips, given.hours)
        few = given.clips // 10
        for name in ("clips", "long", "sounds"):
            sizes = {}
            for part in ("small", "large"):
                sizes[part] = fit(folder / f"{name}_{part}.csv", given.preset, given.budget)
            what = {"clips": f"{few} and {given.clips} films", "sounds": f"{few} and {given.clips} sounds"}
            told = what.get(name, f"a film of a minute and one of {given.hours:g} hours")
            ratio = sizes["large"] / sizes["small"]
            print(f"  {told}: {ratio:.2f} times the peak (bar {BAR})", flush=True)


def make(folder: Path, clips: int, hours: float) -> None:
    """The files, and six tables of them."""
    (folder / "media").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    films, sounds = [], []
    for number in range(clips):
        colour, pitch = int(rng.integers(3)), int(rng.integers(2))
        label = f"{colour}{pitch}"
        films.append((f"media/{number}.mkv", label))
        sounds.append((f"media/{number}.wav", label))
        if not (folder / films[-1][0]).exists():
            film(folder / films[-1][0], seconds=0.5, fps=10, size=(32, 32), colour=COLOURS[colour], hz=PITCHES[pitch])
            (folder / sounds[-1][0]).write_bytes(sound(3.0, PITCHES[pitch], rng))
    for name, seconds in (("minute", 60.0), ("hours", 3600 * hours)):
        if not (path := folder / "media" / f"{name}.mkv").exists():
            film(path, seconds=seconds, fps=5, size=(48, 64), colour=COLOURS[0], hz=PITCHES[0])
    few = max(clips // 10, 60)
    table(folder / "clips_small.csv", films[: clips // 10])
    table(folder / "clips_large.csv", films)
    table(folder / "sounds_small.csv", sounds[: clips // 10])
    table(folder / "sounds_large.csv", sounds)
    table(folder / "long_small.csv", [("media/minute.mkv", "00"), *films[:few]])
    table(folder / "long_large.csv", [("media/hours.mkv", "00"), *films[:few]])


def table(path: Path, rows: list[tuple[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "label"])
        writer.writerows(rows)


def film(path: Path, *, seconds: float, fps: int, size: tuple[int, int], colour: tuple[int, ...], hz: int) -> None:
    """A square that moves, and a tone of 8 kHz beside it, written a second at a time."""
    with av.open(str(path), "w") as out:
        stream, track = out.add_stream("mpeg4", rate=fps), out.add_stream("pcm_s16le", rate=8_000)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        picture = np.full((*size, 3), 230, np.uint8)
        for second in np.arange(0, seconds, 1.0):
            length = min(1.0, seconds - second)
            for n in range(round(length * fps)):
                shown = picture.copy()
                left = int(second * fps + n) % (size[1] - 8)
                shown[8:16, left : left + 8] = colour
                out.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
            time_of = second + np.arange(round(length * 8_000)) / 8_000
            packet = av.Packet((6_000 * np.sin(2 * np.pi * hz * time_of)).astype("<i2").tobytes())
            packet.stream, packet.time_base = track, track.time_base
            packet.pts = packet.dts = round(second / track.time_base)
            out.mux(packet)
        out.mux(stream.encode(None))


def sound(seconds: float, hz: int, rng: np.random.Generator) -> bytes:
    samples = np.sin(2 * np.pi * hz * np.arange(round(seconds * 16_000)) / 16_000) + rng.normal(
        0, 0.1, round(seconds * 16_000)
    )
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((8_000 * samples).astype("<i2").tobytes())
    return buffer.getvalue()


def fit(path: Path, preset: str, budget: str) -> int:
    """Fit the table; print its cost; the peak of what is no file, in bytes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as out:
        words = ["fit", str(path), "--target", "label", "--preset", preset, "--time-budget", budget, "--json"]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "consilience", *words, "--out", f"{out}/run"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
            peak = Peak(process.pid)
            said, _ = process.communicate()
            highest = peak.stop()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        sys.exit(f"consilience fit {path.name} ended with {process.returncode}: {said.decode()[-300:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.perf_counter() - started
    own, mapped = (value / 1e6 for value in highest)
    print(f"    {path.stem}: peak {own:,.0f} MB, of files {mapped:,.0f} MB, {cpu:.0f} CPU-s, {wall:.0f} s", flush=True)
    return highest[0]


class Peak(threading.Thread):
    """The highest memory of a process and all its descendants together (PSS: a shared page counts once), looked at ten
    times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._highest, self._over = pid, (0, 0), threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.wait(0.1):
            parts = [proportional(pid) for pid in tree(self._pid)]
            now = sum(own for own, _ in parts), sum(mapped for _, mapped in parts)
            self._highest = max(self._highest[0], now[0]), max(self._highest[1], now[1])

    def stop(self) -> tuple[int, int]:
        self._over.set()
        self.join()
        return self._highest


def tree(pid: int) -> list[int]:
    """A process and its descendants, as far as they are still there."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        found += [each for child in children for each in tree(int(child))]
    return found


def proportional(pid: int) -> tuple[int, int]:
    """Bytes of a process, its own and of files, pages that several share in equal parts."""
    try:
        lines = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    except OSError:
        return 0, 0
    size = {words[0]: int(words[1]) * 1024 for words in lines[1:]}
    return size["Pss_Anon:"] + size["Pss_Shmem:"], size["Pss_File:"]


if __name__ == "__main__":
    main()
