"""Sends a probe past the tap of every server and joins its account with the wire's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import time
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from interpreters.clients import PROBES, ClientKey
from interpreters.interpreter import MADE
from interpreters.places import ANSWER_LIMIT as REACH_LIMIT
from interpreters.places import LOCAL, Passenger, Place, command
from interpreters.places import MARK as REACH_MARK
from interpreters.processes import signal_name
from reports.verdicts.cells import WIRE_ALONE
from reports.verdicts.observations import Account, Observation, OwnTls
from servers.certificates import NAME
from servers.conditions import Condition
from servers.peers import CLOSED, LOOPBACK, admit_family, can_tell, hosts_file, is_ours
from servers.processes import ended, processor_time, running, waits_of
from servers.tap import Tap
from servers.wire import read_capture

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from servers.control import Control
    from servers.lab import LabServer
    from servers.peers import Admission, Endpoint

MARK = "TLS-FLOOR-PROBE "

ASKED = "TLS_FLOOR_OPENSSL_CONF"
"""The variable that names a condition's configuration once more: a wrapper or start-up code may name another
in OPENSSL_CONF, and what holds a client would then be told from what was never tried."""

CONFIGURATION_THERE = "{folder}/openssl.cnf"
"""Where the configuration that OPENSSL_CONF names here is in a place: see probes/reach.py."""

ATTEMPT_LIMIT = 5.0
"""Seconds that a client waits for a socket; every server is on this machine."""

PLACE_ATTEMPT_LIMIT = 15.0
"""The same for a place, where each byte passes both ends of a channel: of 40 that began at once on a machine
at load 20, one handshake in twenty took more than five seconds, and its cell said nothing."""

SILENCE_LIMIT = 30.0
"""Seconds without a word of its task after which a probe is ended; slow imports take a few, and on a busy
machine those do not count for which it waited for a processor. What it prints beside counts for nothing: a
line a second would keep it alive for ever."""

LONGEST_WAIT = 4
"""Silences after which it is ended in any case: what it starts may keep itself waiting."""

PLACE_SILENCE_LIMIT = 90.0
"""The same for a place, which may keep nothing compiled: an image whose modules are source text alone, as
PYTHONDONTWRITEBYTECODE leaves them, compiles botocore in each probe, which took 38 s on a busy machine."""

LOOKS_APART = 1.0
"""Seconds between two looks at how long a probe that says something has waited for a processor."""

SENT = "sent"
"""What the folder of packages that travel is called in a place."""

BEFORE = 5.0
"""Seconds before the end of that silence at which the probe itself gives up a client's own process."""

ATTEMPTS_A_CELL = 2
"""Attempts for which a cell has time on the average of a visit: one server in many hangs, not each."""

OUTPUT_LIMIT = 16 * 2**20
"""Bytes that a probe may print in all; for a hundred cells it prints a thousandth of that."""

TEXT_LIMIT = 2000
"""Characters that are kept of a text of the client's own, such as an error; real ones have a few hundred."""

NAME_LIMIT = 200
"""The same for a version, a cipher or the name of a library."""


@dataclass(frozen=True)
class ProbeTask:
    """What one probe is sent to do: which clients it runs, in which Python, on which servers.

    A session makes one for each interpreter and each of its environments; the campaign adds the servers, and
    the condition if it is not the ambient one.
    """

    interpreter: str
    """The id of the interpreter that is probed, in itself or in an environment."""
    python: Path
    """What runs the probe: the interpreter itself, or an environment's Python."""
    env: Mapping[str, str]
    """The variables that the process is started with, those of the condition among them."""
    clients: tuple[ClientKey, ...]
    environment: str = MADE
    """As the interpreter's."""
    snippets: Mapping[str, str] = field(default_factory=dict)
    """By client, source text that the probe runs before it uses that client."""
    programs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By client's name, how to run those that are programs rather than modules of the interpreter."""
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By client, without versions or remedy, the modules that its file imports: a client that has no others,
    or is not named here, is installed everywhere."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """By client, the text of the file, for those that are the user's own."""
    apart: frozenset[str] = frozenset()
    """The clients, without versions or remedy, that run in a process of their own each (probes/apart.py)."""
    condition: Condition = Condition.AMBIENT
    servers: tuple[LabServer, ...] = ()
    arguments: tuple[str | Path, ...] = field(default_factory=lambda: (PROBES,))
    """What Python is started with: the probe's code."""
    place: Place = LOCAL
    """Where it runs: elsewhere `env` is what is set there."""
    sent: Path | None = None
    """A folder of packages that travel to its place, and that its Python finds first."""
    compiled: Path | None = None
    """A folder of ours for what a Python compiles."""
    tells_loaded: bool = False
    """Whether it says at its end which files it has loaded, and which modules it looked for."""
    alike: str = ""
    """What it has in common with others that one measurement may hold for; empty for none: see same.py."""

    def command(self, attempt_limit: float) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        """Return what is started here, and in which environment; an attempt takes so long at the most."""
        if self.place.is_local:
            return (self.python, *self.arguments), {**self.env, **self._asked}
        # Each attempt waits for several answers; a program may be given longer.
        limit = REACH_LIMIT + PLACE_SILENCE_LIMIT + (4 * attempt_limit + self.slowest) * len(self.pairs)
        folders = {SENT: self.sent} if self.sent else {}
        passenger = Passenger(self.python, self.arguments, folders=folders, converse=True, limit=limit)
        found_first = {"PYTHONPATH": f"{{folder}}/{SENT}"} if self.sent else {}
        return command(self.place, passenger, {**self.env, **found_first, **self._asked}), os.environ

    @property
    def _asked(self) -> dict[str, str]:
        """Which configuration to measure under, for an interpreter that names another one at its start."""
        if self.condition is Condition.AMBIENT:
            return {}
        return {ASKED: self.env["OPENSSL_CONF"] if self.place.is_local else CONFIGURATION_THERE}

    @property
    def limits(self) -> tuple[float, float]:
        """Seconds that a client waits for a socket, and that the probe may be silent, where it runs."""
        if self.place.is_local:
            return ATTEMPT_LIMIT, SILENCE_LIMIT
        return PLACE_ATTEMPT_LIMIT, PLACE_SILENCE_LIMIT

    @property
    def slowest(self) -> float:
        """Seconds that the program has for a server that was given most; 0 where none was given any."""
        return max((float(program.get("limit", 0)) for program in self.programs.values()), default=0.0)

    @property
    def pairs(self) -> tuple[tuple[ClientKey, LabServer], ...]:
        """Each client with each server."""
        return tuple((client, server) for client in self.clients for server in self.servers)

    @property
    def as_found(self) -> bool:
        """Whether the environment was found: what is not installed there was not to be."""
        return self.environment != MADE

    def needed(self, client: ClientKey) -> tuple[str, ...]:
        """Return the modules without which a client is not installed."""
        return self.modules.get(client.name, ())

    def without(self, absent: Collection[ClientKey]) -> ProbeTask:
        """Return the task for what is there of an environment as found; elsewhere all of the clients are."""
        there = tuple(client for client in self.clients if client not in absent)
        return replace(self, clients=there, modules={}) if self.as_found else self

    def with_clients(self, clients: Sequence[ClientKey]) -> ProbeTask:
        """Return the task for these clients alone; of a program those that it has: not each is relaxed."""
        theirs = (key for key in clients if not self.programs or key.name in self.programs)
        return replace(self, clients=tuple(theirs))

    def under(
        self, condition: Condition, configuration: Path | None, servers: Sequence[LabServer]
    ) -> ProbeTask:
        """Return the task under a condition, with its OpenSSL configuration, on these servers."""
        ours = {"OPENSSL_CONF": str(configuration)} if configuration else {}
        return replace(self, condition=condition, env={**self.env, **ours}, servers=tuple(servers))

    def with_temporary(self, folder: Path) -> ProbeTask:
        """Return the task with a folder of ours for temporary files; in a place the far end has one.

        A probe is killed before it removes what it wrote there.
        """
        return replace(self, env={**self.env, "TMPDIR": str(folder)}) if self.place.is_local else self

    def keeping_compiled(self, folder: Path) -> ProbeTask:
        """Return the task with a folder of ours for what is compiled, where it can reach that.

        A text is then compiled once for all that have it: environments as found, where nothing is written,
        and those that we make, where copies of one release would each compile all of botocore.
        """
        return replace(self, compiled=folder) if self.place.is_local else self


@dataclass(frozen=True)
class Stranger:
    """Whoever connected and was not seen to be the client: nothing of it was passed on, kept or counted."""

    server: str
    who: str
    """In words, such as ``a process of user 1000``."""
    times: int


def stranger_sentences(strangers: Iterable[Stranger]) -> tuple[str, ...]:
    """Say who else connected, to which servers and how often, apart from those that closed before a look."""
    others: dict[str, Counter[str]] = {}
    closed: Counter[str] = Counter()
    for stranger in strangers:
        if stranger.who == CLOSED:
            closed[stranger.server] += stranger.times
        else:
            others.setdefault(stranger.server, Counter())[stranger.who] += stranger.times
    found = [
        f"Somebody else connected to {_counted({server: who.total()})} ({', '.join(sorted(who))});"
        for server, who in others.items()
    ]
    if closed:
        found.append(
            f"Nobody can tell who connected to {_counted(closed)} and closed at once: somebody else, or the"
            " client itself, which may open a connection and then send nothing;"
        )
    return tuple(f"{sentence} nothing of it was passed on or counted." for sentence in found)


def _counted(servers: Mapping[str, int]) -> str:
    """Name servers, with how often."""
    named = (f"{server} ({'once' if times == 1 else f'{times} times'})" for server, times in servers.items())
    return f"the server{'s' if len(servers) > 1 else ''} of {', '.join(named)}"


@dataclass(frozen=True)
class ProbeResult:
    """All that came of one probe process."""

    identity: Mapping[str, Any] | None
    """What the interpreter reported of itself while it was measured; None if it did not get that far."""
    observations: tuple[Observation, ...]
    """One for each client and server of the task, save those that `absent` says."""
    import_errors: Mapping[ClientKey, str] = field(default_factory=dict)
    """By client, why it could not be imported."""
    absent: frozenset[ClientKey] = frozenset()
    """The clients that are not installed, or, in an environment as found, not known to be: there, of these
    are no observations."""
    problem: str = ""
    """Why the process did not reach its end; empty if it did."""
    strangers: tuple[Stranger, ...] = ()
    left: tuple[str, ...] = ()
    """What it had left running, outside its process group, and we have ended."""
    doubts: tuple[str, ...] = ()
    """What cannot be told in its place, by DOUBTS of probes/reach.py."""
    loaded: tuple[str, ...] | None = None
    """The files that it had loaded at its end; None where nobody asked, or where those are not all that it
    read: its code may have set another OPENSSL_CONF than it was given."""
    sought: tuple[str, ...] = ()
    """The modules that it looked for, where it tells what it had loaded."""


def _account(record: Mapping[str, Any]) -> Account:
    """Build an account; raises ValueError, TypeError or OverflowError for a malformed record."""
    account = Account(**record)
    texts = (account.version, account.cipher, account.error_class, account.error_text)
    well_formed = all(isinstance(t, str | None) for t in texts) and isinstance(account.note, str)
    seconds = float(account.seconds)
    if account.outcome not in ("connected", "failed", *WIRE_ALONE) or not well_formed:
        msg = "a malformed account"
        raise ValueError(msg)
    if not 0 <= seconds < math.inf:  # NaN among them, which is no JSON
        msg = f"an account of {seconds} seconds"
        raise ValueError(msg)
    return replace(
        account,
        seconds=seconds,
        version=_cut(account.version, NAME_LIMIT),
        cipher=_cut(account.cipher, NAME_LIMIT),
        error_class=_cut(account.error_class, NAME_LIMIT),
        error_text=_cut(account.error_text, TEXT_LIMIT),
        note=account.note[:TEXT_LIMIT],
    )


def _cut(text: str | None, limit: int) -> str | None:
    return text if text is None else text[:limit]


class LastWord:
    """When the last word of its task came from a process; 0 is none."""

    def __init__(self, pid: int = 0) -> None:
        self._pid = pid
        self._looked = -math.inf
        self.came()

    def came(self) -> None:
        """Remember that one came now, and for how long the process had waited for a processor by then.

        That is looked at but once in a while: words come by the hundred a second, and each look is at all
        that the process has started. What is taken off its silence may be so much more, and never less.
        """
        self._at = time.monotonic()
        if self._at - self._looked >= LOOKS_APART:
            self._looked, self._waits = self._at, waits_of(self._pid) if self._pid else {}

    def left(self, limit: float) -> float:
        """Return the seconds for which it may still be silent: at least these, and 0 or less for none.

        Those do not count for which it waited for a processor, or what it started, whoever of them waited
        longest. That is looked at when all others have passed.
        """
        if (left := self._at + limit - time.monotonic()) > 0:
            return left
        found = waits_of(self._pid) if self._pid else {}
        return left + max((now - self._waits.get(pid, 0.0) for pid, now in found.items()), default=0.0)


class Probe:
    """One probe process: runs it, and joins what it reports with what the wire shows.

    Each client and server pair has a tap of its own, so a connection belongs to its cell by the port
    it came in on, whatever the client says, if it is the probe's at all: others are sent away. Only what
    is installed gets taps, which the process says before it is given its plan. A probe that dies, hangs or
    lies leaves observations without an account, each with the reason.
    """

    cpu = 0.0
    """Seconds of processor time that the process has spent, as far as the system tells."""
    _loaded: tuple[str, ...] | None = None
    _sought: tuple[str, ...] = ()

    def __init__(
        self, task: ProbeTask, attempt_limit: float | None = None, silence_limit: float | None = None
    ) -> None:
        self.task = task
        attempt, silence = task.limits
        self._attempt_limit = attempt if attempt_limit is None else attempt_limit
        # A program says nothing while it runs, which it may do for as long as the user gave it.
        self._silence_limit = (silence if silence_limit is None else silence_limit) + task.slowest
        self._cell_limit = task.slowest + ATTEMPTS_A_CELL * self._attempt_limit
        self._begun: set[tuple[ClientKey, str]] = set()
        """The clients and servers of which it said that it begins them."""
        self._printed = 0
        """Bytes."""
        self._word = LastWord()
        self._identity: Mapping[str, Any] | None = None
        self._versions: dict[ClientKey, str] = {}
        """By client, as the four below."""
        self._urllib3: dict[ClientKey, str] = {}
        self._own_tls: dict[ClientKey, OwnTls] = {}
        self._remarks: dict[ClientKey, str] = {}
        self._import_errors: dict[ClientKey, str] = {}
        self._absent: frozenset[ClientKey] | None = None
        """The clients that are not installed; None until the process has said which."""
        self._accounts: dict[tuple[ClientKey, str], Account] = {}
        """By client and server."""
        self._doing = "it started"
        self._ended = False
        self._last_words: deque[str] = deque(maxlen=3)
        self._taps: dict[tuple[ClientKey, str], Tap] = {}
        self._left: list[str] = []
        self._admission: Admission | None = None
        """Lets in the process and what that started; None before it starts and after its end."""
        self._problem = ""
        """Why the process did not reach its end; empty if it did."""
        self._unreached = ""
        """Why its place could not be reached, or no longer; empty if it was, and for this machine."""
        self._strangers_there: list[Stranger] = []
        self._doubts: list[str] = []

    async def run(self) -> None:
        """Run the process through all clients on all servers; raises OSError where no more taps can be had.

        Never raises for what the process does.
        """
        stand = [server for server in self.task.servers if server.address and server.pair]
        # Where no client is asked for, the probe still says what its interpreter is.
        if not stand and self.task.pairs:
            return
        async with contextlib.AsyncExitStack() as taps:
            async with contextlib.AsyncExitStack() as inside:
                try:
                    process = await inside.enter_async_context(
                        running(
                            *self.task.command(self._attempt_limit),
                            stdin=asyncio.subprocess.PIPE,
                            left=self._left.append,
                        )
                    )
                except OSError as error:
                    self._problem = (
                        f"the probe could not be started: {error.strerror or error}: {error.filename}"
                    )
                    return
                self._word = LastWord(process.pid)
                self._admission = admit_family(process.pid)
                inside.callback(self._admit_nobody)
                await self._converse(process, stand, taps)
                self.cpu = processor_time(process)
            await asyncio.gather(*(tap.settle() for tap in self._taps.values()))

    async def _converse(
        self,
        process: asyncio.subprocess.Process,
        stand: Sequence[LabServer],
        taps: contextlib.AsyncExitStack,
    ) -> None:
        """Ask the process what is installed, and send it through all that is on the servers that stand."""
        question = {"modules": {str(client): self.task.needed(client) for client in self.task.clients}}
        await self._hear(process, question, lambda: self._absent is not None)
        if self._absent is None or self._ended or self._problem:
            return
        there = [client for client in self.task.clients if client not in self._absent]
        known = is_ours(NAME, hosts_file())
        cells = [
            {**await self._open(taps, client, server), "known": known} for client in there for server in stand
        ]
        plan = {"timeout": self._attempt_limit, "cells": cells, "snippets": dict(self.task.snippets)}
        plan["sources"] = dict(self.task.sources)
        plan["compiled"] = str(self.task.compiled) if self.task.compiled else None
        plan["patience"] = max(0.0, self._silence_limit - BEFORE)
        plan["apart"] = [str(client) for client in there if client.name in self.task.apart]
        plan["loaded"] = self.task.tells_loaded
        await self._hear(process, plan, lambda: False)

    async def _open(
        self, taps: contextlib.AsyncExitStack, client: ClientKey, server: LabServer
    ) -> dict[str, object]:
        """Open the tap of a client and a server that stands; return what the probe has to know of both."""
        assert server.address is not None  # noqa: S101  only servers that run are probed
        assert server.pair is not None  # noqa: S101
        admission = self._admit if can_tell() else None
        by_name = server.pair.host != LOOPBACK
        tap = await taps.enter_async_context(Tap(server.address, admission=admission, by_name=by_name))
        self._taps[client, server.server.id] = tap
        return {
            "client": str(client),
            "server": server.server.id,
            "host": server.pair.host,
            "address": LOOPBACK,
            "name": NAME,
            "port": tap.port,
            "cafile": str(server.pair.trust),
            "retries": server.server.retries,
            "program": self.task.programs.get(client.name),
        }

    def _admit(self, far: Endpoint, near: Endpoint) -> str:
        """Say who connects if it is neither the process nor what that started; empty if it is."""
        return self._admission(far, near) if self._admission else "a process that the probe did not start"

    def _admit_nobody(self) -> None:
        self._admission = None

    async def _hear(
        self, process: asyncio.subprocess.Process, message: object, answered: Callable[[], bool]
    ) -> None:
        """Send the process a line, and take in what it prints until that is answered, or its end.

        Where it neither answers nor says that it reached its end, that is the problem.
        """
        assert process.stdin is not None  # noqa: S101  we asked for pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(json.dumps(message).encode() + b"\n")
        self._word.came()
        whole = LONGEST_WAIT * self._silence_limit + len(self._taps) * self._cell_limit
        end = time.monotonic() + whole
        try:
            while not (self._ended or answered()):
                line = await self._line(process.stdout, end)
                if not line:
                    self._problem = self._ending(await ended(process))
                    return
                self._printed += len(line)
                if self._printed > OUTPUT_LIMIT:
                    self._problem = f"the probe printed more than {OUTPUT_LIMIT} bytes, and was ended"
                    return
                self._take(line.decode(errors="replace"))
        except TimeoutError:
            late = self._word.left(self._silence_limit) > 0
            what = f"took more than {whole:g} s" if late else f"said nothing for {self._silence_limit:g} s"
            self._problem = f"the probe {what} after {self._doing}, and was ended"
        except ValueError as error:
            self._problem = f"the probe's output broke off after {self._doing}: {error}"

    async def _line(self, stdout: asyncio.StreamReader, end: float) -> bytes:
        """Return what it prints next; raises TimeoutError where it is silent for too long, or at the end."""
        while (left := min(self._word.left(self._silence_limit), end - time.monotonic())) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    # Before each record the probe ends what a client may have printed: usually nothing.
                    line = await stdout.readline()
                    return await stdout.readline() if line == b"\n" else line
        raise TimeoutError

    def _take(self, text: str) -> None:
        """Take in one line; what is not a record of ours is kept only as last words."""
        line = text.strip()
        # The near end lets no line of a place begin with its mark: one behind a blank is not the near end's.
        nearby = text.startswith(REACH_MARK) and not self.task.place.is_local
        if not nearby and not line.startswith(MARK):
            if line:
                self._last_words.append(line[:200])
            return
        try:
            if nearby:
                self._take_reach(json.loads(line.removeprefix(REACH_MARK)))
            else:
                self._take_record(json.loads(line.removeprefix(MARK)))
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
            self._last_words.append(f"a record that makes no sense: {str(error)[:NAME_LIMIT]}")

    def _take_reach(self, record: Mapping[str, Any]) -> None:
        """Take in what the near end of the channel to a place says itself."""
        if record["kind"] == "problem":
            self._unreached = f"{self.task.place}: {record['text']}"
        elif record["kind"] == "stranger":
            servers = [server for (_, server), tap in self._taps.items() if tap.port == record["port"]]
            self._strangers_there += [Stranger(server, record["who"], record["times"]) for server in servers]
        elif record["kind"] == "doubt":
            self._doubts.append(record["what"])

    def _take_record(self, record: Mapping[str, Any]) -> None:
        kind, client = record["kind"], ClientKey.parse(str(record.get("client")))
        if kind == "identity":
            self._identity = record["identity"]
            if self._absent is None:
                self._take_lacking(dict(record["lacking"]))
            self._problem = self._problem or self._another_configuration(record)
        elif kind == "client" and client in self.task.clients:
            self._take_client(client, record)
        elif kind in ("begin", "account"):
            self._take_cell(kind, (client, record["server"]), record)
        elif kind == "end":
            self._ended = True
            if record.get("loaded") and record["openssl_conf"] == self.task.env.get("OPENSSL_CONF"):
                self._loaded = tuple(map(str, record["loaded"]))
                self._sought = tuple(map(str, record["sought"]))

    def _another_configuration(self, record: Mapping[str, Any]) -> str:
        """Say that it does not run under the configuration of its condition; empty if it does."""
        named, task = record.get("openssl_conf"), self.task
        if task.condition is Condition.AMBIENT:
            return ""
        # Where it is in a place only the place knows.
        if named and named == (task.env["OPENSSL_CONF"] if task.place.is_local else record.get("asked")):
            return ""
        return (
            f"it runs under OPENSSL_CONF={named or ''}, which a wrapper or its start-up code sets,"
            f" and cannot be measured under the condition {task.condition}"[:TEXT_LIMIT]
        )

    def _take_cell(self, kind: str, cell: tuple[ClientKey, str], record: Mapping[str, Any]) -> None:
        """Take in that it begins a cell, or what came of one; what it was not sent to counts for nothing."""
        if cell not in self._taps:
            msg = "it was not sent there"
            raise ValueError(msg)
        known = self._begun if kind == "begin" else self._accounts
        if cell not in known:
            self._word.came()
        if kind == "begin":
            self._begun.add(cell)
            self._doing = f"it began {cell[0]} on {cell[1]}"
        else:
            self._accounts[cell] = _account(record["account"])

    def _take_lacking(self, lacking: Mapping[str, object]) -> None:
        """Take in what is not installed: only the lack of what a client needs makes that client absent."""
        for client in self.task.clients:
            if (module := lacking.get(str(client))) in self.task.needed(client):
                self._import_errors[client] = f"there is no module {module!r}"
        self._absent = frozenset(self._import_errors)

    def _take_client(self, client: ClientKey, record: Mapping[str, Any]) -> None:
        """Take in what a client is, or why it cannot be had."""
        if client not in (*self._versions, *self._import_errors):
            self._word.came()
        if record["version"] is None:
            self._import_errors[client] = f"{record['error_class']}: {record['error_text']}"[:TEXT_LIMIT]
            return
        self._versions[client] = str(record["version"])[:NAME_LIMIT]
        self._urllib3[client] = str(record["urllib3"])[:NAME_LIMIT]
        self._remarks[client] = str(record.get("remark", ""))[:TEXT_LIMIT]
        if tls := record["tls"]:
            self._own_tls[client] = OwnTls(str(tls["name"])[:NAME_LIMIT], bool(tls["reads_openssl_conf"]))

    def _ending(self, status: int | None) -> str:
        """Say how a probe ended that did not say so itself."""
        if self._unreached:
            return f"{self._unreached} (after {self._doing})"
        if status is None:
            how = "stopped talking and was ended"
        elif status < 0:
            how = f"died of {signal_name(-status)}"
        else:
            how = f"ended with status {status}"
        words = f" ({' / '.join(self._last_words)})" if self._last_words else ""
        return f"the probe {how} after {self._doing}{words}"

    def result(self, controls: Mapping[str, Control]) -> ProbeResult:
        """Return what came of the process, each observation with the control of its server."""
        absent = _unsaid(self.task) if self._absent is None else self._absent
        return ProbeResult(
            self._identity,
            tuple(
                self._observation(client, server, controls[server.server.id])
                for client, server in self.task.pairs
                if client not in absent or not self.task.as_found
            ),
            self._import_errors,
            absent,
            self._problem,
            tuple(
                Stranger(server, who, times)
                for (_, server), tap in self._taps.items()
                for who, times in tap.strangers.items()
            )
            + tuple(self._strangers_there),
            tuple(self._left),
            tuple(self._doubts),
            self._loaded,
            self._sought,
        )

    def _observation(self, client: ClientKey, server: LabServer, control: Control) -> Observation:
        tap = self._taps.get((client, server.server.id))
        # An account of a cell that the probe was not given counts for nothing.
        account = self._accounts.get((client, server.server.id)) if tap else None
        captures = tuple(tap.captures) if tap else ()
        seen = blank_observation(self.task, client, server, control)
        return replace(
            seen,
            client_version=self._versions.get(client, ""),
            # A client that needs no urllib3 may be in its environment by the side of one that does.
            urllib3=self._urllib3.get(client) or next(filter(None, self._urllib3.values()), ""),
            own_tls=self._own_tls.get(client),
            remark=self._remarks.get(client, ""),
            account=account,
            missing="" if account else self._missing(client, server),
            wire=tuple(map(read_capture, captures)),
            captures=captures,
        )

    def _missing(self, client: ClientKey, server: LabServer) -> str:
        """Say why there is no account of a client on a server."""
        import_error = self._import_errors.get(client, "")
        return server.unavailable or import_error or self._problem or "the probe passed it over"


def not_probed(task: ProbeTask, reason: str, controls: Mapping[str, Control]) -> ProbeResult:
    """Return the result of a probe that could not be made: no observation has an account, for this reason."""
    absent = _unsaid(task)
    blank = (
        blank_observation(task, client, server, controls[server.server.id])
        for client, server in task.pairs
        if client not in absent
    )
    observations = tuple(replace(seen, missing=reason) for seen in blank)
    return ProbeResult(None, observations, absent=absent, problem=reason)


def _unsaid(task: ProbeTask) -> frozenset[ClientKey]:
    """Return the clients that a probe, before it has said anything, may find or not in its environment."""
    return frozenset(client for client in task.clients if task.as_found and task.needed(client))


def blank_observation(task: ProbeTask, client: ClientKey, server: LabServer, control: Control) -> Observation:
    """Return the observation of a client on a server before either witness has told anything."""
    return Observation(
        interpreter=task.interpreter,
        client=client,
        client_version="",
        condition=task.condition,
        server=server.server.id,
        account=None,
        missing="",
        wire=(),
        control=control,
        environment=task.environment,
    )
