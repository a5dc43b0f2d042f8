"""Run folders: names for new ones, never two runs or two processes in one, and what a run remembers of itself.

run.json says what the run is made of and is never changed; progress.json how far it is, the time it has used included.
Both are put in place by rename, the first before any work: whenever the process ends, one can go on with the run.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from consilience import __version__
from consilience.bundle.manifest import write_text
from consilience.core.arguments import path_of
from consilience.core.config import dump_toml, encode
from consilience.core.errors import ConfigError, UserError
from consilience.core.progress import Deadline
from consilience.core.writable import check_writable
from consilience.workflows.config import RunConfig, resolve
from consilience.workflows.kept import CHECKPOINTS

RUN, PROGRESS = "run.json", "progress.json"
_BEAT = 1.0
"""Seconds after which the time used is written down again: what a killed run does not have to pay for."""
_LEFT_OVER = re.compile(r"\.(scratch-.*|bundle\.\d+|.+\.\d+|.+\.tmp)")
"""Names of what a killed process leaves half-written."""


_OWN = (RUN, PROGRESS, "config.toml", "log.jsonl", "splits.parquet")
_BAD_CELLS = re.compile(r"bad_cells(_.*)?\.csv")


def new_run(out: str | Path | None) -> Path:
    """The folder of a new run: `out`, which must be empty or new, or a dated one under runs/."""
    if out is None:
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
            folder = Path("runs") / f"{stamp}{suffix}"
            if not folder.exists():
                return check_writable(folder, "--out", folder=True)
    folder = check_writable(
        path_of("out", out, "the run folder, new or empty, as text or pathlib.Path"), "--out", folder=True
    )
    if folder.exists() and (not folder.is_dir() or any(not _LEFT_OVER.fullmatch(p.name) for p in folder.iterdir())):
        how = f", or go on with it: fit --resume --out {folder}" if (folder / RUN).is_file() else ""
        raise UserError(f"{folder}: exists and is not empty. Choose another --out, or remove it{how}.")
    return folder


class Run:
    """A run folder that this process alone works in, and the clock of its time budget. Use it in a `with`."""

    def __init__(
        self, folder: Path, config: RunConfig, facts: Mapping[str, Any], progress: dict[str, Any], *, made: bool = False
    ) -> None:
        """`made`: the folder is this run's own."""
        self.folder, self.config, self.facts = folder, config, facts
        self._progress, self._before, self._since = progress, float(progress["seconds"]), time.monotonic()
        self._writing, self._ended = threading.Lock(), threading.Event()
        self._heart = threading.Thread(target=self._beat, name="time used", daemon=True)
        self._locked = _lock(folder)
        self._made, self._refused = made, False

    @classmethod
    def begin(cls, folder: Path, config: RunConfig, facts: Mapping[str, Any], *, used: float) -> Run:
        """Make the folder of a new run. `facts`: JSON of what it is made of; `used`: seconds already spent on it."""
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        progress = {"seconds": used, "time_budget": config.time_budget, "contents": None, "result": None}
        facts = {"consilience": __version__, **facts, "config": encode(config)}
        write_text(folder / RUN, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        return cls(folder, config, facts, progress, made=made)

    @classmethod
    def reopen(cls, folder: Path) -> Run:
        """The run of the folder. Raises UserError: there is none, or of another version, or somebody works in it."""
        try:
            facts = json.loads((folder / RUN).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UserError(
                f"{folder}: no run to go on with ({RUN} is not there). Start one: fit TABLE --target COL --out {folder}"
            ) from error
        except (OSError, ValueError) as error:
            raise UserError(f"{folder / RUN}: cannot be read: {error}. Start a new run.") from error
        if facts["consilience"] != __version__:
            raise UserError(
                f"{folder}: begun by consilience {facts['consilience']}, and this is {__version__}; the two need not "
                "do the same. Go on with the version that began it, or start a new run."
            )
        progress = {"seconds": 0.0, "contents": None, "result": None}
        with suppress(FileNotFoundError, ValueError):  # killed before the first, or a disk that lost power
            progress = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        config = resolve({**facts["config"], **{k: v for k, v in progress.items() if k == "time_budget"}})
        run = cls(folder, config, facts, progress)
        sweep(folder)
        return run

    def __enter__(self) -> Run:
        self._heart.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._heart.join()
        with suppress(OSError):  # the folder may be gone, and the error on its way says more
            self._write()
        self._locked.close()

    @property
    def seconds(self) -> float:
        """Used by the run so far, by earlier processes too."""
        return self._before + time.monotonic() - self._since

    @property
    def deadline(self) -> Deadline:
        return Deadline(self.config.time_budget, used=self.seconds)

    @property
    def result(self) -> dict[str, Any] | None:
        """What `complete` was given; None of a run that has not ended."""
        found: dict[str, Any] | None = self._progress["result"]
        return found

    def use(self, config: RunConfig) -> None:
        """From now on the run has this config, of which only the time budget may differ."""
        self.config = config
        self._note(time_budget=config.time_budget)
        write_text(self.folder / "config.toml", dump_toml(config))

    def same(self, contents: Mapping[str, str]) -> None:
        """What the cells hold, as a hash by name. Raises UserError when it is not what it was at the first time."""
        was = self._progress["contents"]
        if was is None:
            self._note(contents=dict(contents))
        elif other := sorted(name for name in {*was, *contents} if was.get(name) != contents.get(name)):
            raise UserError(
                f"{self.folder}: {', '.join(other)}: not what it was when the run was begun (its cells, or the files "
                "they name, have changed). Put it back as it was, or start a new run."
            )

    def complete(self, result: Mapping[str, Any]) -> None:
        self._note(result=dict(result))

    def refuse(self) -> None:
        """Remove what the run has written so far, so that it is not in the way of the corrected command; but nothing
        where anything was trained, or another process has begun a run in the folder since."""
        with suppress(OSError):
            mine = os.path.samestat(os.fstat(self._locked.fileno()), os.stat(self.folder / RUN))
            if not mine or (self.folder / CHECKPOINTS).exists():
                return
            with self._writing:
                self._refused = True
                for path in self.folder.iterdir():
                    if path.is_file() and (path.name in _OWN or _BAD_CELLS.fullmatch(path.name)):
                        path.unlink()
            sweep(self.folder)
            if self._made:
                self.folder.rmdir()  # fails, and may, where there is anything else

    def _note(self, **facts: Any) -> None:
        self._progress.update(facts)
        self._write()

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            with suppress(OSError):  # a full disk is for those to report who have something to lose by it
                self._write()

    def _write(self) -> None:
        with self._writing:
            if self._refused:
                return
            self._progress["seconds"] = round(self.seconds, 3)
            write_text(self.folder / PROGRESS, json.dumps(self._progress, ensure_ascii=False) + "\n")


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What a run remembers of itself, for those who only read."""

    folder: Path
    config: RunConfig
    facts: Mapping[str, Any]
    progress: Mapping[str, Any]

    @classmethod
    def find(cls, folder: Path) -> Begun | None:
        """None of a bundle, and of a run that another version began or that cannot be read."""
        try:
            facts = json.loads((folder / RUN).read_text(encoding="utf-8"))
            progress = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
            if facts["consilience"] != __version__:
                return None
            return cls(folder=folder, config=resolve(facts["config"]), facts=facts, progress=progress)
        except (OSError, ValueError, KeyError, ConfigError):
            return None


def sweep(folder: Path) -> None:
    """Remove what a killed process left half-written."""
    for path in [*folder.iterdir(), *folder.glob(f"{CHECKPOINTS}/*/.*")]:
        if _LEFT_OVER.fullmatch(path.name):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _lock(folder: Path) -> BinaryIO:
    """The open, locked run.json; the system unlocks it when the process ends, however it ends."""
    file = (folder / RUN).open("rb+")
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(1 << 30)  # a lock there stops nobody from reading
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise UserError(f"{folder}: another process works in this run. Wait for it, or end it.") from error
    return file
