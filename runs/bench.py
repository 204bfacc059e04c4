"""Times the AWS page's procedure, scripted literally, and this tool's, side by side in one run."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import clients, default_clients
from interpreters.documents import as_text
from reports.formats.bench_contract import BenchDocument
from runs.bench_copies import copy_environment, copy_interpreter, copyable
from runs.spending import WRITES_TO, Spending, read_spending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from interpreters.interpreter import Interpreter
    from interpreters.prepared import Prepared

ROOT = Path(__file__).parent.parent

CHECK = """\
import urllib3
URL = 'https://localhost:{port}/'
http = urllib3.PoolManager(ca_certs='cert.pem', cert_reqs='CERT_REQUIRED')
r = http.request('GET', URL)
print(r.data.decode('utf-8'))
"""
"""The page's check.py; only the port differs, because a fixed one may be in use."""

CERTIFICATE = (
    *("openssl", "req", "-subj", "/CN=localhost", "-x509", "-newkey", "rsa:4096", "-nodes"),
    *("-keyout", "key.pem", "-out", "cert.pem", "-days", "365"),
)
"""The page's command for its certificate."""

SERVERS = ((), ("-no_tls1_3", "-no_tls1_2"))
"""The flags of the page's two servers."""

LARGEST = """\
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)
"""
"""Runs a command and prints the bytes of its largest process: getrusage(2)."""

ONE_CLIENT = (
    "import botocore.session; botocore.session.Session()"
    '.create_client("s3", region_name="us-east-1", endpoint_url="https://localhost:1")'
)

PACKAGES = ("botocore", "requests")
"""What is installed in each of these."""

IMPORTS = "import ssl, urllib3, botocore.session, requests"
"""The clients that are then there, imported as an application does."""

MEBIBYTE = 2**20

ROWS = 5000
"""Rows of a large report."""

FEW = 10
"""Copies that each of many is held against."""

BROWSER = "playwright"
"""What drives the machine's own Chromium, and is installed for that alone."""

ROUNDS = 7
"""How often short commands are timed, in turn; the median counts."""

LIMIT = 1800.0
"""Seconds for any single command of the bench."""

SPENT = "spent.json"
"""The file of a checkout in which its last run says what it spent."""

OURS = ("TLS_FLOOR_RUN", "NOX_SCRIPT_MODE", "VIRTUAL_ENV")
"""Variables that this session has set, or was given, for itself."""


def shell() -> dict[str, str]:
    """Return the environment in which both sides are timed: that of a person's shell.

    Without what this session has set, the tools in its own environment on PATH among it (uv is one, with
    which nox would start faster than it does for most), and without PYTHON* settings, of which some make
    every start slow (PYTHONDONTWRITEBYTECODE, usual in containers, has pip compiled anew each time).
    """
    tools = str(Path(sys.executable).parent)
    path = os.pathsep.join(p for p in os.environ.get("PATH", "").split(os.pathsep) if p != tools)
    kept = {n: text for n, text in os.environ.items() if n not in OURS and not n.startswith("PYTHON")}
    return kept | {"PATH": path}


@dataclass(frozen=True)
class Cost:
    """What something took: seconds of wall and processor time, and how many cells it answered."""

    wall: float
    cpu: float
    cells: int


@dataclass(frozen=True)
class Many:
    """What environments as found take, several on each interpreter, with the same packages in each."""

    environments: int
    ours: Cost
    """Measuring all of them, in one run."""
    bare: Cost
    """Starting the Python of each and importing the clients that are in it, once."""
    peak_few: int
    """Bytes that the largest process of a run took for a tenth of the environments."""
    peak: int
    """The same for all."""
    growth: float = 0.0
    """The processor time of each over that of each of a tenth; 0 where nobody looked."""

    def __str__(self) -> str:
        """Return the figures in a sentence."""
        return (
            f"{self.environments} environments: {self.ours.cpu:.1f} s of processor time, {self.ratio} times"
            f" that of starting each; at the most {self.peak >> 20} MiB, for a tenth {self.peak_few >> 20}"
        )

    @property
    def ratio(self) -> float:
        """Our processor time over the bare one."""
        return round(self.ours.cpu / self.bare.cpu, 2)


@dataclass(frozen=True)
class Copies:
    """What copies of one interpreter take, each with environments of its own."""

    copies: int
    cold: Cost
    """Measuring all of them, in one run, with no environment there yet and wheels cached."""
    warm: Cost
    """The same again."""
    bare: Cost
    """Starting the Python of each, with one botocore client."""
    baseline: Cost | None = None
    """What an earlier build took where ours was cold; None if nobody named one."""
    few: Cost | None = None
    """Measuring FEW of them again; None where there are no more."""
    peak: int = 0
    """Bytes that the largest process of the warm run took."""

    def __str__(self) -> str:
        """Return what each run took in a sentence."""
        runs = {"without environments": self.cold, "with them": self.warm, f"{FEW} of them": self.few}
        runs |= {"starting each": self.bare, "the baseline without environments": self.baseline}
        took = (f"{what} {cost.wall:.1f} s ({cost.cpu:.1f} s)" for what, cost in runs.items() if cost)
        return f"{self.copies} copies, wall (processor) time: {', '.join(took)}"

    @property
    def growth(self) -> float | None:
        """The processor time of each over that of each of a few; None where there are no more than a few."""
        return round(self.warm.cpu / self.copies / (self.few.cpu / FEW), 2) if self.few else None


@dataclass(frozen=True)
class Extent:
    """How much is to be measured beside the page's procedure and this tool's on the same interpreters."""

    environments: int
    """Environments as found that are made."""
    scale: int = 0
    """Copies of an interpreter that are made."""
    baseline: str = ""
    """The commit of an earlier build to hold ours against."""
    tests: bool = False
    """Whether all tests are run, ours and that build's."""
    clients: tuple[str, ...] = ()
    """The clients of which it is measured what each adds to a run."""


@dataclass(frozen=True)
class Line:
    """One line of the table at the end: what was measured, what came of it, and what is wanted at most."""

    what: str
    measured: float | None
    """None for what nobody asked for, or cannot be measured here."""
    target: float
    needs: str = ""
    """What it takes to be measured."""

    def __str__(self) -> str:
        """Return the line, its numbers below each other."""
        if self.measured is None:
            return f"{'-':>9} {self.target:9.3f} {'':>5}  {self.what} (not measured: {self.needs})"
        met = "met" if self.measured <= self.target else "over"
        return f"{self.measured:9.3f} {self.target:9.3f} {met:>5}  {self.what}"


@dataclass(frozen=True)
class Bench:
    """Everything measured in one bench, with the ratios that matter."""

    interpreters: tuple[str, ...]
    page: Cost
    page_certificates: Cost
    """The part of it that went into the page's 4096 bit keys, made anew for each interpreter."""
    first: Cost
    """Ours, on a machine that has nothing but nox: includes the tool's own environment."""
    cold: Cost
    """Ours, with no interpreter's environment there yet, wheels cached: the better of two."""
    warm: Cost
    """Ours, every time after that: the best of three."""
    floor: Cost
    """Starting each interpreter, importing botocore and making one client: what cannot be saved."""
    many: Many | None = None
    """Environments as found, many of them, with the same packages on each Python, and in each a module of its
    own, as of an application; None without an interpreter for these."""
    many_different: Many | None = None
    """The same environments when each has a package that no other has, so that none shares a measurement."""
    spent: Spending | None = None
    """What the last warm run spent, by phase."""
    spent_different: Spending | None = None
    """The same of the run on environments that all differ."""
    clients: Mapping[str, Cost] = field(default_factory=dict)
    """What each further client adds to a run of the default ones on one interpreter, once its environment
    is there. It has a process of its own, so of a second processor's time little is waited for."""
    copies: Copies | None = None
    """Copies of one interpreter; None where nobody asked for any, or there is none to copy."""
    starts: Mapping[str, float] = field(default_factory=dict)
    """The wall time of a command over that of `nox -l` with an empty noxfile, by command."""
    report: Mapping[str, float] = field(default_factory=dict)
    """A large report: its `rows` and `servers`, seconds (`wall`, `cpu`), bytes (`peak`, `html`);
    after how many seconds a browser can filter its page (`interactive`), where there is one."""
    tests: Mapping[str, float] = field(default_factory=dict)
    """The processor time of all tests, `ours` and the earlier build's; empty where nobody asked."""

    def table(self) -> tuple[Line, ...]:
        """Return what is wanted of all of this, a line each, measured or not."""
        warm, cold, bare, page = self.warm, self.cold, self.floor, self.page
        tests = self.tests["ours"] / self.tests["baseline"] if self.tests else None
        return (
            Line("warm, processor time over bare", warm.cpu / bare.cpu, 1.5),
            Line("warm, wall over bare", warm.wall / bare.wall, 1.5),
            *_copies_lines(self.copies),
            *(Line(f"{command}, wall over an empty noxfile's", n, 1.5) for command, n in self.starts.items()),
            *_many_lines(self.many, self.many_different),
            *_report_lines(self.report),
            Line("cold, wall over the page's", cold.wall / page.wall, 1 / 12),
            Line("warm, wall over the page's", warm.wall / page.wall, 1 / 30),
            Line(
                "all tests, processor time over the baseline's", tests, 0.5, "--tests with --baseline COMMIT"
            ),
        )

    def ratios(self) -> dict[str, float]:
        """Return the page's wall time over ours, and our cells over the page's."""
        one_certificate = self.page.wall - self.page_certificates.wall
        return {
            "wall_page_over_first": round(self.page.wall / self.first.wall, 2),
            "wall_page_over_cold": round(self.page.wall / self.cold.wall, 2),
            "wall_page_over_warm": round(self.page.wall / self.warm.wall, 2),
            "wall_page_without_certificates_over_warm": round(one_certificate / self.warm.wall, 2),
            "cpu_page_over_warm": round(self.page.cpu / self.warm.cpu, 2),
            "cells_ours_over_page": round(self.warm.cells / max(1, self.page.cells), 2),
            "floor_share_of_warm_cpu": round(self.floor.cpu / self.warm.cpu, 2),
            **({"cpu_many_over_bare": self.many.ratio} if self.many else {}),
            **({"cpu_many_different_over_bare": self.many_different.ratio} if self.many_different else {}),
        }


def _copies_lines(copies: Copies | None) -> Iterator[Line]:
    """Give the lines about copies of one interpreter."""
    of = f"{copies.copies} copies" if copies else "copies"
    over_bare = copies.warm.cpu / copies.bare.cpu if copies else None
    yield Line(f"warm, {of}, processor time over bare", over_bare, 1.4, "--scale N")
    over = copies.cold.wall / copies.baseline.wall if copies and copies.baseline else None
    yield Line(f"cold, {of}, wall over the baseline's", over, 0.4, "--scale N with --baseline COMMIT")
    growth = copies.growth if copies else None
    yield Line(f"{of}, processor time of each over that of {FEW}", growth, 1.0, f"--scale of more than {FEW}")
    peak = copies.peak / MEBIBYTE if copies else None
    yield Line(f"{of}, peak memory, MiB", peak, 250, "--scale N")


def _many_lines(same: Many | None, many: Many | None) -> Iterator[Line]:
    """Give the lines about environments as found: with the same packages, and when all differ."""
    of = f"{many.environments} environments" if many else "environments"
    needs = "an interpreter to make some on"
    growth, peak = (many.growth, many.peak / MEBIBYTE) if many else (None, None)
    for each, how in ((same, "with the same packages"), (many, "that all differ")):
        yield Line(f"{of} {how}, processor time over bare", each.ratio if each else None, 1.6, needs)
    yield Line(f"{of}, processor time of each over a tenth's", growth, 1.0, needs)
    yield Line(f"{of}, peak memory, MiB", peak, 250, needs)


def _report_lines(report: Mapping[str, float]) -> Iterator[Line]:
    """Give the lines about a large report."""
    of = f"report of {report.get('rows', 0):.0f} rows x {report.get('servers', 0):.0f} servers"
    wanted = (
        ("wall", 1, 10, "seconds"),
        ("peak", MEBIBYTE, 400, "peak memory, MiB"),
        ("html", 10**6, 8, "matrix.html, MB"),
        ("interactive", 1, 1.5, "seconds until its page can be filtered"),
    )
    for name, unit, most, words in wanted:
        measured = report[name] / unit if name in report else None
        yield Line(f"{of}, {words}", measured, most, "a Chromium on PATH")


def run_bench(
    prepared: Sequence[Prepared], uv: str, scratch: Path, say: Callable[[str], None], extent: Extent
) -> Bench:
    """Measure the page on some interpreters, then this tool on the same ones, and all else that is asked for.

    Raises subprocess.SubprocessError if one of our own runs fails: a bench of a failure says nothing.
    """
    interpreters, certificates = [each.interpreter for each in prepared], list[Cost]()
    page = _cost(
        lambda: sum(_page(Path(each.path), scratch / each.id, certificates) for each in interpreters)
    )
    spent = Cost(sum(c.wall for c in certificates), sum(c.cpu for c in certificates), 0)
    say(f"the page's procedure: {page.wall:.1f} s ({spent.wall:.1f} s for its keys), {page.cells} cells")
    copy, nox = _clean(uv, scratch)
    only = [word for each in interpreters for word in ("--only", each.id)]
    ours: list[str | Path] = [nox, "-s", "matrix", "--", *only]
    first, cold, warm = _time_ours(ours, copy, say)
    spending = read_spending(copy / SPENT)
    say(f"of the last:\n{spending}")
    floor = _cost(lambda: sum(map(_start_botocore, prepared)))
    bare = bare_command([each.python for each in prepared if each.python])
    say(f"starting each interpreter with one botocore client: {floor.wall:.1f} s, by\n{bare}")
    starts = measure_starts(nox, copy, scratch / "empty")
    names = tuple(each.id for each in interpreters)
    report = measure_report([*ours, "--attacks"], copy, uv, scratch)
    copies = measure_copies(interpreters, nox, copy, scratch, extent)
    say(f"copies of one interpreter: {copies}")
    folder, measure = scratch / "many", partial(_ours_on, ours[:4], copy)
    same, different = measure_many(interpreters, uv, measure, folder, extent.environments) or (None, None)
    say(f"the same packages on each Python: {same}")
    apart = read_spending(copy / SPENT)
    say(f"all different: {different}, of which:\n{apart}")
    added = _added([*ours[:4], "--only", names[-1]], copy, say, extent.clients)
    return Bench(
        *(names, page, spent, first, cold, warm, floor, same, different, spending, apart, added),
        copies=copies,
        starts=starts,
        report=report,
        tests=measure_tests(nox, copy, scratch, extent),
    )


def _time_ours(
    ours: Sequence[str | Path], checkout: Path, say: Callable[[str], None]
) -> tuple[Cost, Cost, Cost]:
    """Measure ours the first time, without environments, and with them."""
    first = _cost(lambda: _ours(ours, checkout))
    say(f"ours, the very first time: {first.wall:.1f} s, {first.cells} cells")
    colds = []
    for _ in range(2):
        shutil.rmtree(checkout / ".nox" / ".cache")
        colds.append(_cost(lambda: _ours(ours, checkout)))
    cold = min(colds, key=lambda cost: cost.wall)
    say(f"ours without environments: {cold.wall:.1f} s (the better of two)")
    warm = min((_cost(lambda: _ours(ours, checkout)) for _ in range(3)), key=lambda cost: cost.wall)
    say(f"ours with environments: {warm.wall:.1f} s (the best of three)")
    return first, cold, warm


def _clean(uv: str, scratch: Path) -> tuple[Path, Path]:
    """Return a copy of this checkout in which nothing was run yet, and a nox of its own to run it by."""
    copy, outer = scratch / "checkout", scratch / "outer"
    ignored = shutil.ignore_patterns(".nox", ".venv", ".git", "history", "latest", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, copy, ignore=ignored)
    _must(uv, "venv", "--quiet", "--python", sys.executable, outer)
    _must(uv, "pip", "install", "--quiet", "--python", outer / "bin" / "python", "nox")
    return copy, outer / "bin" / "nox"


def bare_command(pythons: Iterable[Path]) -> str:
    """Return what cannot be saved as a command line that anybody can run."""
    words = " ".join(shlex.quote(str(python)) for python in pythons)
    return f'time (for python in {words}; do "$python" -c {shlex.quote(ONE_CLIENT)}; done)'


def measure_starts(nox: Path, checkout: Path, empty: Path) -> dict[str, float]:
    """Return the wall time of short commands over that of nox itself, by command."""
    empty.mkdir()
    (empty / "noxfile.py").write_text("import nox\n", encoding="utf-8")
    commands = {"nothing": ("-l",), "nox -l": ("-l",), "nox -s gate": ("-s", "gate")}
    walls: dict[str, list[float]] = {command: [] for command in commands}
    for _ in range(ROUNDS):
        for command, words in commands.items():
            folder = empty if command == "nothing" else checkout
            walls[command].append(_cost(partial(_ends, [nox, *words], folder)).wall)
    nothing, *ours = (statistics.median(each) for each in walls.values())
    return {command: round(wall / nothing, 2) for command, wall in zip(list(commands)[1:], ours, strict=True)}


def _ends(command: Sequence[str | Path], folder: Path) -> int:
    """Run a command, however it ends: the gate fails on a finding, and nox where it has no session."""
    subprocess.run(command, check=False, cwd=folder, env=shell(), timeout=LIMIT, capture_output=True)
    return 0


def measure_report(ours: Sequence[str | Path], checkout: Path, uv: str, scratch: Path) -> dict[str, float]:
    """Return what a large report takes, made of a run that meets every server."""
    _ours(ours, checkout)
    python, page = checkout / ".nox" / "_tool" / "bin" / "python", scratch / "large.html"
    latest = checkout / "reports" / "latest"
    found = _figures(python, "-m", "runs.bench_reports", latest, str(ROWS), page, folder=checkout)
    if browser := shutil.which("chromium") or shutil.which("chromium-browser"):
        outer = scratch / "outer" / "bin" / "python"
        _must(uv, "pip", "install", "--quiet", "--python", outer, BROWSER)
        walls = [
            _figures(outer, checkout / "runs" / "bench_page.py", browser, page)["interactive"]
            for _ in range(ROUNDS)
        ]
        found["interactive"] = statistics.median(walls)
    return found


def _figures(*command: str | Path, folder: Path | None = None) -> dict[str, float]:
    """Return the figures that a program of ours prints."""
    done = subprocess.run(
        command, check=True, cwd=folder, env=shell(), timeout=LIMIT, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


def measure_copies(
    interpreters: Sequence[Interpreter], nox: Path, checkout: Path, scratch: Path, extent: Extent
) -> Copies | None:
    """Measure copies of one interpreter, cold and warm, and cold by an earlier build too.

    None where none is asked for, or there is none to copy.
    """
    copied = copyable(interpreters)
    if not extent.scale or copied is None:
        return None
    folder = scratch / "copies"
    # By words that each build of this tool knows.
    copied_to = [copy_interpreter(Path(copied.path), folder, n) for n in range(extent.scale)]

    def ours(pythons: Sequence[Path]) -> list[str | Path]:
        words: list[str | Path] = [word for python in pythons for word in ("--interpreter", python)]
        return [nox, "-s", "matrix", "--", "--only", "given_*", *words]

    baseline = None
    if extent.baseline:
        earlier = earlier_build(extent.baseline, scratch / "earlier")
        _must(nox, "-l", folder=earlier)  # its own packages are not what is compared
        baseline = _cost(lambda: _ours(ours(copied_to), earlier))
    cold = _cost(lambda: _ours(ours(copied_to), checkout))
    peaks: list[int] = []
    warm = min((_cost(lambda: _ours(ours(copied_to), checkout, peaks)) for _ in range(2)), key=_cpu)
    few = None
    if extent.scale > FEW:
        few = min((_cost(lambda: _ours(ours(copied_to[:FEW]), checkout)) for _ in range(2)), key=_cpu)
    pythons = list(checkout.glob(".nox/.cache/environments/given_*/botocore/bin/python"))
    bare = _cost(lambda: sum(_start(python, ONE_CLIENT) for python in pythons))
    return Copies(len(pythons), cold, warm, bare, baseline, few, max(peaks))


def _cpu(cost: Cost) -> float:
    return cost.cpu


def measure_tests(nox: Path, checkout: Path, scratch: Path, extent: Extent) -> dict[str, float]:
    """Return the processor time of all tests, and of those of an earlier build; empty where nobody asked.

    How they come out is not asked: an earlier build may fail on what is here now.
    """
    if not (extent.tests and extent.baseline):
        return {}
    folders = {"ours": checkout, "baseline": earlier_build(extent.baseline, scratch / "earlier")}
    return {name: _cost(partial(_ends, [nox, "-s", "tests"], at)).cpu for name, at in folders.items()}


def earlier_build(commit: str, folder: Path) -> Path:
    """Return an earlier build, checked out into a folder once."""
    if folder.exists():
        return folder
    archive = folder.with_suffix(".tar")
    _must("git", "-C", ROOT, "archive", "--format=tar", "--output", archive, commit)
    shutil.unpack_archive(archive, folder)
    return folder


def measure_many(
    interpreters: Sequence[Interpreter],
    uv: str,
    measure: Callable[[Sequence[str | Path], list[int]], int],
    folder: Path,
    number: int,
) -> tuple[Many, Many] | None:
    """Make environments in a folder, as many on each interpreter; measure them, make all differ, and again.

    At first each has a module of its own, and the packages of others.

    `measure` runs ours with these words: see _ours. None without an interpreter. Each time a tenth is
    measured first. Starting each comes last, because that leaves compiled modules, which would spare ours the
    compiling. Raises subprocess.SubprocessError for a run that fails.
    """
    if not interpreters:
        return None
    templates = [_template(uv, each, folder.with_name("templates")) for each in interpreters]
    # Those of the first tenth are told by their names.
    places = [folder / f"bench_{'1' if n % 10 else '0'}_{n}" for n in range(number)]
    pythons = [copy_environment(templates[n % len(templates)], place) for n, place in enumerate(places)]
    for python in pythons:
        (_packages(python) / "application.py").write_text(_named(python), encoding="utf-8")

    def run(pattern: str) -> tuple[Cost, int]:
        words: list[str | Path] = ["--found", "--search", folder, "--only", f"env_bench_{pattern}"]
        peaks: list[int] = []
        return _cost(lambda: measure(words, peaks)), peaks[0]

    few_cost, same_few = run("0_*")
    same, same_all = run("*")
    for python in pythons:
        _differ(python)
    different_few, few = run("0_*")
    different, most = run("*")
    bare = _cost(lambda: sum(_start(python, IMPORTS) for python in pythons))
    return (
        Many(number, same, bare, same_few, same_all, _growth(same, few_cost, number)),
        Many(number, different, bare, few, most, _growth(different, different_few, number)),
    )


def _growth(whole: Cost, few: Cost, number: int) -> float:
    """Return the processor time for each of all over that for each of a tenth; 0 where that took none."""
    of_few = few.cpu / math.ceil(number / 10)
    return round(whole.cpu / number / of_few, 2) if of_few else 0.0


def _differ(python: Path) -> None:
    """Give an environment a module of urllib3 whose text no other environment has; the others keep theirs."""
    module = _packages(python) / "urllib3" / "__init__.py"
    text = module.read_text(encoding="utf-8")
    module.unlink()
    module.write_text(text + _named(python), encoding="utf-8")


def _packages(python: Path) -> Path:
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    return packages


def _named(python: Path) -> str:
    return f"NAME = {python.parents[1].name!r}\n"


def _template(uv: str, interpreter: Interpreter, folder: Path) -> Path:
    """Make an environment with packages of an application, compiled as pip does it; return its folder."""
    place = folder / interpreter.id
    _must(uv, "venv", "--quiet", "--python", interpreter.path, place)
    python = place / "bin" / "python"
    _must(uv, "pip", "install", "--quiet", "--python", python, *PACKAGES)
    # By itself: what uv compiles with knows no Python before 3.7. What cannot be compiled is not loaded.
    compiling: list[str | Path] = [python, "-m", "compileall", "-q", *place.glob("lib/python*/site-packages")]
    subprocess.run(compiling, check=False, env=shell(), timeout=LIMIT, capture_output=True)
    return place


def _added(
    ours: Sequence[str | Path], checkout: Path, say: Callable[[str], None], further: Sequence[str]
) -> dict[str, Cost]:
    """Measure what each of some clients adds to a run of the default ones on one interpreter.

    Runs with and without it alternate, so that what else the machine is doing falls on both. A client that
    answers nothing there costs nothing either, and is left out.
    """

    def run(clients: Sequence[str]) -> Cost:
        command = [*ours, "--clients", ",".join(clients)]
        return _cost(lambda: _ours(command, checkout))

    added = {}
    for client in clients().values():
        if client.id in default_clients() or client.id not in further:
            continue
        both = (*default_clients(), client.id)
        run(both)  # makes the environments
        pairs = [(run(default_clients()), run(both)) for _ in range(3)]
        without, with_it = map(_best, zip(*pairs, strict=True))
        more = Cost(
            round(with_it.wall - without.wall, 2),
            round(with_it.cpu - without.cpu, 2),
            with_it.cells - without.cells,
        )
        if more.cells <= 0:
            say(f"{client.id} answers nothing here, so what it costs is not known")
            continue
        added[client.id] = more
        say(
            f"{client.id} adds {more.wall:.1f} s ({more.cpu:.1f} s of processor time) to the"
            f" {without.wall:.1f} s ({without.cpu:.1f} s) of {', '.join(default_clients())}"
        )
    return added


def _best(costs: Sequence[Cost]) -> Cost:
    """Return the least that something took of either time, and what it always answered."""
    return Cost(*(min(getattr(cost, name) for cost in costs) for name in ("wall", "cpu", "cells")))


def write_bench(path: Path, bench: Bench) -> None:
    """Write the figures and their ratios as JSON."""
    path.write_text(as_text(BenchDocument.of(bench, ratios=bench.ratios(), table=bench.table()), indent=2))


def _cost(action: Callable[[], int]) -> Cost:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    cells = action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(round(time.monotonic() - began, 3), round(cpu, 3), cells)


def _must(*command: str | Path, folder: Path | None = None) -> None:
    subprocess.run(command, check=True, timeout=LIMIT, capture_output=True, env=shell(), cwd=folder)


def _ours(command: Sequence[str | Path], checkout: Path, peaks: list[int] | None = None) -> int:
    """Run our matrix in a checkout of its own; return how many cells it answered.

    The bytes that its largest process took are added to `peaks`.
    """
    measured = command if peaks is None else [sys.executable, "-c", LARGEST, *command]
    env = shell() | {WRITES_TO: str(checkout / SPENT)}
    done = subprocess.run(measured, check=True, cwd=checkout, env=env, timeout=LIMIT, capture_output=True)
    if peaks is not None:
        peaks.append(int(done.stdout.split()[-1]))
    lines = (checkout / "reports" / "latest" / "observations.jsonl").read_text().splitlines()
    return sum(json.loads(line)["account"] is not None for line in lines)


def _ours_on(
    command: Sequence[str | Path], checkout: Path, words: Sequence[str | Path], peaks: list[int]
) -> int:
    """Do the same with more words behind the command."""
    return _ours([*command, *words], checkout, peaks)


def _page(python: Path, folder: Path, certificates: list[Cost]) -> int:
    """Do all that the page says with one interpreter, one step after the other; return its answers.

    What the certificate took is added to `certificates`: the page has it made in every repetition.
    """
    folder.mkdir()

    def step(*command: str | Path) -> int:
        done = subprocess.run(
            command, check=False, cwd=folder, env=shell(), capture_output=True, timeout=LIMIT
        )
        return done.returncode

    certificates.append(_cost(lambda: step(*CERTIFICATE)))
    step(python, "-m", "venv", "test-env")
    failed = step(folder / "test-env/bin/pip", "install", "botocore")
    for flags in SERVERS:
        with _server(folder, flags) as port:
            (folder / "check.py").write_text(CHECK.format(port=port))
            step(folder / "test-env/bin/python", "check.py")
    return 0 if failed else len(SERVERS)


@contextlib.contextmanager
def _server(folder: Path, flags: Sequence[str]) -> Iterator[int]:
    """Run one of the page's servers and give its port once it accepts."""
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-key", "key.pem", "-cert", "cert.pem"]
    with subprocess.Popen(
        [*command, *flags, "-www"],
        cwd=folder,
        env=shell(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101  we asked for a pipe
            accepts = (re.search(r"ACCEPT 127\.0\.0\.1:(\d+)", line) for line in process.stdout)
            yield next(int(match[1]) for match in accepts if match)
        finally:
            process.kill()


def _start_botocore(prepared: Prepared) -> int:
    assert prepared.python is not None  # noqa: S101  only interpreters with an environment get here
    return _start(prepared.python, ONE_CLIENT)


def _start(python: Path, program: str) -> int:
    _must(python, "-c", program)
    return 0
