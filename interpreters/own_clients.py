"""Reads the client files of the user's own, and says in one sentence what is wrong with one."""

from __future__ import annotations

import ast
import hashlib
import platform
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from interpreters.clients import Client, clients, read_client
from interpreters.errors import FloorError
from interpreters.owners import not_as_root

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

LARGEST = 1 << 20
"""Bytes of a client file; ours have two thousand, and what is no such file may never end."""

CONSTANTS = {
    **dict.fromkeys(("REQUIREMENT", "GROUPS", "NEEDS", "LIBRARY", "FLOOR"), str),
    **dict.fromkeys(
        ("READS_OPENSSL_CONF", "LOOKS_UP", "TRIES_AGAIN", "ON_URLLIB3", "APART", "HEAVY", "NO_FLOOR"), bool
    ),
}
"""What it may say in constants, which are read without importing the file, and of what type each is. TLS is
not among them: what the library is shows only where it is loaded."""


class ClientFileError(FloorError):
    """A file that --client names cannot be measured; the message says why, and what to do."""


@dataclass(frozen=True)
class OwnClient:
    """A client of the user's: what its file says of it, and the file as it was read."""

    client: Client
    path: Path
    text: str
    """What is run in each interpreter: the file may be another by then."""
    sha256: str


def own_clients(paths: Sequence[Path]) -> tuple[OwnClient, ...]:
    """Return the clients in these files; raises ClientFileError."""
    found: dict[str, OwnClient] = {}
    known = clients() if paths else {}
    for path in paths:
        own = _read(path, known)
        name = own.client.id
        if name in known:
            _refuse(path, f"the tool has a client {name} already; give the file another name")
        if name in found:
            _refuse(path, f"{found[name].path} gives a client {name} too; give one of the files another name")
        found[name] = own
    return tuple(found.values())


def _refuse(path: Path, fact: str) -> NoReturn:
    msg = f"--client {str(path)!r}: {fact}"
    raise ClientFileError(msg)


def _read(path: Path, known: Collection[str]) -> OwnClient:
    raw = _bytes(path)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", path.stem) or path.suffix != ".py":
        _refuse(path, "its name names the client: give it one of letters, digits and _, and .py at its end")
    try:
        text = raw.decode("utf-8")
        tree = ast.parse(text)
    except UnicodeDecodeError as error:
        _refuse(path, f"it is no UTF-8 ({error.reason} at byte {error.start}); save it as such")
    except (SyntaxError, ValueError, RecursionError) as error:
        words = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else str(error)
        _refuse(path, f"Python {platform.python_version()}, which runs the tool, cannot parse it: {words}")
    if "fetch" not in _names(tree):
        _refuse(path, "it has no function fetch; probes/README.md says what a client file has")
    _check_constants(path, tree, known)
    return OwnClient(read_client(path.stem, tree), path, text, hashlib.sha256(raw).hexdigest())


def _bytes(path: Path) -> bytes:
    """Return what is in a file that root, too, may run."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        _refuse(path, "there is no such file")
    except OSError as error:
        _refuse(path, f"it cannot be read: {error.strerror or error}")
    if not stat.S_ISREG(mode):
        _refuse(path, "it is no file")
    if refusal := not_as_root(path):
        _refuse(path, refusal)
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        _refuse(path, f"it cannot be read: {error.strerror or error}")
    if len(raw) > LARGEST:
        _refuse(path, f"it is longer than {LARGEST} bytes, which no client file is")
    return raw


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that the statements at the top of a file bind."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in statement.names)
        elif isinstance(statement, ast.Assign):
            yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


def _check_constants(path: Path, tree: ast.Module, known: Collection[str]) -> None:
    """Refuse a constant that cannot be read without running the file, or that makes no sense."""
    for statement in (statement for statement in tree.body if isinstance(statement, ast.Assign)):
        for name in (target.id for target in statement.targets if isinstance(target, ast.Name)):
            if name == "REFERENCE":
                _refuse(path, "REFERENCE is for a client of the tool's, which has no row; take it out")
            value = statement.value.value if isinstance(statement.value, ast.Constant) else None
            if name in CONSTANTS and not isinstance(value, CONSTANTS[name]):
                wanted = 'a plain text, such as "..."' if CONSTANTS[name] is str else "True or False"
                _refuse(path, f"{name} must be {wanted}: it is read without running the file")
            if name == "FLOOR" and value not in known:
                _refuse(path, f"FLOOR names {value!r}; it is one of {', '.join(known)}")
