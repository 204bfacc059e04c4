"""Which variables of a running process a fresh one is started with, and which are told to anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from interpreters.deployed.proc import ProcessRecord
from interpreters.deployed.process_variables import applied_variables, named_files, shown_variables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOBODY = 64_001
"""A user whom no machine knows."""


def a_process(variables: Mapping[str, str] | None, folder: str = "/srv/shop") -> ProcessRecord:
    """Return a process with these variables, at work in this folder."""
    return ProcessRecord(
        12, 1, NOBODY, 0.0, ("python3",), "/usr/bin/python3", folder=folder, variables=variables
    )


def applied(
    variables: Mapping[str, str] | None, env: Mapping[str, str] | None = None
) -> dict[str, str | None]:
    """Return what is applied beside the user's own packages, of which there are none."""
    found = applied_variables(a_process(variables), env or {}, None)
    assert found.pop("PYTHONUSERBASE") is None
    return found


SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "wJalr",
    "DATABASE_URL": "postgres://app:hunter2@db/",
    "SSL_KEY_PASSWORD": "hunter2",
    "SSLKEYLOGFILE": "/tmp/keys",
    "LD_SDK_KEY": "sdk-1",
    "OPENSSL_PASSPHRASE": "hunter2",
    "PYTHONSTARTUP": "/home/alice/secret.py",
}


def test_nothing_is_taken_that_is_not_named() -> None:
    """A variable is left alone however much its name looks like one that counts."""
    assert applied(SECRETS) == {}
    assert shown_variables(a_process(SECRETS)) == {}


def test_what_decides_is_applied() -> None:
    """Configuration, libraries and the packages of Python are taken over, trust is not."""
    deciding = {
        "OPENSSL_CONF": "/etc/shop/openssl.cnf",
        "LD_PRELOAD": "libjemalloc.so.2 /opt/hook.so",
        "LD_LIBRARY_PATH": "/opt/lib;/opt/lib64",
        "PYTHONPATH": "/srv/lib",
    }
    found = applied({**deciding, "SSL_CERT_FILE": "/etc/ssl/ours.pem", **SECRETS})
    changed = {"LD_PRELOAD": "libjemalloc.so.2:/opt/hook.so", "LD_LIBRARY_PATH": "/opt/lib:/opt/lib64"}
    assert found == {**deciding, **changed}


def test_the_values_of_python_are_not_shown() -> None:
    """A report has the values of OpenSSL, of trust and of the linker alone."""
    given = {
        "OPENSSL_CONF": "/c",
        "SSL_CERT_FILE": "/s",
        "LD_PRELOAD": "/l",
        "PYTHONPATH": "/p",
        "HOME": "/h",
    }
    shown = {name: given[name] for name in ("OPENSSL_CONF", "SSL_CERT_FILE", "LD_PRELOAD")}
    assert shown_variables(a_process(given)) == shown
    assert shown_variables(a_process(None)) == {}


def test_relative_paths_are_those_of_the_process() -> None:
    """A path is meant in the folder where that process is at work, each of several by itself."""
    given = {"OPENSSL_CONF": "floor.cnf", "LD_LIBRARY_PATH": "lib::/opt/lib:$ORIGIN/x", "PYTHONPATH": "src"}
    assert applied(given) == {
        "OPENSSL_CONF": "/srv/shop/floor.cnf",
        "LD_LIBRARY_PATH": "/srv/shop/lib:/srv/shop:/opt/lib:$ORIGIN/x",
        "PYTHONPATH": "/srv/shop/src",
    }


def test_empty_is_not_unset_where_that_differs() -> None:
    """OpenSSL reads nothing where OPENSSL_CONF is empty; an empty list is as good as none."""
    assert applied({"OPENSSL_CONF": "", "LD_PRELOAD": "", "PYTHONPATH": ""}) == {"OPENSSL_CONF": ""}


def test_ours_are_not_those_of_the_process() -> None:
    """What nox itself was given and the process was not is taken away from the fresh one."""
    ours = {"OPENSSL_CONF": "/ours", "LD_LIBRARY_PATH": "/ours", "PATH": "/bin"}
    assert applied({"LD_LIBRARY_PATH": "/theirs"}, ours) == {
        "LD_LIBRARY_PATH": "/theirs",
        "OPENSSL_CONF": None,
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home with packages of its user's own."""
    (tmp_path / ".local" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    return tmp_path


def test_the_packages_in_a_users_home_are_found(home: Path) -> None:
    """A fresh process has another home, and finds the user's own packages all the same."""
    process, base = a_process({"HOME": str(home)}), str(home / ".local")
    assert applied_variables(process, {}, None) == {"PYTHONUSERBASE": base}
    assert applied_variables(process, {"PYTHONUSERBASE": base}, None) == {}
    other = {"PYTHONUSERBASE": "/ours"}
    assert applied_variables(a_process({"HOME": "/nonexistent"}), other, None) == {"PYTHONUSERBASE": None}


@pytest.mark.parametrize(("setting", "sees"), [("true", True), ("false", False)])
def test_an_environment_does_not_see_them_unless_it_says_so(home: Path, setting: str, *, sees: bool) -> None:
    """The packages in a home count in an environment that sees the interpreter's own."""
    folder = home / "venv"
    folder.mkdir()
    (folder / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = {setting}\n")
    found = applied_variables(a_process({"HOME": str(home)}), {}, folder)
    assert found == ({"PYTHONUSERBASE": str(home / ".local")} if sees else {})


def test_each_file_that_variables_name_is_given(tmp_path: Path) -> None:
    """Whoever may replace one of them decides what is loaded: each is named by its real path."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    given = {
        "OPENSSL_CONF": f"{link}/a.cnf",
        "LD_PRELOAD": f"libbare.so:{link}/b.so",
        "PYTHONPATH": f"{link}:/srv",
        "PYTHONNOUSERSITE": "1",
    }
    assert [(name, str(path)) for name, path in named_files(given)] == [
        ("OPENSSL_CONF", f"{real}/a.cnf"),
        ("LD_PRELOAD", f"{real}/b.so"),
        ("PYTHONPATH", str(real)),
        ("PYTHONPATH", "/srv"),
    ]
