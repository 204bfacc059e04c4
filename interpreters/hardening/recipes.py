"""Reads the recipes of builds, refuses a malformed recipe, and finds the recipe for the user's options."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.errors import FloorError
from interpreters.tables import Table, TableError, keys, tables
from interpreters.versions import minor_of
from servers.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILDS = Path(__file__).with_name("builds.toml")


FLOORS = (Protocol.TLSV1_2, Protocol.TLSV1_3)
"""The floors that a build can have."""


class HardenError(FloorError):
    """A build cannot be made; the message is one sentence that says why, and what would help."""


class RecipeError(HardenError):
    """There is no such recipe."""


@dataclass(frozen=True)
class Component:
    """One of the two things that a recipe builds: where its source comes from, and how it is configured."""

    version: str
    """The series: ``3.0`` stands for every release of it."""
    release: str
    """The upstream release that `url` and `sha256` belong to."""
    url: str
    sha256: str
    package: str = ""
    """The distribution's source package; empty where none is wanted."""
    skip_patches: tuple[str, ...] = ()
    """Patches of that package that are left out."""
    configure: tuple[str, ...] = ()
    """Options beside those that every build gets."""
    setup: tuple[str, ...] = ()
    """Lines for CPython's Modules/Setup.local: modules that its Makefile builds into the interpreter."""

    def accepts(self, version: str) -> bool:
        """Whether a release belongs to the series: 3.0.20 to 3.0, 1.1.1w to 1.1.1, 3.11 not to 3.1."""
        return re.fullmatch(rf"{re.escape(self.version)}(\.\d+)*[a-z]*", version) is not None


@dataclass(frozen=True)
class Recipe:
    """A pair that can be built."""

    id: str
    why: str
    openssl: Component
    python: Component
    default_for: tuple[str, ...] = ()
    end_of_life: bool = False


def read_recipes(path: Path = BUILDS) -> tuple[Recipe, ...]:
    """Return the recipes in the file's order; raises TableError that names the entry at fault."""
    found = tables(path.name, path.read_bytes(), Recipe)
    if not found:
        msg = f"{path.name} has no recipe; add a table such as [debian_12]"
        raise TableError(msg)
    return tuple(_recipe(path.name, name, table) for name, table in found.items())


def choose(
    recipes: Sequence[Recipe], wanted: str = "", openssl: str = "", python: str = "", system: str = ""
) -> Recipe:
    """Return the recipe with the id `wanted`, or of these two versions, or the default of the system.

    A version may be that of a series (``3.0``) or of one release in it; raises RecipeError that says
    what there is.
    """
    fit = [
        recipe
        for recipe in recipes
        if wanted in ("", recipe.id) and _fits(recipe.openssl, openssl) and _fits(recipe.python, python)
    ]
    if not fit:
        options = ", ".join(
            f"{option} {text}"
            for option, text in (("--recipe", wanted), ("--openssl", openssl), ("--python", python))
            if text
        )
        known = "; ".join(
            f"{recipe.id} (OpenSSL {recipe.openssl.version}, Python {recipe.python.version})"
            for recipe in recipes
        )
        msg = f"no recipe answers to {options}; {BUILDS.name} has {known}"
        raise RecipeError(msg)
    return next((recipe for recipe in fit if system in recipe.default_for), fit[0])


def remedies(recipes: Sequence[Recipe], floor: str) -> dict[str, str]:
    """Return, by Python's minor version, the words after ``nox -s harden --`` that build it for a floor.

    A build for TLS 1.2, which is the default, holds a lower floor as well. What is at its end of life
    cures nothing, so those recipes are not among them.
    """
    further = " --floor TLSv1.3" if floor == Protocol.TLSV1_3 else ""
    found: dict[str, str] = {}
    for recipe in recipes:
        if not recipe.end_of_life:
            found.setdefault(minor_of(recipe.python.version), f"--recipe {recipe.id}{further}")
    return found


def this_system() -> str:
    """Return this machine's distribution and release, such as ``debian 12``; empty without os-release(5)."""
    try:
        release = platform.freedesktop_os_release()
    except (OSError, UnicodeDecodeError):
        return ""
    return f"{release['ID']} {release.get('VERSION_ID', '')}".strip()


def _fits(component: Component, version: str) -> bool:
    return not version or version == component.version or component.accepts(version)


def _recipe(file: str, name: str, table: Table) -> Recipe:
    parts = {
        part: _component(Table(f"{file} [{name}.{part}]", table.values[part], keys(Component)))
        for part in ("openssl", "python")
    }
    return Recipe(
        id=name,
        why=table.get("why", str),
        default_for=table.texts("default_for", "debian 12"),
        end_of_life=table.get("end_of_life", bool, default=False),
        **parts,
    )


def _component(table: Table) -> Component:
    component = Component(
        version=table.get("version", str),
        release=table.get("release", str),
        url=table.get("url", str),
        sha256=table.get("sha256", str),
        package=table.get("package", str, ""),
        skip_patches=table.texts("skip_patches"),
        configure=table.texts("configure"),
        setup=table.texts("setup"),
    )
    if not re.fullmatch(r"[0-9a-f]{64}", component.sha256):
        table.refuse("sha256 must be 64 hexadecimal digits in lower case")
    if not component.url.startswith("https://"):
        table.refuse("url must begin with https://")
    if not component.accepts(component.release):
        table.refuse(f"release {component.release} is none of the series {component.version}")
    return component
