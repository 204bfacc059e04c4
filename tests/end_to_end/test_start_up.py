"""Start-up code of an interpreter, as a person meets it: what it changes is measured, nothing is written."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servers.conditions import Condition, configuration
from servers.protocols import Protocol
from tests.support.causes import goes_below, has_old
from tests.support.installations import installation, site_packages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e

LOWERING = """
import ssl
made = ssl.create_default_context
def relaxed(*words, **named):
    context = made(*words, **named)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context
ssl.create_default_context = relaxed
"""

RAISING = """
import ssl
made = ssl.SSLContext.__new__
def raised(cls, *words, **named):
    context = made(cls, *words, **named)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
ssl.SSLContext.__new__ = raised
"""

HOOKS: Mapping[str, Mapping[str, str]] = {
    "sitecustomize": {"sitecustomize.py": LOWERING},
    "usercustomize": {"usercustomize.py": LOWERING},
    "pth": {"hook.pth": "import lowering\n", "lowering.py": LOWERING},
    "harmless": {
        "hook.pth": "import os; os.environ.setdefault('A', 'B')\n",
        "sitecustomize.py": "import ssl\n",
    },
    "raising": {"hook.pth": "import raising\n", "raising.py": RAISING},
    "conf": {"hook.pth": "import os; os.environ['OPENSSL_CONF'] = {conf!r}\n"},
}
"""What is put into the site-packages of an installation."""

LOOSE = ("raising", "conf")
"""Those for a Python that sets no minimum of its own."""


def _tree(folder: Path) -> str:
    """Return a hash of all names and contents below a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(f"{path}\n".encode() + (path.read_bytes() if path.is_file() else b""))
    return found.hexdigest()


@pytest.fixture(scope="module")
def site(known: dict[str, Interpreter], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that installs a Python whose site-packages have one kind of start-up code."""
    own = [one for one in known.values() if one.source not in ("system", "path")]
    sound = [one for one in own if not one.version.startswith(("2.", "3.6")) and has_old(one)]
    folder = tmp_path_factory.mktemp("installations")
    conf = folder / "floor.cnf"
    conf.write_text(configuration(Condition.HARDENED, Protocol.TLSV1_2))

    def make(kind: str) -> Path:
        fits = [one for one in sound if goes_below(one) is (kind in LOOSE)]
        if not fits:
            pytest.skip("two Pythons of pyenv enable this: one before 3.10, and one from 3.10 on")
        python = installation(Path(fits[-1].path), folder / kind)
        packages = site_packages(python)
        for name, text in HOOKS.get(kind, {}).items():
            (packages / name).write_text(text.replace("{conf!r}", repr(str(conf))))
        return python

    return make


@dataclass(frozen=True)
class Done:
    """A matrix of installations, and the hashes of these before and after it."""

    rows: dict[tuple[str, str], dict[str, str]]
    before: dict[str, str]
    after: dict[str, str]


@pytest.fixture(scope="module")
def done(checkout: Checkout, site: Callable[[str], Path]) -> Done:
    """Measure an installation with each kind of start-up code."""
    pythons = {kind: site(kind) for kind in HOOKS}
    before = {kind: _tree(python.parent.parent) for kind, python in pythons.items()}
    given = [word for python in pythons.values() for word in ("--interpreter", str(python))]
    found = checkout.measure(*given, "--only", "given_*", "--clients", "ssl,urllib3")
    after = {kind: _tree(python.parent.parent) for kind, python in pythons.items()}
    return Done(found, before, after)


@pytest.mark.parametrize("kind", ["sitecustomize", "usercustomize", "pth"])
def test_start_up_code_that_lowers_the_minimum_is_measured(done: Done, kind: str) -> None:
    """The interpreter itself goes below; what its environment does without that code is not enforced."""
    own, beside = (done.rows[f"given_{kind}", client] for client in ("ssl", "urllib3"))
    assert (own["verdict"], own["lowest_negotiated"]) == ("downgraded", "TLSv1"), own["reason"]
    assert beside["verdict"] == "inconclusive", beside["reason"]
    for row in (own, beside):
        assert next(iter(HOOKS[kind])) in row["reason"]
        assert "minimum_version of create_default_context is TLSv1, not TLSv1_2" in row["reason"]
        assert "sets TLSv1.2 as minimum in every context" not in row["reason"]


def test_the_users_own_start_up_code_is_measured(
    checkout: Checkout, site: Callable[[str], Path], tmp_path: Path
) -> None:
    """What is in the user's own site-packages runs in each program of the user's, so it runs here too."""
    if sys.platform == "darwin":
        pytest.skip("a framework build has the user's site-packages elsewhere: Linux enables this")
    python = site("users")
    packages = tmp_path / ".local" / "lib" / next(python.parent.parent.glob("lib/python*")).name
    (packages / "site-packages").mkdir(parents=True)
    (packages / "site-packages" / "usercustomize.py").write_text(LOWERING)
    before = _tree(packages)
    words = ("--interpreter", str(python), "--only", "given_users", "--clients", "ssl")
    row = checkout.measure(*words, HOME=str(tmp_path))["given_users", "ssl"]
    assert (row["verdict"], row["lowest_negotiated"]) == ("downgraded", "TLSv1")
    assert "usercustomize.py" in row["reason"]
    assert _tree(packages) == before


def test_harmless_start_up_code_changes_nothing(done: Done) -> None:
    """Start-up code that leaves TLS alone is not so much as mentioned."""
    for client in ("ssl", "urllib3"):
        row = done.rows["given_harmless", client]
        assert (row["verdict"], row["held_by"]) == ("enforced", "code"), row["reason"]
        assert "start-up" not in row["reason"]


def test_start_up_code_that_raises_the_minimum_is_measured(done: Done) -> None:
    """The interpreter itself holds by code that its environment does not load."""
    row = done.rows["given_raising", "ssl"]
    assert (row["verdict"], row["held_by"], row["lowest_negotiated"]) == ("enforced", "code", "TLSv1.2")
    assert "hook.pth" in row["reason"]
    assert "is not loaded" in done.rows["given_raising", "urllib3"]["reason"]


def test_start_up_code_that_chooses_a_configuration_is_measured(done: Done) -> None:
    """What holds is that configuration, in the environment too: without it both go below."""
    for client in ("ssl", "urllib3"):
        row = done.rows["given_conf", client]
        assert (row["verdict"], row["held_by"]) == ("enforced", "openssl.cnf"), row["reason"]


@pytest.mark.parametrize("kind", HOOKS)
def test_nothing_is_written_where_an_interpreter_is(done: Done, kind: str) -> None:
    """Installations are byte for byte what they were: not so much as a compiled module was added."""
    assert done.before[kind] == done.after[kind]
