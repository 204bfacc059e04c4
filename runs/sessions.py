"""The sessions, one function each; see perform.py for what all have in common."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.errors import FloorError
from interpreters.log import LOG
from interpreters.scratch import scratch_folder
from reports.files import HISTORY, LATEST, REPORTS, begun, link_problem, publish, refuse_taken
from reports.formats.escape import for_terminal
from runs.task import ROOT, Task, refuse
from servers.resources import writing_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import nox

    from reports.verdicts.copies import EnvironmentCopies
    from reports.verdicts.matrix import Matrix, Row
    from reports.verdicts.remedies import Case
    from runs.job import Job


def matrix(job: Job) -> None:
    """Measure every Python on this machine and write reports/latest."""
    from runs.measure import measure

    _refuse_unpublishable(job.run_id)
    settings = job.settings(job.options.conditions)
    elsewhere = job.options.place or job.options.places
    if not elsewhere:
        job.refuse_senseless()
    # Until the report is there, what was measured is kept.
    with begun(job.run_id, refusals=_refusals()), contextlib.ExitStack() as held:
        if elsewhere:
            from runs.places import measure_places

            found = measure_places(job, settings)
        else:
            with job.spending.phase("preparing"):
                start = job.start(settings)
            kept = held.enter_context(job.unfinished(start, settings))
            # Pandas above all.
            settings = replace(settings, unfinished=kept, meanwhile=_load_formats)
            found = measure(start, tuple(job.sweep), settings)
        with job.spending.phase("reports"):
            _publish(job, job.run_id, found)
    _show(found)
    job.spending.written()


def _refusals() -> tuple[type[Exception], ...]:
    """Return what is raised for a question without sense, which some options show only as they are read."""
    from interpreters.locate import SelectionError
    from interpreters.own_clients import ClientFileError
    from interpreters.places import PlaceError
    from interpreters.tables import TableError
    from runs.unfinished import ResumeError

    return SelectionError, PlaceError, TableError, ClientFileError, ResumeError


def _load_formats() -> None:
    """Load all that writes reports, and make it ready for that."""
    from reports.formats.html import template
    from reports.report import formats

    formats()
    template()


def _publish(
    job: Job,
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
    from reports.report import write_report
    from runs.kept import kept_cases

    with publish(name, kept=job.options.keep) as folder:
        past, whole = past_runs(matrix.run), job.option("all_evidence", default=False)
        aws = job.option("securityhub")
        if cases is None:
            cases = kept_cases(matrix, dt.datetime.now(dt.UTC).date())
        together = "gate" in job.plan.sessions and not matrix.run.parts
        write_report(
            folder, matrix, job.policy, past=past, all_evidence=whole, cases=cases, together=together, aws=aws
        )
        add(folder)


def _show(matrix: Matrix) -> None:
    """Print what the report just written says in short."""
    from reports.formats.step_summary import append_summary
    from reports.formats.terminal import show

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    show(matrix, sys.stdout, width, colour=not os.environ.get("NO_COLOR"))
    if problem := append_summary(REPORTS / LATEST / "matrix.md", os.environ):
        print(for_terminal(problem))


def truth(job: Job) -> None:
    """Measure under every condition and compare each cell and verdict with its causes."""
    from interpreters.clients import RELAXED
    from reports.verdicts.expected import read_ambient
    from reports.verdicts.truth import build_truth, needed_cells, score, summary, write_truth
    from runs.measure import measure
    from servers.conditions import Condition

    _refuse_unpublishable(f"{job.run_id}-truth")
    _refuse_no_interpreter(job)
    settings = job.settings(tuple(Condition))
    everyone = (*job.sweep, RELAXED)
    with begun(job.run_id):
        start = job.start(settings)
        found = measure(start, everyone, settings)
        ambient = {
            measured.interpreter.id: read_ambient(measured.interpreter, os.environ)
            for measured in found.measured
        }
        truth = build_truth(found.rows, found.catalogue, found.floor, ambient)
        result = score(truth, needed_cells(found, everyone, settings.conditions))
        ours = replace(found, rows=tuple(row for row in found.rows if row.client != RELAXED))
        # A folder of its own, so that matrix and truth can be asked for in one command.
        _publish(job, f"{job.run_id}-truth", ours, add=lambda folder: write_truth(folder, truth.cells))
    for sentence in summary(result):
        print(sentence)
    print(f"Truth: {(REPORTS / LATEST / 'truth.csv').relative_to(ROOT)}")
    if not result.clean:
        msg = "the truth set is not clean"
        raise FloorError(msg)


def remedy(job: Job) -> None:
    """Measure, try what may help on every row that needs it, and advise what was measured to help."""
    from reports.formats.remedies_document import summary
    from reports.verdicts.remedies import assess
    from runs.kept import keep
    from runs.measure import measure, probe_tasks
    from runs.remedy_options import Makers, collect_options, known_options
    from runs.trials import try_out, with_trials
    from servers.conditions import Condition

    _refuse_unpublishable(f"{job.run_id}-remedy")
    _refuse_no_interpreter(job)
    settings = job.settings((Condition.AMBIENT,))
    with begun(job.run_id):
        start = job.start(settings)
        found = measure(start, tuple(job.sweep), settings)
        clients = {**job.found_clients, **job.sweep}
        known = known_options(found.rows, clients, found.floor, dt.datetime.now(dt.UTC).date())
        makers = Makers(partial(_newest, job), partial(_copies, job))
        options = collect_options(found.rows, known, clients, makers, start.env)
        tasks = probe_tasks(start, tuple(job.sweep))
        tried = try_out(found.rows, tasks, options, settings)
        cases = assess(found.rows, {outcome.trial.key: outcome.row for outcome in tried}, options)
        whole = replace(found, measured=with_trials(found.measured, tried))
        # A folder of its own, so that matrix and remedy can be asked for in one command.
        _publish(job, f"{job.run_id}-remedy", whole, cases=cases)
        keep(REPORTS / LATEST)
    for sentence in summary(cases, found.floor):
        print(for_terminal(sentence))
    print(f"Remedies: {(REPORTS / LATEST / 'remedies.md').relative_to(ROOT)}")


def _newest(job: Job, name: str, library: str) -> Path:
    """Return the Python of an environment, for an interpreter, with the newest release of a library."""
    from interpreters.prepared import prepare_apart

    known = {candidate.id: candidate for candidate in job.chosen}
    return prepare_apart(known[name], library, job.maker)


def _copies(job: Job, rows: Sequence[Row], libraries: Mapping[str, str]) -> EnvironmentCopies:
    """Return the copies of the found environment that these rows are about."""
    from runs.environment_copies import make_copies

    known = {candidate.id: candidate for candidate in job.chosen}
    return make_copies(rows, libraries, known[rows[0].interpreter.id], job.maker)


def _refuse_unpublishable(run_id: str) -> None:
    """Refuse what would be measured in vain: its report could not be written, or has another run's name."""
    refuse(link_problem() or writing_problem(REPORTS) or writing_problem(REPORTS / HISTORY))
    refuse_taken(run_id)


def _refuse_no_interpreter(job: Job) -> None:
    from interpreters.locate import SelectionError

    if not job.chosen:
        msg = "no interpreter was chosen, and only matrix measures programs"
        raise SelectionError(msg)


def harden(job: Job) -> None:
    """Build an OpenSSL and a Python that have nothing below the floor, and prove it."""
    from interpreters.hardening.harden import default_base, installed_pair
    from interpreters.hardening.recipes import choose, read_recipes, this_system
    from interpreters.hardening.request import BuildRequest
    from runs.harden import prove

    options = job.options
    request = BuildRequest(
        recipe=choose(read_recipes(), options.recipe, options.openssl, options.python, this_system()),
        floor=options.floor,
        base=options.prefix or default_base(os.environ),
        jobs=options.jobs,
        quick=options.quick,
        openssl_source=options.openssl_source,
        python_source=options.python_source,
    )
    with installed_pair(request, job.cache / "harden", os.environ, rebuild=options.fresh) as built:
        if built.fresh:
            prove(built, job)
    print(for_terminal(built.summary))


def gate(task: Task) -> None:
    """Fail unless the latest matrix is as the policy asks: without one, enforced everywhere."""
    from reports.gate import ReportError, decision_lines
    from reports.gate import gate as decide

    now = dt.datetime.now(dt.UTC)
    refuse(link_problem())
    newest = (REPORTS / LATEST).resolve().name
    # Whoever merges need not know what the machines' own runs left out.
    together = newest.startswith(task.run_id) and not newest.endswith("-merge")
    decision = decide(REPORTS / LATEST, now=now, together=together)
    for line in decision_lines(decision, now):
        LOG.info(line)
    if not decision.passed:
        raise ReportError(str(decision))
    LOG.info(str(decision))


def merge(job: Job) -> None:
    """Join the reports of several machines into one."""
    from interpreters.clients import default_clients
    from reports.merge import MergeError, merge_cases, read_parts
    from reports.merge import merge as join
    from reports.verdicts.observations import RunRequest
    from runs.places import joining, read_places
    from servers.conditions import Condition

    places = [each.host for file in job.options.expect_places for each in read_places(file)]
    folders, expected = job.options.folders, [*job.options.expect, *places]
    if not folders and not expected:
        msg = "there is nothing to merge: give the folders of some reports, as in nox -s merge -- DIR DIR"
        raise MergeError(msg)
    # A folder of its own, so that matrix and merge can be asked for in one command.
    name = f"{job.run_id}-merge"
    request = RunRequest(default_clients(), (Condition.AMBIENT,), job.floor)
    own = joining(name, request)
    here = Path(job.session.invoked_from)
    parts = read_parts([here / folder for folder in folders], expected)
    merged = join(parts, expected, own)
    _publish(job, own.run_id, merged, cases=merge_cases(parts))
    _show(merged)


def compare(job: Job) -> None:
    """Say what changed between two runs, and why: the last two unless others are named."""
    from reports.compare import compare as set_against
    from reports.compare import sections
    from reports.compare_files import write_comparison
    from reports.formats.matrix_json import read_json
    from reports.gate import read_report
    from reports.history import NoRunError, choose

    older, newer = choose(job.options.runs, Path(job.session.invoked_from))
    for run in (older, newer):
        # What somebody edited is no change of the machine's.
        read_report(run, "compare another run")
    comparison = set_against(read_json(older), read_json(newer))
    try:
        write_comparison(newer.parent, comparison)
    except OSError as error:
        msg = f"the comparison cannot be written: {error}"
        raise NoRunError(msg) from error
    for title, sentences in sections(comparison):
        if title:
            print(f"{title}:")
        for sentence in sentences:
            print(f"  {for_terminal(sentence)}" if title else for_terminal(sentence))
    written = newer.resolve().with_name("compare.md")
    print(f"Comparison: {written.relative_to(ROOT) if written.is_relative_to(ROOT) else written}")


def ticket(job: Job) -> None:
    """Print a ticket's text about rows of the latest run that need work."""
    from reports.history import latest_run
    from reports.ticket import TicketError, build_ticket
    from reports.verify import read_again

    if not job.options.ids:
        msg = (
            "there is nothing to write about: give ids of the latest run, as in nox -s ticket -- system_3_11"
        )
        raise TicketError(msg)
    print(build_ticket(read_again(latest_run()), job.options.ids), end="")


def pack(job: Job) -> None:
    """Pack a run for an auditor, signed if a key is given."""
    from reports.history import find_run, latest_run
    from reports.pack import make_pack

    options, here = job.options, Path(job.session.invoked_from)
    run = find_run(options.run, here).parent.resolve() if options.run else latest_run()
    for path in make_pack(run, REPORTS / "packs", options.key):
        print(f"Pack: {path.relative_to(ROOT)}")


def verify(job: Job) -> None:
    """Judge the observations of a pack again, and say what of it does not follow."""
    from reports.history import latest_run
    from reports.pack import SIGNER, PackError, signer, unpack
    from reports.verify import same_tool
    from reports.verify import verify as hold
    from runs.provenance import commit_of

    options = job.options
    path = options.pack or latest_run()
    with scratch_folder(job.cache, "verify-") as folder:
        run = path if path.is_dir() else unpack(path, folder)
        if who := signer(path, options.allowed, options.signer or SIGNER):
            print(for_terminal(who))
        whole = same_tool(run, commit_of(ROOT, os.environ)[0])
        problems = hold(run, same_tool=whole)
    if not whole:
        print("It is by another version of this tool: verdicts and cells are held, and not each text.")
    for problem in problems:
        print(for_terminal(f"  {problem}"))
    if problems:
        msg = f"{path.name} does not hold: {len(problems)} findings, named above"
        raise PackError(msg)
    print(for_terminal(f"All of {path.name} follows from its observations."))


def _say(text: str) -> None:
    """Print a line at once: who watches through a pipe waits for it as who sits at a terminal does."""
    print(text, flush=True)


def serve(job: Job) -> None:
    """Keep the catalogue's servers up until Ctrl-C, and show what connects to them."""
    import asyncio

    from reports.verdicts.so_far import so_far
    from servers.catalogue import read_catalogue
    from servers.serve import Service, serve_forever

    catalogue, options = read_catalogue(), job.options
    judge = partial(so_far, catalogue=catalogue, floor=job.floor)
    service = Service(
        catalogue, job.floor, job.cache, REPORTS / "served", job.env, options.openssl, options.port
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_forever(service, judge, _say))


def bench(job: Job) -> None:
    """Time the AWS page's procedure against ours on the same interpreters."""
    import subprocess

    from interpreters.clients import default_clients
    from interpreters.locate import SelectionError
    from runs.bench import Extent, run_bench, write_bench

    if not (REPORTS / LATEST).exists():
        msg = "there is no report to put bench.json beside: run nox -s matrix first"
        raise FloorError(msg)
    # The page makes its environments with `python3 -m venv`, which Python 2 does not have.
    able = [
        prepared
        for prepared in job.prepared(default_clients())
        if prepared.python and not prepared.interpreter.version.startswith("2.")
    ]
    if not able:
        msg = "the page's procedure needs a Python 3 that can be measured: choose one with --only"
        raise SelectionError(msg)
    options = job.options
    extent = Extent(
        options.environments, options.scale, options.baseline, options.tests, clients=options.clients
    )
    try:
        with scratch_folder(job.cache, "bench-") as folder:
            done = run_bench(able, job.uv, folder, _say, extent)
    except (subprocess.SubprocessError, OSError) as error:
        msg = f"the bench broke off, so there are no figures: {error}"
        raise FloorError(msg) from error
    write_bench(REPORTS / LATEST / "bench.json", done)
    for name, ratio in done.ratios().items():
        print(f"{name}: {ratio}")
    print(" measured  at most")
    for line in done.table():
        print(line)


def clean(job: Job) -> None:
    """Remove environments of interpreters that are gone, and what runs left."""
    from runs.clean import clean as remove
    from runs.clean import shown, size_of

    freed = remove(job.cache, _say, dry_run=job.options.dry_run)
    left = shown(size_of(job.cache) - (freed if job.options.dry_run else 0))
    print(
        f"{shown(freed)} {'would be' if job.options.dry_run else 'were'} removed; {left} of the cache stay."
    )


def venv(job: Job, interpreter: str) -> None:
    """Prepare the environments of one interpreter, as matrix does for all."""
    from interpreters.clients import requirements

    candidate = next(candidate for candidate in job.chosen if candidate.id == interpreter)
    prepared = job.prepare(candidate, requirements(job.sweep))
    problems = "; ".join(dict.fromkeys(prepared.uninstalled.values()))
    LOG.info(prepared.interpreter.unavailable or problems or f"ready: {candidate.path}")


def tests(job: Job) -> None:
    """Run the tests, end to end on this machine's interpreters (-- -m 'not e2e': the quick ones)."""
    _install(job.session, "test")
    if {"-h", "--help"}.intersection(job.session.posargs):
        print(f"nox -s tests -- [pytest's options]\n\n{tests.__doc__}\n\nThe help of pytest:\n")
    # By file, because what a file's tests share (a whole matrix, for some) is made once for them; and in the
    # order that tests/conftest.py gives, where xdist's own would put the files with the fewest tests, which
    # are the longest, last.
    side_by_side = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
    # uv compiles nothing that it installs. Where Python may not either, as in many containers, every session
    # that a test starts would compile pandas and all else anew: three seconds each.
    unset = {"PYTHONDONTWRITEBYTECODE": None}
    job.session.run("pytest", *side_by_side, *job.session.posargs, env=unset)


def faults(job: Job) -> None:
    """Inject hundreds of faults into runs and reports, and fail unless each promise is kept."""
    _install(job.session, "test")
    words = [word for glob in job.options.fault for word in ("--only", glob)]
    job.session.run("python", "-m", "tests.faults", *words, *(["--write"] if job.options.write else []))


def lint(job: Job) -> None:
    """Check style, types and the CI workflows."""
    session = job.session
    _install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy", ".")
    workflows = sorted(map(str, Path(".github", "workflows").glob("*.yml")))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("zizmor", "--offline", *workflows)


def _install(session: nox.Session, group: str) -> None:
    """Install the tool's dependencies and one development group into the session's environment."""
    import nox

    project = nox.project.load_toml("pyproject.toml")
    session.install(*project["project"]["dependencies"], *nox.project.dependency_groups(project, group))
