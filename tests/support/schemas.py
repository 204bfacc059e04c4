"""Holds what the tool wrote against the JSON Schema that the repository has of the file."""

from __future__ import annotations

import functools
import json

import jsonschema

from reports.schemas import CONTRACTS


@functools.cache
def validator(file: str) -> jsonschema.Draft202012Validator:
    """Return what checks a file of this name, such as ``run.json``, by the stored schema."""
    (contract,) = [one for one in CONTRACTS if one.title.endswith(file)]
    return jsonschema.Draft202012Validator(json.loads(contract.schema.read_text(encoding="utf-8")))
