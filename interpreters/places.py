"""Places: where Pythons are that do not run on this machine, and how a command gets there."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import PROBES
from interpreters.errors import FloorError
from interpreters.owners import not_as_root
from interpreters.process_environment import PASSED_THROUGH, never_read, runners
from interpreters.processes import run
from interpreters.tables import tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from interpreters.tables import Table

TABLE = Path(__file__).with_name("places.toml")
REACH = PROBES / "reach.py"

STARTER = (
    "import os, sys; sys.path.append(os.path.dirname(sys.argv[1])); del sys.argv[1];"
    " import reach; reach.main()"
)
"""How this tool's Python starts the near end: as a module, which Python keeps compiled. A script is compiled
again at each start, and that takes longer than all else that the near end does."""

MARK = "TLS-FLOOR-REACH "
"""How a line of the near end's own begins: see probes/reach.py."""

ANSWER_LIMIT = 25.0
"""Seconds that a place has to answer: less than a probe may be silent."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a command finds a Python that does not get our own PATH (hier(7))."""

CHOICE = ("python3", "python", "python2", "/usr/libexec/platform-python", "/usr/local/bin/python3")
"""What a Python in a place is called, the likeliest first; the others are found by looking for them there."""

NO_PYTHON = "there is no Python that starts: none of"
"""How a place says so."""

CHOOSER = (
    f"for p in {' '.join(CHOICE)}; do if command -v $p >/dev/null 2>&1 && $p -c '' >/dev/null 2>&1;"
    f" then exec $p -c \"$1\"; fi; done; echo '{NO_PYTHON} {', '.join(CHOICE)}' >&2; exit 127"
)
"""Lets a shell of the place choose the Python, so that the place is entered once."""


DIGEST = re.compile(r"sha256:[0-9a-f]{64}|SHA256:[A-Za-z0-9+/]{43}")
"""The digest of an image, or the fingerprint of a key as OpenSSH writes it."""


LATER = ("root", "variables")
"""What of a way stays as it is until the place is entered: image_archives.py fills it in."""


class PlaceError(FloorError):
    """A place makes no sense, or cannot be entered; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Place:
    """A place: its name, the words before its Python, and whether its far end is a shell."""

    kind: str
    """A table of places.toml; empty for this machine."""
    name: str
    prefix: tuple[str, ...] = ()
    shell: bool = False
    passes: tuple[str, ...] = ()
    """Patterns of the variables of this process that the prefix is started with."""
    identity: tuple[str, ...] = ()
    """The command that says here which place it is; empty for none."""
    away: bool = False
    """Whether it is on another machine."""
    severs: bool = False
    """Whether the prefix may be ended at any time: what is in the place then ends by itself."""

    def __str__(self) -> str:
        """Return the place as the user names it, which is the host of its report."""
        return f"{self.kind}:{self.name}" if self.kind else self.name

    @property
    def is_local(self) -> bool:
        """Whether this is the machine that the tool runs on."""
        return not self.kind


LOCAL = Place("", "local")
"""This machine."""


@dataclass(frozen=True)
class PlaceKind:
    """A kind of places as its table describes it; the keys are explained at the head of the file."""

    id: str
    name: str
    example: str
    about: str
    ways: tuple[str, ...]
    pattern: str = ""
    shell: bool = False
    passes: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    away: bool = False
    severs: bool = False

    @property
    def word(self) -> str:
        """What stands before the colon: an id has no hyphen."""
        return self.id.replace("_", "-")


@dataclass(frozen=True)
class Passenger:
    """What is started in a place: a script of probes/ in a Python there."""

    python: Path | None
    """None for whichever Python there is."""
    arguments: tuple[str | Path, ...]
    """What stands behind the Python: words of its own, the script, and the script's arguments."""
    files: Mapping[str, str] = field(default_factory=dict)
    """By name, the text of further files; `{folder}/NAME` among the arguments is such a file."""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """By name, folders of this machine whose files travel; there each is `{folder}/NAME`."""
    converse: bool = False
    """Whether it reads standard input."""
    limit: float = 60.0
    """Seconds that all of it may take, once the place has answered."""
    keep: tuple[str, ...] = ()
    """Patterns of further variables of the place that it gets."""
    start: tuple[str, ...] = ()
    """What a Python is started by that is not named: words up to the text that it runs."""


def command(place: Place, passenger: Passenger, env: Mapping[str, str | None]) -> list[str]:
    """Return the command that runs a passenger in a place and behaves as the passenger itself would.

    `env` is what is set there, or with None not passed on, beside what the place has; of OPENSSL_CONF the
    file travels. The command itself is started in this process's environment, of which the prefix gets what
    `place` says.
    """
    script = next(i for i, word in enumerate(passenger.arguments) if Path(word).is_relative_to(PROBES))
    words, arguments = passenger.arguments[:script], map(_there, passenger.arguments[script + 1 :])
    named = str(passenger.python) if passenger.python else ""
    spec = {
        "prefix": place.prefix,
        "start": passenger.start or (named, "-c"),
        "shell": place.shell,
        "severs": place.severs,
        "pass": place.passes,
        "path": _path_for(place),
        "python": named,
        "words": [str(word) for word in words],
        "script": str(Path(passenger.arguments[script]).relative_to(PROBES)),
        "arguments": list(arguments),
        "files": dict(passenger.files),
        "folders": {name: str(folder) for name, folder in passenger.folders.items()},
        "keep": [*sorted(PASSED_THROUGH), "LC_*", *passenger.keep],
        "set": {**never_read("{folder}/home"), **env},
        "converse": passenger.converse,
        "answer": ANSWER_LIMIT,
        "limit": passenger.limit,
    }
    return [sys.executable, "-I", "-S", "-c", STARTER, str(REACH), json.dumps(spec)]


def _there(word: str | Path) -> str:
    """Return an argument as it is in a place: what is of the probe's is in the folder there."""
    path = Path(word)
    return f"{{folder}}/{path.relative_to(PROBES.parent)}" if path.is_relative_to(PROBES) else str(word)


def _path_for(place: Place) -> str:
    """Return the PATH of the command that leads to a place; empty for our own.

    Where what is there gets our own, it gets that without this tool's environments, which are no part of a
    place.
    """
    if "*" in place.passes:
        return ""
    if "PATH" not in place.passes:
        return PATH
    ours = {Path(os.path.realpath(folder)) for folder in (PROBES.parent, *runners(os.environ))}
    folders = os.environ.get("PATH", PATH).split(os.pathsep)
    return os.pathsep.join(each for each in folders if ours.isdisjoint(_and_above(each)))


def _and_above(folder: str) -> tuple[Path, ...]:
    real = Path(os.path.realpath(folder))
    return (real, *real.parents)


def identity_of(place: Place) -> str:
    """Return the digest of the place's image, or the fingerprint of its host key, as the command here has it.

    Empty where the place has neither, or it cannot be told.
    """
    if not place.identity:
        return ""
    try:
        _, output = run(place.identity, os.environ, ANSWER_LIMIT)
    except (OSError, subprocess.SubprocessError):
        return ""
    # Several are those of a jump host, or of other containers, too.
    found = set(DIGEST.findall(output))
    return found.pop() if len(found) == 1 else ""


@cache
def read_kinds(path: Path = TABLE) -> tuple[PlaceKind, ...]:
    """Read and check a file of kinds of places; raises TableError that names the entry at fault."""
    return tuple(
        _kind(name, table) for name, table in tables(path.name, path.read_bytes(), PlaceKind).items()
    )


def _kind(name: str, table: Table) -> PlaceKind:
    pattern = table.get("pattern", str, "[^-].*")
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        table.refuse(f"pattern is {pattern!r}, which is no regular expression: {error}")
    ways = table.texts("ways", "chroot {name}")
    for way in (*ways, *table.texts("identities", "podman inspect {name}")):
        for group in re.findall(r"\{(\w*)\}", way):
            if group not in ("name", "words", *LATER, *groups):
                table.refuse(f"ways has {{{group}}}, which is no group of the pattern")
    identities = table.texts("identities", "podman inspect {name}")
    if identities and len(identities) != len(ways):
        table.refuse(f"identities has {len(identities)} commands for {len(ways)} ways: one for each")
    return PlaceKind(
        id=name,
        name=table.get("name", str),
        example=table.get("example", str),
        about=table.get("about", str),
        ways=ways,
        pattern=pattern,
        shell=table.get("shell", bool, default=False),
        passes=table.texts("passes", "PATH"),
        roots=table.texts("roots", "chroot"),
        identities=identities,
        away=table.get("away", bool, default=False),
        severs=table.get("severs", bool, default=False),
    )


def ways_to(text: str, kinds: Sequence[PlaceKind] | None = None) -> tuple[Place, ...]:
    """Return the place that KIND:NAME means, once for each way to enter it; raises PlaceError.

    Whether a Python answers is found out by entering it.
    """
    known = {kind.word: kind for kind in (read_kinds() if kinds is None else kinds)}
    word, colon, name = text.partition(":")
    if (kind := known.get(word)) is None or not colon:
        examples = ", ".join(f"{kind.word}:{kind.name}" for kind in known.values())
        msg = f"--place {text!r}: a place is local or one of {examples}"
        raise PlaceError(msg)
    matched = re.fullmatch(kind.pattern, name, re.DOTALL)
    if matched is None or "\0" in name:
        msg = f"--place {text!r}: {name!r} is no name of {kind.about}; such a place is {word}:{kind.example}"
        raise PlaceError(msg)
    groups = {group: found or "" for group, found in matched.groupdict().items()}
    groups |= {"name": name, **{word: f"{{{word}}}" for word in LATER}}
    found = [
        Place(
            word,
            name,
            _words(way, groups, text),
            kind.shell,
            kind.passes,
            _words(identity, groups, text),
            kind.away,
            kind.severs,
        )
        for way, identity in itertools.zip_longest(kind.ways, kind.identities, fillvalue="")
    ]
    refused = [refusal for place in found if (refusal := _refusal(place.prefix, kind, name))]
    usable = [place for place in found if not _refusal(place.prefix, kind, name)]
    if not usable:
        msg = f"{text}: {'; '.join(refused)}"
        raise PlaceError(msg)
    return tuple(usable)


def _words(way: str, groups: Mapping[str, str], text: str) -> tuple[str, ...]:
    """Fill in the words of a way; raises PlaceError where the words of the name cannot be told apart."""
    found: list[str] = []
    for word in shlex.split(way):
        if word == "{words}":
            try:
                found += shlex.split(groups["name"])
            except ValueError as error:
                msg = f"--place {text!r}: its words cannot be told apart: {error}"
                raise PlaceError(msg) from error
            continue
        named = re.findall(r"\{(\w+)\}", word)
        if all(groups[name] for name in named):
            found.append(re.sub(r"\{(\w+)\}", lambda matched: groups[matched[1]], word))
    return tuple(found)


def _refusal(prefix: Sequence[str], kind: PlaceKind, name: str) -> str:
    """Say why a way cannot be taken; empty if it can, as far as can be told from here."""
    if not prefix:
        return "there is no command in it"
    if shutil.which(prefix[0]) is None:
        return f"there is no command {prefix[0]!r} here that can be run"
    if prefix[0] in kind.roots and os.geteuid() == 0 and (why := not_as_root(name)):
        return f"{prefix[0]} would give root's rights to what is there: {why}"
    return ""
