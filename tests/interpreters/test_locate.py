"""Which executables are candidates, once each, under which id: on made-up machines, and on this one."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import string
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters import locate as room
from interpreters.deployed.found import sources
from interpreters.locate import (
    Candidate,
    Discovery,
    SelectionError,
    discover,
    leads_to,
    locate,
    python_of,
    select,
)
from interpreters.locations import InterpreterSource, SearchedLocation, read_locations
from tests.support.refusals import lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random


class Machine:
    """A made-up file system below one folder, with a home and a PATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {"HOME": str(root / "home/me")}

    def at(self, place: str) -> Path:
        """Return the path of a place, which is absolute or starts with ~ as on a real machine."""
        return self.root / place.replace("~", "home/me", 1).lstrip("/")

    def add(self, place: str, *, mode: int = 0o755) -> Path:
        """Put an executable there; running it would leave a file `ran` behind."""
        path = self.at(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {self.root}/ran\n")
        path.chmod(mode)
        return path

    def link(self, place: str, target: str) -> Path:
        """Put a symbolic link there, to a place or to a relative path."""
        path = self.at(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(self.at(target) if target[0] in "/~" else target)
        return path

    def on_path(self, *places: str) -> None:
        """Make these folders the PATH."""
        self.environment["PATH"] = os.pathsep.join(str(self.at(place)) for place in places)

    def locate(self, *given_paths: Path) -> tuple[Candidate, ...]:
        """Discover what is on this machine."""
        return locate(self.environment, given_paths)

    def look(self) -> Discovery:
        """Discover what is on this machine, and say where that was looked for."""
        return discover(self.environment)

    def ids(self) -> list[str]:
        """Return the ids of all that is discovered, in order."""
        return [one.id for one in self.locate()]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return an empty machine, whose absolute places lie below the test's folder."""
    root = Path(os.path.realpath(tmp_path))

    def moved(patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{root}{one}" if one.startswith("/") else one for one in patterns)

    places = tuple(
        replace(one, folders=moved(one.folders), lists=moved(one.lists), claims=moved(one.claims))
        for one in read_locations()
    )
    monkeypatch.setattr(room, "read_locations", lambda: places)
    monkeypatch.setattr("pwd.getpwall", list)
    return Machine(root)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("~/.pyenv/versions/3.9.18/bin/python3.9", "pyenv_3_9_18"),
        ("~/.pyenv/versions/pypy3.10-7.3.16/bin/pypy3.10", "pyenv_pypy3_10_7_3_16"),
        ("~/.local/share/uv/python/cpython-3.12.1-linux-x86_64-gnu/bin/python3.12", "uv_3_12_1"),
        ("~/.asdf/installs/python/3.8.1/bin/python3.8", "asdf_3_8_1"),
        ("~/.local/share/mise/installs/python/3.11.4/bin/python3.11", "mise_3_11_4"),
        ("~/miniconda3/bin/python3.11", "conda_miniconda3"),
        ("~/miniconda3/envs/data/bin/python3.10", "conda_data"),
        ("/opt/mambaforge/bin/python3.10", "conda_mambaforge"),
        ("/opt/hardened-3.9/bin/python3.9", "opt_hardened_3_9"),
        ("/opt/vendor/Python-3.6/bin/python3.6", "opt_3_6"),
        ("/opt/python-with-min-tls1_2/bin/python3.11", "opt_python_with_min_tls1_2"),
        (
            "~/.local/share/tls-floor-matrix/python-with-min-tls1_2/bin/python3.11",
            "opt_python_with_min_tls1_2",
        ),
        ("/opt/hostedtoolcache/Python/3.12.8/x64/bin/python3.12", "opt_3_12_8"),
        ("/opt/hostedtoolcache/Python/3.13.1/x64-freethreaded/bin/python3.13t", "opt_3_13_1_freethreaded"),
        ("/opt/hostedtoolcache/PyPy/3.10.14/x64/bin/pypy3.10", "opt_pypy_3_10_14"),
        ("/usr/bin/python3.11", "system_3_11"),
        ("/usr/bin/pypy3", "system_pypy3"),
        ("/usr/local/bin/python3.12", "path_3_12"),
        ("/usr/local/bin/python3.13t", "path_3_13t"),
        ("~/.pyenv/versions/miniconda3-latest/envs/data/bin/python3.10", "pyenv_data"),
        ("/opt/pyenv/versions/3.9.18/bin/python3.9", "pyenv_3_9_18"),
        ("/usr/local/pyenv/versions/3.9.18/bin/python3.9", "pyenv_3_9_18"),
        ("~/.rye/py/cpython@3.12.1/bin/python3.12", "rye_3_12_1"),
        ("~/.rye/py/cpython@3.11.3/install/bin/python3.11", "rye_3_11_3"),
        ("~/.local/share/hatch/pythons/3.12/python/bin/python3.12", "hatch_3_12"),
        ("~/.local/share/hatch/env/virtual/.pythons/3.9/python/bin/python3.9", "hatch_3_9"),
        ("~/.local/share/pdm/python/cpython@3.11.8/bin/python3.11", "pdm_3_11_8"),
        ("~/.local/share/pypoetry/python/cpython@3.13.1/bin/python3.13", "poetry_3_13_1"),
        ("~/.pixi/envs/tools/bin/python3.12", "pixi_tools"),
        ("~/.conda/envs/science/bin/python3.9", "conda_science"),
        ("~/.local/share/mamba/bin/python3.12", "conda_mamba"),
        ("~/.local/share/mamba/envs/science/bin/python3.9", "conda_science"),
        ("~/.linuxbrew/bin/python3.12", "homebrew_linuxbrew"),
        ("/opt/rh/rh-python38/root/usr/bin/python3.8", "opt_rh_python38"),
        ("/opt/vendor/tools/Python-3.6/bin/python3.6", "opt_3_6"),
        ("/usr/bin/python3.11-dbg", "system_3_11_dbg"),
        ("/usr/bin/python3.12-debug", "system_3_12_debug"),
        ("/usr/bin/python3.13d", "system_3_13d"),
        ("/usr/libexec/platform-python3.6", "path_platform_python3_6"),
        ("~/.nix-profile/bin/python3.12", "path_3_12"),
        ("/nix/var/nix/profiles/default/bin/python3.12", "path_3_12"),
        ("/run/current-system/sw/bin/python3.12", "path_3_12"),
        (
            "/usr/lib/google-cloud-sdk/platform/bundledpythonunix/bin/python3.12",
            "bundle_google_cloud_sdk",
        ),
        ("~/google-cloud-sdk/platform/bundledpythonunix/bin/python3.12", "bundle_google_cloud_sdk"),
        ("/usr/lib/vendor/bin/python3.12", "bundle_vendor"),
    ],
)
def test_a_place_gives_source_and_id(machine: Machine, place: str, name: str) -> None:
    """An executable where an installer puts it is found under that installer's name, without any PATH."""
    path = machine.add(place)
    assert machine.locate() == (Candidate(name, name.partition("_")[0], path),)


@pytest.mark.parametrize(
    ("variable", "place", "name"),
    [
        ("PYENV_ROOT", "versions/3.9.18/bin/python3.9", "pyenv_3_9_18"),
        ("UV_PYTHON_INSTALL_DIR", "cpython-3.12.1-macos-aarch64-none/bin/python3.12", "uv_3_12_1"),
        ("XDG_DATA_HOME", "uv/python/cpython-3.12.1-linux-x86_64-gnu/bin/python3.12", "uv_3_12_1"),
        ("XDG_DATA_HOME", "tls-floor-matrix/python-with-x/bin/python3.11", "opt_python_with_x"),
        ("ASDF_DATA_DIR", "installs/python/3.8.1/bin/python3.8", "asdf_3_8_1"),
        ("MISE_DATA_DIR", "installs/python/3.11.4/bin/python3.11", "mise_3_11_4"),
        ("CONDA_ROOT", "envs/data/bin/python3.10", "conda_data"),
        ("MAMBA_ROOT_PREFIX", "envs/data/bin/python3.10", "conda_data"),
        ("RYE_HOME", "py/cpython@3.12.1/bin/python3.12", "rye_3_12_1"),
        ("PIXI_HOME", "envs/tools/bin/python3.12", "pixi_tools"),
        ("HOMEBREW_PREFIX", "opt/python@3.12/bin/python3.12", "homebrew_3_12"),
        ("RUNNER_TOOL_CACHE", "Python/3.9.25/arm64/bin/python3.9", "opt_3_9_25"),
        ("AGENT_TOOLSDIRECTORY", "PyPy/3.11.13/x64/bin/pypy3.11", "opt_pypy_3_11_13"),
    ],
)
def test_a_variable_moves_a_place(machine: Machine, variable: str, place: str, name: str) -> None:
    """An installation that its own variable points to is found there, and not without the variable."""
    path = machine.add(f"/some/where/{place}")
    assert machine.locate() == ()
    machine.environment[variable] = str(machine.at("/some/where/"))
    assert machine.locate() == (Candidate(name, name.partition("_")[0], path),)


def test_a_variable_may_hold_glob_characters(machine: Machine) -> None:
    """A folder with brackets or a star in its name is taken literally."""
    machine.add("/pyenv [*]/versions/3.9.18/bin/python3.9")
    machine.add("/pyenv x/versions/3.8.18/bin/python3.8")
    machine.environment["PYENV_ROOT"] = str(machine.at("/pyenv [*]"))
    assert machine.ids() == ["pyenv_3_9_18"]


@pytest.mark.parametrize("folder", ["/opt/python", "/opt/python-builds", "/opt/pypy"])
def test_an_installers_folder_below_opt_claims_only_its_own(machine: Machine, folder: str) -> None:
    """An installer told to use a folder like /opt/python does not claim the machine's other interpreters."""
    machine.add(f"{folder}/cpython-3.12.1-linux-x86_64-gnu/bin/python3.12")
    machine.add("/usr/bin/python3.11")
    machine.environment["UV_PYTHON_INSTALL_DIR"] = str(machine.at(folder))
    assert machine.ids() == ["system_3_11", "uv_3_12_1"]


def test_homebrews_cellar_is_homebrew(machine: Machine) -> None:
    """An executable that Homebrew links into its folders is named by the version in its Cellar."""
    path = machine.add("/opt/homebrew/Cellar/python@3.12/3.12.1/bin/python3.12")
    machine.link("/opt/homebrew/opt/python@3.12", "/opt/homebrew/Cellar/python@3.12/3.12.1")
    machine.link("/opt/homebrew/bin/python3", "/opt/homebrew/opt/python@3.12/bin/python3.12")
    assert machine.locate() == (Candidate("homebrew_3_12_1", "homebrew", path),)


def test_a_runners_whole_tool_cache_is_found(machine: Machine) -> None:
    """Every Python that a runner keeps has its own id, though the folder of each is called the same."""
    for version in ("3.9.25", "3.10.19", "3.12.12"):
        minor = version.rpartition(".")[0]
        machine.add(f"/opt/hostedtoolcache/Python/{version}/x64/bin/python{minor}")
        machine.link(f"/opt/hostedtoolcache/Python/{version}/x64/bin/python3", f"python{minor}")
        machine.at(f"/opt/hostedtoolcache/Python/{version}/x64.complete").touch()
    machine.add("/opt/hostedtoolcache/node/22.1.0/x64/bin/node")
    machine.environment["RUNNER_TOOL_CACHE"] = str(machine.at("/opt/hostedtoolcache"))
    # A job's setup-python puts one of them first on PATH.
    machine.on_path("/opt/hostedtoolcache/Python/3.12.12/x64/bin", "/usr/bin")
    assert machine.ids() == ["opt_3_9_25", "opt_3_10_19", "opt_3_12_12"]


def test_inactive_pyenv_versions_are_found(machine: Machine) -> None:
    """Every pyenv version is a candidate although only one is active, and its shims are none."""
    for version in ("2.7.18", "3.9.18", "3.10.13"):
        machine.add(f"~/.pyenv/versions/{version}/bin/python{version.rpartition('.')[0]}")
    for shim in ("python", "python3", "python3.9"):
        machine.add(f"~/.pyenv/shims/{shim}")
    machine.on_path("~/.pyenv/shims")
    assert machine.ids() == ["pyenv_2_7_18", "pyenv_3_9_18", "pyenv_3_10_13"]


def test_links_are_no_second_interpreter(machine: Machine) -> None:
    """One file reached by three links from two places is one candidate, at the real path."""
    path = machine.add("~/.pyenv/versions/3.9.18/bin/python3.9")
    machine.link("~/.pyenv/versions/3.9.18/bin/python3", "python3.9")
    machine.link("~/.pyenv/versions/3.9.18/bin/python", "python3")
    machine.link("/usr/local/bin/python3", "~/.pyenv/versions/3.9.18/bin/python")
    assert machine.locate() == (Candidate("pyenv_3_9_18", "pyenv", path),)


def test_sources_are_the_places_and_what_was_given(machine: Machine) -> None:
    """Each place is a source once, and so are both options, for what lies in none of them."""
    given = machine.add("/srv/python/bin/python3.12")
    (candidate,) = locate(machine.environment, [given])
    assert candidate.source in sources()
    assert len(set(sources())) == len(sources())


def test_a_link_from_elsewhere_does_not_change_the_source(machine: Machine) -> None:
    """What is linked from a folder of a more telling source keeps the source that it lies in."""
    path = machine.add("/usr/bin/python3.11")
    machine.link("~/.pyenv/versions/system/bin/python3", "/usr/bin/python3.11")
    assert machine.locate() == (Candidate("system_3_11", "system", path),)


def test_two_files_in_one_installation_are_told_apart(machine: Machine) -> None:
    """Two real files that share a folder are two candidates with two ids."""
    machine.add("/opt/vendor/bin/python3.8")
    machine.add("/opt/vendor/bin/python3.9")
    assert machine.ids() == ["opt_vendor", "opt_vendor_3_9"]


@pytest.mark.parametrize("marker", ["bin/pyvenv.cfg", "pyvenv.cfg"])
def test_a_venvs_copy_is_no_interpreter(machine: Machine, marker: str) -> None:
    """An executable copied into a virtual environment is not a candidate."""
    machine.add("/project/venv/bin/python3")
    machine.on_path("/project/venv/bin")
    assert machine.ids() == ["path_3"]
    machine.at(f"/project/venv/{marker}").write_text("home = /built/bin\nversion = 3.9.18\n")
    assert machine.ids() == []


@pytest.mark.parametrize("text", ["", "version = 3.9.18\n", "home = {}\n", "HOME={}", "\0"])
def test_a_stray_pyvenv_cfg_drops_nothing(machine: Machine, text: str) -> None:
    """An installation whose pyvenv.cfg names no other folder as its home is a candidate all the same."""
    path = machine.add("/built/mine/bin/python3.9")
    machine.on_path("/built/mine/bin")
    machine.at("/built/mine/pyvenv.cfg").write_text(text.format(path.parent))
    assert machine.ids() == ["path_3_9"]


def test_a_pyvenv_cfg_that_is_a_pipe_is_not_waited_for(machine: Machine) -> None:
    """A pipe in the place of a pyvenv.cfg says nothing of where a home is."""
    machine.add("/built/mine/bin/python3.9")
    machine.on_path("/built/mine/bin")
    os.mkfifo(machine.at("/built/mine/pyvenv.cfg"))
    assert machine.ids() == ["path_3_9"]


def test_a_venvs_link_leads_to_its_base(machine: Machine) -> None:
    """A virtual environment made of links gives its base interpreter, once."""
    path = machine.add("/built/bin/python3.9")
    machine.link("/project/venv/bin/python", "/built/bin/python3.9")
    machine.at("/project/venv/pyvenv.cfg").write_text(f"home = {path.parent}\n")
    machine.on_path("/project/venv/bin", "/built/bin")
    assert machine.locate() == (Candidate("path_3_9", "path", path),)


def test_a_dangling_link_is_a_candidate_with_a_problem(machine: Machine) -> None:
    """A link to nothing is kept, under its own place, and its problem says where it leads."""
    path = machine.link("/opt/gone/bin/python3", "/nowhere/python3.9")
    problem = f"{path} is a dangling link to {machine.at('/nowhere/python3.9')}"
    assert machine.locate() == (Candidate("opt_gone", "opt", path, problem),)


def test_a_link_to_itself_is_a_dangling_link(machine: Machine) -> None:
    """A link that leads in a circle is kept with its problem."""
    path = machine.link("/opt/loop/bin/python3", "python3")
    problem = f"{path} is a dangling link to python3"
    assert machine.locate() == (Candidate("opt_loop", "opt", path, problem),)


def test_a_file_that_is_not_executable_is_a_candidate_with_a_problem(machine: Machine) -> None:
    """A file that nobody may execute is kept, and its problem says so."""
    path = machine.add("/opt/broken/bin/python3", mode=0o644)
    assert machine.locate() == (Candidate("opt_broken", "opt", path, f"{path} is not executable"),)


@pytest.fixture
def open_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Return an empty machine that every user may look into, unlike pytest's own folders."""
    monkeypatch.setattr(room, "read_locations", tuple)
    root = Path(os.path.realpath(tempfile.mkdtemp()))
    root.chmod(0o755)
    yield Machine(root)
    shutil.rmtree(root)


@contextlib.contextmanager
def _an_ordinary_user() -> Iterator[None]:
    """Give up root's power to look everywhere, if this is root."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_link_into_a_locked_folder_is_a_candidate_with_a_problem(open_machine: Machine) -> None:
    """A link to where this user may not discover, such as root's home, loses no other interpreter."""
    secret = open_machine.add("/secret/python3.9").parent
    link = open_machine.link("/tools/python3", "/secret/python3.9")
    other = open_machine.add("/tools/python3.8")
    open_machine.on_path("/tools")
    secret.chmod(0)
    try:
        with _an_ordinary_user():
            found = open_machine.locate()
    finally:
        secret.chmod(0o755)
    assert {one.path: bool(one.unavailable) for one in found} == {other: False, link: True}


def test_what_cannot_be_read_is_said(open_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that this user may not look into is no absent one, on the way to a place or on PATH."""
    open_machine.add("/secret/versions/3.9.18/bin/python3.9")
    open_machine.add("/locked/python3.9")
    open_machine.on_path("/locked")
    places = (InterpreterSource("pyenv", (f"{open_machine.root}/secret/versions/*/bin",)),)
    monkeypatch.setattr(room, "read_locations", lambda: places)
    monkeypatch.setattr("pwd.getpwall", list)
    for folder in ("/secret/versions", "/locked"):
        open_machine.at(folder).chmod(0)
    try:
        with _an_ordinary_user():
            found = open_machine.look()
    finally:
        for folder in ("/secret/versions", "/locked"):
            open_machine.at(folder).chmod(0o755)
    assert found == Discovery(
        (),
        tuple(
            SearchedLocation(str(open_machine.at(folder)), "unreadable", "permission denied")
            for folder in ("/secret/versions", "/locked")
        ),
    )


def test_a_locked_home_is_said_once(open_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that this user may not look into is one place that could not be looked at."""
    home = open_machine.add("~/.pyenv/versions/3.9.18/bin/python3.9")
    home = open_machine.at("~")
    places = (InterpreterSource("pyenv", ("~/.pyenv/versions/*/bin", "~/.other/*/bin")),)
    monkeypatch.setattr(room, "read_locations", lambda: places)
    monkeypatch.setattr("pwd.getpwall", list)
    home.chmod(0)
    try:
        with _an_ordinary_user():
            looked = open_machine.look().looked
    finally:
        home.chmod(0o755)
    assert [one for one in looked if one.status == "unreadable"] == [
        SearchedLocation(str(home), "unreadable", "permission denied")
    ]


@pytest.mark.parametrize(
    "name", ["python3-config", "python3.9-gdb.py", "pythonw", "ipython3", "python3.9m.old", "pypyenv"]
)
def test_other_names_are_no_candidates(machine: Machine, name: str) -> None:
    """A program whose name only resembles an interpreter's is not a candidate."""
    machine.add(f"/usr/bin/{name}")
    assert machine.locate() == ()


def test_a_folder_named_python_is_no_candidate(machine: Machine) -> None:
    """A folder with an interpreter's name is not a candidate."""
    machine.at("/opt/vendor/bin/python3").mkdir(parents=True)
    assert machine.locate() == ()


def test_a_path_with_nonsense_in_it_is_survived(machine: Machine) -> None:
    """Empty, missing and non-folder entries of PATH hide nothing that the others hold."""
    machine.add("/good/bin/python3.9")
    machine.add("/good/file")
    machine.on_path("/missing", "/good/file", "/good/bin")
    machine.environment["PATH"] += os.pathsep * 2
    assert machine.ids() == ["path_3_9"]


def test_nothing_is_run(machine: Machine) -> None:
    """Discovery looks at files only: no candidate is started."""
    machine.add("/usr/bin/python3.11")
    assert machine.ids() == ["system_3_11"]
    assert not (machine.root / "ran").exists()


def test_versions_are_in_the_order_of_their_numbers(machine: Machine) -> None:
    """Version 3.9 comes before 3.10, whatever the alphabet says."""
    for minor in (10, 9, 13, 6):
        machine.add(f"/usr/bin/python3.{minor}")
    assert machine.ids() == ["system_3_6", "system_3_9", "system_3_10", "system_3_13"]


def test_a_given_path_is_a_candidate(machine: Machine) -> None:
    """A path that the user gives is a candidate although discovery would not look there."""
    path = machine.add("/built/mine/bin/python3.9")
    link = machine.link("/built/link", "/built/mine/bin/python3.9")
    assert machine.locate(link, path) == (Candidate("given_mine", "given", path),)


def test_a_given_path_that_is_known_keeps_its_id(machine: Machine) -> None:
    """An interpreter that discovery knows has the same id with and without being given."""
    path = machine.add("~/.pyenv/versions/3.9.18/bin/python3.9")
    assert machine.locate(path) == machine.locate() == (Candidate("pyenv_3_9_18", "pyenv", path),)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("/nowhere/python3", "no such file"),
        ("/built", "it is no file"),
        ("/built/passwd", "it is not executable"),
    ],
)
def test_a_given_path_without_a_program_is_refused(machine: Machine, place: str, why: str) -> None:
    """A given path where there is no program is refused by name, with what is there instead."""
    machine.add("/built/python3")
    machine.add("/built/passwd").chmod(0o644)
    with pytest.raises(SelectionError, match=f"{re.escape(repr(str(machine.at(place))))}: {why}; "):
        machine.locate(machine.at(place))


def test_what_may_not_be_looked_at_is_not_called_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a locked folder an interpreter or an environment may be: the refusal says what is in the way."""
    lock(monkeypatch, "/locked")
    for pythons, environments in (([Path("/locked/python3")], []), ([], [Path("/locked/venv")])):
        with pytest.raises(SelectionError, match=r"'/locked/.*': permission denied; give the"):
            locate({}, pythons, environments)


def _venv(machine: Machine, folder: str, home: str = "/usr/bin", *, copy: bool = False) -> Path:
    """Make a virtual environment of the system's Python there; return its Python."""
    if not machine.at("/usr/bin/python3.11").exists():
        machine.add("/usr/bin/python3.11")
    machine.at(folder).mkdir(parents=True)
    (machine.at(folder) / "pyvenv.cfg").write_text(f"home = {machine.at(home)}\n")
    name = f"{folder}/bin/python"
    return machine.add(name) if copy else machine.link(name, "/usr/bin/python3.11")


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/srv/app/venv", "env_app_venv"),
        ("/srv/app/.venv", "env_app_venv"),
        ("/srv/Shop", "env_shop"),
        ("~/.virtualenvs/shop-3", "env_shop_3"),
    ],
)
def test_a_given_environment_is_itself(machine: Machine, folder: str, name: str, *, copy: bool) -> None:
    """A virtual environment is no other way to start its base: its own Python is the candidate, once."""
    python = _venv(machine, folder, copy=copy)
    one = Candidate(name, "given", python, environment=machine.at(folder))
    assert [c for c in machine.locate(python) if c.environment] == [one]
    found = locate(machine.environment, [python, python], [machine.at(folder)])
    assert {c.id for c in found} == {"system_3_11", name}
    assert [c for c in found if c.environment] == [one]
    assert leads_to(python) == python_of(machine.at(folder)) == python


@pytest.mark.parametrize("copy", [False, True])
def test_another_name_of_an_environments_python_is_that_python(machine: Machine, *, copy: bool) -> None:
    """It is found, and asked for, by the path that its rows have; a wrapper is another way in, by its own."""
    python = _venv(machine, "/srv/shop", copy=copy)
    other, wrapper = python.with_name("python3"), python.with_name("python3.11")
    if copy:
        for each in (python, other):
            each.write_bytes(b"ELF")
            each.chmod(0o755)
    else:
        other.symlink_to(python.resolve())
    wrapper.write_text("#!/bin/sh\n")
    wrapper.chmod(0o755)
    assert [leads_to(each) for each in (python, other, wrapper)] == [python, python, wrapper]
    found = [one.path for one in locate(machine.environment, [other]) if one.environment]
    assert found == [python, wrapper]


def test_an_environment_that_says_nothing_of_itself_is_one_by_name(machine: Machine) -> None:
    """A folder with a Python in it, such as conda's, is measured as it is if it is given as one."""
    python = machine.add("/srv/conda/envs/shop/bin/python")
    (one,) = locate(machine.environment, [], [machine.at("/srv/conda/envs/shop")])
    assert (one.id, one.path, one.environment) == ("env_shop", python, python.parent.parent)
    assert leads_to(python) == python


def test_environments_of_one_name_are_told_apart(machine: Machine) -> None:
    """Each of two environments keeps an id of its own, whatever the order they are given in."""
    folders = [_venv(machine, f"/srv/{name}/app/venv").parent.parent for name in "ab"]
    found = [locate(machine.environment, [], order) for order in (folders, folders[::-1])]
    assert found[0] == found[1]
    assert len({one.id for one in found[0]}) == len(found[0])


def test_environments_of_one_name_have_the_folder_around_it(machine: Machine) -> None:
    """Two environments that are called alike are told apart by where they are, not by their order."""
    folders = [_venv(machine, f"/srv/{name}/botocore").parent.parent for name in ("one", "two")]
    found = [one.id for one in locate(machine.environment, [], folders) if one.environment]
    assert found == ["env_one_botocore", "env_two_botocore"]


@pytest.mark.parametrize("place", ["/nowhere", "/srv"])
def test_a_folder_without_a_python_is_no_environment(machine: Machine, place: str) -> None:
    """A folder in which there is no Python is refused by name, with what to give."""
    _venv(machine, "/srv/app/venv")
    with pytest.raises(SelectionError, match=f"--environment {re.escape(repr(str(machine.at(place))))}"):
        locate(machine.environment, [], [machine.at(place)])


def test_root_starts_no_environment_of_somebody_else(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python of an environment may be the system's, and what it runs at its start somebody else's."""
    folder = _venv(machine, "/srv/app/venv").parent.parent
    monkeypatch.setattr(
        "interpreters.locate.not_as_root", lambda path: "owned by Alice" * (Path(path) == folder)
    )
    (one,) = [c for c in locate(machine.environment, [], [folder]) if c.environment]
    assert one.unavailable == "owned by Alice"


def test_a_snap_is_named_without_its_revision(machine: Machine) -> None:
    """An interpreter in a snap is found through its current revision, and an update does not rename it."""
    path = machine.add("/snap/core22/1586/usr/bin/python3.10")
    machine.link("/snap/core22/current", "1586")
    assert machine.locate() == (Candidate("snap_core22", "snap", path),)


def test_condas_list_of_environments_is_read(machine: Machine) -> None:
    """An environment anywhere is found if conda's own list names it; other lines are passed over."""
    path = machine.add("/data/envs/[a]/bin/python3.9")
    listed = machine.at("~/.conda/environments.txt")
    listed.parent.mkdir(parents=True)
    listed.write_text(f"\n# ours\nrelative\n/gone\n{machine.at('/data/envs/[a]')}\n")
    assert machine.locate() == (Candidate("conda_a", "conda", path),)


def test_a_list_that_never_ends_is_not_waited_for(machine: Machine) -> None:
    """A pipe in the place of conda's list names nothing, and is not waited for."""
    machine.at("~/.conda").mkdir(parents=True)
    os.mkfifo(machine.at("~/.conda/environments.txt"))
    assert machine.locate() == ()


def test_what_links_lead_to_keeps_its_name_beside_bundles(machine: Machine) -> None:
    """An interpreter in /usr/lib that /usr/bin links to, as distributions have PyPy, is no program's own."""
    path = machine.add("/usr/lib/pypy3.9/bin/pypy3.9")
    machine.link("/usr/bin/pypy3.9", "/usr/lib/pypy3.9/bin/pypy3.9")
    assert machine.locate() == (Candidate("path_pypy3_9", "path", path),)


def test_copies_of_a_program_in_one_folder_are_one(machine: Machine) -> None:
    """Files that are the same program byte by byte are one interpreter, unless they are scripts."""
    for name in ("python", "python3", "python3.12"):
        machine.add(f"/opt/vendor/bin/{name}").write_bytes(b"\x7fELF the same")
        machine.add(f"/opt/scripts/bin/{name}")
    path = machine.at("/opt/vendor/bin/python3.12")
    found = {one.path for one in machine.locate()}
    assert {one for one in found if "vendor" in str(one)} == {path}
    assert sum("scripts" in str(one) for one in found) == 3
    (other,) = [one for one in machine.locate(path.with_name("python3")) if "vendor" in one.id]
    assert (other.id, other.path.name, other.given) == ("opt_vendor", "python3", True)


def test_without_home_the_password_database_says_where_it_is(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where HOME is not set, as in a system service, what is in the user's home has the same id."""
    machine.add("~/.pyenv/versions/3.9.18/bin/python3.9")
    home = machine.environment.pop("HOME")
    found = pwd.struct_passwd(("me", "x", os.getuid(), 0, "", home, "/bin/sh"))
    monkeypatch.setattr("pwd.getpwuid", lambda _: found)
    assert machine.ids() == ["pyenv_3_9_18"]
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert machine.ids() == []


@pytest.fixture
def neighbour(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine with two homes: one's own, and that of another user called Alice."""
    for home in ("~", "/home/alice"):
        machine.add(f"{home}/.pyenv/versions/3.9.18/bin/python3.9")
    alice = ("Alice", "x", os.getuid(), 0, "", str(machine.at("/home/alice")), "/bin/sh")
    monkeypatch.setattr("interpreters.locations.FIRST_OWN_UID", 0)
    monkeypatch.setattr("pwd.getpwall", lambda: [pwd.struct_passwd(alice)])
    return machine


def test_root_looks_into_all_homes(neighbour: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root the homes of all users are looked at, and what is in one's own keeps its id."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    found = neighbour.look()
    assert [one.id for one in found.candidates] == ["pyenv_3_9_18", "pyenv_3_9_18_alice"]
    assert SearchedLocation(str(neighbour.at("/home/alice")), "looked", "home of Alice") in found.looked


def test_others_say_whose_homes_they_leave_out(neighbour: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not root looks into no other home, and is shown that this is so."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    found = neighbour.look()
    assert [one.id for one in found.candidates] == ["pyenv_3_9_18"]
    said = SearchedLocation("homes of other users", "unreadable", "Alice: only root looks there")
    assert said in found.looked


def test_what_root_must_not_start_has_a_problem(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A candidate that somebody else could replace is kept, with the reason why root does not start it."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("interpreters.owners.SYSTEM", machine.root)  # whoever runs the tests is trusted
    path = machine.add("/opt/open/bin/python3.9", mode=0o757)
    (found,) = machine.locate()
    assert found.unavailable.startswith(f"{path} is writable by everybody")
    assert machine.locate(path)[0].unavailable == found.unavailable


def test_every_place_is_said_to_be_there_or_not(machine: Machine) -> None:
    """Discovery says of each place, as the file has it, whether it looked there or found it absent."""
    machine.add("~/.pyenv/versions/3.9.18/bin/python3.9")
    machine.on_path("/usr/bin", "/gone")
    machine.at("/usr/bin").mkdir(parents=True)
    looked = machine.look().looked
    known = room.read_locations()  # type: ignore[attr-defined]
    patterns = [pattern for one in known for pattern in (*one.folders, *one.lists)]
    assert [one.place for one in looked[: len(patterns)]] == patterns
    there = {one.place for one in looked if one.status == "looked"}
    assert there == {"~/.pyenv/versions/*/bin", str(machine.at("/usr/bin"))}
    assert SearchedLocation("$PYENV_ROOT/versions/*/bin", "absent", "PYENV_ROOT is not set") in looked
    assert SearchedLocation(str(machine.at("/gone")), "absent", "on PATH") in looked
    assert {one.status for one in looked} == {"looked", "absent"}


SEGMENT = st.text(st.sampled_from(string.ascii_letters + string.digits + " .-_@+é"), min_size=1, max_size=50)
SOURCE = st.sampled_from((*read_locations(), room.GIVEN))
USER = st.sampled_from(["", "", "alice", "Bob.B"])
FOUND = st.builds(
    lambda source, folder, name, user: room._candidate(Path("/", folder, "bin", name), source, user),
    SOURCE,
    SEGMENT,
    st.sampled_from(["python", "python3", "python3.9", "python3.13t", "pypy3"]),
    USER,
)


@given(st.lists(FOUND, unique_by=lambda one: one.path, max_size=12), st.randoms())
def test_ids_are_unique_and_stable(found: list[Candidate], random: Random) -> None:
    """Whatever is found, in whatever order, each candidate has an id of its own and always the same."""
    shuffled = list(found)
    random.shuffle(shuffled)
    unique = room.unique(found)
    assert len({one.id for one in unique}) == len(found)
    assert {one.path for one in unique} == {one.path for one in found}
    assert room.unique(shuffled) == unique


@given(FOUND)
def test_ids_are_session_names(candidate: Candidate) -> None:
    """An id has only the characters that nox can select by: small letters, digits and underscores."""
    assert re.fullmatch(r"[a-z0-9_]+", candidate.id)


IDS = st.lists(
    st.builds(
        "{}_3_{}".format, st.sampled_from(["pyenv", "path", "opt", "uv", "system"]), st.integers(0, 20)
    ),
    unique=True,
    max_size=8,
)


def _candidates(ids: list[str]) -> tuple[Candidate, ...]:
    return tuple(Candidate(name, "path", Path("/bin", name)) for name in ids)


@given(IDS)
def test_no_glob_selects_all(ids: list[str]) -> None:
    """Without any glob every candidate is selected."""
    assert select(_candidates(ids), []) == _candidates(ids)


@given(IDS, st.lists(st.sampled_from(["p", "pa", "pyenv", "o", "x"]), min_size=1, max_size=3))
def test_globs_select_what_any_of_them_matches(ids: list[str], starts: list[str]) -> None:
    """Globs select exactly the candidates that one of them matches, in their order, or refuse."""
    expected = [name for name in ids if name.startswith(tuple(starts))]
    globs = [f"{start}*" for start in starts]
    if expected:
        assert [one.id for one in select(_candidates(ids), globs)] == expected
    else:
        with pytest.raises(SelectionError):
            select(_candidates(ids), globs)


def test_a_glob_that_matches_nothing_names_what_there_is() -> None:
    """A selection that comes out empty is refused with the glob and the ids that there are."""
    with pytest.raises(SelectionError) as refusal:
        select(_candidates(["pyenv_3_9_18", "system_3_11"]), ["pyenv_4*"])
    assert all(text in str(refusal.value) for text in ("pyenv_4*", "pyenv_3_9_18", "system_3_11"))


def test_a_glob_on_an_empty_machine_is_refused() -> None:
    """A selection from nothing says that there is nothing."""
    with pytest.raises(SelectionError, match="none at all"):
        select((), ["*"])


@pytest.mark.e2e
def test_a_stripped_path_finds_the_same(
    pythons: tuple[Candidate, ...], callers_environment: Mapping[str, str]
) -> None:
    """On this machine, a bare PATH or none loses no interpreter that an installer's folder holds."""
    known = {one for one in pythons if one.source != "path"}
    bare = {name: text for name, text in callers_environment.items() if name != "PATH"}
    assert known <= set(locate(bare))
    assert known <= set(locate({**bare, "PATH": "/usr/bin:/bin"}))


@pytest.mark.e2e
def test_real_candidates_are_real_files(pythons: tuple[Candidate, ...]) -> None:
    """On this machine, every candidate that answers is at a real path of its own."""
    assert all(os.path.realpath(one.path) == str(one.path) for one in pythons)
    assert len({one.path for one in pythons}) == len(pythons)
