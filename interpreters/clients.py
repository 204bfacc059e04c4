"""Which clients there are: one file in probes/clients/ each, with its requirement in it."""

from __future__ import annotations

import ast
import itertools
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from interpreters.tables import question

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PROBES = Path(__file__).parent.parent / "probes"
CLIENTS = PROBES / "clients"

GROUPS = {
    "default": "what is measured unless you name others",
    "aws": "what speaks to AWS by its own interfaces",
    "http": "what speaks HTTPS to anybody",
    "s3": "what reads or writes an S3-compatible store",
    "native": "what brings its own TLS library in place of Python's",
}
"""The groups that a client's file may say that it belongs to, and what is in each."""

NEEDS = {
    "head": "an answer to HEAD",
    "length": "the length of what is sent",
    "range": "a part of what is asked for",
    "listing": "the list of a bucket",
    "upload": "an answer to PUT",
    "h2": "HTTP/2, agreed on by ALPN",
    "many": "an answer on each of many connections",
}
"""What a client's file may say that its stack needs of a server beyond an answer to GET."""

EVERY = "all"
"""The word for each client, whichever groups it is in."""

INSTALLER = "pip"
"""The client that nearly each environment has, which says nothing of the application there."""


@dataclass(frozen=True)
class ClientKey:
    """Which client was measured; as text, for files and the probe, it is one word."""

    name: str
    versions: str = ""
    """The versions that were asked for, such as ``botocore-1.20.*+urllib3-1.26``, where there are several."""
    remedy: str = ""
    """The remedy that was applied in a trial; empty in a measurement."""

    def __str__(self) -> str:
        """Return the text, such as ``botocore@botocore-1.20.*`` or ``ssl+openssl.cnf``."""
        versions = f"@{self.versions}" if self.versions else ""
        return f"{self.name}{versions}{f'+{self.remedy}' if self.remedy else ''}"

    def under(self, remedy: str) -> ClientKey:
        """Return the client with a remedy applied: what is observed of it is never of the client alone."""
        return replace(self, remedy=str(remedy))

    @classmethod
    def parse(cls, text: str, remedies: Iterable[str] = ()) -> ClientKey:
        """Read the text back; it may end with one of `remedies`: versions have a ``+`` too."""
        remedy = next((word for word in remedies if text.endswith(f"+{word}")), "")
        name, _, versions = text.removesuffix(f"+{remedy}" if remedy else "").partition("@")
        return cls(name, versions, remedy)


RELAXED = ClientKey("relaxed")
"""The reference client that shows what a build could negotiate if every restriction were lifted."""


@dataclass(frozen=True)
class Client:
    """A client: its id, what must be installed for it, and whether it is only there for reference."""

    id: str
    requirement: str
    reference: bool
    library: str = ""
    """The distribution whose release decides, where that is not the one that is required."""
    floor: str = ""
    """The client whose lines set the floor for this one too, where it has none of its own."""
    on_urllib3: bool = False
    """Whether it speaks through the urllib3 beside it: another version of that may be why a row changed."""
    modules: tuple[str, ...] = ()
    """The top-level modules that its file imports, without which it is not installed: neither Python's own
    nor the probe's."""
    groups: tuple[str, ...] = ()
    """Those of GROUPS that it is in."""
    needs: tuple[str, ...] = ()
    """Those of NEEDS without which a server cannot answer it."""
    apart: bool = False
    """Whether it runs in a process of its own, which is ended where a cell takes too long."""
    no_floor: bool = False
    """Whether nothing in its interface raises the floor."""
    heavy: bool = False
    """Whether what it requires is larger than 15 MB: the tests install that only if they are told to."""

    @property
    def needs_environment(self) -> bool:
        """Whether only an environment that was found can have what the client imports."""
        return bool(self.modules) and not self.requirement

    @property
    def place(self) -> tuple[bool, bool, bool, str]:
        """Where it stands among others: the default ones first, of those what needs least, then by name."""
        extra = "default" not in self.groups
        return extra, not extra and bool(self.requirement), not extra and not self.library, self.id


def clients(folder: Path = CLIENTS) -> dict[str, Client]:
    """Return every client by id, read from its file without importing it (it may need other packages).

    Those that are measured by default come first.
    """
    return {client.id: client for client in _read_folder(folder)}


@cache
def _read_folder(folder: Path) -> tuple[Client, ...]:
    paths = {path.stem: path for path in folder.glob("*.py") if path.stem != "__init__"}
    found = (
        read_client(name, ast.parse(path.read_text(encoding="utf-8")), paths) for name, path in paths.items()
    )
    return tuple(sorted(found, key=lambda client: client.place))


def read_client(name: str, tree: ast.Module, files: Mapping[str, Path] = MappingProxyType({})) -> Client:
    """Return the client of this id whose file has this tree; `files` are those that it may import from."""
    constants = _constants(tree)
    return Client(
        name,
        str(constants.get("REQUIREMENT", "")),
        bool(constants.get("REFERENCE", False)),
        str(constants.get("LIBRARY", "")),
        str(constants.get("FLOOR", "")),
        bool(constants.get("ON_URLLIB3", False)),
        tuple(dict.fromkeys(_modules(tree.body, files))),
        tuple(str(constants.get("GROUPS", "")).split()),
        tuple(str(constants.get("NEEDS", "")).split()),
        bool(constants.get("APART", False)),
        bool(constants.get("NO_FLOOR", False)),
        bool(constants.get("HEAVY", False)),
    )


def chosen(text: str, known: Iterable[Client]) -> tuple[str, ...]:
    """Return the clients that a comma-separated list of names and groups means, in the order of `known`.

    Raises ValueError with a sentence for a word that is neither.
    """
    measured = [client for client in known if not client.reference]
    names = [client.id for client in measured]
    wanted = {word.strip() for word in text.split(",")}
    if unknown := sorted(wanted - {EVERY, *GROUPS, *names}):
        meant = question(unknown[0], (EVERY, *GROUPS, *names))
        msg = (
            f"there is no client or group {unknown[0]!r}; {f'{meant} ' if meant else ''}the groups are"
            f" {', '.join(GROUPS)} and {EVERY}, the clients {', '.join(names)}"
        )
        raise ValueError(msg)
    return tuple(client.id for client in measured if wanted.intersection((EVERY, client.id, *client.groups)))


def requirements(wanted: Mapping[ClientKey, Client]) -> dict[ClientKey, str]:
    """Return what must be installed for each client that needs anything, as words that pip takes."""
    return {key: client.requirement for key, client in wanted.items() if client.requirement}


NEWEST = "newest"
"""What asks for the newest version beside others."""


def specifiers(text: str) -> tuple[str, ...]:
    """Return the versions and specifiers in a comma-separated list; operators side by side are one specifier.

    ``1.20.*,>=1.30,<1.35,newest`` asks for three; without any, the newest is asked for.
    """
    found: list[str] = []
    for word in "".join(text.split()).split(","):
        if word and found and _is_operator(word) and _is_operator(found[-1]):
            found[-1] += f",{word}"
        elif word:
            found.append(word)
    return tuple(dict.fromkeys(found))


def variants(
    wanted: Iterable[Client], botocore: Sequence[str] = (), urllib3: Sequence[str] = ()
) -> dict[ClientKey, Client]:
    """Return the clients to measure, those on botocore once for each pair of the versions asked for.

    A variant is named after its client and the versions that were asked for: ``botocore@botocore-1.20.*``.
    """
    found = {}
    for client in wanted:
        pairs = [("", "")]
        if client.requirement == "botocore":
            pairs = list(itertools.product(botocore or [""], urllib3 or [""]))
        for botocore_version, urllib3_version in pairs:
            versions = ["botocore" + _joined(botocore_version)] if len(botocore) > 1 else []
            versions += ["urllib3" + _joined(urllib3_version)] if len(urllib3) > 1 else []
            found[ClientKey(client.id, "+".join(versions) if len(pairs) > 1 else "")] = replace(
                client,
                requirement=client.requirement
                + pin(botocore_version)
                + (f" urllib3{pin(urllib3_version)}" if urllib3_version else ""),
                library=client.library or client.requirement,
            )
    return found


def pin(specifier: str) -> str:
    """Return what follows a distribution's name: a bare version pins exactly."""
    if not specifier or specifier == NEWEST:
        return ""
    return specifier if _is_operator(specifier) else f"=={specifier}"


def _joined(specifier: str) -> str:
    return specifier if _is_operator(specifier) else f"-{specifier}"


def _is_operator(specifier: str) -> bool:
    return specifier[:1] in tuple("<>=!~")


def _constants(tree: ast.Module) -> dict[str, object]:
    """Return the simple constants that a file assigns at its top level."""
    return {
        target.id: statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


def _modules(body: Iterable[ast.stmt], files: Mapping[str, Path]) -> Iterator[str]:
    """Yield the top-level modules that statements import in any case, and those of the clients among them.

    What is tried is imported in any case if whoever does without it has no other way: each handler raises.
    """
    for statement in body:
        names: list[str] = []
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module == CLIENTS.name:
            for name in [alias.name for alias in statement.names if alias.name in files]:
                others = {other: path for other, path in files.items() if other != name}
                yield from _modules(ast.parse(files[name].read_text(encoding="utf-8")).body, others)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            names = [statement.module]
        elif isinstance(statement, ast.Try) and all(map(_raises, statement.handlers)):
            yield from _modules(statement.body, files)
        yield from filter(_is_theirs, (name.partition(".")[0] for name in names))


def _raises(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)


def _is_theirs(module: str) -> bool:
    """Whether a module is neither Python's own nor one of the probe's."""
    return (
        module not in sys.stdlib_module_names
        and not (PROBES / f"{module}.py").exists()
        and module != CLIENTS.name
    )


@cache
def default_clients() -> tuple[str, ...]:
    """Return the clients that are measured unless the user names others."""
    return tuple(client.id for client in clients().values() if "default" in client.groups)
