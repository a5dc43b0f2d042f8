"""What all tests share: one thread each, no network, and a small mixed table with pictures.

Knows nothing of how a model is made: the table is plain files, as a user would have them.
"""

from __future__ import annotations

import csv
import ipaddress
import os
import random
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before NumPy or torch are imported: test processes run side by side, and spinning threads would fight over cores.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

# Whoever starts the tests in the background of a shell has them ignore Ctrl-C, and all programs that they start: those
# that tests interrupt would go on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about the code. In CI the same examples come each time.
settings.register_profile(
    "house",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")

MakeTable = Callable[..., Path]


# ------------------------------------------------------------------------------------------------------ no network


def _is_local(address: object) -> bool:
    if not isinstance(address, tuple):  # a Unix socket
        return True
    host = str(address[0]).split("%", 1)[0]
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name: looking it up is network already
        return False


def _refuse_other_hosts() -> None:
    """Let sockets reach this machine only. Processes that tests start are not covered: none of ours may need it."""

    def guard(name: str) -> None:
        real = getattr(socket.socket, name)

        def guarded(self: socket.socket, *args: object) -> object:
            if not _is_local(args[-1]):
                raise AssertionError(f"a test reached for the network: {name} {args[-1]!r}")
            return real(self, *args)

        setattr(socket.socket, name, guarded)

    for name in ("connect", "connect_ex", "sendto"):
        guard(name)
    look_up = socket.getaddrinfo

    def guarded_look_up(host: object, *args: object, **options: object) -> object:
        if host is not None and not _is_local((host.decode() if isinstance(host, bytes) else host,)):
            raise AssertionError(f"a test reached for the network: looked up {host!r}")
        return look_up(host, *args, **options)  # type: ignore[arg-type]

    socket.getaddrinfo = guarded_look_up  # type: ignore[assignment]


_refuse_other_hosts()


# ------------------------------------------------------------------------------------------------------ a small table

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 210)}
SIZES = ("small", "large")


def write_mixed_table(folder: Path, *, rows: int = 60, seed: int = 0, name: str = "train.csv") -> Path:
    """A CSV in `folder`, its pictures beside it: photo (path), review (text), price (number), shop (category), day
    (date), label.

    The label is the picture's colour, except where the review asks for a refund: then it is "refund". So neither the
    picture nor the text is enough alone; price, shop and day say nothing. A picture is shared by about three rows.
    About one cell in twelve of photo, review and price is missing, never both photo and review of one row.
    """
    from PIL import Image

    rng = random.Random(f"{seed}/{name}")
    stem = Path(name).stem
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    photos: list[tuple[str, str]] = []
    for number in range(max(len(COLOURS), rows // 3)):
        colour = list(COLOURS)[number % len(COLOURS)]
        noisy = tuple(min(255, max(0, value + rng.randint(-25, 25))) for value in COLOURS[colour])
        path = f"photos/{stem}-{number:03}.png"
        picture = Image.new("RGB", (24, 24), (235, 235, 230))
        side = rng.randint(9, 15)
        left, top = rng.randint(0, 24 - side), rng.randint(0, 24 - side)
        picture.paste(noisy, (left, top, left + side, top + side))
        picture.save(folder / path)
        photos.append((path, colour))

    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", "review", "price", "shop", "day", "label"])
        for row in range(rows):
            path, colour = photos[row % len(photos)]
            refund = rng.random() < 0.25
            opinion = rng.choice(("lovely", "fine", "as described", "a good buy"))
            words = "this broke, I want my money back" if refund else f"{opinion}, I would order it again"
            review = f"{rng.choice(SIZES)} one: {words}"
            gap = rng.randrange(12)
            writer.writerow(
                [
                    "" if gap == 0 else path,
                    "" if gap == 1 and not refund else review,
                    "" if gap == 2 else f"{rng.uniform(2, 90):.2f}",
                    rng.choice(("north", "south", "harbour")),
                    f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
                    "refund" if refund else colour,
                ]
            )
    return folder / name


@pytest.fixture(scope="session")
def make_mixed_table() -> MakeTable:
    """`write_mixed_table`, for tests that choose folder and size themselves."""
    return write_mixed_table


@pytest.fixture
def mixed_table(tmp_path: Path) -> Path:
    """A CSV of 60 rows with pictures, texts, numbers, categories and dates; see `write_mixed_table`."""
    return write_mixed_table(tmp_path)
