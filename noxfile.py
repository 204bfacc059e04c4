# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2026.10.20"] # runs the sessions; what these need is in pyproject.toml
# ///
"""The sessions that a person or a job can ask for; `nox -s NAME -- --help` shows the options of one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nox

# The nox command does not put this folder on the path.
ROOT = str(Path(__file__).parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from runs.own_environment import enter  # noqa: E402
from runs.perform import keep_answer_last, look_for_cycles_seldom, perform  # noqa: E402
from runs.plan import DEFAULT_SESSION, Plan, called_from  # noqa: E402

nox.needs_version = ">=2026.10.20"
nox.options.sessions = [DEFAULT_SESSION]
keep_answer_last()
look_for_cycles_seldom()

enter(sys.argv[1:], os.environ, called_from())
PLAN = Plan.at_load(sys.argv[1:], os.environ, called_from())


@nox.session(venv_backend="none")
def matrix(session: nox.Session) -> None:
    """Measure every Python on this machine and write reports/latest."""
    perform("matrix", session, PLAN)


@nox.session(venv_backend="none")
def gate(session: nox.Session) -> None:
    """Fail unless the latest matrix is as the policy asks: without one, enforced everywhere."""
    perform("gate", session, PLAN)


@nox.session(venv_backend="none")
def remedy(session: nox.Session) -> None:
    """Measure, try what may help on every row that needs it, and advise what was measured to help."""
    perform("remedy", session, PLAN)


@nox.session(venv_backend="none")
def harden(session: nox.Session) -> None:
    """Build an OpenSSL and a Python that have nothing below the floor, and prove it."""
    perform("harden", session, PLAN)


@nox.session(venv_backend="none")
def compare(session: nox.Session) -> None:
    """Say what changed between two runs, and why: the last two, or -- OLD NEW, or -- BASELINE."""
    perform("compare", session, PLAN)


@nox.session(venv_backend="none")
def merge(session: nox.Session) -> None:
    """Join the reports of several machines into one: -- DIR... [--expect HOST]."""
    perform("merge", session, PLAN)


@nox.session(venv_backend="none")
def ticket(session: nox.Session) -> None:
    """Print a ticket's text about rows of the latest run that need work: -- ID..."""
    perform("ticket", session, PLAN)


@nox.session(venv_backend="none")
def pack(session: nox.Session) -> None:
    """Pack a run for an auditor, signed if you give a key: [-- RUN] [--key FILE]."""
    perform("pack", session, PLAN)


@nox.session(venv_backend="none")
def verify(session: nox.Session) -> None:
    """Judge the observations of a pack again, and say what of it does not follow: -- PACK."""
    perform("verify", session, PLAN)


@nox.session(venv_backend="none")
def serve(session: nox.Session) -> None:
    """Keep the catalogue's servers up until Ctrl-C, and show what connects to them."""
    perform("serve", session, PLAN)


@nox.session(venv_backend="none")
def truth(session: nox.Session) -> None:
    """Measure under every condition and compare each cell and verdict with its causes."""
    perform("truth", session, PLAN)


@nox.session(venv_backend="none")
def clean(session: nox.Session) -> None:
    """Remove environments of interpreters that are gone, and what runs left: [-- --dry-run]."""
    perform("clean", session, PLAN)


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """Time the AWS page's procedure against ours on the same interpreters."""
    perform("bench", session, PLAN)


@nox.session(venv_backend="uv|virtualenv")
def tests(session: nox.Session) -> None:
    """Run the tests, end to end on this machine's interpreters (-- -m 'not e2e': the quick ones)."""
    perform("tests", session, PLAN)


@nox.session(venv_backend="uv|virtualenv")
def faults(session: nox.Session) -> None:
    """Inject hundreds of faults into runs and reports, and fail unless each promise is kept."""
    perform("faults", session, PLAN)


@nox.session(venv_backend="uv|virtualenv")
def lint(session: nox.Session) -> None:
    """Check style, types and the CI workflows."""
    perform("lint", session, PLAN)


@nox.session(venv_backend="none", allow_parallel=True)
@nox.parametrize("interpreter", [nox.param(one.id, id=one.id) for one in PLAN.chosen])
def venv(session: nox.Session, interpreter: str) -> None:
    """Prepare the environments of one interpreter, as matrix does for all."""
    perform("venv", session, PLAN, interpreter)


if __name__ == "__main__":
    nox.main()
