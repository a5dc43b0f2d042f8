"""consilience audit"""

from __future__ import annotations

import argparse
from pathlib import Path

from consilience.cli.output import Terminal, print_json, print_table
from consilience.cli.tables import add_allow_url, add_media_root, add_table, the_media_root, the_table


def arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("run_folder", metavar="RUN", help="a run, or its bundle")
    add_table(command, "rows with the target column (default: those that the run held out)", optional=True)
    add_allow_url(command)
    command.add_argument("--html", metavar="F", help="also write a page for people")
    add_media_root(command)
    command.add_argument("--time-budget", metavar="TIME", default="5m", help="for the audit (default: 5m)")
    command.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else on standard output"
    )


def run(args: argparse.Namespace) -> int:
    from consilience.workflows.audit_run import audit
    from consilience.workflows.config import parse_seconds

    found = audit(
        Path(args.run_folder),
        the_table(args.table) if args.table else None,
        html=Path(args.html) if args.html else None,
        root=the_media_root(args),
        hosts=args.allow_url,
        seconds=parse_seconds(args.time_budget),
        reporter=Terminal(),
    )
    if args.json:
        print_json(found)
        return 0
    show(found)
    if args.html:
        print(f"Page: {args.html}")
    return 0


def show(found: dict[str, object]) -> None:
    """The verdict and its numbers, for people."""
    from consilience.evaluate.audited import WORDS, lines

    def told(value: object) -> str:
        if not isinstance(value, dict) or value["value"] is None:
            return "–"
        bounds = value["ci95"]
        return f"{value['value']:+.3f}" + (f" ({bounds[0]:+.3f} to {bounds[1]:+.3f})" if bounds else "")

    inputs = found["inputs"]
    assert isinstance(inputs, dict)
    rows = [
        [name, WORDS[i["verdict"]], told(i["alone"]), told(i["permuted"]), told(i["missing"]), told(i["shapley"])]
        for name, i in inputs.items()
    ]
    title = f"{found['model']}: {found['metric']} on {found['rows']:,} rows ({found['on']})"
    head = ["input", "verdict", "alone wins", "permuted loses", "missing loses", "Shapley"]
    print_table(title, head, rows, right=(2, 3, 4, 5))
    for line in lines(found):
        print(line)
