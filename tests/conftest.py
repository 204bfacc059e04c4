"""What every test may rely on: an environment without the caller's settings, fakes, and real interpreters."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import importlib
import logging
import os
import re
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from interpreters.identify import IdentifyError, Identity, identify
from interpreters.interpreter import Interpreter
from interpreters.locate import Candidate, locate
from interpreters.log import shown
from interpreters.process_environment import sanitized_environment
from servers.certificates import KeyPair, issue
from tests.support.causes import goes_below
from tests.support.checkout import MEASURED, ROOT, Checkout, copy_repository
from tests.support.examples import WHOLE
from tests.support.processes import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from types import ModuleType

    from playwright.sync_api import Browser

    from servers.catalogue import Certificate

# A busy machine is no failure.
settings.register_profile(
    "thorough", max_examples=WHOLE, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=WHOLE // 4)

# Ignored in what a shell runs in the background, and then in all that this starts, interrupted or not.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Ignored in what nohup starts, and in all that this starts: a test that hangs up on a program would wait.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

CALLERS = re.compile(
    r"(AWS|UV|PIP|OPENSSL|TLS_FLOOR)_.*|NOX.*"
    r"|.*_PROXY|SSL_CERT_(FILE|DIR)|SSLKEYLOGFILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|PYTHON(PATH|HOME|STARTUP|WARNINGS|EXECUTABLE)|VIRTUAL_ENV|CONDA_PREFIX",
    re.IGNORECASE,
)
"""Variables of the caller that could change what a test sees."""

UNSCRUBBED = dict(os.environ)

QUICK = "not e2e"
"""What `-m` says where the quick tests are asked for."""

FEW_COLLECTIONS = (20_000, 10, 10)
"""See gc.set_threshold: Python's own (700, 10, 10) took a fourteenth of the time of the quick tests."""

WAITING = 1
"""How many workers wait at a time, for what they started, in a run of all tests."""

END_TO_END = Path(__file__).parent / "end_to_end"

SANE_LIMIT = 5.0
"""Seconds that a healthy interpreter needs at the very most to say what it is."""


@pytest.fixture
def progress() -> Iterator[list[str]]:
    """Return the sentences of progress that are shown while a test runs."""
    sentences: list[str] = []
    with shown(sentences.append):
        yield sentences


class _Collector(logging.Handler):
    """Keeps the text of each record."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Return what reaches the root of all loggers while a test runs.

    pytest's own plugin for that is switched off: it costs a millisecond for each of thousands of tests.
    """
    root, handler = logging.getLogger(), _Collector()
    root.addHandler(handler)
    yield handler.texts
    root.removeHandler(handler)


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples of a property where the quick tests were asked for: the whole suite tries all."""
    settings.load_profile("quick" if config.option.markexpr == QUICK else "thorough")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Load none of the files in which every test is an end-to-end one where the others were asked for."""
    return True if collection_path == END_TO_END and config.option.markexpr == QUICK else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run more workers than there are processors, but for the quick tests: end-to-end tests often wait."""
    return None if config.option.markexpr == QUICK else (os.cpu_count() or 1) + WAITING


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let one worker load the tests before the others do, which then read what that one has compiled.

    Side by side each compiles all: 13 processor seconds more for each worker in a new clone.
    """
    with Path(__file__).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(file, fcntl.LOCK_SH)
        return (yield)


def pytest_collection_finish() -> None:
    """Leave what was loaded out of each garbage collection: it stays, and is most of what there is.

    What tests leave is small, so it is seldom looked through too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*FEW_COLLECTIONS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with end-to-end tests first: run side by side, no worker then waits for a late one."""
    long = {item.path for item in items if item.get_closest_marker("e2e")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session", autouse=True)
def _scrubbed() -> None:
    """Run every test without the caller's AWS, proxy, certificate, installer and OpenSSL settings.

    Once for all: a test that sets one of these does so by monkeypatch, which takes it away again.
    """
    for name in tuple(os.environ):
        if CALLERS.fullmatch(name):
            del os.environ[name]


@pytest.fixture(scope="session")
def callers_environment() -> Mapping[str, str]:
    """Return the caller's whole environment, which an installer may need to reach its index."""
    return UNSCRUBBED


@pytest.fixture(scope="session")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> tuple[Candidate, ...]:
    """Return the real interpreters of this machine that can say what they are and have ssl."""
    usable = _usable(locate(UNSCRUBBED), tmp_path_factory.mktemp("home"))
    if not usable:
        pytest.skip("no usable Python was found on this machine: one in /usr/bin or under pyenv enables this")
    return tuple(candidate for candidate, _ in usable)


@pytest.fixture(scope="session")
def python27(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real Python 2.7."""
    old = [one for one in locate(UNSCRUBBED) if one.path.name.startswith("python2")]
    for candidate, identity in _usable(old, tmp_path_factory.mktemp("home")):
        if identity.version.startswith("2.7."):
            return candidate.path
    pytest.skip("no Python 2.7 was found on this machine: `pyenv install 2.7.18` enables this")


def _usable(candidates: Sequence[Candidate], home: Path) -> list[tuple[Candidate, Identity]]:
    """Ask all candidates side by side what they are; keep those that answer like an interpreter.

    A wrapper of one that is among them is another way to start it, which this machine may have too.
    """

    def ask(candidate: Candidate) -> Identity | None:
        try:
            return identify(candidate.path, sanitized_environment(UNSCRUBBED, home), limit=SANE_LIMIT)
        except IdentifyError:
            return None

    runnable = [one for one in candidates if not one.unavailable]
    with ThreadPoolExecutor(4) as pool:
        answers = zip(runnable, pool.map(ask, runnable), strict=True)
        found = [(one, said) for one, said in answers if said and said.ssl and not said.is_venv]
    others = {one.path for one, _ in found}
    return [(one, said) for one, said in found if Path(said.executable) not in others - {one.path}]


@pytest.fixture(scope="session")
def make_cache(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Return a function that makes a cache in a folder; its environments are those of all such caches.

    So is what is compiled of their packages. Also of those that other workers make: the tool itself locks
    each environment (interpreters/locks.py).
    """
    own = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each worker a folder below that of the run.
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    if MEASURED in UNSCRUBBED:
        shared = ROOT / ".nox" / ".cache"

    def make(folder: Path) -> Path:
        folder.mkdir(parents=True, mode=0o700)
        for name in ("environments", "virtualenv", "compiled"):
            (shared / name).mkdir(exist_ok=True)
            (folder / name).symlink_to(shared / name)
        return folder

    return make


@pytest.fixture(scope="session")
def checkout(
    tmp_path_factory: pytest.TempPathFactory,
    callers_environment: Mapping[str, str],
    make_cache: Callable[[Path], Path],
) -> Checkout:
    """Return a copy of the repository to run sessions in, whose environments the tests share."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH: install OpenSSL's command line tool")
    index = {
        name: text
        for name, text in callers_environment.items()
        if name.startswith(("UV_", "PIP_", "SSL_CERT_")) or name.upper().endswith("_PROXY")
    }
    copy = copy_repository(tmp_path_factory.mktemp("copy") / "checkout")
    make_cache(copy / ".nox" / ".cache")
    return Checkout(copy, index)


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Interpreter]:
    """Return every interpreter here that can be measured, with what decides its verdict."""
    usable = _usable(locate(UNSCRUBBED), tmp_path_factory.mktemp("home"))
    if not usable:
        pytest.skip("no interpreter with an ssl module: install one, or pyenv with some")
    return {
        one.id: Interpreter(
            one.id,
            one.source,
            str(one.path),
            said.version,
            configure_flags=said.configure_flags,
            has=said.ssl.has if said.ssl else {},
        )
        for one, said in usable
    }


def _last(known: Mapping[str, Interpreter], fits: Callable[[Interpreter], bool]) -> Interpreter | None:
    """Return an interpreter that fits, and is none of the oldest.

    Those take long to make ready, and have neither old nor new packages.
    """
    young = [one for one in known.values() if not one.version.startswith(("2.", "3.6"))]
    return next(filter(fits, reversed(young)), None)


@pytest.fixture(scope="session")
def loose(known: dict[str, Interpreter]) -> Interpreter:
    """Return an interpreter whose own contexts go below the floor."""
    return _last(known, goes_below) or pytest.skip(
        "no Python here from 3.7 on can be downgraded: one before 3.10 in pyenv enables this"
    )


@pytest.fixture(scope="session")
def strict(known: dict[str, Interpreter]) -> Interpreter:
    """Return an interpreter that sets TLS 1.2 as the minimum of its contexts."""
    return _last(known, lambda one: one.sets_minimum) or pytest.skip(
        "no Python here sets a minimum version: one from 3.10 on in pyenv enables this"
    )


@pytest.fixture(scope="session")
def sample(known: dict[str, Interpreter]) -> Interpreter:
    """Return the interpreter for what can be shown on any."""
    return _last(known, goes_below) or next(reversed(known.values()))


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[Certificate, KeyPair]:
    """Return certificates with their keys, issued with a umask that protects nothing."""
    before = os.umask(0)
    try:
        return issue(tmp_path_factory.mktemp("keys"))
    finally:
        os.umask(before)


@pytest.fixture
def passenger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Return a function that imports a file of probes/ afresh, as `python probes/` would find it."""
    ours = {path.stem for path in (ROOT / "probes").glob("*.py")} - {"__main__"}
    ours |= {"clients", *(f"clients.{path.stem}" for path in (ROOT / "probes" / "clients").glob("*.py"))}
    monkeypatch.syspath_prepend(str(ROOT / "probes"))
    for name in ours:
        sys.modules.pop(name, None)
    yield importlib.import_module
    for name in ours:
        sys.modules.pop(name, None)


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str, str], Path]:
    """Return a function that writes an executable shell script below the test's folder."""

    def write(name: str, body: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def facts() -> dict[str, Any]:
    """Return what a healthy interpreter would say of itself."""
    return {
        "version": "3.9.18",
        "implementation": "CPython",
        "executable": "",
        "prefix": "/made/up",
        "base_prefix": "/made/up",
        "configure_flags": ["--with-openssl=/made/up"],
        "ssl": {
            "openssl": "OpenSSL 3.0.19",
            "has": {"HAS_TLSv1": True},
            "default_minimum": "MINIMUM_SUPPORTED",
            "module": None,
            "directory": None,
        },
        "ssl_unavailable": "",
        "start_up": [],
        "path": [],
        "contexts": {},
    }


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium of this machine."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="the browser tests need playwright, of the dependency group `test`"
    )
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium was found on this machine: `apt-get install chromium` enables this")
    quiet = ("no-first-run", "disable-gpu", "disable-background-networking", "disable-component-update")
    arguments = ["--no-sandbox", "--disable-sync", *(f"--{name}" for name in quiet)]
    if sys.version_info < (3, 12):
        # That of servers/processes.py serves the loops of asyncio.run alone, and Playwright has its own loop.
        asyncio.set_child_watcher(asyncio.ThreadedChildWatcher())
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """Return a witness of which processes are left."""
    one = Witness(tmp_path / "witness")
    yield one
    one.close()
