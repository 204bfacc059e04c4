"""The lines to copy: each says what else it touches, what it needs and how it is undone."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.verdicts.floor_file import FloorFile, floor_file
from reports.verdicts.steps import (
    Step,
    comment,
    configuration_steps,
    flat,
    interpreter_steps,
    is_distributions,
    restart_step,
    upgrade_steps,
)
from servers.conditions import advised_name
from tests.support.builders import FLOORS, TLS1_2, TLS1_3, an_interpreter

if TYPE_CHECKING:
    from servers.protocols import Protocol

FILE = FloorFile("floor-tls1_2.cnf", floor_file("", "/made up/openssl.cnf", TLS1_2))
ODD = "/made up/bin/python"
SYSTEM = replace(an_interpreter("system_3_11", "3.11.2"), source="system", path="/usr/bin/python3.11")

EVERY = (
    *configuration_steps([ODD], FILE, TLS1_2),
    *upgrade_steps(an_interpreter("one"), "urllib3", "2.0", "1.26"),
    *upgrade_steps(SYSTEM, "urllib3", "2.0", "1.26"),
    *interpreter_steps(SYSTEM, "boto3[crt] awscrt"),
    *interpreter_steps(SYSTEM, ""),
)


@pytest.mark.parametrize("step", EVERY, ids=lambda step: step.what)
def test_each_step_says_what_a_person_has_to_know(step: Step) -> None:
    """What it touches, whether root is needed, and how to undo it stand before the lines."""
    assert all(word in step.head for word in ("Needs ", "Touches ", "Undo: "))
    assert step.lines
    assert ("sudo" in " ".join(step.lines)) <= (step.needs == "root")


@pytest.mark.parametrize("step", EVERY, ids=lambda step: step.what)
def test_no_command_leaves_open_which_python_it_means(step: Step) -> None:
    """Every Python in a line to type has a folder in front of it."""
    for line in step.lines:
        words = shlex.split(line, comments=True)
        pythons = [word for word in words if Path(word).name.startswith("python")]
        assert all("/" in word for word in pythons), line


@pytest.mark.parametrize("step", EVERY, ids=lambda step: step.what)
def test_the_lines_are_what_a_shell_takes(step: Step) -> None:
    """A shell reads the lines, with what is said before them as a comment, without complaint."""
    text = "\n".join(flat([step]))
    done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_first_step_writes_the_very_file(tmp_path: Path) -> None:
    """What the lines write, under whatever umask, is the file that was tried, for every user to read."""
    first = configuration_steps([ODD], FILE, TLS1_2)[0]
    there = tmp_path / "deep" / FILE.name
    (tmp_path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    text = "\n".join(first.lines).replace(f"/etc/ssl/{FILE.name}", str(there))
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(["sh", "-c", f"umask 077\n{text}"], env=environment, check=True)
    assert there.read_text() == FILE.text
    assert there.stat().st_mode & 0o777 == 0o644


def test_every_place_points_to_that_file() -> None:
    """Each way to put something under the configuration names it by the same path."""
    _, *others = configuration_steps([ODD], FILE, TLS1_2)
    for step in others:
        assert "OPENSSL_CONF=/etc/ssl/floor-tls1_2.cnf" in " ".join(step.lines)
    variable = "OPENSSL_CONF=/etc/ssl/floor-tls1_2.cnf"
    assert others[0].lines == (f"{variable} '{ODD}' application.py", f"{variable} nox -s matrix")


@pytest.mark.parametrize(("place", "lines"), [("one service", 2), ("every service", 2)])
def test_a_drop_in_is_written_for_every_user_to_read(tmp_path: Path, place: str, lines: int) -> None:
    """The first line of a step for services writes systemd's file, under whatever umask."""
    (step,) = (
        one for one in configuration_steps([ODD], FILE, TLS1_2) if one.what.startswith(f"Or, for {place}")
    )
    assert len(step.lines) == lines
    for name, does in (("sudo", 'exec "$@"'), ("systemctl", "exit 0")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    text = "\n".join(step.lines).replace("/etc/systemd", str(tmp_path / "systemd"))
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(["sh", "-ec", f"umask 077\n{text}"], env=environment, check=True)
    (written,) = (tmp_path / "systemd").rglob("tls-floor.conf")
    section, setting = written.read_text().splitlines()
    assert section in ("[Service]", "[Manager]")
    assert setting.endswith("Environment=OPENSSL_CONF=/etc/ssl/floor-tls1_2.cnf")
    assert written.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("floor", FLOORS)
def test_it_is_measured_again_against_the_same_floor(floor: Protocol) -> None:
    """Only the floor that is the default has no word of its own."""
    command = configuration_steps([ODD], replace(FILE, name=advised_name(floor)), floor)[1]
    assert command.lines[-1].endswith("nox -s matrix" if floor is TLS1_2 else f" -- --floor {floor}")
    assert configuration_steps([ODD], FILE, TLS1_3)[1].lines[-1].endswith("-- --floor TLSv1.3")


def test_a_distributions_own_python_is_left_as_it_is() -> None:
    """Nothing is installed into what a package manager owns, but into an environment beside it."""
    for one in (SYSTEM, replace(an_interpreter(), path="/usr/bin/python3.9")):
        assert is_distributions(one)
        (step,) = upgrade_steps(one, "urllib3", "2.0", "1.26")
        assert step.lines == (
            f"{one.path} -m venv tls-floor-{one.id}",
            f"tls-floor-{one.id}/bin/python -m pip install 'urllib3>=2.0'",
        )
        assert f"with the package {Path(one.path).name}-venv)" in step.head
    own = an_interpreter()
    assert not is_distributions(own)
    assert "package" not in interpreter_steps(own, "")[0].head


@pytest.mark.parametrize("unit", ["shop.service", "gunicorn@my\\x2dshop.service"])
def test_a_service_that_is_known_is_named(unit: str) -> None:
    """Its drop-in and its restart need no name put in, and other services are not spoken of."""
    steps = configuration_steps([ODD], FILE, TLS1_2, [unit])
    (ours,) = (step for step in steps if unit in step.what)
    words = shlex.split(" ".join(ours.lines))
    assert f"/etc/systemd/system/{unit}.d/tls-floor.conf" in words
    assert words[-3:] == ["systemctl", "restart", unit]
    assert not any("NAME" in line for step in steps for line in (step.head, *step.lines))


@given(text=st.text())
def test_a_comment_is_one_line(text: str) -> None:
    """A folder may have any name, and what is said of it is nothing that a shell runs."""
    assert len(comment(f"Touches {text}").splitlines()) == 1
    step = Step(text, text, text, ("true",))
    assert [line for line in "\n".join(flat([step])).splitlines() if not line.startswith("#")] == ["true"]


def test_what_was_installed_is_used_by_what_starts_after() -> None:
    """A process goes on with what it has loaded."""
    assert restart_step("shop.service").lines == ("sudo systemctl restart shop.service",)
    assert restart_step("").lines == ()
    assert "start again" in restart_step("").head


def test_python_2_has_no_venv() -> None:
    """Of a distribution's Python 2 an environment is made by virtualenv."""
    old = replace(an_interpreter("system_2_7", "2.7.18"), source="system", path="/usr/bin/python2.7")
    assert (
        upgrade_steps(old, "urllib3", "1.26.20", "1.25")[0]
        .lines[0]
        .startswith("/usr/bin/python2.7 -m virtualenv ")
    )
