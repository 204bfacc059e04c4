"""Builds an OpenSSL without the protocols below the floor, and a CPython that is linked to it statically."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import ssl
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.atomic import write_atomically
from interpreters.hardening.apt import Apt
from interpreters.hardening.build import Phase, Work, build_environment, moved_in
from interpreters.hardening.checks import Check, check_build
from interpreters.hardening.preflight import check_room, check_tools, check_writable, existing, unwritable
from interpreters.hardening.recipes import HardenError
from interpreters.hardening.sources import SourceError, SourceFile, obtain, sha256_of
from interpreters.hardening.unpack import DiskFullError, unpack
from interpreters.process_environment import sanitized_environment
from servers.protocols import LADDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from interpreters.hardening.recipes import Component, Recipe
    from servers.protocols import Protocol

PAGE_BASE = Path("/opt")
"""Where the AWS page puts both prefixes."""

STAMP = "harden.json"
"""Names, in a prefix, what was built there, from what, and how that was proven."""

TRUST = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where systems keep the certificates that they trust, in one file."""


class ProofError(HardenError):
    """What was built is not what it should be; the message says what was missed."""


class BuildInProgressError(HardenError):
    """Another build is at work on the same folder."""


@dataclass(frozen=True)
class Order:
    """What is to be built, from what and to where."""

    recipe: Recipe
    floor: Protocol
    """One of recipes.FLOORS."""
    base: Path
    """The folder that gets both prefixes."""
    jobs: int = 1
    quick: bool = False
    openssl_source: Path | None = None
    python_source: Path | None = None

    @property
    def prefixes(self) -> dict[str, Path]:
        """Return where ``openssl`` and ``python`` go: the page's own names."""
        base, floor = self.base.absolute(), self.floor.option
        return {name: base / f"{name}-with-min-{floor}" for name in ("openssl", "python")}

    @property
    def python(self) -> Path:
        """Return the interpreter that will be there."""
        return self.prefixes["python"] / "bin" / "python3"

    def file(self, name: str) -> Path | None:
        """Return the source file that was given for ``openssl`` or ``python``."""
        return {"openssl": self.openssl_source, "python": self.python_source}[name]

    def part(self, name: str) -> Component:
        """Return the recipe's part of that name."""
        return {"openssl": self.recipe.openssl, "python": self.recipe.python}[name]

    def key(self) -> str:
        """Return a hash of all that decides what is built; raises SourceError where a file is not there."""
        files = {}
        for name in ("openssl", "python"):
            path = self.file(name)
            if path and not path.is_file():
                msg = f"--{name}-source {path}: there is no such file"
                raise SourceError(msg)
            files[name] = sha256_of(path) if path else ""
        parts = [asdict(self.recipe.openssl), asdict(self.recipe.python)]
        told = [self.recipe.id, parts, self.floor, self.quick, str(self.base.absolute()), files]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


@dataclass
class Built:
    """A pair that is in place, and what is known of it."""

    order: Order
    stamp: dict[str, Any]
    checks: tuple[Check, ...]
    """What it was found to be, where it is."""
    fresh: bool
    """Whether it was built just now; else it was there, proven, before."""

    @property
    def summary(self) -> str:
        """Say what it is, and why nothing was done if nothing was."""
        names = versions(self.stamp)
        what = f"{self.order.prefixes['python']}: Python {names['python']} with OpenSSL {names['openssl']}"
        if self.order.quick:
            what += " (not optimized)"
        if self.fresh:
            return f"{what}, proven to hold {self.order.floor}"
        return (
            f"{what} was built before by the same recipe, proven {self.stamp['proven']}, and is what "
            "it was; --fresh builds it anew"
        )

    def prove(self, checks: Sequence[Check], further: Mapping[str, object], when: str) -> None:
        """Write down how it was proven; raises ProofError, by which it is taken away again, for a miss."""
        refuse_misses(checks)
        shown = [asdict(check) for check in (*self.checks, *checks)]
        self.stamp |= {"proven": when, "checks": shown, **further}
        write_stamp(self.order.prefixes["python"], self.stamp)


def default_base(environment: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """Return /opt, as the page has it; where that is not writable, the user's data folder, which is said."""
    reason = unwritable(PAGE_BASE)
    if not reason:
        return PAGE_BASE
    home = Path(environment.get("HOME", "~")).expanduser()
    base = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share") / "tls-floor-matrix"
    say(f"nothing can be made in {reason}: the build goes to {base}; --prefix DIR chooses another")
    return base


def refuse_misses(checks: Sequence[Check]) -> None:
    """Raise ProofError if anything was not shown."""
    if missed := [f"{check.what}: no ({check.found})" for check in checks if not check.passed]:
        msg = f"the build is not what it should be, so nothing was installed: {'; '.join(missed)}"
        raise ProofError(msg)


def read_stamp(prefix: Path) -> dict[str, Any] | None:
    """Return what a prefix says was built there; None if it says nothing that can be read."""
    try:
        stamp = json.loads((prefix / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) else None


def write_stamp(prefix: Path, stamp: Mapping[str, Any]) -> None:
    """Write the stamp, complete or not at all."""
    write_atomically(prefix / STAMP, json.dumps(stamp, indent=2) + "\n")


@contextlib.contextmanager
def hardened(
    order: Order,
    cache: Path,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    *,
    anew: bool = False,
) -> Iterator[Built]:
    """Build the pair and have it in place for the block, for good if the block succeeds.

    If the block fails, as it does when the pair cannot be proven, or on Ctrl-C, the prefixes are as they
    were; what was built is kept aside, so that another run goes on from there. Raises HardenError.
    """
    cache.mkdir(parents=True, exist_ok=True)
    base = existing(order.base)
    with _alone(cache), _alone(base), _full_disks():
        key = order.key()
        stamp = None if anew else _proven(order, key)
        if stamp:
            yield Built(order, stamp, _checked(order, stamp, environment, cache), fresh=False)
            return
        _refuse_strangers(order, key, anew=anew)
        _refuse_spaces(cache, order.base.absolute())
        for prefix in order.prefixes.values():
            check_writable(prefix)
        work = Work(cache / key, say)
        stamp, moves = _build(order, key, work, environment, say)
        with moved_in(moves):
            yield Built(order, stamp, _checked(order, stamp, environment, cache), fresh=True)
        work.tidy()


def _checked(
    order: Order, stamp: Mapping[str, Any], environment: Mapping[str, str], cache: Path
) -> tuple[Check, ...]:
    """Return what a build is found to be where it is; raises ProofError for any miss."""
    found = check_build(order.python, versions(stamp), order.floor, _inside(environment, cache))
    refuse_misses(found)
    return found


def versions(stamp: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions of the two sources, by ``openssl`` and ``python``."""
    return {name: str(stamp[name]["version"]) for name in ("openssl", "python")}


def _proven(order: Order, key: str) -> dict[str, Any] | None:
    """Return the stamp of a build that is in place, proven, and by this very recipe."""
    stamp = read_stamp(order.prefixes["python"])
    return stamp if stamp and stamp.get("key") == key and stamp.get("proven") else None


def _refuse_strangers(order: Order, key: str, *, anew: bool) -> None:
    """Refuse to replace a folder that holds anything but this same build."""
    for prefix in order.prefixes.values():
        if not prefix.exists() or (prefix.is_dir() and not any(prefix.iterdir())):
            continue
        stamp = read_stamp(prefix)
        if stamp is None:
            msg = f"{prefix} is there already and not by us: move it away, or choose with --prefix DIR"
            raise HardenError(msg)
        if stamp.get("key") != key and not anew:
            msg = (
                f"{prefix} has the build {stamp.get('recipe')} with other settings: --fresh replaces it, "
                "--prefix DIR puts this one elsewhere"
            )
            raise HardenError(msg)


def _refuse_spaces(*folders: Path) -> None:
    """Refuse folders that the builds' own scripts would take for two words, or for something to expand."""
    for folder in folders:
        if odd := re.search(r"[^\w@%+=:,./-]", str(folder)):
            msg = f"{folder} has {odd[0]!r} in its name, which configure cannot take: use a folder without it"
            raise HardenError(msg)


def _build(
    order: Order, key: str, work: Work, environment: Mapping[str, str], say: Callable[[str], None]
) -> tuple[dict[str, Any], dict[Path, Path]]:
    """Do what is left of the build; return its stamp, and what is to be moved where."""
    lacking = check_tools(environment, packages=_needs_package_tools(order))
    if lacking:
        say(f"this Python will be without {', '.join(lacking)}, whose headers are not here")
    if order.recipe.end_of_life:
        say(f"{order.recipe.id} is at its end of life: nobody repairs what is found in it from now on")
    for other in work.folder.parent.iterdir():  # what an earlier build of something else left
        if other.is_dir() and other != work.folder:
            shutil.rmtree(other, ignore_errors=True)
    if work.is_new:
        check_room(work.folder, order.prefixes["python"])
    site = PairBuilder(order, key, work, environment, say)
    work.run(site.phases())
    return site.stamp(), {prefix: site.aside(name) for name, prefix in order.prefixes.items()}


def _needs_package_tools(order: Order) -> bool:
    """Whether a Debian source package may have to be unpacked."""
    files = {name: order.file(name) for name in ("openssl", "python")}
    from_apt = any(order.part(name).package and not file for name, file in files.items())
    given = any(file.suffix == ".dsc" for file in files.values() if file)
    return given or (from_apt and shutil.which("apt-get") is not None)


class PairBuilder:
    """One build: its phases, and where each finds what the one before has left."""

    def __init__(
        self,
        order: Order,
        key: str,
        work: Work,
        environment: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self.order = order
        self.work = work
        self._key = key
        self._environment = environment
        self._build_environment = build_environment(environment, quick=order.quick)
        self._say = say

    def phases(self) -> tuple[Phase, ...]:
        """Return what is to be done, in order."""
        names = {name: f"{title} {self.order.part(name).version}" for name, title in TITLES.items()}
        found: list[Phase] = [Phase("fetch", "fetch the sources", self._fetch, "fetch")]
        for name, title in names.items():
            unpacking = f"unpack-{name}"
            steps = (
                ("unpack", self._unpack, unpacking),
                ("configure", self._configure, unpacking),
                ("make", self._make, unpacking),
                ("install", self._install, f"install-{name}"),
            )
            found += [
                Phase(f"{verb}-{name}", f"{verb} {title}", _call(act, name), again)
                for verb, act, again in steps
            ]
        found.append(Phase("check", "check what was built", self._check, "unpack-python"))
        return tuple(found)

    def aside(self, name: str) -> Path:
        """Return where a prefix is before it is moved to its place."""
        return self._root(name) / self.order.prefixes[name].relative_to("/")

    def stamp(self) -> dict[str, Any]:
        """Return what was built, from what."""
        sources = self._sources()
        return {
            "schema_version": 1,
            "key": self._key,
            "recipe": self.order.recipe.id,
            "floor": self.order.floor,
            "quick": self.order.quick,
            "end_of_life": self.order.recipe.end_of_life,
            **{
                name: {
                    "version": self._version(name),
                    "prefix": str(self.order.prefixes[name]),
                    "source": sources[name].origin,
                    "sha256": sources[name].sha256,
                    "configure": [self._final(str(option)) for option in self._options(name)],
                }
                for name in TITLES
            },
        }

    def _root(self, name: str) -> Path:
        return self.work.folder / "aside" / name

    def _tree(self, name: str) -> Path:
        return self.work.folder / name

    def _fetch(self) -> None:
        folder = self.work.folder / "sources"
        apt = Apt(folder / "apt", self._environment)
        sources = {}
        for name in TITLES:
            sources[name] = obtain(name, self.order.part(name), self.order.file(name), folder, apt, self._say)
            self._say(f"  {name}: {sources[name].origin}")
        told = {
            name: {**asdict(source), "path": str(source.path.absolute())} for name, source in sources.items()
        }
        (self.work.folder / "sources.json").write_text(json.dumps(told), encoding="utf-8")

    def _sources(self) -> dict[str, SourceFile]:
        told = json.loads((self.work.folder / "sources.json").read_text(encoding="utf-8"))
        return {
            name: SourceFile(Path(one["path"]), one["sha256"], one["origin"]) for name, one in told.items()
        }

    def _unpack(self, name: str) -> None:
        part = self.order.part(name)
        unpack(self._sources()[name], part.skip_patches, self._tree(name), self._environment)
        version = self._version(name)
        if not part.accepts(version):
            msg = (
                f"the source of {name} is {version}; the recipe {self.order.recipe.id} builds {part.version}"
            )
            raise SourceError(msg)

    def _version(self, name: str) -> str:
        return VERSIONS[name](self._tree(name))

    def _options(self, name: str) -> list[str | Path]:
        prefix, further = self.order.prefixes[name], self.order.part(name).configure
        if name == "python":
            openssl = self.aside("openssl")
            return [f"--prefix={prefix}", f"--with-openssl={openssl}", "--disable-shared", *further]
        below = [one.option for one in LADDER if one.below(self.order.floor)]
        without = [f"no-{one}{what}" for one in below for what in ("", "-method")]
        # Libraries in lib, where CPython looks, rather than in lib64.
        place = [f"--prefix={prefix}", f"--openssldir={prefix / 'ssl'}", "--libdir=lib"]
        return [*place, *without, "no-shared", "no-tests", *further]

    def _configure(self, name: str) -> None:
        program = {"openssl": "./config", "python": "./configure"}[name]
        if setup := self.order.part(name).setup:
            with (self._tree(name) / "Modules" / "Setup.local").open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in setup)
        self._command("configure", name, [program, *self._options(name)])

    def _make(self, name: str) -> None:
        openssl = [["build_libs"]] if self.order.quick else [["build_libs"], ["build_programs"]]
        everything: list[list[str]] = [[]]
        for targets in {"openssl": openssl, "python": everything}[name]:
            self._command("make", name, ["make", f"-j{self.order.jobs}", *targets])

    def _install(self, name: str) -> None:
        shutil.rmtree(self._root(name), ignore_errors=True)
        software = "install_dev" if self.order.quick else "install_sw"
        target = {"openssl": software, "python": "install"}[name]
        self._command("install", name, ["make", f"DESTDIR={self._root(name)}", target])
        {"openssl": self._finish_openssl, "python": self._finish_python}[name]()
        write_stamp(self.aside(name), self.stamp_so_far())

    def stamp_so_far(self) -> dict[str, Any]:
        """Return what marks a prefix as ours."""
        return {"key": self._key, "recipe": self.order.recipe.id}

    def _finish_openssl(self) -> None:
        """Give it its own configuration, and the system's trust: a new OpenSSL has no certificate."""
        folder = self.aside("openssl") / "ssl"
        folder.mkdir(exist_ok=True)
        shutil.copy(self._tree("openssl") / "apps" / "openssl.cnf", folder)
        bundle = next((path for path in (*TRUST, *_ours()) if os.path.exists(path)), None)  # noqa: PTH110
        if bundle:
            (folder / "cert.pem").symlink_to(bundle)

    def _finish_python(self) -> None:
        """Let what it remembers of its build name the places where things will be."""
        library, programs = self.aside("python") / "lib", self.aside("python") / "bin"
        for path in (*library.glob("python*/_sysconfigdata*.py"), *library.glob("python*/config-*/Makefile")):
            path.write_text(self._final(path.read_text(encoding="utf-8")), encoding="utf-8")
        # Those of what was just changed are stale, and pip's name the place it was unpacked in.
        for path in library.glob("python*/__pycache__/_sysconfigdata*.pyc"):
            path.unlink()
        for path in library.glob("python*/site-packages/**/__pycache__"):
            shutil.rmtree(path)
        # pip's own programs name a bin/python, which make does not install.
        prefix = self.order.prefixes["python"]
        for path in programs.iterdir():
            with path.open("rb+") as file:
                first = f"#!{prefix}/bin/python\n".encode()
                if file.readline() == first:
                    rest = file.read()
                    file.seek(0)
                    file.write(first.removesuffix(b"\n") + b"3\n" + rest)

    def _final(self, text: str) -> str:
        """Return a text that names OpenSSL's place instead of where that was while Python was built."""
        return text.replace(str(self._root("openssl")), "")

    def _check(self) -> None:
        python = self.aside("python") / "bin" / "python3"
        found = check_build(
            python,
            {name: self._version(name) for name in TITLES},
            self.order.floor,
            _inside(self._environment, self.work.folder),
        )
        refuse_misses(found)

    def _command(self, verb: str, name: str, command: Sequence[str | Path]) -> None:
        self.work.command(f"{verb}-{name}", self._tree(name), command, self._build_environment)


TITLES = {"openssl": "OpenSSL", "python": "Python"}


def openssl_version(tree: Path) -> str:
    """Return the version of an OpenSSL source tree; raises SourceError if it is none."""
    with contextlib.suppress(OSError):
        text = (tree / "VERSION.dat").read_text(encoding="utf-8")
        numbers = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
        number = ".".join(numbers.get(key, "") for key in ("MAJOR", "MINOR", "PATCH"))
        return f"{number}{numbers.get('PRE_RELEASE_TAG', '') and '-' + numbers['PRE_RELEASE_TAG']}"
    return _find(tree / "include" / "openssl" / "opensslv.h", r'"OpenSSL (\d\S*) ', "OpenSSL")


def python_version(tree: Path) -> str:
    """Return the version of a CPython source tree; raises SourceError if it is none."""
    return _find(tree / "Include" / "patchlevel.h", r'^#define PY_VERSION\s+"(\d[^"+]*)', "CPython")


VERSIONS: dict[str, Callable[[Path], str]] = {"openssl": openssl_version, "python": python_version}


def _find(path: Path, pattern: str, what: str) -> str:
    with contextlib.suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace")
        if found := re.search(pattern, text, re.MULTILINE):
            return found[1]
    msg = f"what was unpacked is no source of {what}: {path.parent.name}/{path.name} does not name a version"
    raise SourceError(msg)


def _call(act: Callable[[str], None], name: str) -> Callable[[], None]:
    return lambda: act(name)


def _ours() -> tuple[str, ...]:
    """Return the bundle that the tool's own Python trusts, where it has one."""
    bundle = ssl.get_default_verify_paths().openssl_cafile
    return (bundle,) if bundle else ()


def _inside(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the environment in which a build is asked what it is."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return sanitized_environment(environment, home)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder for one build; raises BuildInProgressError if another has it.

    The lock is on the folder itself, so nothing is left behind, and it ends with the process.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"another hardened build is at work in {folder}: wait until it is done"
            raise BuildInProgressError(msg) from None
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _full_disks() -> Iterator[None]:
    """Turn what the system says when a disk is full, or forbids something, into a sentence."""
    try:
        yield
    except OSError as error:
        # What shutil could not copy comes as a list of texts, without an error number.
        full = error.errno == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error)
        where = error.filename or "a file"
        if full:
            msg = "no space is left on the disk: make room, and run it again to go on"
            raise DiskFullError(msg) from error
        msg = f"{where} could not be written or read: {error.strerror or error}"
        raise HardenError(msg) from error
