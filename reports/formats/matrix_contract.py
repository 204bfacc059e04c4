"""What matrix.json holds, and how it becomes what the reports are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta, field

from interpreters.clients import ClientKey
from interpreters.documents import Count, Document, Moment, NonEmpty, Sha256
from interpreters.interpreter import Interpreter, RunningProcess
from reports.formats.contract import (
    KNOWN,
    SCHEMA_VERSION,
    Build,
    ControlDocument,
    PolicyDocument,
    RunDocument,
    ScopeDocument,
    ServerId,
    Unique,
)
from reports.verdicts.cells import CellKind, CellResult
from reports.verdicts.judge import HeldBy, Judgement, PageCheck, Verdict
from reports.verdicts.matrix import Row, Subject, subject_of
from reports.verdicts.stand_ins import did_not_report
from servers.catalogue import Certificate, KeyExchange, Role, Server
from servers.conditions import Condition
from servers.hello import Hello, KeyExchangeOffer, NamedCode
from servers.protocols import LADDER, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reports.verdicts.observations import Run

Protocols = Annotated[tuple[Protocol, ...], Unique]
"""Lowest first."""


def lowest_first(protocols: Iterable[Protocol]) -> tuple[Protocol, ...]:
    """Return versions in the order of the ladder."""
    return tuple(sorted(protocols, key=LADDER.index))


class ServerDocument(Document):
    """One restricted server, as the catalogue states it, with its control."""

    server: ServerId
    """Id of the server in the catalogue."""
    role: Role
    """`ladder`: speaks some versions honestly; `attack`: tampers with the negotiation; `page`: repeats the
    AWS page's own check, and no verdict rests on it."""
    why: NonEmpty
    """What an answer from this server tells."""
    protocols: Protocols
    """The versions that it speaks, lowest first."""
    key_exchange: KeyExchange
    """The key exchanges that it allows up to TLSv1.2."""
    certificate: Certificate
    """Which certificate it shows."""
    control: ControlDocument
    """What the reference client, independent of every interpreter measured, found on it in this run."""

    @classmethod
    def of_server(cls, server: Server, run: Run) -> ServerDocument:
        """Return a server that a run met."""
        control = ControlDocument.of(run.controls[server.id])
        return cls.of(server, server=server.id, protocols=lowest_first(server.protocols), control=control)

    def entry(self) -> Server:
        """Return the server, without how it is run."""
        return self.to(Server, id=self.server, protocols=frozenset(self.protocols))


class MatrixRunDocument(RunDocument):
    """Where the facts of one run come from: what measured, where, when, and with which instruments."""

    catalogue: Sha256
    """SHA-256 of the catalogue of servers; empty for a machine that did not report."""
    scope: ScopeDocument
    """How far its verdicts reach."""
    servers: tuple[ServerDocument, ...]
    """The servers that were met, in the catalogue's order."""


class InterpreterKey(Document):
    """What is about one interpreter in one run."""

    run_id: NonEmpty
    """The run that this was measured in: its start in UTC and a random part."""
    interpreter: NonEmpty
    """Id of the interpreter, as in matrix.csv; unique within a run."""


class ProcessDocument(Document):
    """A process that was running when the machine was measured."""

    pid: Count
    """Its id."""
    user: NonEmpty
    """Whose it is."""
    started: Moment
    """Since when it runs, UTC, ISO 8601."""
    command: NonEmpty
    """The program and what it runs, without arguments, which may be secrets."""
    unit: str
    """The service of systemd that it belongs to; empty for none."""
    variables: dict[str, str]
    """The variables of OpenSSL, for trust, and of the dynamic linker that it was started with; no others."""
    libraries: tuple[NonEmpty, ...]
    """The files that do TLS and that it has mapped, by the paths that they had then; empty before it has
    loaded any."""
    replaced: tuple[NonEmpty, ...]
    """Those of them and of its interpreter, of its clients' packages, its start-up code and its OpenSSL
    configuration that changed on disk since it started: it uses the old ones until it is restarted."""
    elsewhere: tuple[NonEmpty, ...] = ()
    """Those of them by whose paths it gets other files than a fresh process, because it has mounts of its
    own."""


class InterpreterDocument(InterpreterKey):
    """One Python, as it was found and as it describes itself."""

    source: NonEmpty
    """Where it was found, such as `system`, `pyenv` or `conda`; `program` for what is no interpreter,
    `missing` for a machine that did not report."""
    path: str
    """Real path of the executable; empty for a machine that did not report."""
    version: str
    """Version of Python, or of the program; empty if it could not say."""
    implementation: str
    """Such as `CPython`; empty for a program, and if it could not say."""
    openssl: str
    """The library that its ssl module is linked to; empty if it could not say."""
    openssl_dir: str
    """The folder of the openssl.cnf that is compiled in; empty if it is not known."""
    openssl_conf: str
    """The OpenSSL configuration that it reads by itself; empty if it reads none, or none is known."""
    openssl_conf_sha256: Sha256
    """SHA-256 of that file and, behind it, of all that it includes; empty where there is none."""
    configuration_problems: tuple[NonEmpty, ...]
    """Why that configuration does not hold what it is meant to, in sentences with file, line and remedy;
    empty if nothing is wrong with it, or it is not meant to hold anything."""
    context_minimum: str
    """The ssl module's name of a new context's minimum version, such as `TLSv1_2` or `MINIMUM_SUPPORTED`;
    empty before Python 3.7. Evidence, never proof."""
    build: Build
    """Hash of its executable and its ssl module: another one is another build; empty if they could not be
    read."""
    configure_flags: tuple[str, ...]
    """The flags that it was configured with; empty if it could not say."""
    start_up: tuple[str, ...]
    """The files whose code it runs by itself at every start: sitecustomize, usercustomize, and `.pth` files
    with lines of code."""
    library_protocols: Protocols | None
    """The versions that its ssl module says the library has, lowest first; null where that does not speak of
    all of them, as before Python 3.7."""
    environment: NonEmpty
    """Where its clients are that have to be installed: `made` for the measurement, or the path of the
    environment that was found and measured as it is. What needs no installation, such as `ssl`, is measured
    in the interpreter itself."""
    problem: str
    """Why nothing at all can be measured in it; empty if something can."""
    distributions_sha256: Sha256 = ""
    """SHA-256 of the list of what is installed in a found environment; empty for one that was made."""
    shared_with: str = ""
    """The id of the environment that was measured in its place, which is the same, byte for byte, in all that
    a Python could load from it; empty for all that was measured itself."""
    other_ways: tuple[str, ...] = ()
    """The other Pythons by which its environment is entered and that start something else, each of which has
    rows of its own; empty where all of them start the same."""
    variables: dict[str, str] = field(default_factory=dict)
    """The variables that it was measured under beside those of every measured process, such as the
    `OPENSSL_CONF` of a running process; empty for most. Of those of Python itself the values are left out."""
    processes: list[ProcessDocument] = field(default_factory=list)
    """The processes that ran so when it was measured, of which a fresh one was measured; empty for all that
    was not found by its processes."""

    @classmethod
    def of_interpreter(cls, found: Interpreter, run: Run) -> InterpreterDocument:
        """Return an interpreter that a run measured."""
        return cls.of(
            found,
            run_id=run.run_id,
            interpreter=found.id,
            library_protocols=_library_protocols(found),
            problem=found.unavailable,
            processes=list(map(ProcessDocument.of, found.processes)),
        )

    def description(self) -> Interpreter:
        """Return the interpreter, without what its ssl module says of single versions."""
        listed = self.library_protocols
        return self.to(
            Interpreter,
            id=self.interpreter,
            has={} if listed is None else {protocol.has: protocol in listed for protocol in LADDER},
            unavailable=self.problem,
            processes=tuple(process.to(RunningProcess) for process in self.processes),
        )


def _library_protocols(found: Interpreter) -> tuple[Protocol, ...] | None:
    """Return what the ssl module says that its library can speak; None where it is too old to say.

    Later releases of Python 2.7 and 3.6 speak of TLS 1.3 alone, and that is not all that they have.
    """
    if not all(protocol.has in found.has for protocol in LADDER):
        return None
    return tuple(protocol for protocol in LADDER if found.has[protocol.has])


class RowKey(InterpreterKey):
    """What is about one client in one interpreter under one OpenSSL configuration."""

    client: NonEmpty
    """The HTTP or TLS stack under test; `all` where nothing at all could be measured in the interpreter."""
    condition: Condition
    """The OpenSSL configuration that the interpreter ran under: the machine's own, or one of ours."""


class CodeDocument(Document):
    """A number of a TLS registry."""

    code: Annotated[str, Meta(pattern="^0x[0-9a-f]{4}$")]
    """The number."""
    name: NonEmpty
    """Its name in IANA's registry; the number again where it has none that the tool knows."""


class HelloDocument(Document):
    """What a client offers, by its first ClientHello; each list in the client's order, without GREASE."""

    fingerprint: NonEmpty
    """What verdicts name it by: `ja4`, and behind that a hash of versions, groups and key shares. Those that
    offer the same have the same."""
    ja4: NonEmpty
    """The JA4 fingerprint of the hello."""
    post_quantum: KeyExchangeOffer
    """Whether a post-quantum key exchange is offered: with a `key share`, only `named`, or `none`."""
    cipher_suites: tuple[CodeDocument, ...]
    """The cipher suites."""
    groups: tuple[CodeDocument, ...]
    """The groups for key exchange."""
    key_shares: tuple[CodeDocument, ...]
    """The groups that it sends a key for."""
    signature_algorithms: tuple[CodeDocument, ...]
    """The signature algorithms that it accepts."""
    extensions: tuple[CodeDocument, ...]
    """The extensions, sorted by number."""
    versions: tuple[Annotated[str, Meta(pattern="^0x[0-9a-f]{4}$")], ...]
    """What supported_versions lists; empty without that extension."""

    @classmethod
    def of_hello(cls, hello: Hello) -> HelloDocument:
        """Return a hello; its codes have the same fields here and there."""
        return cls.of(hello)

    def hello(self) -> Hello:
        """Return the hello."""
        lists = ("cipher_suites", "groups", "key_shares", "signature_algorithms", "extensions")
        return self.to(
            Hello, **{name: tuple(code.to(NamedCode) for code in getattr(self, name)) for name in lists}
        )


class VerdictDocument(RowKey):
    """The judgement on one client in one interpreter under one OpenSSL configuration."""

    verdict: Verdict
    """`downgraded`: connected below the floor; `fragile`: would have, or was stopped by something else than
    its version; `inconclusive`: nothing is known, which is not safe; `untestable`: could not be measured;
    `enforced`: holds the floor."""
    reason: str
    """Why, in words."""
    lowest_negotiated: Protocol | None
    """The lowest version at which data went both ways; null if none did."""
    highest_negotiated: Protocol | None
    """The highest version at which data went both ways; null if none did."""
    offered: str
    """The versions that the client offered, lowest first, or `up to` the highest where only that is known;
    empty if nothing is."""
    held_by: Annotated[HeldBy | None, KNOWN]
    """What keeps the client at or above the floor: `build` (the library has nothing lower), `library` (its
    built-in defaults), `code` (Python's or the client's own minimum), `openssl.cnf` (only the configuration),
    `nothing`; null if that is not known."""
    page_check: Annotated[PageCheck | None, KNOWN]
    """What the AWS page's own procedure would have concluded; null if its client was not measured."""
    client_version: str
    """Version of the client, as it gives it itself; empty if it could not be imported."""
    urllib3: str
    """Version of the urllib3 beside it; empty if it was not measured."""
    tls_library: str
    """The library that does the client's handshakes: one of its own, or its interpreter's; empty if it is not
    known."""
    hello: str | None = None
    """The `fingerprint`, among `hellos`, of what it offers beside versions; null where no hello was seen."""
    held_by_measured: Moment | None = None
    """When an earlier visit measured what `held_by` rests on, UTC, ISO 8601, since when nothing that the
    client loads has changed; null for what was measured for it now. The verdict is always of this run."""
    held_by_measured_in: str | None = None
    """The id of the interpreter whose visit that was, if it was a copy that loads the same files; null for
    its own."""

    @classmethod
    def of_row(cls, row: Row, run: Run) -> VerdictDocument:
        """Return the judgement on a row of a run."""
        return cls.of(
            row,
            run_id=run.run_id,
            interpreter=row.interpreter.id,
            client=str(row.client),
            reason=row.judgement.reason,
            lowest_negotiated=row.judgement.lowest,
            highest_negotiated=row.judgement.highest,
            offered=row.judgement.offer,
            held_by=row.held_by or None,
            page_check=row.page_check or None,
            hello=row.hello and row.hello.fingerprint,
            held_by_measured=row.held_by_measured or None,
            held_by_measured_in=row.held_by_measured_in or None,
        )

    def row(
        self,
        interpreter: Interpreter,
        findings: Mapping[str, CellResult],
        hellos: Mapping[str, Hello],
    ) -> Row:
        """Return the row, with its interpreter, its cells, and what it offers of `hellos`."""
        silent = did_not_report(interpreter.id, self.client)
        return self.to(
            Row,
            subject=Subject.MACHINE if silent else subject_of(interpreter),
            interpreter=interpreter,
            client=ClientKey.parse(self.client),
            judgement=Judgement(
                self.verdict, self.reason, self.lowest_negotiated, self.highest_negotiated, self.offered
            ),
            held_by=self.held_by or HeldBy.UNKNOWN,
            page_check=self.page_check or PageCheck.UNKNOWN,
            findings=findings,
            hello=hellos[self.hello] if self.hello else None,
            held_by_measured=self.held_by_measured or "",
            held_by_measured_in=self.held_by_measured_in or "",
        )


class CellDocument(RowKey):
    """One client on one server; there is one for each verdict and server of its run, measured or not."""

    RULES: ClassVar = {
        "if": {"properties": {"outcome": {"const": "connected"}}},
        "then": {"properties": {"negotiated": {"type": "string"}, "control_passed": {"const": True}}},
        "else": {
            "if": {"properties": {"outcome": {"const": "fooled"}}},
            "else": {"properties": {"negotiated": {"type": "null"}, "below_floor": {"const": False}}},
        },
    }

    server: ServerId
    """Id of the server in the catalogue."""
    outcome: CellKind
    """`connected`: data went both ways; `not offered`: the version is not in the client's hello; `rejected`:
    the client refused it as too old; `blocked`: something else than the version stopped it; `held` or
    `fooled`: on a server that tampers; `inconclusive`, `missing`: nothing is known."""
    negotiated: Protocol | None
    """The version at which data went both ways; null if none did."""
    below_floor: bool
    """Whether that version is lower than the floor. Names of versions do not sort; this does."""
    reason: str
    """What there is to say beyond the outcome; often empty."""
    offered: Protocols
    """Every version that a hello of this cell lists, lowest first; empty where only a ceiling is known."""
    control_passed: bool
    """Whether the server passed its control in this run; without that, no outcome counts."""

    @classmethod
    def of_result(cls, result: CellResult, row: Row, run: Run, floor: Protocol) -> CellDocument:
        """Return what a cell of a row came to in its run."""
        negotiated = result.negotiated
        return CellDocument(
            run_id=run.run_id,
            interpreter=row.interpreter.id,
            client=str(row.client),
            condition=row.condition,
            server=result.server.id,
            outcome=result.kind,
            negotiated=negotiated,
            below_floor=negotiated is not None and negotiated.below(floor),
            reason=result.reason,
            offered=lowest_first(result.offered),
            control_passed=run.controls[result.server.id].passed,
        )

    def result(self, server: Server) -> CellResult:
        """Return what the cell came to, of which only a version at which data went both ways is known."""
        return CellResult(server, self.outcome, self.negotiated, self.reason, frozenset(self.offered))


class MatrixFile(Document, tag_field="schema_version", tag=SCHEMA_VERSION):
    """The matrix: which TLS versions each client in each Python accepts, with every cell that it rests on.

    Hellos and both witnesses' accounts are in observations.jsonl.
    """

    floor: Protocol
    """The lowest version that policy allows; every verdict here is about this one."""
    policy: PolicyDocument
    """The policy that was in force."""
    runs: Annotated[tuple[MatrixRunDocument, ...], Meta(min_length=1)]
    """Provenance: every run whose facts are in this document."""
    interpreters: tuple[InterpreterDocument, ...]
    """Every Python that has a verdict, once, in the order of the verdicts."""
    verdicts: tuple[VerdictDocument, ...]
    """The judgements: one for each interpreter, client and condition."""
    cells: tuple[CellDocument, ...]
    """What the verdicts rest on: one for each of them and each server, in their order."""
    hellos: tuple[HelloDocument, ...] = ()
    """What clients offer beside versions, each once."""
