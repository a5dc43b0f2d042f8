"""Where something cannot be written, that is found out first and said with what to do."""

import errno
import os
import subprocess
import sys

import pytest

from consilience.cli import CLOSED_PIPE, main
from consilience.cli.output import Terminal
from consilience.core import writable
from consilience.core.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "sub").mkdir()
    os.symlink("nowhere/at/all", tmp_path / "dangling")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("file/run", "not a folder"),
        ("file/deep/run.csv", "not a folder"),
        ("n" * 300, "shorter"),
        ("ok/" + "n" * 245 + ".csv", "shorter"),
        ("名" * 100, "shorter"),
        ("dangling/run", "leads nowhere"),
        (".", "this is a folder"),
        ("sub", "this is a folder"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_flag(folder, path, why) -> None:
    with pytest.raises(UserError, match=why) as caught:
        writable.check_writable(path, "--out")
    assert str(caught.value).startswith("--out")


@pytest.mark.parametrize("path", ["new", "new/deep/er", "file", "a/../b"])
def test_what_can_be_written_is_taken(folder, path) -> None:
    assert writable.check_writable(path, "--out") == type(folder)(path)


def test_a_link_that_leads_nowhere_is_no_folder(folder) -> None:
    with pytest.raises(UserError, match="leads nowhere"):
        writable.check_writable("dangling", "--out", folder=True)


@pytest.mark.parametrize("path", [".", "sub", "new"])
def test_a_folder_is_taken_where_one_is_meant(folder, path) -> None:
    assert writable.check_writable(path, "--out", folder=True) == type(folder)(path)


def test_a_folder_that_may_not_be_written_to(folder, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="permissions"):
        writable.check_writable("new", "--out")
    monkeypatch.setattr(writable, "_is_read_only", lambda path: True)
    with pytest.raises(UserError, match="read-only"):
        writable.check_writable("new", "--out")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ENAMETOOLONG])
def test_a_file_system_that_refuses_in_the_middle_is_not_our_fault(monkeypatch, capsys, code) -> None:
    def full(args):
        raise OSError(code, os.strerror(code), "runs/a/log.jsonl")

    monkeypatch.setattr("consilience.cli.doctor.run", full)
    assert main(["doctor"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"consilience doctor: runs/a/log.jsonl: {os.strerror(code)}")
    assert "fault of consilience" not in said


def test_an_error_that_is_not_about_files_is_ours(monkeypatch, capsys) -> None:
    def broken(args):
        raise OSError("something else")

    monkeypatch.setattr("consilience.cli.doctor.run", broken)
    assert main(["doctor"]) == 1
    assert "fault of consilience" in capsys.readouterr().err


def test_a_reader_that_has_gone_is_no_fault() -> None:
    program = f"{sys.executable} -m consilience config show --preset auto"
    ended = subprocess.run(f"({program}; echo $? >&2) | true", shell=True, capture_output=True, text=True, check=False)
    assert ended.stderr.strip() in (str(CLOSED_PIPE), "0"), "0: all of it fitted the pipe before it was closed"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_behind_standard_output_is_told() -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "consilience", "config", "show", "--preset", "auto"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode == 2
    assert "No space left" in ended.stderr
    assert "fault of consilience" not in ended.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize(("argv", "code"), [(["store", "info", "nowhere"], 2), (["doctor"], 0)])
def test_messages_that_cannot_be_written_do_not_change_the_exit_code(argv, code) -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run([sys.executable, "-m", "consilience", *argv], stdout=subprocess.DEVNULL, stderr=full)
    assert ended.returncode == code


def test_a_log_on_a_full_disk_does_not_end_the_work(monkeypatch) -> None:
    class Full:
        def write(self, text: str) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stderr", Full())
    Terminal().say("a line")
