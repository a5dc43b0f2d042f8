"""No file of the project names this or that machine: no absolute path of ours, no package registry's host.

And no merge is left half-done.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Put together from parts, so that this file passes its own test.
FOLDERS = ("work", "root", "opt/" + "wheels", "opt/" + "pypi")
HOSTS = ("pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "deb.debian" + ".org", "download." + "pytorch.org")
PATTERN = re.compile(rf"(?<![\w.~$}}*/-])/(?:{'|'.join(FOLDERS)})(?![\w-])|{'|'.join(map(re.escape, HOSTS))}")


def project_files() -> list[Path]:
    """Files that are in git or about to be: everything that is not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_no_machine_is_named() -> None:
    files = project_files()
    assert len(files) > 30
    found = []
    for file in files:
        content = file.read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
            if PATTERN.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert found == []


@pytest.mark.parametrize("line", ["open('/" + "work/main/x')", "cd /" + "root", "https://pypi" + ".org/simple"])
def test_the_check_finds(line: str) -> None:
    assert PATTERN.search(line)


@pytest.mark.parametrize("line", ["src/consilience/workflows/fit.py", "a/work/b", "${ROOT}/work", "frame/work"])
def test_the_check_lets_through(line: str) -> None:
    assert not PATTERN.search(line)


def test_no_merge_was_left_half_done() -> None:
    marks = re.compile(rf"^(?:{'<' * 7} |{'>' * 7} |{'=' * 7}$)", re.M)
    found = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # not a text
            continue
        if marks.search(text):
            found.append(str(path.relative_to(ROOT)))
    assert found == []
