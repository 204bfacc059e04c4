"""What several JSON files of a report have in common: the run, what it was asked, its scope, the policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta

from interpreters.documents import Document, Moment, NonEmpty, Sha256
from interpreters.locations import SearchedLocation, Status
from reports.verdicts.judge import Verdict
from reports.verdicts.observations import RequestedClient, RequestedInterpreter, Run, RunRequest
from reports.verdicts.scope import LeftOut, Scope
from reports.verdicts.stand_ins import MATRIX_VERSION
from servers.conditions import Condition
from servers.protocols import Protocol

if TYPE_CHECKING:
    from servers.control import Control

SCHEMA_VERSION = MATRIX_VERSION
"""The version of all schemas that have no other; it changes when a reader of the old one would be misled."""

KNOWN = Meta(extra_json_schema={"not": {"const": ""}})
"""Of an enumeration that has an empty member for what is not known: the file has null."""

Unique = Meta(extra_json_schema={"uniqueItems": True})
ServerId = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$")]
Commit = Annotated[str, Meta(pattern="^([0-9a-f]{40,64})?$")]
Build = Annotated[str, Meta(pattern="^([0-9a-f]{16})?$")]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Names = Annotated[tuple[NonEmpty, ...], Meta(min_length=1), Unique]


class ControlDocument(Document):
    """What the reference client, independent of every interpreter measured, found on a server in this run."""

    passed: bool
    """Whether the server did all that its catalogue entry says, and nothing else; if not, no cell counts."""
    reason: str
    """What the control saw, in words."""


class GivenDocument(Document):
    """An interpreter that was given by path."""

    path: NonEmpty
    """The path as it was given."""
    real: NonEmpty
    """Where that path led, through every link."""


class ClientFileDocument(Document):
    """A client file of the user's own; the file itself is in no report."""

    path: NonEmpty
    """Its path; its name without `.py` is the client's."""
    sha256: Sha256
    """SHA-256 of its bytes."""


class RequestDocument(Document):
    """What the run was asked to measure: what it was not asked for has not vanished."""

    clients: tuple[NonEmpty, ...]
    """The clients that were to be measured."""
    conditions: tuple[Condition, ...]
    """The OpenSSL configurations that they were to be measured under."""
    floor: Protocol
    """The floor that was asked for."""
    attacks: bool
    """Whether the servers that tamper were to be met too."""
    only: tuple[str, ...]
    """The globs that an interpreter's id had to match one of; empty for all."""
    interpreters: tuple[GivenDocument, ...]
    """The interpreters that were given by path."""
    botocore: str
    """The versions or specifiers of botocore; empty for the newest."""
    urllib3: str
    """The versions or specifiers of the urllib3 beside it; empty for what it brings along."""
    programs: bool
    """Whether other programs than interpreters were to be measured too."""
    found_clients: tuple[NonEmpty, ...] = ()
    """The clients that were to be measured in environments as found, where they are installed; empty for the
    same as elsewhere."""
    running: bool = False
    """Whether what runs was to be measured too, under its own variables."""
    made: bool = True
    """Whether interpreters were to be measured, in environments that are made for that."""
    found: bool = False
    """Whether environments were to be looked for, and measured as they are."""
    commands: tuple[str, ...] = ()
    """The names of the programs that commands of the user's were to start; the commands are in no file."""
    client_files: tuple[ClientFileDocument, ...] = ()
    """The client files of the user's own that were to be measured."""


class LeftOutDocument(Document):
    """An interpreter or program that was found and has no verdict."""

    id: NonEmpty
    """Its id, as --only takes it."""
    path: str
    """Real path of the executable."""
    reason: NonEmpty
    """Why it was not measured."""


class LookedDocument(Document):
    """One place in which interpreters or environments may be."""

    place: NonEmpty
    """A folder, or a pattern of folders, as the tool's list of places has it; or what could not be read."""
    status: Status
    """`looked`: it is there and was read; `absent`: it is not there; `unreadable`: it is there and could not
    be read."""
    reason: str
    """Why it could not be read or is not there, or how it came to be looked at; often empty."""


class ScopeDocument(Document):
    """How far the verdicts of the run reach: by what they were found out, about what, what they leave out.

    Everything is empty for a machine that did not report.
    """

    RULES: ClassVar = {
        "if": {"properties": {"partial": {"const": True}}},
        "then": {"properties": {"narrowed": {"minItems": 1}}},
        "else": {"properties": {"narrowed": {"maxItems": 0}}},
    }

    partial: bool
    """Whether the run was asked to measure less than a run without options does; `narrowed` says what it left
    out."""
    commit: Commit
    """The commit of the tool's own checkout; empty if it is not known."""
    commit_unknown: str
    """Why the commit is not known; empty if it is."""
    local_changes: bool
    """Whether the tool's files differ from that commit."""
    user: str
    """Name of the user who measured."""
    distribution: str
    """Name and version of the operating system."""
    architecture: str
    """Architecture of the machine, as `uname -m` names it."""
    variables: Mapping[str, str]
    """The variables that can decide which TLS a process gets, by name, as they were set while the run
    measured."""
    left_out: tuple[LeftOutDocument, ...]
    """The interpreters and programs that were found and not measured. What could not be measured has a
    verdict, `untestable`."""
    clients_left_out: tuple[NonEmpty, ...]
    """The clients, and the programs, that the tool knows and was not asked for."""
    narrowed: tuple[NonEmpty, ...]
    """What the run was asked to leave out of all that a run without options measures, in words for each."""
    looked: tuple[LookedDocument, ...]
    """The places in which interpreters were looked for."""
    notes: tuple[NonEmpty, ...]
    """What disturbed the run as a whole, in sentences, such as which other programs connected to its servers;
    no verdict rests on it."""
    environments_looked: tuple[LookedDocument, ...] = ()
    """The places in which environments of applications were looked for; empty where nobody looked."""
    place: str = ""
    """The place that was measured, such as `ssh:web1`, which is the name in `host` too; empty for the machine
    that the tool ran on."""
    place_identity: str = ""
    """Which place that was: the digest of its image, or the fingerprint of its host key; empty where it has
    neither, or it could not be told."""

    def __post_init__(self) -> None:
        if self.partial is not bool(self.narrowed):
            msg = f"partial is {self.partial}, beside {len(self.narrowed)} in narrowed"
            raise ValueError(msg)


class WaiverDocument(Document):
    """Rows that need not hold the floor until a date; `host` and what is on it are globs."""

    host: NonEmpty
    """The hosts it is for."""
    interpreter: NonEmpty
    """The interpreters it is for."""
    client: NonEmpty
    """The clients it is for."""
    reason: NonEmpty
    """Why, in the words of whoever waived it."""
    expires: Day
    """The last day on which it counts, in UTC."""
    environment: NonEmpty = "*"
    """The environments it is for, by their path; `made` for what was made for measuring."""


FAILS = Meta(extra_json_schema={"uniqueItems": True, "contains": {"const": Verdict.DOWNGRADED.value}})


class PolicyDocument(Document):
    """The policy that was in force.

    What it waives is a finding in the matrix all the same, because verdicts are those of the measurement.
    """

    file: str | None
    """Name of the file that it is from; null for the default policy."""
    floor: Protocol | None
    """The floor that it asks for; null if it leaves that to the run."""
    clients: Names | None
    """The clients that count, and have to be measured; null if all that were measured do."""
    sources: Names | None
    """The sources whose interpreters count; null if all do."""
    conditions: tuple[Literal["ambient"]]
    """The OpenSSL configurations under which rows count: the machine's own."""
    fails: Annotated[
        tuple[Literal["downgraded", "fragile", "inconclusive", "untestable", "missing"], ...], FAILS
    ]
    """What fails the gate: verdicts, and `missing` for what was expected and not measured."""
    new_only: str | None
    """The earlier run beside which only what is new fails; null if everything does."""
    partial: bool
    """Whether a run that was asked to leave something out may pass."""
    max_age: Annotated[int, Meta(ge=1)]
    """Days after which a run does not answer for its machine any more."""
    openssl_conf: Annotated[tuple[NonEmpty, ...], Unique]
    """Values of OPENSSL_CONF under which a run may have measured."""
    waivers: tuple[WaiverDocument, ...]
    """Rows that need not hold the floor for a while."""
    environments: Names | None = None
    """Globs of the path or id of what counts that was found as it is; null if all of that does."""


class RunDocument(Document):
    """Where the facts of one run come from: what measured, where, when, and with which instruments."""

    run_id: NonEmpty
    """The run that this was measured in: its start in UTC and a random part."""
    host: str
    """Name of the machine that was measured; empty where it has none."""
    tool: NonEmpty
    """Name and version of the tool."""
    engine: str
    """The OpenSSL that served, with version and path; or why none did."""
    catalogue: str
    """SHA-256 of the catalogue of servers, in a merged report those of each machine, where they differ; empty
    for a machine that did not report."""
    started: Moment
    """Start of the measurement, UTC, ISO 8601."""
    ended: Moment
    """End of the measurement, UTC, ISO 8601."""
    asked: RequestDocument
    """What the run was asked to measure."""

    def run(self, controls: Mapping[str, Control], scope: ScopeDocument) -> Run:
        """Return the run, with what its controls came to and how far it reaches."""
        request = self.asked
        return self.to(
            Run,
            asked=request.to(
                RunRequest,
                interpreters=tuple(part.to(RequestedInterpreter) for part in request.interpreters),
                client_files=tuple(part.to(RequestedClient) for part in request.client_files),
            ),
            controls=controls,
            scope=scope.to(
                Scope,
                left_out=tuple(part.to(LeftOut) for part in scope.left_out),
                looked=tuple(part.to(SearchedLocation) for part in scope.looked),
                environments_looked=tuple(part.to(SearchedLocation) for part in scope.environments_looked),
            ),
        )
