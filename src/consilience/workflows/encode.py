"""encode: fill the store ahead of time, so that a later fit finds every vector there. Trains nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from consilience.bundle.model import load_inputs
from consilience.core.errors import DataError
from consilience.core.limits import Limits
from consilience.core.progress import Reporter
from consilience.core.threads import limited, sensible
from consilience.data import leftover
from consilience.data.encode import Encoding
from consilience.data.infer import infer
from consilience.data.sources import read
from consilience.data.store import Store
from consilience.modalities import MODALITIES
from consilience.workflows.backbones import PretrainedConfig, frozen_views, idle


def encode(
    source: Any,
    *,
    store: Path,
    config: PretrainedConfig,
    inputs: Mapping[str, tuple[str, Sequence[str]]] | None = None,
    ignore: Sequence[str] = (),
    root: Path | None = None,
    workers: int | None = None,
    reporter: Reporter,
) -> dict[str, Any]:
    """Encode every input of a table that has a backbone. `inputs`: made by hand, name -> (kind, columns).

    Ctrl-C loses the batch at hand and nothing else. Returns {"store", "rows", "cpu_seconds", "seconds", "inputs":
    {name: {"backbone", "width", "cells", "encoded", "found", "bad_cells"}}}.
    """
    began, cpu = time.monotonic(), time.process_time()
    table = read(source, root=root)
    for note in table.notes:
        reporter.say(f"warning: {note}")
    if not len(table):
        raise DataError(f"{table.name}: the table has no rows to encode")
    inference = infer(table, target=None, ignore=ignore, assigned=inputs)
    for warning in leftover.warnings(inference.left_out):
        reporter.say(f"warning: {warning}")
    views = frozen_views(inference.inputs, config, needed=True)
    for note in idle(inference.inputs, config):
        reporter.say(f"note: {note}")
    opened = Store(store)
    encodings = {n: Encoding(backbone=v.backbone, store=opened, batch=config.batch) for n, v in views.items()}
    configs = {}
    for name, view in views.items():
        modality = MODALITIES.load(view.plan.modality)()
        samples = [inference.samples[column] for column in view.plan.columns]
        configs[name] = view.backbone.load_config(modality.resolve(modality.Config(), samples, view.plan.kinds))
    plans = {name: view.plan for name, view in views.items()}
    try:
        with limited(sensible()):
            loaded = load_inputs(
                table, plans, configs, Limits(), workers=workers, reporter=reporter, encodings=encodings
            )
    except KeyboardInterrupt:
        reporter.say("interrupted; what was encoded is in the store, and the same command goes on from there")
        raise
    return {
        "store": str(store),
        "rows": len(table),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "seconds": round(time.monotonic() - began, 3),
        "inputs": {
            name: {
                "backbone": views[name].backbone.name,
                "width": views[name].backbone.width,
                "cells": encoding.tally.distinct,
                "encoded": encoding.tally.encoded,
                "found": encoding.tally.distinct - encoding.tally.encoded,
                "bad_cells": sum(problem.whole for problem in loaded.inputs[name].problems),
            }
            for name, encoding in encodings.items()
        },
    }
