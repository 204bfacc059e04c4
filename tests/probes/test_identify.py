"""The script that runs in every interpreter tells true facts of it, whatever that interpreter lacks."""

from __future__ import annotations

import functools
import gc
import json
import os
import platform
import shutil
import ssl
import subprocess
import sys
import sysconfig
import venv
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.identify import MARK, SCRIPT, parse_identity
from interpreters.identify import identify as identify_apart
from interpreters.process_environment import sanitized_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import ModuleType

    from interpreters.locate import Candidate


WITHOUT_CIPHERS = """openssl_conf = a
[a]
providers = b
[b]
base = c
[c]
activate = 1
"""
"""As in many files that are to switch on FIPS and name a module that is not there."""


@pytest.fixture
def identify(passenger: Callable[[str], ModuleType]) -> ModuleType:
    """Return the script as a module."""
    return passenger("identify")


def run(python: Path | str, *options: str, variables: Mapping[str, str] | None = None) -> str:
    """Return what the script prints in an interpreter."""
    return subprocess.run(
        [python, *options, SCRIPT],
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **(variables or {})},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout


def facts(said: str) -> Any:
    """Return the one marked line's facts."""
    (line,) = [line for line in said.splitlines() if line.startswith(MARK)]
    return json.loads(line.removeprefix(MARK))


def test_the_facts_are_this_interpreters(identify: ModuleType) -> None:
    """The facts are those that this interpreter's own modules name."""
    identity = parse_identity(json.loads(json.dumps(identify.identity())))
    assert identity.version == platform.python_version()
    assert identity.implementation == platform.python_implementation()
    assert identity.executable == os.path.realpath(sys.executable)
    assert (identity.prefix, identity.base_prefix) == (sys.prefix, sys.base_prefix)
    assert identity.ssl is not None
    assert identity.ssl_unavailable == ""
    assert identity.ssl.openssl == ssl.OPENSSL_VERSION
    assert identity.ssl.default_minimum == ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).minimum_version.name


@pytest.mark.parametrize("name", ["SSLv2", "SSLv3", "TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("value", [False, True])
def test_what_the_library_has_is_told(
    identify: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, *, value: bool
) -> None:
    """Each version that the ssl module says it has, or has not, is told as it says."""
    monkeypatch.setattr(ssl, f"HAS_{name}", value)
    assert identify.library()["has"][f"HAS_{name}"] is value


def test_what_is_no_version_is_not_told(identify: ModuleType) -> None:
    """Features of the ssl module that are no protocol versions are left out."""
    assert ssl.HAS_SNI is True
    assert all(name.startswith(("HAS_SSLv", "HAS_TLSv")) for name in identify.library()["has"])


def test_an_old_ssl_module_has_no_minimum(identify: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where contexts have no minimum version, before Python 3.7, it is unknown."""

    class OldContext:
        def __init__(self, protocol: int) -> None:
            pass

    monkeypatch.setattr(ssl, "SSLContext", OldContext)
    assert identify.library()["default_minimum"] is None


def test_a_missing_ssl_module_is_a_fact(identify: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an ssl module all other facts are told, and the import's error."""
    monkeypatch.setitem(sys.modules, "ssl", None)
    told = parse_identity(identify.identity())
    assert told.ssl is None
    assert told.ssl_unavailable.startswith("ModuleNotFoundError: ")
    assert told.version == platform.python_version()


def test_variables_are_told_by_how_they_begin(identify: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the variables that are asked for are told, and none where none are."""
    for name in ("LD_PRELOAD", "OPENSSL_CONF", "SECRET"):
        monkeypatch.setenv(name, name.lower())
    told = identify.identity(["LD_P", "OPENSSL_C"])["variables"]
    assert told == {"LD_PRELOAD": "ld_preload", "OPENSSL_CONF": "openssl_conf"}
    assert identify.identity()["variables"] == {}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux, with its /proc, enables this")
@pytest.mark.parametrize("passed_on", ["", '-a "$0"'])
def test_a_wrapper_is_seen_through(tmp_path: Path, passed_on: str) -> None:
    """The executable is the program that runs, even where a wrapper passes its own name on to it."""
    if not shutil.which("bash"):
        pytest.skip("no bash was found, whose exec can pass a name on: `apt-get install bash` enables this")
    wrapper = tmp_path / "python3"
    wrapper.write_text(f'#!/usr/bin/env bash\nexec {passed_on} "{os.path.realpath(sys.executable)}" "$@"\n')
    wrapper.chmod(0o755)
    assert facts(run(wrapper))["executable"] == os.path.realpath(sys.executable)


def test_a_collector_that_cannot_be_stopped_is_told(
    identify: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the garbage collector cannot be switched off, as on Jython, the script says so."""

    def refuse() -> None:
        raise NotImplementedError

    assert (identify.lacking(), gc.isenabled()) == ("", True)
    monkeypatch.setattr(gc, "disable", refuse)
    assert identify.lacking() == "gc.disable (NotImplementedError: )"


def test_a_collector_that_is_off_stays_off(identify: ModuleType) -> None:
    """The program of probes has switched the garbage collector off when it asks, and it stays so."""
    gc.disable()
    try:
        assert identify.lacking() == ""
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_module_that_makes_no_context_is_not_missing(
    identify: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ssl module that can be imported and makes no context is described, with the error beside it."""
    monkeypatch.delattr(ssl, "SSLContext")
    said = identify.identity()
    assert said["ssl"]["openssl"] == ssl.OPENSSL_VERSION
    assert said["ssl_unavailable"] == ""
    assert said["contexts"]["SSLContext"]["error"].startswith("AttributeError: ")


@pytest.mark.e2e
def test_a_configuration_without_ciphers_is_an_error_of_contexts(
    pythons: tuple[Candidate, ...], tmp_path: Path
) -> None:
    """Where the configuration switches on no provider with ciphers, the module is there and says so."""
    conf = tmp_path / "fips.cnf"
    conf.write_text(WITHOUT_CIPHERS)
    seen = 0
    for one in pythons:
        environment = {**sanitized_environment(os.environ, tmp_path), "OPENSSL_CONF": str(conf)}
        identity = identify_apart(one.path, environment, tmp_path / "identities")
        assert identity.ssl is not None
        # Providers came with OpenSSL 3.
        if identity.ssl.openssl.startswith("OpenSSL 3"):
            seen += 1
            assert "library has no ciphers" in identity.context_unavailable
            assert "minimum" not in (identity.ssl.default_minimum or "")
        conf.write_text("")
        assert identify_apart(one.path, environment, tmp_path / "identities").context_unavailable == ""
        conf.write_text(WITHOUT_CIPHERS)
    if not seen:
        pytest.skip(
            "no Python here is linked to OpenSSL 3, which has providers: one on Debian 12 enables this"
        )


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("'--prefix=/p' '--with-openssl=/o' '--enable-optimizations'", ["--with-openssl=/o"]),
        ("'--with-openssl=/a folder/o' --disable-shared", ["--with-openssl=/a folder/o", "--disable-shared"]),
        ("--with-ssl-default-suites=openssl", ["--with-ssl-default-suites=openssl"]),
        ("--with-openssl-rpath=auto", ["--with-openssl-rpath=auto"]),
        ("--with-opensslish=/o", []),
        ("", []),
        (None, []),
        ("'never closed", []),
    ],
)
def test_the_configure_options_that_matter_are_told(
    identify: ModuleType, monkeypatch: pytest.MonkeyPatch, line: str | None, flags: list[str]
) -> None:
    """Of the build's options, those that decide about OpenSSL are told as written, if it has any."""
    monkeypatch.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": line}.get)
    assert identify.configure_flags() == flags


def test_an_interpreter_that_does_not_know_itself(
    identify: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that cannot tell its executable names none, rather than the current folder."""
    monkeypatch.setattr(sys, "executable", "")
    assert identify.identity()["executable"] == ""


def test_a_link_is_told_as_what_it_leads_to(
    identify: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An interpreter that was started through a link names the real path."""
    link = tmp_path / "python3"
    link.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(link))
    assert identify.identity()["executable"] == os.path.realpath(sys.executable)


def test_chatter_leaves_the_line_whole(tmp_path: Path) -> None:
    """A start-up file that prints, before and at the end, leaves one marked line that starts afresh."""
    chatty = "import atexit, sys; sys.stdout.write('hello'); atexit.register(sys.stdout.write, 'bye')"
    (tmp_path / "sitecustomize.py").write_text(chatty)
    said = run(sys.executable, variables={"PYTHONPATH": str(tmp_path)})
    assert said.startswith("hello\n")
    assert said.endswith("\nbye")
    assert facts(said)["version"] == platform.python_version()


HOOKS = {
    "tabbed.pth": "# a comment\nimport\tsys\n",
    "folder.pth": "/some/where\nimported/too\n",
    "hook.txt": "import sys\n",
    "sitecustomize.py": "",
    "usercustomize.py": "",
}
"""Files of a site folder; whose code is run, site's documentation says."""


def test_start_up_code_is_told_by_file(tmp_path: Path) -> None:
    """Files with lines of code and the hooks that were imported are told, paths and other files are not."""
    venv.create(tmp_path, symlinks=True)
    python = tmp_path / "bin" / "python"
    (site,) = tmp_path.glob("lib/python*/site-packages")
    for name, text in HOOKS.items():
        (site / name).write_text(text)
    # A virtual environment imports the second only with the user's own site-packages.
    imported = f"import sys; sys.path.insert(1, {str(site)!r}); import usercustomize"
    (site / "hook.pth").write_text(imported)
    told = facts(run(python))["start_up"]
    ran = ["hook.pth", "tabbed.pth", "sitecustomize.py", "usercustomize.py"]
    assert [path for path in told if path.startswith(str(site))] == [str(site / name) for name in ran]


def test_the_folders_of_modules_are_told(tmp_path: Path) -> None:
    """Those of the path are told without the script's own, and where packages of the user's would be."""
    venv.create(tmp_path, symlinks=True, system_site_packages=True)
    (site,) = tmp_path.glob("lib/python*/site-packages")
    (site / "more.pth").write_text("../../../more\n")
    (tmp_path / "more").mkdir()
    mine = {"PYTHONUSERBASE": str(tmp_path / "mine")}
    told = facts(run(tmp_path / "bin" / "python", variables=mine))["path"]
    assert str(site) in told
    assert str(tmp_path / "more") in told
    assert any(folder.startswith(str(tmp_path / "mine")) for folder in told)
    assert str(SCRIPT.parent) not in told
    assert len(set(told)) == len(told)


def test_an_unreadable_start_up_file_is_no_failure(identify: ModuleType, tmp_path: Path) -> None:
    """What is no file, though it is called one, runs no code."""
    (tmp_path / "folder.pth").mkdir()
    assert identify.runs_code(str(tmp_path / "folder.pth")) is False
    assert identify.runs_code(str(tmp_path / "gone.pth")) is False


def _lower(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3


def _fewer(context: ssl.SSLContext) -> None:
    context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")


def _options(context: ssl.SSLContext) -> None:
    context.options |= ssl.OP_NO_TICKET


@pytest.mark.parametrize("change", [_lower, _fewer, _options])
@pytest.mark.parametrize("name", ["create_default_context", "SSLContext"])
def test_a_changed_context_is_told(
    identify: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Any], None]
) -> None:
    """Whatever start-up code does to a new context is among its facts, and no other's."""
    before, make = identify.contexts(), getattr(ssl, name)

    def changed(*words: Any, **named: Any) -> ssl.SSLContext:
        context: ssl.SSLContext = make(*words, **named)
        change(context)
        return context

    if name == "SSLContext":
        made = make(ssl.PROTOCOL_TLS_CLIENT)
        change(made)
        assert identify.context_facts(lambda: made) != before[name]
        return
    monkeypatch.setattr(ssl, name, changed)
    after = identify.contexts()
    assert {way for way in before if before[way] != after[way]} == {name, "replaced"}


def test_a_context_that_cannot_be_made_is_told(identify: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that takes no such argument, or fails, leaves its error in the place of the facts."""

    def refuse() -> None:
        pass

    monkeypatch.setattr(ssl, "create_default_context", refuse)
    told = identify.identity()
    assert told["contexts"]["create_default_context"]["error"].startswith("TypeError: ")
    assert told["ssl_unavailable"] == ""


def test_a_replaced_function_is_told(identify: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that is called on a context is told if its code is not the ssl module's."""
    before = identify.contexts()["replaced"]
    honest = ssl.SSLContext.wrap_socket

    @functools.wraps(honest)
    def wrapped(*words: Any, **named: Any) -> ssl.SSLSocket:
        return honest(*words, **named)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrapped)
    after = identify.contexts()["replaced"]
    assert after == before | {"SSLContext.wrap_socket": "function of test_identify.py"}


@pytest.mark.e2e
def test_it_runs_in_every_interpreter(pythons: tuple[Candidate, ...]) -> None:
    """On this machine, the script's facts in each interpreter are those its own ssl module names."""
    for one in pythons:
        # Start-up code, which this machine may have, can print too, and a wrapper starts another file.
        said = subprocess.check_output(
            [one.path, "-c", "import ssl, sys; print(ssl.OPENSSL_VERSION); print(sys.executable)"], text=True
        )
        openssl, executable = said.splitlines()[-2:]
        told = parse_identity(facts(run(one.path)))
        assert told.ssl is not None
        assert (told.ssl.openssl, told.executable) == (openssl, os.path.realpath(executable))
        assert told.contexts.keys() == {"create_default_context", "SSLContext", "replaced"}
        assert not any("error" in found for found in told.contexts.values())


@pytest.mark.e2e
def test_it_survives_a_missing_ssl_in_python_27(python27: Path, tmp_path: Path) -> None:
    """In a real Python 2.7 whose ssl module cannot be imported, that is a fact and the rest is told."""
    (tmp_path / "ssl.py").write_text("raise ImportError('No module named _ssl')")
    told = facts(run(python27, variables={"PYTHONPATH": str(tmp_path)}))
    assert told["ssl"] is None
    assert told["ssl_unavailable"] == "ImportError: No module named _ssl"
    assert told["version"].startswith("2.7.")
