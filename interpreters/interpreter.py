"""An interpreter as every report names it: a build of Python, or a program that is measured like one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from interpreters.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interpreters.places import Place


PROGRAM = "program"
"""The source of programs: they are measured like interpreters."""


_PREFIX = f"{PROGRAM}_"


def program_id(program: str) -> str:
    """Return the id under which a program stands among interpreters; none of theirs begins so."""
    return f"{_PREFIX}{program}"


def is_program_id(name: str) -> bool:
    """Whether an id, or a name, is a program's."""
    return name.startswith(_PREFIX)


def without_program(name: str) -> str:
    """Return a name as a sentence about programs has it: the sentence says already what they are."""
    return name.removeprefix(_PREFIX)


ENVIRONMENT = "env_"
"""What the id of an environment that was found begins with."""

APPLICATION = "app_"
"""How the ids of zipapps begin; an application in such a file is an environment of its own."""

MADE = "made"
"""The environment of clients that were installed for the measurement."""

_SITE_PREFIX = "site_"


def site_id(interpreter: str) -> str:
    """Return the id of the interpreter's own site-packages whose id is given."""
    return f"{_SITE_PREFIX}{interpreter}"


def is_site_id(name: str) -> bool:
    """Whether an id is that of an interpreter's own site-packages, measured as they are."""
    return name.startswith(_SITE_PREFIX)


_SENT_PREFIX = "newest_"


def sent_id(interpreter: str) -> str:
    """Return the id of an interpreter of a place with what is sent there: see sent.py."""
    return f"{_SENT_PREFIX}{interpreter}"


def names_application(name: str) -> bool:
    """Whether an id is that of an application's own environment, and of no interpreter."""
    return name.startswith((ENVIRONMENT, APPLICATION))


NOT_SHOWN = "(not shown)"
"""Stands for the value of a variable that no report gives, because what it names may be private."""

RUNNING = "running"
"""The source of running processes: each is measured as a fresh process of the same environment."""


def _here() -> Place:
    """Return the place of what is on this machine; the gate, which reads ids alone, needs to know of none."""
    from interpreters.places import LOCAL

    return LOCAL


@dataclass(frozen=True)
class RunningProcess:
    """A process that was running when it was looked for."""

    pid: int
    user: str
    started: str
    """UTC, ISO 8601."""
    command: str
    """The program and what it runs, without arguments, which may be secrets."""
    unit: str = field(default="", kw_only=True)
    """The service of systemd that it belongs to; empty for none."""
    began: float = field(default=0.0, kw_only=True, compare=False)
    """Seconds since the epoch from which on it, or what it was forked from, may have read files; 0 where no
    more is known than when it `started`."""
    packages: tuple[str, ...] = field(default=(), kw_only=True, compare=False)
    """The folders of packages of which it has mapped modules."""
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Those of OpenSSL and of the dynamic linker that it was started with."""
    libraries: tuple[str, ...] = ()
    """The files that do TLS and that it has mapped, by the paths that they had then."""
    replaced: tuple[str, ...] = ()
    """Those of them and of its interpreter, its packages and its configuration that changed on disk since."""
    elsewhere: tuple[str, ...] = ()
    """Those of them by whose paths it gets other files than are here: it has mounts of its own."""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter, complete when it is made: see describe.py."""

    id: str
    source: str
    path: str
    version: str = ""
    implementation: str = ""
    openssl: str = ""
    configure_flags: tuple[str, ...] = ()
    start_up: tuple[str, ...] = ()
    """The files whose code runs at every start: sitecustomize, usercustomize, some `.pth`."""
    has: Mapping[str, bool] = field(default_factory=dict, hash=False)
    """HAS_TLSv1 and so on, as far as the ssl module reports them: all of them since Python 3.7."""
    context_minimum: str = ""
    """The ssl module's name of a new context's minimum; empty before Python 3.7. Evidence, never proof:
    options and security levels hold too, and code goes below it."""
    openssl_dir: str = ""
    """The folder of the openssl.cnf that was compiled in."""
    openssl_conf: str = ""
    """The OpenSSL configuration that is read at the start; empty if none is read, or none is known."""
    openssl_conf_sha256: str = ""
    """SHA-256 of that configuration and of what it includes; empty where there is none."""
    configuration_problems: tuple[str, ...] = ()
    """Why the OpenSSL configuration does not hold the interpreter as it should, in sentences."""
    build: str = ""
    """Hash of the executable and the ssl module; empty if they could not be read."""
    unavailable: str = ""
    """Why nothing can be measured in the interpreter; empty if something can."""
    environment: str = MADE
    """Where the clients are that have to be installed: `made`, or the path of the environment that was found
    and measured as it is. A client that needs no installation is measured in the interpreter itself."""
    shared_with: str = ""
    """The id of the environment that was measured in the place of this one, which is the same in all that was
    loaded and looked for there; empty for all that was measured itself."""
    other_ways: tuple[str, ...] = ()
    """The other Pythons by which its environment is entered and that start something else, such as a
    `bin/python3` that is no link to `bin/python`; each was measured by itself."""
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The variables that the interpreter was measured under, beside those of every measured process; one
    whose value is nobody's business has NOT_SHOWN."""
    processes: tuple[RunningProcess, ...] = ()
    """Those that run so, of which a fresh one was measured."""
    search_path: tuple[str, ...] = ()
    """The folders and archives that a found environment imports from; empty for one that was made."""
    distributions_sha256: str = ""
    """SHA-256 of the list of what is installed in a found environment; empty for one that was made."""
    place: Place = field(default_factory=_here)
    """Where it runs: no file that it names is one of this machine's unless that is here."""
    host: str = ""
    """The interpreter's machine in a merged report; empty in a machine's own report."""

    @property
    def name(self) -> str:
        """The interpreter's id, in a merged report with the host."""
        return f"{self.id} on {self.host}" if self.host else self.id

    @property
    def is_program(self) -> bool:
        """Whether this is a program that is no interpreter."""
        return self.source == PROGRAM

    @property
    def is_site(self) -> bool:
        """Whether this is an interpreter with its own site-packages, measured as they are."""
        return is_site_id(self.id)

    @property
    def is_sent(self) -> bool:
        """Whether this is an interpreter of a place with packages that were sent there to be measured."""
        return self.id.startswith(_SENT_PREFIX) and self.environment == MADE

    @property
    def is_as_installed(self) -> bool:
        """Whether this is an interpreter with what is installed in it, as all are in another place."""
        return self.environment != MADE and not self.is_running and not names_application(self.id)

    @property
    def is_running(self) -> bool:
        """Whether this stands for running processes."""
        return self.source == RUNNING

    @property
    def sets_minimum(self) -> bool:
        """Whether this build of Python adds a minimum version to every context it makes.

        CPython does since 3.10, unless configured --with-ssl-default-suites=openssl (what's new in
        Python 3.10, "ssl"; PyPy follows the version of the language it implements).
        """
        modern = version_of(self.version).release >= (3, 10)
        return modern and not self.leaves_suites_to_openssl and not self.is_program

    @property
    def leaves_suites_to_openssl(self) -> bool:
        """Whether the interpreter was configured --with-ssl-default-suites=openssl."""
        return "--with-ssl-default-suites=openssl" in self.configure_flags
