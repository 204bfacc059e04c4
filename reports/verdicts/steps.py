"""The lines to copy for each remedy, with what else each touches, whether it needs root, how to undo it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reports.verdicts.judge import PAGE_FLOOR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from interpreters.interpreter import Interpreter
    from reports.verdicts.floor_file import FloorFile
    from servers.protocols import Protocol

LOGINS = "/etc/environment"
"""Read for each session by pam_env(8)."""

SYSTEMD, DROP_IN = "/etc/systemd", "tls-floor.conf"
"""Where additions to a unit and to the manager go: systemd.unit(5), systemd-system.conf(5)."""

INSTALL = "install -D -m 644 /dev/stdin"
"""Writes a file that every user can read, whatever the umask is, and makes its folder."""

NO_ROOT = "no root"


@dataclass(frozen=True)
class Step:
    """Something to do, with what a person has to know before."""

    what: str
    touches: str
    undo: str
    lines: tuple[str, ...]
    """What to type."""
    needs: str = "root"

    @property
    def head(self) -> str:
        """All but what to type, in one line."""
        return f"{self.what}. Needs {self.needs}. Touches {self.touches}. Undo: {self.undo}."


def flat(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return steps as lines of a shell, in which what a person has to know is a comment."""
    return tuple(line for step in steps for line in (comment(step.head), *step.lines))


def comment(text: str) -> str:
    """Return a text as a comment of a shell: in one line, whatever a folder in the text is called."""
    return f"# {' '.join(text.splitlines())}"


def configuration_steps(
    pythons: Iterable[str], file: FloorFile, floor: Protocol, units: Iterable[str] = ()
) -> tuple[Step, ...]:
    """Return how to write the file that was measured, and each way to put something under it.

    `units` are the services of systemd that run it, where that is known.

    An OpenSSL configuration can load code. Where somebody beside root may change what the file includes,
    it is for that user's commands alone: no service and no other user is to be put under it.
    """
    there = shlex.quote(str(Path(file.folder, file.name)))
    variable = f"OPENSSL_CONF={there}"
    again = "" if floor is PAGE_FLOOR else f" -- --floor {floor}"
    command = Step(
        "Then, for one command; the last line measures again",
        "that command and what it starts",
        "leave its first word out",
        (
            *(f"{variable} {shlex.quote(python)} application.py" for python in pythons),
            f"{variable} nox -s matrix{again}",
        ),
        NO_ROOT,
    )
    services = [_for_a_service(variable, unit) for unit in units] or [_for_a_service(variable)]
    everybody = (*services, _for_every_login(variable), _for_every_service(variable))
    places = () if file.owner else everybody
    return (_the_file(file, there), command, *places)


def _the_file(file: FloorFile, there: str) -> Step:
    if file.owner:
        return Step(
            f"First write the file; only for commands of {file.owner}, who may change what it includes",
            "nothing yet",
            f"rm {there}",
            _written(file.text, there, sudo=""),
            NO_ROOT,
        )
    return Step(
        "First write the file, where every process can read it",
        "nothing yet",
        f"sudo rm {there}",
        _written(file.text, there),
    )


def _for_a_service(variable: str, unit: str = "") -> Step:
    """Return how to put a service under the file: a drop-in outweighs the unit, says systemd.exec(5)."""
    name = unit or "NAME.service"
    path = shlex.quote(f"{SYSTEMD}/system/{name}.d/{DROP_IN}")
    return Step(
        f"Or, for the service {unit}, which runs it"
        if unit
        else "Or, for one service (put its name for NAME)",
        "all in that service that uses OpenSSL",
        f"sudo rm {path}, then the last line again",
        (
            _drop_in("[Service]", f"Environment={variable}", path),
            f"sudo systemctl daemon-reload && {restart(name)}",
        ),
    )


def restart_step(unit: str) -> Step:
    """Return how what runs comes to use what was installed; `unit` is empty where none is known."""
    return Step(
        f"Then start the service {unit} again" if unit else "Then start again what runs there",
        "that service" if unit else "those processes",
        "none is needed",
        (restart(unit),) if unit else (),
    )


def restart(unit: str) -> str:
    """Return the command that starts a service of systemd again."""
    return f"sudo systemctl restart {shlex.quote(unit)}"


def _for_every_login(variable: str) -> Step:
    return Step(
        "Or, for every login",
        "all that uses OpenSSL in later sessions of every user",
        f"delete that line from {LOGINS}",
        (f"echo {variable} | sudo tee -a {LOGINS}",),
    )


def _for_every_service(variable: str) -> Step:
    path = f"{SYSTEMD}/system.conf.d/{DROP_IN}"
    return Step(
        "Or, for every service",
        "all services that use OpenSSL, once they are started again",
        f"sudo rm {path}, then the last line again",
        (
            _drop_in("[Manager]", f"DefaultEnvironment={variable}", path),
            "sudo systemctl daemon-reexec",
        ),
    )


def _drop_in(section: str, setting: str, path: str) -> str:
    """Return the line that writes a file with one setting, which every user can read."""
    contents = shlex.join([section, setting])
    return f"printf '%s\\n' {contents} | sudo {INSTALL} {path}"


def _written(text: str, path: str, sudo: str = "sudo ") -> tuple[str, ...]:
    """Return the lines that write a file which every user can read, whatever the umask is."""
    return (f"{sudo}{INSTALL} {path} <<'END'", *text.splitlines(), "END")


def upgrade_steps(interpreter: Interpreter, library: str, newer: str, older: str) -> tuple[Step, ...]:
    """Return how to have a newer release: a distribution's own Python gets an environment beside it."""
    release = f"{library}>={newer}"
    if is_distributions(interpreter):
        # What the package manager installed pip must not change (PEP 668).
        return _beside(interpreter, release)
    return (
        Step(
            "Install it into the environment that the application has; here, into the one of this Python",
            f"all that uses {library} there",
            f"the same with {library}=={older}",
            (f"{shlex.quote(interpreter.path)} -m pip install {shlex.quote(release)}",),
            "root only where root owns that",
        ),
    )


def interpreter_steps(other: Interpreter, library: str) -> tuple[Step, ...]:
    """Return how to start an application with another interpreter; `library` may be empty."""
    return _beside(other, library)


def _beside(interpreter: Interpreter, requirement: str) -> tuple[Step, ...]:
    """Return how to make an environment of an interpreter, with nothing or a requirement installed."""
    # Without that package Debian's Python has the module, but no pip to put into an environment.
    package = f" (on Debian and Ubuntu with the package {Path(interpreter.path).name}-venv)"
    with_package = package if is_distributions(interpreter) else ""
    folder = f"tls-floor-{interpreter.id}"
    # Python 2 has no venv.
    module = "virtualenv" if interpreter.version.startswith("2.") else "venv"
    install = f"{folder}/bin/python -m pip install {shlex.join(requirement.split())}"
    return (
        Step(
            f"Make an environment{with_package}, and start the application with its Python",
            "only what is started with that",
            f"rm -r {folder}",
            (f"{shlex.quote(interpreter.path)} -m {module} {folder}", *([install] if requirement else [])),
            NO_ROOT,
        ),
    )


def is_distributions(interpreter: Interpreter) -> bool:
    """Whether the system's package manager owns an interpreter: pip and we leave it as it is (PEP 668)."""
    return interpreter.source == "system" or Path(interpreter.path).parent == Path("/usr/bin")
