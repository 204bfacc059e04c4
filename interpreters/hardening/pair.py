"""Builds a pair phase by phase: fetches and unpacks both sources, makes them, and checks what came out."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.hardening.apt import Apt
from interpreters.hardening.build import Phase, build_environment
from interpreters.hardening.checks import check_build
from interpreters.hardening.components import OpensslBuild, PythonBuild
from interpreters.hardening.installed import environment_inside, refuse_misses
from interpreters.hardening.sources import SourceError, SourceFile, obtain
from interpreters.hardening.stamp import BuildDocument, ComponentDocument, Mark, write_stamp
from interpreters.hardening.unpack import unpack
from interpreters.log import LOG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interpreters.hardening.build import BuildDir
    from interpreters.hardening.components import ComponentBuild
    from interpreters.hardening.request import BuildRequest


class PairBuilder:
    """One build: its phases, and where each finds what the one before has left."""

    def __init__(
        self,
        request: BuildRequest,
        key: str,
        build_dir: BuildDir,
        env: Mapping[str, str],
    ) -> None:
        self.request = request
        self.build_dir = build_dir
        self._key = key
        self._env = env
        inside = build_environment(env, quick=request.quick)
        openssl = OpensslBuild(request, build_dir, inside)
        self._python = PythonBuild(request, build_dir, inside, openssl)
        self._components: tuple[ComponentBuild, ...] = (openssl, self._python)

    def phases(self) -> tuple[Phase, ...]:
        """Return what is to be done, in order."""
        phases = [Phase("fetch", "fetch the sources", self._fetch, "fetch")]
        for component in self._components:
            title = f"{component.title} {component.wanted.component.version}"
            unpacking = f"unpack-{component.name}"
            steps = (
                ("unpack", partial(self._unpack, component), unpacking),
                ("configure", component.configure, unpacking),
                ("make", component.make, unpacking),
                ("install", partial(self._install, component), f"install-{component.name}"),
            )
            phases += [
                Phase(f"{verb}-{component.name}", f"{verb} {title}", act, again) for verb, act, again in steps
            ]
        return (*phases, Phase("check", "check what was built", self._check, "unpack-python"))

    @property
    def staged_prefixes(self) -> dict[Path, Path]:
        """Where each prefix is before it is installed in its place."""
        return {component.wanted.prefix: component.staged_prefix for component in self._components}

    def stamp(self) -> BuildDocument:
        """Return what was built, from what."""
        sources, recipe = self._sources(), self.request.recipe
        built = {
            component.name: ComponentDocument(
                version=component.version,
                prefix=str(component.wanted.prefix),
                source=sources[component.name].origin,
                sha256=sources[component.name].sha256,
                configure=tuple(self._python.in_place(option) for option in component.options),
            )
            for component in self._components
        }
        return BuildDocument(
            key=self._key,
            recipe=recipe.id,
            floor=self.request.floor,
            quick=self.request.quick,
            end_of_life=recipe.end_of_life,
            openssl=built["openssl"],
            python=built["python"],
        )

    @property
    def _sources_file(self) -> Path:
        return self.build_dir.path / "sources.json"

    def _fetch(self) -> None:
        folder = self.build_dir.path / "sources"
        apt = Apt(folder / "apt", self._env)
        record = {}
        for wanted in self.request.components:
            source = obtain(wanted, folder, apt)
            LOG.info("  %s: %s", wanted.name, source.origin)
            record[wanted.name] = {**asdict(source), "path": str(source.path.absolute())}
        self._sources_file.write_text(json.dumps(record), encoding="utf-8")

    def _sources(self) -> dict[str, SourceFile]:
        record = json.loads(self._sources_file.read_text(encoding="utf-8"))
        return {
            name: SourceFile(Path(source["path"]), source["sha256"], source["origin"])
            for name, source in record.items()
        }

    def _unpack(self, component: ComponentBuild) -> None:
        wanted = component.wanted.component
        source = self._sources()[component.name]
        unpack(source, wanted.skip_patches, component.tree, self._env)
        if not wanted.accepts(component.version):
            msg = (
                f"the source of {component.name} is {component.version}; the recipe "
                f"{self.request.recipe.id} builds {wanted.version}"
            )
            raise SourceError(msg)

    def _install(self, component: ComponentBuild) -> None:
        component.install()
        # Marks the prefix as ours, before it is proven.
        write_stamp(component.staged_prefix, Mark(key=self._key, recipe=self.request.recipe.id))

    def _check(self) -> None:
        found = check_build(
            self._python.staged_interpreter,
            {component.name: component.version for component in self._components},
            self.request.floor,
            environment_inside(self._env, self.build_dir.path),
        )
        refuse_misses(found)
