"""What distributions of an environment ask of each other, and which of them hold another one back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.markers import UndefinedEnvironmentName, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from interpreters.versions import minor_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from interpreters.distributions import Distribution

FROM_ABOVE = frozenset({"<", "<=", "==", "===", "~="})
"""Operators that leave out every later version, or some of them: "Version Specifiers" of PyPA."""


@dataclass(frozen=True)
class Pin:
    """What one distribution asks of another."""

    holder: Distribution
    on: str
    """The name of the other."""
    specifier: str
    """Which versions of it will do, such as `<1.27,>=1.25.4`; empty for any."""

    def __str__(self) -> str:
        """Return this in words."""
        return f"{self.holder} asks for {self.on}{self.specifier}"

    @property
    def from_above(self) -> bool:
        """Whether it leaves out later versions."""
        return any(clause.operator in FROM_ABOVE for clause in SpecifierSet(self.specifier))

    def allows(self, version: str) -> bool:
        """Whether a version will do."""
        return SpecifierSet(self.specifier).contains(version, prereleases=True)


def markers_of(version: str, implementation: str) -> dict[str, str]:
    """Return what environment markers mean in an interpreter of this machine, which decides the others."""
    known = {name: str(value) for name, value in default_environment().items()}
    return known | {
        "python_version": minor_of(version),
        "python_full_version": version,
        "implementation_version": version,
        "implementation_name": implementation.lower(),
        "platform_python_implementation": implementation,
    }


def read_pins(distributions: Sequence[Distribution], markers: Mapping[str, str]) -> tuple[Pin, ...]:
    """Return all that distributions ask of each other, those requirements left out that do not apply.

    `markers` are those of the interpreter. What belongs to an extra counts if another distribution of the
    environment asks for that extra; nothing says which extras somebody asked for by hand. A requirement that
    is no requirement, or names no version but a URL, is left out.
    """
    extras_of: dict[str, frozenset[str]] = {}
    pins: tuple[Pin, ...] = ()
    while True:
        found = [
            (holder, requirement)
            for holder in distributions
            for requirement in _applying(holder, markers, extras_of.get(holder.name, frozenset()))
        ]
        pins = tuple(
            dict.fromkeys(
                Pin(holder, canonicalize_name(requirement.name), str(requirement.specifier))
                for holder, requirement in found
            )
        )
        more: dict[str, frozenset[str]] = {}
        for _, requirement in found:
            name = canonicalize_name(requirement.name)
            more[name] = more.get(name, frozenset()) | requirement.extras
        if more == extras_of:
            return pins
        extras_of = more


def _applying(
    holder: Distribution, markers: Mapping[str, str], extras: frozenset[str]
) -> Iterator[Requirement]:
    for text in holder.requires:
        try:
            requirement = Requirement(text)
            applies = requirement.marker is None or any(
                requirement.marker.evaluate({**markers, "extra": extra}) for extra in ("", *sorted(extras))
            )
        except (InvalidRequirement, UndefinedEnvironmentName, ValueError):
            continue
        if applies and not requirement.url:
            yield requirement


def holding(pins: Iterable[Pin], names: Iterable[str], newest: Mapping[str, str]) -> tuple[Pin, ...]:
    """Return the pins that keep these distributions from their newest release, and what keeps the holders.

    `newest` has the newest release by name; what is not in there nobody holds back. To bring `names` to their
    newest release, each of the holders has to move too.
    """
    pins = tuple(pin for pin in pins if pin.on in newest and not pin.allows(newest[pin.on]))
    moving, found = set(names), dict[Pin, None]()
    while fresh := [pin for pin in pins if pin.on in moving and pin not in found]:
        found |= dict.fromkeys(fresh)
        moving |= {pin.holder.name for pin in fresh}
    return tuple(found)


def needed(pins: Iterable[Pin], names: Iterable[str]) -> frozenset[str]:
    """Return these distributions and all that they need, by name."""
    pins, reached = tuple(pins), set(names)
    while fresh := {pin.on for pin in pins if pin.holder.name in reached} - reached:
        reached |= fresh
    return frozenset(reached)


def broken(pins: Iterable[Pin], distributions: Sequence[Distribution]) -> tuple[Pin, ...]:
    """Return the pins that the environment itself does not keep, as where somebody installed against them."""
    versions = {distribution.name: distribution.version for distribution in distributions}
    return tuple(pin for pin in pins if pin.on in versions and not pin.allows(versions[pin.on]))
