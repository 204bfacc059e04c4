"""The scope of a run: how far its verdicts reach and what they leave out, as a record and in sentences.

It needs nothing but Python, because the gate reads it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, get_args

from interpreters.locations import PROCESSES, SearchedLocation, Status
from interpreters.process_environment import PASSED_THROUGH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


STATUSES = get_args(Status)

MOST_NAMED = 12
"""Names in a list of a short sentence; the report has them all."""

FEW = 3
"""Hosts that are named of many that a short sentence says the same of; a fleet has a thousand."""


@dataclass(frozen=True)
class LeftOut:
    """An interpreter or program that was found and has no row."""

    id: str
    path: str
    reason: str
    """Why it was not measured, in words that can follow a colon."""


@dataclass(frozen=True)
class Scope:
    """By which tool and user a run measured, on what, under which variables, and what it left out.

    As it is here for a machine that did not report, of which nothing is known.
    """

    commit: str = ""
    """The commit of the tool's own checkout; empty if it is not known."""
    commit_unknown: str = ""
    """Why the commit is not known; empty if it is."""
    local_changes: bool = False
    """Whether the tool's files differ from that commit."""
    user: str = ""
    distribution: str = ""
    """Name and version of the operating system."""
    architecture: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Variables that can decide which TLS a process gets, as they were set while the run measured."""
    left_out: tuple[LeftOut, ...] = ()
    """What was found and not measured; what could not be measured has a row that says so."""
    clients_left_out: tuple[str, ...] = ()
    """The clients, and the programs, that this tool knows and was not asked for."""
    narrowed: tuple[str, ...] = ()
    """What it was asked to leave out of all that a run without options measures, in words for each."""
    looked: tuple[SearchedLocation, ...] = ()
    """Where interpreters were looked for."""
    notes: tuple[str, ...] = ()
    """What disturbed the run as a whole, in sentences: which other programs connected to its servers, say."""
    environments_looked: tuple[SearchedLocation, ...] = ()
    """Where environments of applications were looked for; empty where nobody looked."""
    place: str = ""
    """The place that was measured, KIND:NAME; empty for the machine that the tool ran on."""
    place_identity: str = ""
    """The digest of the place's image, or the fingerprint of its host key; empty where it has neither, or it
    could not be told."""

    @property
    def partial(self) -> bool:
        """Whether it was asked to measure less than a run without options does."""
        return bool(self.narrowed)


def read_scope(facts: Mapping[str, Any]) -> Scope:
    """Return a scope from JSON; raises KeyError, TypeError or ValueError for other shapes."""
    texts = ("commit", "commit_unknown", "user", "distribution", "architecture")
    if _flag(facts["partial"]) is not bool(facts["narrowed"]):
        msg = f"partial is {facts['partial']}, beside narrowed {facts['narrowed']}"
        raise ValueError(msg)
    return Scope(
        **{name: _text(facts[name]) for name in texts},
        local_changes=_flag(facts["local_changes"]),
        variables={_text(name): _text(value) for name, value in dict(facts["variables"]).items()},
        left_out=tuple(_read_left_out(entry) for entry in facts["left_out"]),
        clients_left_out=tuple(map(_text, facts["clients_left_out"])),
        narrowed=tuple(map(_text, facts["narrowed"])),
        looked=tuple(_read_looked(entry) for entry in facts["looked"]),
        notes=tuple(map(_text, facts["notes"])),
        environments_looked=tuple(_read_looked(entry) for entry in facts.get("environments_looked", ())),
        place=_text(facts.get("place", "")),
        place_identity=_text(facts.get("place_identity", "")),
    )


def _read_left_out(facts: Mapping[str, Any]) -> LeftOut:
    return LeftOut(**{name: _text(facts[name]) for name in ("id", "path", "reason")})


def _read_looked(facts: Mapping[str, Any]) -> SearchedLocation:
    status = facts["status"]
    if status not in STATUSES:
        msg = f"{status!r} where one of {', '.join(STATUSES)} should be"
        raise ValueError(msg)
    return _looked(_text(facts["place"]), status, _text(facts["reason"]))


@lru_cache(maxsize=2**12)
def _looked(place: str, status: Status, reason: str) -> SearchedLocation:
    """Return a location; the machines of a fleet have most of theirs in common."""
    return SearchedLocation(place, status, reason)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        msg = f"{value!r} where true or false should be"
        raise TypeError(msg)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = f"{value!r} where a text should be"
        raise TypeError(msg)
    return value


class ScopedRun(Protocol):
    """A run, as far as its scope can be put into sentences."""

    @property
    def run_id(self) -> str:
        """The run's id."""

    @property
    def host(self) -> str:
        """The machine that it measured."""

    @property
    def tool(self) -> str:
        """Name and version of the tool."""

    @property
    def started(self) -> str:
        """UTC, ISO 8601."""

    @property
    def ended(self) -> str:
        """UTC, ISO 8601."""

    @property
    def scope(self) -> Scope:
        """How far its verdicts reach."""


def headline(runs: Sequence[ScopedRun]) -> list[str]:
    """Return what nobody may overlook who reads only the answer: what narrows it."""
    return _once(runs, lambda run: [*_partial(run), *_variables(run), *_refused(run)], FEW)


def opening(runs: Sequence[ScopedRun]) -> list[str]:
    """Return where an answer comes from, and what of the machine it leaves out, in a few sentences."""
    return _origins(runs) + _once(runs, lambda run: [*_left_out(run, MOST_NAMED), *_place_counts(run)], FEW)


def scope_summary(runs: Sequence[ScopedRun], now: dt.datetime) -> list[str]:
    """Return the scope in a few sentences with each run's age; lists are cut, and places counted."""
    return _origins(runs, now) + _once(
        runs,
        lambda run: [
            *_partial(run),
            *_variables(run),
            *_left_out(run, MOST_NAMED),
            *_not_asked(run),
            *_refused(run),
            *_place_counts(run),
            *run.scope.notes,
        ],
        FEW,
    )


def in_full(runs: Sequence[ScopedRun]) -> list[str]:
    """Return the scope in sentences that leave out nothing."""
    return [_origin(run) for run in runs] + _once(
        runs,
        lambda run: [
            *_partial(run),
            *_variables(run),
            *_kept_away(run),
            *_left_out(run),
            *_not_asked(run),
            *_refused(run),
            *_places(run),
            *run.scope.notes,
        ],
    )


def tool_in_full(run: ScopedRun) -> str:
    """Return the tool's name and version with its commit, and whether its files differ from that."""
    scope = run.scope
    if not scope.commit:
        unknown = f" (commit unknown: {scope.commit_unknown})" if scope.commit_unknown else ""
        return f"{run.tool}{unknown}"
    return f"{run.tool} at commit {scope.commit[:12]}{' with local changes' if scope.local_changes else ''}"


def passed_on(run: ScopedRun) -> str:
    """Return the variables that decided which TLS was measured, as they were set; empty if none was."""
    return _assignments(run, kept=True)


def moment(text: str) -> dt.datetime:
    """Return the time of a record, which is in UTC; raises ValueError where it is none."""
    read = dt.datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=dt.UTC)


def minute(time: dt.datetime) -> str:
    """Return a time in words."""
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def ago(then: dt.datetime, now: dt.datetime) -> str:
    """Return how long ago something was, in the largest unit of which there is at least one."""
    seconds = (now - then).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if (number := int(seconds // length)) > 0:
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    return "just now"


def _once(
    runs: Sequence[ScopedRun], say: Callable[[ScopedRun], Iterable[str]], most: int | None = None
) -> list[str]:
    """Return what there is to say of the runs, each sentence once, with the machines that it is about."""
    hosts: dict[str, list[str]] = {}
    for run in runs:
        for sentence in say(run):
            hosts.setdefault(sentence, []).append(run.host)
    return [
        sentence if len(named) == len(runs) else f"On {_first_names(named, most)}: {sentence}"
        for sentence, named in hosts.items()
    ]


def _origins(runs: Sequence[ScopedRun], now: dt.datetime | None = None) -> list[str]:
    """Say where an answer comes from; of many runs of the same image or system, measured alike, at once."""
    alike: dict[tuple[str, str], list[ScopedRun]] = {}
    for run in runs:
        alike.setdefault((_system(run), _measured_by(run)), []).append(run)
    sentences = []
    for (system, by), some in alike.items():
        if len(some) <= FEW + 1:
            sentences += [_origin(run, now) for run in some]
            continue
        ended = sorted(moment(run.ended) for run in some)
        age = f" ({ago(ended[0], now)})" if now else ""
        span = dict.fromkeys(map(minute, (ended[0], ended[-1])))
        hosts = _first_names([run.host for run in some], FEW)
        when = f"ended {' to '.join(span)}{age}"
        sentences.append(f"{len(some)} runs on {hosts}{system}: {when}, {by}.")
    return sentences


def _origin(run: ScopedRun, now: dt.datetime | None = None) -> str:
    ended = moment(run.ended)
    when = f"ended {minute(ended)}{f' ({ago(ended, now)})' if now else ''}"
    return f"Run {run.run_id} on {run.host}{_system(run)}: {when}, {_measured_by(run)}."


def _system(run: ScopedRun) -> str:
    """Return what a run measured: the digest of an image or a host's key, distribution, architecture."""
    scope = run.scope
    facts = filter(None, [scope.place_identity, scope.distribution, scope.architecture])
    return "".join(f", {fact}" for fact in facts)


def _measured_by(run: ScopedRun) -> str:
    by = f" by {run.scope.user}" if run.scope.user else ""
    return f"measured{by} with {tool_in_full(run)}"


def _partial(run: ScopedRun) -> list[str]:
    narrowed = run.scope.narrowed
    return [f"This run is partial: {', '.join(narrowed)}."] if narrowed else []


def _variables(run: ScopedRun) -> list[str]:
    found = passed_on(run)
    return [f"Measured under {found}: what runs without that is not covered."] if found else []


def _kept_away(run: ScopedRun) -> list[str]:
    found = _assignments(run, kept=False)
    return [f"Set, and not passed on to what was measured: {found}."] if found else []


def _assignments(run: ScopedRun, *, kept: bool) -> str:
    variables = run.scope.variables.items()
    return ", ".join(f"{name}={value}" for name, value in variables if (name in PASSED_THROUGH) is kept)


def _left_out(run: ScopedRun, most: int | None = None) -> list[str]:
    """Name what was found and not measured, once for each reason."""
    groups: dict[str, list[str]] = {}
    for candidate in run.scope.left_out:
        groups.setdefault(candidate.reason, []).append(candidate.id)
    return [
        f"Found and not measured: {_first_names(ids, most)} ({reason})." for reason, ids in groups.items()
    ]


def _not_asked(run: ScopedRun) -> list[str]:
    clients, looked = run.scope.clients_left_out, run.scope.environments_looked
    unlooked = "Environments of applications were not looked for; --environment measures one as it is."
    save = ", save for clients in environments as found" if looked else ""
    return [
        *([f"Clients and programs that were not asked for{save}: {', '.join(clients)}."] if clients else []),
        *_not_running(run),
        *([] if looked else [unlooked]),
    ]


def _not_running(run: ScopedRun) -> list[str]:
    if any(place.place == PROCESSES for place in run.scope.looked):
        return []
    return ["Running processes were not looked at; --running measures each under its own variables."]


def _refused(run: ScopedRun) -> list[str]:
    sentences = []
    for what, looked in (("interpreters", run.scope.looked), ("environments", run.scope.environments_looked)):
        refused = [place for place in looked if place.status == "unreadable"]
        named = (f"{place.place} ({place.reason})" if place.reason else place.place for place in refused)
        sentences += [f"Could not look for {what} in {'; '.join(named)}."] if refused else []
    return sentences


def _place_counts(run: ScopedRun) -> list[str]:
    looked, absent = (len(_where(run, status)) for status in ("looked", "absent"))
    if not looked + absent:
        return []
    environments = len({place.place for place in run.scope.environments_looked if place.status == "looked"})
    where = _locations(environments) if environments else "known locations, of which none is there"
    return [
        f"Looked for interpreters in {_locations(looked)}; of those that are known, {absent} are not there.",
        *([f"Looked for environments of applications in {where}."] if run.scope.environments_looked else []),
    ]


def _locations(number: int) -> str:
    return "1 location" if number == 1 else f"{number} locations"


def _places(run: ScopedRun) -> list[str]:
    looked, absent = (_where(run, status) for status in ("looked", "absent"))
    environments = dict.fromkeys(
        place.place for place in run.scope.environments_looked if place.status == "looked"
    )
    return [
        *([f"Looked for interpreters in {', '.join(looked)}."] if looked else []),
        *([f"Known locations that are not there: {', '.join(absent)}."] if absent else []),
        *([f"Looked for environments of applications in {', '.join(environments)}."] if environments else []),
    ]


def _where(run: ScopedRun, status: Status) -> list[str]:
    # A folder may be a known place and on PATH.
    return list(dict.fromkeys(place.place for place in run.scope.looked if place.status == status))


def _first_names(names: Sequence[str], most: int | None) -> str:
    if most is None or len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


@dataclass(frozen=True)
class Begun:
    """A run that began and has published nothing."""

    run_id: str
    started: dt.datetime
    """In UTC."""
    running: bool
    """Whether it is still on its way."""
