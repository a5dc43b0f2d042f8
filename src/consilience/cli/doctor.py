"""consilience doctor"""

from __future__ import annotations

import argparse

from consilience.cli.output import print_json, print_table


def arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else on standard output"
    )


def run(args: argparse.Namespace) -> int:
    from consilience.workflows.doctor import doctor

    found = doctor()
    if args.json:
        print_json(found)
        return 0
    rows = [[k, str(found[k])] for k in ("consilience", "python", "platform", "cores", "device")]
    rows += [[name, version or "not installed"] for name, version in found["packages"].items()]
    print_table("", ["what", "found"], rows)
    for problem in found["problems"]:
        print(f"problem: {problem}")
    return 0
