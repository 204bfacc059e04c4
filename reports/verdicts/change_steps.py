"""How other releases come into an environment that was found: by the tool that manages it, and no other."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interpreters.deployed.managers import Manager
from reports.verdicts.steps import NO_ROOT, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interpreters.deployed.managers import Management
    from interpreters.interpreter import Interpreter

ROOT_IF_OWNED = "root only where root owns that"


@dataclass(frozen=True)
class Releases:
    """The releases that were measured to hold, in place of others."""

    new: Mapping[str, str]
    """By name of a distribution, the version that is to be there."""
    old: Mapping[str, str]
    """By name, the version that is there; one that would be added is missing."""

    def words(self, separator: str = "==") -> str:
        """Return the new versions as a shell takes them."""
        return _pins(self.new, separator)

    def undo(self, separator: str = "==") -> str:
        """Return the versions that are there, of what would change."""
        return _pins({name: self.old[name] for name in self.new if name in self.old}, separator)

    def but(self, name: str) -> Releases:
        """Return these without one distribution."""
        return Releases({other: version for other, version in self.new.items() if other != name}, self.old)


def _pins(versions: Mapping[str, str], separator: str) -> str:
    return shlex.join(f"{name}{separator}{version}" for name, version in sorted(versions.items()))


def change_step(interpreter: Interpreter, management: Management, releases: Releases) -> Step:
    """Return how these releases come into the environment of an interpreter."""
    manager = management.manager
    if manager in (Manager.PIPX, Manager.UV_TOOL):
        return _of_an_application(management, releases)
    if manager in PROJECTS:
        return _of_a_project(management, releases)
    if manager in (Manager.HATCH, Manager.ZIPAPP, Manager.SYSTEM):
        return _by_hand(interpreter, manager, releases)
    separator = "=" if manager is Manager.CONDA else "=="
    command = _install(interpreter, manager)
    return Step(
        f"Install {'them' if len(releases.new) > 1 else 'it'} into that environment",
        f"all that runs in {interpreter.environment}, once it is started again",
        f"{command} {releases.undo(separator)}" if releases.undo() else "uninstall what was added",
        (f"{command} {releases.words(separator)}",),
        ROOT_IF_OWNED,
    )


def _install(interpreter: Interpreter, manager: Manager) -> str:
    """Return the beginning of the command that installs into an environment."""
    python = shlex.quote(interpreter.path)
    if manager is Manager.CONDA:
        # A release may be in no channel of conda's: then the command says so, and changes nothing.
        return f"conda install --prefix {shlex.quote(interpreter.environment)}"
    return f"uv pip install --python {python}" if manager is Manager.UV else f"{python} -m pip install"


def _by_hand(interpreter: Interpreter, manager: Manager, releases: Releases) -> Step:
    """Return what a person has to write or to wait for, where no one command brings these releases."""
    if manager is Manager.HATCH:
        return Step(
            f"Put {releases.words()} among the dependencies of that environment in the project's"
            " pyproject.toml; the next command of hatch brings the environment up to date",
            "all environments of hatch that have these dependencies",
            f"put {releases.undo() or 'what was'} there",
            (),
            NO_ROOT,
        )
    if manager is Manager.ZIPAPP:
        return Step(
            f"Build {interpreter.environment} again, with {releases.words()} among its requirements",
            "whoever starts that file",
            "keep the file that is there",
            (),
            ROOT_IF_OWNED,
        )
    return Step(
        f"Wait for the system's packages to bring {releases.words()}: nothing else is to install there",
        "all that runs with the system's packages",
        "the system's package manager",
        (),
    )


def _of_an_application(management: Management, releases: Releases) -> Step:
    """Return how an application that pipx or uv installed gets other releases than it would by itself."""
    name, added = management.name, releases.but(management.name)
    before, after = releases.old.get(name, ""), releases.new.get(name, "")
    own, former = _pins({name: after or before}, "=="), _pins({name: before}, "==")
    if management.manager is Manager.PIPX:
        install = "pipx install --force"
        inject = f"pipx inject --force {shlex.quote(name)} {added.words()}"
        lines = (*([f"{install} {own}"] if after else []), *([inject] if added.new else []))
    else:
        install = "uv tool install"
        extra = [f"--with {word}" for word in added.words().split()]
        lines = (" ".join([install, own, *extra]),)
    return Step(
        f"Let {management.manager} install it; what was added to {name} before has to be added again",
        f"{name} alone",
        f"{install} {former}",
        lines,
        "the user whose application that is",
    )


PROJECTS = {
    Manager.POETRY: ("poetry add", "poetry.lock"),
    Manager.PDM: ("pdm add", "pdm.lock"),
    Manager.PIPENV: ("pipenv install", "Pipfile.lock"),
    Manager.UV_PROJECT: ("uv add", "uv.lock"),
}
"""By the tool of a project, the command that asks for a release and installs it, and the lock file.

Tried in copies of a project with boto3 1.28 and urllib3 1.26, by poetry 2.5.1, pdm 2.29.4 and pipenv
2026.10.3: each brought the releases into the environment at once, in place of the bounds there were. So did
hatch 1.18.2 with its next command, once the releases were written by hand. The way back was tried as well:
`pdm install` left botocore at the newer release although its lock had the older, so the environment is made
anew. conda was not tried.
"""


def _of_a_project(management: Management, releases: Releases) -> Step:
    command, lock = PROJECTS[management.manager]
    where = f"in {management.name}" if management.name else "put its folder for PROJECT"
    return Step(
        f"Change the project ({where}), and deploy it again",
        f"{lock}, the project's list of dependencies, and its environment",
        f"take both files back from version control, and let {management.manager} make the environment anew",
        (
            f"cd {shlex.quote(management.name) if management.name else 'PROJECT'}",
            f"{command} {releases.words()}",
        ),
        NO_ROOT,
    )
