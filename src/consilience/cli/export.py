"""consilience export"""

from __future__ import annotations

import argparse
from pathlib import Path

from consilience.cli.output import print_json


def arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("run_folder", metavar="RUN", help="a run, or its bundle")
    command.add_argument("--to", metavar="TARGET", default="onnx", help="onnx")
    command.add_argument("--out", metavar="DIR", help="folder to write (default: export-TARGET beside the bundle)")
    command.add_argument("--verify", action="store_true", help="fail when the golden rows are answered differently")
    command.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    from consilience.workflows.export import export

    found = export(Path(args.run_folder), to=args.to, out=Path(args.out) if args.out else None, verify=args.verify)
    if args.json:
        print_json(found)
    else:
        print(f"{found['out']}: {found['bytes'] / 1e6:.1f} MB in {len(found['files'])} files")
        print(f"largest difference of an answer to the golden rows: {found['max_difference']:.2g}")
    return 0
