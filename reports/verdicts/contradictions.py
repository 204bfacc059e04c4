"""Judges a stored matrix again from its own cells, and says where what it claims and what it shows part.

A report travels, and whoever wants a green build may edit it on its way. Whatever the gate believes follows
from the cells, which follow from the hellos in observations.jsonl. It needs nothing but Python, because the
gate reads it; each function raises KeyError, ValueError or TypeError for what no matrix.json has.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interpreters.interpreter import MADE, PROGRAM
from reports.verdicts.cells import CellKind, CellResult
from reports.verdicts.judge import HeldBy, Verdict, judge
from reports.verdicts.stand_ins import ALL_CLIENTS, MISSING
from servers.catalogue import Catalogue, Certificate, KeyExchange, Role, Server, read_catalogue
from servers.protocols import LADDER, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

KEY = ("run_id", "interpreter", "client", "condition", "server")
"""What an entry of matrix.json is found by; a verdict by the first four of these."""

_Row = tuple[str, ...]


@dataclass(frozen=True)
class _Met:
    """What one run met, and was asked for."""

    catalogue: Catalogue
    passed: Mapping[str, bool]
    """By server, whether its control passed; empty for a machine that did not report."""
    request: Mapping[str, Any]
    ended: str

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> _Met:
        """Return it from a run in matrix.json."""
        passed = {server["server"]: server["control"]["passed"] for server in run["servers"]}
        servers = tuple(map(_server, run["servers"]))
        return cls(Catalogue(servers, run["catalogue"]), passed, run["asked"], run["ended"])


def contradictions(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield, in sentences without a full stop, what in a matrix.json denies something else in it."""
    floor, ours = Protocol(document["floor"]), read_catalogue()
    runs = {run["run_id"]: _Met.of(run) for run in document["runs"]}
    yield from _twice(document)
    for run_id, met in runs.items():
        yield from _unlike_our_catalogue(met, ours)
        measured_against = Protocol(met.request["floor"])
        if measured_against is not floor and met.passed:
            yield f"it is about {floor}, and {run_id} was measured against {measured_against}"
    cells: dict[_Row, dict[str, Any]] = {}
    for cell in document["cells"]:
        cells.setdefault(_key(cell), {})[cell["server"]] = cell
    verdicts = {_key(verdict): verdict for verdict in document["verdicts"]}
    if stray := next((row for row in cells if row not in verdicts), None):
        yield f"it has cells of {_name(stray)}, and no verdict"
    for row, verdict in verdicts.items():
        met, found = runs[row[0]], cells.get(row, {})
        yield from _uneven(row, met, found)
        if (when := verdict.get("held_by_measured")) and when > met.ended:
            yield f"{_name(row)} is said to be held as an earlier run measured it, at {when}, after its end"
        wrong = [words for cell in found.values() for words in _wrong_cell(cell, met, floor)]
        yield from wrong or _wrong_verdict(verdict, _judged(met, found, floor), _name(row))
    yield from _not_measured(document, verdicts, runs)


def _key(entry: Mapping[str, Any]) -> _Row:
    return tuple(str(entry[name]) for name in KEY[:4])


def _name(row: _Row) -> str:
    return f"{row[1]}/{row[2]}"


def _twice(document: Mapping[str, Any]) -> Iterator[str]:
    """Say what is there twice: only one of them would be looked at."""
    parts = {"runs": KEY[:1], "interpreters": KEY[:2], "verdicts": KEY[:4], "cells": KEY}
    for part, key in parts.items():
        counted = Counter(tuple(str(entry[name]) for name in key) for entry in document[part])
        yield from (
            f"it has {'/'.join(words)} twice in {part}" for words, times in counted.items() if times > 1
        )


def _unlike_our_catalogue(met: _Met, ours: Catalogue) -> Iterator[str]:
    """Say which servers are not those that the run's catalogue has; only of our own is that known."""
    if met.catalogue.sha256 != ours.sha256:
        return
    there = {server.id: server for server in met.catalogue.servers}
    roles = (Role.LADDER, *([Role.ATTACK] if met.request["attacks"] else []))
    for server in ours.servers:
        stored = there.get(server.id)
        facts = None if stored is None else (stored.role, stored.protocols, stored.key_exchange)
        if facts is None and server.role in roles:
            yield f"the server {server.id} of its catalogue is not among those that it met"
        elif facts not in (None, (server.role, server.protocols, server.key_exchange)):
            yield f"its server {server.id} is not the one of that name in its catalogue"


def _server(facts: Mapping[str, Any]) -> Server:
    protocols = frozenset(map(Protocol, facts["protocols"]))
    if not protocols:
        msg = f"{facts['server']} speaks nothing"
        raise ValueError(msg)
    exchange, certificate = KeyExchange(facts["key_exchange"]), Certificate(facts["certificate"])
    return Server(facts["server"], facts["why"], protocols, exchange, certificate, Role(facts["role"]))


def _uneven(row: _Row, met: _Met, found: Mapping[str, Any]) -> Iterator[str]:
    """Say which cells a row lacks, or has too many: one for each server of its run, measured or not."""
    if lacking := [server for server in met.passed if server not in found]:
        yield f"{_name(row)} has no cell for {lacking[0]}, which its run met"
    if foreign := [server for server in found if server not in met.passed]:
        yield f"{_name(row)} has a cell for {foreign[0]}, which its run did not meet"


def _wrong_cell(cell: Mapping[str, Any], met: _Met, floor: Protocol) -> Iterator[str]:
    """Say what a cell cannot be."""
    name = f"{_name(_key(cell))} on {cell['server']}"
    kind, negotiated = CellKind(cell["outcome"]), _protocol(cell["negotiated"])
    if cell["control_passed"] is not met.passed.get(cell["server"]):
        yield f"{name} has another word on the control than its run"
    elif cell["control_passed"] is not True and not kind.undecided:
        yield f"{name} is {kind}, and its server's control failed"
    if (kind is CellKind.CONNECTED) is not (negotiated is not None) and kind is not CellKind.FOOLED:
        yield f"{name} is {kind}, with {negotiated or 'no version'} as negotiated"
    if cell["below_floor"] is not (negotiated is not None and negotiated.below(floor)):
        yield f"{name} negotiated {negotiated or 'nothing'}, and says below_floor {cell['below_floor']}"


def _protocol(text: str | None) -> Protocol | None:
    return None if text is None else Protocol(text)


def _judged(
    met: _Met, found: Mapping[str, Any], floor: Protocol
) -> tuple[Verdict, Protocol | None, Protocol | None]:
    """Judge a row's cells again; return the verdict and the lowest and highest version.

    Where a stored cell was stopped is not known: what could have been above the floor counts as that.
    """
    results = {}
    for server in met.catalogue.servers:
        if cell := found.get(server.id):
            kind, version = CellKind(cell["outcome"]), _protocol(cell["negotiated"])
            if kind is CellKind.BLOCKED:
                version = max(server.protocols, key=LADDER.index)
            offered = frozenset(map(Protocol, cell["offered"]))
            results[server.id] = CellResult(server, kind, version, cell["reason"], offered)
    judgement = judge(results, met.catalogue, floor)
    return judgement.verdict, judgement.lowest, judgement.highest


UNDECIDED = (Verdict.INCONCLUSIVE, Verdict.UNTESTABLE)
"""What a row may be although its cells say more: start-up code, say, can make them worth less."""


def _wrong_verdict(
    verdict: Mapping[str, Any], again: tuple[Verdict, Protocol | None, Protocol | None], name: str
) -> Iterator[str]:
    """Say what a verdict claims that its cells, judged again, deny. It may claim less, and never more."""
    claimed, (judged, lowest, highest) = Verdict(verdict["verdict"]), again
    downgraded = judged is Verdict.DOWNGRADED
    better = {Verdict.ENFORCED: [judged is Verdict.ENFORCED], Verdict.FRAGILE: [judged not in UNDECIDED]}
    if (claimed is Verdict.DOWNGRADED) is not downgraded or not all(better.get(claimed, [])):
        yield f"{name} is said to be {claimed}, and its cells make it {judged}"
    for words, stored, version in (
        ("lowest", verdict["lowest_negotiated"], lowest),
        ("highest", verdict["highest_negotiated"], highest),
    ):
        if _protocol(stored) is not version:
            yield f"{name} is said to have {stored} as its {words} version, and its cells have {version}"
    holds = verdict["held_by"]
    if (holds == HeldBy.NOTHING) is not (claimed is Verdict.DOWNGRADED) or (holds and claimed in UNDECIDED):
        yield f"{name} is {claimed}, and said to be held by {holds}"


def _not_measured(
    document: Mapping[str, Any], verdicts: Iterable[_Row], runs: Mapping[str, _Met]
) -> Iterator[str]:
    """Say which rows are not there that a run was asked for: a client of its in each interpreter."""
    clients: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for run_id, interpreter, client, condition in verdicts:
        clients.setdefault((run_id, interpreter), set()).add((client, condition))
    for entry in document["interpreters"]:
        there = clients.get((entry["run_id"], entry["interpreter"]))
        if there is None:
            yield f"it has {entry['interpreter']} among its interpreters, and no verdict of it"
        elif not _counts_all(entry) or str(ALL_CLIENTS) in {client for client, _ in there}:
            continue
        else:
            request = runs[entry["run_id"]].request
            wanted = itertools.product(request["clients"], request["conditions"])
            yield from (
                f"{entry['interpreter']}/{client} under {condition} was asked for, and has no verdict"
                for client, condition in wanted
                if (client, condition) not in there
            )


def _counts_all(interpreter: Mapping[str, Any]) -> bool:
    """Whether each client of the run is measured there: what was found, or is a program, has its own."""
    return interpreter["environment"] == MADE and interpreter["source"] not in (PROGRAM, MISSING)


def standings_of(document: Mapping[str, Any]) -> Counter[str]:
    """Return how many interpreters, environments, programs and machines stand at each verdict.

    Each stands by its worst client under the first condition of the run, as run.json counts them.
    """
    first = {run["run_id"]: run["asked"]["conditions"][0] for run in document["runs"]}
    worst: dict[tuple[str, str], Verdict] = {}
    for entry in document["verdicts"]:
        if entry["condition"] == first[entry["run_id"]]:
            key, verdict = (entry["run_id"], entry["interpreter"]), Verdict(entry["verdict"])
            worst[key] = min(worst.get(key, verdict), verdict, key=list(Verdict).index)
    return Counter(map(str, worst.values()))
