"""Start-up code: whether what was measured in an environment that we made holds for the interpreter itself.

What an interpreter runs by itself at every start (sitecustomize, usercustomize, `.pth` files with code) is
not run in a virtual environment of it, which has other site-packages. Source: the documentation of site.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports.verdicts.judge import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from interpreters.identify import Identity
    from reports.verdicts.judge import Judgement

SHOWN = 3
"""Differences, and files, that are named; the rest is counted."""

TELLING = ("minimum_version", "security_level", "maximum_version", "class", "error", "options", "ciphers")
"""The facts of a context, those first that tell a person most."""


@dataclass(frozen=True)
class StartUp:
    """How the TLS contexts of an interpreter differ from those in an environment made for it."""

    files: tuple[str, ...] = ()
    """The start-up code that only the interpreter itself runs."""
    differences: tuple[str, ...] = ()
    """In words; empty where the contexts are the same, or where the interpreter did not say."""

    @property
    def itself(self) -> str:
        """Say what sets the interpreter apart, to continue the reason of what was measured in itself."""
        return f"{self._code} changes its TLS contexts: {_shown(self.differences)}"

    def weigh(self, judgement: Judgement) -> Judgement:
        """Return what a judgement made in the environment is worth for whoever uses the interpreter.

        A connection below the floor remains one. That there was none says nothing of contexts that differ.
        """
        unloaded = "and is not loaded in the environment made for measuring"
        note = (
            f"{self._code} changes its TLS contexts {unloaded}: {_shown(self.differences)}"
            if self.differences
            else "the interpreter itself did not say what its start-up code makes of TLS contexts"
        )
        verdict = judgement.verdict
        if verdict in (Verdict.ENFORCED, Verdict.FRAGILE):
            verdict = Verdict.INCONCLUSIVE
            note += "; measure the application's own environment with --environment DIR"
        return replace(judgement, verdict=verdict, reason=f"{judgement.reason}; {note}")

    @property
    def _code(self) -> str:
        if not self.files:
            return "something that only this interpreter itself runs at its start"
        of = "one of " if len(self.files) > 1 else ""
        return f"start-up code of this interpreter ({of}{_shown(self.files)})"


def apart(own: Identity | None, there: Identity) -> StartUp | None:
    """Return what sets an interpreter apart from an environment made for it; None where nothing does.

    Both speak under the same OpenSSL configuration. `own` is None where the interpreter itself did not speak:
    then nothing is known of it.
    """
    if own is None:
        return StartUp()
    differences = tuple(_differences(own.contexts, there.contexts))
    files = tuple(file for file in own.start_up if file not in there.start_up)
    return StartUp(files, differences) if differences else None


def _differences(
    own: Mapping[str, Mapping[str, str]], there: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Name each fact that is not the same, as in ``minimum_version of SSLContext is TLSv1, not TLSv1_2``."""
    ways = sorted((own.keys() | there.keys()) - {"replaced"}, reverse=True)
    for name in TELLING:
        for way in ways:
            own_fact, there_fact = (contexts.get(way, {}).get(name) for contexts in (own, there))
            if own_fact != there_fact:
                many, few = (len((listed or "").split()) for listed in (own_fact, there_fact))
                listing = name == "ciphers"
                yield (
                    f"{way} has {many} ciphers, not {few}"
                    if listing
                    else f"{name} of {way} is {own_fact}, not {there_fact}"
                )
    ours, theirs = own.get("replaced", {}), there.get("replaced", {})
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            yield f"{name} is {ours.get(name, 'its own')}, not {theirs.get(name, 'its own')}"


def _shown(words: tuple[str, ...]) -> str:
    more = f", and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
