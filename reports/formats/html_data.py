"""The data behind the HTML page's cells, as the page's script reads it: matrix.html.j2."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.formats.answer import GAPS, by_subject
from reports.formats.escape import visible
from reports.verdicts.cells import CellKind, CellResult, offer
from reports.verdicts.judge import Verdict
from reports.verdicts.labels import label
from reports.verdicts.matrix import RowGroup, Subject
from reports.verdicts.processes import process_facts
from servers.catalogue import Role
from servers.protocols import LADDER, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interpreters.clients import ClientKey
    from interpreters.interpreter import Interpreter
    from reports.verdicts.matrix import Matrix, Row
    from reports.verdicts.observations import Account, Observation, Run
    from servers.catalogue import Server
    from servers.hello import Hello
    from servers.protocols import Protocol
    from servers.wire import WireAccount

    _Observations = dict[tuple[ClientKey, str, str], Observation]
    """By client, condition and server."""

NEUTRAL = "N"
"""The tone of a cell that no verdict rests on; the others are the verdicts' own letters."""


class EntryTable:
    """Keeps each different thing once, and gives its place: most cells say what others say too."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self._places: dict[Any, int] = {}

    def place(self, entry: Any) -> int:
        """Return the entry's place; anything that can be a key."""
        if entry not in self._places:
            self._places[entry] = len(self.entries)
            self.entries.append(entry)
        return self._places[entry]


def tone(finding: CellResult, floor: Protocol) -> str:
    """Return the letter of the verdict that a cell by itself speaks for."""
    kind, server = finding.kind, finding.server
    if server.role is Role.PAGE:
        return NEUTRAL
    below = finding.protocol is not None and finding.protocol.below(floor)
    if below and kind in (CellKind.CONNECTED, CellKind.FOOLED):
        return "D"
    if kind is CellKind.FOOLED or (kind is CellKind.BLOCKED and not server.only_from(floor)):
        return "F"
    return {CellKind.INCONCLUSIVE: "I", CellKind.MISSING: "U"}.get(kind, "E")


def subjects_of(groups: Sequence[RowGroup]) -> list[Subject]:
    """Return what the rows are about; where there are none, what was looked for."""
    return list(by_subject(groups)) or [Subject.INTERPRETER]


def server_facts(server: Server, run: Run) -> dict[str, object]:
    """Return what the page says of a server, with what its control came to in this run."""
    control = run.controls[server.id]
    return {
        "id": server.id,
        "why": server.why,
        "speaks": span(server.protocols),
        "exchange": str(server.key_exchange),
        "certificate": str(server.certificate),
        "role": str(server.role),
        "passed": control.passed,
        "control": control.reason,
    }


ROW_TEXTS = (
    *("client", "client_version", "urllib3", "condition", "verdict"),
    *("lowest", "highest", "held_by", "page_check", "reason"),
)
"""What is said of a row, in the order in which the script takes it."""


class RowEntry(NamedTuple):
    """One row; the script reads its fields by their place, so that the page is small."""

    interpreter: int
    """Place among the interpreters."""
    texts: list[int]
    """Places of the texts of ROW_TEXTS."""
    hello: int
    """Place among the hellos; -1 if none was seen."""
    cells: list[int]
    """Places among the cells."""
    took: list[int]
    """How long each of them took, in units of a ten-thousandth of a second."""


class CellEntry(NamedTuple):
    """What one cell came to, and how, but for the time that it took: many cells of a fleet say the same."""

    server: int
    """Place among the servers."""
    tone: str
    shown: int
    """Place of a text, as are `reason` and `missing`."""
    reason: int
    account: int
    """Place among the accounts; -1 if there is none."""
    missing: int
    connections: tuple[int, ...]
    """Places among the connections."""


class AccountEntry(NamedTuple):
    """A client's account of one attempt; empty where it gave none."""

    outcome: str
    version: str
    cipher: str
    error_class: str
    error_text: str
    note: str

    @classmethod
    def of(cls, account: Account) -> AccountEntry:
        """Return an account as the page shows it."""
        facts = (account.version, account.cipher, account.error_class, account.error_text)
        return cls(*(visible(fact or "") for fact in (account.outcome, *facts, account.note)))


class ConnectionEntry(NamedTuple):
    """One connection as the wire shows it."""

    offered: tuple[str, ...] | None
    """None without supported_versions."""
    offer: str
    cipher_count: int | None
    server_version: str
    server_cipher: str
    alerts: tuple[tuple[str, str, str], ...]
    """Sender, level and description of each."""
    client_data: int
    server_data: int
    remarks: tuple[str, ...]

    @classmethod
    def of(cls, wire: WireAccount) -> ConnectionEntry:
        """Return a connection as the page shows it."""
        return cls(
            offered=None if wire.offered is None else tuple(map(str, wire.offered)),
            offer=offer(wire) if wire.client_hello else "",
            cipher_count=wire.cipher_count,
            server_version=str(wire.server_version or ""),
            server_cipher=visible(wire.server_cipher or ""),
            alerts=tuple((str(a.sender), a.level or "", visible(a.description or "")) for a in wire.alerts),
            client_data=wire.client_data,
            server_data=wire.server_data,
            remarks=tuple(map(visible, itertools.chain(wire.faults, wire.notes))),
        )


class EvidenceData:
    """All that the page can show on demand, each text, cell, account and connection once.

    Raw hellos are left to observations.jsonl: they are the larger part of a run, and for machines.
    """

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._texts, self._accounts, self._connections = EntryTable(), EntryTable(), EntryTable()
        self._hellos, self._cells = EntryTable(), EntryTable()
        self._cells_of: dict[object, int] = {}
        """By what was observed, the place of the cell."""
        self._text("")
        self._servers = {server.id: place for place, server in enumerate(matrix.catalogue.servers)}
        self._measured = {measured.interpreter.name: measured for measured in matrix.measured}

    def document(self) -> dict[str, object]:
        """Return JSON's own types, in the order in which the page's script reads them."""
        matrix = self._matrix
        servers = (server_facts(server, matrix.run) for server in matrix.catalogue.servers)
        return {
            "floor": str(matrix.floor),
            "ladder": [str(protocol) for protocol in LADDER],
            "verdicts": [str(verdict) for verdict in Verdict],
            "gaps": [str(verdict) for verdict in GAPS],
            "servers": [
                {name: visible(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}
                for facts in servers
            ],
            "subjects": [(str(subject), subject.plural) for subject in subjects_of(matrix.groups)],
            "interpreters": [_interpreter(group.interpreter, group.subject) for group in matrix.groups],
            "rows": [
                self._row(row, number, observations)
                for number, group in enumerate(matrix.groups)
                for observations in [self._observations(group.name)]
                for row in group.rows
            ],
            "cells": self._cells.entries,
            "texts": self._texts.entries,
            "accounts": self._accounts.entries,
            "hellos": self._hellos.entries,
            "wires": self._connections.entries,
        }

    def _observations(self, name: str) -> _Observations:
        """Return those of one interpreter: all at once would be the larger part of a run."""
        measured = self._measured.get(name)
        seen = measured.observations if measured else ()
        return {(each.client, each.condition, each.server): each for each in seen}

    def _row(self, row: Row, interpreter: int, observations: _Observations) -> RowEntry:
        judgement = row.judgement
        texts = (
            *(row.client, row.client_version, row.urllib3, row.condition, row.verdict),
            *(judgement.lowest or "", judgement.highest or "", row.held_by, row.page_check, judgement.reason),
        )
        seen = [observations.get((row.client, row.condition, server)) for server in row.findings]
        return RowEntry(
            interpreter,
            texts=[self._text(str(fact)) for fact in texts],
            hello=self._hellos.place(_offers(row.hello)) if row.hello else -1,
            cells=list(map(self._cell, row.findings.values(), seen)),
            took=[round(each.account.took * 10_000) if each and each.account else 0 for each in seen],
        )

    def _cell(self, result: CellResult, seen: Observation | None) -> int:
        """Return the place of a cell; what was observed before is not made fit for the page again."""
        key = (result.server.id, result.kind, result.protocol, result.reason, seen and _shown(seen))
        if key not in self._cells_of:
            self._cells_of[key] = self._cells.place(self._made(result, seen))
        return self._cells_of[key]

    def _made(self, result: CellResult, seen: Observation | None) -> CellEntry:
        account, wires = (seen.account, seen.wire) if seen else (None, ())
        return CellEntry(
            server=self._servers[result.server.id],
            tone=tone(result, self._matrix.floor),
            shown=self._text(str(result)),
            reason=self._text(result.reason),
            account=self._accounts.place(AccountEntry.of(account)) if account else -1,
            missing=self._text(seen.missing) if seen else 0,
            connections=tuple(self._connections.place(ConnectionEntry.of(wire)) for wire in wires),
        )

    def _text(self, text: str) -> int:
        return self._texts.place(visible(text))


def _shown(seen: Observation) -> tuple[object, ...]:
    """Return all of an observation that the page shows in its cell."""
    account = seen.account
    return (
        seen.missing,
        account and (account.outcome, account.version, account.cipher),
        account and (account.error_class, account.error_text, account.note),
        *map(_shown_of, seen.wire),
    )


def _shown_of(wire: WireAccount) -> tuple[object, ...]:
    """Return all of a connection that the page shows."""
    return (
        *(wire.offered, wire.legacy_version, not wire.client_hello, wire.cipher_count),
        *(wire.server_version, wire.server_cipher, wire.alerts),
        *(wire.client_data, wire.server_data, wire.faults, wire.notes),
    )


def _interpreter(interpreter: Interpreter, subject: Subject) -> dict[str, object]:
    names = ("id", "name", "version", "implementation", "source", "path", "openssl")
    # What was found is read by where it is.
    found = {"name": visible(label(interpreter)), "environment": visible(interpreter.environment)}
    facts = [(title, visible(fact)) for title, fact in process_facts(interpreter).items()]
    return {
        "subject": str(subject),
        **{name: visible(getattr(interpreter, name)) for name in names},
        **(found if subject.as_found else {}),
        **({"facts": facts} if facts else {}),
    }


def _offers(hello: Hello) -> tuple[tuple[str, str], ...]:
    """Return what a client offers beside versions, as titles with what is under each."""
    titles = {
        "groups": hello.groups,
        "key shares": hello.key_shares,
        "cipher suites": hello.cipher_suites,
        "signature algorithms": hello.signature_algorithms,
    }
    lists = [
        (f"{len(some)} {title}", ", ".join(code.name for code in some)) for title, some in titles.items()
    ]
    return (("JA4", hello.ja4), ("Post-quantum", str(hello.post_quantum)), *lists)
