"""What gate.json holds. The gate itself writes it, from dictionaries, because it runs on Python alone."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from interpreters.documents import Document, Moment, NonEmpty
from interpreters.interpreter import MADE
from reports.formats.contract import PolicyDocument
from reports.verdicts.decision import GATE_VERSION, Disposition, GateOutcome
from servers.protocols import Protocol


class GateRowDocument(Document):
    """A row of the matrix under the machine's own configuration, and what became of it."""

    host: str
    """Name of the machine that it is of."""
    interpreter: NonEmpty
    """Id of the interpreter; `missing` for a machine that did not report."""
    client: NonEmpty
    """The client; `all` where nothing at all could be measured in the interpreter."""
    source: str
    """Where the interpreter was found; empty for a machine that did not report."""
    verdict: Literal["downgraded", "fragile", "inconclusive", "untestable", "enforced", "missing"]
    """The verdict; `missing` for what was expected and is not there."""
    lowest_negotiated: Protocol | None
    """The lowest version at which data went both ways; null if none did."""
    fate: Disposition
    """What became of it: `passes` or `fails`; `waived` by the policy; `known` if it fails as it did in the
    earlier run; `not counted` under this policy."""
    why: str
    """Why, if there is more to say than its verdict."""
    environment: NonEmpty = MADE
    """Where the client is: `made` for measuring, or the path of what was found and measured as it is."""


class GateDocument(Document, tag_field="schema_version", tag=GATE_VERSION):
    """What the gate decided about a report, under which policy, and what became of each row."""

    decided: Moment
    """When it was decided, UTC, ISO 8601: the age of the report and waivers are of that time."""
    kind: GateOutcome
    """The decision."""
    exit_code: Annotated[int, Meta(ge=0, le=3)]
    """The exit code of `python -m reports.gate` for it."""
    passed: bool
    """Whether a build may go on."""
    message: str
    """The decision in words."""
    notices: tuple[str, ...]
    """What does not change the decision, and somebody should know."""
    doubts: tuple[str, ...]
    """Why the report does not answer for its machines as they are; empty if it does."""
    scope: tuple[str, ...]
    """How far the report reaches, in sentences; empty if it could not be read."""
    run_ids: tuple[NonEmpty, ...]
    """The runs that it is of; empty if it could not be read."""
    floor: Protocol | None
    """What the rows were judged against; null if the report could not be read."""
    policy: PolicyDocument | None
    """The policy that was applied; null if it could not be read."""
    rows: tuple[GateRowDocument, ...]
    """Every row under the machine's own configuration; empty where nothing could be decided."""
