"""How each of the two sources is configured, made and installed: OpenSSL, and a CPython linked to it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import ssl
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from interpreters.hardening.sources import SourceError
from servers.protocols import LADDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from interpreters.hardening.build import BuildDir
    from interpreters.hardening.request import BuildRequest, ComponentRequest

TRUST = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""The files in which systems keep the certificates that they trust."""


@dataclass(frozen=True)
class ComponentBuild(ABC):
    """One source on its way to its prefix, in the build's folder."""

    request: BuildRequest
    build_dir: BuildDir
    env: Mapping[str, str]
    """What the build's own commands are run in."""

    title: ClassVar[str]
    configure_script: ClassVar[str]

    @property
    @abstractmethod
    def wanted(self) -> ComponentRequest:
        """The request for this component."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The version of the unpacked source; raises SourceError if it is none."""

    @property
    @abstractmethod
    def options(self) -> list[str]:
        """The options that the source is configured with."""

    @property
    @abstractmethod
    def targets(self) -> list[list[str]]:
        """The targets of each run of make."""

    @property
    @abstractmethod
    def install_target(self) -> str:
        """The target of make that installs."""

    @abstractmethod
    def finish(self) -> None:
        """Complete what make installed."""

    @property
    def name(self) -> str:
        """``openssl`` or ``python``."""
        return self.wanted.name

    @property
    def tree(self) -> Path:
        """The unpacked source."""
        return self.build_dir.path / self.name

    @property
    def staging(self) -> Path:
        """The folder that make installs below, as if it were the root of the file system."""
        return self.build_dir.path / "staging" / self.name

    @property
    def staged_prefix(self) -> Path:
        """Where the prefix is before it is installed in its place."""
        return self.staging / self.wanted.prefix.relative_to("/")

    def configure(self) -> None:
        """Configure the source."""
        if setup := self.wanted.component.setup:
            with (self.tree / "Modules" / "Setup.local").open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in setup)
        self._run("configure", [self.configure_script, *self.options])

    def make(self) -> None:
        """Compile the source."""
        for targets in self.targets:
            self._run("make", ["make", f"-j{self.request.jobs}", *targets])

    def install(self) -> None:
        """Install the component below its staging folder, with all that it needs to work in its place."""
        shutil.rmtree(self.staging, ignore_errors=True)
        self._run("install", ["make", f"DESTDIR={self.staging}", self.install_target])
        self.finish()

    def _run(self, verb: str, command: Sequence[str]) -> None:
        self.build_dir.command(f"{verb}-{self.name}", self.tree, command, self.env)


class OpensslBuild(ComponentBuild):
    """An OpenSSL without the protocols below the floor."""

    title = "OpenSSL"
    configure_script = "./config"

    @property
    def wanted(self) -> ComponentRequest:
        """The request for this component."""
        return self.request.openssl

    @property
    def version(self) -> str:
        """The version of the unpacked source; raises SourceError if it is none."""
        return openssl_version(self.tree)

    @property
    def options(self) -> list[str]:
        """The options that the source is configured with."""
        below = [protocol.option for protocol in LADDER if protocol.below(self.request.floor)]
        without = [f"no-{option}{suffix}" for option in below for suffix in ("", "-method")]
        prefix = self.wanted.prefix
        # Libraries in lib, where CPython looks, rather than in lib64.
        place = [f"--prefix={prefix}", f"--openssldir={prefix / 'ssl'}", "--libdir=lib"]
        return [*place, *without, "no-shared", "no-tests", *self.wanted.component.configure]

    @property
    def targets(self) -> list[list[str]]:
        """The targets of each run of make: a quick build goes without the program openssl."""
        return [["build_libs"]] if self.request.quick else [["build_libs"], ["build_programs"]]

    @property
    def install_target(self) -> str:
        """The target of make that installs."""
        return "install_dev" if self.request.quick else "install_sw"

    def finish(self) -> None:
        """Add a configuration of its own, and the system's trust: a new OpenSSL has no certificate."""
        folder = self.staged_prefix / "ssl"
        folder.mkdir(exist_ok=True)
        shutil.copy(self.tree / "apps" / "openssl.cnf", folder)
        bundle = next((path for path in (*TRUST, *_own_bundle()) if os.path.exists(path)), None)  # noqa: PTH110
        if bundle:
            (folder / "cert.pem").symlink_to(bundle)


@dataclass(frozen=True)
class PythonBuild(ComponentBuild):
    """A CPython that is linked statically to the OpenSSL of the same build."""

    openssl: OpensslBuild

    title = "Python"
    configure_script = "./configure"

    @property
    def wanted(self) -> ComponentRequest:
        """The request for this component."""
        return self.request.python

    @property
    def version(self) -> str:
        """The version of the unpacked source; raises SourceError if it is none."""
        return python_version(self.tree)

    @property
    def options(self) -> list[str]:
        """The options that the source is configured with."""
        openssl = f"--with-openssl={self.openssl.staged_prefix}"
        further = self.wanted.component.configure
        # Half of its library is its own tests, which `make install` compiles three times over. Before 3.10
        # configure does not know the option, and says so.
        quick = ["--disable-test-modules"] if self.request.quick else []
        return [f"--prefix={self.wanted.prefix}", openssl, "--disable-shared", *quick, *further]

    @property
    def targets(self) -> list[list[str]]:
        """The targets of each run of make: everything."""
        return [[]]

    @property
    def install_target(self) -> str:
        """The target of make that installs."""
        return "install"

    @property
    def staged_interpreter(self) -> Path:
        """The interpreter before it is installed in its place."""
        return self.staged_prefix / "bin" / "python3"

    def finish(self) -> None:
        """Let what Python remembers of its build name the places where things will be."""
        library, programs = self.staged_prefix / "lib", self.staged_prefix / "bin"
        for path in (*library.glob("python*/_sysconfigdata*.py"), *library.glob("python*/config-*/Makefile")):
            path.write_text(self.in_place(path.read_text(encoding="utf-8")), encoding="utf-8")
        # Those of what was just changed are stale, and pip's name the place it was unpacked in.
        for path in library.glob("python*/__pycache__/_sysconfigdata*.pyc"):
            path.unlink()
        for path in library.glob("python*/site-packages/**/__pycache__"):
            shutil.rmtree(path)
        # pip's own programs name a bin/python, which make does not install.
        for path in programs.iterdir():
            with path.open("rb+") as file:
                first = f"#!{self.wanted.prefix}/bin/python\n".encode()
                if file.readline() == first:
                    rest = file.read()
                    file.seek(0)
                    file.write(first.removesuffix(b"\n") + b"3\n" + rest)

    def in_place(self, text: str) -> str:
        """Return a text that names OpenSSL's place instead of where that was while Python was built."""
        return text.replace(str(self.openssl.staging), "")


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


def _find(path: Path, pattern: str, source: str) -> str:
    with contextlib.suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace")
        if found := re.search(pattern, text, re.MULTILINE):
            return found[1]
    msg = (
        f"what was unpacked is no source of {source}: {path.parent.name}/{path.name} does not name a version"
    )
    raise SourceError(msg)


def _own_bundle() -> tuple[str, ...]:
    """Return the bundle that the tool's own Python trusts, where it has one."""
    bundle = ssl.get_default_verify_paths().openssl_cafile
    return (bundle,) if bundle else ()
