"""consilience store info, consilience store prune, through the command line."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from consilience.cli import main
from consilience.core.errors import UserError
from consilience.data.keys import fingerprint, key
from consilience.data.store import Store
from consilience.workflows.store import parse_age, parse_bytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of two spaces; the first was not used for 40 days."""
    store = Store(tmp_path / "store")
    for days, what in ((40, "loaded cells"), (0, "features")):
        with store.space(fingerprint(days), about={"what": what, "modality": "sketch"}) as space:
            space.append([key(i) for i in range(50)], [np.full((2, 500), i, np.float32) for i in range(50)])
            os.utime(space.folder / "using", (time.time() - days * 86_400,) * 2)
    return store.folder


def call(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    assert main(["store", *map(str, words)]) == code
    shown = capsys.readouterr()
    return shown.out, shown.err


def test_info(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(call(capsys, "info", folder, "--json")[0])
    assert found["store"] == str(folder)
    assert found["entries"] == 100
    assert found["bytes"] == sum(space["bytes"] for space in found["spaces"]) > 400_000
    first = found["spaces"][0]
    assert (first["what"], first["of"], first["entries"], first["rows"]) == ("loaded cells", "sketch", 50, 100)
    assert (first["width"], first["dtype"], first["open"], first["damaged"]) == (500, "<f4", False, False)
    text, _ = call(capsys, "info", folder)
    assert "100 entries" in text
    assert "kB" in text
    assert "in use" not in text
    with Store(folder).space(fingerprint(0), about={}):
        assert json.loads(call(capsys, "info", folder, "--json")[0])["spaces"][1]["open"]


def test_prune_says_first_and_does_it_when_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, _ = call(capsys, "prune", folder, "--older-than", "30d")
    assert "Would go" in text
    assert "--yes does it" in text
    assert len(json.loads(call(capsys, "info", folder, "--json")[0])["spaces"]) == 2
    done = json.loads(call(capsys, "prune", folder, "--older-than", "30d", "--yes", "--json")[0])
    assert [space["what"] for space in done["removed"]] == ["loaded cells"]
    assert done["freed_bytes"] > 200_000 < done["kept_bytes"]
    assert not done["dry_run"]
    with Store(folder).space(fingerprint(0), about={}):
        text, _ = call(capsys, "prune", folder, "--keep-bytes", "0", "--yes")
        assert "1 in use stay" in text
    assert len(json.loads(call(capsys, "info", folder, "--json")[0])["spaces"]) == 1
    text, _ = call(capsys, "prune", folder, "--keep-bytes", "100kB", "--yes")
    assert "0 B kept" in text
    assert json.loads(call(capsys, "info", folder, "--json")[0])["spaces"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["info", "nowhere"], "no store in this folder"),
        (["prune", "STORE"], "say what may go"),
        (["prune", "STORE", "--older-than", "soon"], "for example 30d"),
        (["prune", "STORE", "--keep-bytes=-1GB"], "2GB"),
        (["prune", "nowhere", "--keep-bytes", "1"], "no store in this folder"),
    ],
)
def test_wrong_calls(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.chdir(folder.parent)
    _, error = call(capsys, *(folder if word == "STORE" else word for word in words), code=2)
    assert says in error


def test_ages_and_sizes() -> None:
    assert [parse_age(t) for t in ("90s", "2m", "12h", "30d", "1.5 w")] == [90, 120, 43_200, 2_592_000, 907_200]
    assert [parse_bytes(t) for t in ("7", "2GB", "1.5 kB", "500 MiB", "0")] == [7, 2 * 10**9, 1500, 500 * 2**20, 0]
    for wrong in ("", "d", "30", "-3d", "infd", "nand", "3 weeks"):
        with pytest.raises(UserError):
            parse_age(wrong)
    for wrong in ("", "GB", "-1", "1e999", "2 GBs"):
        with pytest.raises(UserError):
            parse_bytes(wrong)
