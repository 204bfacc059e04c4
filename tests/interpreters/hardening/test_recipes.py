"""The recipes of hardened builds are read whole or refused by name, and the right one is found."""

from __future__ import annotations

import platform
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from interpreters.hardening.recipes import (
    Component,
    Recipe,
    RecipeError,
    choose,
    read_recipes,
    remedies,
    this_system,
)
from interpreters.tables import TableError

HASH = "0" * 64


def a_part(version: str) -> Component:
    """Return a part of this series."""
    return Component(version, f"{version}.1", "https://example.org/x.tar.gz", HASH)


OLD = Recipe("old", "a test needs it", a_part("1.1"), a_part("3.9"), ("debian 11",), end_of_life=True)
NEW = Recipe("new", "a test needs it", a_part("3.0"), a_part("3.11"))
BOTH = (NEW, OLD)

GOOD = f"""
[one]
why = "a test needs it"
default_for = ["debian 12"]
[one.openssl]
version = "3.0"
release = "3.0.20"
url = "https://example.org/openssl-3.0.20.tar.gz"
sha256 = "{HASH}"
[one.python]
version = "3.11"
release = "3.11.2"
url = "https://example.org/Python-3.11.2.tgz"
sha256 = "{HASH}"
package = "python3.11"
skip_patches = ["a.diff"]
configure = ["--with-pydebug"]
setup = ["pyexpat pyexpat.c"]
"""


def recipes(tmp_path: Path, text: str) -> tuple[Recipe, ...]:
    """Read recipes from a text."""
    path = tmp_path / "builds.toml"
    path.write_text(text)
    return read_recipes(path)


def test_all_that_a_recipe_says_is_read(tmp_path: Path) -> None:
    """Every key of a recipe is where the build will look for it."""
    (recipe,) = recipes(tmp_path, GOOD)
    assert recipe == Recipe(
        "one",
        "a test needs it",
        Component("3.0", "3.0.20", "https://example.org/openssl-3.0.20.tar.gz", HASH),
        Component(
            "3.11",
            "3.11.2",
            "https://example.org/Python-3.11.2.tgz",
            HASH,
            "python3.11",
            ("a.diff",),
            ("--with-pydebug",),
            ("pyexpat pyexpat.c",),
        ),
        ("debian 12",),
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[one]\n", "[One]\n", r"\[One\]"),
        ('why = "a test needs it"\n', "", "why"),
        ('why = "a test needs it"', "wy = 1", "wy"),
        ("[one.openssl]\n", "[one.opensll]\n", "opensll"),
        ('version = "3.0"\n', "", "version"),
        ('version = "3.0"', "version = 3.0", "version must be text"),
        ('version = "3.11"', 'version = "3.1"', "3.11.2 is none of the series 3.1"),
        (f'sha256 = "{HASH}"', 'sha256 = "abc"', "64 hexadecimal"),
        ("https://example.org/Python", "http://example.org/Python", "https"),
        ('skip_patches = ["a.diff"]', 'skip_patches = "a.diff"', "skip_patches must be a list"),
        ('configure = ["--with-pydebug"]', "configure = [1]", "configure must be a list of texts"),
        ('default_for = ["debian 12"]', 'end_of_life = "yes"', "end_of_life must be true or false"),
        ("[one]\n", "[one\n", "not valid TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """An entry that is incomplete, misspelt or contradicts itself is refused by name."""
    assert old in GOOD
    with pytest.raises(TableError, match=said):
        recipes(tmp_path, GOOD.replace(old, new))


@pytest.mark.parametrize(("text", "said"), [("", "has no recipe"), ("one = 1", "not a table")])
def test_a_file_without_recipes_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """A file that holds no table is refused."""
    with pytest.raises(TableError, match=said):
        recipes(tmp_path, text)


def test_the_recipes_that_come_with_it_are_sound() -> None:
    """The page's own pair is among the recipes, at its end of life, and the first recipe is not."""
    found = {recipe.id: recipe for recipe in read_recipes()}
    page = found["aws_page"]
    assert (page.openssl.version, page.python.version, page.end_of_life) == ("1.1.1d", "3.8.1", True)
    assert not next(iter(found.values())).end_of_life


@pytest.mark.parametrize("recipe", read_recipes(), ids=lambda recipe: recipe.id)
def test_the_urls_name_the_release(recipe: Recipe) -> None:
    """A pinned release is what its address names."""
    for part in (recipe.openssl, recipe.python):
        assert re.search(rf"(?i)(openssl|python)-{re.escape(part.release)}\.(tgz|tar\.\w+)$", part.url)


@pytest.mark.parametrize(
    ("series", "version", "belongs"),
    [
        ("3.0", "3.0.20", True),
        ("3.0", "3.0", True),
        ("1.1.1", "1.1.1w", True),
        ("1.1.1w", "1.1.1w", True),
        ("1.1.1", "1.1.0l", False),
        ("3.1", "3.11.2", False),
        ("3.0", "3x0.1", False),
    ],
)
def test_a_series_has_its_releases(series: str, version: str, *, belongs: bool) -> None:
    """A release belongs to the series whose numbers it begins with, and to no other."""
    assert a_part(series).accepts(version) is belongs


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, NEW),
        ({"system": "debian 11"}, OLD),
        ({"system": "debian 12"}, NEW),
        ({"wanted": "old"}, OLD),
        ({"openssl": "1.1"}, OLD),
        ({"python": "3.9.18"}, OLD),
        ({"openssl": "3.0", "python": "3.11", "system": "debian 11"}, NEW),
    ],
)
def test_the_recipe_that_was_asked_for_is_found(asked: dict[str, str], found: Recipe) -> None:
    """An id or version decides, then the system, then the order of the file."""
    assert choose(BOTH, **asked) == found


@pytest.mark.parametrize(
    "asked",
    [
        {"wanted": "none"},
        {"python": "3.7"},
        {"openssl": "3.0", "python": "3.9"},
        {"wanted": "new", "python": "3.9"},
    ],
)
def test_what_no_recipe_builds_is_refused(asked: dict[str, str]) -> None:
    """Where no recipe answers, the sentence says what was asked and what there is."""
    with pytest.raises(
        RecipeError, match=rf"(?s){list(asked.values())[-1]}.*new \(OpenSSL 3\.0, Python 3\.11\)"
    ):
        choose(BOTH, **asked)


@pytest.mark.parametrize(
    ("floor", "further"), [("TLSv1.1", ""), ("TLSv1.2", ""), ("TLSv1.3", " --floor TLSv1.3")]
)
def test_a_recipe_is_a_remedy_for_its_minor_version(floor: str, further: str) -> None:
    """The first recipe of a minor version that is not at its end of life is what replaces such a Python."""
    exact = replace(NEW, id="exact", python=a_part("3.12.1"))
    assert remedies((*BOTH, replace(NEW, id="second"), exact), floor) == {
        "3.11": f"--recipe new{further}",
        "3.12": f"--recipe exact{further}",
    }


@pytest.mark.parametrize(
    ("release", "system"),
    [({"ID": "debian", "VERSION_ID": "12"}, "debian 12"), ({"ID": "arch", "NAME": "x"}, "arch")],
)
def test_the_system_is_read(release: dict[str, str], system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The distribution and its release are taken from os-release, where it has them."""
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    assert this_system() == system


@pytest.mark.skipif(not Path("/etc/os-release").exists(), reason="this system has no /etc/os-release")
def test_this_system_names_itself() -> None:
    """What the machine's own os-release says, as a shell reads it, is what is found."""
    words = '. /etc/os-release && echo "${ID-linux} $VERSION_ID"'
    done = subprocess.run(["/bin/sh", "-c", words], check=True, capture_output=True, text=True)
    assert this_system() == done.stdout.strip()


@pytest.mark.parametrize("error", [FileNotFoundError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x")])
def test_a_machine_without_os_release_is_none_in_particular(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that does not say what it is gets no default of its own."""

    def refuse() -> None:
        raise error

    monkeypatch.setattr(platform, "freedesktop_os_release", refuse)
    assert this_system() == ""
