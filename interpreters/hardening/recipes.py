"""Reads the recipes of hardened builds, refuses one that makes no sense, and finds the one asked for."""

from __future__ import annotations

import platform
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.errors import FloorError
from servers.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILDS = Path(__file__).with_name("builds.toml")


FLOORS = (Protocol.TLSV1_2, Protocol.TLSV1_3)
"""The floors that a build can have."""


class HardenError(FloorError):
    """A hardened build cannot be had; the message is one sentence that says why, and what would help."""


class RecipeError(HardenError):
    """There is no such recipe, or the file of recipes has an entry that cannot be meant."""


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
    """Return the recipes in the file's order; raises RecipeError that names the entry at fault."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path.name} is not valid TOML: {error}"
        raise RecipeError(msg) from error
    if not tables:
        msg = f"{path.name} has no recipe; add a table such as [debian_12]"
        raise RecipeError(msg)
    return tuple(_recipe(path.name, name, table) for name, table in tables.items())


def choose(
    recipes: Sequence[Recipe], wanted: str = "", openssl: str = "", python: str = "", system: str = ""
) -> Recipe:
    """Return the recipe with the id `wanted`, or of these two versions, or the default of the system.

    A version may be that of a series (``3.0``) or of one release in it; raises RecipeError that says
    what there is.
    """
    fit = [
        one
        for one in recipes
        if wanted in ("", one.id) and _fits(one.openssl, openssl) and _fits(one.python, python)
    ]
    if not fit:
        asked = ", ".join(
            f"{option} {text}"
            for option, text in (("--recipe", wanted), ("--openssl", openssl), ("--python", python))
            if text
        )
        known = "; ".join(
            f"{one.id} (OpenSSL {one.openssl.version}, Python {one.python.version})" for one in recipes
        )
        msg = f"no recipe answers to {asked}; {BUILDS.name} has {known}"
        raise RecipeError(msg)
    return next((one for one in fit if system in one.default_for), fit[0])


def remedies(recipes: Sequence[Recipe], floor: str) -> dict[str, str]:
    """Return, by Python's minor version, the words after ``nox -s harden --`` that build it for a floor.

    A build for TLS 1.2, which is the default, holds a lower floor as well. What is at its end of life
    cures nothing, so those recipes are not among them.
    """
    further = " --floor TLSv1.3" if floor == Protocol.TLSV1_3 else ""
    found: dict[str, str] = {}
    for one in recipes:
        if not one.end_of_life:
            found.setdefault(".".join(one.python.version.split(".")[:2]), f"--recipe {one.id}{further}")
    return found


def this_system() -> str:
    """Return this machine's distribution and release, such as ``debian 12``; empty without os-release(5)."""
    try:
        release = platform.freedesktop_os_release()
    except (OSError, UnicodeDecodeError):
        return ""
    return f"{release['ID']} {release.get('VERSION_ID', '')}".strip()


def _fits(part: Component, version: str) -> bool:
    return not version or version == part.version or part.accepts(version)


def _recipe(file: str, name: str, table: Any) -> Recipe:
    where = f"{file} [{name}]"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        msg = f"{where}: a recipe id has lower-case letters, digits and _ only"
        raise RecipeError(msg)
    _check_keys(where, table, Recipe, {"why", "openssl", "python"})
    return Recipe(
        id=name,
        why=_text(where, "why", table["why"]),
        openssl=_part(f"{file} [{name}.openssl]", table["openssl"]),
        python=_part(f"{file} [{name}.python]", table["python"]),
        default_for=_texts(where, "default_for", table.get("default_for", [])),
        end_of_life=_flag(where, "end_of_life", table.get("end_of_life", False)),
    )


def _part(where: str, table: Any) -> Component:
    _check_keys(where, table, Component, {"version", "release", "url", "sha256"})
    texts = {
        key: _text(where, key, value)
        for key, value in table.items()
        if key not in ("skip_patches", "configure", "setup")
    }
    part = Component(
        **texts,
        skip_patches=_texts(where, "skip_patches", table.get("skip_patches", [])),
        configure=_texts(where, "configure", table.get("configure", [])),
        setup=_texts(where, "setup", table.get("setup", [])),
    )
    if not re.fullmatch(r"[0-9a-f]{64}", part.sha256):
        msg = f"{where}: sha256 must be 64 hexadecimal digits in lower case"
        raise RecipeError(msg)
    if not part.url.startswith("https://"):
        msg = f"{where}: url must begin with https://"
        raise RecipeError(msg)
    if not part.accepts(part.release):
        msg = f"{where}: release {part.release} is none of the series {part.version}"
        raise RecipeError(msg)
    return part


def _check_keys(where: str, table: Any, kind: type, needed: set[str]) -> None:
    known = {field.name for field in fields(kind)} - {"id"}
    if not isinstance(table, dict):
        msg = f"{where} is not a table; write its keys below [{where.partition('[')[2]}"
        raise RecipeError(msg)
    if unknown := sorted(set(table) - known):
        msg = f"{where}: unknown key {unknown[0]!r}; the keys are {', '.join(sorted(known))}"
        raise RecipeError(msg)
    if missing := sorted(key for key in needed if not table.get(key)):
        msg = f"{where}: {missing[0]!r} is missing or empty"
        raise RecipeError(msg)


def _text(where: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        msg = f"{where}: {key} must be a text, not {value!r}"
        raise RecipeError(msg)
    return value


def _texts(where: str, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        msg = f'{where}: {key} must be a list, such as ["..."], not {value!r}'
        raise RecipeError(msg)
    return tuple(_text(where, key, item) for item in value)


def _flag(where: str, key: str, value: object) -> bool:
    if not isinstance(value, bool):
        msg = f"{where}: {key} must be true or false, not {value!r}"
        raise RecipeError(msg)
    return value
