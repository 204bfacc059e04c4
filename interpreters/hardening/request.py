"""The request for a build: a recipe, a floor, the sources that were given, and a place."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from interpreters.hardening.sources import SourceError, sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from interpreters.hardening.recipes import Component, Recipe
    from servers.protocols import Protocol


@dataclass(frozen=True)
class ComponentRequest:
    """One of the two components to build: by which part of the recipe, of which source, and to where."""

    name: str
    """``openssl`` or ``python``."""
    component: Component
    prefix: Path
    file: Path | None = None
    """The source file that the user gave; None if the source has to be fetched."""


@dataclass(frozen=True)
class BuildRequest:
    """What is to be built, from what and to where."""

    recipe: Recipe
    floor: Protocol
    """One of recipes.FLOORS."""
    base: Path
    """The folder that gets both prefixes."""
    jobs: int = 1
    quick: bool = False
    openssl_source: Path | None = None
    python_source: Path | None = None

    @property
    def openssl(self) -> ComponentRequest:
        """The OpenSSL to build."""
        prefix = self._prefix("openssl")
        return ComponentRequest("openssl", self.recipe.openssl, prefix, self.openssl_source)

    @property
    def python(self) -> ComponentRequest:
        """The CPython to build."""
        return ComponentRequest("python", self.recipe.python, self._prefix("python"), self.python_source)

    @property
    def components(self) -> tuple[ComponentRequest, ComponentRequest]:
        """Both, in the order in which they are built."""
        return self.openssl, self.python

    @property
    def interpreter(self) -> Path:
        """The interpreter that will be there."""
        return self.python.prefix / "bin" / "python3"

    def key(self) -> str:
        """Return a hash of all that decides what is built; raises SourceError where a file is not there."""
        hashes = {}
        for wanted in self.components:
            if wanted.file and not wanted.file.is_file():
                msg = f"--{wanted.name}-source {wanted.file}: there is no such file"
                raise SourceError(msg)
            hashes[wanted.name] = sha256_of(wanted.file) if wanted.file else ""
        components = [asdict(wanted.component) for wanted in self.components]
        facts = [self.recipe.id, components, self.floor, self.quick, str(self.base.absolute()), hashes]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def _prefix(self, name: str) -> Path:
        """Return where a component goes: the AWS page's own names."""
        return self.base.absolute() / f"{name}-with-min-{self.floor.option}"
