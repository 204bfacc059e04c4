"""What a fresh process proves for those that run, which may be on files that were replaced since."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interpreters.clients import ClientKey
from interpreters.interpreter import NOT_SHOWN, Interpreter, RunningProcess
from reports.verdicts.judge import Judgement, Verdict
from reports.verdicts.matrix import Measured
from reports.verdicts.processes import outdated, process_facts, weigh

FRESH = RunningProcess(12, "web", "2026-01-01T00:00:00+00:00", "gunicorn")
OLD = replace(FRESH, pid=13, replaced=("/lib/libssl.so.3",))
NOTE = "process 13 (gunicorn) still uses the old /lib/libssl.so.3, which changed on disk since: restart it"


@pytest.mark.parametrize("verdict", Verdict)
def test_current_files_take_nothing_from_a_verdict(verdict: Verdict) -> None:
    """Where every process runs what is on disk, what a fresh one did holds for all of them."""
    judgement = Judgement(verdict, "so it was")
    assert weigh([FRESH], judgement) == judgement
    assert weigh([], judgement) == judgement


@pytest.mark.parametrize(
    ("verdict", "worth"),
    [
        (Verdict.ENFORCED, Verdict.INCONCLUSIVE),
        (Verdict.FRAGILE, Verdict.INCONCLUSIVE),
        (Verdict.DOWNGRADED, Verdict.DOWNGRADED),
        (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE),
        (Verdict.UNTESTABLE, Verdict.UNTESTABLE),
    ],
)
def test_old_files_may_do_what_new_ones_do_not(verdict: Verdict, worth: Verdict) -> None:
    """Nothing is safe by a library that is not the one that runs, and each reason says what to restart."""
    weighed = weigh([FRESH, OLD], Judgement(verdict, "so it was"))
    assert (weighed.verdict, weighed.reason) == (worth, f"so it was; {NOTE}")


def test_other_files_behind_the_same_paths_are_weighed_alike() -> None:
    """Nothing is safe by a file that the process does not have, and each reason says how to measure it."""
    there = replace(FRESH, elsewhere=("/usr/lib/ssl/openssl.cnf",))
    weighed = weigh([there], Judgement(Verdict.ENFORCED, "so it was"))
    assert weighed.verdict is Verdict.INCONCLUSIVE
    assert weighed.reason == (
        "so it was; process 12 (gunicorn) has another /usr/lib/ssl/openssl.cnf than a fresh process here, by"
        " mounts of its own: measure it there, as root by nox -s matrix -- --place 'exec:nsenter -t 12 -m'"
    )
    assert weigh([there, OLD], Judgement(Verdict.DOWNGRADED, "")).verdict is Verdict.DOWNGRADED
    assert weigh([there, OLD], Judgement(Verdict.ENFORCED, "")).reason.startswith(f"; {NOTE}; process 12")


def test_the_rows_of_an_interpreter_are_weighed_by_its_processes() -> None:
    """What was measured for a subject is weighed by the processes that it stands for."""
    interpreter = Interpreter("running_shop", "running", "/srv/venv/bin/python", processes=(OLD,))
    weighed = Measured(interpreter, {}, ()).weighed(ClientKey("ssl"), Judgement(Verdict.ENFORCED, ""))
    assert weighed.verdict is Verdict.INCONCLUSIVE


def test_the_facts_of_processes_are_told_together() -> None:
    """Who runs what since when, under which variables, with which libraries, and what is to be restarted."""
    worker = replace(FRESH, pid=14, user="root", started="2026-02-01T00:00:00+00:00", command="celery")
    interpreter = Interpreter(
        "running_shop",
        "running",
        "/srv/venv/bin/python",
        variables={"OPENSSL_CONF": "/etc/floor.cnf", "PYTHONPATH": NOT_SHOWN},
        processes=(replace(OLD, libraries=OLD.replaced), replace(worker, libraries=("/lib/libcrypto.so.3",))),
    )
    assert process_facts(interpreter) == {
        "what runs": "processes 13, 14 (gunicorn, celery) of web, root, since 2026-01-01 00:00 UTC",
        "variables": "OPENSSL_CONF=/etc/floor.cnf, PYTHONPATH=(not shown)",
        "TLS libraries in use": "/lib/libssl.so.3, /lib/libcrypto.so.3",
        "to restart": NOTE,
        "files elsewhere": "",
    }
    assert process_facts(replace(interpreter, processes=())) == {}


def test_services_are_restarted_by_their_names() -> None:
    """Whoever restarts needs the name of the service, where each process is in one."""
    shop, cron = (replace(OLD, pid=pid, unit=f"{name}.service") for pid, name in ((13, "shop"), (14, "cron")))
    assert outdated([FRESH, shop, cron]).endswith("since: restart shop.service, cron.service")
    assert outdated([shop, OLD]).endswith("since: restart them")
    interpreter = Interpreter("running_shop", "running", "/srv/venv/bin/python", processes=(shop, FRESH))
    assert " of web in shop.service, since " in process_facts(interpreter)["what runs"]


def test_many_processes_and_files_are_counted() -> None:
    """Three of each are named, and those that most processes share come first."""
    files = tuple(f"/lib/lib{name}.so" for name in "abcd")
    old = [replace(OLD, pid=pid, replaced=files[: 2 + pid % 3]) for pid in range(20, 25)]
    assert outdated(old) == (
        "processes 20, 21, 22 and 2 more (gunicorn) still use the old /lib/liba.so, /lib/libb.so,"
        " /lib/libc.so and 1 more, which changed on disk since: restart them"
    )
