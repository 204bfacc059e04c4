"""Environments that nobody named are found where real tools put them, measured, and left as they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.causes import goes_below
from tests.support.installations import installation, site_packages
from tests.support.trees import tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e

OLD = ("boto3==1.28.85", "botocore==1.31.85", "urllib3==1.26.20")
"""What many applications have: urllib3 2 was the first to set a minimum (its migration guide)."""

APPLICATION = "awscli==1.29.85"
"""An application whose release asks for that botocore."""

PLACES = {
    "env_floor_shop_venv": ("floor-shop/.venv", "venv"),
    "env_awscli_floor": (".local/share/pipx/venvs/awscli-floor", "pipx"),
    "env_awscli_tool": (".local/share/uv/tools/awscli_tool", "uv-tool"),
    "site_conda_floor": (".conda/envs/floor", "conda"),
}
"""By id, the folder of each environment in the home, and its source; the machine has none of these names."""


@dataclass(frozen=True)
class MeasuredHome:
    """A home with environments in it, what was measured there, and their hash before and after that."""

    home: Path
    rows: Mapping[tuple[str, str], dict[str, str]]
    before: str
    after: str
    run: dict[str, Any]
    """The document run.json."""


def _run(words: list[str | Path], environment: Mapping[str, str]) -> None:
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{words} failed: an index that can be reached enables this ({done.stderr[-800:]})")


def _trees(home: Path) -> str:
    """Return a hash of the environments of a home."""
    return tree(*(home / folder for folder, _ in PLACES.values()))


@pytest.fixture(scope="module")
def plain(known: dict[str, Interpreter]) -> Interpreter:
    """Return an interpreter that goes below the floor, and has its packages in site-packages, as conda's."""
    old = ("2.", "3.6")
    fitting = [one for one in known.values() if goes_below(one) and not one.version.startswith(old)]
    return next((one for one in reversed(fitting) if one.source != "system"), None) or pytest.skip(
        "no Python from 3.7 on can be downgraded but the system's: one before 3.10 in pyenv enables this"
    )


@pytest.fixture(scope="module")
def home(
    loose: Interpreter,
    plain: Interpreter,
    callers_environment: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Make a home with a venv, an application by pipx and by uv, and an environment laid out as conda's."""
    home = tmp_path_factory.mktemp("home")
    kept = {name: text for name, text in callers_environment.items() if not name.startswith("XDG_")}
    uv = [sys.executable, "-m", "uv"]
    # What the installers keep for later stays where the caller's is.
    cache = subprocess.run([*uv, "cache", "dir"], env=kept, capture_output=True, text=True, check=True)
    (home / "constraints.txt").write_text("\n".join(OLD))
    environment = {**kept, "HOME": str(home), "UV_CACHE_DIR": cache.stdout.strip()}
    environment |= dict.fromkeys(("UV_CONSTRAINT", "PIP_CONSTRAINT"), str(home / "constraints.txt"))
    venv = home / "floor-shop" / ".venv"
    subprocess.run([loose.path, "-m", "venv", "--without-pip", venv], check=True)
    made = installation(Path(plain.path), home / ".conda" / "envs" / "floor")
    for python, packages in ((venv / "bin/python", next(venv.glob("lib/python*"))), (made, None)):
        target = packages / "site-packages" if packages else site_packages(made)
        _run([*uv, "pip", "install", "-q", "--target", target, "--python", python, *OLD], environment)
    own = "import site; print(site.getusersitepackages())"
    user_site = subprocess.check_output([loose.path, "-c", own], env=environment, text=True).strip()
    _run([*uv, "pip", "install", "-q", "--target", user_site, "--python", loose.path, OLD[-1]], environment)
    pipx = [*uv, "tool", "run", "-q", "--from", "pipx", "pipx"]
    _run([*pipx, "install", "--python", loose.path, "--suffix", "_floor", APPLICATION], environment)
    _run([*uv, "tool", "install", "-q", "--python", loose.path, APPLICATION], environment)
    # Another application of this name may be on the machine, and would take the id.
    tools = home / ".local/share/uv/tools"
    (tools / "awscli").rename(tools / "awscli_tool")
    return home


@pytest.fixture(scope="module")
def measured(checkout: Checkout, loose: Interpreter, home: Path) -> MeasuredHome:
    """Measure what is found in that home, beside an interpreter in an environment that is made for it."""
    before = _trees(home)
    only = [word for name in (*PLACES, loose.id, f"site_{loose.id}") for word in ("--only", name)]
    real = {"PYENV_ROOT": os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))}
    rows = checkout.measure("--clients", "ssl,urllib3,botocore,boto3", *only, HOME=str(home), **real)
    run = json.loads((checkout.latest / "run.json").read_text())
    return MeasuredHome(home, rows, before, _trees(home), run)


@pytest.mark.parametrize("name", PLACES)
def test_what_is_installed_goes_below_and_the_made_row_stays(
    measured: MeasuredHome, loose: Interpreter, name: str
) -> None:
    """urllib3 1.26 and its botocore connect at TLS 1.0, held by nothing; our newest urllib3 does not."""
    folder, source = PLACES[name]
    clients = ["urllib3", "botocore", *(["boto3"] if "awscli" not in name else [])]
    for client in clients:
        row = measured.rows[name, client]
        assert (row["verdict"], row["held_by"]) == ("downgraded", "nothing"), row["reason"]
        assert (row["environment"], row["source"]) == (str(measured.home / folder), source)
        assert row["urllib3"].startswith("1.26.")
    assert measured.rows[name, "botocore"]["client_version"] == "1.31.85"
    made = measured.rows[loose.id, "urllib3"]
    assert (made["verdict"], made["environment"]) == ("enforced", "made")


def test_a_users_own_packages_are_the_interpreters(measured: MeasuredHome, loose: Interpreter) -> None:
    """What pip installed with --user is what each program of that interpreter loads."""
    rows = {client: row for (name, client), row in measured.rows.items() if name == f"site_{loose.id}"}
    row = rows["urllib3"]
    assert (row["path"], row["client_version"], row["verdict"]) == (loose.path, "1.26.20", "downgraded")
    assert Path(loose.path).is_relative_to(row["environment"])


def test_only_what_is_there_has_a_row(measured: MeasuredHome) -> None:
    """No row for a client that is not installed, nor for the standard library beside a site's packages."""
    there = {name: {client for one, client in measured.rows if one == name} for name in PLACES}
    assert there["env_floor_shop_venv"] == {"ssl", "urllib3", "botocore", "boto3"}
    assert there["site_conda_floor"] == {"urllib3", "botocore", "boto3"}
    assert there["env_awscli_floor"] == there["env_awscli_tool"] == {"ssl", "urllib3", "botocore"}


def test_not_a_byte_is_changed(measured: MeasuredHome) -> None:
    """Nothing is written, removed or installed, and no compiled module is left."""
    assert measured.before == measured.after


def test_the_run_says_where_it_looked(measured: MeasuredHome) -> None:
    """The places of environments are in the scope, and the halves in what was asked."""
    run = measured.run
    looked = {place["place"]: place["status"] for place in run["scope"]["environments_looked"]}
    assert looked["~/.local/share/pipx/venvs/*"] == looked["~/.local/share/uv/tools/*"] == "looked"
    assert (run["asked"]["made"], run["asked"]["found"]) == (True, True)


def test_found_prepares_nothing(checkout: Checkout, loose: Interpreter, home: Path, tmp_path: Path) -> None:
    """With --found no environment is made, whatever was chosen, and the run says that it is partial."""
    words = ("--envdir", str(tmp_path / "nox"), "-s", "matrix", "--", "--found", "--clients", "urllib3")
    status, said = checkout.nox(
        *words, "--only", "env_floor_shop_venv", HOME=str(home), PIP_INDEX_URL="http://[::1]:9"
    )
    assert status == 0, said
    assert {name for name, _ in checkout.matrix()} == {"env_floor_shop_venv"}
    assert not list((tmp_path / "nox").glob("**/environments"))
    run = json.loads((checkout.latest / "run.json").read_text())
    assert "--found left out the made environments" in run["scope"]["narrowed"]
    status, said = checkout.nox("-s", "matrix", "--", "--found", "--only", loose.id, HOME=str(home))
    assert status != 0
    assert f"--only {loose.id}: no interpreter has such an id" in said


def test_what_is_below_a_searched_folder_is_found(checkout: Checkout, home: Path, tmp_path: Path) -> None:
    """An environment in no known place is found by --search, and nothing else of that home is."""
    deep = tmp_path / "depot" / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (home / "floor-shop" / ".venv").rename(deep / "cellar")
    try:
        words = ("--search", str(tmp_path / "depot"), "--only", "env_cellar", "--clients", "urllib3")
        row = checkout.measure("--found", *words, HOME=str(tmp_path))["env_cellar", "urllib3"]
    finally:
        (deep / "cellar").rename(home / "floor-shop" / ".venv")
    assert (row["source"], row["environment"]) == ("search", str(deep / "cellar"))
    assert row["verdict"] == "downgraded"
