"""Running processes: what is worth what a fresh process did, where the one that runs is on older files."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from reports.verdicts.judge import Verdict
from reports.verdicts.scope import minute, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from interpreters.interpreter import Interpreter, RunningProcess
    from reports.verdicts.judge import Judgement

MOST_NAMED = 3
"""Processes, and files, that a sentence names; the rest is counted."""


def weigh(processes: Sequence[RunningProcess], judgement: Judgement) -> Judgement:
    """Return what a judgement on a fresh process is worth for those that run.

    What changed on disk since a process started is not what that process uses, nor what is elsewhere for it.
    A connection of a fresh one below the floor remains one; that there was none says nothing of other files.
    """
    note = "; ".join(other_files(processes))
    if not note:
        return judgement
    verdict = judgement.verdict
    if verdict in (Verdict.ENFORCED, Verdict.FRAGILE):
        verdict = Verdict.INCONCLUSIVE
    return replace(judgement, verdict=verdict, reason=f"{judgement.reason}; {note}")


def other_files(processes: Sequence[RunningProcess]) -> list[str]:
    """Say which processes use other files than a fresh one does, and why; nothing if none does."""
    return [*filter(None, (outdated(processes), set_apart(processes)))]


def set_apart(processes: Iterable[RunningProcess]) -> str:
    """Say which processes have other files behind the same paths; empty if none has."""
    theirs = [process for process in processes if process.elsewhere]
    if not theirs:
        return ""
    files = dict.fromkeys(file for process in theirs for file in process.elsewhere)
    has, it = ("has", "it") if len(theirs) == 1 else ("have", "each")
    way = f"nox -s matrix -- --place 'exec:nsenter -t {theirs[0].pid} -m'"
    return (
        f"{named(theirs)} {has} another {_first(files)} than a fresh process here,"
        f" by mounts of {'its' if it == 'it' else 'their'} own: measure {it} there, as root by {way}"
    )


def outdated(processes: Iterable[RunningProcess]) -> str:
    """Say which processes use files that changed on disk since they started; empty if none does."""
    old = [process for process in processes if process.replaced]
    if not old:
        return ""
    files = [file for file, _ in Counter(file for process in old for file in process.replaced).most_common()]
    uses, them = ("still uses", "it") if len(old) == 1 else ("still use", "them")
    units = dict.fromkeys(process.unit for process in old)
    what = ", ".join(units) if all(units) else them
    return f"{named(old)} {uses} the old {_first(files)}, which changed on disk since: restart {what}"


def process_facts(interpreter: Interpreter) -> dict[str, str]:
    """Return what there is to say of the processes that an interpreter stands for; empty without any."""
    processes = interpreter.processes
    if not processes:
        return {}
    users = ", ".join(dict.fromkeys(process.user for process in processes))
    since = minute(moment(min(process.started for process in processes)))
    units = ", ".join(dict.fromkeys(process.unit for process in processes if process.unit))
    services = f" in {units}" if units else ""
    libraries = dict.fromkeys(file for process in processes for file in process.libraries)
    return {
        "what runs": f"{named(processes)} of {users}{services}, since {since}",
        "variables": ", ".join(f"{name}={text}" for name, text in interpreter.variables.items()),
        "TLS libraries in use": ", ".join(libraries),
        "to restart": outdated(processes),
        "files elsewhere": set_apart(processes),
    }


def named(processes: Sequence[RunningProcess]) -> str:
    """Name processes by their ids and what they run, as in ``processes 12, 13 (gunicorn)``."""
    noun = "process" if len(processes) == 1 else "processes"
    commands = _first(dict.fromkeys(process.command for process in processes))
    return f"{noun} {_first([str(process.pid) for process in processes])} ({commands})"


def _first(words: Iterable[str]) -> str:
    """Join the first few words, and count the others."""
    listed = list(words)
    more = len(listed) - MOST_NAMED
    return ", ".join(listed[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
