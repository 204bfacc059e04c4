"""What differs between the records of two runs and may be why a row changed: pure functions, in words."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import clients
from interpreters.listing import some_of
from reports.verdicts.judge import Verdict
from reports.verdicts.scope import passed_on, tool_in_full
from servers.catalogue import Role
from servers.conditions import Condition
from servers.hello import unpadded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from interpreters.clients import ClientKey
    from interpreters.interpreter import Interpreter
    from reports.formats.matrix_json import StoredRun
    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Run
    from servers.hello import Hello, NamedCode

MOST_CODES = 3
"""Entries of a list of a hello that are named; matrix.json has all."""

UNKNOWN = (Verdict.INCONCLUSIVE, Verdict.UNTESTABLE)
"""Verdicts by which nothing is known."""


class CauseSubject(enum.StrEnum):
    """What a cause is about."""

    MACHINE = "machine"
    INTERPRETER = "interpreter"
    OPENSSL = "openssl"
    CONFIGURATION = "configuration"
    CLIENT = "client"
    URLLIB3 = "urllib3"
    HELLO = "hello"
    """What the client offers."""
    REASON = "reason"
    """What a row says itself of why nothing is known."""
    FLOOR = "floor"
    SERVERS = "servers"
    CONTROL = "control"
    ENGINE = "engine"
    TOOL = "tool"


@dataclass(frozen=True)
class ChangeCause:
    """Something that differs, in words that can follow a colon."""

    source: CauseSubject
    text: str


def of_runs(older: StoredRun, newer: StoredRun) -> tuple[ChangeCause, ...]:
    """Return how two runs differ by themselves: where, against what, and with which instruments."""
    before, after = older.run, newer.run
    left, right = ({server.id for server in record.catalogue.servers} for record in (older, newer))
    passed, passes = _passed(older), _passed(newer)
    broken, mended = (passed & right) - passes, (passes & left) - passed
    found = (
        (
            before.host != after.host,
            CauseSubject.MACHINE,
            f"the machine is {after.host}, before {before.host}",
        ),
        (older.floor != newer.floor, CauseSubject.FLOOR, f"the floor is {newer.floor}, before {older.floor}"),
        (before.catalogue != after.catalogue, CauseSubject.SERVERS, "the catalogue of servers was edited"),
        (right - left, CauseSubject.SERVERS, f"only now these servers were met: {_joined(right - left)}"),
        (left - right, CauseSubject.SERVERS, f"only before these servers were met: {_joined(left - right)}"),
        (broken, CauseSubject.CONTROL, f"the control fails on {_joined(broken)}, and passed before"),
        (mended, CauseSubject.CONTROL, f"the control passes on {_joined(mended)}, and failed before"),
        (
            before.engine != after.engine,
            CauseSubject.ENGINE,
            f"serving is {after.engine}, before {before.engine}",
        ),
        *_of_scopes(before, after),
    )
    return tuple(ChangeCause(source, text) for differs, source, text in found if differs)


def _of_scopes(before: Run, after: Run) -> Iterator[tuple[bool, CauseSubject, str]]:
    """Give what differs in how two runs came about: by which tool, under which variables, where, by whom."""
    was, now = (tool_in_full(run) for run in (before, after))
    yield was != now, CauseSubject.TOOL, f"measuring is {now}, before {was}"
    was, now = (f"under {passed_on(run)}" if passed_on(run) else "without" for run in (before, after))
    yield was != now, CauseSubject.CONFIGURATION, f"variables of OpenSSL or its loader: {now}, before {was}"
    was, now = (run.scope.distribution for run in (before, after))
    yield _both_differ(was, now), CauseSubject.MACHINE, f"the system is {now}, before {was}"
    was, now = (run.scope.user for run in (before, after))
    yield _both_differ(was, now), CauseSubject.MACHINE, f"the user who measured is {now}, before {was}"


def _joined(servers: set[str]) -> str:
    return ", ".join(sorted(servers))


def _passed(record: StoredRun) -> set[str]:
    """Return the servers that verdicts rest on whose control passed."""
    resting = (server.id for server in record.catalogue.servers if server.role is not Role.PAGE)
    return {name for name in resting if record.run.controls[name].passed}


def of_rows(client: ClientKey, older: Row, newer: Row, link: str = "") -> tuple[ChangeCause, ...]:
    """Return what differs between two rows beside what was measured, the most telling first.

    `client` is which one they are about, where one of them stands for all; `link` is the path that led
    to the one interpreter and leads to the other.
    """
    before, after = older.interpreter, newer.interpreter
    causes = [*_of_file(before, after, link), *_of_build(before, after)]
    # Under any other condition the configuration is ours.
    if older.condition is newer.condition is Condition.AMBIENT:
        causes += _of_configuration(before, after)
    causes += _of_client(client, older, newer)
    if older.hello and newer.hello:
        causes += _of_hello(older.hello, newer.hello)
    if newer.verdict in UNKNOWN and newer.verdict is not older.verdict:
        causes.append(ChangeCause(CauseSubject.REASON, newer.judgement.reason))
    elif older.verdict in UNKNOWN and newer.verdict not in UNKNOWN:
        causes.append(ChangeCause(CauseSubject.REASON, f"no longer so: {older.judgement.reason}"))
    return tuple(causes)


def of_client_file(client: ClientKey, before: Run, after: Run) -> tuple[ChangeCause, ...]:
    """Return that the text of a client of the user's own is another; nothing for any other client."""
    was, now = (
        {Path(file.path).stem: file.sha256 for file in run.asked.client_files}.get(client.name)
        for run in (before, after)
    )
    if not was or not now or was == now:
        return ()
    text = f"the client file {client.name}.py was edited: its SHA-256 is {now}, before {was}"
    return (ChangeCause(CauseSubject.CLIENT, text),)


def _of_file(before: Interpreter, after: Interpreter, link: str) -> Iterator[ChangeCause]:
    """Give what became of the interpreter's file."""
    kind, name = ("program", "version") if after.is_program else ("interpreter", "Python")
    changed = _both_differ(before.version, after.version)
    versions = f"{name} {after.version}, before {before.version}" if changed else "the same version"
    aside = f" ({versions})" if before.version and after.version else ""
    if _both_differ(before.path, after.path):
        text = f"{link} leads to" if link else "it is"
        yield ChangeCause(CauseSubject.INTERPRETER, f"{text} {after.path}, before {before.path}{aside}")
    elif before.build and after.build and before.build != after.build:
        yield ChangeCause(CauseSubject.INTERPRETER, f"the {kind} was rebuilt or replaced{aside}")
    elif changed:
        yield ChangeCause(CauseSubject.INTERPRETER, versions)


def _of_build(before: Interpreter, after: Interpreter) -> Iterator[ChangeCause]:
    """Give what differs in how it was configured and in what it is linked to, where both are known."""
    if before.version and after.version:
        left, right = set(before.configure_flags), set(after.configure_flags)
        flags = [f"with {flag}" for flag in sorted(right - left)]
        flags += [f"no longer with {flag}" for flag in sorted(left - right)]
        if flags:
            yield ChangeCause(CauseSubject.INTERPRETER, f"it is configured {', '.join(flags)}")
        old, new = set(before.start_up), set(after.start_up)
        files = [f"also {file}" for file in sorted(new - old)]
        files += [f"no longer {file}" for file in sorted(old - new)]
        if files:
            yield ChangeCause(CauseSubject.INTERPRETER, f"at its start it runs {', '.join(files)}")
    if before.variables != after.variables:
        was, now = (
            ", ".join(f"{name}={value}" for name, value in each.variables.items()) or "none"
            for each in (before, after)
        )
        yield ChangeCause(
            CauseSubject.CONFIGURATION, f"the variables that it starts under are {now}, before {was}"
        )
    if _both_differ(before.openssl, after.openssl):
        yield ChangeCause(
            CauseSubject.OPENSSL, f"its TLS library is {after.openssl}, before {before.openssl}"
        )


def _of_configuration(before: Interpreter, after: Interpreter) -> Iterator[ChangeCause]:
    known = before.openssl and after.openssl
    if not known or before.openssl_conf_sha256 == after.openssl_conf_sha256:
        return
    read, reads = (
        interpreter.openssl_conf if interpreter.openssl_conf_sha256 else "none"
        for interpreter in (before, after)
    )
    if read == reads:
        text = f"the OpenSSL configuration {reads}, or what it includes, was edited"
    else:
        text = f"the OpenSSL configuration that it reads is {reads}, before {read}"
    yield ChangeCause(CauseSubject.CONFIGURATION, text)


def _of_client(client: ClientKey, older: Row, newer: Row) -> Iterator[ChangeCause]:
    # The standard library has its interpreter's version, of which enough was said.
    own = all(row.client_version == row.interpreter.version for row in (older, newer))
    if _both_differ(older.client_version, newer.client_version) and not own:
        yield ChangeCause(
            CauseSubject.CLIENT, f"{client} is {newer.client_version}, before {older.client_version}"
        )
    if _on_urllib3(client.name) and _both_differ(older.urllib3, newer.urllib3):
        yield ChangeCause(CauseSubject.URLLIB3, f"urllib3 is {newer.urllib3}, before {older.urllib3}")


def _of_hello(before: Hello, after: Hello) -> Iterator[ChangeCause]:
    """Give what differs in what the client offers; a hello's padding comes and goes by itself."""
    lists = (
        ("groups", before.groups, after.groups),
        ("key shares", before.key_shares, after.key_shares),
        ("cipher suites", before.cipher_suites, after.cipher_suites),
        ("signature algorithms", before.signature_algorithms, after.signature_algorithms),
        ("extensions", unpadded(before), unpadded(after)),
    )
    found = [text for title, was, now in lists if (text := _listed(title, was, now))]
    if found:
        yield ChangeCause(
            CauseSubject.HELLO,
            f"its hello is {after.ja4}, before {before.ja4} ({', '.join(found)})",
        )


def _listed(title: str, was: Sequence[NamedCode], now: Sequence[NamedCode]) -> str:
    """Say which entries of one list only one of two hellos has; empty where the lists are the same."""
    more, fewer = (
        [entry.name for entry in some if entry not in other] for some, other in ((now, was), (was, now))
    )
    if more or fewer:
        signed = [f"+{some_of(more, MOST_CODES)}"] * bool(more) + [f"-{some_of(fewer, MOST_CODES)}"] * bool(
            fewer
        )
        return f"{title} {' '.join(signed)}"
    return "" if was == now else f"{title} in another order"


@cache
def _on_urllib3(client: str) -> bool:
    """Whether a client, as its file says, speaks through the urllib3 beside it."""
    known = clients().get(client)
    return known is not None and known.on_urllib3


def _both_differ(before: str, after: str) -> bool:
    """Whether two facts are both known and not the same."""
    return bool(before and after) and before != after
