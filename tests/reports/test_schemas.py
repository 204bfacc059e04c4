"""The schemas of what others' programs read: made from the types, whole, and not out of date."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from interpreters.documents import Document
from reports import schemas
from reports.schemas import CONTRACTS, Contract, build_schema, main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _parts(schema: Any) -> Iterator[tuple[str, Any]]:
    """Give the schema of a file, and those of all objects in it, by name."""
    yield "", schema
    yield from schema["$defs"].items()


@pytest.mark.parametrize("contract", CONTRACTS, ids=str)
def test_the_stored_schema_is_what_the_types_say(contract: Contract) -> None:
    """What is in the repository is what the command writes."""
    assert json.loads(contract.schema.read_text(encoding="utf-8")) == build_schema(contract)


@pytest.mark.parametrize("contract", CONTRACTS, ids=str)
def test_the_schema_is_whole(contract: Contract) -> None:
    """It follows JSON Schema 2020-12, describes all, is closed, and only later keys have defaults."""
    schema = build_schema(contract)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"].startswith(contract.title)
    for name, part in _parts(schema):
        assert part["description"] or part["enum"], name
        if "enum" not in part:
            assert part["additionalProperties"] is False, name
            needed = [key for key, about in part["properties"].items() if "default" not in about]
            assert needed == part["required"], name
            assert all(key["description"] for key in part["properties"].values()), name


class Cuttlefish(Document, tag_field="schema_version", tag=7):
    """Something that only these tests write."""

    arms: int
    """How many there
    are."""


@pytest.fixture
def contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contract:
    """Let there be one contract, whose schema is written into a folder of its own."""
    one = Contract("a line of cuttlefish.jsonl", Cuttlefish)
    monkeypatch.setattr(schemas, "FOLDER", tmp_path)
    monkeypatch.setattr(schemas, "CONTRACTS", (one,))
    return one


def test_a_schema_is_written_once_it_is_out_of_date(
    contract: Contract, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --write the command names a schema that is missing or differs; with it, it writes one."""
    assert main([]) == 1
    assert "cuttlefish.schema.json is out of date" in capsys.readouterr().out
    assert main(["--write"]) == 0
    schema = json.loads(contract.schema.read_text(encoding="utf-8"))
    assert schema["title"] == "a line of cuttlefish.jsonl, schema_version 7"
    assert schema["properties"]["arms"] == {"description": "How many there are.", "type": "integer"}
    assert main([]) == 0
    contract.schema.write_text("{}")
    assert main([]) == 1
