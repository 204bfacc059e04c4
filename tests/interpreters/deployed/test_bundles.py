"""Zipapps and frozen programs are told by their content, and each zipapp is entered as its kind takes it."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.deployed import bundles as room
from interpreters.deployed.bundles import (
    BY_SHELL,
    ENTRANCE,
    Bundle,
    BundleFacts,
    Frozen,
    bundle_at,
    bundles_there,
    find_bundles,
    names,
)
from interpreters.identify import IdentifyError, identify
from interpreters.locate import SelectionError
from interpreters.locations import InterpreterSource
from interpreters.places import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

MEMBERS = {
    "pex": ("__main__.py", "PEX-INFO"),
    "shiv": ("__main__.py", "environment.json", "_bootstrap/__init__.py"),
    "plain": ("__main__.py",),
}
"""What each kind of zipapp has in it: pex_info.py of pex, builder.py of shiv, PEP 441."""

PYTHON = f"#!{sys.executable}\n"


def zipapp(
    path: Path, members: Sequence[str] = MEMBERS["plain"], line: str = PYTHON, mode: int = 0o755
) -> Path:
    """Put a zipapp there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line)
    with zipfile.ZipFile(path, "a") as archive:
        for member in members:
            archive.writestr(member, "print('started')\n")
    path.chmod(mode)
    return path


def frozen(path: Path) -> Path:
    """Put there what a program of PyInstaller begins and ends with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF" + bytes(4000) + room.PYINSTALLER + bytes(2200))
    path.chmod(0o755)
    return path


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine whose only known place is `bin` of a home, and whose PATH has another folder."""
    monkeypatch.setattr(room, "read_locations", lambda _: (InterpreterSource("bundles", ("~/bin",)),))
    monkeypatch.setattr("pwd.getpwall", list)
    return {"HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "path")}


@pytest.mark.parametrize(
    ("kind", "words", "variables"),
    [
        ("pex", ("-B", "{file}", "{entrance}", "-"), {"PEX_INTERPRETER": "1"}),
        ("shiv", ("{file}", "{entrance}", "-"), {"SHIV_INTERPRETER": "1"}),
        ("plain", ("{entrance}", "{file}"), {}),
    ],
)
def test_each_kind_is_entered_in_its_way(
    env: dict[str, str], tmp_path: Path, kind: str, words: Sequence[str], variables: dict[str, str]
) -> None:
    """Pex and shiv are told by a variable to run a script; a plain zipapp is put on the path."""
    file = zipapp(tmp_path / "app", MEMBERS[kind])
    found = bundle_at(file, env)
    assert found is not None
    assert str(found.python) == sys.executable
    assert found.words == tuple(word.format(file=file, entrance=ENTRANCE) for word in words)
    assert found.variables == variables


def test_known_places_and_the_path_are_searched(env: dict[str, str], tmp_path: Path) -> None:
    """Each file counts once, however many links lead to it."""
    file = zipapp(tmp_path / "srv" / "shop.pex", MEMBERS["pex"])
    for folder in ("home/bin", "path"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "shop").symlink_to(file)
    program = frozen(tmp_path / "path" / "tool")
    found = find_bundles(env)
    assert [one.environment for one in found.candidates] == [file]
    assert found.frozen == (Frozen(program, "tool", "PyInstaller"),)


@pytest.mark.parametrize("suffix", [".pyz", ".pex"])
def test_a_suffix_does_where_there_is_no_line(env: dict[str, str], tmp_path: Path, suffix: str) -> None:
    """`python3 FILE` is how such a file is started, with the python3 of the PATH."""
    file = zipapp(tmp_path / "path" / f"app{suffix}", line="", mode=0o644)
    python = tmp_path / "path" / "python3"
    python.symlink_to(sys.executable)
    (found,) = find_bundles(env).candidates
    assert (found.path, found.words) == (python, (str(ENTRANCE), str(file)))


@pytest.mark.parametrize(
    "line",
    [
        "#!/usr/bin/env python3\n",
        "#!/usr/bin/env -S python3 -s -E\n",
        "#!/usr/bin/env -S LANG=C python3\n",
    ],
)
def test_a_name_is_looked_for_on_the_path(env: dict[str, str], tmp_path: Path, line: str) -> None:
    """Neither a shim nor a Python of an activated environment is what a service would get."""
    pythons = {name: tmp_path / name / "bin" / "python3" for name in ("active", "real")}
    for python in pythons.values():
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
    (tmp_path / "active" / "pyvenv.cfg").touch()
    env["PATH"] = ":".join(str(python.parent) for python in pythons.values())
    found = bundle_at(zipapp(tmp_path / "app", line=line), env)
    assert found is not None
    assert found.python == pythons["real"]
    assert found.words[:-2] == (("-s", "-E") if "-E" in line else ())


def test_behind_a_shim_is_the_version_that_pyenv_starts(env: dict[str, str], tmp_path: Path) -> None:
    """A shim cannot be run with another home, so its version is read from where pyenv reads it."""
    real = tmp_path / "pyenv" / "versions" / "3.9.18" / "bin" / "python3"
    shim = tmp_path / "pyenv" / "shims" / "python3"
    for path in (real, shim):
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    env["PATH"] = str(shim.parent)
    file = zipapp(tmp_path / "app", line="#!/usr/bin/env python3\n")
    unknown = bundle_at(file, env)
    (tmp_path / "pyenv" / "version").write_text("3.9.18\n")
    known = bundle_at(file, env)
    assert unknown is not None
    assert unknown.problem == "python3, which its first line asks for, is not on PATH"
    assert known is not None
    assert known.python == real


def test_a_pex_that_a_shell_starts_is_started_itself(env: dict[str, str], tmp_path: Path) -> None:
    """Such a pex (--sh-boot) looks for its Python by itself; another zip behind a shell is no zipapp."""
    file = zipapp(tmp_path / "app", MEMBERS["pex"], "#!/bin/sh\n")
    assert bundle_at(file, env) == Bundle(file, file, (str(ENTRANCE), "-"), {"PEX_INTERPRETER": "1"})
    assert bundle_at(zipapp(tmp_path / "installer", line="#!/bin/sh\n"), env) is None


def test_what_is_no_zipapp_is_left_alone(env: dict[str, str], tmp_path: Path) -> None:
    """A zip without a program, a script, half a zip and an unreadable file are none."""
    folder = tmp_path / "path"
    zipapp(folder / "data.pyz", ["data.txt"])
    zipapp(folder / "wheel.whl", line="")
    zipapp(folder / "not-runnable", mode=0o644)
    (folder / "script").write_text(PYTHON)
    (folder / "script").chmod(0o755)
    whole = zipapp(folder / "half")
    whole.write_bytes(whole.read_bytes()[:-30])
    (folder / "nothing.pyz").touch()
    found = find_bundles(env)
    assert (found.candidates, found.frozen) == ((), ())


def test_a_directory_without_end_is_not_read(env: dict[str, str], tmp_path: Path) -> None:
    """The end of a file can say that its directory is any size; that zipapp says why it has no verdict."""
    file = zipapp(tmp_path / "path" / "huge.pyz")
    content = bytearray(file.read_bytes())
    struct.pack_into("<L", content, len(content) - room.END_SIZE + 12, 0xFFFFFFF0)
    file.write_bytes(content)
    (found,) = find_bundles(env).candidates
    assert found.unavailable == "its zip directory is longer than 16 MiB"


def test_several_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """The folder around them tells, and the suffix."""
    files = [tmp_path / name for name in ("a/app.pex", "a/app.pyz", "b/app", "b/v1.2")]
    assert list(names(files).values()) == ["a_app.pex", "a_app.pyz", "b_app", "v1.2"]


def test_each_is_a_candidate_of_its_own(env: dict[str, str], tmp_path: Path) -> None:
    """So is a zipapp that was given, which does not stop another from being found."""
    file = zipapp(tmp_path / "path" / "Shop.pex", MEMBERS["pex"])
    given = zipapp(tmp_path / "given.pyz")
    apps = {one.id: one for one in find_bundles(env, [given]).candidates}
    assert {name: (one.source, one.environment, one.given) for name, one in apps.items()} == {
        "app_given": ("zipapp", given, True),
        "app_shop": ("zipapp", file, False),
    }
    assert apps["app_shop"].variables == {"PEX_INTERPRETER": "1"}
    assert [one.id for one in find_bundles(env, [given], only_given=True).candidates] == ["app_given"]


def test_a_file_that_is_no_zipapp_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    """The sentence says what can be given."""
    file = tmp_path / "notes.txt"
    file.touch()
    with pytest.raises(SelectionError, match="no zipapp; give a pex, a shiv or a pyz file, or a folder"):
        find_bundles(env, [file])


@pytest.mark.parametrize("changed", ["zipapp", "python"])
def test_root_starts_nothing_that_somebody_else_can_change(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """Neither the file nor the Python that runs it."""
    python = tmp_path / "python3"
    python.touch(mode=0o755)
    file = zipapp(tmp_path / "app.pex", MEMBERS["pex"], f"#!{python}\n")
    theirs = {"zipapp": file, "python": python}[changed]
    monkeypatch.setattr(room, "not_as_root", lambda path: "owned by mallory" if path == theirs else "")
    (found,) = find_bundles(env, [file], only_given=True).candidates
    assert found.unavailable == "owned by mallory"


def test_a_script_runs_in_a_zipapp_as_python_runs_it(env: dict[str, str], tmp_path: Path) -> None:
    """It finds what lies beside it first, then what is in the zipapp, and nothing of the current folder."""
    file = zipapp(tmp_path / "app.pyz")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("inside.py", "")
    probe = tmp_path / "probe"
    probe.mkdir()
    (probe / "beside.py").touch()
    (tmp_path / "stray.py").touch()
    (probe / "__main__.py").write_text(
        "import sys, beside, inside\n"
        "try:\n    import stray\nexcept ImportError:\n    print(inside.__file__, __name__, *sys.argv[1:])\n"
    )
    bundle = bundle_at(file, env)
    assert bundle is not None
    command = [str(bundle.python), *bundle.words, str(probe), "one", "two"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.stdout.split() == [f"{file}/inside.py", "__main__", "one", "two"], said.stderr


def test_a_zipapp_that_does_not_start_has_the_last_word(env: dict[str, str], tmp_path: Path) -> None:
    """What it printed is the reason why nothing can be measured in it."""
    file = zipapp(tmp_path / "app.pex", MEMBERS["pex"])
    bundle = bundle_at(file, env)
    assert bundle is not None
    assert bundle.python is not None
    with pytest.raises(IdentifyError) as raised:
        identify(bundle.python, {}, words=bundle.words)
    assert str(raised.value) == f"{file} does not start with {bundle.python}: it printed 'started'"


@pytest.mark.parametrize(
    ("line", "members", "expected"),
    [
        ("#!/usr/bin/env python3.9", {"__main__.py"}, ("/opt/python3.9", "", {})),
        ("", {"__main__.py"}, ("/usr/bin/python3", "", {})),
        ("#!/opt/gone", {"__main__.py"}, None),
        ("#!/bin/sh", {"__main__.py", "PEX-INFO"}, ("/srv/shop", BY_SHELL, {"PEX_INTERPRETER": "1"})),
        ("#!python3.9", {"__main__.py", "PEX-INFO"}, ("/opt/python3.9", "", {"PEX_INTERPRETER": "1"})),
        (
            "#!python3.4",
            {"__main__.py"},
            ("/srv/shop", "python3.4, which its first line asks for, is not on PATH", {}),
        ),
    ],
)
def test_a_zipapp_of_a_place_is_started_as_here(
    line: str, members: set[str], expected: tuple[str, str, dict[str, str]] | None
) -> None:
    """By what was read of it there: its Python is one there, or the reason why it has none."""
    place = Place("ssh", "web1", ("ssh", "web1"))
    commands = {"python3.9": Path("/opt/python3.9"), "python3": Path("/usr/bin/python3")}
    facts = BundleFacts(Path("/srv/shop"), line, frozenset(members), commands, "")
    found = bundles_there(place, [facts])
    if expected is None:
        assert found == ()
        return
    (one,) = found
    assert (str(one.path), one.unavailable, one.variables) == expected
    assert (one.id, one.environment, one.place) == ("app_shop", Path("/srv/shop"), place)
    (refused,) = bundles_there(place, [replace(facts, refused="owned by user 7")])
    assert refused.unavailable in ("owned by user 7", one.unavailable)
