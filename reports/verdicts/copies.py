"""What trials in copies of a found environment came to: what holds it back, and what lifts that."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from interpreters.deployed.pins import Pin, holding, needed
from reports.verdicts.change_steps import Releases
from reports.verdicts.judge import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from interpreters.deployed.copies import Lack
    from interpreters.deployed.managers import Management
    from interpreters.distributions import Distribution
    from reports.verdicts.matrix import Row


class CopyChange(enum.StrEnum):
    """What a copy differs in from the environment; what changes least comes first.

    The words mark a client in the observations of a trial: `urllib3+copy`.
    """

    COPY = "copy"
    """In nothing: the others say something only if this one comes out as the environment did."""
    ALLOWED = "newest allowed"
    """The newest release of what decides that the rest of the environment allows."""
    NEWEST = "newest of all"
    """The newest releases of the client's library and of what holds that back, with what they bring."""
    AGAINST = "against pins"
    """The newest release of what decides, whatever the rest asks for: that tells, and is not advised."""


@dataclass(frozen=True)
class ChangedCopy:
    """A copy that was made, and what is different in it."""

    change: CopyChange
    clients: tuple[str, ...]
    """Those for which this is tried."""
    python: Path
    versions: Mapping[str, str] = field(default_factory=dict)
    """By name of a distribution, the version that it has instead of the environment's."""


@dataclass(frozen=True)
class EnvironmentCopies:
    """What is in a found environment, and which copies of it were made."""

    distributions: tuple[Distribution, ...]
    pins: tuple[Pin, ...]
    """What they ask of each other."""
    management: Management
    deciding: Mapping[str, str] = field(default_factory=dict)
    """By client, the distribution that decides: urllib3 for whoever stands on that, else its own."""
    newest: Mapping[str, str] = field(default_factory=dict)
    """By name, the newest release for this Python of what decides and of what holds that back."""
    lacks: tuple[Lack, ...] = ()
    """What a copy cannot have."""
    copies: tuple[ChangedCopy, ...] = ()
    problem: str = ""
    """Why no copy was made; empty if one was."""
    unsolved: Mapping[tuple[str, CopyChange], str] = field(default_factory=dict)
    """By client and change, why there is no such copy."""

    @property
    def versions(self) -> dict[str, str]:
        """The environment's versions by name."""
        return {each.name: each.version for each in self.distributions}

    def of(self, client: str) -> tuple[ChangedCopy, ...]:
        """Return the copies in which a client is tried."""
        return tuple(copy for copy in self.copies if client in copy.clients)

    def holding(self, client: str) -> tuple[Pin, ...]:
        """Return what keeps a client from the newest release of what decides."""
        name = self.deciding.get(client)
        return holding(self.pins, [name], self.newest) if name else ()

    def lacking(self, client: str, library: str) -> str:
        """Say what the copies lack, and whether a client's verdict could depend on that; empty if none."""
        if not self.lacks:
            return ""
        theirs = needed(self.pins, {library, self.deciding.get(client, library)})
        needs = [str(lack.distribution) for lack in self.lacks if lack.distribution.name in theirs]
        named = ", ".join(map(str, self.lacks))
        depends = (
            f"{client} needs {', '.join(needs)}, so the verdict could depend on that"
            if needs
            else f"{client} needs none of it"
        )
        return f"the copy lacks {named}: {depends}"


@dataclass(frozen=True)
class Outcome:
    """What a copy came to for a client."""

    copy: ChangedCopy
    row: Row

    @property
    def holds(self) -> bool:
        """Whether the floor was enforced."""
        return self.row.verdict is Verdict.ENFORCED


@dataclass(frozen=True)
class Finding:
    """What the copies came to for one row."""

    row: Row
    library: str
    """The distribution of the row's client."""
    copies: EnvironmentCopies
    outcomes: tuple[Outcome, ...]

    def _of(self, *changes: CopyChange) -> Iterable[Outcome]:
        return (outcome for change in changes for outcome in self.outcomes if outcome.copy.change is change)

    @property
    def problem(self) -> str:
        """Why the copies say nothing of the environment; empty if they do."""
        if self.copies.problem:
            return self.copies.problem
        plain = next(iter(self._of(CopyChange.COPY)), None)
        if plain is None:
            return "its trial did not take place"
        if differs := _differs(self.row, plain.row):
            parts = ["a copy of the environment does not come out as the environment did", differs]
            return "; ".join([*parts, *filter(None, [self.lacking])])
        return ""

    @property
    def lacking(self) -> str:
        """What the copies lack, in words; empty for nothing."""
        return self.copies.lacking(str(self.row.client), self.library)

    @property
    def lift(self) -> Outcome | None:
        """The least change that was measured to lift the row to the floor; None if none was."""
        return next((outcome for outcome in self.tried if outcome.holds), None)

    @property
    def tried(self) -> tuple[Outcome, ...]:
        """What was tried that could be advised, the least change first."""
        return tuple(self._of(CopyChange.ALLOWED, CopyChange.NEWEST))

    def releases(self, outcome: Outcome) -> Releases:
        """Return what a copy has instead of what the environment has."""
        return Releases(outcome.copy.versions, self.copies.versions)

    def said(self, outcome: Outcome) -> str:
        """Say what a change came to, and what the copy lacked."""
        releases = self.releases(outcome)
        changes = ", ".join(
            f"{name} {version} in place of {releases.old[name]}"
            if name in releases.old
            else f"{name} {version} added"
            for name, version in releases.new.items()
        )
        tried = f"in a copy of the environment with {changes}: {outcome.row.judgement.reason}"
        return "; ".join(filter(None, [tried, self.lacking]))

    @property
    def nothing_newer(self) -> str:
        """Say why no newer release was tried."""
        client = str(self.row.client)
        name = self.copies.deciding.get(client, self.library)
        unsolved = [
            self.copies.unsolved[key]
            for change in CopyChange
            if (key := (client, change)) in self.copies.unsolved
        ]
        if unsolved:
            return f"no newer {name} goes together with the environment: {unsolved[0]}"
        there = self.copies.versions.get(name, "")
        if there and self.copies.newest.get(name, there) != there:
            return f"{name} {there} is the newest that the environment allows"
        return (
            f"{name} {there} is the newest for this Python"
            if there
            else f"{name} is not among its distributions"
        )

    def held_back(self) -> tuple[str, ...]:
        """Say in sentences which pins hold the environment back, and what would be without these."""
        client = str(self.row.client)
        pins, name = self.copies.holding(client), self.copies.deciding.get(client, "")
        if not pins:
            return ()
        own = [pin for pin in pins if pin.on == name]
        wanted = "; ".join(
            f"{pin.holder} in this environment asks for {pin.on}{pin.specifier}" for pin in own
        )
        newest, holds = self.copies.newest[name], self._holds_without(name)
        if holds is False:
            return (f"{wanted}; with {name} {newest} it does not hold either: tried",)
        tried = f"; with {name} {newest} it holds: tried" if holds else f"; {name} {newest} was not tried"
        return (f"{wanted}{tried}", *(str(pin) for pin in pins if pin not in own))

    def _holds_without(self, name: str) -> bool | None:
        """Whether the newest release of what decides held, against pins too; None where it was not tried."""
        if self.problem:
            return None
        newest = self.copies.newest[name]
        tried = [
            outcome
            for outcome in self._of(CopyChange.ALLOWED, CopyChange.NEWEST, CopyChange.AGAINST)
            if outcome.copy.versions.get(name) == newest
        ]
        return any(outcome.holds for outcome in tried) if tried else None


def _differs(row: Row, copy: Row) -> str:
    """Say in what a copy came out otherwise than the environment; empty for nothing."""
    if copy.verdict is not row.verdict:
        return f"{copy.verdict} in place of {row.verdict} ({copy.judgement.reason})"
    others = [
        server
        for server, cell in copy.findings.items()
        if server in row.findings and str(cell) != str(row.findings[server])
    ]
    return f"on {', '.join(others)}" if others else ""
