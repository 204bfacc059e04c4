"""Files of a report that somebody damaged, handed to whatever reads reports: each ends in a sentence."""

from __future__ import annotations

import datetime as dt
import functools
import os
import random
import shutil
import stat
from typing import TYPE_CHECKING

from interpreters.errors import FloorError
from reports.compare import compare
from reports.formats.matrix_json import read_json
from reports.gate import gate
from reports.merge import merge, read_parts
from reports.ticket import build_ticket
from reports.verify import verify
from tests.faults.fault import Family, Fault
from tests.support.builders import a_catalogue, a_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.faults.ground import Ground

RUBBISH = {
    "nothing": "",
    "nan": "NaN",
    "infinity": "-Infinity",
    "great-number": "1" + "0" * 400,
    "nested": "[" * 3000,
    "very-nested": "[" * 100_000,
    "quote": '"',
    "null": "null",
    "object": "{}",
    "surrogate": "\\ud800",
    "true": "true",
    "negative": "-1",
    "nul": "\0",
    "newline": "\n",
}
"""What is put in the place of a piece of a file."""


def damaged(text: str, rubbish: str, dice: random.Random) -> str:
    """Return a text in which up to 200 letters are replaced by rubbish, wherever the dice say."""
    start = dice.randrange(len(text))
    return text[:start] + rubbish + text[start + dice.randrange(200) :]


def compared(folder: Path) -> None:
    """Compare a run with the one that stayed whole, in both directions."""
    damaged_run = read_json(folder / "matrix.json")
    whole = read_json(folder.with_name("whole") / "matrix.json")
    compare(whole, damaged_run)
    compare(damaged_run, whole)


def sparse(path: Path) -> None:
    """Make a file of 60 GB, of which the disk holds nothing."""
    with path.open("wb") as file:
        file.truncate(60 << 30)


READERS: dict[str, tuple[Callable[[Path], object], int]] = {
    "merge": (lambda folder: merge(read_parts([folder]), [], a_run(a_catalogue(), "merger")), 110),
    "compare": (compared, 110),
    "gate": (lambda folder: gate(folder, folder / "policy.toml", dt.datetime.now(dt.UTC)), 30),
    "ticket": (lambda folder: build_ticket(read_parts([folder])[0], ["*"]), 15),
    "verify": (lambda folder: verify(folder, same_tool=False), 10),
}
"""What reads reports, and in how many files each kind of rubbish is put for each."""

FILES = ("matrix.json", "observations.jsonl", "run.json")


def _pair(ground: Ground) -> tuple[Path, Path]:
    """Return copies of a small healthy run, one to be damaged and one to stay whole."""
    whole = ground.folder / "whole"
    if not whole.exists():
        shutil.copytree(ground.report, whole)
    folder = ground.folder / "read"
    shutil.rmtree(folder, ignore_errors=True)
    return shutil.copytree(whole, folder), whole


def _read(reader: str, folder: Path) -> Iterator[str]:
    try:
        READERS[reader][0](folder)
    except FloorError as error:
        if not str(error):
            yield "it is refused without a word"
    except Exception as error:  # noqa: BLE001  whatever it is, its user gets a traceback
        yield f"{type(error).__name__}: {str(error)[:200]}"


def _mutated(reader: str, kind: str, ground: Ground) -> Sequence[str]:
    folder, whole = _pair(ground)
    dice = random.Random(f"{reader} {kind}")  # noqa: S311  dice
    texts = {name: (whole / name).read_text() for name in FILES}
    found: list[str] = []
    for number in range(READERS[reader][1]):
        name = FILES[number % 2 if reader != "compare" else 0]
        (folder / name).write_text(damaged(texts[name], RUBBISH[kind], dice))
        found += _read(reader, folder)
        (folder / name).write_text(texts[name])
    return sorted(set(found))


INSTEAD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": lambda path: path.mkdir(),
    "sparse file of 60 GB": sparse,
    "link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "link to itself": lambda path: path.symlink_to(path.name),
}
"""What stands in a file's place."""


def _replaced(reader: str, what: str, ground: Ground) -> Sequence[str]:
    folder, _ = _pair(ground)
    for name in FILES:
        (folder / name).unlink()
        INSTEAD[what](folder / name)
    return list(_read(reader, folder))


FAMILY = Family(
    "inputs",
    "each ends in a sentence, at once: no traceback, and nothing is waited for",
    (
        *(
            Fault(
                f"{reader}-{kind}",
                f"{count} reports for {reader}, a piece of each replaced ({kind.replace('-', ' ')})",
                functools.partial(_mutated, reader, kind),
            )
            for reader, (_, count) in READERS.items()
            for kind in RUBBISH
        ),
        *(
            Fault(
                f"{reader}-{what.split()[0]}-{what.split()[-1].strip('/').replace('/', '-').lower()}",
                f"a {what} in the place of each file, for {reader}",
                functools.partial(_replaced, reader, what),
            )
            for reader in READERS
            for what in INSTEAD
        ),
    ),
)
