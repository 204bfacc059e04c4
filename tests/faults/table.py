"""The table of all faults: injects them, prints what came of each, and writes the page that shows it."""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tests.faults import (
    canaries,
    edits,
    files,
    inputs,
    instrument,
    kernel,
    liars,
    limits,
    network,
    owners,
    signals,
    surroundings,
)
from tests.faults.fault import Ending, injected
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.faults.fault import Family, Fault, FaultOutcome
    from tests.faults.ground import Ground

FAMILIES: tuple[Family, ...] = (
    liars.FAMILY,
    instrument.FAMILY,
    network.FAMILY,
    signals.FAMILY,
    files.FAMILY,
    limits.FAMILY,
    kernel.FAMILY,
    surroundings.FAMILY,
    owners.FAMILY,
    canaries.FAMILY,
    edits.FAMILY,
    inputs.FAMILY,
)

PAGE = ROOT / "docs" / "security.md"
MARKED = re.compile(r"(<!-- faults -->\n).*?(<!-- end -->\n)", re.DOTALL)
"""The table in the page, with its marks."""


def faults(only: Sequence[str] = ()) -> Iterator[tuple[Family, Fault]]:
    """Give all faults with their families, or those whose name in the table one of the globs fits."""
    for family in FAMILIES:
        for fault in family.faults:
            key = f"{family.name}/{fault.name}"
            if not only or any(fnmatchcase(key, glob) for glob in only):
                yield family, fault


def run(ground: Ground, only: Sequence[str] = ()) -> Iterator[FaultOutcome]:
    """Inject faults, one after another."""
    for family, fault in faults(only):
        yield injected(family, fault, ground)


def summary(outcomes: Iterable[FaultOutcome]) -> str:
    """Return how many faults were survived, of how many that were injected."""
    return _counted(Counter(str(outcome.ending) for outcome in outcomes))


def _counted(counts: Mapping[str, int]) -> str:
    tried = counts[Ending.SURVIVED] + counts[Ending.BROKEN]
    apart = f", and {counts[Ending.NOT_HERE]} could not be injected here" if counts[Ending.NOT_HERE] else ""
    return f"{counts[Ending.SURVIVED]} of {tried} faults injected were survived{apart}"


SECTION = re.compile(r"^### Faults: (\S+)\n.*?(?=^### |\Z)", re.MULTILINE | re.DOTALL)
"""The part of a table that has one family."""

ROW = re.compile(r"^\| ([\w-]+) \| .* \| (survived|broken|not injectable here).*\|$", re.MULTILINE)


def section(outcomes: Sequence[FaultOutcome], about: str) -> str:
    """Return the part of the table about one family's faults: what must hold, and what came of each."""
    family = outcomes[0].family
    lines = [f"### Faults: {family.name}", "", f"{summary(outcomes)}: {family.holds}. {about}", ""]
    lines += ["| fault | injected | came out |", "|---|---|---|"]
    for outcome in outcomes:
        details = f": {'; '.join(outcome.details)}" if outcome.details else ""
        lines.append(
            f"| {outcome.fault.name} | {outcome.fault.injected} | {outcome.ending}{_cell(details)} |"
        )
    return "\n".join([*lines, "", ""])


def _cell(text: str) -> str:
    return re.sub(r"[|<>\x00-\x1f]", " ", text)[:300]


def with_outcomes(page: str, outcomes: Sequence[FaultOutcome], about: str) -> str:
    """Return a page whose table has these outcomes, for each family of which every fault was asked for."""
    found = MARKED.search(page)
    parts = {part[1]: part[0] for part in SECTION.finditer(found[0].removesuffix(found[2]) if found else "")}
    for family in dict.fromkeys(outcome.family for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.family is family]
        if len(own) == len(family.faults):
            parts[family.name] = section(own, about)
    table = "".join(parts[family.name] for family in FAMILIES if family.name in parts)
    counts = Counter(row[2] for row in ROW.finditer(table))
    missing = [f"`{family.name}`" for family in FAMILIES if family.name not in parts]
    apart = f" Not run to their end for this table: {', '.join(missing)}." if missing else ""
    return MARKED.sub(lambda marks: f"{marks[1]}{_counted(counts)}.{apart}\n\n{table}{marks[2]}", page)


def unwritten(page: str) -> list[str]:
    """Return the families that a page says were not run to their end."""
    found = re.search(r"Not run to their end for this table: (.*)\.$", page, re.MULTILINE)
    return re.findall(r"`([\w-]+)`", found[1]) if found else []


def names_in(page: str) -> list[str]:
    """Return the names of the faults in a page's table, with their families."""
    found = MARKED.search(page)
    parts = SECTION.finditer(found[0]) if found else ()
    return [f"{part[1]}/{row[1]}" for part in parts for row in ROW.finditer(part[0])]
