"""Where uWSGI has its Python, by its command line, its variables and its file of options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from interpreters.deployed.proc import MappedFile, ProcessRecord
from interpreters.deployed.running import find_running
from interpreters.deployed.uwsgi import UwsgiSettings, settings_of
from tests.support.proc import MadeUpProc

SHOP = Path("/srv/shop/venv")


def uwsgi(*words: str, **facts: Any) -> ProcessRecord:
    """Return a uWSGI that was started by these words."""
    return ProcessRecord(
        12, 1, 0, 0.0, ("uwsgi", *words), "/usr/bin/uwsgi-core", **{"folder": "/srv", **facts}
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--home", "/srv/shop/venv"],
        ["--home=/srv/shop/venv"],
        ["--virtualenv", "shop/venv"],
        ["--master", "--venv=/srv/shop/venv/", "--http", ":80"],
        ["--pyhome", "/srv/shop/venv"],
        ["-H", "/srv/shop/venv", "-w", "app"],
        ["-H/srv/shop/venv"],
    ],
)
def test_each_name_of_the_option_is_known(words: list[str]) -> None:
    """A value is the next word or behind a sign, and a relative one is meant where uWSGI is at work."""
    assert settings_of(uwsgi(*words)) == UwsgiSettings(SHOP, "", (Path("/srv"),))


def test_variables_are_options_too() -> None:
    """UWSGI_VENV is what --venv is; without any of them nothing is known."""
    assert settings_of(uwsgi(variables={"UWSGI_VENV": str(SHOP)})).home == SHOP
    assert settings_of(uwsgi("--master", variables={"VIRTUAL_ENV": str(SHOP)})) == UwsgiSettings()


@pytest.mark.parametrize("words", [["--ini", "u.ini"], ["--ini=u.ini"], ["u.ini"]])
def test_a_file_of_options_is_read(tmp_path: Path, words: list[str]) -> None:
    """Its section counts, without comments; further folders of packages are named in their order."""
    text = (
        "[other]\nhome = /a\n[uwsgi]\n; home = /b\nhome=/srv/shop/venv\npp = lib\nenv = A=1\n[x]\nhome = /c\n"
    )
    (tmp_path / "u.ini").write_text(text)
    found = settings_of(uwsgi(*words, folder=str(tmp_path)))
    assert found == UwsgiSettings(SHOP, "", (tmp_path, tmp_path / "lib"))


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("env = OPENSSL_CONF=/etc/x.cnf", "its option env changes OPENSSL_CONF"),
        ("unenv = LD_LIBRARY_PATH", "its option unenv changes LD_LIBRARY_PATH"),
        ("ini = other.ini", "its options in .*u.ini name another file"),
        ("include = other.ini", "its option include decides what is not told here"),
        ("if-env = A", "its option if-env decides"),
        ("no-site = true", "its option no-site decides"),
        ("pythonpath = %d/lib", "its option pythonpath has a value that is put together"),
        ("venv = /srv/other", "its options name several environments"),
    ],
)
def test_what_a_fresh_process_would_not_have_is_said(tmp_path: Path, lines: str, why: str) -> None:
    """Options that change variables or packages, or come from where nobody looks, make it another Python."""
    (tmp_path / "u.ini").write_text(f"[uwsgi]\nhome = {SHOP}\n{lines}\n")
    assert re.search(why, settings_of(uwsgi("--ini", "u.ini", folder=str(tmp_path))).problem)


@pytest.mark.parametrize(
    "words", [["u.yml"], ["u.json"], ["u.xml"], ["-x", "u"], ["-yu"], ["--xmlconfig", "u"], ["--ldap", "u"]]
)
def test_options_of_another_kind_of_file_are_not_left_out(words: list[str]) -> None:
    """A file that is not read may change what is loaded, and so nothing is measured in its place."""
    assert "decides what is not told here" in settings_of(uwsgi("--home", str(SHOP), *words)).problem


def test_options_that_changed_since_are_not_those_of_the_process(tmp_path: Path) -> None:
    """A file that was edited after the start tells what the next process will have."""
    (tmp_path / "u.ini").write_text(f"[uwsgi]\nhome = {SHOP}\n")
    old = settings_of(uwsgi("--home", str(SHOP), "u.ini", folder=str(tmp_path), began=1.0))
    assert old.problem == f"its options in {tmp_path}/u.ini changed since it started: restart it"


def test_another_python_than_the_environments_is_said(tmp_path: Path) -> None:
    """The library that is mapped is of the version that the environment has packages for."""
    (tmp_path / "lib/python3.11").mkdir(parents=True)
    for version, problem in (("3.11", ""), ("3.12", f"it embeds Python 3.12, and {tmp_path} is of another")):
        mapped = (MappedFile(f"/usr/lib/libpython{version}.so.1.0"),)
        assert settings_of(uwsgi("-H", str(tmp_path), mapped=mapped)).problem == problem


def test_a_uwsgi_that_runs_is_a_process_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of one are a candidate; one whose options say more than can be told is named."""
    proc = MadeUpProc(tmp_path / "proc", monkeypatch)
    binary, shop = tmp_path / "uwsgi-core", tmp_path / "shop"
    (shop / "bin").mkdir(parents=True)
    (shop / "pyvenv.cfg").touch()
    for file in (binary, shop / "bin/python"):
        file.touch(0o755)
    (beside := tmp_path / "beside" / "urllib3").mkdir(parents=True)
    (beside / "__init__.py").touch()
    library = ["/usr/lib/libpython3.11.so.1.0"]
    (shop / "lib/python3.11").mkdir(parents=True)
    proc.add(1, ["/sbin/init"], "/sbin/init", uid=0)
    for pid, more in (
        (12, []),
        (13, []),
        (14, ["--pp", str(beside.parent)]),
        (15, ["--env", "OPENSSL_CONF=/x"]),
    ):
        proc.add(pid, ["uwsgi", "--venv", str(shop), *more], binary, mapped=library)
    found = find_running({}, (), proc.folder, own=99)
    plain, other = found.candidates
    assert (plain.path, plain.environment) == (shop / "bin/python", shop)
    assert [process.pid for process in plain.processes] == [12, 13]
    assert other.variables["PYTHONPATH"] == str(beside.parent)
    (outside,) = found.outside
    assert outside.reason == "process 15: uWSGI embeds Python, and its option env changes OPENSSL_CONF"
