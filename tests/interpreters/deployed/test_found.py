"""Environments are found where tools put them, each once, under an id of its own: on made-up machines."""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.deployed import found as room
from interpreters.deployed.found import find_environments, grouped, is_environment, read_found
from interpreters.locate import Candidate, Discovery, discover
from interpreters.locations import Home, InterpreterSource, SearchedLocation
from interpreters.search import search
from interpreters.tables import TableError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = re.compile(r"\$([A-Z][A-Z0-9_]*)")


class Disk:
    """A made-up file system below one folder, whose absolute places lie there too."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.called_from = root / "work/project"
        self.variables: dict[str, str] = {}

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of whoever runs the tool."""
        return {"HOME": str(self.root / "home/me"), **self.variables}

    def at(self, place: str) -> Path:
        """Return the path of a place: ~ is the home, * a folder `app`, and a variable is set to a folder."""
        for name in VARIABLE.findall(place):
            own = self.called_from if name == "PWD" else self.root / "variables" / name
            if name != "PWD":
                self.variables[name] = str(own)
            place = place.replace(f"${name}", str(own.relative_to(self.root)))
        for part in (("~", "home/me"), (".*", ".an"), ("*", "app")):
            place = place.replace(*part)
        return self.root / place.lstrip("/")

    def add(self, place: str) -> Path:
        """Make an environment there; return its folder."""
        folder = self.at(place)
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
        base = self.root / "usr/bin/python3.11"
        base.parent.mkdir(parents=True, exist_ok=True)
        base.touch(mode=0o755)
        (folder / "bin/python").symlink_to(base)
        return folder

    def look(self, *given: Path, own: tuple[Path, ...] = ()) -> Discovery:
        """Find the environments on this machine, those given being known."""
        known = discover(self.environment, environments=given).candidates
        return find_environments(known, self.environment, self.called_from, own=own)

    def ids(self, *given: Path) -> dict[str, str]:
        """Return the ids of all that is found, with the folder of each from the root on."""
        found = self.look(*given).candidates
        return {one.id: str(one.environment.relative_to(self.root)) for one in found if one.environment}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Return an empty machine."""
    root = Path(os.path.realpath(tmp_path))
    tools = tuple(
        replace(one, folders=tuple(f"{root}{f}" if f.startswith("/") else f for f in one.folders))
        for one in read_found()
    )
    monkeypatch.setattr(room, "read_found", lambda: tools)
    monkeypatch.setattr("interpreters.locate.read_locations", tuple)
    monkeypatch.setattr("pwd.getpwall", list)
    return Disk(root)


LOCATIONS = [(one.id, folder) for one in read_found() for folder in one.folders]


@pytest.mark.parametrize(("source", "place"), LOCATIONS)
def test_each_place_of_the_file_is_looked_at(machine: Disk, source: str, place: str) -> None:
    """An environment at a place of the file is found there, by the first tool that has the place."""
    folder = machine.add(place)
    (one,) = machine.look().candidates
    assert (one.environment, one.path, one.unavailable) == (folder, folder / "bin/python", "")
    assert re.fullmatch(r"env_[a-z0-9_]+", one.id)
    first = next(source for source, other in LOCATIONS if _matches(machine, other, folder))
    assert (one.source, one.given) == (first, False)
    assert source in {tool.id for tool in read_found()}


def _matches(machine: Disk, place: str, folder: Path) -> bool:
    """Whether a place names a folder, on the machine as it is."""
    for name in VARIABLE.findall(place):
        if name not in machine.variables and name != "PWD":
            return False
    pattern = place.replace("~", str(machine.root / "home/me"), 1)
    for name in VARIABLE.findall(place):
        pattern = pattern.replace(f"${name}", machine.variables.get(name, str(machine.called_from)))
    if place.startswith("/"):
        pattern = f"{machine.root}{place}"
    parts = pattern.split("/")
    return len(parts) == len(folder.parts) and all(
        re.fullmatch(part.replace(".", r"\.").replace("*", ".*"), name)
        and name.startswith(".") is part.startswith(".")
        for part, name in zip(parts[1:], folder.parts[1:], strict=True)
    )


def test_no_place_is_there_twice() -> None:
    """Each place belongs to one tool, once."""
    places = [place for _, place in LOCATIONS]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a]\nfolder = ['/a']", "unknown key 'folder'"),
        ("[a]\nclaims = ['/a']", "unknown key 'claims'"),
        ("[a]\nnames = ['(x)']", "'folders' is missing"),
        ("[a]\nfolders = ['a/b']", "a location begins with /"),
        ("[a]\nfolders = ['/a']\nnames = ['a']", "in parentheses"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """An entry that cannot be meant is refused by a sentence that names the file and the fact."""
    file = tmp_path / "found.toml"
    file.write_text(text)
    with pytest.raises(TableError, match=re.escape(says)) as refused:
        read_found(file)
    assert str(refused.value).startswith("found.toml [a]")


def test_a_tool_is_read(tmp_path: Path) -> None:
    """Every key of a table is in its source, whose name has hyphens."""
    file = tmp_path / "found.toml"
    file.write_text("[uv_tool]\nfolders = ['$A/*']\nnames = ['/(x)']")
    assert read_found(file) == (InterpreterSource("uv-tool", ("$A/*",), names=("/(x)",)),)


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (["~/.local/share/pipx/venvs/awscli"], ["env_awscli"]),
        (["/srv/shop/.venv"], ["env_shop_venv"]),
        (["/opt/Étagère-1.2"], ["env_tag_re_1_2"]),
        (["~/.local/share/hatch/env/virtual/shop/AbC-1/docs"], ["env_shop_docs"]),
        (["~/.local/share/hatch/env/virtual/shop/AbC-1/shop"], ["env_shop"]),
        (["~/.cache/pypoetry/virtualenvs/shop-AbCdEf12-py3.11"], ["env_shop_abcdef12_py3_11"]),
        (["/opt/homebrew/opt/awscli/libexec"], ["env_awscli"]),
        (["~/.pyenv/versions/3.9.18/envs/shop"], ["env_shop"]),
        (["$PWD/.venv"], ["env_project_venv"]),
        (["/opt/shop", "/srv/shop"], ["env_opt_shop", "env_srv_shop"]),
        (["/opt/a/shop/venv", "/srv/b/shop/venv"], ["env_a_shop_venv", "env_b_shop_venv"]),
        (["~/.local/share/pipx/venvs/x", "~/.local/share/uv/tools/x"], ["env_tools_x", "env_venvs_x"]),
    ],
)
def test_an_environment_is_named_after_its_folder(machine: Disk, places: list[str], names: list[str]) -> None:
    """Its name is that of its folder, or of its application; of those with one name, more of the path too."""
    for place in places:
        machine.add(place)
    assert list(machine.ids()) == names


def test_each_way_into_an_environment_is_a_candidate(machine: Disk) -> None:
    """A wrapper in the place of `bin/python` hides no other Python: each has an id, here and where given."""
    folder = machine.add("/opt/shop")
    (folder / "bin/python").rename(folder / "bin/python3")
    (folder / "bin/python").write_text('#!/bin/sh\nexec "${0%/*}/python3" "$@"\n')
    (folder / "bin/python").chmod(0o755)
    found = {one.id: one.path for one in machine.look().candidates}
    assert found == {"env_shop": folder / "bin/python", "env_shop_python3": folder / "bin/python3"}
    given = discover(machine.environment, environments=[folder]).candidates
    assert {one.id: one.path for one in given} == found
    assert all(one.given for one in given)


def test_an_environment_without_the_usual_name_is_found(machine: Disk) -> None:
    """Where there is no `bin/python`, or it leads nowhere, another name is how the environment is entered."""
    folder = machine.add("/opt/shop")
    (folder / "bin/python").rename(folder / "bin/python3.11")
    found = machine.look().candidates
    assert [(one.id, one.path, one.unavailable) for one in found] == [
        ("env_shop", folder / "bin/python3.11", "")
    ]
    (folder / "bin/python").symlink_to("nowhere")
    assert machine.look().candidates == found


def test_what_was_given_keeps_its_id(machine: Disk) -> None:
    """An environment that the user named is found once, and another of its name takes a longer one."""
    given, other = machine.add("/opt/elsewhere/deep/down/shop"), machine.add("/opt/shop")
    assert machine.ids(given) == {"env_opt_shop": "opt/shop"}
    assert machine.ids(given, other) == {}


def test_two_ways_to_one_environment_are_one(machine: Disk) -> None:
    """Pyenv links to an environment from among the versions; the folder itself counts."""
    folder = machine.add("~/.pyenv/versions/3.9.18/envs/shop")
    (folder.parents[2] / "shop").symlink_to(folder)
    assert machine.ids() == {"env_shop": str(folder.relative_to(machine.root))}


@pytest.mark.parametrize("missing", ["pyvenv.cfg", "bin/python"])
def test_what_is_no_environment_is_none(machine: Disk, missing: str) -> None:
    """Without pyvenv.cfg, or without a Python that is there, nothing can be started in its environment."""
    folder = machine.add("/opt/shop")
    assert is_environment(folder)
    (folder / missing).unlink()
    assert not is_environment(folder)
    (folder / missing).symlink_to(machine.root / "nowhere")
    assert not is_environment(folder)
    assert machine.ids() == {}


def test_an_environment_whose_python_is_gone_is_named(machine: Disk) -> None:
    """After an upgrade its link leads nowhere: it cannot be measured, and is not left out without a word."""
    folder = machine.add("/opt/shop")
    (folder / "bin/python").unlink()
    (folder / "bin/python").symlink_to(machine.root / "usr/bin/python3.9")
    assert machine.ids() == {}
    looked = machine.look().looked
    assert [each for each in looked if each.place == str(folder)] == [
        SearchedLocation(str(folder), "unreadable", "its Python is gone")
    ]


def test_an_old_virtualenv_is_one(machine: Disk) -> None:
    """Virtualenv before 20 wrote no pyvenv.cfg, but where the library of its base is."""
    folder = machine.add("/opt/shop")
    (folder / "pyvenv.cfg").unlink()
    (folder / "bin/activate_this.py").touch()
    (folder / "lib/python2.7").mkdir(parents=True)
    assert not is_environment(folder)
    (folder / "lib/python2.7/orig-prefix.txt").touch()
    assert machine.ids() == {"env_shop": "opt/shop"}


def test_an_interpreter_is_no_environment(machine: Disk) -> None:
    """A stray pyvenv.cfg in an installation makes nothing of it: what is an interpreter stays one."""
    folder = machine.root / "opt/python"
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {folder}/bin\n")
    (folder / "bin/python").touch(mode=0o755)
    known = Candidate("opt_python", "opt", folder / "bin/python")
    assert find_environments([known], machine.environment, machine.called_from).candidates == ()
    assert machine.ids() == {"env_python": "opt/python"}


def test_the_tools_own_environments_are_left_out(machine: Disk) -> None:
    """Nothing is deployed from what this tool made for itself."""
    machine.add("/opt/shop")
    own = machine.add("$PWD/.venv")
    assert len(machine.look().candidates) == 2
    for folder in (machine.called_from, own):
        assert [one.id for one in machine.look(own=(folder,)).candidates] == ["env_shop"]


def test_what_lies_in_a_searched_tree_is_found(machine: Disk) -> None:
    """Below a folder of the user's choice an environment is found however deep, once for all its Pythons."""
    folder = machine.add("/data/a/b/c/d/shop/venv")
    (folder / "bin/python3").symlink_to("python")
    tree = search(machine.root / "data")
    found = find_environments([], machine.environment, machine.called_from, [tree])
    assert [(one.id, one.source, one.environment) for one in found.candidates] == [
        ("env_shop_venv", "search", folder)
    ]


def test_what_others_may_change_is_not_started_by_root(
    machine: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder, the Python and the packages are root's alone, or the reason says whose they are."""
    folder = machine.add("/srv/shop")
    packages = folder / "lib/python3.11/site-packages"
    packages.mkdir(parents=True)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for theirs in (folder, packages, machine.root / "usr/bin/python3.11"):
        monkeypatch.setattr(
            "interpreters.owners.Trust.not_as_root",
            lambda _, path, theirs=theirs: "owned by Alice" * (os.path.realpath(path) == str(theirs)),
        )
        (one,) = machine.look().candidates
        assert one.unavailable == "owned by Alice"


def test_another_users_environment_has_the_users_name(machine: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root looks in all homes, and says whose an environment is."""
    home = machine.root / "home/alice"
    for place in ("home/alice/.virtualenvs/shop", "~/.virtualenvs/shop"):
        machine.add(place)
    alice = pwd.struct_passwd(("alice", "x", os.geteuid() or 4001, 4001, "", str(home), "/bin/sh"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("pwd.getpwall", lambda: [alice])
    monkeypatch.setattr("interpreters.locations._users_homes", lambda: iter([Home(str(home), "alice")]))
    monkeypatch.setattr("interpreters.owners.Trust.not_as_root", lambda *_: "")
    assert list(machine.ids()) == ["env_shop", "env_shop_alice"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder: run as another user for this")
def test_what_cannot_be_looked_at_is_said(machine: Disk) -> None:
    """A locked folder among environments is named, and one that holds some."""
    folder = machine.add("/opt/shop")
    folder.chmod(0)
    try:
        looked = machine.look().looked
    finally:
        folder.chmod(0o755)
    assert SearchedLocation(str(folder), "unreadable", "permission denied") in looked


def test_where_nobody_could_look_is_said_in_short() -> None:
    """Of many locked folders in one folder a few are named, and the others are counted."""
    locked = [SearchedLocation(f"/var/lib/{name}", "unreadable", "permission denied") for name in "abcdefg"]
    other = SearchedLocation("/opt/x", "unreadable", "permission denied")
    here = SearchedLocation("/srv/*", "looked")
    assert list(grouped([*locked, other, here, *locked])) == [
        here,
        *locked[:3],
        SearchedLocation("4 more of /var/lib", "unreadable", "permission denied"),
        other,
    ]


def test_hundreds_of_environments_are_found_as_one_place(machine: Disk) -> None:
    """Three hundred of a tool's are found, and the report says no more of where we looked than of one."""
    machine.add("~/.local/share/pipx/venvs/first")
    before = len(machine.look().looked)
    for number in range(300):
        machine.add(f"~/.local/share/pipx/venvs/app{number}")
    found = machine.look()
    assert len(found.candidates) == 301
    assert len(found.looked) == before
