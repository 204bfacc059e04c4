# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "nox[uv]>=2026.10.20",  # runs the sessions in parallel; uv makes the environments
#   "pandas>=3,<4",         # the matrix as a table
#   "tabulate>=0.9",        # pandas writes Markdown with it
#   "tlslite-ng>=0.8,<0.9", # parses handshakes, and is the control's client
#   "trustme>=1.2",         # certificates that live as long as a run
# ]
# ///
"""The sessions: what a person or a scheduled job can ask for. `nox -l` lists them."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import os
import platform
import secrets
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import nox

ROOT = Path(__file__).parent
# The nox command does not put this folder on the path; its parallel children do.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from interpreters.clients import DEFAULT, RELAXED, Client, clients  # noqa: E402
from interpreters.interrupts import interruptible  # noqa: E402
from interpreters.locate import Candidate, SelectionError, locate, select  # noqa: E402

if TYPE_CHECKING:
    from reports.matrix import Measured
    from reports.observations import Run
    from servers.catalogue import Catalogue
    from servers.conditions import Condition

nox.needs_version = ">=2026.10.20"
nox.options.sessions = ["matrix"]
nox.options.parallel = os.cpu_count() or 1

# Parallel sessions are processes of their own; the first to load this file names the run for all.
RUN_ID = os.environ.setdefault(
    "TLS_FLOOR_RUN",
    f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
)


def _parser() -> argparse.ArgumentParser:
    """Return the parser of what follows `--` on the command line."""
    parser = argparse.ArgumentParser("nox -s matrix --", allow_abbrev=False)
    add = parser.add_argument
    add(
        "--interpreter",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="measure this Python too",
    )
    add("--only", action="append", default=[], metavar="GLOB", help="measure only ids that match")
    add("--clients", default=",".join(DEFAULT), help="comma-separated; default: %(default)s")
    add("--conditions", default="ambient", help="comma-separated: ambient, permissive, hardened")
    add("--floor", default="TLSv1.2", choices=["TLSv1.1", "TLSv1.2", "TLSv1.3"], help="default: %(default)s")
    add("--botocore", metavar="SPEC", help="a version or specifier, such as 1.34.0 or '<1.40'")
    add("--find-links", type=Path, metavar="DIR", help="install from this folder of wheels, without an index")
    add("--openssl", type=Path, metavar="PATH", help="serve with this openssl; default: the first on PATH")
    add("--fresh", action="store_true", help="make the environments anew")
    return parser


def _chosen() -> tuple[tuple[Candidate, ...], str]:
    """Return the interpreters that the command line asks for, or why there are none."""
    words = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    options, _ = _parser().parse_known_args(words)
    try:
        found = select(locate(os.environ, options.interpreter), options.only)
    except SelectionError as error:
        return (), str(error)
    return found, "" if found else "no Python was found on this machine: give one with --interpreter PATH"


CHOSEN, NOTHING_CHOSEN = _chosen()


def _options(session: nox.Session) -> argparse.Namespace:
    """Parse the session's arguments; a wrong one ends the session with argparse's sentence."""
    if NOTHING_CHOSEN:
        session.error(NOTHING_CHOSEN)
    return _parser().parse_args(session.posargs)


def _wanted_clients(session: nox.Session, options: argparse.Namespace) -> list[Client]:
    known = {name: one for name, one in clients().items() if not one.reference}
    wanted = options.clients.split(",")
    if unknown := [name for name in wanted if name not in known]:
        session.error(f"--clients: there is no {unknown[0]!r}; there are {', '.join(known)}")
    return [known[name] for name in wanted]


def _requirements(wanted: list[Client], options: argparse.Namespace) -> dict[str, str]:
    """Return what each client needs installed, with the version that the user pinned."""
    pins = {"botocore": options.botocore or ""}
    specifiers = {name: pin if not pin or pin[0] in "<>=!~" else f"=={pin}" for name, pin in pins.items()}
    return {
        one.id: one.requirement + specifiers.get(one.requirement, "") for one in wanted if one.requirement
    }


def _conditions(session: nox.Session, options: argparse.Namespace) -> tuple[Condition, ...]:
    """Return the conditions asked for, the machine's own first."""
    from servers.conditions import Condition

    wanted = options.conditions.split(",")
    if unknown := [name for name in wanted if name not in list(Condition)]:
        session.error(f"--conditions: there is no {unknown[0]!r}; there are {', '.join(Condition)}")
    return tuple(condition for condition in Condition if condition in wanted)


def _run_folder(session: nox.Session) -> Path:
    return session.cache_dir / "runs" / RUN_ID


@nox.session(venv_backend="none", allow_parallel=True)
@nox.parametrize("interpreter", [nox.param(one.id, id=one.id) for one in CHOSEN])
def venv(session: nox.Session, interpreter: str) -> None:
    """Prepare the environment of one interpreter (matrix does it for all)."""
    from interpreters.environments import Installer
    from interpreters.prepared import prepare_candidate, write_record

    options = _options(session)
    candidate = next(one for one in CHOSEN if one.id == interpreter)
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    installer = Installer(uv, session.cache_dir, Path(sys.executable), options.find_links)
    if options.fresh:
        shutil.rmtree(session.cache_dir / "environments" / candidate.id, ignore_errors=True)
    with interruptible():
        prepared = prepare_candidate(
            candidate,
            _requirements(_wanted_clients(session, options), options),
            session.cache_dir,
            installer,
            os.environ,
        )
    write_record(_run_folder(session), prepared)
    session.log(prepared.problem or prepared.install_problem or f"ready: {candidate.path}")


@nox.session(venv_backend="none", requires=["venv"] if CHOSEN else [])
def matrix(session: nox.Session) -> None:
    """Measure every Python on this machine and write reports/latest."""
    from reports.answer import answer
    from reports.files import LATEST, REPORTS, publish
    from reports.matrix import build_matrix
    from reports.report import write_report
    from servers.catalogue import read_catalogue
    from servers.protocols import Protocol

    options = _options(session)
    wanted = [one.id for one in _wanted_clients(session, options)]
    catalogue = read_catalogue()
    floor = Protocol(options.floor)
    with interruptible():
        run, measured = _measure(session, options, wanted, catalogue)
        rows = build_matrix(measured, wanted, _conditions(session, options), catalogue, floor)
        with publish(RUN_ID) as folder:
            write_report(folder, run, measured, rows, catalogue, floor)
    for sentence in answer(rows, floor):
        print(sentence)
    print(f"Report: {(REPORTS / LATEST / 'matrix.md').relative_to(ROOT)}")


def _measure(
    session: nox.Session, options: argparse.Namespace, wanted: list[str], catalogue: Catalogue
) -> tuple[Run, tuple[Measured, ...]]:
    """Probe every interpreter that is ready, and put together what is known of each."""
    from interpreters.prepared import distinct, read_record
    from interpreters.surroundings import surroundings
    from reports.collect import collect, follow_up
    from reports.observations import Run
    from servers.campaign import Guest, Settings, run_campaign
    from servers.protocols import Protocol

    records = _run_folder(session)
    prepared = distinct([read_record(records, candidate) for candidate in CHOSEN])
    shutil.rmtree(records, ignore_errors=True)
    environment = surroundings(os.environ, session.cache_dir / "home")
    guests = [
        Guest(
            id=one.candidate.id,
            python=one.python,
            environment=environment,
            clients=tuple(name for name in wanted if name not in one.uninstalled),
        )
        for one in prepared
        if one.python
    ]
    settings = Settings(
        catalogue=catalogue,
        floor=Protocol(options.floor),
        conditions=_conditions(session, options),
        cache=session.cache_dir,
        environment=os.environ,
        openssl=options.openssl,
    )
    judge = follow_up(catalogue, settings.floor)
    started = _now()
    campaign = asyncio.run(run_campaign(guests, settings, judge, RELAXED, session.log))
    run = Run(
        run_id=RUN_ID,
        host=platform.node(),
        tool=_tool(),
        engine=campaign.engine,
        catalogue=catalogue.sha256,
        started=started,
        ended=_now(),
        controls=campaign.controls,
    )
    return run, collect(prepared, campaign)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _tool() -> str:
    """Name the tool by its version, and by the commit where it runs from a checkout."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    return f"tls-floor-matrix {version}"


@nox.session(venv_backend="none")
def gate(session: nox.Session) -> None:
    """Fail unless the latest matrix shows the floor enforced everywhere."""
    from reports.files import LATEST, REPORTS
    from reports.gate import gate as decide

    decision = decide(REPORTS / LATEST)
    if not decision.passed:
        session.error(decision.message)
    session.log(decision.message)


def _development(session: nox.Session, group: str) -> None:
    """Install the tool's dependencies and one development group into the session's environment."""
    tool = nox.project.load_toml("noxfile.py")["dependencies"]
    project = nox.project.load_toml("pyproject.toml")
    session.install(*tool, *nox.project.dependency_groups(project, group))


@nox.session(venv_backend="uv|virtualenv")
def tests(session: nox.Session) -> None:
    """Run the tests, end to end on this machine's interpreters (-- -m 'not e2e': the quick ones)."""
    _development(session, "test")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "report", "--skip-covered", "--skip-empty")


@nox.session(venv_backend="uv|virtualenv")
def lint(session: nox.Session) -> None:
    """Check style and types."""
    _development(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy", ".")
