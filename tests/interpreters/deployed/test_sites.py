"""An interpreter's own site-packages are measured where a client lies in them, as their files tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.clients import Client, clients
from interpreters.deployed.sites import modules, sites, with_clients
from interpreters.identify import Identity, parse_identity
from interpreters.locate import Candidate
from interpreters.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable

PYTHON = Candidate("system_3_11", "system", Path("/usr/bin/python3.11"))


@pytest.fixture
def identity(facts: dict[str, Any]) -> Callable[..., Identity]:
    """Return a function that makes an identity with a path and other facts."""

    def make(*path: Path, **changes: object) -> Identity:
        return parse_identity(facts | {"path": list(map(str, path))} | changes)

    return make


def prepared(candidate: Candidate, identity: Identity) -> Prepared:
    """Return an interpreter's own packages, the interpreter having said what it is."""
    (site,) = sites([candidate])
    return Prepared.of(site, identity, {})


def known(names: list[str]) -> list[Client]:
    """Return the clients with these names."""
    return [client for name, client in clients().items() if name in names]


def test_each_interpreter_has_a_site_of_its_own() -> None:
    """It is the same executable under an id of its own; what must not be started, or is found, has none."""
    refused = replace(PYTHON, id="other", unavailable="owned by Alice")
    environment = replace(PYTHON, id="env_a", environment=Path("/a"))
    (site,) = sites([replace(PYTHON, given=True), refused, environment])
    assert (site.id, site.path, site.source) == ("site_system_3_11", PYTHON.path, "system")
    assert (site.as_found, site.given) == (True, False)


def test_a_site_is_described_by_its_prefix(identity: Callable[..., Identity]) -> None:
    """Its environment is the interpreter's prefix, and its path the interpreter itself."""
    interpreter = prepared(PYTHON, identity(prefix="/usr", base_prefix="/usr")).interpreter
    assert (interpreter.environment, interpreter.path) == ("/usr", str(PYTHON.path))
    assert interpreter.is_site
    assert not Prepared.of(PYTHON, identity(), {}).interpreter.is_site


@pytest.mark.parametrize(
    ("file", "there"),
    [
        ("urllib3/__init__.py", True),
        ("urllib3.py", True),
        ("urllib3.cpython-311-x86_64-linux-gnu.so", True),
        ("urllib3_mock-2.0.dist-info/METADATA", False),
        ("pip/_vendor/urllib3/__init__.py", False),
    ],
)
def test_a_client_is_there_if_its_module_is(
    tmp_path: Path, identity: Callable[..., Identity], file: str, *, there: bool
) -> None:
    """A module or a package by the client's name lies in one of the folders of the path."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    own = prepared(PYTHON, identity(tmp_path / "missing", tmp_path))
    assert (with_clients([own], [PYTHON], known(["urllib3", "botocore"])) == (own,)) is there
    assert with_clients([own], [PYTHON], known(["botocore"])) == ()


def test_a_client_needs_all_that_it_imports(tmp_path: Path, identity: Callable[..., Identity]) -> None:
    """PyOpenSSL alone is no HTTPS client; what needs no installation is no reason for a site."""
    (tmp_path / "OpenSSL").mkdir()
    own = prepared(PYTHON, identity(tmp_path))
    assert with_clients([own], [PYTHON], known(["pyopenssl", "ssl", "relaxed"])) == ()
    (tmp_path / "urllib3").mkdir()
    assert with_clients([own], [PYTHON], known(["pyopenssl"])) == (own,)


def test_what_others_may_change_is_not_loaded_by_root(
    tmp_path: Path, identity: Callable[..., Identity], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter may be root's, and its packages somebody else's: then the reason says whose."""
    theirs = tmp_path / "site-packages"
    theirs.mkdir()
    (theirs / "urllib3.py").touch()
    monkeypatch.setattr(
        "interpreters.deployed.sites.not_as_root",
        lambda path: "owned by Alice" if path == theirs.resolve() else "",
    )
    own = prepared(PYTHON, identity(tmp_path / "python311.zip", tmp_path, theirs))
    (refused,) = with_clients([own], [PYTHON], known(["urllib3"]))
    assert refused.interpreter.unavailable == "owned by Alice"


def test_path_files_lead_further(tmp_path: Path) -> None:
    """A line of a .pth file that is no code names a folder, from the site's own folder on (site)."""
    (tmp_path / "site").mkdir()
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "urllib3.py").touch()
    (tmp_path / "site" / "more.pth").write_text("# ../nothing\nimport os\n../beside\n\n")
    assert "urllib3" in modules([str(tmp_path / "site")])
    (tmp_path / "site" / "more.pth").write_text("import os; ../beside\n")
    assert "urllib3" not in modules([str(tmp_path / "site")])


@pytest.mark.parametrize("name", ["urllib3-1.26.20.dist-info", "urllib3-1.26.20-py3.9.egg"])
def test_a_distribution_stands_for_modules_that_lie_elsewhere(tmp_path: Path, name: str) -> None:
    """What was installed to be edited, or as a zipped egg, has no folder of its own among the packages."""
    (tmp_path / "__editable___urllib3_1_26_20_finder.py").touch()
    assert "urllib3" not in modules([str(tmp_path)])
    (tmp_path / name).mkdir()
    assert "urllib3" in modules([str(tmp_path)])


def test_what_cannot_be_measured_has_no_site(tmp_path: Path, identity: Callable[..., Identity]) -> None:
    """What is unusable says so itself, an environment is no site, and a wrapper has no other packages."""
    (tmp_path / "urllib3.py").touch()
    whole = prepared(PYTHON, identity(tmp_path))
    wrapper = replace(PYTHON, id="path_3_11", path=Path("/usr/local/bin/python3"))
    twice = prepared(wrapper, identity(tmp_path, executable=str(PYTHON.path)))
    changed = replace(twice, changed={"OPENSSL_CONF": "/made/up.cnf"})
    venv = prepared(PYTHON, identity(tmp_path, prefix="/venv"))
    all_of_them = [whole, whole.without("it has no ssl module"), twice, changed, venv]
    assert with_clients(all_of_them, [PYTHON, wrapper], known(["urllib3"])) == (whole, changed)
    assert with_clients([twice], [wrapper], known(["urllib3"])) == (twice,)
