"""The policy: what the gate asks of a matrix, read from policy.toml in the root of the repository."""

from __future__ import annotations

import datetime as dt
import difflib
import os
import tomllib
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import clients
from interpreters.errors import FloorError
from interpreters.interpreter import PROGRAM
from interpreters.locate import SOURCES
from interpreters.programs import ProgramsError, read_programs
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import MISSING
from servers.conditions import Condition
from servers.protocols import FLOORS, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

POLICY = Path(__file__).parent.parent.parent / "policy.toml"

CHOICES = (Verdict.FRAGILE, Verdict.INCONCLUSIVE, Verdict.UNTESTABLE, MISSING)
"""What fails the gate unless a policy leaves it out, the worst first; `downgraded` always does."""

MAX_AGE = 7
"""Days that a run may be old, unless a policy says otherwise."""

OLDEST = 3650
"""What a policy may say at most: ten years."""

KEYS = (
    *("floor", "clients", "sources", "fails", "new_only", "partial", "max_age", "openssl_conf"),
    "waiver",
)


@dataclass(frozen=True)
class Waiver:
    """Rows that need not hold the floor for a while; hosts, interpreters and clients are globs."""

    interpreter: str
    reason: str
    expires: dt.date
    """The last day on which it counts, in UTC."""
    client: str = "*"
    host: str = "*"

    def covers(self, host: str, interpreter: str, client: str) -> bool:
        """Whether a row is one of these."""
        globs = (self.host, self.interpreter, self.client)
        return all(map(fnmatchcase, (host, interpreter, client), globs))

    def __str__(self) -> str:
        """Return how a message names it."""
        return f"{self.interpreter}/{self.client}" + ("" if self.host == "*" else f" on {self.host}")


@dataclass(frozen=True)
class Policy:
    """What the gate asks; as it is here where there is no file."""

    floor: Protocol | None = None
    """None: whatever the run was measured against."""
    clients: tuple[str, ...] = ()
    """The clients that count, and have to be measured; without any, all that were."""
    programs: tuple[str, ...] = ()
    """Those of `clients` that are programs, which have no interpreter to be measured in."""
    sources: tuple[str, ...] = ()
    """The sources whose interpreters count; without any, all."""
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
            "Fails": (Verdict.DOWNGRADED, *self.fails),
        }
        return [
            f"In force is {self.file or 'no policy file, so the default'}: a run {whole}, {age} and {under}.",
            *([f"The floor is {self.floor}."] if self.floor else []),
            *(f"{what}: {', '.join(some)}." for what, some in lists.items() if some),
            *([f"What failed alike in {self.new_only} is let pass."] if self.new_only else []),
            *(f"Waived until {one.expires}: {one}: {one.reason}." for one in self.waivers),
        ]

    def record(self) -> dict[str, object]:
        """Return it in JSON's own types, as matrix.json and gate.json show it; null is no restriction."""
        return {
            "file": self.file or None,
            "floor": self.floor and str(self.floor),
            "clients": list(self.clients) or None,
            "sources": list(self.sources) or None,
            "conditions": [str(Condition.AMBIENT)],
            "fails": [str(verdict) for verdict in (Verdict.DOWNGRADED, *self.fails)],
            "new_only": self.new_only or None,
            "partial": self.partial,
            "max_age": self.max_age,
            "openssl_conf": list(self.openssl_conf),
            "waivers": [
                {
                    "host": one.host,
                    "interpreter": one.interpreter,
                    "client": one.client,
                    "reason": one.reason,
                    "expires": one.expires.isoformat(),
                }
                for one in self.waivers
            ],
        }


class PolicyError(FloorError):
    """The policy cannot be meant as it is written; the message names file, key, fact and remedy."""


def read_policy(path: Path = POLICY) -> Policy:
    """Read and check a policy file; without one, return the default. Raises PolicyError."""
    if not os.path.lexists(path):
        return Policy()
    where = path.name
    try:
        table = tomllib.loads(path.read_bytes().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{where} is not valid TOML: {error}"
        raise PolicyError(msg) from error
    except OSError as error:
        msg = f"{where} cannot be read: {error.strerror}; mend it, or remove it for the default policy"
        raise PolicyError(msg) from error
    _check_keys(where, table, KEYS)
    floor = table.get("floor")
    # They are read from the files of all clients, which takes longer than all the rest.
    known = [one.id for one in clients().values() if not one.reference] if "clients" in table else []
    programs = _programs(where) if "clients" in table else []
    named = _some(where, "clients", table, (*known, *programs))
    sources = _some(where, "sources", table, (*SOURCES, PROGRAM))
    outside = tuple(one for one in named if one in programs)
    if outside and PROGRAM not in (sources or (PROGRAM,)):
        msg = (
            f"{where}: clients has the program {outside[0]!r}, which would never count, because sources lacks"
            f" {PROGRAM!r}: add that, or take it out"
        )
        raise PolicyError(msg)
    return Policy(
        floor=None if floor is None else Protocol(_choice(where, "floor", floor, FLOORS)),
        clients=named,
        programs=outside,
        sources=sources,
        fails=_fails(where, table),
        new_only=_text(where, "new_only", table["new_only"]) if "new_only" in table else "",
        partial=_flag(where, "partial", table.get("partial", False)),
        max_age=_days(where, "max_age", table.get("max_age", MAX_AGE)),
        openssl_conf=_paths(where, "openssl_conf", table.get("openssl_conf", [])),
        waivers=_waivers(where, table.get("waiver", [])),
        file=where,
    )


def _programs(where: str) -> list[str]:
    try:
        return [one.id for one in read_programs()]
    except ProgramsError as error:
        msg = f"{where}: its clients cannot be checked: {error}"
        raise PolicyError(msg) from error


def _check_keys(where: str, table: Mapping[str, object], known: Iterable[str]) -> None:
    for key in table:
        if key not in known:
            msg = f"{where}: unknown key {key!r}; did you mean {_nearest(key, known)!r}?"
            raise PolicyError(msg)


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most like one, however little that is."""
    folded = {one.casefold(): one for one in known}
    return folded[difflib.get_close_matches(word.casefold(), folded, 1, cutoff=0)[0]]


def _text(where: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        msg = f'{where}: {key} must be text, such as "...", not {value!r}'
        raise PolicyError(msg)
    return value


def _flag(where: str, key: str, value: object) -> bool:
    if not isinstance(value, bool):
        msg = f"{where}: {key} must be true or false, without quotes, not {value!r}"
        raise PolicyError(msg)
    return value


def _days(where: str, key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= OLDEST:
        msg = f"{where}: {key} must be a number of days from 1 to {OLDEST}, such as {MAX_AGE}, not {value!r}"
        raise PolicyError(msg)
    return value


def _paths(where: str, key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        msg = (
            f'{where}: {key} must be a path or a list of paths, such as ["/etc/ssl/floor.cnf"], not {value!r}'
        )
        raise PolicyError(msg)
    return tuple(dict.fromkeys(value))


def _choice(where: str, key: str, value: object, known: Iterable[str]) -> str:
    choices = [str(one) for one in known]
    text = _text(where, key, value)
    if text not in choices:
        near = _nearest(text, choices)
        msg = f"{where}: {key} has {text!r}; did you mean {near!r}? It is one of {', '.join(choices)}"
        raise PolicyError(msg)
    return text


def _several(where: str, key: str, value: object, known: Iterable[str]) -> tuple[str, ...]:
    """Return a list's members, each once, in the order in which they are known."""
    choices = [str(one) for one in known]
    if not isinstance(value, list):
        msg = f'{where}: {key} must be a list, such as ["{choices[0]}"], not {value!r}'
        raise PolicyError(msg)
    named = {_choice(where, key, item, choices) for item in value}
    return tuple(choice for choice in choices if choice in named)


def _some(where: str, key: str, table: Mapping[str, object], known: Iterable[str]) -> tuple[str, ...]:
    """Return what counts: with a key but without a member, nothing would, and everything would pass."""
    if key not in table:
        return ()
    named = _several(where, key, table[key], known)
    if not named:
        msg = f"{where}: {key} is empty, so nothing would count; name some, or leave it out for all"
        raise PolicyError(msg)
    return named


def _fails(where: str, table: Mapping[str, object]) -> tuple[str, ...]:
    if "fails" not in table:
        return CHOICES
    # It may be named, for completeness, but not left out.
    named = _several(where, "fails", table["fails"], (Verdict.DOWNGRADED, *CHOICES))
    return tuple(verdict for verdict in named if verdict != Verdict.DOWNGRADED)


def _waivers(where: str, value: object) -> tuple[Waiver, ...]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        msg = f"{where}: waiver must be a list of tables; write [[waiver]] and its keys below it"
        raise PolicyError(msg)
    return tuple(_waiver(f"{where} [[waiver]] {number}", one) for number, one in enumerate(value, 1))


def _waiver(where: str, table: Mapping[str, object]) -> Waiver:
    _check_keys(where, table, [field.name for field in fields(Waiver)])
    for key in ("interpreter", "reason", "expires"):
        if key not in table:
            msg = f"{where}: {key!r} is missing"
            raise PolicyError(msg)
    expires = table["expires"]
    if not isinstance(expires, dt.date) or isinstance(expires, dt.datetime):
        msg = f"{where}: expires must be a date without quotes, such as 2027-01-31, not {str(expires)!r}"
        raise PolicyError(msg)
    texts = {key: _text(where, key, value) for key, value in table.items() if key != "expires"}
    return Waiver(expires=expires, **texts)
