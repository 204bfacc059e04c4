"""What nox must know when it loads the sessions: which interpreters there are, and what was asked for."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import inspect
import re
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from interpreters.log import shown
from interpreters.process_environment import RUN_ID, absolute
from interpreters.tables import TableError
from runs.choosing import CHOOSING

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from interpreters.locate import Candidate, Discovery
    from interpreters.search import SearchResult

RUN_IDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What the id of a run may be: it names folders."""

DEFAULT_SESSION = "matrix"


WITHOUT_INTERPRETERS = frozenset(
    {"gate", "compare", "merge", "ticket", "pack", "verify", "serve", "clean", "tests", "faults", "lint"}
)
"""The sessions that are about none of this machine's interpreters, for which none is looked for."""


class _LenientError(Exception):
    """The words cannot be parsed.

    No FloorError: nothing stops while nox loads its sessions; the session's own parser says why.
    """


class _Lenient(argparse.ArgumentParser):
    """A parser that neither exits nor knows any help."""

    def error(self, message: str) -> NoReturn:
        raise _LenientError(message)


@dataclass(frozen=True)
class Plan:
    """What the command line and the machine say before any session has its own options."""

    run_id: str
    sessions: tuple[str, ...] = ()
    """The sessions of this command, without parameters; empty if nox was asked for them in another way."""
    discovery: Discovery | None = None
    """Every interpreter found on this machine, those given with --interpreter, and where we looked; None if
    nobody did."""
    chosen: tuple[Candidate, ...] = ()
    """Those of them that --only leaves."""
    searched: tuple[SearchResult, ...] = ()
    """The trees of --search, as they were searched."""
    problem: str = ""
    """Why interpreters that were asked for cannot be located, in one sentence."""

    @classmethod
    def at_load(cls, arguments: Sequence[str], env: MutableMapping[str, str], called_from: Path) -> Plan:
        """Return the plan for nox's own arguments; never exits, and keeps what is wrong as text.

        Names the run in `env` if nobody did, and makes paths in it absolute, which are meant in the
        folder where nox was called.
        """
        env.update(absolute(env, called_from))
        end = arguments.index("--") if "--" in arguments else len(arguments)
        run_id = env.setdefault(RUN_ID, f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}")
        sessions = asked_for(arguments[:end], env)
        if not RUN_IDS.fullmatch(run_id):
            msg = (
                f"{RUN_ID} is {run_id[:100]!r}, and it names a folder: use letters, digits, '.', '_' and '-'"
            )
            return cls("", sessions, problem=msg)
        if sessions and WITHOUT_INTERPRETERS.issuperset(sessions) and not is_list(arguments[:end]):
            return cls(run_id, sessions)
        from interpreters.locate import SelectionError, discover, select

        with contextlib.chdir(called_from):
            choice = _parsed(_choosing(), arguments[end + 1 :])
        try:
            searched = _searched(choice.search, env)
            # A file is a zipapp, for which the session itself looks.
            folders = [path for path in choice.environment if not path.is_file()]
            discovery = discover(env, choice.interpreter, searched, folders)
        except (SelectionError, TableError) as error:
            return cls(run_id, sessions, problem=str(error))
        chosen: tuple[Candidate, ...] = ()
        # With --programs a pattern may be a program's: the session that measures them says what is wrong.
        with contextlib.suppress(SelectionError):
            chosen = select(discovery.candidates, choice.only)
        return cls(run_id, sessions, discovery, chosen, searched)


def _searched(folders: Sequence[Path], env: MutableMapping[str, str]) -> tuple[SearchResult, ...]:
    """Search the trees that the user names, and say how far that is."""
    if not folders:
        return ()
    from interpreters.search import search_once

    with shown(print_sentence):
        return search_once(folders, env)


def is_list(arguments: Sequence[str]) -> bool:
    """Whether nox's own arguments ask for the list of sessions."""
    return not {"-l", "--list", "--list-sessions"}.isdisjoint(arguments)


def print_sentence(sentence: str) -> None:
    """Show how far a search is: it happens before any session could."""
    from reports.formats.escape import for_terminal

    print(for_terminal(sentence), file=sys.stderr, flush=True)


def called_from() -> Path:
    """Return the folder in which nox was called: while it loads the sessions, it is in theirs."""
    frame = inspect.currentframe()
    while frame:
        if (config := frame.f_locals.get("global_config")) is not None:
            return Path(config.invoked_from)
        frame = frame.f_back
    return Path.cwd()


def _choosing() -> _Lenient:
    parser = _Lenient(add_help=False, allow_abbrev=False)
    for option in CHOOSING:
        option.add_to(parser)
    return parser


def _parsed(parser: _Lenient, words: Sequence[str]) -> argparse.Namespace:
    """Return what a parser makes of the words that it knows; of words without sense, its defaults."""
    try:
        return parser.parse_known_args(words)[0]
    except _LenientError:
        return parser.parse_args([])


def asked_for(arguments: Sequence[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the sessions that nox was asked for; none where it chooses by keyword or tag."""
    parser = _Lenient(add_help=False, allow_abbrev=False)
    names = [name for name in env.get("NOXSESSION", "").split(",") if name] or [DEFAULT_SESSION]
    parser.add_argument("-s", "-e", "--session", "--sessions", dest="sessions", nargs="*", default=names)
    parser.add_argument("-k", "--keywords", default="")
    parser.add_argument("-t", "--tags", nargs="*", default=[])
    found = _parsed(parser, arguments)
    if found.keywords or found.tags:
        return ()
    return tuple(dict.fromkeys(name.partition("(")[0] for name in found.sessions))
