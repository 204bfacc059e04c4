"""pip is believed to install over TLS only when nothing else is left to it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from interpreters.hardening.checks import check_pip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Script = Callable[[str, str], Path]

# A Python whose venv is itself, and whose pip does what the test has written down.
PYTHON = """
case "$*" in
  "-m venv "*) {venv}; mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
  "-m pip config list") printf '%s\\n' {config};;
  "-m pip install "*) env > {seen}; echo "$*" >> {seen}; {install};;
esac
"""


@pytest.fixture
def python(tmp_path: Path, script: Script) -> Callable[..., Path]:
    """Return a function that makes such a Python."""

    def make(config: str = "''", venv: str = ":", install: str = "exit 0", pip: str = "exit 0") -> Path:
        script("pip3", pip)
        return script(
            "python", PYTHON.format(venv=venv, config=config, install=install, seen=tmp_path / "seen")
        )

    return make


def seen(tmp_path: Path) -> list[str]:
    """Return the variables that pip was given, and its arguments."""
    return (tmp_path / "seen").read_text().splitlines()


def test_pip_that_installs_is_believed(tmp_path: Path, python: Callable[..., Path]) -> None:
    """An installation that succeeds, without a cache, is the proof."""
    check = check_pip(python(), tmp_path, os.environ)
    assert check.passed
    assert "--no-cache-dir" in seen(tmp_path)[-1]


def test_only_an_index_is_left_to_pip(tmp_path: Path, python: Callable[..., Path]) -> None:
    """Of the user's settings for pip only those that lead to an index are kept, from files and variables."""
    settings = {
        "global.index-url": "https://index.example/simple",
        "global.find-links": "/wheels",
        ":env:.extra-index-url": "file:///more",
        "global.cert": "/ca.pem",
    }
    config = " ".join(f"\"{key}='{value}'\"" for key, value in settings.items())
    environment = {
        **os.environ,
        "PIP_FIND_LINKS": "/wheels",
        "PIP_NO_INDEX": "1",
        "https_proxy": "http://proxy",
    }
    assert check_pip(python(config), tmp_path, environment).passed
    pips = {line for line in seen(tmp_path) if line.startswith("PIP_")}
    assert pips == {
        "PIP_CONFIG_FILE=/dev/null",
        "PIP_INDEX_URL=https://index.example/simple",
        "PIP_CERT=/ca.pem",
    }
    assert "https_proxy=http://proxy" in seen(tmp_path)


def test_an_index_without_tls_proves_nothing(tmp_path: Path, python: Callable[..., Path]) -> None:
    """Where pip is set to an index without TLS, it is not asked, and that is a miss."""
    check = check_pip(python("\"global.index-url='http://index.example/simple'\""), tmp_path, os.environ)
    assert (check.passed, check.found) == (False, "pip's index-url is set to one without TLS")


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        ({"install": "echo noise; echo 'ERROR: no route'; exit 1"}, "ERROR: no route"),
        ({"install": "exit 7"}, "it ended with status 7"),
        ({"pip": "echo 'bad interpreter'; exit 1"}, "bad interpreter"),
        ({"venv": "echo 'ensurepip is not here'; exit 1"}, "ensurepip is not here"),
    ],
)
def test_pip_that_fails_is_a_miss_with_its_reason(
    tmp_path: Path, python: Callable[..., Path], broken: dict[str, str], found: str
) -> None:
    """An environment or an installation that fails is a miss that says why."""
    check = check_pip(python(**broken), tmp_path, os.environ)
    assert (check.passed, check.found) == (False, found)


def test_a_python_that_is_not_there_is_a_miss(tmp_path: Path) -> None:
    """Where there is no interpreter at all, that is the reason."""
    check = check_pip(tmp_path / "missing", tmp_path, os.environ)
    assert not check.passed
    assert "cannot be run: No such file" in check.found
