"""A fault: what is injected into a run or a report, and which promises must hold then."""

from __future__ import annotations

import enum
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.faults.ground import Ground


class NotInjectableError(Exception):
    """This machine does not let a fault be injected; the message says what it lacks."""


class Ending(enum.StrEnum):
    """How a fault ended, as the table says it."""

    SURVIVED = "survived"
    BROKEN = "broken"
    NOT_HERE = "not injectable here"


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    name: str
    """Of small letters, digits and dashes; with its family's name it is unique."""
    injected: str
    """What goes wrong, for the table."""
    inject: Callable[[Ground], Sequence[str]]
    """Makes it go wrong; returns the promises that broke, a sentence each."""


@dataclass(frozen=True)
class Family:
    """Faults of one kind, for which the same must hold."""

    name: str
    holds: str
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class FaultOutcome:
    """What came of a fault."""

    family: Family
    fault: Fault
    ending: Ending
    details: tuple[str, ...]
    """The promises that broke, or what this machine lacks."""
    seconds: float

    @property
    def key(self) -> str:
        """The fault's name in the table."""
        return f"{self.family.name}/{self.fault.name}"


def injected(family: Family, fault: Fault, ground: Ground) -> FaultOutcome:
    """Inject a fault and say what came of it; what fails in the injection itself is no survival."""
    began = time.monotonic()
    try:
        details = tuple(fault.inject(ground))
        ending = Ending.BROKEN if details else Ending.SURVIVED
    except NotInjectableError as error:
        ending, details = Ending.NOT_HERE, (str(error),)
    except Exception as error:  # noqa: BLE001  whatever it is, the next fault is to be injected
        where = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__} at {where.filename}:{where.lineno}: {error}"
        ending, details = Ending.BROKEN, (f"the injection itself failed: {said}",)
    return FaultOutcome(family, fault, ending, details, time.monotonic() - began)
