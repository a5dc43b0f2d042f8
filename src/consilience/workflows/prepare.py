"""From tables to what models train on: inputs, task, split, loaded cells, fitted processors."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from consilience.bundle.compare import compare, missing_share, unreadable_shares
from consilience.bundle.model import Input, load_inputs, make_view, require_some
from consilience.core.config import decode_into
from consilience.core.errors import ConfigError, DataError, UserError, unknown
from consilience.core.limits import Limits
from consilience.core.progress import Reporter
from consilience.data import leftover
from consilience.data.cells import Cells, Chosen, Dataset, Problem
from consilience.data.check import overlap, summarize
from consilience.data.encode import Encoding
from consilience.data.fetch import Allowed, fetched
from consilience.data.infer import Inference, InputPlan, infer
from consilience.data.repeats import contents, repeated, told
from consilience.data.split import Split, row_keys, split, wide_groups
from consilience.data.store import Store
from consilience.data.table import Table
from consilience.data.target import cells_of, columns_of
from consilience.modalities import MODALITIES
from consilience.modalities.base import Processor, is_blank
from consilience.modalities.frozen import FrozenProcessor
from consilience.models.view import View
from consilience.tasks.base import Task
from consilience.tasks.choose import blank_is_answer
from consilience.tasks.choose import settings as task_settings
from consilience.workflows.backbones import FrozenView, cut_short, frozen_views, idle
from consilience.workflows.config import RunConfig
from consilience.workflows.targets import by_metric, chosen_task, encoded, targeted, unseen, weighed, without_words


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows of one side: the view models see, the encoded target, and groups of rows that are not independent."""

    view: View
    target: np.ndarray
    task: Task
    """It also knows the labels that these rows have and training rows do not (`Task.opened`)."""
    known: Task
    """The task that models are fitted to."""
    weights: np.ndarray | None
    """How much each row counts, 1 on average over the training table; None: all alike."""
    groups: np.ndarray
    table: Table
    rows: np.ndarray
    """Row of `table` of each row."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the answer columns, those of labels that training never saw included."""
        return self.task.names

    def widen(self, answers: np.ndarray) -> np.ndarray:
        """Answers with a column of zeros for every label that training never saw."""
        return self.task.widen(answers, self.known)

    def learnable(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """The rows whose answer is among those that models can give, their targets as models know them, and their
        weights."""
        rows, target = self.known.closed(self.target, self.task)
        return rows, target, None if self.weights is None else self.weights[rows]

    def take(self, rows: np.ndarray) -> Part:
        """Some of the rows."""
        return replace(
            self,
            view=self.view.take(rows),
            target=self.target[rows],
            weights=None if self.weights is None else self.weights[rows],
            groups=self.groups[rows],
            rows=self.rows[rows],
        )

    def joined(self, other: Part) -> Part:
        """The rows of both sides, of one table, whose label the task knows."""
        assert other.view.sources is self.view.sources
        known, target, weights = other.learnable()
        index = {
            name: np.concatenate([cells, other.view.index[name][known]]) for name, cells in self.view.index.items()
        }
        return replace(
            self,
            view=View(sources=self.view.sources, index=index, rows=len(self.target) + len(known)),
            target=np.concatenate([self.target, target]),
            weights=None if self.weights is None or weights is None else np.concatenate([self.weights, weights]),
            groups=np.concatenate([self.groups, other.groups[known]]),
            rows=np.concatenate([self.rows, other.rows[known]]),
        )


@dataclass(frozen=True, kw_only=True)
class Prepared:
    inference: Inference
    task: Task
    targets: tuple[str, ...]
    """Columns of the target."""
    inputs: Mapping[str, Input]
    limits: Limits
    parts: Mapping[str, Part]
    tables: Mapping[str, Table]
    problems: Mapping[str, tuple[Problem, ...]]
    """By table: bad cells, and parts of cells taken as missing."""
    warnings: tuple[str, ...]
    loaded: Mapping[str, Dataset]
    """By table: its cells."""
    contents: Mapping[str, str]
    """By input: a hash of what its media cells held when they were read."""
    own: tuple[str, ...]
    """Inputs as their modality sees them, sorted."""
    pretrained: tuple[str, ...]
    """Inputs as the preset `pretrained` sees them, sorted: through a backbone where there is one; empty without any."""
    unfrozen: tuple[str, ...]
    """The same, where the last layers of each backbone are trained along."""


def plan_inputs(table: Table, config: RunConfig) -> tuple[Inference, dict[str, Any]]:
    """Which column is what, and the processing config of each input as the user wrote it (checked by its modality)."""
    assigned, settings = {}, {}
    for name, raw in config.inputs.items():
        settings[name] = {k: v for k, v in raw.items() if k not in ("kind", "columns")}
        if "kind" in raw:
            assigned[name] = (raw["kind"], tuple(raw["columns"]))
    targets = columns_of(config.target, table)
    data = config.data
    if data.group is not None and data.group not in table.columns:
        raise DataError(f"{table.name}: {unknown('group column', data.group, table.columns)}")
    if data.group in targets:
        raise DataError(f"{table.name}: column {data.group!r} is both the target and the group of the rows")
    ignore = [*data.ignore, *(column for column in (data.group, data.weight) if column)]
    inference = infer(table, target=targets, ignore=tuple(ignore), assigned=assigned)
    decoded, problems = {}, []
    for name in settings:
        if name not in inference.inputs:
            problems.append(f"inputs.{name}: there is no such input. Inputs: {', '.join(inference.inputs)}")
    for name, plan in inference.inputs.items():
        modality = MODALITIES.load(plan.modality)
        decoded[name] = decode_into(modality.Config, settings.get(name, {}), f"inputs.{name}", problems)
    if problems:
        raise ConfigError(problems)
    return inference, decoded


def prepare(
    tables: Mapping[str, Table], config: RunConfig, *, scratch: Path, store: Store | None, reporter: Reporter
) -> Prepared:
    """`tables`: "train", and "valid" and "test" where the user gave them. `scratch`: a folder for loaded values and
    for what is fetched."""
    problems: dict[str, list[Problem]] = {side: [] for side in tables}
    targets = columns_of(config.target, tables["train"])
    title = ", ".join(targets)
    if config.data.weight in targets:
        name = tables["train"].name
        raise DataError(f"{name}: column {config.data.weight!r} is both the target and the weight of the rows")
    tables, weights, warnings = weighed(tables, config.data.weight)
    asked = task_settings(config.task, "task", [])
    assert asked is not None, "checked with the config"
    tables = without_words(tables, targets, asked)
    everywhere = blank_is_answer(asked)
    rows = {side: targeted(of, targets, problems[side], everywhere=everywhere) for side, of in tables.items()}
    if not len(rows["train"]):
        raise DataError(
            f"{tables['train'].name}: no row to learn from: {len(tables['train']):,} rows, none with a target in "
            f"{title!r}. Give a table with rows whose target is known."
        )
    inference, configs = plan_inputs(tables["train"], config)
    if config.data.allow_urls:
        tables = _fetch(tables, inference, config, scratch / "urls", reporter)
        inference, configs = plan_inputs(tables["train"], config)  # again: what lies here can be looked at
    tables = {side: of.without(inference.unreadable) for side, of in tables.items()}
    task, about, notes = chosen_task(asked, tables["train"], targets, rows["train"])
    reporter.say(about)
    warnings += notes
    task = by_metric(config.metric, task, tables["train"], targets, rows["train"], weights)
    looks = _Looks.of(inference, configs, config)
    if config.pretrained is not None:
        for note in idle(inference.inputs, config.pretrained):
            reporter.say(f"note: {note}")
    loaded = _load(tables, looks, config, scratch=scratch, store=store, reporter=reporter)
    for side, dataset in loaded.items():  # inputs that look at the same cells report the same of them
        problems[side] += dict.fromkeys(p for cells in dataset.inputs.values() for p in cells.problems)
    _refuse_unusable(loaded["train"], looks.plans, tables["train"])
    once = _one_of_each(loaded, looks.plans)
    left_out = inference.left_out
    hidden = {*config.data.ignore, *left_out}
    keyed = [column for column in tables["train"].columns if column not in hidden]
    sides, dealt = _sides(tables, rows, once["train"], config, task, targets, keyed)
    warnings = [note for given in tables.values() for note in given.notes] + warnings + dealt.report
    for name, view in looks.frozen.items():
        samples = [inference.samples[column] for column in view.plan.columns]
        if (text := cut_short(view, samples, looks.configs[name], config.limits)) is not None:
            warnings.append(text)
    warnings += leftover.warnings(left_out)
    inputs = looks.fitted(loaded["train"], sides["train"][1])
    views = {of: make_view(data, inputs, store=store) for of, data in loaded.items()}
    parts = {}
    for side, (of, chosen) in sides.items():
        target, opened = encoded(task, tables[of], targets, chosen)
        parts[side] = Part(
            view=views[of].take(chosen),
            target=target,
            task=opened,
            known=task,
            weights=None if weights is None else weights[of][chosen],
            table=tables[of],
            rows=chosen,
            groups=independent(loaded[of], tables[of], config.data.group, loosened=dealt.loosened)[chosen],
        )
        warnings += _never_seen(side, parts[side])
        reporter.say(f"{side}: {len(chosen):,} rows")
    warnings += [f"column {title!r}: {text}" for text in task.remarks(parts["train"].target)]
    warnings += _seen_twice(tables, {side: _loosen(data, dealt.loosened) for side, data in once.items()}, sides)
    warnings += [f"{tables['train'].name}: {text}" for text in summarize(once["train"])]
    known = {*tables["train"].columns}
    for side in [side for side in once if side != "train"]:
        found = compare(tables[side], once[side], inputs, known=known)
        told = dict.fromkeys([*summarize(once[side]), *found.warnings])
        warnings += [f"{tables[side].name}: {text}" for text in told]
    return Prepared(
        inference=inference,
        task=task,
        targets=targets,
        inputs=inputs,
        limits=config.limits,
        parts=parts,
        warnings=tuple(warnings),
        tables=dict(tables),
        problems={side: tuple(found) for side, found in problems.items()},
        loaded=loaded,
        contents={n: digest(*(data.inputs[n].groups for data in loaded.values())) for n in looks.plans}
        | {f"the backbone of {name}": view.backbone.fingerprint for name, view in looks.frozen.items()},
        own=looks.own,
        pretrained=looks.pretrained,
        unfrozen=looks.unfrozen,
    )


@dataclass(frozen=True, kw_only=True)
class _Looks:
    """Every way the preset looks at cells, and the processing config of each; see `Prepared` for the last three."""

    plans: Mapping[str, InputPlan]
    configs: Mapping[str, Any]
    frozen: Mapping[str, FrozenView]
    """Through a backbone."""
    own: tuple[str, ...]
    pretrained: tuple[str, ...]
    unfrozen: tuple[str, ...]

    @classmethod
    def of(cls, inference: Inference, configs: Mapping[str, Any], config: RunConfig) -> _Looks:
        given = inference.inputs
        frozen = _views(given, config)
        resolved = {name: _resolve(plan, configs[name], inference) for name, plan in given.items()}
        resolved |= {name: view.backbone.load_config(resolved[view.of]) for name, view in frozen.items()}
        seen = {view.of for view in frozen.values()}
        own = tuple(sorted(name for name in given if _looks_itself(config) or name not in seen))

        def through(*, cut: bool) -> tuple[str, ...]:
            some = [name for name, view in frozen.items() if bool(view.backbone.config.cut) is cut]
            return tuple(sorted((given.keys() - seen).union(some))) if some else ()

        return cls(
            plans={name: given[name] for name in own} | {name: view.plan for name, view in frozen.items()},
            configs=resolved,
            frozen=frozen,
            own=own,
            pretrained=through(cut=False),
            unfrozen=through(cut=True),
        )

    def fitted(self, dataset: Dataset, rows: np.ndarray) -> dict[str, Input]:
        """Each with a processor that has seen the cells of `rows`, those of training, and no others."""

        def fit(name: str, plan: InputPlan) -> Input:
            config, view = self.configs[name], self.frozen.get(name)
            processor = _fit(plan, config, dataset.inputs[name], rows, view)
            return Input(
                plan=plan,
                config=config,
                processor=processor,
                backbone=None if view is None else view.backbone,
                missing=missing_share(dataset.inputs[name], rows),
                unreadable=unreadable_shares(dataset.inputs[name], rows),
            )

        return {name: fit(name, plan) for name, plan in self.plans.items()}


def _load(
    tables: Mapping[str, Table],
    looks: _Looks,
    config: RunConfig,
    *,
    scratch: Path,
    store: Store | None,
    reporter: Reporter,
) -> dict[str, Dataset]:
    """By table: its cells, in every way the preset looks at them."""
    for given in tables.values():
        require_some(given, [column for plan in looks.plans.values() for column in plan.columns])
    encodings = _encodings(looks.frozen, config, store)
    loaded = {
        side: load_inputs(
            of,
            looks.plans,
            looks.configs,
            config.limits,
            workers=config.data.workers,
            reporter=reporter,
            scratch=scratch / side,
            store=store,
            encodings=encodings,
        )
        for side, of in tables.items()
    }
    for name, encoding in encodings.items():
        reporter.say(f"{name}: {encoding.tally.encoded:,} of {encoding.tally.distinct:,} distinct cells encoded")
    return loaded


def _never_seen(side: str, part: Part) -> list[str]:
    """What to say of rows whose label no training row has."""
    new = unseen(part.known, part.task)
    if not new:
        return []
    count = len(part.known.unknown_rows(part.target, part.task))
    return [f"{side}: {count:,} rows have a label that no training row has ({', '.join(new[:5])}); they count as wrong"]


def _seen_twice(
    tables: Mapping[str, Table], loaded: Mapping[str, Dataset], sides: Mapping[str, tuple[str, np.ndarray]]
) -> list[str]:
    """What to say of contents and rows that training has as well."""
    said = []
    for side in ("valid", "test"):
        if side in sides:
            shared = overlap(_contents(loaded, sides["train"]), _contents(loaded, sides[side]))
            said += [f"{side} rows were seen in training: {text}" for text in shared]
            if side in tables and (text := told(*_rows(loaded, sides["train"], sides[side]))) is not None:
                said.append(f"{side} table: {text}")
    return said


def _one_of_each(loaded: Mapping[str, Dataset], plans: Mapping[str, InputPlan]) -> dict[str, Dataset]:
    """Of inputs that look at the same cells as they are and through backbones, one: what the table holds is to be said
    once."""
    first: dict[tuple[str, tuple[str, ...]], str] = {}
    for name, plan in plans.items():
        first.setdefault((plan.modality, plan.columns), name)
    return {
        side: Dataset(inputs={name: dataset.inputs[name] for name in first.values()}, rows=dataset.rows)
        for side, dataset in loaded.items()
    }


def _looks_itself(config: RunConfig) -> bool:
    """Whether anything of the preset looks at inputs without a backbone where there is one."""
    return config.classic is not None or config.deep is not None


def _views(plans: Mapping[str, InputPlan], config: RunConfig) -> dict[str, FrozenView]:
    if config.pretrained is None:
        return {}
    return frozen_views(plans, config.pretrained, needed=not _looks_itself(config))


def _encodings(views: Mapping[str, FrozenView], config: RunConfig, store: Store | None) -> dict[str, Encoding]:
    if not views:
        return {}
    assert config.pretrained is not None
    batch = config.pretrained.batch
    return {name: Encoding(backbone=view.backbone, store=store, batch=batch) for name, view in views.items()}


def _fetch(
    tables: Mapping[str, Table], inference: Inference, config: RunConfig, folder: Path, reporter: Reporter
) -> dict[str, Table]:
    """The tables with the URLs of media columns fetched."""
    allowed = Allowed.parse(config.data.allow_urls)
    columns = [c for plan in inference.inputs.values() if MODALITIES.load(plan.modality).media for c in plan.columns]
    most = config.limits.bytes
    return {
        side: fetched(table, columns, allowed, folder, max_bytes=most, reporter=reporter)
        for side, table in tables.items()
    }


def _resolve(plan: InputPlan, config: Any, inference: Inference) -> Any:
    modality = MODALITIES.load(plan.modality)()
    return modality.resolve(config, [inference.samples[column] for column in plan.columns], plan.kinds)


def _refuse_unusable(dataset: Dataset, plans: Mapping[str, InputPlan], table: Table) -> None:
    """An input none of whose cells can be used is a mistake of the call (a wrong folder), not a missing value."""
    for name, cells in dataset.inputs.items():
        if cells.problems and all(cells.values[u] is None for u in range(len(cells.values))):
            reason, count = Counter(p.reason for p in cells.problems if p.whole).most_common(1)[0]
            raise DataError(
                f"{table.name}: no cell of input {name!r} (column {', '.join(plans[name].columns)}) can be used; "
                f"{count:,} of {dataset.rows:,} rows: {reason}. Correct the column or --media-root (paths start at "
                f"{table.root}), or leave it out with --ignore."
            )


def _sides(
    tables: Mapping[str, Table],
    rows: Mapping[str, np.ndarray],
    dataset: Dataset,
    config: RunConfig,
    task: Task,
    targets: Sequence[str],
    keyed: Sequence[str],
) -> tuple[dict[str, tuple[str, np.ndarray]], Split]:
    """Side -> (table it is in, rows of that table). A given table takes its side whole; the rest is split. `keyed`:
    columns whose cells tell rows apart, whatever their order."""
    table, chosen = tables["train"], rows["train"]
    shares = np.array(config.data.split)
    given = {side: (side, rows[side]) for side in ("valid", "test") if side in tables}
    for place, side in ((1, "valid"), (2, "test")):
        if side in given:
            shares[place] = 0
            if not len(given[side][1]):
                raise DataError(f"{tables[side].name}: no row with a target in {', '.join(targets)!r}")
    if shares[1] == 0 and "valid" not in given:
        raise UserError("validation needs rows: give a share for it in --split, or a table with --valid")
    groups: dict[str, np.ndarray] = {}
    if config.data.group_media:
        groups |= {name: cells.groups[chosen] for name, cells in dataset.inputs.items() if (cells.groups >= 0).any()}
    same = contents(dataset)[chosen]
    if config.data.group_repeats and repeated(same):
        groups["rows that say the same"] = same
    if config.data.group:
        groups[config.data.group] = codes(table[config.data.group])[chosen]
    target = task.encode(cells_of(table, targets, chosen), column=", ".join(targets))
    dealt = split(
        len(chosen),
        tuple(shares / shares.sum()),
        config.seed,
        groups,
        soft=[name for name in groups if name in dataset.inputs],
        keys=row_keys(table, keyed)[chosen],
        labels=task.strata(target) if config.data.stratify else None,
    )
    sides = {
        "train": ("train", chosen[dealt.train]),
        "valid": ("train", chosen[dealt.valid]),
        "test": ("train", chosen[dealt.test]),
    }
    sides |= given
    return {side: pair for side, pair in sides.items() if len(pair[1])}, dealt


def _fit(plan: InputPlan, config: Any, cells: Cells, rows: np.ndarray, view: FrozenView | None) -> Processor:
    """A processor that has seen the cells of training rows and no others."""
    counts = np.bincount(cells.index[rows], minlength=len(cells.values))
    seen = [u for u in np.flatnonzero(counts).tolist() if cells.values[u] is not None]
    values = Chosen(cells.values, seen)
    if view is not None:
        backbone = view.backbone
        if backbone.config.cut:
            return FrozenProcessor.plain(backbone.width, name=backbone.name)
        single = backbone.config.tokens == "pooled"
        return FrozenProcessor.fit(
            values, weights=counts[seen], width=backbone.width, name=backbone.name, single=single
        )
    return MODALITIES.load(plan.modality)().fit(values, config, weights=counts[seen])  # type: ignore[no-any-return]


def codes(column: Sequence[Any]) -> np.ndarray:
    """[N] int64: equal values get equal numbers; -1 where there is none."""
    numbers: dict[Any, int] = {}
    return np.array([-1 if is_blank(v) else numbers.setdefault(v, len(numbers)) for v in column], np.int64)


def independent(
    dataset: Dataset, table: Table, column: str | None, *, loosened: Mapping[str, np.ndarray] | None = None
) -> np.ndarray:
    """[N] int64 for the bootstrap: the group column where there is one, else the media content that most rows share;
    rows of one number are not independent. -1: a group of its own. What is on many rows (an icon, a placeholder: those
    `loosened` by the split, or in another table all that are wide) binds none of them."""
    if column is not None and column in table.columns:
        return codes(table[column])
    wide = loosened
    if wide is None:
        wide = {name: wide_groups(cells.groups, WIDE) for name, cells in dataset.inputs.items()}
    shared = [cells.groups for cells in _loosen(dataset, wide).inputs.values() if (cells.groups >= 0).any()]
    if not shared:
        return np.full(dataset.rows, -1, np.int64)
    return min(shared, key=lambda groups: len(np.unique(groups)) + int((groups < 0).sum()))


WIDE = 0.1
"""Share of the rows of a table from which on a content binds them no longer."""


def _loosen(dataset: Dataset, groups: Mapping[str, np.ndarray]) -> Dataset:
    """The dataset, in which these contents, by input, belong to no group."""
    if not any(len(ids) for ids in groups.values()):
        return dataset
    inputs = {}
    for name, cells in dataset.inputs.items():
        wide = np.isin(cells.groups, groups.get(name, ()))
        inputs[name] = replace(cells, groups=np.where(wide, -1, cells.groups)) if wide.any() else cells
    return replace(dataset, inputs=inputs)


def digest(*arrays: np.ndarray) -> str:
    """The same for the same numbers in the same order, on every machine."""
    content = hashlib.blake2b(digest_size=16)
    for array in arrays:
        content.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return content.hexdigest()


def _rows(loaded: Mapping[str, Dataset], *sides: tuple[str, np.ndarray]) -> Iterator[np.ndarray]:
    """Of each side, numbers of rows that say the same."""
    return (contents(loaded[of])[rows] for of, rows in sides)


def _contents(loaded: Mapping[str, Dataset], side: tuple[str, np.ndarray]) -> dict[str, np.ndarray]:
    of, rows = side
    return {name: cells.groups[rows] for name, cells in loaded[of].inputs.items()}
