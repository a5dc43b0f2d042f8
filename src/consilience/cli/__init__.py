"""The command line: one file per command. Nothing heavy is imported before the command is known."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from consilience.core.errors import UserError
from consilience.core.optional import spare
from consilience.core.writable import refusal

CLOSED_PIPE = 141
"""As shells report a program that `head` has cut short: 128 and the number of SIGPIPE."""

COMMANDS = {
    "demo": "run the main job on real data that a package ships",
    "fit": "train on a table and leave a run folder",
    "encode": "fill the store with the vectors of frozen backbones",
    "store": "show what an encode-once store holds, and make room in it",
    "evaluate": "score a trained model on a table",
    "audit": "ask what each input is worth, and whether the data leak",
    "predict": "answer every row of a table",
    "export": "turn a trained model into a folder that predicts without torch",
    "serve": "answer over HTTP and gRPC, with a web page and metrics",
    "inspect": "show what each column of a table is taken for, and why",
    "config": "show a whole config, every default written out",
    "list": "list the encoders, backbones, fusions, tasks or modalities",
    "doctor": "show versions, devices and the usual mistakes",
}


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole command line; `only` fills in the arguments of that command alone, which is all one call needs."""
    from consilience import __version__

    top = argparse.ArgumentParser(
        prog="consilience",
        description="From a table of text, pictures and numbers to a trained, tested model.",
    )
    top.add_argument("--version", action="version", version=f"consilience {__version__}")
    top.add_argument("--debug", action="store_true", help="show the Python traceback of an error")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if only in (None, name):
            module = importlib.import_module(f"consilience.cli.{name}")
            module.arguments(command)
            command.set_defaults(run=module.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 our fault, 2 the user's input is wrong, 130 interrupted, 141 nobody reads the output.
    `argv` None: the process is ours alone."""
    if argv is None:
        spare("sklearn", "pandas")
    words = [*(sys.argv[1:] if argv is None else argv)]  # not list(): the command of that name lives in this package
    only = next((word for word in words if word in COMMANDS), None)
    args = parser(only).parse_args(words)
    try:
        code = int(args.run(args) or 0)
        sys.stdout.flush()  # a full disk or a closed pipe shows here at the latest
        return code
    except UserError as error:
        if args.debug:
            raise
        _complain(f"consilience {args.command}: {error}")
        return 2
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (head, less) has gone: no traceback
        return CLOSED_PIPE
    except OSError as error:
        said = refusal(error)
        if args.debug or said is None:
            return _our_fault(args, error)
        _complain(f"consilience {args.command}: {said}")
        return 2
    except Exception as error:  # the last line of defence
        return _our_fault(args, error)


def _our_fault(args: argparse.Namespace, error: Exception) -> int:
    """One line for the user, the rest on request."""
    if args.debug:
        raise error
    _complain(
        f"consilience {args.command}: this is a fault of consilience, not of your data: "
        f"{type(error).__name__}: {error}\nRun it again as 'consilience --debug {args.command} …' and report "
        "what it prints."
    )
    return 1


def _complain(text: str) -> None:
    """On standard error, where that can be written: the exit code is right in any case."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
