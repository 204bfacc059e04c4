"""A pair that is in place: what was built there, from what, and how that was proven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from interpreters.hardening.checks import Check, check_build
from interpreters.hardening.recipes import HardenError
from interpreters.hardening.stamp import StampFile, write_stamp
from interpreters.process_environment import sanitized_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from interpreters.hardening.request import BuildRequest
    from interpreters.hardening.stamp import BuildDocument, MeasuredDocument


class ProofError(HardenError):
    """What was built is not what it should be; the message names the checks that failed."""


@dataclass
class InstalledPair:
    """A pair that is in place, and what is known of it."""

    request: BuildRequest
    stamp: BuildDocument
    """A StampFile once the pair is proven."""
    checks: tuple[Check, ...]
    """What the pair was found to be, where it is."""
    fresh: bool
    """Whether the pair was built just now; else it was there, proven, before."""

    @property
    def summary(self) -> str:
        """What the pair is, and why nothing was done if nothing was, in a sentence."""
        stamp, prefix = self.stamp, self.request.python.prefix
        pair = f"{prefix}: Python {stamp.python.version} with OpenSSL {stamp.openssl.version}"
        if self.request.quick:
            pair += " (not optimized)"
        if self.fresh or not isinstance(stamp, StampFile):
            return f"{pair}, proven to hold {self.request.floor}"
        return (
            f"{pair} was built before by the same recipe, proven {stamp.proven}, and has not "
            "changed; --fresh builds it again"
        )

    def prove(self, checks: Sequence[Check], verdicts: Sequence[MeasuredDocument], when: str) -> None:
        """Record how the pair was proven; raises ProofError, which removes the pair, for a failed check."""
        refuse_misses(checks)
        shown = (*self.checks, *checks)
        self.stamp = StampFile.of(self.stamp, proven=when, checks=shown, verdicts=verdicts)
        write_stamp(self.request.python.prefix, self.stamp)


def refuse_misses(checks: Sequence[Check]) -> None:
    """Raise ProofError if a check failed."""
    if missed := [f"{check.what}: no ({check.found})" for check in checks if not check.passed]:
        msg = f"the build is not what it should be, so nothing was installed: {'; '.join(missed)}"
        raise ProofError(msg)


def check_installed(
    request: BuildRequest, stamp: BuildDocument, env: Mapping[str, str], folder: Path
) -> tuple[Check, ...]:
    """Return the checks of a pair in its place; raises ProofError if one fails.

    The interpreter's home is a folder in `folder`.
    """
    inside = environment_inside(env, folder)
    found = check_build(request.interpreter, versions(stamp), request.floor, inside)
    refuse_misses(found)
    return found


def environment_inside(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the environment in which a build is identified; its home is a folder in `folder`."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return sanitized_environment(env, home)


def versions(stamp: BuildDocument) -> dict[str, str]:
    """Return the versions of the two sources, by ``openssl`` and ``python``."""
    return {"openssl": stamp.openssl.version, "python": stamp.python.version}
