"""Makes the copies of a found environment in which remedies are tried: as it is, and with newer releases."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from interpreters.deployed.copies import Copier, copyable
from interpreters.deployed.managers import Manager, managed_by
from interpreters.deployed.pins import broken, holding, markers_of, needed, read_pins
from interpreters.distributions import read_distributions
from interpreters.environments import NoEnvironmentError
from interpreters.identify import IdentifyError
from reports.verdicts.copies import ChangedCopy, CopyChange, EnvironmentCopies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from interpreters.locate import Candidate
    from interpreters.prepared import EnvironmentMaker
    from reports.verdicts.matrix import Row

UNDER = "urllib3"
"""What decides for every client that stands on it: it makes their contexts, or lends its own to them."""

OF_THE_SYSTEM = "what is in it came with the system's packages, and a newer release comes with those alone"


def make_copies(
    rows: Sequence[Row], libraries: Mapping[str, str], candidate: Candidate, maker: EnvironmentMaker
) -> EnvironmentCopies:
    """Return the copies of the environment that these rows are about.

    `libraries` has, by client, the distribution whose release decides. What cannot be made is a reason in the
    result, never an error.
    """
    found = examine(rows, libraries)
    try:
        copier = Copier(candidate, maker.identify(candidate), maker)
        if found.management.manager is Manager.SYSTEM:
            return replace(found, problem=OF_THE_SYSTEM, newest=_newest_alone(found, copier))
        kept, lacks = copyable(found.distributions, copier)
        there = {each.name: each.version for each in kept}
        newest = copier.newest(_names(found, libraries) & there.keys())
        found = replace(found, lacks=lacks, newest=newest)
        return CopyPlan(found, libraries, copier, there).made()
    except (NoEnvironmentError, IdentifyError, OSError) as error:
        return replace(found, problem=f"no copy of the environment could be made: {error}")


def _names(found: EnvironmentCopies, libraries: Mapping[str, str]) -> set[str]:
    """Return what may have to move: what decides, the clients' own, and who asks for no later release."""
    holders = {pin.holder.name for pin in found.pins if pin.from_above}
    return {*found.deciding.values(), *libraries.values(), *holders}


def _newest_alone(found: EnvironmentCopies, copier: Copier) -> dict[str, str]:
    """Return the newest releases of what decides, as far as they can be had."""
    try:
        return copier.newest(set(found.deciding.values()))
    except NoEnvironmentError:
        return {}


def examine(rows: Sequence[Row], libraries: Mapping[str, str]) -> EnvironmentCopies:
    """Return what is in the environment that these rows are about, by its files; nothing is started."""
    interpreter: Interpreter = rows[0].interpreter
    distributions = read_distributions(interpreter.search_path)
    pins = read_pins(distributions, markers_of(interpreter.version, interpreter.implementation))
    there = {each.name for each in distributions}
    deciding = {}
    for row in rows:
        client = str(row.client)
        if library := libraries.get(client):
            stands = UNDER in needed(pins, [library]) and UNDER in there
            deciding[client] = UNDER if stands else library
    return EnvironmentCopies(distributions, pins, managed_by(interpreter, distributions), deciding)


@dataclass(frozen=True)
class CopyPlan:
    """Makes the copies of one environment; what has the same versions is made once."""

    found: EnvironmentCopies
    libraries: Mapping[str, str]
    copier: Copier
    there: Mapping[str, str]
    """By name, the versions of what can be copied."""
    pythons: dict[tuple[tuple[str, str], ...], Path] = field(default_factory=dict)
    """By the versions in a copy, its Python."""

    def made(self) -> EnvironmentCopies:
        """Return what was found, with each copy that can be made; raises NoEnvironmentError for none."""
        copies = [ChangedCopy(CopyChange.COPY, tuple(self.found.deciding), self._python({}))]
        unsolved = {}
        for change in (CopyChange.ALLOWED, CopyChange.NEWEST, CopyChange.AGAINST):
            for client, name in self.found.deciding.items():
                try:
                    versions = self._versions(change, client, name, copies)
                    if versions and not any(c.versions == versions for c in copies if client in c.clients):
                        copies.append(ChangedCopy(change, (client,), self._python(versions), versions))
                except NoEnvironmentError as error:
                    unsolved[client, change] = str(error)
        return replace(self.found, copies=tuple(copies), unsolved=unsolved)

    def _python(self, versions: Mapping[str, str]) -> Path:
        """Return the Python of a copy with these versions in place of the environment's."""
        whole = {**self.there, **versions}
        key = tuple(sorted(whole.items()))
        if key not in self.pythons:
            number = len(self.pythons)
            self.pythons[key] = self.copier.make(whole, f"copy-{number}" if number else "copy")
        return self.pythons[key]

    def _versions(
        self, change: CopyChange, client: str, name: str, copies: Sequence[ChangedCopy]
    ) -> dict[str, str]:
        """Return the versions that differ in a copy; empty if nothing newer can be had so."""
        if name not in self.there:
            return {}
        newest = self.found.newest.get(name, self.there[name])
        if change is CopyChange.AGAINST:
            reached = any(copy.versions.get(name) == newest for copy in copies if client in copy.clients)
            return {} if reached or not self.found.holding(client) else {name: newest}
        names = {name}
        if change is CopyChange.NEWEST:
            names |= {self.libraries[client]}
            names |= {pin.holder.name for pin in holding(self.found.pins, names, self.found.newest)}
        moving = names & self.there.keys()
        found = self.copier.resolve(self._asked(moving), self.there, sorted(moving))
        return {name: version for name, version in found.items() if self.there.get(name) != version}

    def _asked(self, moving: AbstractSet[str]) -> list[str]:
        """Return the requirements by which these distributions move, and as little else as they need.

        Who asks for what the environment does not have, as where somebody installed against a pin, is not
        asked.
        """
        free = (needed(self.found.pins, moving) - moving) & self.there.keys() if len(moving) > 1 else set()
        ignored = {pin.holder.name for pin in broken(self.found.pins, self.found.distributions)}
        fixed = self.there.keys() - moving - free - ignored
        return [
            *(f"{name}>={self.there[name]}" for name in sorted(moving)),
            *sorted(free),
            *(f"{name}=={self.there[name]}" for name in sorted(fixed)),
            # What a copy does not have asks for something all the same.
            *(
                f"{pin.on}{pin.specifier}"
                for pin in self.found.pins
                if pin.specifier and pin.on in self.there and pin.holder.name not in self.there
            ),
        ]
