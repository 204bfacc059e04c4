"""Makes the atlas: how low each client goes on each Python, what holds it there, and what moves it.

    nox -s matrix -- --clients all --made --conditions ambient,permissive,hardened
    .nox/tests/bin/python docs/atlas.py reports/latest

What a distribution itself ships is measured in its root file system, as mmdebstrap makes one, with the file
of all certificates and the links that the packages' own scripts would have made:

    nox -s matrix -- --clients all --conditions ambient,permissive,hardened --place rootfs:DIR

Debian's forky and sid both say that they are forky/sid; the versions of their Pythons tell them apart.

The program reads `matrix.csv` and `run.json` in the folder of each report that it is given, of
machines or of places, and writes `atlas.csv` anew, or with `--add` beside what it has, such as the lines of
a new client; of what several have, the last counts. With and without reports it writes `atlas.md`, and the
worst lines into the README.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

from reports.verdicts.judge import Verdict  # noqa: E402
from servers.protocols import LADDER, Protocol  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CSV, PAGE, README = HERE / "atlas.csv", HERE / "atlas.md", HERE.parent / "README.md"

SPACE = re.compile(r"(<!-- atlas -->\n).*?(<!-- end -->\n)", re.DOTALL)
"""Where the worst lines stand in the README."""

WORST = 5
"""Lines of the atlas that the README has."""

ADD = "--add"
"""Keeps the lines that the atlas has already."""

AMBIENT, PERMISSIVE, HARDENED = "ambient", "permissive", "hardened"
"""The conditions that a report has to have: what moves a client shows by comparison."""


@dataclass(frozen=True)
class Line:
    """A client on a Python, as a run measured it."""

    lowest: str
    """The lowest version at which it connected."""
    held_by: str
    client: str
    client_version: str
    tls_library: str
    moved_by: str
    """What an OpenSSL configuration does to it."""
    python: str
    """Id and version of the interpreter."""
    environment: str
    """`made` for the measurement, or the path of what the system itself brings."""
    system: str
    measured: str
    """The day, UTC."""

    @property
    def library(self) -> str:
        """The TLS library without the file that has it."""
        return self.tls_library.partition(" (")[0]

    @property
    def facts(self) -> tuple[str, ...]:
        """What is the same of lines that a table has as one."""
        return self.lowest, self.held_by, self.client_version, self.library, self.moved_by

    @property
    def rank(self) -> tuple[int, bool, str, str]:
        """Where it stands among others: the lowest first, of those what nothing moves."""
        return LADDER.index(Protocol(self.lowest)), self.moved_by != NOTHING, self.client, self.python


NOTHING = "no openssl.cnf moves it"

KNOWN = (Verdict.DOWNGRADED, Verdict.FRAGILE, Verdict.ENFORCED)
"""Verdicts of a client of which something is known."""


def moved(lowest: Mapping[str, str]) -> str:
    """Say what a configuration does to a client, by condition its lowest version; empty if one is missing."""
    ranks = {condition: LADDER.index(Protocol(version)) for condition, version in lowest.items()}
    if not {AMBIENT, PERMISSIVE, HARDENED} <= ranks.keys():
        return ""
    ways = [
        (ranks[HARDENED] > ranks[AMBIENT], f"an openssl.cnf raises it to {lowest[HARDENED]}"),
        (ranks[PERMISSIVE] < ranks[AMBIENT], f"an openssl.cnf lowers it to {lowest[PERMISSIVE]}"),
    ]
    return "; ".join(words for applies, words in ways if applies) or NOTHING


def lines_of(folder: Path) -> list[Line]:
    """Return the lines of a report; a client of which nothing is known has none."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    parts = {part["host"]: part["scope"]["distribution"] for part in run.get("parts", ())}
    with (folder / "matrix.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["verdict"] in KNOWN]
    found: dict[tuple[str, ...], dict[str, dict[str, str]]] = {}
    for one in rows:
        key = (one["host"], one["interpreter"], one["client"])
        found.setdefault(key, {})[one["condition"]] = one
    return [
        Line(
            row["lowest_negotiated"],
            row["held_by"],
            row["client"],
            row["client_version"],
            row["tls_library"],
            moved({name: other["lowest_negotiated"] for name, other in conditions.items()}),
            f"{row['interpreter']} {row['version']}",
            row["environment"],
            parts.get(row["host"], run["scope"]["distribution"]),
            f"{row['run_id'][:4]}-{row['run_id'][4:6]}-{row['run_id'][6:8]}",
        )
        for conditions in found.values()
        if (row := conditions.get(AMBIENT))
    ]


def as_csv(lines: Iterable[Line]) -> str:
    """Return the atlas as CSV, the worst first."""
    said = io.StringIO()
    writer = csv.writer(said, lineterminator="\n")
    writer.writerow(field.name for field in fields(Line))
    writer.writerows(astuple(line) for line in sorted(lines, key=lambda line: line.rank))
    return said.getvalue()


def read(text: str) -> list[Line]:
    """Return the lines of an atlas as CSV."""
    return [Line(**row) for row in csv.DictReader(io.StringIO(text))]


def table(lines: Sequence[Line]) -> str:
    """Return lines as a table, those that differ in nothing but Python and environment as one."""
    alike: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        alike.setdefault((line.client, *line.facts), []).append(line)
    head = "| lowest | held by | client | TLS library | what moves it | Python |\n|---|---|---|---|---|---|\n"
    return head + "".join(
        f"| {one.lowest} | {one.held_by} | `{one.client}` {one.client_version} | {one.library} |"
        f" {one.moved_by or 'not known'} | {_pythons(several)} |\n"
        for several in alike.values()
        if (one := several[0])
    )


def _pythons(lines: Iterable[Line]) -> str:
    """Name where lines were measured."""
    return ", ".join(
        line.python if line.environment == "made" else f"{line.python} in {line.environment}"
        for line in lines
    )


def worst(lines: Sequence[Line]) -> list[Line]:
    """Return the lines of the worst clients, each where it is at its worst."""
    first = {line.client: line for line in sorted(lines, key=lambda line: line.rank, reverse=True)}
    chosen = {(one.client, *one.facts) for one in sorted(first.values(), key=lambda line: line.rank)[:WORST]}
    return [line for line in lines if (line.client, *line.facts) in chosen]


def page(lines: Sequence[Line]) -> str:
    """Return the page: a table for each system, and how it was made."""
    systems = dict.fromkeys(line.system for line in lines)
    tables = "".join(
        f"\n## {system}\n\n{table([line for line in lines if line.system == system])}" for system in systems
    )
    days = sorted({line.measured for line in lines})
    return (
        "# Atlas\n\n"
        "How low each client goes on each Python by itself, what holds it there, and what an OpenSSL\n"
        f"configuration does to it. Measured by this tool from {days[0]} to {days[-1]}: each line has a\n"
        "control on every server and the wire as second witness. Another release may differ: measure your\n"
        "own. What a system itself brings has the path of its environment; all else is in environments that\n"
        "were made for that. A client that is not there was not measured, or gave no clear answer.\n"
        "[`atlas.csv`](atlas.csv) has the same, and [`atlas.py`](atlas.py) says how both are made.\n"
        f"{tables}"
    )


def filled(readme: str, lines: Sequence[Line]) -> str:
    """Return the README with the worst lines in their place."""
    return SPACE.sub(lambda found: found[1] + table(worst(lines)) + found[2], readme)


def main(words: Sequence[str]) -> None:
    """Write the atlas, anew where there are reports to make it of."""
    reports = [word for word in words if word != ADD]
    if reports:
        found = read(CSV.read_text(encoding="utf-8")) if ADD in words else []
        found += [line for folder in reports for line in lines_of(Path(folder))]
        last = {(one.system, one.python, one.environment, one.client): one for one in found}
        CSV.write_text(as_csv(last.values()), encoding="utf-8")
    lines = read(CSV.read_text(encoding="utf-8"))
    PAGE.write_text(page(lines), encoding="utf-8")
    README.write_text(filled(README.read_text(encoding="utf-8"), lines), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
