"""Sends a probe past the tap of every server and joins its account with the wire's."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.processes import signal_name
from reports.verdicts.observations import Account, Observation, OwnTls
from servers.certificates import NAME
from servers.peers import LOOPBACK, admit_family, can_tell, hosts_file, is_ours
from servers.processes import ended, running
from servers.tap import Capture, Tap
from servers.wire import WireAccount, read_capture

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from servers.control import Control
    from servers.lab import LabServer
    from servers.peers import Admission, Endpoint

PROBES = Path(__file__).parent.parent / "probes"
MARK = "TLS-FLOOR-PROBE "

ATTEMPT_LIMIT = 5.0
"""Seconds that a client waits for a socket; every server is on this machine."""

SILENCE_LIMIT = 30.0
"""Seconds without a line after which a probe is ended; slow imports on a busy machine take a few."""


@dataclass(frozen=True)
class Cell:
    """One client on one server: both accounts, no judgement."""

    client: str
    server: str
    account: Account | None
    missing: str
    """Why there is no account; empty if there is one."""
    wire: tuple[WireAccount, ...]
    """Every connection that the probe, or what it started, made for this cell, in order."""
    captures: tuple[Capture, ...] = ()
    """The same connections as the tap kept them."""


@dataclass(frozen=True)
class Stranger:
    """Somebody who connected in the place of a client: nothing of it was passed on, kept or counted."""

    server: str
    who: str
    """In words, such as ``a process of user 1000``."""
    times: int


def strangers_told(strangers: Iterable[Stranger]) -> tuple[str, ...]:
    """Tell, in a sentence for each server, who else connected to it and how often."""
    servers: dict[str, Counter[str]] = {}
    for one in strangers:
        servers.setdefault(one.server, Counter())[one.who] += one.times
    return tuple(
        f"Somebody else connected to the server of {server}, {who.total()} times ({', '.join(sorted(who))});"
        " nothing of it was passed on or counted."
        for server, who in servers.items()
    )


@dataclass(frozen=True)
class Visit:
    """All that one probe process did."""

    identity: Mapping[str, Any] | None
    """What the interpreter said of itself while it was measured; None if it did not get that far."""
    versions: Mapping[str, str]
    """Versions of the clients that could be imported."""
    import_errors: Mapping[str, str]
    """Why the others could not."""
    cells: tuple[Cell, ...]
    urllib3: Mapping[str, str] = field(default_factory=dict)
    """Versions of the urllib3 that clients found beside them, or carry along."""
    own_tls: Mapping[str, OwnTls] = field(default_factory=dict)
    """The TLS of those clients that bring their own."""
    absent: frozenset[str] = frozenset()
    """The clients that could not be imported because they are not installed."""
    strangers: tuple[Stranger, ...] = ()


@dataclass
class _Log:
    """What the probe has printed so far."""

    identity: Mapping[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    import_errors: dict[str, str] = field(default_factory=dict)
    urllib3: dict[str, str] = field(default_factory=dict)
    own_tls: dict[str, OwnTls] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    doing: str = "it started"
    admission: Admission | None = None
    """Lets in the process that prints it and what that started; None before it starts and after its end."""
    ended: bool = False
    rest: deque[str] = field(default_factory=lambda: deque(maxlen=3))


async def visit(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    clients: Iterable[str],
    stands: Iterable[LabServer],
    attempt_limit: float = ATTEMPT_LIMIT,
    silence_limit: float = SILENCE_LIMIT,
    snippets: Mapping[str, str] | None = None,
    programs: Mapping[str, Mapping[str, object]] | None = None,
) -> Visit:
    """Run one probe process through all clients on all servers; never raises for what it does.

    `snippets` are, by client, source text that the probe runs before it uses that client.

    Each client and server pair has a tap of its own, so a connection belongs to its cell by the port
    it came in on, whatever the client says, if it is the probe's at all: others are sent away. A probe
    that dies, hangs or lies leaves cells without an account, each with the reason. `programs` says, of
    clients that are programs, how to run them.
    """
    pairs = [(client, stand) for client in clients for stand in stands]
    taps: dict[tuple[str, str], Tap] = {}
    log = _Log()
    admission = _admission(log) if can_tell() else None
    known = is_ours(NAME, hosts_file())
    async with contextlib.AsyncExitStack() as stack:
        plan = []
        for client, stand in pairs:
            if stand.address is None or stand.pair is None:
                continue
            by_name = stand.pair.host != LOOPBACK
            tap = await stack.enter_async_context(Tap(stand.address, admission=admission, by_name=by_name))
            taps[client, stand.server.id] = tap
            plan.append(
                {
                    "client": client,
                    "server": stand.server.id,
                    "host": stand.pair.host,
                    "address": LOOPBACK,
                    "name": NAME,
                    "known": known,
                    "port": tap.port,
                    "cafile": str(stand.pair.trust),
                    "retries": stand.server.retries,
                    "program": (programs or {}).get(client),
                }
            )
        problem = ""
        # Where no client is asked for, the probe still says what its interpreter is.
        if plan or not pairs:
            task = {"timeout": attempt_limit, "cells": plan, "snippets": dict(snippets or {})}
            problem = await _run(command, environment, task, log, silence_limit)
        await asyncio.gather(*(tap.settle() for tap in taps.values()))
    cells = tuple(_cell(client, stand, log, taps, problem) for client, stand in pairs)
    strangers = [
        Stranger(server, who, n) for (_, server), tap in taps.items() for who, n in tap.strangers.items()
    ]
    return Visit(
        log.identity,
        log.versions,
        log.import_errors,
        cells,
        log.urllib3,
        log.own_tls,
        frozenset(log.absent),
        tuple(strangers),
    )


def _admission(log: _Log) -> Admission:
    """Return that of the probe which prints to this log, once it is there, and of what it starts."""

    def admission(far: Endpoint, near: Endpoint) -> str:
        return log.admission(far, near) if log.admission else "a process that the probe did not start"

    return admission


def unvisited(clients: Iterable[str], stands: Sequence[LabServer], reason: str) -> Visit:
    """Return the visit that could not be made: each cell without an account, for this reason."""
    return Visit(
        None, {}, {}, tuple(Cell(who, one.server.id, None, reason, ()) for who in clients for one in stands)
    )


def _cell(
    client: str, stand: LabServer, log: _Log, taps: Mapping[tuple[str, str], Tap], problem: str
) -> Cell:
    key = (client, stand.server.id)
    # What a probe says of a cell that it was not given counts for nothing.
    account = log.accounts.get(key) if key in taps else None
    missing = ""
    if account is None:
        missing = (
            stand.unavailable or log.import_errors.get(client, "") or problem or "the probe passed it over"
        )
    captures = tuple(taps[key].captures) if key in taps else ()
    return Cell(client, stand.server.id, account, missing, tuple(map(read_capture, captures)), captures)


async def _run(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    plan: Mapping[str, object],
    log: _Log,
    silence_limit: float,
) -> str:
    """Run the probe to its end; return why it did not reach it, or an empty text."""
    try:
        async with running(command, environment, stdin=asyncio.subprocess.PIPE) as process:
            log.admission = admit_family(process.pid)
            try:
                await _listen(process, plan, log, silence_limit)
                return "" if log.ended else _ending(await ended(process), log)
            finally:
                log.admission = None
    except TimeoutError:
        return f"the probe said nothing for {silence_limit:g} s after {log.doing}, and was ended"
    except OSError as error:
        return f"the probe could not be started: {error}"
    except ValueError as error:
        return f"the probe's output broke off after {log.doing}: {error}"


async def _listen(
    process: asyncio.subprocess.Process, plan: Mapping[str, object], log: _Log, silence_limit: float
) -> None:
    """Give the probe its plan and take in what it prints, until its end or that of its output."""
    assert process.stdin is not None  # noqa: S101  we asked for pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(json.dumps(plan).encode())
    process.stdin.close()
    while not log.ended:
        async with asyncio.timeout(silence_limit):
            line = await process.stdout.readline()
        if not line:
            return
        _take(line.decode(errors="replace").strip(), log)


def _ending(status: int | None, log: _Log) -> str:
    """Say how a probe ended that did not say so itself."""
    if status is None:
        how = "stopped talking and was ended"
    elif status < 0:
        how = f"died of {signal_name(-status)}"
    else:
        how = f"ended with status {status}"
    words = f" ({' / '.join(log.rest)})" if log.rest else ""
    return f"the probe {how} after {log.doing}{words}"


def _take(line: str, log: _Log) -> None:
    """Take in one line; what is not a record of ours is kept only as last words."""
    if not line.startswith(MARK):
        if line:
            log.rest.append(line[:200])
        return
    try:
        record = json.loads(line.removeprefix(MARK))
        kind = record["kind"]
        if kind == "identity":
            log.identity = record["identity"]
        elif kind == "client":
            _meet(str(record["client"]), record, log)
        elif kind == "begin":
            log.doing = f"it began {record['client']} on {record['server']}"
        elif kind == "account":
            key = (str(record["client"]), str(record["server"]))
            log.accounts[key] = _account(record["account"])
        elif kind == "end":
            log.ended = True
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        log.rest.append(f"a record that makes no sense: {error}")


def _meet(client: str, record: Mapping[str, Any], log: _Log) -> None:
    """Take in what a client is, or why it cannot be had."""
    if record["version"] is None:
        if record.get("absent") is True:
            log.absent.add(client)
        log.import_errors[client] = f"{record['error_class']}: {record['error_text']}"
        return
    log.versions[client] = str(record["version"])
    log.urllib3[client] = str(record["urllib3"])
    if tls := record["tls"]:
        log.own_tls[client] = OwnTls(str(tls["name"]), bool(tls["reads_openssl_conf"]))


def _account(told: Mapping[str, Any]) -> Account:
    """Build an account; raises ValueError or TypeError for what is none."""
    account = Account(**told)
    texts = (account.version, account.cipher, account.error_class, account.error_text)
    meant = all(isinstance(t, str | None) for t in texts) and isinstance(account.note, str)
    if account.outcome not in ("connected", "failed") or not meant:
        msg = "an account that cannot be meant"
        raise ValueError(msg)
    return replace(account, seconds=float(account.seconds))


def observations(
    interpreter: str, condition: str, visit: Visit, controls: Mapping[str, Control]
) -> tuple[Observation, ...]:
    """Join a visit with the controls of its run."""
    return tuple(_observation(interpreter, condition, visit, cell, controls) for cell in visit.cells)


def _observation(
    interpreter: str, condition: str, visit: Visit, cell: Cell, controls: Mapping[str, Control]
) -> Observation:
    # One that needs no urllib3 may be in its environment by the side of one that does.
    beside = next(filter(None, visit.urllib3.values()), "")
    return Observation(
        interpreter=interpreter,
        client=cell.client,
        client_version=visit.versions.get(cell.client, ""),
        urllib3=visit.urllib3.get(cell.client) or beside,
        own_tls=visit.own_tls.get(cell.client),
        condition=condition,
        server=cell.server,
        account=cell.account,
        missing=cell.missing,
        wire=cell.wire,
        control=controls[cell.server],
        captures=cell.captures,
    )
