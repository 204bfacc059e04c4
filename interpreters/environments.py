"""Makes an interpreter's virtual environments; uses each again until interpreter or requirements change."""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.errors import FloorError
from interpreters.identify import fingerprint
from interpreters.indexes import pip_sources
from interpreters.locks import BusyError, locked
from interpreters.process_environment import PASSED_THROUGH
from interpreters.processes import run, signal_name
from interpreters.scratch import scratch_folder
from interpreters.versions import version_of
from interpreters.ways import PYTHON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from interpreters.clients import ClientKey
    from interpreters.identify import Identity

STAMP = "floor-environment.json"
"""The file in an environment that says what it was made from; written last, so a half-made one has none."""

OLD_VIRTUALENV = "virtualenv==20.21.1"
"""The last release line that makes environments for Python 2.7 (virtualenv's changelog, 20.22)."""

OLDEST_FOR_UV = (3, 6)
"""uv refuses to make an environment for anything older."""

FAILURE = "floor-failure.json"
"""The file in an environment that says what could not be installed, with which settings and when."""

REMEMBERED = 24 * 3600.0
"""Seconds for which an installation that failed is not tried again."""

_PASSING = re.compile(
    r"dns error|failed to fetch|\bconnect(ion|ing)?\b|(connect|read)timeout|timed out|\bnetwork\b|unreachable"
    r"|status code 5\d\d|certificate verify|temporary failure|no space left|too many open files"
    r"|permission denied|died of SIG",
    re.IGNORECASE,
)
"""Words of an installer about a failure that may be over in a minute, and is not the requirement's."""

WORKING_FOLDER = Path("/proc/self/cwd")
"""Another name of the folder in which a process runs, on Linux."""

UTF8_LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
"""A locale that takes any path, and in which installers speak the English that is read here."""

WITHOUT_WHEELS = ("contextvars", "idna-ssl")
"""Pure Python that was published without wheels, and is built all the same, in a second: without these two
Python 3.6 gets an httpx and an aiobotocore of years before."""

AT_ONCE = 8
"""Environments that are made at a time: an installer mostly waits for an index."""

STEP_LIMIT = 600.0
"""Seconds that one installer command may take."""

PACKAGES = "packages"
"""Folder of the cache for packages that are installed once for copies of one interpreter: to link thousands
of files anew for each takes as long as to measure it."""

NO_SETTINGS = Path("/")
"""Where uv installs from: it takes a uv.toml or pyproject.toml of any folder above, and so of anybody's."""


@dataclass(frozen=True)
class ClientVenv:
    """A virtual environment for some clients, or the reason why their requirement is not in it."""

    python: Path | None
    """The environment's interpreter; None if no environment could be made."""
    clients: tuple[ClientKey, ...] = ()
    """The clients whose requirement the environment was made for."""
    unavailable: str = ""
    """Why their requirement could not be installed; empty if it was."""


@dataclass(frozen=True)
class VenvRequest:
    """The environment to make: of which interpreter, with which requirements, for whom, and where."""

    path: Path
    """The interpreter as it was found; a wrapper starts another one, which its identity names."""
    identity: Identity
    requirements: tuple[str, ...]
    folder: Path
    clients: tuple[ClientKey, ...] = ()
    alike: str = ""
    """What only interpreters have in common that get the same packages, which are installed once for them;
    empty for one whose packages are its own."""

    @property
    def python(self) -> Path:
        """Where the environment has its interpreter."""
        return self.folder / PYTHON

    @property
    def base(self) -> Path:
        """The interpreter that the environment leads to.

        Behind a wrapper is another executable: the conditions set variables that the wrapper would set again.
        """
        actual = Path(self.identity.executable or self.path)
        return actual if actual.exists() else self.path

    @property
    def modern(self) -> bool:
        """Whether uv makes environments for this interpreter."""
        return version_of(self.identity.version).release >= OLDEST_FOR_UV

    def venv(self, unavailable: str = "") -> ClientVenv:
        """Return the environment that was made, with the reason if the requirements are not in it."""
        return ClientVenv(self.python, self.clients, unavailable)


@dataclass(frozen=True)
class Installer:
    """How environments are made: by which uv, from which sources, and in which cache."""

    uv: str
    cache: Path
    """The folder of the environments, and of what the installers keep for all of them."""
    tool_python: Path
    """The Python that runs the old virtualenv for interpreters which uv refuses."""
    find_links: Path | None = None
    """A folder of wheels; with it, no index is asked."""
    build: bool = False
    """Whether a distribution without a wheel is built from source, which takes long and runs its own code."""
    anew: bool = False
    """Whether all packages are installed again, and none shared that were installed today."""
    turns: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(AT_ONCE), compare=False, repr=False
    )
    """Held by whoever makes an environment."""
    installing: Mapping[str, threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock), compare=False, repr=False
    )
    """Held, by their name, by whoever installs packages for several environments."""

    @property
    def packages(self) -> Path:
        """The folder of packages that several environments lead to."""
        return self.cache / PACKAGES

    @property
    def sources(self) -> list[str]:
        """Options, the same for uv and pip, that say where distributions come from."""
        return ["--no-index", "--find-links", str(self.find_links)] if self.find_links else []

    @property
    def kinds(self) -> list[str]:
        """Options, the same for uv and pip, that say which kinds of distributions are installed."""
        if self.build:
            return []
        # A folder of wheels may have some of these, which would be refused.
        built = () if self.find_links else WITHOUT_WHEELS
        return ["--only-binary", ":all:", *(word for name in built for word in ("--no-binary", name))]


class NoEnvironmentError(FloorError):
    """No environment can be made; the message is the reason a report can print."""


def is_made(path: Path, requirements: Sequence[str], folder: Path, find_links: Path | None = None) -> bool:
    """Whether `folder` holds an environment for this very file with these requirements in it."""
    try:
        made_from = json.loads((folder / STAMP).read_text())
        # What it leads to may have been removed.
        whole = (folder / PYTHON).exists() and all(map(Path.exists, packages_of(folder)))
        return whole and bool(made_from == _origin(path, requirements, find_links))
    except (OSError, ValueError):
        return False


def packages_of(folder: Path) -> list[Path]:
    """Return the folders of an environment's packages, which may lead to those of several environments."""
    found = (library / "site-packages" for library in folder.glob("lib/*"))
    return [packages for packages in found if packages.is_symlink() or packages.exists()]


def prepare(request: VenvRequest, installer: Installer, env: Mapping[str, str]) -> ClientVenv:
    """Return the environment that was requested, or why it cannot be made.

    An environment that is there is used again if neither the interpreter's file nor the requirements have
    changed. A failed installation still gives an environment, because the standard library can be measured
    in it. `env` is the caller's.
    """
    ours = installers_environment(env, installer.cache / "home")
    try:
        origin = _origin(request.path, request.requirements, installer.find_links)
        attempt = {**origin, "build": installer.build, "settings": _settings(ours)}
        with locked(request.folder, shared=True):
            if known := _known(request, installer, attempt):
                return known
        with locked(request.folder, shared=False):
            # Another run may have made it meanwhile.
            if known := _known(request, installer, attempt):
                return known
            with installer.turns:
                return _make(request, installer, ours, attempt)
    except (BusyError, OSError) as error:
        return ClientVenv(None, request.clients, str(error))


def _known(request: VenvRequest, installer: Installer, attempt: Mapping[str, object]) -> ClientVenv | None:
    """Return the environment as an earlier run left it; None if it has to be made."""
    if is_made(request.path, request.requirements, request.folder, installer.find_links):
        return request.venv()
    return _failed_lately(request, attempt)


def _make(
    request: VenvRequest, installer: Installer, ours: Mapping[str, str], attempt: Mapping[str, object]
) -> ClientVenv:
    """Make the environment, and write into it what it was made from, or which attempt failed."""
    shutil.rmtree(request.folder, ignore_errors=True)
    try:
        maker = _make_empty(request, installer, ours)
    except subprocess.SubprocessError as error:
        return ClientVenv(None, request.clients, f"no environment could be made for {request.path}: {error}")
    if request.requirements:
        try:
            _install(request, installer, ours, maker)
        except subprocess.SubprocessError as error:
            problem = f"{' '.join(request.requirements)} could not be installed: {error}"
            if _PASSING.search(str(error)):
                return request.venv(problem)
            if not installer.build:
                problem += " (of wheels alone: --build also builds from source)"
            note = {"attempt": dict(attempt), "problem": problem, "at": time.time()}
            (request.folder / FAILURE).write_text(json.dumps(note))
            return request.venv(problem)
    origin = _origin(request.path, request.requirements, installer.find_links)
    (request.folder / STAMP).write_text(json.dumps(origin))
    return request.venv()


class _Maker(enum.Enum):
    """Who made an environment, which decides who can install into it."""

    UV = enum.auto()
    VIRTUALENV = enum.auto()
    VENV = enum.auto()
    """Python's own module: uv refuses an interpreter whose start-up code prints, as some agents' does."""


def _make_empty(request: VenvRequest, installer: Installer, ours: Mapping[str, str]) -> _Maker:
    """Make an environment without anything in it; raises SubprocessError with all that was tried."""
    try:
        run_installer(_make_command(request, installer), ours)
    except subprocess.SubprocessError as error:
        if not request.modern:
            raise
        shutil.rmtree(request.folder, ignore_errors=True)
        try:
            _make_by_venv(request, ours)
        except subprocess.SubprocessError as other:
            msg = f"{error}; and by its own venv: {other}"
            raise subprocess.SubprocessError(msg) from error
        return _Maker.VENV
    return _Maker.UV if request.modern else _Maker.VIRTUALENV


def _make_by_venv(request: VenvRequest, ours: Mapping[str, str]) -> None:
    run_installer([str(request.base), "-m", "venv", "--without-pip", str(request.folder)], ours)
    if not request.python.exists():
        msg = "it made nothing"
        raise subprocess.SubprocessError(msg)


def _install(request: VenvRequest, installer: Installer, ours: Mapping[str, str], maker: _Maker) -> None:
    """Install into an environment; raises SubprocessError if that fails."""
    by_uv, by_pip = _uv_command(request, installer), _pip_command(request, installer)
    if maker is _Maker.UV:
        if not _leads_to_shared(request, installer, ours):
            run_installer(by_uv, ours, NO_SETTINGS)
        return
    if maker is _Maker.VIRTUALENV:
        run_installer(by_pip, ours, request.folder)
        return
    try:
        run_installer(by_uv, ours, NO_SETTINGS)
    except subprocess.SubprocessError:
        # Start-up code that prints in the environment too: uv fails on it, and pip does not.
        run_installer([str(request.python), "-m", "ensurepip"], ours)
        run_installer(by_pip, ours, request.folder)


def _leads_to_shared(request: VenvRequest, installer: Installer, ours: Mapping[str, str]) -> bool:
    """Let an environment lead to packages that its interpreter's copies share, installed if there are none.

    Those of another day are not used: whoever makes an environment gets the releases of the day. Return
    whether it does; not where something else is in its folder already, as uv puts there before Python 3.10.
    Raises SubprocessError if they cannot be installed.
    """
    match packages_of(request.folder):
        case [own] if request.alike and not installer.anew and not any(own.iterdir()):
            facts = (request.alike, request.requirements, *map(str, (installer.find_links, installer.build)))
            day = dt.datetime.fromtimestamp(time.time(), dt.UTC).date()
            name = hashlib.sha256(repr((*facts, _settings(ours), f"{day}")).encode()).hexdigest()[:16]
        case _:
            return False
    place = installer.packages / name
    with installer.installing[name]:
        if not place.exists():
            with scratch_folder(installer.cache, "packages-") as aside:
                made = aside / name
                run_installer([*_uv_command(request, installer), "--target", str(made)], ours, NO_SETTINGS)
                place.parent.mkdir(exist_ok=True)
                _moved(made, place)
    own.rmdir()
    # Seen from the link, so that a cache that was copied or moved leads to what is in it.
    own.symlink_to(os.path.relpath(place.resolve(), own.parent.resolve()))
    return True


def _moved(made: Path, place: Path) -> None:
    """Move a folder, unless another run was quicker with the same; raises OSError."""
    try:
        made.rename(place)
    except OSError:
        if not place.exists():
            raise


def forget(folder: Path) -> None:
    """Remove an environment, and what is remembered of it, as soon as no other run uses it.

    Raises NoEnvironmentError where another run uses the environment for too long.
    """
    try:
        with locked(folder, shared=False):
            shutil.rmtree(folder, ignore_errors=True)
    except BusyError as error:
        raise NoEnvironmentError(str(error)) from None


def _failed_lately(request: VenvRequest, attempt: Mapping[str, object]) -> ClientVenv | None:
    """Return the environment where the same attempt failed within a day; None if there is none."""
    try:
        note = json.loads((request.folder / FAILURE).read_text())
        problem, at = str(note["problem"]), float(note["at"])
        if note["attempt"] != attempt or not request.python.exists():
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # A clock that was set back makes it of the future.
    if not 0 <= time.time() - at < REMEMBERED:
        return None
    when = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return request.venv(f"{problem} (tried at {when}; --fresh tries again)")


def _settings(env: Mapping[str, str]) -> str:
    """Return a hash of what decides from where and how the installers install."""
    names = (name for name in env if re.match(r"(UV|PIP)_|SSL_CERT_|.*_PROXY$", name, re.IGNORECASE))
    text = json.dumps({name: env[name] for name in sorted(names)})
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def _origin(path: Path, requirements: Sequence[str], find_links: Path | None) -> dict[str, object]:
    """Return what an environment is made from; if anything of that differs, the environment is made again."""
    return {
        "interpreter": fingerprint(path),
        "requirements": list(requirements),
        "find_links": str(find_links or ""),
    }


def _make_command(request: VenvRequest, installer: Installer) -> list[str]:
    """Return the command that makes an environment; virtualenv's, if uv refuses the interpreter."""
    leading_to = ("--python", str(request.base), str(request.folder))
    if request.modern:
        return [installer.uv, "venv", "--quiet", "--no-config", "--no-project", *leading_to]
    return [
        *(installer.uv, "tool", "run", "--quiet", "--no-config", "--python", str(installer.tool_python)),
        *(*installer.sources, "--from", OLD_VIRTUALENV, "virtualenv", "--quiet", "--no-periodic-update"),
        *("--app-data", str(installer.cache / "virtualenv"), *leading_to),
    ]


def _uv_command(request: VenvRequest, installer: Installer) -> list[str]:
    """Return the command by which uv installs."""
    return [
        *(installer.uv, "pip", "install", "--quiet", "--python", str(request.python)),
        *(*installer.sources, *installer.kinds, *request.requirements),
    ]


def _pip_command(request: VenvRequest, installer: Installer) -> list[str]:
    """Return the command by which the environment's own pip installs."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-python-version-warning")
    return [
        *(str(_in_ascii(request.python)), "-m", "pip", "install", *quiet),
        *(*installer.sources, *installer.kinds, *request.requirements),
    ]


def installers_environment(env: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the environment of installers: what they need, and no variable that names another Python.

    Installers run the interpreter that an environment is for, which somebody else may have written: of the
    caller's it sees no credentials but those of an index, and for a home the folder `home` of ours. What is
    set for pip alone is set for uv too.
    """
    dropped = {"UV_PYTHON", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_USER"}
    kept = {
        name: value
        for name, value in env.items()
        if name not in dropped
        and (name in PASSED_THROUGH | INSTALLERS_NEED or name.startswith(("UV_", "PIP_", "LC_")))
    }
    # Old ones cannot read a path that has other letters than the locale, which cron leaves at C.
    ours = {"HOME": str(home), "LC_ALL": UTF8_LOCALE}
    return {**_in_home(env), **kept, **pip_sources({**env, **kept}), **ours}


INSTALLERS_NEED = frozenset(
    {
        # How the network is reached, and whom to trust there.
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "NIX_SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        # Where the installers' own caches, settings and passwords for an index are.
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME", "NETRC"),
        # What builds a distribution that is no wheel.
        *("CC", "CXX", "CPPFLAGS", "CFLAGS", "CXXFLAGS", "LDFLAGS", "PKG_CONFIG_PATH"),
        *("SDKROOT", "DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET"),
    }
)
"""Variables that installers get beside PASSED_THROUGH, and beside those that begin with UV_, PIP_ or LC_."""


def _in_home(env: Mapping[str, str]) -> dict[str, str]:
    """Return what leads installers to their caches and settings in the caller's home, which is not theirs.

    Sources: uv's page on storage, pip's on configuration, netrc's variable in both.
    """
    if not (name := env.get("HOME")):
        return {}
    home = Path(name)
    folders = {"XDG_CACHE_HOME": ".cache", "XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share"}
    settings = (".pip/pip.conf", "Library/Application Support/pip/pip.conf", ".config/pip/pip.conf")
    files = {
        "PIP_CONFIG_FILE": next((home / file for file in settings if (home / file).is_file()), None),
        "NETRC": home / ".netrc" if (home / ".netrc").is_file() else None,
    }
    found = {variable: home / folder for variable, folder in folders.items()} | files
    return {variable: str(path) for variable, path in found.items() if path}


def _in_ascii(python: Path) -> Path:
    """Return an environment's Python as its path can be spelled within the environment's own folder.

    The pip of Python 2.7 installs into no folder whose path has letters that are not ASCII: proc(5).
    """
    return python if str(python).isascii() or not WORKING_FOLDER.is_dir() else WORKING_FOLDER / PYTHON


def run_installer(command: Sequence[str], env: Mapping[str, str], folder: Path | None = None) -> None:
    """Run one installer command in a folder; raises SubprocessError with one line of its last words."""
    try:
        status, output = run(command, env, STEP_LIMIT, folder)
    except subprocess.TimeoutExpired:
        msg = f"{Path(command[0]).name} did not finish within {STEP_LIMIT:g} s"
        raise subprocess.SubprocessError(msg) from None
    except OSError as error:
        msg = f"{command[0]} cannot be run: {error.strerror or error}"
        raise subprocess.SubprocessError(msg) from error
    if status < 0:
        msg = f"{Path(command[0]).name} died of {signal_name(-status)}: {_last_words(output)}"
        raise subprocess.SubprocessError(msg)
    if status:
        raise subprocess.SubprocessError(_last_words(output))


def _last_words(output: str) -> str:
    """Condense an installer's output to its error: uv draws trees and boxes, pip repeats warnings."""
    lines = [re.sub(r"^[\s×╰─▶│├·>-]+", "", line).strip() for line in output.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("WARNING", "DEPRECATION", "hint:"))]
    # pip; uv explains below its error. Why a distribution's own setup failed stands above pip's words.
    errors = [
        line for line in telling if line.startswith("ERROR:") or re.match(r"\w+(Error|Exception): ", line)
    ]
    return " ".join(errors or telling)[:400] or "it ended without a word"
