"""An import that gives another distribution than that of its name is told by what lies beside it."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FUTURE = "`import urllib3` gives urllib3-future 2.25.904, where the metadata has urllib3 2.8.0"


@pytest.mark.parametrize(
    ("version", "beside", "said"),
    [
        ("2.25.904", ("urllib3-2.8.0.dist-info", "urllib3_future-2.25.904.dist-info"), FUTURE),
        ("2.9", ("urllib3-2.8.0.dist-info",), "`import urllib3` gives 2.9, where the metadata has urllib3 2.8.0"),
        ("2.8.0", ("urllib3-2.8.0.dist-info", "urllib3_future-2.25.904.dist-info"), ""),
        ("1.26.12", ("urllib3-1.26.12.egg-info",), ""),
        ("1.26.12", ("urllib3-1.26.12-py3.9.egg-info",), ""),
        ("2.0.0a1", ("urllib3-2.0.0.a1.dist-info",), ""),
        # An upgrade that broke off leaves both.
        ("2.8.0", ("urllib3-2.7.0.dist-info", "urllib3-2.8.0.dist-info"), ""),
        ("2.25.904", ("urllib3_future-2.25.904.dist-info",), ""),
        ("", ("urllib3-2.8.0.dist-info",), ""),
    ],
)
def test_metadata_that_contradict_a_module_are_told(
    passenger: Callable[[str], ModuleType], tmp_path: Path, version: str, beside: tuple[str, ...], said: str
) -> None:
    """Where metadata of the module's name lie beside it, and none has its version, that is said."""
    module = ModuleType("urllib3")
    module.__file__ = str(tmp_path / "urllib3" / "__init__.py")
    vars(module)["__version__"] = version
    for name in beside:
        (tmp_path / name).mkdir()
    assert passenger("whose").another(module, "urllib3") == said


@pytest.mark.parametrize("file", [None, "/no/such/archive.pyz/urllib3/__init__.py"])
def test_what_cannot_be_looked_at_is_not_told_of(
    passenger: Callable[[str], ModuleType], file: str | None
) -> None:
    """A module of no file, or in an archive, has nothing beside it that could be looked at."""
    module = ModuleType("urllib3")
    vars(module)["__version__"] = "2.8.0"
    if file:
        module.__file__ = file
    assert passenger("whose").another(module, "urllib3") == ""
    assert passenger("whose").another(None, "urllib3") == ""
