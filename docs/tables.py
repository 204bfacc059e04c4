"""Writes the tables of these pages that the code has already: `.nox/tests/bin/python docs/tables.py --write`.

A server's row comes from its entry in the catalogue, a client's from its file, and so on; without --write,
says which pages are out of date. Such a table stands between `<!-- table NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

from interpreters.clients import CLIENTS, EVERY, GROUPS, clients  # noqa: E402
from interpreters.hardening.recipes import read_recipes  # noqa: E402
from interpreters.places import read_kinds  # noqa: E402
from interpreters.programs import read_programs  # noqa: E402
from reports.report import formats  # noqa: E402
from reports.schemas import CONTRACTS  # noqa: E402
from servers.catalogue import Certificate, KeyExchange, Role, read_catalogue  # noqa: E402
from servers.protocols import LADDER  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from interpreters.clients import Client
    from interpreters.hardening.recipes import Recipe
    from interpreters.places import PlaceKind
    from interpreters.programs import Program
    from reports.formats.format import Format
    from servers.catalogue import Server

PAGES = (HERE / "reference.md", HERE / "how-to.md")
COMMAND = ".nox/tests/bin/python docs/tables.py --write"

MARKED = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
"""A table in a page, with its marks and its name."""


def client_rows(known: Iterable[Client], folder: Path = CLIENTS) -> Iterator[Sequence[str]]:
    """Give the head, then each client that has rows of its own: what its file says it is, what it needs."""
    yield "id", "is", "has to be installed", "groups"
    for client in known:
        if not client.reference:
            needs = ", ".join(f"`{word}`" for word in client.requirement.split()) or "nothing"
            if client.needs_environment:
                needs = "measured only where it is installed"
            with_it = f"the {client.library} that comes with {needs}" if client.library else needs
            groups = ", ".join(f"`{group}`" for group in client.groups)
            yield f"`{client.id}`", _purpose(folder / f"{client.id}.py"), with_it, groups


def group_rows(known: Sequence[Client]) -> Iterator[Sequence[str]]:
    """Give the head, then each group of clients: what is in it, and how many clients there are."""
    yield "group", "has", "clients"
    measured = [client for client in known if not client.reference]
    for group, meaning in GROUPS.items():
        yield f"`{group}`", meaning, str(sum(group in client.groups for client in measured))
    yield f"`{EVERY}`", "every client", str(len(measured))


def _purpose(path: Path) -> str:
    """Return what the first line of a file says behind its name: ``Client `ssl`: WHAT.``."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].partition(": ")[2].removesuffix(".")


def server_rows(servers: Iterable[Server]) -> Iterator[Sequence[str]]:
    """Give the head, then each server that does not tamper: what it speaks, and what an answer tells."""
    yield "id", "speaks", "key exchange", "tells"
    for server in servers:
        if server.role is not Role.ATTACK:
            speaks = ", ".join(protocol for protocol in LADDER if protocol in server.protocols)
            exchange = "any" if server.key_exchange is KeyExchange.ANY else server.key_exchange.upper()
            aside = " with an ECDSA certificate" if server.certificate is Certificate.ECDSA else ""
            yield f"`{server.id}`", speaks, exchange + aside, server.why


def attack_rows(servers: Iterable[Server]) -> Iterator[Sequence[str]]:
    """Give the head, then each server that tampers: what it does, and what a client must do."""
    yield "id", "does", "a client must"
    for server in servers:
        if server.role is Role.ATTACK:
            must = f"abort with {server.expect}" if server.expect else "not come back with less"
            yield f"`{server.id}`", server.why, f"{must} ({server.source})"


def program_rows(programs: Iterable[Program]) -> Iterator[Sequence[str]]:
    """Give the head, then each program, with the words that set the floor for it."""
    yield "id", "holds TLS 1.2 with"
    for program in programs:
        yield f"`{program.id}`", f"`{' '.join(program.floor)}`" if program.floor else "no option of its own"


def place_rows(kinds: Iterable[PlaceKind]) -> Iterator[Sequence[str]]:
    """Give the head, then each kind of places: its name, what it is, and which command leads there."""
    yield "place", "is", "by"
    for kind in kinds:
        by = [shlex.split(way)[0] for way in kind.ways]
        yield (
            f"`{kind.word}:{kind.name}`",
            kind.about,
            " or ".join(f"`{word}`" for word in by if word[0] != "{") or "themselves",
        )


def build_rows(recipes: Sequence[Recipe]) -> Iterator[Sequence[str]]:
    """Give the head, then each recipe: its versions, where it is the default, and what it is for."""
    yield "recipe", "OpenSSL", "Python", "for"
    for recipe in recipes:
        systems = [system.capitalize() for system in recipe.default_for]
        systems += ["elsewhere"] if recipe is recipes[0] else []
        default = f" (default on {' and '.join(systems)})" if systems else ""
        end = "; end of life" if recipe.end_of_life else ""
        yield f"`{recipe.id}`{default}", recipe.openssl.version, recipe.python.version, recipe.why + end


def file_rows(known: Iterable[Format]) -> Iterator[Sequence[str]]:
    """Give the head, then each format: who writes its file, for whom, and where its schema is."""
    yield "file", "written by", "for"
    schemas = {contract.title.rpartition(" ")[2]: contract.schema for contract in CONTRACTS}
    for form in known:
        schema = schemas.get(form.file)
        link = f"; [its schema](../{schema.relative_to(HERE.parent)})" if schema else ""
        yield f"`{form.file}`", form.writer, form.purpose + link


TABLES: dict[str, Callable[[], Iterator[Sequence[str]]]] = {
    "clients": lambda: client_rows(clients().values()),
    "groups": lambda: group_rows(tuple(clients().values())),
    "places": lambda: place_rows(read_kinds()),
    "servers": lambda: server_rows(read_catalogue().servers),
    "attacks": lambda: attack_rows(read_catalogue().servers),
    "programs": lambda: program_rows(read_programs(own=None)),
    "builds": lambda: build_rows(read_recipes()),
    "files": lambda: file_rows(formats()),
}


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as a table, of which the first is the head."""
    head, *body = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, *body]).replace(
        "\n", f"\n|{'---|' * len(head)}\n", 1
    )


def filled(page: str) -> str:
    """Return a page's text with each marked table as the code has it; KeyError for one of no name here."""
    return MARKED.sub(lambda found: f"{found[1]}{markdown(TABLES[found[2]]())}{found[3]}", page)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, or name the pages in which any is out of date; return 1 if there are such."""
    parser = argparse.ArgumentParser("python docs/tables.py", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write them, in place of those that are there")
    write = parser.parse_args(arguments).write
    stale = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if write:
            page.write_text(filled(text), encoding="utf-8")
        elif filled(text) != text:
            stale += 1
            print(f"{page} has tables that are out of date: run {COMMAND}")  # noqa: T201  a program's answer
    return int(stale > 0)


if __name__ == "__main__":
    sys.exit(main())
