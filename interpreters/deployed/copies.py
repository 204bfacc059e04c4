"""Finds out which versions go together with an environment that was found, and makes copies of it aside."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from interpreters.environments import (
    NoEnvironmentError,
    VenvRequest,
    installers_environment,
    run_installer,
)
from interpreters.prepared import make_apart
from interpreters.scratch import scratch_folder
from interpreters.wrapper import env_to_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from interpreters.distributions import Distribution
    from interpreters.identify import Identity
    from interpreters.locate import Candidate
    from interpreters.prepared import EnvironmentMaker

MOST_LACKING = 40
"""Distributions of an environment that no index has, beyond which no copy is made: each takes a look-up."""

_RESOLVED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
"""A line of what uv resolved."""


@dataclass(frozen=True)
class Lack:
    """A distribution that a copy does not have, with the reason."""

    distribution: Distribution
    why: str

    def __str__(self) -> str:
        """Return this in words."""
        return f"{self.distribution} ({self.why})"


@dataclass(frozen=True)
class Copier:
    """Asks uv which versions go together for one interpreter, and makes environments of it with these."""

    candidate: Candidate
    identity: Identity
    maker: EnvironmentMaker

    def newest(self, names: Iterable[str]) -> dict[str, str]:
        """Return, by name, the newest release of each distribution for this interpreter, whatever others ask.

        Raises NoEnvironmentError where one of them cannot be had.
        """
        return self.resolve(sorted(names), alone=True)

    def resolve(
        self,
        requirements: Sequence[str],
        present: Mapping[str, str] | None = None,
        moving: Iterable[str] = (),
        *,
        alone: bool = False,
    ) -> dict[str, str]:
        """Return the versions by name that fulfil the requirements, and those that they bring.

        Of `present`, versions by name, as many are kept as go together with the newest of what is `moving`.
        `alone`: what the requirements ask for in turn is left out. Raises NoEnvironmentError with uv's words.
        """
        request = self._request("resolve", ())
        if not request.modern:
            msg = f"uv, which finds versions that go together, takes no Python {self.identity.version}"
            raise NoEnvironmentError(msg)
        installer = self.maker.installer
        with scratch_folder(installer.cache, "resolve-") as folder:
            wanted, found = folder / "requirements.in", folder / "requirements.txt"
            wanted.write_text("".join(f"{line}\n" for line in requirements))
            found.write_text("".join(f"{name}=={version}\n" for name, version in (present or {}).items()))
            command = [
                *(installer.uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate"),
                *("--python", str(request.base), *installer.sources, *installer.kinds),
                *(["--no-deps"] if alone else []),
                *(word for name in moving for word in ("--upgrade-package", name)),
                *("--output-file", str(found), str(wanted)),
            ]
            try:
                run_installer(command, self._env, folder)
            except subprocess.SubprocessError as error:
                raise NoEnvironmentError(str(error)) from error
            lines = map(_RESOLVED.match, found.read_text().splitlines())
            return {canonicalize_name(line[1]): line[2] for line in lines if line}

    def make(self, versions: Mapping[str, str], name: str) -> Path:
        """Return the Python of an environment, kept under this name, with these versions and nothing else.

        Raises NoEnvironmentError with the reason there is none.
        """
        pins = tuple(f"{distribution}=={version}" for distribution, version in sorted(versions.items()))
        return make_apart(self._request(name, ("--no-deps", *pins)), self.maker, self._reach)

    def _request(self, name: str, requirements: tuple[str, ...]) -> VenvRequest:
        return VenvRequest(
            self.candidate.path, self.identity, requirements, self.maker.folder(self.candidate, name)
        )

    @property
    def _reach(self) -> dict[str, str]:
        return env_to_start(self.maker.env, self.identity.changed)

    @property
    def _env(self) -> dict[str, str]:
        return installers_environment(self._reach, self.maker.installer.cache / "home")


def copyable(
    distributions: Sequence[Distribution], copier: Copier
) -> tuple[tuple[Distribution, ...], tuple[Lack, ...]]:
    """Return which distributions a copy can have, and which not; raises NoEnvironmentError.

    What comes from elsewhere than an index cannot be copied, nor can a version that no index has for this
    interpreter as a wheel.
    """
    lacks = [Lack(each, f"from {each.origin}") for each in distributions if each.origin]
    kept = [each for each in distributions if not each.origin]
    while kept:
        try:
            copier.resolve([each.pin for each in kept], alone=True)
        except NoEnvironmentError as error:
            missing = [
                each for each in kept if re.search(rf"(?<![\w.-]){re.escape(each.pin)}(?![\w.])", str(error))
            ]
            if not missing or len(lacks) + len(missing) > MOST_LACKING:
                raise
            lacks += [Lack(each, "no index has this version for this Python as a wheel") for each in missing]
            kept = [each for each in kept if each not in missing]
        else:
            break
    return tuple(kept), tuple(lacks)
