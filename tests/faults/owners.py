"""Executables, folders and start-up files that another user owns or may change, in a run of root's.

Each plants code that writes down as whom it runs. A run of root's may start none of it as root.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.fault import Family, Fault, NotInjectableError
from tests.faults.ground import NOBODY, need_root
from tests.faults.promises import Expected, broken

if TYPE_CHECKING:
    from tests.faults.ground import Ground

SYSTEM = (Path("/"), Path("/usr"), Path("/usr/local"))
"""Prefixes below which there is more than an interpreter: none of them is copied."""


@dataclass(frozen=True)
class Plant:
    """A folder of root's in which something of another user's is planted, and what tells who ran that."""

    folder: Path
    loose: str
    strict: str

    @property
    def witness(self) -> Path:
        """The file into which planted code writes as whom it runs."""
        return self.folder / "ran-as"

    @property
    def shell(self) -> str:
        """The planted code as a shell's script, which goes on as the interpreter that it stands for."""
        return f'#!/bin/sh\nid -u >> {self.witness}\nexec {self.loose} "$@"\n'

    @property
    def python(self) -> str:
        """The planted code as a line of Python."""
        return f"import os; open({str(self.witness)!r}, 'a').write('%d\\n' % os.geteuid())\n"

    def script(self, path: Path, mode: int = 0o755, owner: int = NOBODY, group: int = 0) -> Path:
        """Write the script as somebody's executable."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.shell)
        os.chown(path, owner, group)
        path.chmod(mode)
        return path

    def give(self, path: Path) -> Path:
        """Make a file or folder another user's."""
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        return path


Words = tuple[Sequence[str], Mapping[str, str]]
"""The words of a matrix besides, and changes of its environment."""


def _owned(plant: Plant) -> Words:
    return ("--interpreter", str(plant.script(plant.folder / "bin" / "python3.9"))), {}


def _writable(plant: Plant) -> Words:
    return ("--interpreter", str(plant.script(plant.folder / "bin" / "python3.9", 0o777, 0))), {}


def _of_a_group(plant: Plant) -> Words:
    return ("--interpreter", str(plant.script(plant.folder / "bin" / "python3.9", 0o775, 0, NOBODY))), {}


def _folder_owned(plant: Plant) -> Words:
    path = plant.script(plant.folder / "bin" / "python3.9", owner=0)
    plant.give(path.parent)
    return ("--interpreter", str(path)), {}


def _folder_writable(plant: Plant) -> Words:
    path = plant.script(plant.folder / "open" / "deep" / "bin" / "python3.9", owner=0)
    (plant.folder / "open").chmod(0o777)
    return ("--interpreter", str(path)), {}


def _linked(plant: Plant) -> Words:
    path = plant.folder / "bin" / "python3.9"
    path.parent.mkdir()
    path.symlink_to(plant.script(plant.folder / "theirs" / "python3.9"))
    return ("--interpreter", str(path)), {}


def _on_path(name: str, *words: str) -> Callable[[Plant], Words]:
    def plant_it(plant: Plant) -> Words:
        folder = plant.script(plant.folder / "path" / name, owner=0).parent
        folder.chmod(0o777)
        return words, {"PATH": f"{folder}:{os.environ['PATH']}"}

    return plant_it


def _owned_on_path(name: str, *words: str) -> Callable[[Plant], Words]:
    def plant_it(plant: Plant) -> Words:
        folder = plant.script(plant.folder / "path" / name).parent
        return words, {"PATH": f"{folder}:{os.environ['PATH']}"}

    return plant_it


def _given_openssl(plant: Plant) -> Words:
    return ("--openssl", str(plant.script(plant.folder / "openssl"))), {}


def _client_file(plant: Plant) -> Words:
    path = plant.folder / "mine.py"
    path.write_text(f"{plant.python}def fetch(*words):\n    return {{}}\n")
    plant.give(path)
    return ("--client", str(path)), {}


def _pyenv(plant: Plant) -> Words:
    root = plant.script(plant.folder / "pyenv" / "versions" / "theirs" / "bin" / "python3").parents[3]
    return ("--only", "pyenv_theirs"), {"PYENV_ROOT": str(root)}


def _identify(place: str, text: Callable[[Plant], str], plant: Plant) -> Words:
    """Plant a file among an environment's, which is root's else."""
    venv = plant.folder / "venv"
    os.system(f"{plant.loose} -m venv --without-pip {venv} >/dev/null")  # noqa: S605
    (packages,) = venv.glob("lib/python3*/site-packages")
    path = packages / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(plant))
    plant.give(path)
    return ("--interpreter", str(venv / "bin" / "python")), {}


def _packages_owned(plant: Plant) -> Words:
    words = _identify("sitecustomize.py", lambda plant: plant.python, plant)
    (packages,) = (plant.folder / "venv").glob("lib/python3*/site-packages")
    plant.give(packages)
    return words


def _library(change: Callable[[Plant, Path], None], plant: Plant) -> Words:
    """Copy an interpreter of root's, in whose library another user may change something."""
    prefixes = (Path(python).resolve().parent.parent for python in (plant.loose, plant.strict))
    prefix = next((each for each in prefixes if each not in SYSTEM), None)
    if prefix is None:
        msg = "it takes an interpreter with a folder of its own, such as pyenv's, to copy"
        raise NotInjectableError(msg)
    copy = plant.folder / "copied"
    ignore = shutil.ignore_patterns(
        "test",
        "tests",
        "__pycache__",
        "share",
        "include",
        "config-*",
        "idlelib",
        "ensurepip",
        "site-packages",
    )
    shutil.copytree(prefix, copy, symlinks=True, ignore=ignore)
    (library,) = (path.parent for path in copy.glob("lib/python3*/os.py"))
    (library / "site-packages").mkdir()
    change(plant, library)
    return ("--interpreter", str(next(copy.glob("bin/python3.[0-9]*")))), {}


def _planted_module(name: str) -> Callable[[Plant, Path], None]:
    def change(plant: Plant, library: Path) -> None:
        path = library / name
        _replace(path, plant.python + (path.read_text() if path.exists() else ""))
        plant.give(path)

    return change


def _planted_folder(plant: Plant, library: Path) -> None:
    _replace(library / "sitecustomize.py", plant.python)
    plant.give(library)


def _replace(path: Path, text: str) -> None:
    """Write a file in the place of what is there, which may be a link to a file of the machine."""
    path.unlink(missing_ok=True)
    path.write_text(text)


def _planted_packages(plant: Plant, library: Path) -> None:
    (library / "site-packages" / "sitecustomize.py").write_text(plant.python)
    plant.give(library / "site-packages")


PLANTED: dict[str, tuple[str, Callable[[Plant], Words]]] = {
    "owned": ("an interpreter that another user owns", _owned),
    "writable": ("an interpreter that everybody may write to", _writable),
    "group": ("an interpreter that a group may write to, in which another user is", _of_a_group),
    "folder-owned": ("an interpreter of root's in another user's folder", _folder_owned),
    "folder-writable": (
        "an interpreter three folders below one that everybody may write to",
        _folder_writable,
    ),
    "linked": ("a link of root's to another user's interpreter", _linked),
    "pyenv": ("a version of pyenv that another user owns", _pyenv),
    "path-python": (
        "a Python in a folder on PATH that everybody may write to",
        _on_path("python3.9", "--only", "path_*"),
    ),
    "path-python-owned": ("another user's Python on PATH", _owned_on_path("python3.9", "--only", "path_*")),
    "path-openssl": ("an openssl in a folder on PATH that everybody may write to", _on_path("openssl")),
    "path-openssl-owned": ("another user's openssl on PATH", _owned_on_path("openssl")),
    "path-curl": (
        "another user's curl on PATH, measured as a program",
        _owned_on_path("curl", "--programs", "--only", "program_curl"),
    ),
    "path-git": ("another user's git on PATH", _owned_on_path("git")),
    "path-uv": ("another user's uv on PATH", _owned_on_path("uv")),
    "openssl": ("another user's openssl, by --openssl", _given_openssl),
    "client": ("another user's client file, by --client", _client_file),
    "sitecustomize": (
        "another user's sitecustomize.py in an environment of root's",
        functools.partial(_identify, "sitecustomize.py", lambda plant: plant.python),
    ),
    "usercustomize": (
        "another user's usercustomize.py in an environment of root's",
        functools.partial(_identify, "usercustomize.py", lambda plant: plant.python),
    ),
    "pth": (
        "another user's .pth file in an environment of root's",
        functools.partial(_identify, "theirs.pth", lambda plant: plant.python),
    ),
    "package": (
        "another user's sitecustomize package in an environment of root's",
        functools.partial(_identify, "sitecustomize/__init__.py", lambda plant: plant.python),
    ),
    "packages": ("packages of an environment, in a folder that another user owns", _packages_owned),
    "library-folder": (
        "the library of an interpreter of root's, in another user's folder",
        functools.partial(_library, _planted_folder),
    ),
    "library-module": (
        "another user's os.py in the library of an interpreter of root's",
        functools.partial(_library, _planted_module("os.py")),
    ),
    "library-start-up": (
        "another user's sitecustomize.py in the library of an interpreter of root's",
        functools.partial(_library, _planted_module("sitecustomize.py")),
    ),
    "library-packages": (
        "another user's site-packages in an interpreter of root's",
        functools.partial(_library, _planted_packages),
    ),
}
"""By name: what is another user's, and how that is planted."""


@contextlib.contextmanager
def _planted(ground: Ground) -> Iterator[Plant]:
    folder = ground.folder / "planted"
    folder.mkdir()
    plant = Plant(folder, ground.loose, ground.strict)
    plant.witness.touch()
    plant.witness.chmod(0o666)
    try:
        yield plant
    finally:
        shutil.rmtree(folder)


def _inject(name: str, ground: Ground) -> Sequence[str]:
    need_root()
    with _planted(ground) as plant:
        words, changes = PLANTED[name][1](plant)
        if "--interpreter" in words:
            words = (*words, "--only", "given_*", "--only", "environment_*", "--only", "*python*")
        after = ground.matrix(*words, **changes)
        found = broken(after, ground.expected())
        as_whom = set(plant.witness.read_text().split())
        return [*found, *(f"it ran as user {user}" for user in as_whom - {str(NOBODY)})]


def _parents(name: str, text: Callable[[Plant], str], ground: Ground) -> Sequence[str]:
    """Plant another user's file in a folder above the checkout, in which whoever looks upwards finds it."""
    need_root()
    with _planted(ground) as plant:
        path = ground.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(plant))
        os.chown(path, NOBODY, NOBODY)
        try:
            words = ("--made", "--fresh", "--clients", "urllib3", *ground.words[3:])
            after = ground.session("matrix", "--", *words, variables={"UV_OFFLINE": "1"})
        finally:
            path.unlink()
        read = plant.witness.read_text()
        reason = " ".join(row["reason"] for row in (after.rows or {}).values())
        found = (
            broken(after, Expected({}))
            if "theirs.invalid" not in reason
            else [f"it is heeded: {reason[:200]}"]
        )
        return [*found, *([f"it was run: {read}"] if read else [])]


def _git(plant: Plant) -> str:
    return f"[core]\nrepositoryformatversion = 0\nfsmonitor = {plant.script(plant.folder / 'monitor')}\n"


FAMILY = Family(
    "owners",
    "nothing of it runs as root; a row or the session says who could change it, and all other rows are right",
    (
        *(Fault(name, what, functools.partial(_inject, name)) for name, (what, _) in PLANTED.items()),
        Fault(
            "uv-toml",
            "another user's uv.toml above the checkout, with an index of its own",
            functools.partial(
                _parents,
                "uv.toml",
                lambda _: '[[index]]\nurl = "http://theirs.invalid/simple"\ndefault = true\n',
            ),
        ),
        Fault(
            "uv-pyproject",
            "another user's pyproject.toml above the checkout, with an index of its own",
            functools.partial(
                _parents,
                "pyproject.toml",
                lambda _: '[[tool.uv.index]]\nurl = "http://theirs.invalid/simple"\ndefault = true\n',
            ),
        ),
        Fault(
            "git",
            "another user's git repository above the checkout, whose configuration names a program",
            functools.partial(_parents, ".git/config", _git),
        ),
    ),
)
