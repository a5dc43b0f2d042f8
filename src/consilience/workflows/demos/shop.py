"""A small made-up shop: photos of things, what buyers wrote, and what became of the order. Made on the spot, nothing is
fetched: the table that the README and the tutorial begin with.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

from PIL import Image

from consilience.core.errors import UserError

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 210)}
SIZES = ("small", "large")

ROWS = {"train": 180, "test": 60}


def write(folder: Path, *, seed: int = 0) -> list[Path]:
    """train.csv and test.csv in `folder`, their photos beside them. Raises UserError where one is there already."""
    paths = [folder / f"{name}.csv" for name in ROWS]
    if there := [path for path in paths if path.exists()]:
        raise UserError(f"{there[0]}: is there already; choose another --out, or remove it")
    return [
        write_table(folder, rows=rows, seed=seed + place, name=path.name)
        for place, (path, rows) in enumerate(zip(paths, ROWS.values(), strict=True))
    ]


def write_table(folder: Path, *, rows: int = 60, seed: int = 0, name: str = "train.csv") -> Path:
    """A CSV in `folder`, its pictures beside it: photo (path), review (text), price (number), shop (category), day
    (date), label.

    The label is the picture's colour, except where the review asks for a refund: then it is "refund". So neither the
    picture nor the text is enough alone; price, shop and day say nothing. A picture is shared by about three rows.
    About one cell in twelve of photo, review and price is missing, never both photo and review of one row.
    """
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
