"""The config of a run: preset, then file, then flags, then --set; checked whole, every mistake at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

from consilience.core.arguments import expect, shown
from consilience.core.config import assign_all, decode_into, load_toml, merge
from consilience.core.errors import ConfigError, UserError, unknown
from consilience.core.limits import Limits
from consilience.core.registry import Family
from consilience.models.config import ClassicConfig, DeepConfig, EnsembleConfig
from consilience.tasks.choose import settings as task_settings
from consilience.train.config import TrainConfig
from consilience.workflows.backbones import PretrainedConfig

PRESETS = Family(
    "preset",
    {
        "auto": "consilience.workflows.presets:Auto",
        "classic": "consilience.workflows.presets:ClassicOnly",
        "deep": "consilience.workflows.presets:Deep",
        "pretrained": "consilience.workflows.presets:Pretrained",
    },
)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Shares of rows for training, validation and test; a given validation or test table takes its share's place."""
    group: str | None = None
    """Column whose equal values stay on one side of the split (speaker, patient, video)."""
    stratify: bool = True
    """Each side of the split gets its share of every label (of a number: of every tenth of the rows by value), as near
    as groups allow, and a small class reaches every side if it can; otherwise rows are dealt out by chance alone."""
    group_media: bool = True
    """Rows that share a media cell (by content) stay on one side of the split."""
    group_repeats: bool = True
    """Rows that say the same in every input stay on one side of the split, unless most rows are repeats: what a model
    remembers is else taken for what it learned."""
    allow_urls: tuple[str, ...] = ()
    """Hosts (HOST or HOST:PORT) whose URLs in media cells are fetched; of other hosts nothing is."""
    media_root: str | None = None
    """Folder that relative paths start from; the table's own folder when not given."""
    confine: bool = False
    """Keep to `media_root`: absolute paths, `..` and links that lead out of it are refused."""
    ignore: tuple[str, ...] = ()
    """Columns to leave out."""
    weight: str | None = None
    """Column that says how much each row counts in training and in every metric, at least 0; 0 takes the row out."""
    store: str | None = None
    """Folder of an encode-once store (begun if it is not there): loaded media, features and vectors of backbones are
    found there and kept for later runs; without one, what is computed is forgotten when the run ends."""
    workers: int | None = None
    """Processes that decode media; 0 decodes in this process, and when not given there is one per core."""


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    at_end: bool = True
    """The short audit at the end of a fit."""
    share: float = 0.05
    """Share of the time budget that is kept for it, 0 to 1; it may take more where the search leaves more."""
    rows: int = 2000
    """Rows looked at, at most."""
    permutations: int = 4
    """Times each input is permuted."""
    resamples: int = 300
    """Resamples of the bootstrap intervals."""
    orders: int = 64
    """Orders of the inputs that Shapley values are sampled from; of up to six inputs they are exact."""

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError("share must be at least 0 and below 1")
        if min(self.rows, self.permutations, self.orders) < 1 or self.resamples < 20:
            raise ValueError("rows, permutations and orders must be at least 1, and resamples at least 20")


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    errors: int = 12
    """Worst errors that report.html shows with their cells; with 0 it holds no row of the data."""
    slices: int = 3
    """Columns of few values by which scores are broken down, besides the one that the split keeps together."""

    def __post_init__(self) -> None:
        if min(self.errors, self.slices) < 0:
            raise ValueError("errors and slices may not be negative")


_NO_TARGET = (
    'which column is to be predicted was not said: --target COL on the command line, target="COL" in Python or in a '
    "config file"
)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    target: str | tuple[str, ...] = field(metadata={"missing": _NO_TARGET})
    """Column to predict; several, as "a,b" or a list, are learned together."""
    preset: str = "auto"
    """What is tried: see `consilience config show --preset NAME`."""
    task: str | dict[str, Any] = "auto"
    """What kind of answer, or {kind, the task's own settings}; "auto" looks at the target column."""
    metric: str = "auto"
    """Metric by which models are chosen and training stops, for example balanced_accuracy, f1, average_precision or
    roc_auc where classes are rare; "auto" takes the task's own. It also decides how probabilities become classes."""
    seed: int = 0
    """Every random choice follows from it."""
    time_budget: float = 300.0
    """Seconds for the whole run."""
    threads: int = 0
    """Threads of numerical libraries; 0 takes half the cores, at most 8 (or OMP_NUM_THREADS, where that is set)."""
    processes: int = 0
    """Networks of a preset that are trained at the same time, each in a process of its own with one thread; 0 takes one
    per core, or 1 where more threads than one are asked for. Only on Linux without a GPU: elsewhere, and with 1, they
    are trained one after the other."""
    data: DataConfig = field(default_factory=DataConfig)
    """Table, split and decoding."""
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By input name: {kind, columns, and the modality's own settings}; what is not named is inferred."""
    limits: Limits = field(default_factory=Limits)
    """What a cell may cost."""
    classic: ClassicConfig | None = None
    """Learners on hand-made features; absent when the preset has none."""
    deep: DeepConfig | None = None
    """The network; absent when the preset has none."""
    train: TrainConfig | None = None
    """How the network is trained; absent when the preset has none."""
    pretrained: PretrainedConfig | None = None
    """Frozen backbones and what is trained on their vectors; absent when the preset has none."""
    ensemble: EnsembleConfig = field(default_factory=EnsembleConfig)
    """How the best models are put together."""
    audit: AuditConfig = field(default_factory=AuditConfig)
    """What is asked of the chosen model at the end."""
    report: ReportConfig = field(default_factory=ReportConfig)
    """What report.html shows."""

    def __post_init__(self) -> None:
        if not self.time_budget > 0:
            raise ValueError("time_budget must be above 0 seconds")
        if min(self.threads, self.processes) < 0:
            raise ValueError("threads and processes may not be negative")
        if self.threads > 1 and self.processes > 1:
            raise ValueError("processes side by side have one thread each: set threads or processes, not both")
        if self.data.weight is not None and self.data.weight in (*self.data.ignore, self.data.group):
            raise ValueError(
                f"data.weight: column {self.data.weight!r} is also ignored or the group; it is one of them"
            )


_SECTIONS = ("classic", "deep", "train", "pretrained")


def resolve(
    flags: Mapping[str, Any], *, file: Path | None = None, settings: Sequence[str] = (), preset: str | None = None
) -> RunConfig:
    """The config of a run from flags (a plain nested mapping), a TOML file and `--set` settings.

    Raises ConfigError naming every wrong key and value, with its dotted path.
    """
    raw: dict[str, Any] = load_toml(file) if file is not None else {}
    raw = merge(raw, flags)
    if preset is not None:
        raw["preset"] = preset
    assign_all(raw, settings)
    name = raw.get("preset", "auto")
    if not isinstance(name, str) or name not in PRESETS:
        raise ConfigError([f"preset: {unknown('preset', str(name), PRESETS)}"])
    wanted = PRESETS.load(name).sections
    problems = [
        f"{section}: preset {name!r} has no such section, so these keys would do nothing; remove them or choose "
        f"another preset ({', '.join(p for p in PRESETS if section in PRESETS.load(p).sections)})"
        for section in _SECTIONS
        if section in raw and section not in wanted
    ]
    raw = {**{section: {} for section in wanted}, **{k: v for k, v in raw.items() if k in wanted or k not in _SECTIONS}}
    if isinstance(raw.get("time_budget"), str):
        raw["time_budget"] = parse_seconds(raw["time_budget"])
    before = len(problems)
    config = decode_into(RunConfig, raw, "", problems)
    if "task" in raw and not any(problem.startswith("task:") for problem in problems[before:]):
        task_settings(raw["task"], "task", problems)
    problems += _wrong_inputs(raw.get("inputs"))
    if problems:
        raise ConfigError(problems)
    assert isinstance(config, RunConfig)
    return config


def _wrong_inputs(inputs: Any) -> Iterator[str]:
    """What is wrong with inputs made by hand, whatever their modality. Tables of keys are what they are."""
    for name, raw in inputs.items() if isinstance(inputs, Mapping) else ():
        if not isinstance(raw, Mapping):
            continue
        how = 'write them as {"kind": "image", "columns": ["photo"]}'
        kind, columns = raw.get("kind"), raw.get("columns")
        if ("kind" in raw) != ("columns" in raw):
            yield f"inputs.{name}: 'kind' and 'columns' go together: {how}"
        elif "kind" in raw and not isinstance(kind, str):
            yield f"inputs.{name}.kind: expected the name of a kind, got {shown(kind)}: {how}"
        elif "kind" in raw and not (isinstance(columns, list | tuple) and all(isinstance(c, str) for c in columns)):
            yield f"inputs.{name}.columns: expected a list of names of columns, got {shown(columns)}: {how}"


def parse_seconds(text: str | float) -> float:
    """ "90", "60s", "10m", "2h" or a number -> seconds."""
    if not isinstance(text, str):
        expect(
            "time budget", None if isinstance(text, bool) else text, Real, 'seconds, or a text such as "90s" or "10m"'
        )
        text = repr(float(text))
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], units[text[-1]]) if text and text[-1] in units else (text, 1.0)
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UserError(f"time budget {text!r}: write seconds, or a number with s, m or h, for example 90s or 10m")
    return seconds


def parse_split(text: str) -> list[float]:
    """ "0.7,0.15,0.15" -> three shares."""
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise UserError(f"split {text!r}: give three shares of rows that add up to 1, for example 0.7,0.15,0.15")
    return shares
