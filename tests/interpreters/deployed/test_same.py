"""Environments that are the same: whatever counts of them splits them, and where they are does not."""

from __future__ import annotations

import os
import py_compile
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.deployed import same as same_module
from interpreters.deployed.same import HEADER, Counted, LinkedFiles, alike, contents, told_apart
from interpreters.identify import parse_identity
from interpreters.locate import Candidate
from interpreters.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = "lib/python3.9/site-packages"
WHEN = 1_700_000_000


def make(folder: Path) -> Path:
    """Make an environment with the usual files, of which some name its folder; return the folder."""
    files = {
        "pyvenv.cfg": "home = /usr/bin\ninclude-system-site-packages = false\n"
        f"prompt = {folder.name}\ncommand = /usr/bin/python3 -m venv {folder}\n",
        "bin/activate": f"VIRTUAL_ENV={folder}\n",
        "bin/tool": f"#!{folder}/bin/python\n",
        f"{PACKAGES}/one/__init__.py": "import two\n",
        f"{PACKAGES}/two.py": "VALUE = 1\n",
        f"{PACKAGES}/own.pth": f"{folder}/src\n",
        f"{PACKAGES}/start.pth": "import two\n",
        f"{PACKAGES}/one-1.0.dist-info/METADATA": "Version: 1.0\n",
        f"{PACKAGES}/one-1.0.dist-info/RECORD": f"../../../bin/tool,sha256={folder.name}\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "lib64").symlink_to("lib")
    (folder / "bin/python").symlink_to("/usr/bin/env")
    compiled(folder / PACKAGES / "two.py", WHEN + len(folder.name))
    return folder


def compiled(source: Path, when: int) -> Path:
    """Compile a source that was written then; return the compiled file."""
    os.utime(source, (when, when))
    return Path(str(py_compile.compile(str(source), doraise=True, invalidation_mode=TIMED)))


TIMED = py_compile.PycInvalidationMode.TIMESTAMP


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Return two environments that are the same, in folders whose names differ in length."""
    return make(tmp_path / "a"), make(tmp_path / "srv" / "another")


def test_where_an_environment_is_does_not_count(pair: tuple[Path, Path]) -> None:
    """Neither its path, where files name that, nor times, prompts and installers' records count."""
    one, other = map(contents, pair)
    assert one == other != ""


def _tampered(folder: Path) -> None:
    """Change what a compiled file does, which its Python believes all the same."""
    source = folder / PACKAGES / "two.py"
    kept, when = source.read_text(), int(source.stat().st_mtime)
    source.write_text(kept.replace("1", "2"))
    compiled(source, when)
    source.write_text(kept)
    os.utime(source, (when, when))


def _stale(folder: Path) -> None:
    """Make a compiled file one that its Python no longer believes."""
    os.utime(folder / PACKAGES / "two.py", (WHEN - 9, WHEN - 9))


def _without_source(folder: Path) -> None:
    """Leave the compiled file alone where a Python would load it in the place of a source."""
    (cached,) = (folder / PACKAGES / "__pycache__").glob("two.*.pyc")
    cached.rename(folder / PACKAGES / "three.pyc")


def _writes(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte of a module": _writes(f"{PACKAGES}/one/__init__.py", "import tw0\n"),
    "a byte of a .pth": _writes(f"{PACKAGES}/start.pth", "import tw0\n"),
    "a .pth to a neighbour": lambda folder: (folder / PACKAGES / "own.pth").write_text(f"{folder}2/src\n"),
    "a .pth to a path that ends alike": lambda folder: (folder / PACKAGES / "own.pth").write_text(
        f"/mnt{folder}/src\n"
    ),
    "site-packages of the system": _writes(
        "pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = true\n"
    ),
    "another home": _writes("pyvenv.cfg", "home = /opt/bin\ninclude-system-site-packages = false\n"),
    "a module that shadows": _writes(f"{PACKAGES}/ssl.py", ""),
    "start-up code": _writes(f"{PACKAGES}/sitecustomize.py", ""),
    "a package removed": lambda folder: (folder / PACKAGES / "two.py").unlink(),
    "another version": _writes(f"{PACKAGES}/one-1.0.dist-info/METADATA", "Version: 1.1\n"),
    "another Python": lambda folder: (folder / "bin/python").rename(folder / "bin/python3"),
    "a link elsewhere": lambda folder: (folder / PACKAGES / "three").symlink_to("/usr/lib"),
    "a file as a link": lambda folder: (folder / PACKAGES / "four.py").symlink_to("two.py"),
    "compiled code": _tampered,
    "compiled code that is not believed": _stale,
    "compiled code without a source": _without_source,
    "a library": _writes("lib/libssl.so.3", ""),
    "another pyvenv.cfg": _writes("bin/pyvenv.cfg", "home = /opt/bin\n"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_whatever_could_be_loaded_splits(pair: tuple[Path, Path], change: Callable[[Path], object]) -> None:
    """One change to what its Python could load makes an environment another one."""
    one, other = pair
    change(other)
    assert contents(one) != contents(other)


@pytest.mark.parametrize("name", ["one/__init__.py", "own.pth"])
def test_a_linked_file_counts_as_one_that_was_copied(pair: tuple[Path, Path], name: str) -> None:
    """A file that two environments have in common is the same in both, unless the file names one of these."""
    one, other = pair
    (other / PACKAGES / name).unlink()
    (other / PACKAGES / name).hardlink_to(one / PACKAGES / name)
    known = LinkedFiles(map(str, pair))
    same = contents(one, known) == contents(other, known)
    assert same == (contents(one) == contents(other)) == (name != "own.pth")


def _counted(folder: Path, *sought: str) -> Counted:
    """Return what counts where the package `one` was loaded, and these modules looked for."""
    loaded = (f"{folder}/{PACKAGES}/one/__init__.py", "/usr/lib/libssl.so.3")
    start_up = [f"{folder}/{PACKAGES}/{name}.pth" for name in ("own", "start")]
    return Counted.of(str(folder), loaded, ("ssl", "one", *sought), start_up)


def _package(folder: Path, name: str) -> Path:
    """Make a package; return its folder."""
    (place := folder / PACKAGES / name).mkdir()
    (place / "__init__.py").write_text("VALUE = 4\n")
    return place


def _metadata(folder: Path, name: str) -> None:
    (place := folder / PACKAGES / name).mkdir()
    (place / "METADATA").write_text("Version: 1.0\n")


def _libraries(folder: Path) -> None:
    (place := folder / PACKAGES / "one.libs").mkdir()
    (place / "libssl.so.3").touch()


def _beside(folder: Path, name: str) -> None:
    """Put a compiled file into the package that was loaded."""
    (place := folder / PACKAGES / "one" / "__pycache__").mkdir()
    (place / name).write_bytes(bytes(HEADER))


LEAVES_ALONE: dict[str, Callable[[Path], object]] = {
    "a module": _writes(f"{PACKAGES}/application.py", "VALUE = 3\n"),
    "a library that is a module": _writes(f"{PACKAGES}/application.cpython-39-x86_64-linux-gnu.so", "VALUE"),
    "a package": lambda folder: _package(folder, "application"),
    "what is compiled of one": lambda folder: compiled(_package(folder, "application") / "__init__.py", WHEN),
    "a distribution": lambda folder: _metadata(folder, "application-1.0.dist-info"),
    "what else is compiled": lambda folder: _beside(folder, "further.cpython-39.pyc"),
}

SPLITS: dict[str, Callable[[Path], object]] = {
    "a byte of what was loaded": _writes(f"{PACKAGES}/one/__init__.py", "import tw0\n"),
    "a file beside what was loaded": _writes(f"{PACKAGES}/one/cacert.pem", "-----BEGIN"),
    "what is compiled of what was loaded": lambda folder: _beside(folder, "__init__.cpython-39.pyc"),
    "a module that start-up code names": _writes(f"{PACKAGES}/two.py", "VALUE = 2\n"),
    "a byte of start-up code": _writes(f"{PACKAGES}/start.pth", "import two \n"),
    "further start-up code": _writes(f"{PACKAGES}/more.pth", "import application\n"),
    "a hook": _writes(f"{PACKAGES}/sitecustomize.py", ""),
    "a module that was looked for": _writes(f"{PACKAGES}/brotli.py", ""),
    "a package that was looked for": lambda folder: _package(folder, "brotli"),
    "a library that was looked for": _writes(f"{PACKAGES}/brotli.abi3.so", ""),
    "a module in the place of one of Python's own": _writes(f"{PACKAGES}/ssl.py", ""),
    "its distribution": _writes(f"{PACKAGES}/one-1.0.dist-info/METADATA", "Version: 1.1\n"),
    "a file that is no module": _writes(f"{PACKAGES}/openssl.cnf", "MinProtocol = TLSv1\n"),
    "a folder that is no package": _libraries,
    "a file outside of packages": _writes("pyvenv.cfg", "home = /opt/bin\n"),
    "another library": _writes("lib/libssl.so.3", ""),
}


@pytest.mark.parametrize("change", LEAVES_ALONE.values(), ids=list(LEAVES_ALONE))
def test_what_nothing_looked_for_does_not_count(
    pair: tuple[Path, Path], change: Callable[[Path], object]
) -> None:
    """An application has modules of its own, which no probe loads, beside the packages of another one."""
    one, other = pair
    change(other)
    assert contents(one) != contents(other)
    assert told_apart({"one": str(one), "other": str(other)}, _counted(one, "brotli")) == [["one", "other"]]


@pytest.mark.parametrize("change", SPLITS.values(), ids=list(SPLITS))
def test_whatever_was_loaded_or_looked_for_splits(
    pair: tuple[Path, Path], change: Callable[[Path], object]
) -> None:
    """One changed byte of it makes an environment another one, and so does what was not there."""
    one, other = pair
    change(other)
    assert told_apart({"one": str(one), "other": str(other)}, _counted(one, "brotli")) == [["one"], ["other"]]


def test_all_distributions_count_where_they_were_looked_up(pair: tuple[Path, Path]) -> None:
    """Code that asks what is installed may do one thing with a distribution there, and another without."""
    one, other = pair
    _metadata(other, "application-1.0.dist-info")
    counted = [_counted(one, *sought) for sought in ((), ("importlib.metadata",))]
    assert [contents(one, None, each) == contents(other, None, each) for each in counted] == [True, False]


def test_start_up_code_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """What it looks for nobody knows then."""
    with pytest.raises(OSError, match="gone"):
        Counted.of(str(tmp_path), (), (), [str(tmp_path / "gone.pth")])


def test_what_cannot_be_read_whole_is_nobodys_same(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe, a missing folder, too many files or bytes: then nothing is said of the contents."""
    one, other = pair
    os.mkfifo(other / PACKAGES / "pipe.py")
    assert contents(other) == contents(one.parent / "nowhere") == ""
    for limit in ("FILES_LIMIT", "BYTES_LIMIT"):
        with monkeypatch.context() as patched:
            patched.setattr(same_module, limit, 3)
            assert contents(one) == ""


def _found(folder: Path, facts: dict[str, Any], **changes: Any) -> Prepared:
    """Return an environment as it was found, which says of itself what is usual there."""
    candidate = Candidate(
        f"env_{folder.name}",
        "venv",
        folder / "bin/python",
        environment=folder,
        **changes.pop("candidate", {}),
    )
    usual = {"prefix": str(folder), "base_prefix": "/usr", "path": ["/usr/lib", f"{folder}/{PACKAGES}"]}
    return Prepared.of(candidate, parse_identity(facts | usual | changes), {})


def test_those_that_are_the_same_are_told_together(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """In their order; one that differs, and its own same, go together, and what cannot be read is alone."""
    folders = [*pair, tmp_path / "third", tmp_path / "fourth"]
    for path in folders[2:]:
        make(path)
        (path / PACKAGES / "two.py").write_text("VALUE = 2\n")
        shutil.rmtree(path / PACKAGES / "__pycache__")
    nowhere = [tmp_path / "nowhere", tmp_path / "neither"]
    names = {path.name: str(path) for path in (*folders, *nowhere)}
    expected = [["a", "another"], ["third", "fourth"], ["nowhere"], ["neither"]]
    assert told_apart(names, None) == expected


def test_what_may_be_the_same_is_told_before_anything_is_read(
    pair: tuple[Path, Path], facts: dict[str, Any]
) -> None:
    """Environments of one interpreter that say the same of themselves have something in common."""
    one, other = (_found(path, facts) for path in pair)
    known = alike([one, other], {})
    assert known.keys() == {"env_a", "env_another"}
    assert len(set(known.values())) == 1
    assert alike([one], {}) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"version": "3.9.19"},
        {"base_prefix": "/opt"},
        {"path": ["/usr/lib", "/srv/shared"]},
        {"contexts": {"SSLContext": {"minimum_version": "TLSv1"}}},
        {"changed": {"OPENSSL_CONF": "/w/legacy.cnf"}},
        {"prefix": "/elsewhere"},
        {"candidate": {"given": True}},
        {"candidate": {"variables": {"OPENSSL_CONF": "/w/legacy.cnf"}}},
        {"candidate": {"words": ("app.pex",)}},
    ],
    ids=str,
)
def test_who_differs_in_more_than_files_is_measured(
    pair: tuple[Path, Path], facts: dict[str, Any], change: dict[str, Any]
) -> None:
    """Another interpreter, account or variable splits; so does that the user named it."""
    one, other = pair
    found = [_found(one, facts), _found(other, facts, **change)]
    assert alike(found, {}) == {}


@pytest.mark.parametrize(
    "change", [{"build": "another"}, {"build": ""}, {"unavailable": "it hangs"}], ids=str
)
def test_another_build_is_measured(
    pair: tuple[Path, Path], facts: dict[str, Any], change: dict[str, Any]
) -> None:
    """What is not known to be the same build, or cannot be measured, shares with nobody."""
    one, other = (_found(path, facts) for path in pair)
    other = replace(other, interpreter=replace(other.interpreter, **change))
    assert alike([one, other], {}) == {}
