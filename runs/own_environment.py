"""The environment that the tool's own packages are in: made once, and later asked about by one small file.

nox has this built in (a noxfile's `dependencies`), but asks an installer about every package at every start:
1.6 s of processor time by pip, and its own start twice, for the list of sessions and the gate too.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from interpreters.errors import FloorError
from interpreters.log import shown
from interpreters.process_environment import RUN_BY
from runs.plan import asked_for, is_list, print_sentence
from runs.task import ROOT

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

FOLDER = ROOT / ".nox" / "_tool"

STAMP = "floor-tool.json"
"""The file in the environment that says what is in it; written last, so a half-made one has none."""

MODE = "NOX_SCRIPT_MODE"
"""nox's own variable: with `none`, sessions run where nox does."""

BARE = frozenset({"gate"})
"""The sessions that need nothing but Python."""


class OwnEnvironmentError(FloorError):
    """The tool's own packages cannot be had; the message says why, and the remedy."""


def requirements(project: Path = ROOT / "pyproject.toml") -> list[str]:
    """Return what the tool needs, as pyproject.toml has it."""
    with project.open("rb") as file:
        return list(tomllib.load(file)["project"]["dependencies"])


def enter(arguments: Sequence[str], env: MutableMapping[str, str], called_from: Path) -> None:
    """Go on in the tool's own environment, unless all that is asked for can be had in this one.

    This process becomes another nox with the same arguments. Raises SystemExit with a sentence where the
    environment cannot be made.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    sessions = asked_for(arguments[:end], env)
    if env.get(MODE) == "none" or is_list(arguments[:end]) or (sessions and BARE.issuperset(sessions)):
        return
    wanted = requirements()
    if not is_made(FOLDER, wanted):
        if is_satisfied(wanted):
            return
        try:
            with shown(print_sentence):
                make(FOLDER, wanted)
        except (FloorError, OSError) as error:
            msg = f"The tool's own packages cannot be had: {error}"
            raise SystemExit(msg) from error
    # As nox does: a PYTHONPATH is for what is measured to be told of, and not for where nox is loaded from.
    if (path := env.pop("PYTHONPATH", None)) is not None:
        env["NOX_OUTER_PYTHONPATH"] = path
    os.chdir(called_from)
    if sys.prefix != sys.base_prefix:
        env[RUN_BY] = sys.prefix
    command = [str(FOLDER / "bin" / "python"), "-m", "nox", "-f", str(ROOT / "noxfile.py"), *arguments]
    sys.stdout.flush()
    os.execve(command[0], command, {**env, MODE: "none"})  # noqa: S606  this process goes on as that one


def find_uv() -> str:
    """Return the uv beside this Python, or else that on PATH; empty if there is none."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv") or ""


def is_satisfied(wanted: Sequence[str]) -> bool:
    """Whether this Python has all that is wanted."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return all(
            needed.specifier.contains(importlib.metadata.version(needed.name), prereleases=True)
            for needed in map(Requirement, wanted)
        )
    return False


def is_made(folder: Path, wanted: Sequence[str]) -> bool:
    """Whether a folder has an environment with all that is wanted, and a Python that is still there."""
    try:
        made_for = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(made_for == list(wanted)) and (folder / "bin" / "python").exists()


def make(folder: Path, wanted: Sequence[str]) -> None:
    """Make the environment anew, by uv where there is one; raises OwnEnvironmentError or OSError."""
    from interpreters.environments import NO_SETTINGS
    from interpreters.locks import locked

    with locked(folder, shared=False):
        if is_made(folder, wanted):  # by another command meanwhile
            return
        print_sentence(f"The tool's own packages are installed into {folder}, once.")
        shutil.rmtree(folder, ignore_errors=True)
        python = folder / "bin" / "python"
        if uv := find_uv():
            _run(uv, "venv", "--quiet", "--no-config", "--no-project", "--python", sys.executable, folder)
            install: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python]
        else:
            _run(sys.executable, "-m", "venv", folder)
            install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if wanted:
            _run(*install, *wanted, at=NO_SETTINGS)
        (folder / STAMP).write_text(json.dumps(wanted), encoding="utf-8")


def _run(*command: str | Path, at: Path | None = None) -> None:
    """Run an installer, which says itself what it lacks, in a folder; raises OwnEnvironmentError."""
    env = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    if status := subprocess.run(command, env=env, cwd=at, check=False).returncode:
        msg = f"{' '.join(map(str, command[:4]))} ... ended with {status}: see above"
        raise OwnEnvironmentError(msg)
