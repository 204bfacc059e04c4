"""The matrix: one row for each interpreter x client x condition, from the run's observations."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from interpreters.clients import RELAXED, ClientKey
from interpreters.interpreter import MADE, PROGRAM
from reports.verdicts.beside import beside_made
from reports.verdicts.judge import (
    HeldBy,
    Judgement,
    PageCheck,
    Verdict,
    explain,
    explain_program,
    page_check,
)
from reports.verdicts.judged import JudgedCells
from reports.verdicts.processes import weigh
from reports.verdicts.stand_ins import ALL_CLIENTS
from servers.catalogue import Role
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from reports.verdicts.cells import CellResult
    from reports.verdicts.observations import Observation, OwnTls, Run
    from reports.verdicts.start_up import StartUp
    from servers.catalogue import Catalogue
    from servers.hello import Hello
    from servers.protocols import Protocol

MISFITS = frozenset({"AttributeError", "ImportError", "ModuleNotFoundError", "NameError", "TypeError"})
"""What Python raises where code asks for what is not there; source: its documentation of exceptions."""

TOLD = frozenset(HeldBy) - {HeldBy.UNKNOWN, HeldBy.NOTHING}
"""What holds a client, where a look at it under other configurations tells that."""

PAGE_CLIENT = "urllib3"
"""The client that the AWS page's check.py uses."""


class Subject(enum.StrEnum):
    """What a row is about; the words are those for one, and what is of different kinds is counted apart."""

    INTERPRETER = "interpreter"
    ENVIRONMENT = "environment"
    """One that was found, and measured as it is."""
    PROCESS = "running process"
    """One that runs, or several that run alike: measured as a fresh process of the same environment."""
    PROGRAM = "program"
    MACHINE = "machine that did not report"

    @property
    def plural(self) -> str:
        """The words for several."""
        if self is Subject.PROCESS:
            return f"{self}es"
        noun, *rest = self.split(" ", 1)
        return " ".join([f"{noun}s", *rest])

    @property
    def as_found(self) -> bool:
        """Whether it is what an application uses, as it is on the machine: nothing was installed there."""
        return self in (Subject.ENVIRONMENT, Subject.PROCESS)

    def counted(self, number: int) -> str:
        """Return a number of them in words."""
        return f"{number} {self if number == 1 else self.plural}"


def subject_of(interpreter: Interpreter) -> Subject:
    """Return what the rows of an interpreter are about that was found on a machine."""
    if interpreter.is_program:
        return Subject.PROGRAM
    if interpreter.is_running:
        return Subject.PROCESS
    return Subject.INTERPRETER if interpreter.environment == MADE else Subject.ENVIRONMENT


@dataclass(frozen=True)
class Row:
    """One line of the matrix."""

    subject: Subject = field(kw_only=True)
    """What the row is about."""
    interpreter: Interpreter
    """For a machine that did not report a placeholder, under which files have its row."""
    client: ClientKey
    client_version: str
    urllib3: str
    condition: Condition
    judgement: Judgement
    held_by: HeldBy = HeldBy.UNKNOWN
    page_check: PageCheck = PageCheck.UNKNOWN
    own_tls: OwnTls | None = None
    """The TLS that the client brings along; None if it uses its interpreter's."""
    findings: Mapping[str, CellResult] = field(default_factory=dict)
    hello: Hello | None = None
    """What the client offers beside versions; None where no hello of it was seen."""
    held_by_measured: str = ""
    """When what holds it was measured, UTC, ISO 8601, if an earlier visit did; empty for now."""
    held_by_measured_in: str = ""
    """The id of the interpreter in which it was, if in a copy that loads the same files."""

    @property
    def column(self) -> str:
        """What heads the column that has this row's verdict: programs, each its own client, share one."""
        return PROGRAM if self.interpreter.is_program else str(self.client)

    @property
    def verdict(self) -> Verdict:
        """The row's verdict."""
        return self.judgement.verdict

    @property
    def tls_library(self) -> str:
        """The library that does the client's handshakes: one of its own, or its interpreter's."""
        return self.own_tls.name if self.own_tls else self.interpreter.openssl


@dataclass(frozen=True)
class Measured:
    """All that a run measured in one interpreter."""

    interpreter: Interpreter
    unavailable: Mapping[ClientKey, str]
    """Why clients could not be had, by client."""
    observations: Sequence[Observation]
    clients: tuple[ClientKey, ...] = ()
    """Its own clients, where it does not have those that the run was asked for: a program is its own."""
    apart: Mapping[ClientKey, StartUp] = field(default_factory=dict)
    """By client, what sets the interpreter itself apart from where the client was measured, if anything."""
    judged: JudgedCells | None = None
    """The observations' cells as the measuring judged them; None where it did not, as for stored ones."""
    evidence: Path | None = None
    """The file with what passed the wire, where an earlier run wrote that; None where the observations have
    it."""

    def weighed(self, client: ClientKey, judgement: Judgement) -> Judgement:
        """Return a judgement on a client's cells as far as it holds for the interpreter itself."""
        weighed = self.apart[client].weigh(judgement) if client in self.apart else judgement
        return weigh(self.interpreter.processes, weighed)

    def changed(self, client: ClientKey) -> StartUp | None:
        """Return what start-up code changes for a client that was measured in the interpreter itself."""
        known = (change for change in self.apart.values() if change.differences)
        return None if client in self.apart else next(known, None)


@dataclass(frozen=True)
class RowGroup:
    """The rows of one interpreter, program or silent machine, at least one, in the order of the matrix."""

    rows: tuple[Row, ...]

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter that the rows are about."""
        return self.rows[0].interpreter

    @property
    def name(self) -> str:
        """Its name, which no other group of the matrix has."""
        return self.interpreter.name

    @property
    def subject(self) -> Subject:
        """What the rows are about."""
        return self.rows[0].subject

    @property
    def standing(self) -> Verdict:
        """The verdict that stands for the whole: the worst of its clients'."""
        return min((row.verdict for row in self.rows), key=list(Verdict).index)

    def only(self, verdict: Verdict) -> tuple[Row, ...]:
        """Return the rows at one verdict."""
        return tuple(row for row in self.rows if row.verdict is verdict)


def by_interpreter(rows: Iterable[Row]) -> tuple[RowGroup, ...]:
    """Return the rows in groups, one for each interpreter, program or silent machine, in their order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.interpreter.name, []).append(row)
    return tuple(RowGroup(tuple(group)) for group in groups.values())


def under(groups: Iterable[RowGroup], condition: Condition) -> tuple[RowGroup, ...]:
    """Return the groups with their rows under one condition, without those that have none."""
    return by_interpreter(row for group in groups for row in group.rows if row.condition is condition)


def first_condition(groups: Iterable[RowGroup]) -> Condition:
    """Return the condition that a report counts: the machine's own, or the first that was measured."""
    conditions = {row.condition for group in groups for row in group.rows}
    return min(conditions, key=list(Condition).index, default=Condition.AMBIENT)


def worst_first(groups: Iterable[RowGroup]) -> tuple[RowGroup, ...]:
    """Return the groups by the verdict that stands for each, the worst first."""
    return tuple(sorted(groups, key=lambda group: list(Verdict).index(group.standing)))


def standings(groups: Iterable[RowGroup], condition: Condition) -> dict[str, int]:
    """Return how many of these stand at each verdict under a condition."""
    stands = [group.standing for group in under(groups, condition)]
    return {str(verdict): stands.count(verdict) for verdict in Verdict}


def standings_apart(
    groups: Sequence[RowGroup], condition: Condition
) -> tuple[dict[str, int], dict[str, int]]:
    """Return how interpreters, programs and silent machines stand, and how what was found as it is."""
    made = [group for group in groups if not group.subject.as_found]
    found = [group for group in groups if group.subject.as_found]
    return standings(made, condition), standings(found, condition)


@dataclass(frozen=True)
class Matrix:
    """A run and what it came to: all that a report is made of."""

    run: Run
    measured: tuple[Measured, ...]
    """What the rows rest on."""
    rows: tuple[Row, ...]
    catalogue: Catalogue
    """The servers that were met."""

    @property
    def floor(self) -> Protocol:
        """What the rows were judged against."""
        return self.run.asked.floor

    @cached_property
    def groups(self) -> tuple[RowGroup, ...]:
        """The rows by what they are about: every format has them from here."""
        return by_interpreter(self.rows)


def build_matrix(
    measured: Iterable[Measured],
    clients: Sequence[ClientKey],
    conditions: Sequence[Condition],
    catalogue: Catalogue,
    floor: Protocol,
) -> tuple[Row, ...]:
    """Return the rows in the order given; every interpreter has at least one."""
    rows: list[Row] = []
    for each in measured:
        # Out of the file, if they are in one, for as long as it takes to build these rows.
        judged = each.judged.kept(tuple) if each.judged else JudgedCells(catalogue).and_of(each.observations)
        if each.interpreter.unavailable:
            (client,) = each.clients or (ALL_CLIENTS,)
            # With config_diagnostics a fault in the configuration leaves Python without any context.
            reason = "; ".join(
                [each.interpreter.unavailable, *_first(each.interpreter.configuration_problems)]
            )
            rows.append(_untestable(each, client, conditions[0], reason))
            continue
        rows += [_row(each, judged, cl, co, floor) for co in conditions for cl in each.clients or clients]
    return beside_made(rows)


def _untestable(measured: Measured, client: ClientKey, condition: Condition, reason: str) -> Row:
    judgement = Judgement(Verdict.UNTESTABLE, reason)
    subject = subject_of(measured.interpreter)
    return Row(measured.interpreter, client, "", "", condition, judgement, subject=subject)


def _row(
    measured: Measured, judged: JudgedCells, client: ClientKey, condition: Condition, floor: Protocol
) -> Row:
    cells = judged.of(client, condition)
    records = cells.observations
    if client in measured.unavailable and not any(record.account for record in records):
        return _untestable(measured, client, condition, measured.unavailable[client])
    if why := _misfit(records):
        return _untestable(measured, client, condition, why)
    judgement = measured.weighed(client, judged.judgement(client, condition, floor))
    holder = judged.holder(judgement, client, condition, floor)
    if holder is HeldBy.BUILD and measured.changed(client):
        # A client relaxed in code may be held by start-up code, and then tells nothing of the library.
        holder = HeldBy.UNKNOWN
    reason = _reason(measured, client, judgement, holder, cells.own_tls, floor)
    if condition is Condition.AMBIENT and judgement.verdict is not Verdict.ENFORCED and not cells.own_tls:
        reason = "; ".join([reason, *_first(measured.interpreter.configuration_problems)])
    reason = "; ".join(filter(None, [reason, next((record.remark for record in records), "")]))
    reason += sharing(measured.interpreter)
    when, where = judged.holder_measured(client, condition) if holder in TOLD else ("", "")
    return Row(
        subject=subject_of(measured.interpreter),
        interpreter=measured.interpreter,
        client=client,
        client_version=_version(records),
        urllib3=next((record.urllib3 for record in records), ""),
        condition=condition,
        judgement=replace(judgement, reason=reason),
        held_by=holder,
        page_check=_page_check(judged, client, condition),
        own_tls=cells.own_tls,
        findings=cells.results,
        hello=cells.hello(judged.catalogue),
        held_by_measured=when,
        held_by_measured_in=where,
    )


def sharing(interpreter: Interpreter) -> str:
    """Return what ends a row's reason where another environment was measured in its place; else nothing."""
    other = interpreter.shared_with
    return f"; measured in {other}, which is the same in all that was loaded" if other else ""


def _reason(  # 6 parameters: the sentence rests on as many facts
    measured: Measured,
    client: ClientKey,
    judgement: Judgement,
    holder: HeldBy,
    own_tls: OwnTls | None,
    floor: Protocol,
) -> str:
    """Continue a judgement's reason with its cause, by what the row is about."""
    if measured.interpreter.is_program:
        relaxed = any(record.client == RELAXED for record in measured.observations)
        return explain_program(judgement, holder, measured.interpreter.openssl, relaxed=relaxed)
    if changed := measured.changed(client):
        return f"{judgement.reason}; {changed.itself}"
    return explain(judgement, holder, measured.interpreter, floor, own_tls)


def _page_check(judged: JudgedCells, client: ClientKey, condition: Condition) -> PageCheck:
    """Return what the AWS page would have concluded: in a sweep, of its client in the same versions."""
    asker = replace(client, name=PAGE_CLIENT)
    records = {record.server: record for record in judged.of(asker, condition).observations}
    servers = [server.id for server in judged.catalogue.servers if server.role is Role.PAGE]
    return page_check(records, *servers[:2]) if len(servers) > 1 else PageCheck.UNKNOWN


def _misfit(records: Sequence[Observation]) -> str:
    """Say why a client cannot be probed that fails on each server before it connects; empty if it can.

    Only of an error in what the probe calls: whatever a network does comes out as another.
    """
    accounts = [record.account for record in records if record.account]
    if not accounts or any(record.wire for record in records):
        return ""
    first = accounts[0]
    if any(account.error_class not in MISFITS for account in accounts):
        return ""
    named = f"{records[0].client.name} {records[0].client_version}"
    return f"{named} is too old for this probe, or too new: {first.error_class}: {first.error_text}"


def _first(problems: Sequence[str], most: int = 2) -> list[str]:
    """Return the first of an interpreter's problems, and how many there are beside them."""
    more = len(problems) - most
    return [*problems[:most], *([f"{more} more are in matrix.json"] if more > 0 else [])]


def _version(records: Iterable[Observation]) -> str:
    return next((record.client_version for record in records), "")


@dataclass(frozen=True)
class Past:
    """How a run stood: how many interpreters at which verdict, each by its worst client.

    What was found as it is counts apart: an environment that appears is no interpreter that got worse.
    """

    run_id: str
    ended: str
    """UTC, ISO 8601."""
    standings: Mapping[str, int]
    """Of interpreters, programs and silent machines."""
    found: Mapping[str, int] = field(default_factory=dict)
    """Of environments and processes as found."""
