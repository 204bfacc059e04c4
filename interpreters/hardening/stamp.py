"""What harden.json in a prefix says: what was built there, from what, and how that was proven."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from interpreters.atomic import write_atomically
from interpreters.documents import Document, Moment, NonEmpty, Sha256, as_text, from_json
from servers.protocols import Protocol

if TYPE_CHECKING:
    from pathlib import Path

STAMP = "harden.json"


class CheckDocument(Document):
    """One thing that had to be shown."""

    what: NonEmpty
    """What had to be shown, in words."""
    passed: bool
    """Whether the build showed it."""
    found: str
    """What was found instead; empty if that needs no words."""


class ComponentDocument(Document):
    """OpenSSL or Python, as it was built."""

    version: NonEmpty
    """Version of the source."""
    prefix: NonEmpty
    """The folder that it was installed in."""
    source: NonEmpty
    """Where the source came from."""
    sha256: Sha256
    """SHA-256 of the source."""
    configure: tuple[str, ...]
    """The options that it was configured with."""


class MeasuredDocument(Document):
    """The verdict on one client in the built Python."""

    client: NonEmpty
    """The client."""
    client_version: str
    """Version of the client."""
    condition: NonEmpty
    """The OpenSSL configuration that it ran under."""
    verdict: NonEmpty
    """The verdict."""
    held_by: str
    """What keeps the client at or above the floor."""


class Mark(Document):
    """What marks a prefix as ours before it is proven, and the prefix of OpenSSL for good."""

    key: NonEmpty
    """Hash of all that decides what is built."""
    recipe: NonEmpty
    """Id of the recipe, as `nox -s harden` takes it."""


class BuildDocument(Mark):
    """What was built, from what."""

    floor: Protocol
    """The lowest version that it has."""
    quick: bool
    """Whether it is not optimized."""
    end_of_life: bool
    """Whether nobody repairs what is found in it from now on."""
    openssl: ComponentDocument
    """OpenSSL, which has no version below the floor."""
    python: ComponentDocument
    """Python, which is linked to it statically."""


class StampFile(BuildDocument, tag_field="schema_version", tag=1):
    """What was built in the prefix of a hardened Python, from what, and how that was proven."""

    proven: Moment
    """When it was proven, UTC, ISO 8601."""
    checks: tuple[CheckDocument, ...]
    """What the build was found to be."""
    verdicts: tuple[MeasuredDocument, ...]
    """What was measured on it."""


def read_stamp(prefix: Path) -> Mark | None:
    """Return what a prefix says was built there, a StampFile if it is proven; None if it is not ours.

    What only marks the prefix is all that counts of a stamp that is not whole, or of another version.
    """
    try:
        facts = json.loads((prefix / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    for kind, value in ((StampFile, facts), (Mark, _marks(facts))):
        try:
            return from_json(value, kind)
        except ValueError:
            continue
    return None


def _marks(facts: object) -> object:
    return {name: facts.get(name) for name in ("key", "recipe")} if isinstance(facts, dict) else None


def write_stamp(prefix: Path, stamp: Mark) -> None:
    """Write the stamp, complete or not at all."""
    write_atomically(prefix / STAMP, as_text(stamp, indent=2))
