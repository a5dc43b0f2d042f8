"""What a modality promises, and the small types its files share.

The life of a cell:  raw cell ─ load (worker process) ─► value ─┬─ collate ──► Tokens   (encoders)
                                                                └─ features ─► Features (classic learners)

`load` needs no training data and may run in another process; everything learned from training rows (vocabulary,
means, categories) lives in a `Processor`, which is saved as arrays and JSON. All of this is NumPy: no torch here.
"""

from __future__ import annotations

import os
import shlex
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from consilience.core.batch import Tokens
from consilience.core.errors import BadCell
from consilience.core.files import Stored, open_cell
from consilience.core.limits import Limits
from consilience.core.registry import Family
from consilience.core.sparse import CSR
from consilience.core.state import State

Values = Sequence[Any]
"""Loaded values, one per distinct cell; None where the cell is missing or bad."""


PREVIEW = 600
"""Characters of a cell that are shown, at most."""


@dataclass(frozen=True, kw_only=True)
class ColumnSample:
    """What a modality sees of a column when it says whether the column is its own."""

    name: str
    cells: Sequence[Any]
    """Up to 1,000 cells of the column that are not missing, spread over the table."""
    rows: int
    """Rows in the whole table."""
    distinct: int
    """Distinct cells in the sample."""
    root: Path
    """Where relative paths start."""
    delimiter: str = ""
    """What parts the cells of the file, where it is a text file: beside semicolons, commas are for decimals."""

    @cached_property
    def without_markers(self) -> ColumnSample:
        """The same without cells that say "nothing" in words, as NULL: of a column of files they are no names."""
        cells = [cell for cell in self.cells if not is_nothing(cell)]
        return self if len(cells) == len(self.cells) else replace(self, cells=cells, distinct=len(set(cells)))

    @cached_property
    def numeric(self) -> bool:
        """Whether every cell is a number as programs write it, or a word for nothing, and no file is called like one of
        them: then only a modality that knows numbers need look at the column. Of a wide table nearly all are."""
        if not are_numbers(self.cells):
            return False
        names = (c for c in spread(self.cells, LOOKED_UP) if isinstance(c, str) and c.isalnum())
        return not any(os.path.lexists(os.path.join(self.root, name)) for name in names)

    def leads_somewhere(self, cell: Any) -> bool:
        """Whether there is anything behind a cell that can be opened. Looked up once for all who ask."""
        if not isinstance(cell, str):
            return isinstance(cell, bytes)
        if cell not in self._opened:
            try:
                open_cell(cell, self.root, Limits().bytes, max_file=Limits().stream_bytes).close()
                self._opened[cell] = True
            except (BadCell, OSError, ValueError):
                self._opened[cell] = False
        return self._opened[cell]

    @cached_property
    def _opened(self) -> dict[str, bool]:
        return {}

    def named(self, endings: tuple[str, ...]) -> list[str]:
        """The cells that look like paths of files with these endings."""
        texts = [cell for cell in self.cells if isinstance(cell, str)]
        paths = {text for text in set(texts) if looks_like_path(text, endings)}
        return [text for text in texts if text in paths] if paths else []

    def as_input(self, kind: str) -> str:
        """The words of the command line that make an input of this column alone."""
        plain = self.name == self.name.strip() and not set(self.name) & set(',"\n\r')
        column = self.name if plain else '"' + self.name.replace('"', '""') + '"'
        return _flag("--input", f"{self.name.replace('=', '_')}={kind}:{column}")

    def as_ignored(self) -> str:
        """The words of the command line that leave it out."""
        return _flag("--ignore", self.name)


def _flag(flag: str, value: str) -> str:
    """As a shell takes it; a value that begins like a flag hangs on its own."""
    return f"{flag}{'=' if value.startswith('-') else ' '}{shlex.quote(value)}"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A modality's claim on a column. The strongest claim wins; the reason is shown to the user."""

    strength: float
    """0 to 1."""
    reason: str
    """Why, in words a user understands, e.g. "98 % of the cells are paths to pictures"."""
    kind: str
    """The modality's own name for such a column: the modality's name, or e.g. "number", "category", "date"."""
    missing: tuple[str, ...] = ()
    """Words in this column that mean missing, beside the modality's `markers`."""
    beside: str = ""
    """Not a claim on the column, but on a part of it that its owner does not read: an input COLUMN.BESIDE is made of
    it, if another modality owns the column."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """Hand-made features of U cells: dense [U, F] float32, or sparse, and which cells are present [U] bool.

    Rows of missing cells are zero in both; a single missing number inside a present dense row is NaN.
    """

    matrix: np.ndarray | CSR
    present: np.ndarray
    names: Sequence[str]
    """F names of the columns, for reports and explanations."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """One cell as a person looks at it on a page: words, or a small file that browsers show, or both."""

    words: str = ""
    content: bytes = b""
    media_type: str = ""
    """Of the content: "image/...", "audio/..." or "video/..."."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column of an input as somebody fills it in: over the wire, or on a page."""

    column: str
    form: Literal["file", "words", "number"]
    accept: str = ""
    """Of a file: media types a browser offers, e.g. "image/*"."""
    choices: tuple[str, ...] = ()
    """Of a text: values to suggest; others are taken too."""


@dataclass(frozen=True, kw_only=True)
class Unlike:
    """How the cells of one column differ from those of training: facts, of which who compares makes sentences."""

    column: str
    what: Literal["missing", "new", "outside", "otherwise written"]
    """No usable value; a category that training did not have; numbers outside of its range; another form of a category
    ("red" for "Red"), taken for the same."""
    rows: int
    of: int
    """Rows that might: all of them for `missing`, else those that have a value."""
    expected: float
    """Share of training rows."""
    examples: tuple[str, ...] = ()
    values: tuple[int, ...] = ()
    """Places of the values that are so, where `in_request` was asked."""


class Processor(ABC):
    """One input's preprocessing, fitted on training cells. Stateless in use: the same values give the same answer,
    whatever else is in the call and in whatever order."""

    @abstractmethod
    def collate(self, values: Values) -> Tokens:
        """[U] values -> Tokens of NumPy arrays; None becomes a row whose mask is all False. T is at least 1."""

    @abstractmethod
    def features(self, values: Values) -> Features:
        """[U] values -> hand-made features, for classic learners."""

    def measures(self, values: Values) -> Features | None:
        """A few numbers of each value beside `features`: dense, and cheap enough to be computed anew whenever they are
        needed. The default: none."""
        return None

    def unlike(self, values: Values, index: np.ndarray) -> tuple[Unlike, ...]:
        """How the rows of a table differ from those of training, column by column; `index` [N]: the cell of each row.
        Shares of missing are among rows that have any value. The default: nothing is known of columns."""
        return ()

    def in_request(self, values: Values, index: np.ndarray) -> tuple[Unlike, ...]:
        """Of `unlike` what is worth a word in a request of few rows, found fast: each new category, and columns whose
        numbers are all outside of the range of training. The default: nothing."""
        return ()

    def augment(self, tokens: Tokens, rng: np.random.Generator) -> Tokens:
        """A random change that keeps the meaning, drawn per distinct cell; while training only. The default: none."""
        return tokens

    def learned(self) -> State:
        """What of the state `features` depends on: equal ones make equal features. All of it, unless said otherwise."""
        return self.state()

    @abstractmethod
    def shape(self) -> dict[str, int]:
        """Sizes an encoder is built from, e.g. {"vocabulary": 812} or {"height": 64, "width": 64, "channels": 3}."""

    @abstractmethod
    def state(self) -> State:
        """All that was learned; `Modality.restore` builds an equal processor from it, bit for bit."""


class Modality(ABC):
    """One modality. Its package `__init__` defines the one subclass; the files beside it do the work."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]
    """The names `--input NAME=KIND:COL` accepts for it; the first is the modality's own name."""
    media: ClassVar[bool]
    """Cells are files or bytes: they are decoded in workers, and rows that share one stay on one side of a split."""
    streamed: ClassVar[bool] = False
    """Cells are read piece by piece, by decoders that may hang or crash: `load` gets paths as they are, and always runs
    in a process that can be ended."""
    ragged: ClassVar[bool] = False
    """Values may be shorter than `array` says, along their first axis."""
    joint: ClassVar[bool]
    """All columns of this modality that nobody grouped by hand form one input (the table does, texts do not)."""
    markers: ClassVar[tuple[str, ...]] = ()
    """Texts that mean missing in its columns, where its config says nothing else."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Packages whose version may change what a cell is loaded as (decoders)."""
    encoders: ClassVar[Family]
    default_encoder: ClassVar[str]
    backbones: ClassVar[Family] = Family("backbone", {})
    """Pretrained networks that may encode its cells (modalities/backbone.py)."""
    Config: ClassVar[type]
    """The processing config: a frozen keyword-only dataclass with a default for every field."""

    @staticmethod
    def file_of(value: Any) -> bytes | Stored | None:
        """The bytes of a file with the content of a Python object that this modality knows, or a cell that says why
        there are none; None of any other object."""
        return None

    @abstractmethod
    def sniff(self, column: ColumnSample) -> Evidence | None:
        """Claim a column, or not. Must be quick: at most a few file headers are read."""

    def hint(self, column: ColumnSample) -> str | None:
        """Where no modality claims a column: what it looks like to this one and how to say it, one sentence."""
        return None

    @abstractmethod
    def resolve(self, config: Any, columns: Sequence[ColumnSample], kinds: Sequence[str]) -> Any:
        """The config with everything that was left open ("auto") decided from a sample of the training cells."""

    def key(self, cell: tuple[Any, ...]) -> Hashable:
        """What makes two cells the same: cells with equal keys are loaded and encoded once."""
        return cell

    @abstractmethod
    def missing(self, cell: tuple[Any, ...]) -> bool:
        """Whether the raw cell (one value per column of the input) holds nothing at all."""

    @abstractmethod
    def load(self, cell: tuple[Any, ...], config: Any, root: Path, limits: Limits) -> tuple[Any, list[str]]:
        """Decode and clean one cell (a tuple: one raw value per column of the input).

        Returns the value and remarks on parts of it that had to be taken as missing (e.g. "price: 'n/a' is not a
        number"). Raises BadCell when nothing of it can be used.
        """

    def fields(self, config: Any, columns: Sequence[str]) -> tuple[Field, ...]:
        """The columns of an input as somebody fills them in."""
        return tuple(Field(column=column, form="file" if self.media else "words") for column in columns)

    def preview(self, columns: Sequence[str], cell: tuple[Any, ...], value: Any, config: Any) -> Preview:
        """What to show of a raw cell (one value per column of the input) and its loaded value, which is not None; a
        few dozen kilobytes at most. The default: the raw values as words."""
        words = [f"{len(v):,} bytes" if isinstance(v, bytes) else v for v in cell]
        if len(columns) == 1:
            return Preview(words=str(words[0])[:PREVIEW])
        shown = [f"{c}: {v}" for c, v in zip(columns, words, strict=True) if not is_blank(v)]
        return Preview(words="\n".join(shown)[:PREVIEW])

    def likeness(self, values: Values) -> tuple[np.ndarray, float] | None:
        """[U, D] float32 and a distance: of two values whose vectors are no further apart than that (root mean square),
        one is a copy of the other, changed a little (another format, another size). NaN: a value with too little in it
        to say so. None: this modality cannot say."""
        return None

    def array(self, config: Any) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
        """Shape and dtype of every loaded value when they are all alike (then they are kept in a memory-mapped file),
        of a ragged modality those of the longest; else None (then they are kept in memory: texts and rows of numbers,
        not media)."""
        return None

    @abstractmethod
    def fit(self, values: Values, config: Any, *, weights: np.ndarray) -> Processor:
        """Learn from the training cells. `weights` [U]: how many training rows hold each cell; order is irrelevant."""

    @abstractmethod
    def restore(self, state: State, config: Any) -> Processor: ...

    @abstractmethod
    def example(self, config: Any, processor: Processor, rng: np.random.Generator) -> tuple[Any, ...]:
        """A made-up raw cell that `load` accepts, for golden rows: str, int, float or bytes, one per column."""


MISSING_MARKERS = (
    *("NA", "N/A", "n/a", "#N/A", "<NA>", "nan", "NaN", "NAN", "NaT", "null", "NULL", "Null", "None", "-", "\\N"),
)
"""Texts that spreadsheets, databases and data frames write for "nothing"."""


def is_blank(value: Any) -> bool:
    """Whether one raw table value is missing: None, NaN, or text with nothing but white space."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, bytes):
        return False
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


_MARKERS = frozenset(MISSING_MARKERS)


def is_nothing(value: Any) -> bool:
    """Whether a cell of files, numbers or dates is missing: blank, or a text that programs write for "nothing"."""
    if isinstance(value, str):
        text = value.strip()
        return not text or text in _MARKERS
    return is_blank(value)


def blanks(values: Sequence[Any]) -> np.ndarray:
    """[N] bool: `is_blank` of each value of a block; the common kinds of blocks go quickly."""
    kinds = set(map(type, values)) - {type(None)}
    if kinds <= {str}:
        return np.fromiter([value is None or not value.strip() for value in values], bool, len(values))
    if kinds <= {int, float, bool}:
        return np.fromiter([value is None or value != value for value in values], bool, len(values))
    return np.fromiter(map(is_blank, values), bool, len(values))


def are_numbers(cells: Sequence[Any]) -> bool:
    """Whether every cell is a number as programs write it, or a word for nothing, and some are numbers."""
    if not set(map(type, cells)) <= {str, int, float}:
        return False
    return _finite(cells) or _finite([cell for cell in cells if str(cell).strip() not in MISSING_MARKERS])


def _finite(cells: Sequence[Any]) -> bool:
    """Whether there are cells, and each is a finite number or the text of one."""
    try:
        numbers = np.fromiter(map(float, cells), np.float64, len(cells))
    except (ValueError, OverflowError):
        return False
    # float() takes 1_000, which is an identifier anywhere else.
    return len(cells) > 0 and bool(np.isfinite(numbers).all()) and "_" not in "".join(map(str, cells))


LOOKED_UP = 20
"""Cells of a column that files are looked for, at most."""
LONGEST_PATH, MOST_WORDS = 1024, 8
"""A path is not longer than this and has no more words; "as you can see in the attached photo of my cat.jpg" has."""


def looks_like_path(cell: str, endings: tuple[str, ...] | None) -> bool:
    """Is no sentence, and ends like one of these files (None: however it ends)."""
    text = cell.strip()
    if endings is not None and not text[-8:].lower().endswith(endings):
        return False
    return 0 < len(text) <= LONGEST_PATH and "\n" not in text and len(text.split()) <= MOST_WORDS


def some_named(column: ColumnSample, endings: tuple[str, ...], what: str, kind: str) -> str | None:
    """The hint of a modality of files on a column of which some cells, but too few, are called like its files."""
    named = column.named(endings)
    if not named:
        return None
    return (
        f"{len(named):,} of {len(column.cells):,} cells looked at are names of {what} files: read those with "
        f"{column.as_input(kind)}, and the others count as missing"
    )


def spread(cells: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the cells, evenly spaced."""
    if len(cells) <= count:
        return list(cells)
    return [cells[i * len(cells) // count] for i in range(count)]
