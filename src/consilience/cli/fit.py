"""consilience fit"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from consilience.cli.output import Terminal, print_json, print_table, show_metric
from consilience.cli.tables import Once, add_allow_url, add_media_root, add_table, the_table
from consilience.core.errors import UserError


def arguments(command: argparse.ArgumentParser) -> None:
    add_table(command, "training rows", optional=True)
    command.add_argument(
        "--target", action=Once, metavar="COL[,COL…]", help="column to predict; several are learned together"
    )
    command.add_argument("--valid", metavar="T2", help="table of validation rows (default: split off)")
    command.add_argument("--test", metavar="T3", help="table of test rows, used once, at the end (default: split off)")
    command.add_argument(
        "--split", metavar="A,B,C", help="shares for training, validation, test (default: 0.7,0.15,0.15)"
    )
    command.add_argument(
        "--group", action=Once, metavar="COL", help="rows that agree in this column stay on one side of the split"
    )
    add_media_root(command)
    add_allow_url(command)
    command.add_argument("--weight", action=Once, metavar="COL", help="how much each row counts; 0 takes it out")
    command.add_argument(
        "--task",
        metavar="KIND",
        help="auto, classification, regression, multilabel, ordinal (default: auto, which looks at the target)",
    )
    command.add_argument(
        "--metric",
        metavar="NAME",
        help="chooses among models: balanced_accuracy, f1, average_precision, mae, … (default: the task's own)",
    )
    command.add_argument("--preset", metavar="NAME", help="auto, classic, deep or pretrained (default: auto)")
    backbone_arguments(command)
    command.add_argument(
        "--time-budget", metavar="TIME", help="for the whole run, for example 60s or 10m (default: 5m)"
    )
    command.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=KIND:COL[,COL…]",
        help="make an input by hand; KIND is a modality, or number, category or date (may be repeated)",
    )
    command.add_argument(
        "--ignore", action="append", default=[], metavar="COL", help="leave a column out (may be repeated)"
    )
    command.add_argument("--seed", type=int, metavar="N", help="every random choice follows from it (default: 0)")
    command.add_argument("--config", metavar="RUN.toml", help="settings from a file; flags win over it")
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, e.g. train.lr=1e-3"
    )
    command.add_argument("--no-audit", action="store_true", help="leave out the short audit at the end")
    command.add_argument("--out", metavar="RUN", help="run folder, new or empty (default: runs/DATE-TIME)")
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out that was cut off; it knows its tables and settings, and only another "
        "--time-budget is taken over",
    )
    command.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else on standard output"
    )


def run(args: argparse.Namespace) -> int:
    from consilience.workflows.config import resolve
    from consilience.workflows.fit import fit
    from consilience.workflows.resume import resume
    from consilience.workflows.runs import new_run

    sides = {"train": args.table, "valid": args.valid, "test": args.test}
    sources = {side: the_table(source) for side, source in sides.items() if source}
    given, file, reporter = flags(args), Path(args.config) if args.config else None, Terminal()
    if args.resume:
        if not args.out:
            raise UserError("--resume: say which run to go on with: --out RUN")
        fitted = resume(Path(args.out), sources=sources, flags=given, file=file, settings=args.set, reporter=reporter)
    else:
        if not args.table:
            raise UserError("TABLE is missing: give the training rows, or go on with a run: --resume --out RUN")
        config = resolve(given, file=file, settings=args.set)
        fitted = fit(sources, config, out=new_run(args.out), reporter=reporter)
    if args.json:
        print_json(fitted.json())
    else:
        show(fitted)
    return 130 if fitted.interrupted else 0


def flags(args: argparse.Namespace) -> dict[str, Any]:
    """What was given on the command line, in the shape of the config; what was not given is not there."""
    from consilience.data.infer import parse_input
    from consilience.workflows.config import parse_seconds, parse_split

    inputs = {}
    for text in args.input:
        name, kind, columns = parse_input(text)
        inputs[name] = {"kind": kind, "columns": list(columns)}
    data = {
        "split": parse_split(args.split) if args.split else None,
        "group": args.group,
        "weight": args.weight,
        "media_root": args.media_root,
        "confine": args.confine or None,
        "allow_urls": args.allow_url or None,
        "store": args.store,
        "ignore": args.ignore or None,
    }
    top = {
        "target": args.target,
        "task": args.task,
        "metric": args.metric,
        "preset": args.preset,
        "seed": args.seed,
        "time_budget": parse_seconds(args.time_budget) if args.time_budget else None,
        "inputs": inputs or None,
        "audit": {"at_end": False} if args.no_audit else None,
        "data": {k: v for k, v in data.items() if v is not None} or None,
        "pretrained": backbone_flags(args) or None,
    }
    return {k: v for k, v in top.items() if v is not None}


def backbone_arguments(command: argparse.ArgumentParser) -> None:
    """Flags of every command that encodes with backbones."""
    command.add_argument(
        "--backbone",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=WEIGHTS",
        help="weights for a modality or an input: a folder as save_pretrained writes it, package:NAME for weights that "
        "a package ships (see `consilience list backbones`), or hub:ID (may be repeated)",
    )
    command.add_argument("--allow-download", action="store_true", help="let hub:ID fetch what is not here yet")
    command.add_argument(
        "--store",
        metavar="DIR",
        help="keep decoded media, features and vectors here for later runs, and find those of earlier ones",
    )


def backbone_flags(args: argparse.Namespace) -> dict[str, Any]:
    from consilience.workflows.backbones import references

    given = {"backbones": references(args.backbone), "allow_download": args.allow_download}
    return {key: value for key, value in given.items() if value}


def show(fitted: Any) -> None:
    """What to mind, the leaderboard and the verdict, for people."""
    for text in fitted.warnings:  # said on the way too, but pages ago
        print(f"Warning: {text}")
    board = fitted.leaderboard
    primary = next(iter(board[0]["metrics"]))
    rows = [
        [
            ("* " if e["name"] == fitted.best else "  ") + e["name"],
            e["preset"],
            show_metric(e["metrics"][primary]),
            f"{e['cpu_seconds']:.1f}",
            f"{e['ms_per_row']:.3f}",
        ]
        for e in board
    ]
    head = ["model", "preset", f"{primary} (95 %)", "CPU-s", "ms/row"]
    print_table("Leaderboard, on validation rows", head, rows, right=(2, 3, 4))
    if fitted.test:
        print(f"Test, {fitted.best}: {primary} {show_metric(fitted.test[primary])}")
    for line in fitted.audit["verdict"] if fitted.audit else ():
        print(line)
    print(f"Run: {fitted.run}   Report: {fitted.run / 'report.html'}")
    if fitted.bad_cells:
        print(f"{fitted.bad_cells:,} bad cells were taken as missing: {fitted.run / 'bad_cells.csv'}")
