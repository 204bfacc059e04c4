"""Makes the example: judges a stored run with today's code under the sample policy, and takes a picture.

`make.py` writes the files anew. `make.py FOLDER` first stores the run in that folder, one of
`nox -s remedy -- --running`, in place of the one before. README.md beside this has the whole command.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
if str(HERE.parent.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent.parent))

from reports.gate import gate  # noqa: E402
from reports.merge import read_parts  # noqa: E402
from reports.report import write_report  # noqa: E402
from reports.verdicts.policy import read_policy  # noqa: E402
from reports.verify import judge_again  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.formats.matrix_json import StoredRun
    from reports.verdicts.matrix import Matrix

STORED = HERE / "stored"
INPUTS = ("matrix.json", "observations.jsonl", "remedies.json")
"""What is stored of the run, packed: its facts, what both witnesses said, and what the trials came to."""

SHOWN = (
    *("matrix.md", "matrix.html", "matrix.csv", "run.json"),
    *("remedies.md", "floor-tls1_2.cnf", "gate.json"),
)
"""The files of the example; the others of a run would double its size and show nothing new."""

POLICY = HERE / "policy.toml"
PICTURE = HERE.parent / "report.png"
WIDTH, HEIGHT = 960, 1740
"""Of the picture, in dots: as wide as GitHub shows a page, and so high that each row is in it."""


def stored_run() -> StoredRun:
    """Return the run that is stored here."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in INPUTS:
            Path(scratch, name).write_bytes(gzip.decompress((STORED / f"{name}.gz").read_bytes()))
        (part,) = read_parts([Path(scratch)])
    return part


def rebuild(folder: Path) -> Matrix:
    """Judge the stored observations again, and write all files of their report into `folder`.

    Of the stored matrix only facts are used: the run, its servers and its interpreters.
    """
    part = stored_run()
    matrix = judge_again(part, part.observations, STORED)
    write_report(folder, matrix, read_policy(POLICY), cases=part.cases)
    gate(folder, POLICY, dt.datetime.fromisoformat(part.run.ended))
    return matrix


def store(run: Path) -> None:
    """Store a run in place of the one before: without its trials' observations, which no file here shows."""
    STORED.mkdir(exist_ok=True)
    asked = json.loads((run / "run.json").read_text(encoding="utf-8"))["asked"]
    clients = {*asked["clients"], *asked["found_clients"]}
    for name in INPUTS:
        lines = (run / name).read_text(encoding="utf-8").splitlines(keepends=True)
        if name == "observations.jsonl":
            lines = list(_of_the_run(lines, clients))
        # Without a time in it, the same run packs to the same bytes.
        (STORED / f"{name}.gz").write_bytes(gzip.compress("".join(lines).encode(), mtime=0))


def _of_the_run(lines: list[str], clients: set[str]) -> Iterator[str]:
    """Yield the observations of its own clients, and of the one that shows what a build can do."""
    for line in lines:
        if json.loads(line)["client"] in (*clients, "relaxed"):
            yield line


def take_picture(page: Path, picture: Path) -> None:
    """Let Chromium draw the top of a page; where there is none, the picture stays as it is."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print(f"There is no Chromium here, so {picture.name} stays as it is.")  # noqa: T201  a program's answer
        return
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                *(browser, "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
                # Chromium's sandbox does not work as root, and the page is ours.
                *("--no-sandbox", "--disable-background-networking", "--disable-component-update"),
                *("--disable-sync", f"--user-data-dir={profile}", f"--window-size={WIDTH},{HEIGHT}"),
                *(f"--screenshot={picture}", page.as_uri()),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )


def main(arguments: list[str]) -> None:
    """Store the run that is given, if any; then write the example's files and the picture."""
    if arguments:
        store(Path(arguments[0]))
    with tempfile.TemporaryDirectory() as scratch:
        rebuild(Path(scratch))
        for name in SHOWN:
            shutil.copyfile(Path(scratch, name), HERE / name)
    take_picture(HERE / "matrix.html", PICTURE)


if __name__ == "__main__":
    main(sys.argv[1:])
