"""The policy: what the gate asks of a matrix, read from policy.toml in the root of the repository."""

from __future__ import annotations

import datetime as dt
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import RELAXED, clients
from interpreters.interpreter import MADE, PROGRAM
from interpreters.regular import read_regular
from interpreters.tables import Table, TableError, keys, parse, question
from reports.verdicts.judge import Verdict
from reports.verdicts.stand_ins import MISSING
from servers.conditions import Condition
from servers.protocols import FLOORS, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

POLICY = Path(__file__).parent.parent.parent / "policy.toml"

CHOICES = (Verdict.FRAGILE, Verdict.INCONCLUSIVE, Verdict.UNTESTABLE, MISSING)
"""What fails the gate unless a policy leaves it out, the worst first; `downgraded` always does."""

MAX_AGE = 7
"""Days that a run may be old, unless a policy says otherwise."""

OWN_NAME = re.compile(r"\w+", re.ASCII)
"""What a client of `--client` or a program of `--command` can be called, as a whole."""

OLDEST = 3650
"""What a policy may say at most: ten years."""

KEYS = (
    *("floor", "clients", "sources", "environments", "fails", "new_only", "partial", "max_age"),
    *("openssl_conf", "waiver"),
)


@dataclass(frozen=True)
class Waiver:
    """Rows that need not hold the floor for a while; hosts and what is on them are globs."""

    interpreter: str
    reason: str
    expires: dt.date
    """The last day on which it counts, in UTC."""
    client: str = "*"
    host: str = "*"
    environment: str = "*"
    """Of the path of an environment as found; `made` is what was made for measuring."""

    def covers(self, host: str, interpreter: str, client: str, environment: str = MADE) -> bool:
        """Whether a row is one of these."""
        globs = (self.host, self.interpreter, self.client, self.environment)
        return all(map(fnmatchcase, (host, interpreter, client, environment), globs))

    def __str__(self) -> str:
        """Return how a message names it."""
        where = "" if self.environment == "*" else f" in {self.environment}"
        return f"{self.interpreter}/{self.client}{where}" + ("" if self.host == "*" else f" on {self.host}")


@dataclass(frozen=True)
class Policy:
    """What the gate asks; as it is here where there is no file."""

    floor: Protocol | None = None
    """None: whatever the run was measured against."""
    clients: tuple[str, ...] = ()
    """The clients that count, and have to be measured; without any, all that were."""
    programs: tuple[str, ...] = ()
    """Those of `clients` that are programs, which have no interpreter to be measured in."""
    own: tuple[str, ...] = ()
    """Those of `clients` that the tool does not know: a report tells whether they are the user's."""
    sources: tuple[str, ...] = ()
    """The sources whose interpreters count; without any, all."""
    environments: tuple[str, ...] = ()
    """Globs of the path or id of what counts that was found as it is; without any, all."""
    fails: tuple[str, ...] = CHOICES
    """Which of CHOICES fail, in their order."""
    new_only: str = ""
    """Folder or matrix.json of an earlier run, seen from the policy's folder: only what is new fails."""
    partial: bool = False
    """Whether a run that was narrowed may pass."""
    max_age: int = MAX_AGE
    """Days after which a run does not answer for its machine any more."""
    openssl_conf: tuple[str, ...] = ()
    """Values of OPENSSL_CONF under which a run may have measured."""
    waivers: tuple[Waiver, ...] = ()
    file: str = ""
    """Name of the file that it was read from; empty for the default."""

    def counts_environment(self, environment: str, name: str) -> bool:
        """Whether what was found at this path, under this id, counts."""
        globs = self.environments or ("*",)
        return any(fnmatchcase(text, glob) for text in (environment, name) for glob in globs)

    def fails_on(self, verdict: str) -> bool:
        """Whether a row that came out like this fails the gate."""
        return verdict == Verdict.DOWNGRADED or verdict in self.fails

    def sentences(self) -> list[str]:
        """Return what it asks, and each waiver, for people to read beside what it is held against."""
        age = f"at most {self.max_age} day{'' if self.max_age == 1 else 's'} old"
        whole = "may be partial" if self.partial else "must be whole"
        named = " or ".join(self.openssl_conf)
        under = f"under OPENSSL_CONF={named} or none" if named else "under no variable of OpenSSL's"
        lists = {
            "Clients that count": self.clients,
            "Sources that count": self.sources,
            "Environments as found that count": self.environments,
            "Fails": (Verdict.DOWNGRADED, *self.fails),
        }
        return [
            f"In force is {self.file or 'no policy file, so the default'}: a run {whole}, {age} and {under}.",
            *([f"The floor is {self.floor}."] if self.floor else []),
            *(f"{what}: {', '.join(some)}." for what, some in lists.items() if some),
            *([f"What failed alike in {self.new_only} is let pass."] if self.new_only else []),
            *(f"Waived until {waiver.expires}: {waiver}: {waiver.reason}." for waiver in self.waivers),
        ]

    def record(self) -> dict[str, object]:
        """Return it in JSON's own types, as matrix.json and gate.json show it; null is no restriction."""
        return {
            "file": self.file or None,
            "floor": self.floor and str(self.floor),
            "clients": list(self.clients) or None,
            "sources": list(self.sources) or None,
            "environments": list(self.environments) or None,
            "conditions": [str(Condition.AMBIENT)],
            "fails": [str(verdict) for verdict in (Verdict.DOWNGRADED, *self.fails)],
            "new_only": self.new_only or None,
            "partial": self.partial,
            "max_age": self.max_age,
            "openssl_conf": list(self.openssl_conf),
            "waivers": [
                {
                    "host": waiver.host,
                    "interpreter": waiver.interpreter,
                    "client": waiver.client,
                    "environment": waiver.environment,
                    "reason": waiver.reason,
                    "expires": waiver.expires.isoformat(),
                }
                for waiver in self.waivers
            ],
        }


def read_policy(path: Path = POLICY) -> Policy:
    """Read and check a policy file; without one, return the default. Raises TableError."""
    if not os.path.lexists(path):
        return Policy()
    where = path.name
    try:
        raw = read_regular(path)
    except OSError as error:
        msg = f"{where} cannot be read: {error.strerror}; repair it, or remove it for the default policy"
        raise TableError(msg) from error
    table = Table(where, parse(where, raw), dict.fromkeys(KEYS, False))
    known, programs = _known_clients(where) if "clients" in table.values else ([], [])
    own = _own(table, (*known, *programs))
    named = _some(table, "clients", (*known, *programs, *own))
    wanted = _some(table, "sources", (*interpreter_sources(), PROGRAM))
    outside = tuple(name for name in named if name in programs)
    if outside and PROGRAM not in (wanted or (PROGRAM,)):
        table.refuse(
            f"clients has the program {outside[0]!r}, which would never count, because sources lacks"
            f" {PROGRAM!r}: add that, or take it out"
        )
    return Policy(
        floor=table.choice("floor", FLOORS) if "floor" in table.values else None,
        clients=named,
        programs=outside,
        own=own,
        sources=wanted,
        environments=_globs(table),
        fails=_fails(table),
        new_only=table.get("new_only", str, ""),
        partial=table.get("partial", bool, default=False),
        max_age=table.number("max_age", MAX_AGE, range(1, OLDEST + 1), "a number of days"),
        openssl_conf=_paths(table),
        waivers=_waivers(table),
        file=where,
    )


def unknown_client(policy: Policy, measured: Collection[str]) -> str:
    """Say which of a policy's clients is neither the tool's nor among those measured; empty if each is."""
    strange = next((name for name in policy.own if name not in measured), "")
    if not strange:
        return ""
    known, programs = _known_clients(policy.file)
    meant = question(strange, (*known, *programs, *sorted(measured)))
    remedy = "measure it with --client or --command, or take it out"
    return (
        f"{policy.file}: clients has {strange!r}, which is no client of the tool's, and the run measured none"
        f" of yours by that name; {f'{meant} If not, ' if meant else ''}{remedy}"
    )


def _known_clients(where: str) -> tuple[list[str], list[str]]:
    """Return the clients and the programs that a policy may always name.

    Clients are read from the files of all, which takes longer than all the rest.
    """
    return [client.id for client in clients().values() if not client.reference], _programs(where)


def _own(table: Table, known: Collection[str]) -> tuple[str, ...]:
    """Return the members of `clients` that may be the user's own: only who has a report knows."""
    listed = table.values.get("clients")
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    strange = [name for name in names if name not in (*known, RELAXED.name) and OWN_NAME.fullmatch(name)]
    return tuple(dict.fromkeys(strange))


def _programs(where: str) -> list[str]:
    from interpreters.programs import read_programs

    try:
        return [program.id for program in read_programs()]
    except TableError as error:
        msg = f"{where}: its clients cannot be checked: {error}"
        raise TableError(msg) from error


def _paths(table: Table) -> tuple[str, ...]:
    named = table.texts("openssl_conf", "/etc/ssl/floor.cnf", "a path or a list of paths", alone=True)
    return tuple(dict.fromkeys(named))


def interpreter_sources() -> tuple[str, ...]:
    """Return every source of interpreters: of environments as found the paths say which count.

    Raises TableError for a file of places without sense.
    """
    from interpreters.locate import GIVEN, SEARCH
    from interpreters.locations import read_locations

    return tuple(dict.fromkeys(source.id for source in (*read_locations(), SEARCH, GIVEN)))


def _globs(table: Table) -> tuple[str, ...]:
    """Return the globs of environments that count; an empty list would let every application pass."""
    named = table.texts("environments", "/srv/*", "a list of globs")
    if "environments" in table.values and not named:
        table.refuse("environments is empty, so none would count; name some, or leave it out for all")
    return tuple(dict.fromkeys(named))


def _some(table: Table, key: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return what counts: with a key but without a member, nothing would, and everything would pass."""
    if key not in table.values:
        return ()
    named = table.choices(key, known)
    if not named:
        table.refuse(f"{key} is empty, so nothing would count; name some, or leave it out for all")
    return named


def _fails(table: Table) -> tuple[str, ...]:
    if "fails" not in table.values:
        return CHOICES
    # It may be named, for completeness, but not left out.
    named = table.choices("fails", (Verdict.DOWNGRADED, *CHOICES))
    return tuple(verdict for verdict in named if verdict != Verdict.DOWNGRADED)


def _waivers(table: Table) -> tuple[Waiver, ...]:
    value = table.values.get("waiver", [])
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        table.refuse("waiver must be a list of tables; write [[waiver]] and its keys below it")
    return tuple(
        _waiver(Table(f"{table.where} [[waiver]] {number}", entry, keys(Waiver) | {"interpreter": False}))
        for number, entry in enumerate(value, 1)
    )


def _waiver(table: Table) -> Waiver:
    if not {"interpreter", "environment"} & table.values.keys():
        table.refuse("'interpreter' is missing; name it, or an environment")
    return Waiver(
        interpreter=table.get("interpreter", str, "*"),
        reason=table.get("reason", str),
        expires=table.get("expires", dt.date),
        client=table.get("client", str, "*"),
        host=table.get("host", str, "*"),
        environment=table.get("environment", str, "*"),
    )
