# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "nox[uv]>=2026.10.20",  # runs the sessions in parallel; uv makes the environments
#   "pandas>=3,<4",         # the matrix as a table
#   "tabulate>=0.9",        # pandas writes Markdown with it
#   "jinja2>=3.1",          # matrix.html, escaped by default
#   "rich>=14",             # the table on a terminal
#   "prometheus-client>=0.22", # metrics.prom, escaped as Prometheus reads it
#   "cyclonedx-python-lib>=11,<12", # cbom.cdx.json; brings packageurl, for the names of packages
#   "msgspec>=0.20",        # JSON files as types, and the schemas of those types
#   "packaging>=24",        # compares versions of Python and of what is installed in it (PEP 440)
#   "tlslite-ng>=0.8,<0.9", # parses handshakes, and is the control's client
#   "trustme>=1.2",         # certificates that live as long as a run
# ]
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

from runs import sessions  # noqa: E402
from runs.plan import DEFAULT_SESSION, Plan, called_from  # noqa: E402

nox.needs_version = ">=2026.10.20"
nox.options.sessions = [DEFAULT_SESSION]
sessions.keep_answer_last()

PLAN = Plan.at_load(sys.argv[1:], os.environ, called_from())


@nox.session(venv_backend="none")
def matrix(session: nox.Session) -> None:
    """Measure every Python on this machine and write reports/latest."""
    sessions.perform(sessions.matrix, session, PLAN)


@nox.session(venv_backend="none")
def gate(session: nox.Session) -> None:
    """Fail unless the latest matrix is as the policy asks: without one, enforced everywhere."""
    sessions.perform(sessions.gate, session, PLAN)


@nox.session(venv_backend="none")
def remedy(session: nox.Session) -> None:
    """Measure, try what may help on every row that needs it, and advise what was measured to help."""
    sessions.perform(sessions.remedy, session, PLAN)


@nox.session(venv_backend="none")
def harden(session: nox.Session) -> None:
    """Build an OpenSSL and a Python that have nothing below the floor, and prove it."""
    sessions.perform(sessions.harden, session, PLAN)


@nox.session(venv_backend="none")
def compare(session: nox.Session) -> None:
    """Say what changed between two runs, and why: the last two, or -- OLD NEW, or -- BASELINE."""
    sessions.perform(sessions.compare, session, PLAN)


@nox.session(venv_backend="none")
def merge(session: nox.Session) -> None:
    """Join the reports of several machines into one: -- DIR... [--expect HOST]."""
    sessions.perform(sessions.merge, session, PLAN)


@nox.session(venv_backend="none")
def ticket(session: nox.Session) -> None:
    """Print a ticket's text about rows of the latest run that need work: -- ID..."""
    sessions.perform(sessions.ticket, session, PLAN)


@nox.session(venv_backend="none")
def pack(session: nox.Session) -> None:
    """Pack a run for an auditor, signed if you give a key: [-- RUN] [--key FILE]."""
    sessions.perform(sessions.pack, session, PLAN)


@nox.session(venv_backend="none")
def verify(session: nox.Session) -> None:
    """Judge the observations of a pack again, and say what of it does not follow: -- PACK."""
    sessions.perform(sessions.verify, session, PLAN)


@nox.session(venv_backend="none")
def serve(session: nox.Session) -> None:
    """Keep the catalogue's servers up until Ctrl-C, and show what connects to them."""
    sessions.perform(sessions.serve, session, PLAN)


@nox.session(venv_backend="none")
def truth(session: nox.Session) -> None:
    """Measure under every condition and compare each cell and verdict with its causes."""
    sessions.perform(sessions.truth, session, PLAN)


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """Time the AWS page's procedure against ours on the same interpreters."""
    sessions.perform(sessions.bench, session, PLAN)


@nox.session(venv_backend="uv|virtualenv")
def tests(session: nox.Session) -> None:
    """Run the tests, end to end on this machine's interpreters (-- -m 'not e2e': the quick ones)."""
    sessions.perform(sessions.tests, session, PLAN)


@nox.session(venv_backend="uv|virtualenv")
def lint(session: nox.Session) -> None:
    """Check style, types and the CI workflows."""
    sessions.perform(sessions.lint, session, PLAN)


@nox.session(venv_backend="none", allow_parallel=True)
@nox.parametrize("interpreter", [nox.param(one.id, id=one.id) for one in PLAN.chosen])
def venv(session: nox.Session, interpreter: str) -> None:
    """Prepare the environments of one interpreter, as matrix does for all."""
    sessions.perform(sessions.venv, session, PLAN, interpreter)


if __name__ == "__main__":
    nox.main()
