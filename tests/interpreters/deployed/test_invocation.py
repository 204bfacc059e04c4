"""How a running Python was started, from its command line, its script and the files that it has mapped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from interpreters.deployed.invocation import Invocation, environment_of, invocation
from interpreters.deployed.proc import MappedFile, ProcessRecord

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("python3", Invocation()),
        ("python3 app.py --token secret", Invocation((), "app.py", "app.py")),
        ("python3 -u -W error app.py -I", Invocation((), "app.py", "app.py")),
        ("python3 -Werror -X utf8 -I app.py", Invocation(("-I",), "app.py", "app.py")),
        ("python3 -sEm flask run", Invocation(("-s", "-E"), "", "-m flask")),
        ("python3 -mhttp.server 80", Invocation((), "", "-m http.server")),
        ("python3 -Sc print(password)", Invocation(("-S",), "", "-c")),
        ("python3 -cimport password", Invocation((), "", "-c")),
        ("python3 --check-hash-based-pycs never app.py", Invocation((), "app.py", "app.py")),
        ("python3 -", Invocation((), "", "-")),
        ("python3 -m", Invocation((), "", "-m ")),
        ("python3 -W", Invocation()),
    ],
)
def test_a_command_line_is_read_as_python_reads_it(words: str, found: Invocation) -> None:
    """Options of Python count, up to what it runs; of what follows, nothing is kept."""
    assert invocation(words.split(" ")) == found


class Installation:
    """A folder with an interpreter, and environments of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "usr" / "bin" / "python3.11"
        self.python.parent.mkdir(parents=True)
        self.python.touch(0o755)

    def venv(self, name: str) -> Path:
        """Make an environment; return its folder."""
        folder = self.folder / name
        (folder / "bin").mkdir(parents=True)
        (folder / "pyvenv.cfg").write_text(f"home = {self.python.parent}\n")
        (folder / "bin" / "python3").symlink_to(self.python)
        (folder / "bin" / "python").symlink_to("python3")
        return folder

    def record(self, *words: str, **facts: object) -> ProcessRecord:
        """Return a process of the interpreter, started by these words in the machine's folder."""
        record = ProcessRecord(12, 1, 0, 0.0, words, str(self.python), folder=str(self.folder))
        return replace(record, **facts)  # type: ignore[arg-type]  # whatever a test wants


@pytest.fixture
def machine(tmp_path: Path) -> Installation:
    """Return a machine with an interpreter and without environments."""
    return Installation(tmp_path)


@pytest.mark.parametrize("word", ["{folder}/srv/venv/bin/python3", "srv/venv/bin/python"])
def test_the_first_word_tells_the_environment(machine: Installation, word: str) -> None:
    """The path by which Python was started decides, as it does for Python, also where it is relative."""
    folder = machine.venv("srv/venv")
    record = machine.record(word.format(folder=machine.folder), "app.py")
    assert environment_of(record) == (folder / "bin" / "python", folder)


def test_a_bare_name_is_looked_for_on_the_processs_path(machine: Installation) -> None:
    """A first word without a folder stands for the first file of that name on the PATH of that process."""
    folder = machine.venv("venv")
    path = f"{machine.folder}/nonexistent:{folder}/bin:{machine.python.parent}"
    found = environment_of(machine.record("python3", "app.py", variables={"PATH": path}))
    assert found == (folder / "bin" / "python", folder)


def test_the_interpreter_itself_is_in_no_environment(machine: Installation) -> None:
    """An active environment in the variables says nothing where Python was started by its own path."""
    folder = machine.venv("venv")
    variables = {"VIRTUAL_ENV": str(folder)}
    assert environment_of(machine.record(str(machine.python), "x.py", variables=variables)) is None


def test_the_first_line_of_a_script_tells_where_the_first_word_does_not(machine: Installation) -> None:
    """Where the first word leads to nothing, the script names the Python that it is run by."""
    folder = machine.venv("venv")
    script = machine.folder / "serve"
    script.write_text(f"#!{folder}/bin/python3\n")
    found = environment_of(machine.record("shop", "serve", "--port", "80"))
    assert found == (folder / "bin" / "python", folder)


def test_a_copy_is_its_own_environments(machine: Installation) -> None:
    """An environment made with copies runs a file of its own, whatever the first word has become."""
    folder = machine.venv("venv")
    copy = folder / "bin" / "python3.11"
    copy.touch(0o755)
    found = environment_of(machine.record("a title", executable=str(copy)))
    assert found == (copy, folder)


def test_mapped_packages_tell_where_nothing_else_does(machine: Installation) -> None:
    """Of environments whose packages are mapped the one with most of them counts, if it is one."""
    folder, other = machine.venv("venv"), machine.venv("other")
    packages = "lib/python3.11/site-packages"
    mapped = (
        *(MappedFile(f"{machine.folder}/usr/{packages}/{name}.so") for name in "abc"),
        *(MappedFile(f"{folder}/{packages}/{name}.so") for name in "ab"),
        MappedFile(f"{other}/{packages}/a.so"),
    )
    record = machine.record("a title", mapped=mapped)
    assert environment_of(record) == (folder / "bin" / "python", folder)
    program = replace(record, executable="/usr/sbin/apache2")
    assert environment_of(program) == (folder / "bin" / "python", folder)


def test_virtual_env_alone_is_no_evidence(machine: Installation) -> None:
    """The variable counts only where a word or a mapped file of the process lies in that folder."""
    folder = machine.venv("venv")
    alone = machine.record("uwsgi", executable="/usr/bin/uwsgi", variables={"VIRTUAL_ENV": f"{folder}/"})
    assert environment_of(alone) is None
    told = replace(alone, words=("mod", "--home", str(folder)), executable="/usr/sbin/mod")
    assert environment_of(told) == (folder / "bin" / "python", folder)
    assert environment_of(replace(told, words=("mod", f"{folder}-old"))) is None


def test_whoever_embeds_python_runs_no_wrapper_of_the_environment(machine: Installation) -> None:
    """Where `bin/python` is a script, what uWSGI is in is the Python beside that."""
    folder = machine.venv("venv")
    (folder / "bin/python").unlink()
    (folder / "bin/python").write_text("#!/bin/sh\n")
    record = machine.record("uwsgi", "-H", str(folder), executable="/usr/bin/uwsgi-core")
    assert environment_of(record) == (folder / "bin" / "python3", folder)
    assert environment_of(replace(record, words=("uwsgi", "-H", "/usr"))) is None
