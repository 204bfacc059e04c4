"""Tests the bench's arithmetic and what it calls the page's procedure; no time is asserted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import clients, default_clients
from runs import bench as bench_module
from runs.bench import (
    CERTIFICATE,
    CHECK,
    ONE_CLIENT,
    SERVERS,
    Bench,
    Copies,
    Cost,
    Extent,
    Many,
    _added,
    _page,
    _server,
    bare_command,
    measure_many,
    measure_tests,
    shell,
    write_bench,
)
from runs.spending import Spending, Spent, Visits
from tests.support.builders import an_interpreter
from tests.support.schemas import validator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from interpreters.interpreter import Interpreter


def test_ratios_are_the_page_over_ours() -> None:
    """Wall and processor time are the page's over ours, cells ours over the page's."""
    ours, floor = Cost(5.0, 8.0, 360), Cost(2.0, 2.0, 0)
    bench = Bench(("a",), Cost(60.0, 50.0, 16), Cost(10.0, 9.0, 0), ours, ours, ours, floor)
    ratios = bench.ratios()
    assert ratios["wall_page_over_warm"] == 12.0
    assert ratios["wall_page_without_certificates_over_warm"] == 10.0
    assert ratios["cpu_page_over_warm"] == 6.25
    assert ratios["cells_ours_over_page"] == 22.5
    assert ratios["floor_share_of_warm_cpu"] == 0.25


def test_a_page_without_answers_is_no_division_by_zero() -> None:
    """Where the page's procedure answered nothing the ratio of cells counts it as one."""
    none = Cost(1.0, 1.0, 0)
    assert Bench((), none, none, none, none, none, none).ratios()["cells_ours_over_page"] == 0


def test_the_figures_are_written_with_their_ratios(tmp_path: Path) -> None:
    """bench.json has what was measured and the ratios made from it."""
    cost = Cost(1.0, 1.0, 1)
    bare = Cost(9.0, 10.0, 0)
    same = Many(200, Cost(9.0, 5.0, 1), bare, 1 << 20, 2 << 20)
    different = Many(200, Cost(9.0, 15.0, 1), bare, 1 << 20, 3 << 20)
    spent = Spending({"visits": Spent(1.0, 2.0, 3.0)}, {"ambient": Visits(2, 2.5)})
    bench = Bench(
        ("a", "b"), cost, cost, cost, cost, cost, cost, same, different, spent, spent, {"requests": cost}
    )
    write_bench(tmp_path / "bench.json", bench)
    written = json.loads((tmp_path / "bench.json").read_text())
    validator("bench.json").validate(written)
    assert written.keys() == {"schema_version", "ratios", "table", *asdict(bench)}
    assert [line["what"] for line in written["table"]] == [line.what for line in bench.table()]
    assert written["ratios"] == bench.ratios()
    assert written["ratios"]["cpu_many_over_bare"] == 0.5
    assert written["ratios"]["cpu_many_different_over_bare"] == 1.5
    assert (written["many"]["environments"], written["many"]["peak"]) == (200, 2 << 20)
    assert (written["many_different"]["environments"], written["many_different"]["peak"]) == (200, 3 << 20)
    assert written["spent"] == written["spent_different"] == asdict(spent)
    assert written["interpreters"] == ["a", "b"]
    assert written["clients"] == {"requests": {"wall": 1.0, "cpu": 1.0, "cells": 1}}
    assert written["page"] == {"wall": 1.0, "cpu": 1.0, "cells": 1}


def measured(bench: Bench) -> dict[str, tuple[float, bool]]:
    """Return what the table says was measured, and whether it is met, by what it is."""
    return {line.what: (line.measured, " met " in str(line)) for line in bench.table() if line.measured}


def test_the_table_holds_what_was_measured_against_what_is_wanted() -> None:
    """Each line is met by what is at most its target."""
    ours, bare = Cost(3.0, 6.0, 360), Cost(2.0, 4.0, 0)
    bench = Bench(("a",), Cost(60.0, 50.0, 16), bare, ours, ours, ours, bare)
    always = measured(bench)
    assert always == {
        "warm, processor time over bare": (1.5, True),
        "warm, wall over bare": (1.5, True),
        "cold, wall over the page's": (0.05, True),
        "warm, wall over the page's": (0.05, False),
    }
    cold, warm, few = Cost(50.0, 1.0, 0), Cost(1.0, 9.0, 0), Cost(1.0, 1.0, 0)
    copies = Copies(60, cold, warm, Cost(1.0, 6.0, 0), Cost(100.0, 1.0, 0), few, 251 << 20)
    more = replace(
        bench,
        copies=copies,
        many=Many(200, ours, bare, 1, 1),
        many_different=Many(200, warm, bare, 1 << 20, 250 << 20, 1.1),
        starts={"nox -l": 1.6},
        report={"rows": 5031, "servers": 25, "wall": 9.0, "peak": 401 << 20, "html": 8e6, "interactive": 1.6},
        tests={"ours": 10.0, "baseline": 40.0},
    )
    assert measured(more) == always | {
        "nox -l, wall over an empty noxfile's": (1.6, False),
        "warm, 60 copies, processor time over bare": (1.5, False),
        "cold, 60 copies, wall over the baseline's": (0.5, False),
        "60 copies, processor time of each over that of 10": (1.5, False),
        "60 copies, peak memory, MiB": (251.0, False),
        "200 environments with the same packages, processor time over bare": (1.5, True),
        "200 environments that all differ, processor time over bare": (2.25, False),
        "200 environments, processor time of each over a tenth's": (1.1, False),
        "200 environments, peak memory, MiB": (250.0, True),
        "report of 5031 rows x 25 servers, seconds": (9.0, True),
        "report of 5031 rows x 25 servers, peak memory, MiB": (401.0, False),
        "report of 5031 rows x 25 servers, matrix.html, MB": (8.0, True),
        "report of 5031 rows x 25 servers, seconds until its page can be filtered": (1.6, False),
        "all tests, processor time over the baseline's": (0.25, True),
    }


def test_copies_say_what_each_run_took() -> None:
    """A long bench says so at once, in wall and processor time, and leaves out what was not asked for."""
    copies = Copies(60, Cost(50.0, 90.0, 0), Cost(30.0, 50.0, 0), Cost(9.0, 8.0, 0), Cost(99.0, 120.0, 0))
    assert str(copies) == (
        "60 copies, wall (processor) time: without environments 50.0 s (90.0 s), with them 30.0 s (50.0 s),"
        " starting each 9.0 s (8.0 s), the baseline without environments 99.0 s (120.0 s)"
    )
    assert "baseline" not in str(replace(copies, baseline=None))


def test_what_was_not_measured_has_a_line_that_says_what_it_takes() -> None:
    """A bench without options has all lines of one with all, and is silent about none."""
    none = Cost(1.0, 1.0, 1)
    lines = [line for line in Bench((), none, none, none, none, none, none).table() if line.measured is None]
    assert len(lines) == 13
    assert all(line.needs and f"(not measured: {line.needs})" in str(line) for line in lines)
    assert not [line for line in lines if " met " in str(line) or " over " in str(line)[:26]]


def test_an_earlier_build_is_checked_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies and tests of one bench share it."""
    (tmp_path / "earlier").mkdir()
    monkeypatch.setattr(bench_module, "_must", lambda *_words: pytest.fail("it is there already"))
    assert bench_module.earlier_build("ab58ca1", tmp_path / "earlier") == tmp_path / "earlier"


def test_tests_are_timed_in_both_builds_only_if_that_is_asked_for(tmp_path: Path) -> None:
    """Each build's session of tests is run where it is, however it ends, and its processor time is taken."""
    nox = tmp_path / "nox"
    nox.write_text('#!/bin/sh\necho "$@" >> asked\nexit 1\n')
    nox.chmod(0o755)
    for name in ("checkout", "earlier"):
        (tmp_path / name).mkdir()
    found = measure_tests(nox, tmp_path / "checkout", tmp_path, Extent(10, tests=True, baseline="ab58ca1"))
    assert found.keys() == {"ours", "baseline"}
    assert [(tmp_path / name / "asked").read_text() for name in ("checkout", "earlier")] == ["-s tests\n"] * 2
    assert measure_tests(nox, tmp_path, tmp_path, Extent(10, baseline="ab58ca1")) == {}


def test_the_bare_cost_is_a_command_that_anybody_can_run(tmp_path: Path) -> None:
    """The line, pasted into a shell, starts each Python with the program whose time is taken."""
    python = tmp_path / "a python"
    python.write_text('#!/bin/sh\necho "$1 $2" > "$0.said"\n')
    python.chmod(0o755)
    subprocess.run(["bash", "-c", bare_command([python])], check=True, capture_output=True)
    assert (tmp_path / "a python.said").read_text() == f"-c {ONE_CLIENT}\n"


def test_what_each_further_client_adds_is_the_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client adds is its best run over the best without it, its environment's making apart."""
    known = [one.id for one in clients().values() if one.id not in default_clients() and not one.reference]
    further = known[:3]
    asked: list[tuple[str, ...]] = []
    silent = further[1]

    def cost(action: Callable[[], int]) -> Cost:
        action()
        names = asked[-1]
        # The first run makes an environment; then a name is as long as it takes, and the last run the best.
        made = names == default_clients() or asked.count(names) > 1
        lengths = sum(map(len, names[len(default_clients()) :]))
        wall = 2.0 + lengths - len(asked) / 1000 if made else 100.0
        return Cost(wall, 2 * wall, 48 + 16 * (len(names) - len(default_clients())) * (silent not in names))

    def ours(command: Sequence[str | Path], checkout: Path) -> int:
        assert checkout == Path("/copy")
        asked.append(tuple(str(command[-1]).split(",")))
        return 0

    monkeypatch.setattr("runs.bench._cost", cost)
    monkeypatch.setattr("runs.bench._ours", ours)
    said: list[str] = []
    added = _added(["nox", "--only", "here"], Path("/copy"), said.append, further)
    assert added == {
        client: Cost(float(len(client)), 2.0 * len(client), 16) for client in further if client != silent
    }
    assert [line for line in said if "not known" in line] == [
        f"{silent} answers nothing here, so what it costs is not known"
    ]
    # Once for the environment; then, each time, right after a run without it.
    expected = [(both := (*default_clients(), client), *[default_clients(), both] * 3) for client in further]
    assert asked == [names for runs in expected for names in runs]


def test_the_page_is_scripted_literally() -> None:
    """The bench's certificate, servers and script are the page's own words."""
    words = "openssl req -subj /CN=localhost -x509 -newkey rsa:4096 -nodes"
    assert " ".join(CERTIFICATE) == f"{words} -keyout key.pem -out cert.pem -days 365"
    assert SERVERS == ((), ("-no_tls1_3", "-no_tls1_2"))
    assert "ca_certs='cert.pem', cert_reqs='CERT_REQUIRED'" in CHECK
    compile(CHECK.format(port=4433), "check.py", "exec")


def test_both_sides_are_timed_in_a_persons_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither this session's own tools and settings nor Python's reach what is timed; all else does."""
    tools = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{tools}:/somewhere/bin")
    for name in ("PYTHONDONTWRITEBYTECODE", "NOX_SCRIPT_MODE", "TLS_FLOOR_RUN"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PIP_CERT", "bundle.pem")
    seen = shell()
    assert seen["PATH"] == "/somewhere/bin"
    assert seen["PIP_CERT"] == "bundle.pem"
    assert not [name for name in seen if name.startswith(("PYTHON", "NOX_", "TLS_FLOOR"))]


@pytest.mark.e2e
def test_a_page_whose_installation_fails_answers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without botocore the page's steps are gone through all the same, and count for no cell."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH: install OpenSSL's command line tool")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr("runs.bench.CERTIFICATE", [word.replace("4096", "2048") for word in CERTIFICATE])
    costs: list[Cost] = []
    assert _page(Path(sys.executable), tmp_path / "page", costs) == 0
    assert len(costs) == 1
    assert (tmp_path / "page" / "cert.pem").exists()
    with _server(tmp_path / "page", SERVERS[1]) as port:
        assert 0 < port < 65536


def test_many_are_the_same_first_then_all_different_and_started_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All have a module of their own, then a package that differs; starting compiles, and is last."""
    began: list[tuple[str, int, int]] = []

    def texts() -> tuple[int, int]:
        copies = tmp_path / "many"
        modules, packages = copies.rglob("application.py"), copies.rglob("urllib3/__init__.py")
        return len({path.read_text() for path in modules}), len({path.read_text() for path in packages})

    def template(uv: str, interpreter: Interpreter, folder: Path) -> Path:
        made = folder / f"{uv}_{interpreter.id}"
        (package := made / "lib" / "python3.9" / "site-packages" / "urllib3").mkdir(parents=True)
        (package / "__init__.py").touch()
        (made / "pyvenv.cfg").touch()
        return made

    def measure(words: Sequence[str | Path], peaks: list[int]) -> int:
        began.append((str(words[-1]), *texts()))
        peaks.append(len(began))
        return 7

    def start(python: Path, program: str) -> int:
        assert program.startswith("import ssl")
        began.append((python.parents[1].name, *texts()))
        return 0

    monkeypatch.setattr(bench_module, "_template", template)
    monkeypatch.setattr(bench_module, "_start", start)
    both = [an_interpreter("one"), an_interpreter("two")]
    found = measure_many(both, "uv", measure, tmp_path / "many", 3)
    assert found is not None
    assert began == [
        ("env_bench_0_*", 3, 1),
        ("env_bench_*", 3, 1),
        ("env_bench_0_*", 3, 3),
        ("env_bench_*", 3, 3),
        *((name, 3, 3) for name in ("bench_0_0", "bench_1_1", "bench_1_2")),
    ]
    same, different = found
    assert (same.peak_few, same.peak, different.peak_few, different.peak) == (1, 2, 3, 4)
    assert (same.environments, same.ours.cells, same.bare) == (3, 7, different.bare)
    assert measure_many([], "uv", measure, tmp_path, 3) is None
