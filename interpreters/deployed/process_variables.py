"""Takes from the variables of a running process those that decide what it loads, and nothing else."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.deployed.invocation import WHOLE, shell_folder
from interpreters.process_environment import PATHS, absolute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from interpreters.deployed.proc import ProcessRecord

DECIDING = (
    *("OPENSSL_CONF", "OPENSSL_CONF_INCLUDE", "OPENSSL_MODULES", "OPENSSL_ENGINES"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT"),
)
"""The variables that decide which library a process gets, and how that is configured: see openssl-env(7) and
ld.so(8). By name, because LD_SDK_KEY has to do with feature flags rather than with ld.so."""

SHOWN = (*DECIDING, "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Those whose values a report has. Whom a process trusts decides on no version, and a probe trusts our
servers alone, so the last two are not applied. By name, because SSL_KEY_PASSWORD is nobody's business."""

APPLIED = (
    *DECIDING,
    *("PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONSAFEPATH", "PYTHONPLATLIBDIR"),
)
"""Those that a fresh process is started with: those of Python decide what it loads (python(1)). So does
PYTHONUSERBASE, which has to be told from HOME."""

LISTS = {
    "LD_LIBRARY_PATH": ":;",
    "LD_PRELOAD": ": ",
    "LD_AUDIT": ":",
    "PYTHONPATH": ":",
    "PYTHONHOME": ":",
}
"""Which of them name several files or folders, and what may stand between those: ld.so(8), python(1)."""

_CFG_BYTES = 64 * 1024


def applied_variables(
    record: ProcessRecord, env: Mapping[str, str], environment: Path | None
) -> dict[str, str | None]:
    """Return the variables that a fresh process is started with in place of those in `env`.

    None for those that are in `env` and the process has not. `environment` is the virtual environment that it
    is in, if any. Relative paths are meant where it is at work now, which may be another folder than the one
    that it was started in: that is not kept anywhere.
    """
    given = record.variables or {}
    found = {name: given[name] for name in APPLIED if name in given}
    folder = Path(record.folder)
    found |= absolute(found, folder)
    # An empty list is as good as none; an empty OPENSSL_CONF is not, and names no configuration at all.
    found = {name: text for name, text in found.items() if text or name not in LISTS}
    for name in LISTS.keys() & found.keys():
        found[name] = LISTS[name][0].join(_in(folder, part, name) for part in parts(name, found[name]))
    gone = {name: None for name in APPLIED if name in env and name not in found}
    return found | gone | _user_base(record, env, environment)


def started_elsewhere(record: ProcessRecord) -> str:
    """Say that it is not known what a relative path among the applied variables leads to; empty if it is."""
    given, shell = record.variables or {}, shell_folder(record)
    if not shell:
        return ""
    for name in (name for name in APPLIED if given.get(name)):
        for part in parts(name, given[name]) if name in LISTS else [given[name]]:
            if part.startswith("/") or not _is_path(part, name):
                continue
            named = "a relative path" if name.startswith("PYTHON") else f"the relative path {part}"
            where = f"it may have been started in {shell}, and is at work in {record.folder}: {WHOLE}"
            return f"{name} names {named}, and {where}"
    return ""


def shown_variables(record: ProcessRecord) -> dict[str, str]:
    """Return the variables of a process that a report has with their values."""
    return {name: text for name, text in (record.variables or {}).items() if name in SHOWN}


def named_files(variables: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Give each file or folder that applied variables name, by its real path, with the variable."""
    for name, text in variables.items():
        if name in LISTS:
            named = [part for part in parts(name, text) if "/" in part]
        else:
            named = [text] if name in PATHS or "/" in text else []
        for part in filter(None, named):
            yield name, Path(os.path.realpath(part))


def parts(name: str, text: str) -> list[str]:
    """Return what a list among the variables names."""
    return re.split(f"[{LISTS[name]}]", text)


def _in(folder: Path, part: str, name: str) -> str:
    """Return one of several paths where it is meant."""
    return str(folder / part) if _is_path(part, name) else part


def _is_path(part: str, name: str) -> bool:
    """Whether what a variable names is a path; a library without a folder is looked for by ld.so."""
    if name not in (*LISTS, *PATHS):
        return False
    is_bare = name in ("LD_PRELOAD", "LD_AUDIT") and "/" not in part
    return not is_bare and not part.startswith("$")


def _user_base(
    record: ProcessRecord, env: Mapping[str, str], environment: Path | None
) -> dict[str, str | None]:
    """Return what lets a fresh process find the packages in the home of that user, if there are any.

    An environment does not see those, unless it sees the interpreter's own: see site, and PEP 405.
    """
    if environment and not _sees_system(environment):
        return {}
    given = record.variables or {}
    base = given.get("PYTHONUSERBASE") or str(Path(given.get("HOME") or _home(record.uid), ".local"))
    if base == env.get("PYTHONUSERBASE"):
        return {}
    there = base.startswith("/") and any(Path(base).glob("lib/*/site-packages"))
    return {"PYTHONUSERBASE": base if there else None}


def _sees_system(environment: Path) -> bool:
    file = environment / "pyvenv.cfg"
    try:
        if not file.is_file():  # a pipe would never end
            return False
        with file.open("rb") as opened:
            text = opened.read(_CFG_BYTES).decode(errors="replace")
    except OSError:
        return False
    return bool(
        re.search(r"^include-system-site-packages\s*=\s*true\s*$", text, re.MULTILINE | re.IGNORECASE)
    )


def _home(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/"
