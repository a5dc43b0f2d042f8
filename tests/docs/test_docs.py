"""Every code block of the README and of docs/ runs, in order, in a folder of its own that holds the tables they name.

Python blocks of one file share their names; shell blocks share the folder, with this environment's programs first on
PATH. A block is left out only by a comment before it that says why: `<!-- not run: reason -->`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from consilience.workflows.demos import shop

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = ("python", "bash", "console")
PLAIN = ("", "text", "toml", "json", "csv", "html")
"""Languages that are shown and not run."""

FENCE = re.compile(r"^(?P<skip><!-- not run: \S.*-->\n+)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    line: int
    skipped: bool


def blocks_of(markdown: str) -> list[Block]:
    """The fenced blocks of a text. `line` is where the code starts, from 1."""
    return [
        Block(found["language"], found["code"], markdown.count("\n", 0, found.start("code")) + 1, bool(found["skip"]))
        for found in FENCE.finditer(markdown)
    ]


def run_shell(block: Block, place: str, folder: Path) -> None:
    code = block.code
    if block.language == "console":  # "$ command" lines; the rest is what it printed
        code = "".join(line[2:] for line in code.splitlines(keepends=True) if line.startswith("$ "))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{place}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_blocks_run(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = file.read_text(encoding="utf-8")
    if "consilience demo --data shop" not in text:  # a page that begins with that must not need anything else
        shop.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path / ".cache"))
    names: dict[str, object] = {"__name__": "__docs__"}
    for block in blocks_of(text):
        place = f"{file.relative_to(ROOT)}:{block.line}"
        if block.skipped or block.language in PLAIN:
            continue
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.code, str(file), "exec"), names)
        else:
            run_shell(block, place, tmp_path)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_block_has_a_known_language(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    found = blocks_of(text)
    assert {block.language for block in found} <= {*LANGUAGES, *PLAIN}
    # A fence the pattern does not see would be a block that is never run.
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.M)) == 2 * len(found)


def test_the_readmes_show_the_same_code() -> None:
    english, chinese = (
        [(block.language, block.code) for block in blocks_of((ROOT / name).read_text(encoding="utf-8"))]
        for name in ("README.md", "README.zh-CN.md")
    )
    assert english == chinese


def test_links_between_the_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")]
    broken = []
    for document in documents:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if "://" not in target and not (document.parent / target).exists():
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert broken == []


def test_blocks_are_found() -> None:
    markdown = "a\n```python\nx = 1\n```\n<!-- not run: it is long -->\n\n```bash\nfalse\n```\n"
    assert blocks_of(markdown) == [Block("python", "x = 1\n", 3, False), Block("bash", "false\n", 8, True)]


def test_a_failing_shell_block_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="exit code 1"):
        run_shell(Block("console", "$ true\nprinted\n$ false\n", 1, False), "here", tmp_path)
