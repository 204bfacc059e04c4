"""Tells in which environment uWSGI runs its Python: it embeds one, and its own options name the folder.

Source: uWSGI's plugins/python/python_plugin.c, and its documentation, "Configuring uWSGI".
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.regular import read_regular
from interpreters.since import LAG
from interpreters.wrapper import RELEVANT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from interpreters.deployed.proc import ProcessRecord

HOMES = ("home", "virtualenv", "venv", "pyhome")
"""The options that name the environment, of which `-H` is short."""

PATHS = ("pythonpath", "python-path", "pp")
"""Those that name further folders of packages."""

INI = "ini"
"""That which names a file of options, as a word alone does that ends so."""

FURTHER = re.compile(
    r"(yaml|yml|xml|xmlconfig|json|js|lua|sqlite3?|ldap|x|y|j|config|include|inherit|ini-paste.*|if-.*|for-.*|emperor)"
)
"""Those that bring options from elsewhere, or only sometimes, which is not followed."""

KINDS = (INI, "xml", "yaml", "yml", "json", "js", "lua", "sqlite", "sqlite3")
"""How a word ends that names a file of options by itself."""

UNTOLD = ("no-site", "py-programname", "py-program-name", "pymodule-alias")
"""Those by which Python is started otherwise than a fresh one would be."""

FILE_LIMIT = 1 << 20
"""Bytes of a file of options."""

_LIBRARY = re.compile(r"/libpython(\d\.\d+)[^/]*\.so")


@dataclass(frozen=True)
class UwsgiSettings:
    """What the options of a uWSGI say of its Python."""

    home: Path | None = None
    """The environment's folder; None where none is named."""
    problem: str = ""
    """Why a fresh process of that environment would not be the same; empty if it would."""
    paths: tuple[Path, ...] = ()
    """Where it looks for packages before those of the environment."""


def is_uwsgi(record: ProcessRecord) -> bool:
    """Whether a process is a uWSGI, by whichever name distributions install it."""
    return Path(record.executable).name.startswith("uwsgi")


def settings_of(record: ProcessRecord) -> UwsgiSettings:
    """Return what the words of a process, its variables and its file of options say of its Python."""
    options = [*_of_variables(record.variables or {}), *_of_words(record.words[1:])]
    problem = ""
    files = dict.fromkeys(Path(record.folder, value) for name, value in options if name == INI)
    for file in files:
        found, why = _of_file(file, record.began)
        options, problem = [*options, *found], problem or why
    homes = {str(Path(record.folder, value)) for name, value in options if name in HOMES}
    if not homes:
        return UwsgiSettings()
    home = Path(os.path.normpath(homes.pop()))
    problem = (
        (homes and "its options name several environments")
        or problem
        or next(filter(None, (_untold(*option) for option in options)), "")
        or _another_python(record, home)
    )
    paths = [Path(record.folder, value) for name, value in options if name in PATHS]
    return UwsgiSettings(home, problem, (Path(record.folder), *paths))


def _of_variables(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give the options that variables stand for: UWSGI_HOME for home."""
    for name, value in variables.items():
        if name.startswith("UWSGI_"):
            yield name.removeprefix("UWSGI_").lower().replace("_", "-"), value


def _of_words(words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Give the options of a command line; of one without a value, the next word is taken for that."""
    for word, following in zip(words, (*words[1:], ""), strict=False):
        if word.startswith("--"):
            name, sign, value = word[2:].partition("=")
            yield name, value if sign else following
        elif word.startswith("-H"):
            yield "home", word[2:] or following
        elif word.startswith(("-x", "-y", "-j")):
            yield word[1], word[2:] or following
        elif not word.startswith("-") and (kind := Path(word).suffix.removeprefix(".")) in KINDS:
            yield kind, word


def _of_file(file: Path, began: float) -> tuple[list[tuple[str, str]], str]:
    """Return the options of a file, and why they may not be those of a process that began then."""
    try:
        text = read_regular(file, FILE_LIMIT).decode(errors="surrogateescape")
        if began and file.stat().st_ctime >= began - LAG:
            return [], f"its options in {file} changed since it started: restart it"
    except OSError as error:
        return [], f"its options in {file} cannot be read: {error.strerror or error}"
    lines = (line.strip() for line in text.partition("[uwsgi]")[2].partition("\n[")[0].splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith((";", "#")))
    found = [(name.strip(), value.strip()) for name, _, value in pairs]
    nested = any(name == INI for name, _ in found)
    return found, f"its options in {file} name another file" if nested else ""


def _untold(name: str, value: str) -> str:
    """Say why an option decides what cannot be given to a fresh process; empty if it does not."""
    if FURTHER.fullmatch(name) or name in UNTOLD:
        return f"its option {name} decides what is not told here"
    if name in (*HOMES, *PATHS) and re.search(r"[%$@]\(|%[a-zA-Z]", value):
        return f"its option {name} has a value that is put together"
    if name in ("env", "unenv") and value.startswith(RELEVANT):
        return f"its option {name} changes {value.partition('=')[0]}"
    return ""


def _another_python(record: ProcessRecord, home: Path) -> str:
    """Say that the Python that is embedded is of another version than the environment; empty if it is not."""
    versions = {found[1] for file in record.mapped if (found := _LIBRARY.search(file.path))}
    there = [version for version in versions if any(home.glob(f"lib*/python{version}*"))]
    if versions and not there and home.is_dir():
        return f"it embeds Python {', '.join(sorted(versions))}, and {home} is of another"
    return ""
