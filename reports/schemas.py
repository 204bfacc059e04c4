"""Writes the JSON Schemas of all files that others' programs read: `python -m reports.schemas --write`.

They are made from the types that read and write the files; without --write, says which are out of date.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import itertools
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from interpreters.documents import Document
from interpreters.hardening.stamp import StampFile
from reports.compare_files import CompareDocument
from reports.formats.bench_contract import BenchDocument
from reports.formats.gate_contract import GateDocument
from reports.formats.matrix_contract import MatrixFile
from reports.formats.records_contract import ObservationDocument, RunFile
from reports.formats.remedies_contract import RemediesFile
from reports.formats.served_contract import ServedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER = Path(__file__).parent / "formats"


VERSION = "schema_version"
VERSION_TEXT = "Version of this schema; it changes when a reader of the old one would be misled."


@dataclass(frozen=True)
class Contract:
    """A file, or a line of one, and the type that says what it holds."""

    title: str
    kind: type[Document]

    def __str__(self) -> str:
        """Return what it is about."""
        return self.title

    @property
    def schema(self) -> Path:
        """The file with its schema, which is named like the file that it is about."""
        name = self.title.rpartition(" ")[2].partition(".")[0]
        return FOLDER / f"{name}.schema.json"


CONTRACTS = (
    Contract("bench.json", BenchDocument),
    Contract("compare.json", CompareDocument),
    Contract("gate.json", GateDocument),
    Contract("harden.json", StampFile),
    Contract("matrix.json", MatrixFile),
    Contract("One line of observations.jsonl", ObservationDocument),
    Contract("record.json", ServedFile),
    Contract("remedies.json", RemediesFile),
    Contract("run.json", RunFile),
)


def build_schema(contract: Contract) -> dict[str, Any]:
    """Return the schema of a file, in which every key is described by the text behind its field."""
    components = dict(msgspec.json.schema_components([contract.kind], ref_template="#/$defs/{name}")[1])
    kinds = {kind.__name__: kind for kind in _documents(Document)}
    for name, schema in components.items():
        if "description" in schema:
            schema["description"] = _in_one_line(schema["description"])
        if name in kinds:
            described = {VERSION: VERSION_TEXT, **_described(kinds[name])}
            for key, inner in schema["properties"].items():
                schema["properties"][key] = {"description": described[key], **inner}
            schema.update(kinds[name].RULES)
    root = components.pop(contract.kind.__name__)
    (version,) = root["properties"][VERSION]["enum"]
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "title": f"{contract.title}, {VERSION} {version}",
        "$defs": components,
    }
    # A default may be a tuple, which JSON has not.
    return dict(msgspec.json.decode(msgspec.json.encode(whole)))


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def _documents(kind: type[Document]) -> Iterator[type[Document]]:
    """Give a type and all that are made from it."""
    yield kind
    for further in kind.__subclasses__():
        yield from _documents(further)


def _described(kind: type[Document]) -> dict[str, str]:
    """Return the texts behind the fields of a type, each in one line, by the fields' names."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        body = ast.parse(inspect.getsource(owner)).body if issubclass(owner, Document) else []
        statements = body[0].body if body and isinstance(body[0], ast.ClassDef) else []
        for field, text in itertools.pairwise(statements):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    found[name] = _in_one_line(words)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schemas, or name those that are out of date; return 1 if there are any."""
    parser = argparse.ArgumentParser("python -m reports.schemas", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write them, in place of those that are there")
    write = parser.parse_args(arguments).write
    stale = 0
    for contract in CONTRACTS:
        text = json.dumps(build_schema(contract), indent=2) + "\n"
        path = contract.schema
        if write:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale += 1
            print(f"{path} is out of date: run python -m reports.schemas --write")
    return int(stale > 0)


if __name__ == "__main__":
    sys.exit(main())
