"""The scope of a run: how far its verdicts reach, and what they leave out.

It needs nothing but Python, because the gate reads it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from interpreters.places import Looked, Status

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    """The clients that this tool knows and was not asked for."""
    narrowed: tuple[str, ...] = ()
    """What it was asked to leave out of all that a run without options measures, in words for each."""
    looked: tuple[Looked, ...] = ()
    """Where interpreters were looked for."""

    @property
    def partial(self) -> bool:
        """Whether it was asked to measure less than a run without options does."""
        return bool(self.narrowed)

    def record(self) -> dict[str, object]:
        """Return it in JSON's own types, as run.json and matrix.json have it."""
        return {
            "partial": self.partial,
            **asdict(self),
            "left_out": [asdict(one) for one in self.left_out],
            "clients_left_out": list(self.clients_left_out),
            "narrowed": list(self.narrowed),
            "looked": [asdict(one) for one in self.looked],
        }


def read_scope(facts: Mapping[str, Any]) -> Scope:
    """Return a scope from JSON; raises KeyError, TypeError or ValueError for other shapes."""
    texts = ("commit", "commit_unknown", "user", "distribution", "architecture")
    return Scope(
        **{name: _text(facts[name]) for name in texts},
        local_changes=_flag(facts["local_changes"]),
        variables={_text(name): _text(value) for name, value in dict(facts["variables"]).items()},
        left_out=tuple(_read_left_out(one) for one in facts["left_out"]),
        clients_left_out=tuple(map(_text, facts["clients_left_out"])),
        narrowed=tuple(map(_text, facts["narrowed"])),
        looked=tuple(_read_looked(one) for one in facts["looked"]),
    )


def _read_left_out(facts: Mapping[str, Any]) -> LeftOut:
    return LeftOut(**{name: _text(facts[name]) for name in ("id", "path", "reason")})


def _read_looked(facts: Mapping[str, Any]) -> Looked:
    status = facts["status"]
    if status not in get_args(Status):
        msg = f"{status!r} where one of {', '.join(get_args(Status))} should be"
        raise ValueError(msg)
    return Looked(_text(facts["place"]), status, _text(facts["reason"]))


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
