"""Writes what changed between two runs: compare.md for people, compare.json for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from interpreters.atomic import write_atomically
from interpreters.documents import Count, Document, Moment, NonEmpty, as_text
from interpreters.interpreter import MADE
from reports.causes import CauseSubject
from reports.compare import ChangeKind, sections
from reports.formats.contract import KNOWN
from reports.formats.escape import for_markdown
from reports.verdicts.judge import HeldBy, Verdict
from servers.conditions import Condition
from servers.protocols import Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from reports.compare import Change, Comparison
    from reports.verdicts.matrix import Row


class ComparedRunDocument(Document):
    """One of the runs that are compared."""

    run_id: NonEmpty
    """The run: its start in UTC and a random part."""
    host: str
    """Name of the machine that was measured; empty where it has none."""
    started: Moment
    """Start of the measurement, UTC, ISO 8601."""
    ended: Moment
    """End of the measurement, UTC, ISO 8601."""


class CauseDocument(Document):
    """Something that differs, and may be why a row changed."""

    source: CauseSubject
    """What it is about."""
    text: NonEmpty
    """What differs, in words."""


class ComparedRowDocument(Document):
    """A row of the matrix as one of the runs has it."""

    interpreter: NonEmpty
    """Id of the interpreter in that run; `missing` for a machine that did not report."""
    path: str
    """Real path of its executable; empty for a machine that did not report."""
    verdict: Verdict
    """The verdict."""
    lowest_negotiated: Protocol | None
    """The lowest version at which data went both ways; null if none did."""
    held_by: Annotated[HeldBy | None, KNOWN]
    """What keeps the client at or above the floor; null if that is not known."""
    client_version: str
    """Version of the client; empty if it could not be imported."""
    urllib3: str
    """Version of the urllib3 beside it; empty if it was not measured."""
    reason: str
    """The verdict in words."""

    @classmethod
    def of_row(cls, row: Row) -> ComparedRowDocument:
        """Return a row of a run."""
        return cls.of(
            row,
            interpreter=row.interpreter.id,
            path=row.interpreter.path,
            lowest_negotiated=row.judgement.lowest,
            held_by=row.held_by or None,
            reason=row.judgement.reason,
        )


class ChangeDocument(Document):
    """One client in one interpreter under one condition, of which the runs do not say the same."""

    kind: ChangeKind
    """What became of it; `changed` if what decides verdicts is another, and the verdict is the same."""
    host: str
    """Name of the machine, as the newer run has it."""
    interpreter: NonEmpty
    """Id of the interpreter, as the newer run has it if it does."""
    client: NonEmpty
    """The client; `all` where nothing at all could be measured in the interpreter."""
    condition: Condition
    """The OpenSSL configuration that the interpreter ran under."""
    older: ComparedRowDocument | None
    """The row before; null if there was none."""
    newer: ComparedRowDocument | None
    """The row now; null if there is none."""
    causes: tuple[CauseDocument, ...]
    """What differs that may be why; empty if nothing in the records explains it."""
    environment: NonEmpty = MADE
    """Where the client is: `made` for measuring, or the path of what was found and measured as it is."""

    @classmethod
    def of_change(cls, change: Change) -> ChangeDocument:
        """Return a change with both sides of it."""
        older, newer = (row and ComparedRowDocument.of_row(row) for row in (change.older, change.newer))
        return cls.of(change, client=str(change.client), older=older, newer=newer)


class CompareDocument(Document, tag_field="schema_version", tag=1):
    """What changed between two runs, or between two reports of several machines each."""

    older: Annotated[tuple[ComparedRunDocument, ...], Meta(min_length=1)]
    """The run before, or the runs of its machines."""
    newer: Annotated[tuple[ComparedRunDocument, ...], Meta(min_length=1)]
    """The run after, or the runs of its machines."""
    between: tuple[CauseDocument, ...]
    """How the runs themselves differ."""
    changes: tuple[ChangeDocument, ...]
    """What changed, what asks for attention first."""
    unasked: tuple[NonEmpty, ...]
    """What only one of them was asked for, in sentences."""
    same: Count
    """Rows of which both say the same."""


def build_compare_json(comparison: Comparison) -> CompareDocument:
    """Return the document: every change with both sides and its causes."""
    return CompareDocument.of(
        comparison,
        older=tuple(map(ComparedRunDocument.of, comparison.older)),
        newer=tuple(map(ComparedRunDocument.of, comparison.newer)),
        changes=tuple(map(ChangeDocument.of_change, comparison.changes)),
        unasked=tuple(map(str, comparison.unasked)),
    )


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write compare.md and compare.json beside the newer run's report."""
    blocks = ["# What changed"]
    for title, sentences in sections(comparison):
        escaped = [for_markdown(sentence) for sentence in sentences]
        blocks += [f"## {title}", "\n".join(f"- {sentence}" for sentence in escaped)] if title else escaped
    write_atomically(folder / "compare.md", "\n\n".join(blocks) + "\n")
    write_atomically(folder / "compare.json", as_text(build_compare_json(comparison), indent=1))
