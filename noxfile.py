# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "nox[uv]>=2026.10.20",  # runs the sessions in parallel; uv makes the environments
#   "pandas>=3,<4",         # the matrix as a table
#   "tabulate>=0.9",        # pandas writes Markdown with it
#   "jinja2>=3.1",          # matrix.html, escaped by default
#   "rich>=14",             # the table on a terminal
#   "tlslite-ng>=0.8,<0.9", # parses handshakes, and is the control's client
#   "trustme>=1.2",         # certificates that live as long as a run
# ]
# ///
"""The sessions: what a person or a scheduled job can ask for. `nox -l` lists them."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import inspect
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import nox

ROOT = Path(__file__).parent
# The nox command does not put this folder on the path; its parallel children do.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from interpreters.clients import DEFAULT, RELAXED, clients, requirements, specifiers, variants  # noqa: E402
from interpreters.environments import Installer  # noqa: E402
from interpreters.interrupts import interruptible  # noqa: E402
from interpreters.locate import (  # noqa: E402
    Discovery,
    SelectionError,
    leads_to,
    locate,
    look,
    python_of,
    select,
)
from interpreters.prepared import distinct, is_ready, prepare_apart, prepare_candidate, read_record, settle  # noqa: E402
from interpreters.programs import PROGRAM, ProgramsError, introduce, locate_programs, read_programs  # noqa: E402
from interpreters.surroundings import absolute, surroundings  # noqa: E402
from reports.escape import for_terminal  # noqa: E402
from reports.files import HISTORY, KEPT_RUNS, LATEST, REPORTS, begun, publish  # noqa: E402
from reports.policy import FLOORS, Policy, PolicyError, read_policy  # noqa: E402
from servers.catalogue import Role, read_catalogue  # noqa: E402
from servers.conditions import Condition  # noqa: E402
from servers.engines import EngineError  # noqa: E402
from servers.protocols import Protocol  # noqa: E402
from servers.resources import ResourceError, exhausted, own_problem, writing_problem  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from interpreters.harden import Built
    from interpreters.locate import Candidate
    from interpreters.prepared import Prepared
    from reports.matrix import Matrix
    from reports.measure import Subjects
    from reports.observations import Run
    from reports.remedies import Case
    from servers.campaign import Settings

nox.needs_version = ">=2026.10.20"
nox.options.sessions = ["matrix"]
nox.options.parallel = os.cpu_count() or 1

# Parallel sessions are processes of their own; the first to load this file names the run for all.
RUN_ID = os.environ.setdefault(
    "TLS_FLOOR_RUN",
    f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
)
# It also sees whether somebody watches: what the others write goes into a pipe, which nox then shows.
WIDTH = os.environ.setdefault(
    "TLS_FLOOR_WIDTH", str(shutil.get_terminal_size().columns if sys.stdout.isatty() else 0)
)


class _Parser(argparse.ArgumentParser):
    """A parser of what follows `--`, which says what is wrong in a sentence rather than in all its usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _names(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Return an argparse type for a comma-separated choice from `known`, or all, in the order of `known`."""

    def parse(text: str) -> tuple[str, ...]:
        wanted = list(known) if text == "all" else [word.strip() for word in text.split(",")]
        if unknown := [name for name in wanted if name not in known]:
            msg = f"there is no {unknown[0]!r}; there are {', '.join(known)}"
            raise argparse.ArgumentTypeError(msg)
        return tuple(name for name in known if name in wanted)

    return parse


def _positive(text: str) -> int:
    """Return a whole number of 1 or more, as an argparse type."""
    if not text.isdecimal() or int(text) < 1:
        msg = f"{text!r} is not a whole number of 1 or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _floor(text: str) -> Protocol:
    """Return a floor, as an argparse type."""
    if text not in FLOORS:
        msg = f"there is no floor {text!r}; there are {', '.join(FLOORS)}"
        raise argparse.ArgumentTypeError(msg)
    return Protocol(text)


def _path(text: str) -> Path:
    """Return a path as it was meant where nox was called, as an argparse type."""
    return CALLED_FROM / text


def _folder(text: str) -> Path:
    """Return a folder that is there, as an argparse type."""
    if not _path(text).is_dir():
        msg = f"there is no folder {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return _path(text)


def _program(text: str) -> Path:
    """Return a program that can be run, as an argparse type: one on PATH if it is a bare name."""
    found = shutil.which(text if os.sep not in text else _path(text))
    if found is None:
        msg = f"there is no program {text!r} that can be run"
        raise argparse.ArgumentTypeError(msg)
    return Path(found).absolute()


def _parser() -> _Parser:
    """Return the parser of what follows `--` on the command line."""
    parser = _Parser("nox -s matrix --", allow_abbrev=False)
    add = parser.add_argument
    conditions = _names(list(Condition))
    names = _names([one.id for one in CLIENTS.values() if not one.reference])
    too = "measure this Python too"
    add("--interpreter", type=_path, action="append", default=[], metavar="PATH", help=too)
    found = "measure this environment as it is"
    add("--environment", type=_path, action="append", default=[], metavar="DIR", help=found)
    add("--only", action="append", default=[], metavar="GLOB", help="measure only ids that match")
    those = "comma-separated, or all; default: ssl,urllib3,botocore"
    add("--clients", type=names, default=DEFAULT, help=those)
    ambient = (Condition.AMBIENT,)
    add("--conditions", type=conditions, default=ambient, help="comma-separated; default: ambient")
    add("--programs", action="store_true", help="measure other programs on PATH too: probes/programs.toml")
    add("--attacks", action="store_true", help="meet the servers that tamper with the negotiation too")
    floor = POLICY.floor or Protocol.TLSV1_2
    said = f"{', '.join(FLOORS)}; default: the policy's, or TLSv1.2"
    add("--floor", type=_floor, default=floor, metavar="VERSION", help=said)
    versions = "a version or specifier, such as 1.34.0 or '<1.40'; of several, comma-separated, each in turn"
    add("--botocore", default="", metavar="SPEC", help=versions)
    add("--urllib3", default="", metavar="SPEC", help="the same, of the urllib3 beside botocore")
    add("--find-links", type=_folder, metavar="DIR", help="install from this folder of wheels, no index")
    add("--build", action="store_true", help="build from source what has no wheel; slow")
    add(
        "--openssl", type=_program, metavar="PATH", help="serve with this openssl; default: the first on PATH"
    )
    add("--all-evidence", action="store_true", help="write captures however large they are")
    add("--keep", type=_positive, default=KEPT_RUNS, metavar="N", help="runs to keep; default: %(default)s")
    add("--host", default=platform.node(), metavar="NAME", help="call this machine so; default: %(default)s")
    add("--fresh", action="store_true", help="make the environments anew")
    return parser


def _called_from() -> Path:
    """Return the folder in which nox was called: it has changed to this file's, and tells sessions alone."""
    frame = inspect.currentframe()
    while frame:
        if (config := frame.f_locals.get("global_config")) is not None:
            return Path(config.invoked_from)
        frame = frame.f_back
    return Path.cwd()


CALLED_FROM = _called_from()
# For all that is started from here, the parallel sessions too.
os.environ.update(absolute(os.environ, CALLED_FROM))
CLIENTS = clients()
try:
    POLICY, POLICY_PROBLEM = read_policy(), ""
except PolicyError as policy_error:
    POLICY, POLICY_PROBLEM = Policy(), str(policy_error)
# Which interpreters there are sessions for has to be known before any session has its arguments.
SPLIT = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
# What follows `harden --` has a parser of its own: its --openssl is a version.
OPTIONS, UNKNOWN = _parser().parse_known_args([] if "harden" in sys.argv[:SPLIT] else sys.argv[SPLIT + 1 :])
try:
    KNOWN_PROGRAMS = read_programs() if OPTIONS.programs else ()
    DISCOVERY = look(os.environ, OPTIONS.interpreter, environments=OPTIONS.environment)
    FOUND = (*DISCOVERY.candidates, *locate_programs(KNOWN_PROGRAMS, os.environ))
    SELECTED = select(FOUND, OPTIONS.only)
    PROBLEM = "" if SELECTED else "no Python was found on this machine: give one with --interpreter PATH"
except (SelectionError, ProgramsError) as selection_error:
    DISCOVERY, FOUND, SELECTED, PROBLEM = Discovery((), ()), (), (), str(selection_error)
CHOSEN = tuple(one for one in SELECTED if one.source != PROGRAM)
SWEEP = variants(
    [CLIENTS[name] for name in OPTIONS.clients], specifiers(OPTIONS.botocore), specifiers(OPTIONS.urllib3)
)
REQUIREMENTS = requirements(SWEEP.values())
ROLES = tuple(Role) if OPTIONS.attacks else (Role.LADDER, Role.PAGE)


def _check_arguments(session: nox.Session) -> None:
    """End the session, with a sentence, if it was asked for what there is not."""
    _parser().parse_args(session.posargs)
    if problem := POLICY_PROBLEM or PROBLEM or _places_problem():
        session.error(for_terminal(problem))
    if not CHOSEN and session.name != "matrix":
        session.error("only programs were chosen, and it is matrix alone that measures them")


def _places_problem() -> str:
    """Return why a run could not write where it has to; empty if it could."""
    cache, history = ROOT / ".nox" / ".cache", REPORTS / HISTORY
    return (
        own_problem(cache) or writing_problem(cache) or writing_problem(REPORTS) or writing_problem(history)
    )


@contextlib.contextmanager
def _measuring(session: nox.Session) -> Iterator[contextlib.ExitStack]:
    """Let a session be interrupted, and end it with a sentence where this machine does not let it measure.

    Gives what holds the environments that it uses until it ends.
    """
    try:
        with interruptible(), contextlib.ExitStack() as held:
            yield held
    except (EngineError, ResourceError) as error:
        session.error(for_terminal(str(error)))
    except (OSError, RuntimeError, MemoryError) as error:
        if not (sentence := exhausted(error)):
            raise
        session.error(for_terminal(f"the run broke off, and the last report stays: {sentence}"))


def _harden_parser() -> _Parser:
    """Return the parser of what follows `harden --` on the command line."""
    from interpreters.harden import FLOORS as HARDEN_FLOORS

    parser = _Parser("nox -s harden --", allow_abbrev=False)
    add = parser.add_argument
    add("--recipe", default="", metavar="ID", help="a pair of interpreters/builds.toml")
    add("--openssl", default="", metavar="VERSION", help="the recipe with this OpenSSL, such as 3.0")
    add("--python", default="", metavar="VERSION", help="the recipe with this Python, such as 3.11")
    add("--floor", default=str(Protocol.TLSV1_2), choices=list(HARDEN_FLOORS), help="default: %(default)s")
    add("--prefix", type=_path, metavar="DIR", help="the folder that gets both prefixes; default: /opt")
    jobs = os.cpu_count() or 1
    add("--jobs", type=_positive, default=jobs, metavar="N", help="default: one a processor")
    add("--openssl-source", type=_path, metavar="FILE", help="an archive of its source, or a .dsc")
    add("--python-source", type=_path, metavar="FILE", help="the same for Python")
    add("--find-links", type=_folder, metavar="DIR", help="prove without an index: clients from these wheels")
    add("--quick", action="store_true", help="unoptimized, without the openssl program: to try it")
    add("--fresh", action="store_true", help="build again, in place of an earlier build of ours")
    return parser


def _stale() -> list[str]:
    """Return the sessions that have to make an environment before the matrix can measure."""
    # The session itself then says what is wrong: once, rather than in each of these.
    if UNKNOWN or POLICY_PROBLEM or _places_problem():
        return []
    # With nox's --envdir this is another folder than the session's: it then prepares them one by one itself.
    cache = Path(".nox", ".cache")
    return [
        f"venv({one.id})"
        for one in CHOSEN
        if OPTIONS.fresh or not is_ready(one, REQUIREMENTS, cache, OPTIONS.find_links)
    ]


def _prepare(
    session: nox.Session,
    candidate: Candidate,
    required: Mapping[str, str] = REQUIREMENTS,
    find_links: Path | None = OPTIONS.find_links,
) -> Prepared:
    return prepare_candidate(candidate, required, _installer(session, find_links), os.environ)


@nox.session(venv_backend="none", allow_parallel=True)
@nox.parametrize("interpreter", [nox.param(one.id, id=one.id) for one in CHOSEN])
def venv(session: nox.Session, interpreter: str) -> None:
    """Prepare the environment of one interpreter (matrix does it for all)."""
    from interpreters.prepared import forget, write_record

    _check_arguments(session)
    candidate = next(one for one in CHOSEN if one.id == interpreter)
    if OPTIONS.fresh:
        forget(candidate, _cache(session), session.log)
    with interruptible():
        prepared = _prepare(session, candidate)
    write_record(_run_folder(session), prepared)
    problems = "; ".join(dict.fromkeys(prepared.uninstalled.values()))
    said = prepared.problem or problems or f"ready: {candidate.path}"
    session.log(for_terminal(said))


@nox.session(venv_backend="none", requires=_stale())
def matrix(session: nox.Session) -> None:
    """Measure every Python on this machine and write reports/latest."""
    from reports.measure import measure

    _check_arguments(session)
    settings = _settings(session)
    with _measuring(session) as held, begun(RUN_ID):
        subjects = _subjects(session, held, [one for one in SELECTED if one.source == PROGRAM])
        run = _run(settings, programs=OPTIONS.programs)
        found = measure(run, subjects, tuple(SWEEP), settings, session.log)
        _publish(RUN_ID, found)
    _tell(found)


def _publish(
    name: str,
    matrix: Matrix,
    *,
    cases: Sequence[Case] | None = None,
    add: Callable[[Path], None] = lambda _: None,
) -> None:
    """Publish a run's report under a name, with what `add` puts into its folder.

    `cases` are what remedies came to; what earlier runs know of them where this one tried none.
    """
    from reports.history import past_runs
    from reports.kept import kept_cases
    from reports.report import write_report

    with publish(name, kept=OPTIONS.keep) as folder:
        past, whole = past_runs(matrix.run), OPTIONS.all_evidence
        if cases is None:
            cases = kept_cases(matrix, dt.datetime.now(dt.UTC).date())
        write_report(folder, matrix, POLICY, past=past, all_evidence=whole, cases=cases)
        add(folder)


def _tell(matrix: Matrix) -> None:
    """Tell whoever watches what the report just written came to."""
    from reports.scope import headline
    from reports.step_summary import append_summary
    from reports.terminal import show

    scope, colour = headline(matrix.run.parts or (matrix.run,)), not os.environ.get("NO_COLOR")
    show(matrix.rows, matrix.floor, sys.stdout, int(WIDTH), colour=colour, scope=scope)
    if problem := append_summary(REPORTS / LATEST / "matrix.md", os.environ):
        print(for_terminal(problem))


@nox.session(venv_backend="none", requires=_stale())
def truth(session: nox.Session) -> None:
    """Measure under every condition and hold each cell and verdict against its causes."""
    from reports.measure import measure
    from reports.truth import build_truth, needed_cells, read_ambient, score, summary, write_truth

    _check_arguments(session)
    settings = _settings(session, tuple(Condition), roles=(Role.LADDER, Role.PAGE))
    everyone = (*SWEEP, RELAXED)
    with _measuring(session) as held, begun(RUN_ID):
        found = measure(_run(settings), _subjects(session, held), everyone, settings, session.log)
        ambient = {one.interpreter.id: read_ambient(one.interpreter, os.environ) for one in found.measured}
        truth = build_truth(found.rows, found.catalogue, found.floor, ambient)
        result = score(truth, needed_cells(found, everyone, settings.conditions))
        ours = replace(found, rows=tuple(row for row in found.rows if row.client != RELAXED))
        # A folder of its own, so that matrix and truth can be asked for in one command.
        _publish(f"{RUN_ID}-truth", ours, add=lambda folder: write_truth(folder, truth.frame))
    for sentence in summary(result):
        print(sentence)
    print(f"Truth: {(REPORTS / LATEST / 'truth.csv').relative_to(ROOT)}")
    if not result.clean:
        session.error("the truth set is not clean")


@nox.session(venv_backend="none", requires=_stale())
def remedy(session: nox.Session) -> None:
    """Measure, try what may help on every row that needs it, and advise what was measured to."""
    from interpreters.recipes import RecipeError
    from reports.kept import keep
    from reports.means import gather, know
    from reports.measure import guests_among, measure
    from reports.remedies import weigh
    from reports.remedies_document import summary
    from reports.trials import try_out, with_trials

    _check_arguments(session)
    settings = _settings(session, (Condition.AMBIENT,))
    with _measuring(session) as held, begun(RUN_ID):
        subjects = _subjects(session, held)
        found = measure(_run(settings), subjects, tuple(SWEEP), settings, session.log)
        try:
            known = know(found.rows, SWEEP, found.floor, dt.datetime.now(dt.UTC).date())
            means = gather(found.rows, known, SWEEP, _newest(session), subjects.environment)
        except RecipeError as error:
            session.error(for_terminal(str(error)))
        guests = guests_among(subjects, tuple(SWEEP))
        tried = try_out(found.rows, guests, means, settings, session.log)
        cases = weigh(found.rows, {one.trial.key: one.row for one in tried}, means)
        whole = replace(found, measured=with_trials(found.measured, tried))
        # A folder of its own, so that matrix and remedy can be asked for in one command.
        _publish(f"{RUN_ID}-remedy", whole, cases=cases)
        keep(REPORTS / LATEST)
    for sentence in summary(cases, found.floor):
        print(for_terminal(sentence))
    print(f"Remedies: {(REPORTS / LATEST / 'remedies.md').relative_to(ROOT)}")


def _newest(session: nox.Session) -> Callable[[str, str], Path]:
    """Return what makes, for an interpreter, an environment with the newest release of a library."""
    known, installer = {one.id: one for one in CHOSEN}, _installer(session, OPTIONS.find_links)
    return lambda name, library: prepare_apart(known[name], library, installer, os.environ)


def _settings(
    session: nox.Session,
    conditions: tuple[Condition, ...] = OPTIONS.conditions,
    roles: Sequence[Role] = ROLES,
    floor: Protocol = OPTIONS.floor,
) -> Settings:
    """Return with which servers, and how, a session measures."""
    from servers.campaign import Settings

    catalogue = read_catalogue().only(*roles)
    return Settings(catalogue, floor, conditions, _cache(session), os.environ, OPTIONS.openssl)


def _subjects(
    session: nox.Session, held: contextlib.ExitStack, programs: Sequence[Candidate] = ()
) -> Subjects:
    """Return the interpreters, prepared if no session of this run did so, and these programs."""
    from reports.measure import Subjects
    from reports.provenance import same_twice

    records = _run_folder(session)
    left = {one.id: read_record(records, one) for one in CHOSEN}

    def prepare(one: Candidate) -> Prepared:
        # What its own session did, and once more if other runs undid that.
        return left.pop(one.id, None) or _prepare(session, one)

    everyone = [settle(partial(prepare, one), held) for one in CHOSEN]
    prepared = distinct(everyone)
    shutil.rmtree(records, ignore_errors=True)
    environment = surroundings(os.environ, _cache(session) / "home")
    found = [said for one in programs if (said := introduce(one, KNOWN_PROGRAMS, environment))]
    return Subjects(prepared, environment, tuple(found), same_twice(everyone, prepared))


def _run(settings: Settings, *, programs: bool = False) -> Run:
    """Return this run as it is known before it begins."""
    from reports.measure import now
    from reports.observations import Asked, Given, Run
    from reports.provenance import not_chosen, survey

    asked = Asked(
        clients=tuple(SWEEP),
        conditions=settings.conditions,
        floor=settings.floor,
        attacks=bool(settings.catalogue.only(Role.ATTACK).servers),
        only=tuple(OPTIONS.only),
        interpreters=tuple(
            Given(str(path), str(led))
            for paths, leads in ((OPTIONS.interpreter, leads_to), (OPTIONS.environment, python_of))
            for path, led in zip(paths, map(leads, paths), strict=True)
        ),
        botocore=OPTIONS.botocore,
        urllib3=OPTIONS.urllib3,
        programs=programs,
    )
    unchosen = not_chosen(FOUND, SELECTED, OPTIONS.only)
    scope = survey(ROOT, asked, unchosen, DISCOVERY.looked, os.environ)
    return Run(RUN_ID, OPTIONS.host, _tool(), "", "", now(), now(), asked, {}, scope)


def _installer(session: nox.Session, find_links: Path | None) -> Installer:
    tool, build = Path(sys.executable), getattr(OPTIONS, "build", False)
    return Installer(_uv(), _cache(session), tool, find_links, build, session.log)


def _uv() -> str:
    """Return the uv that came with the tool's own dependencies."""
    return shutil.which("uv") or str(Path(sys.executable).with_name("uv"))


def _cache(session: nox.Session) -> Path:
    """Return the folder, readable by us alone, for all that is kept between and during runs."""
    cache = session.cache_dir.absolute()
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o700)
    return cache


def _run_folder(session: nox.Session) -> Path:
    return _cache(session) / "runs" / RUN_ID


def _tool() -> str:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return f"tls-floor-matrix {tomllib.load(file)['project']['version']}"


@nox.session(venv_backend="none")
def harden(session: nox.Session) -> None:
    """Build an OpenSSL and a Python that have nothing below the floor, and prove it."""
    from interpreters.harden import Order, default_base, hardened
    from interpreters.recipes import HardenError, choose, read_recipes, this_system

    options = _harden_parser().parse_args(session.posargs)
    try:
        recipe = choose(read_recipes(), options.recipe, options.openssl, options.python, this_system())
        order = Order(
            recipe=recipe,
            floor=options.floor,
            base=options.prefix or default_base(os.environ, session.log),
            jobs=options.jobs,
            quick=options.quick,
            openssl_source=options.openssl_source,
            python_source=options.python_source,
        )
        with (
            interruptible(),
            hardened(order, _cache(session) / "harden", os.environ, session.log, anew=options.fresh) as built,
        ):
            if built.fresh:
                _prove(session, built, options.find_links)
    except HardenError as error:
        session.error(for_terminal(str(error)))
    print(for_terminal(built.summary))


def _prove(session: nox.Session, built: Built, find_links: Path | None) -> None:
    """Measure a build where it is; raises ProofError for all that is not shown."""
    from interpreters.checks import check_pip
    from reports.measure import Subjects, measure, now
    from reports.proof import CONDITIONS, held, told

    checks = []
    if find_links is None:
        with tempfile.TemporaryDirectory(dir=_cache(session), prefix="pip-") as folder:
            checks.append(check_pip(built.order.python, Path(folder), os.environ))
    else:
        session.log(f"pip is not asked to install over TLS: wheels come from {find_links}")
    real = built.order.python.resolve()
    found = next(one for one in locate(os.environ, [real]) if one.path == real)
    prepared = _prepare(session, found, requirements([CLIENTS[name] for name in DEFAULT]), find_links)
    subjects = Subjects((prepared,), surroundings(os.environ, _cache(session) / "home"))
    settings = _settings(session, CONDITIONS, [Role.LADDER], Protocol(built.order.floor))
    rows = measure(_run(settings), subjects, DEFAULT, settings, session.log).rows
    built.prove([*checks, held(rows, DEFAULT, settings.floor)], {"verdicts": told(rows)}, now())
    for row in rows:
        session.log(f"{row.client} under {row.condition}: {row.verdict}, held by {row.held_by}")
    if found.source == "given":
        session.log(f"nox -s matrix does not look there by itself: add --interpreter {built.order.python}")


@nox.session(venv_backend="none")
def gate(session: nox.Session) -> None:
    """Fail unless the latest matrix is as the policy asks: without one, enforced everywhere."""
    from reports.gate import gate as decide
    from reports.gate import told

    # Where a session of the same command wrote the report, the words were for that.
    newest = (REPORTS / LATEST).resolve().name
    if session.posargs and not newest.startswith(RUN_ID):
        words = " ".join(session.posargs)
        session.error(
            for_terminal(
                f"gate heeds no {words!r}: it reads reports/latest, and policy.toml says what it asks;"
                " to decide about another run there is python -m reports.gate FOLDER"
            )
        )
    now = dt.datetime.now(dt.UTC)
    # Whoever merges need not know what the machines' own runs left out.
    together = newest.startswith(RUN_ID) and not newest.endswith("-merge")
    decision = decide(REPORTS / LATEST, now=now, together=together)
    for line in told(decision, now):
        session.log(line)
    if not decision.passed:
        session.error(str(decision))
    session.log(str(decision))


@nox.session(venv_backend="none")
def merge(session: nox.Session) -> None:
    """Join the reports of several machines into one: -- DIR... [--expect HOST]."""
    from reports.measure import now
    from reports.merge import MergeError, merge_cases, read_parts
    from reports.merge import merge as join
    from reports.observations import Asked, RecordError, Run

    parser = _Parser("nox -s merge --", allow_abbrev=False)
    add = parser.add_argument
    add("folders", nargs="*", type=Path, metavar="DIR", help="a run's folder, or one that holds some")
    add("--expect", action="append", default=[], metavar="HOST", help="say so if this machine did not report")
    wanted = parser.parse_args(session.posargs)
    if not wanted.folders and not wanted.expect:
        session.error(
            "there is nothing to merge: give the folders of some reports, as in nox -s merge -- DIR DIR"
        )
    asked = Asked(tuple(SWEEP), OPTIONS.conditions, OPTIONS.floor)
    own = Run(f"{RUN_ID}-merge", platform.node(), _tool(), "", "", now(), now(), asked, {})
    here = Path(session.invoked_from)
    try:
        parts = read_parts([here / folder for folder in wanted.folders], wanted.expect)
        merged = join(parts, wanted.expect, own)
    except (MergeError, RecordError) as error:
        session.error(for_terminal(str(error)))
    # A folder of its own, so that matrix and merge can be asked for in one command.
    _publish(own.run_id, merged, cases=merge_cases(parts))
    _tell(merged)


@nox.session(venv_backend="none")
def compare(session: nox.Session) -> None:
    """Say what changed between two runs, and why: the last two, or -- OLD NEW, or -- BASELINE."""
    from reports.compare import compare as set_against
    from reports.compare import sections, write_comparison
    from reports.history import NoRunError, choose
    from reports.matrix_json import read_json
    from reports.observations import RecordError

    try:
        older, newer = choose(session.posargs, Path(session.invoked_from))
        comparison = set_against(read_json(older), read_json(newer))
        write_comparison(newer.parent, comparison)
    except (NoRunError, RecordError, OSError) as error:
        session.error(for_terminal(str(error)))
    for title, sentences in sections(comparison):
        print(*([f"{title}:"] if title else []), *map(for_terminal, sentences), sep="\n  " if title else "\n")
    said = newer.resolve().with_name("compare.md")
    print(f"Comparison: {said.relative_to(ROOT) if said.is_relative_to(ROOT) else said}")


@nox.session(venv_backend="none")
def serve(session: nox.Session) -> None:
    """Keep the catalogue's servers up until Ctrl-C, and show what connects to them."""
    from reports.so_far import so_far
    from servers.serve import serve_forever

    _check_arguments(session)
    catalogue, floor, openssl = read_catalogue(), OPTIONS.floor, OPTIONS.openssl
    judge = partial(so_far, catalogue=catalogue, floor=floor)
    with interruptible(), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_forever(catalogue, floor, judge, _cache(session), os.environ, openssl, print))


@nox.session(venv_backend="none", requires=_stale())
def bench(session: nox.Session) -> None:
    """Time the AWS page's procedure against ours on the same interpreters."""
    from reports.bench import run_bench, write_bench

    _check_arguments(session)
    if not (REPORTS / LATEST).exists():
        session.error("there is no report to put bench.json beside: run nox -s matrix first")
    prepared = [read_record(_run_folder(session), one) or _prepare(session, one) for one in CHOSEN]
    # The page makes its environments with `python3 -m venv`, which Python 2 does not have.
    able = [p for p in prepared if p.python and p.identity and not p.identity.version.startswith("2.")]
    if not able:
        session.error("the page's procedure needs a Python 3 that can be measured: choose one with --only")
    try:
        with interruptible(), tempfile.TemporaryDirectory(dir=_cache(session), prefix="bench-") as folder:
            done = run_bench(able, _uv(), Path(folder), print)
    except (subprocess.SubprocessError, OSError) as error:
        session.error(for_terminal(f"the bench broke off, so there are no figures: {error}"))
    write_bench(REPORTS / LATEST / "bench.json", done)
    for name, ratio in done.ratios().items():
        print(f"{name}: {ratio}")


def _development(session: nox.Session, group: str) -> None:
    """Install the tool's dependencies and one development group into the session's environment."""
    tool = nox.project.load_toml("noxfile.py")["dependencies"]
    project = nox.project.load_toml("pyproject.toml")
    session.install(*tool, *nox.project.dependency_groups(project, group))


@nox.session(venv_backend="uv|virtualenv")
def tests(session: nox.Session) -> None:
    """Run the tests, end to end on this machine's interpreters (-- -m 'not e2e': the quick ones)."""
    _development(session, "test")
    # By file, because what a file's tests share (a whole matrix, for some) is made once for them; and in the
    # order that tests/conftest.py gives, where xdist's own would put the files with the fewest tests, which
    # are the longest, last.
    side_by_side = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
    # uv compiles nothing that it installs. Where Python may not either, as in many containers, every session
    # that a test starts would compile pandas and all else anew: three seconds each.
    session.run("pytest", *side_by_side, *session.posargs, env={"PYTHONDONTWRITEBYTECODE": None})


@nox.session(venv_backend="uv|virtualenv")
def lint(session: nox.Session) -> None:
    """Check style, types and the CI workflows."""
    _development(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy", ".")
    workflows = sorted(map(str, Path(".github", "workflows").glob("*.yml")))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("zizmor", "--offline", *workflows)
