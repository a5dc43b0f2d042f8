"""Families: listing imports nothing, an unknown name gets help, a missing package names its extra."""

import sys

import pytest

from consilience.core.errors import MissingExtra, UserError
from consilience.core.registry import Family

FAMILY = Family("thing", {"path": "pathlib:Path", "gone": "consilience.core.nowhere:Nothing"})


def test_a_listed_part_is_imported_when_asked_for() -> None:
    assert list(FAMILY) == ["path", "gone"]
    assert FAMILY.load("path").__name__ == "Path"


def test_an_unknown_name_gets_the_closest() -> None:
    with pytest.raises(UserError, match=r"unknown thing 'pth'\. Did you mean 'path'\? Known: gone, path"):
        FAMILY.load("pth")


def test_a_package_that_is_not_installed_names_the_extra(monkeypatch) -> None:
    from consilience.models import MEMBERS

    for name in [n for n in sys.modules if n.startswith(("consilience.models.network", "consilience.models.fused"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"the model 'network' needs torch.*consilience\[train\]"):
        MEMBERS.load("network")


def test_a_hole_in_our_own_table_is_not_the_users_fault() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        FAMILY.load("gone")
    assert not isinstance(caught.value, UserError)
