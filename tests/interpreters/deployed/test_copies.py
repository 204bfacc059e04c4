"""Copies: what uv is asked for, what a copy cannot have, and under which names environments are kept."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.deployed import copies
from interpreters.deployed.copies import Copier, copyable
from interpreters.distributions import Distribution
from interpreters.environments import Installer, NoEnvironmentError
from interpreters.identify import Identity, parse_identity
from interpreters.locate import Candidate
from interpreters.prepared import EnvironmentMaker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Script = Callable[[str, str], Path]

UV = r"""
echo "$*" >>"$0.log"
for last; do :; done
case "$1 $2" in
"pip compile")
    for pin in $UV_LACKS; do
        if grep -qx "$pin" "$last"; then
            echo "error: No solution found when resolving dependencies"
            echo "  cause: Because there is no version of $pin and you require $pin"
            exit 1
        fi
    done
    before="$*"
    while [ "$1" != --output-file ]; do shift; done
    here=$(dirname "$0")
    echo "$before" >"$here/asked"
    cp "$2" "$here/present"
    cp "$last" "$here/wanted"
    printf 'Shop_Extra[crt]==1.0 \\\nurllib3==2.0.7\n    # via botocore\n' >"$2" ;;
venv*) mkdir -p "$last/bin" && ln -s /bin/sh "$last/bin/python" ;;
esac
"""
"""A uv that notes what it is asked for, and lacks what UV_LACKS names."""


@pytest.fixture
def copier(script: Script, facts: dict[str, Any], tmp_path: Path) -> Iterator[Callable[..., Copier]]:
    """Return a function that makes a copier for a made-up Python of a version."""
    cache = tmp_path / "cache"
    cache.mkdir()
    python = script("python3", ":")
    uv = script("uv", UV)

    with contextlib.ExitStack() as held:

        def make(version: str = "3.9.18", lacks: str = "") -> Copier:
            identity: Identity = parse_identity({**facts, "version": version, "executable": str(python)})
            env = {"PATH": os.environ["PATH"], "UV_LACKS": lacks}
            maker = EnvironmentMaker(Installer(str(uv), cache, Path("/tool")), env, held)
            return Copier(Candidate("env_shop", "given", python), identity, maker)

        yield make


def test_what_is_resolved(copier: Callable[..., Copier], tmp_path: Path) -> None:
    """Uv gets what is wanted, what is there to be kept, and what may move; its answer is read by name."""
    found = copier().resolve(["urllib3>=1.26.20", "six==1.16.0"], {"six": "1.16.0"}, ["urllib3"])
    assert found == {"shop-extra": "1.0", "urllib3": "2.0.7"}
    assert (tmp_path / "wanted").read_text().split() == ["urllib3>=1.26.20", "six==1.16.0"]
    assert (tmp_path / "present").read_text() == "six==1.16.0\n"
    asked = (tmp_path / "asked").read_text()
    assert "--upgrade-package urllib3" in asked
    assert "--only-binary :all:" in asked
    assert "--no-deps" not in asked
    copier().newest(["urllib3"])
    assert "--no-deps" in (tmp_path / "asked").read_text()
    assert not list((tmp_path / "cache").glob("resolve-*"))


def test_nothing_is_resolved_for_what_uv_refuses(copier: Callable[..., Copier]) -> None:
    """Uv starts no Python before 3.6, and the reason says so."""
    with pytest.raises(NoEnvironmentError, match=r"takes no Python 2\.7\.18"):
        copier("2.7.18").newest(["urllib3"])


def test_uvs_words_are_the_reason(copier: Callable[..., Copier]) -> None:
    """Where there is no solution, uv says why."""
    with pytest.raises(NoEnvironmentError, match="no version of urllib3==9"):
        copier(lacks="urllib3==9").resolve(["urllib3==9"])


THERE = (
    Distribution("botocore", "1.31.85"),
    Distribution("dbus-python", "1.3.2"),
    Distribution("shop", "1.0", origin="the folder /srv/shop, editable"),
    Distribution("urllib3", "1.26.2"),
    Distribution("urllib3-extra", "1.26.2"),
)


@pytest.mark.parametrize(
    "lacks",
    ["", "dbus-python==1.3.2", "urllib3==1.26.2", "botocore==1.31.85 urllib3-extra==1.26.2"],
)
def test_what_cannot_be_copied_is_named(copier: Callable[..., Copier], lacks: str) -> None:
    """What is from elsewhere, and what no index has, however many; no other for the likeness of its name."""
    kept, missing = copyable(THERE, copier(lacks=lacks))
    assert {lack.distribution.pin for lack in missing} == {"shop==1.0", *lacks.split()}
    assert {*kept, *(lack.distribution for lack in missing)} == set(THERE)
    assert str(missing[0]) == "shop 1.0 (from the folder /srv/shop, editable)"


def test_what_no_index_says_anything_of_ends_the_search(
    copier: Callable[..., Copier], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that cannot be reached is no lack of one distribution, and too many lacks are no copy."""
    monkeypatch.setattr(copies, "MOST_LACKING", 1)
    with pytest.raises(NoEnvironmentError):
        copyable(THERE, copier(lacks="dbus-python==1.3.2"))
    broken = copier()
    monkeypatch.setattr(broken.maker.installer.__class__, "sources", ["--nonesuch"])
    Path(broken.maker.installer.uv).write_text("#!/bin/sh\necho 'error: dns error'; exit 2\n")
    with pytest.raises(NoEnvironmentError, match="dns error"):
        copyable(THERE, broken)


def test_a_copy_has_these_versions_and_nothing_else(copier: Callable[..., Copier], tmp_path: Path) -> None:
    """It is made again where the list is another, and otherwise used as it is."""
    for versions in ({"urllib3": "1.26.20", "six": "1.16.0"},) * 2 + ({"urllib3": "2.0.7"},):
        one = copier()
        # As each session does: it lets go of what it used.
        with one.maker.held:
            python = one.make(versions, "copy")
        assert python == tmp_path / "cache" / "environments" / "env_shop" / "copy" / "bin" / "python"
        assert python.exists()
    installed = [
        line.split("--no-deps ")[1]
        for line in (tmp_path / "uv.log").read_text().splitlines()
        if "--no-deps" in line
    ]
    assert installed == ["six==1.16.0 urllib3==1.26.20", "urllib3==2.0.7"]
