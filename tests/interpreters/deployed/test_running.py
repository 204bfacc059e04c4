"""Which Pythons run, what a fresh one of each is started with, and what is said of those that run."""

from __future__ import annotations

import datetime as dt
import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from interpreters.deployed.bundles import ENTRANCE
from interpreters.deployed.proc import read_processes
from interpreters.deployed.running import family, find_running
from interpreters.interpreter import NOT_SHOWN
from interpreters.locate import Candidate
from tests.support.proc import ALICE, BOOTED, MadeUpProc

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OWN = 900
"""The id of the process that looks."""

PACKAGES = "srv/shop/venv/lib/python3.11/site-packages"

SSL = "/usr/lib/x86_64-linux-gnu/libssl.so.3"


class Computer:
    """A machine with an interpreter, an environment of it, and processes."""

    def __init__(self, folder: Path, proc: MadeUpProc) -> None:
        self.folder, self.proc = folder, proc
        self.python = folder / "usr" / "bin" / "python3.11"
        self.python.parent.mkdir(parents=True)
        self.python.touch(0o755)
        self.venv = self.make("srv/shop/venv")

    def make(self, name: str) -> Path:
        """Make an environment; return its folder."""
        folder = self.folder / name
        (folder / "bin").mkdir(parents=True)
        (folder / "pyvenv.cfg").write_text(f"home = {self.python.parent}\n")
        (folder / "bin" / "python").symlink_to(self.python)
        return folder

    def run(self, pid: int, *words: str, uid: int = ALICE, **variables: str) -> None:
        """Run the environment's Python, by default on a script."""
        python = str(self.venv / "bin" / "python")
        self.proc.add(pid, [python, *(words or ("/srv/app.py",))], self.python, variables, uid=uid)

    def candidates(self, env: Mapping[str, str] | None = None) -> dict[str, Candidate]:
        """Return what is found, by id."""
        known = [Candidate("system_3_11", "system", self.python)]
        return {one.id: one for one in find_running(env or {}, known, self.proc.folder, OWN).candidates}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    """Return a machine on which only the process that looks runs, whose user is not root."""
    monkeypatch.setattr("os.geteuid", lambda: ALICE)
    machine = Computer(tmp_path, MadeUpProc(tmp_path / "proc", monkeypatch))
    machine.proc.add(1, ["/sbin/init"], "/sbin/init", uid=0)
    machine.proc.add(OWN, ["python3", "-m", "nox"], machine.python)
    return machine


def test_processes_that_are_alike_are_one(machine: Computer) -> None:
    """Workers of one application are one candidate, which says of each that it runs."""
    machine.run(12, "/srv/shop/bin/gunicorn", "--certfile", "secret")
    machine.run(13, "-m", "celery", "--broker", "amqp://app:hunter2@mq")
    (found,) = machine.candidates().values()
    assert (found.id, found.source, found.given) == ("running_shop_venv", "running", False)
    assert (found.path, found.environment) == (machine.venv / "bin" / "python", machine.venv)
    assert (found.unavailable, found.words) == ("", ())
    commands = ["python /srv/shop/bin/gunicorn", "python -m celery"]
    assert [process.command for process in found.processes] == commands
    assert [process.user for process in found.processes] == [f"user {ALICE}"] * 2
    started = dt.datetime.fromisoformat(found.processes[0].started)
    assert started.timestamp() == BOOTED + 100 // os.sysconf("SC_CLK_TCK")


def test_variables_tell_processes_apart(machine: Computer) -> None:
    """Of the same environment each set of variables is one candidate, and none changes the id of another."""
    machine.run(12)
    (alone,) = machine.candidates()
    machine.run(13, OPENSSL_CONF="/etc/floor.cnf", AWS_SESSION="wJalr")
    machine.run(14, OPENSSL_CONF="/etc/other.cnf")
    found = machine.candidates()
    assert len(found) == 3
    assert found.pop(alone).variables == {}
    assert all(name.startswith("running_shop_venv_") for name in found)
    assert [one.variables["OPENSSL_CONF"] for one in found.values()] == ["/etc/floor.cnf", "/etc/other.cnf"]
    assert "wJalr" not in repr(found)


def test_an_id_is_the_same_whatever_else_runs_and_whatever_is_set_here(machine: Computer) -> None:
    """The id rests on the environment and the variables of the process alone."""
    machine.run(13, OPENSSL_CONF="/etc/floor.cnf")
    before = set(machine.candidates())
    machine.run(12, PYTHONPATH="/srv")
    assert before < set(machine.candidates({"OPENSSL_CONF": "/ours", "LD_LIBRARY_PATH": "/ours"}))


def test_two_environments_of_one_name_are_told_apart(machine: Computer) -> None:
    """Where the name of the folder does not tell, a hash of where it is does."""
    other = machine.make("opt/shop/venv")
    machine.run(12)
    machine.proc.add(13, [f"{other}/bin/python", "/srv/app.py"], machine.python)
    found = machine.candidates()
    assert {one.environment for one in found.values()} == {machine.venv, other}
    assert all(name.startswith("running_shop_venv_") for name in found)


def test_an_interpreter_without_environment_has_its_own_name(machine: Computer) -> None:
    """A process of the interpreter itself is named after what it is called elsewhere, with its prefix."""
    machine.proc.add(12, [str(machine.python), "/usr/sbin/daemon"], machine.python)
    (found,) = machine.candidates().values()
    assert (found.id, found.path) == ("running_system_3_11", machine.python)
    assert found.environment == machine.folder / "usr"


def test_a_zipapp_is_run_with_the_packages_that_are_in_it(machine: Computer) -> None:
    """Its file is the environment, and a fresh process is led through the file to the probe."""
    app = machine.folder / "shop.pyz"
    with zipfile.ZipFile(app, "w") as archive:
        archive.writestr("__main__.py", "")
    machine.proc.add(12, [str(machine.python), "-I", str(app), "--port", "80"], machine.python)
    (found,) = machine.candidates({"PATH": str(machine.python.parent)}).values()
    assert found.id.startswith("running_shop_")
    assert (found.environment, found.words) == (app, ("-I", "-B", str(ENTRANCE), str(app)))
    assert found.variables == {"PYTHONUSERBASE": None}
    assert found.processes[0].command == f"{machine.python.name} {app}"


def test_what_pex_unpacked_is_its_file(machine: Computer) -> None:
    """Pex starts Python anew on a folder of its cache, and a variable names the file that was started."""
    app, unpacked = machine.folder / "shop.pex", machine.folder / "unzipped" / "0a1b"
    with zipfile.ZipFile(app, "w") as archive:
        archive.writestr("__main__.py", "")
        archive.writestr("PEX-INFO", "{}")
    unpacked.mkdir(parents=True)
    (unpacked / "PEX-INFO").touch()
    python = [str(machine.python), str(unpacked)]
    machine.proc.add(12, python, machine.python, {"PEX": str(app), "OPENSSL_CONF": "/etc/floor.cnf"})
    machine.proc.add(13, python, machine.python, {"PEX": "/nonexistent.pex"})
    found = machine.candidates({"PATH": str(machine.python.parent)})
    assert found.pop("running_system_3_11").environment == machine.folder / "usr"
    (shop,) = found.values()
    assert shop.id.startswith("running_shop_")
    assert (shop.environment, shop.words) == (app, ("-B", str(app), str(ENTRANCE), "-"))
    assert shop.variables["PEX_INTERPRETER"] == "1"
    assert shop.variables["OPENSSL_CONF"] == "/etc/floor.cnf"


def test_an_environment_that_pex_made_is_named_after_its_file(machine: Computer) -> None:
    """The folder is called by a hash, which says nothing and is another one after each build."""
    (machine.venv / "PEX-INFO").touch()
    machine.run(12, PEX="/opt/store/shop-api.pex")
    assert list(machine.candidates()) == ["running_shop_api"]


def test_options_of_python_are_kept(machine: Computer) -> None:
    """One that runs without site or user packages is measured so, and writes nothing beside them."""
    machine.run(12, "-I", "/srv/app.py")
    machine.run(13, "-s", "/srv/app.py")
    assert {one.words for one in machine.candidates().values()} == {("-I", "-B"), ("-s",)}


def test_ours_are_not_among_them(machine: Computer) -> None:
    """Neither this process nor what the outermost nox or pytest above it started is anybody's application."""
    assert machine.candidates() == {}
    machine.proc.add(800, ["python3", "/bin/pytest", "-n", "2"], machine.python)
    machine.proc.add(801, ["python3", "-c", "worker"], machine.python, parent=800)
    machine.proc.add(802, ["python3", "-m", "nox"], machine.python, parent=801)
    machine.proc.add(803, ["python3", "other"], machine.python, parent=800)
    machine.proc.add(700, ["python3", "supervisord"], machine.python)
    machine.proc.add(701, ["python3", "-m", "nox"], machine.python, parent=700)
    records = read_processes(machine.proc.folder)
    assert family(records, 802) == {800, 801, 802, 803}
    assert family(records, 701) == {701}
    assert family(records, 700) == {700, 701}
    assert family((), OWN) == {OWN}


def test_a_replaced_library_is_named(machine: Computer) -> None:
    """What does TLS and is mapped is listed, and what of it is not on disk any more."""
    python = [str(machine.venv / "bin" / "python"), "/srv/app.py"]
    mapped = [f"{SSL} (deleted)", "/lib/libcrypto.so.3", "/lib/libz.so.1 (deleted)", "/lib/libc.so.6"]
    machine.proc.add(12, python, machine.python, mapped=mapped)
    (found,) = machine.candidates().values()
    assert found.processes[0].libraries == (SSL, "/lib/libcrypto.so.3")
    assert found.processes[0].replaced == (SSL,)


def test_the_service_of_a_process_is_told(machine: Computer) -> None:
    """Whoever has to restart a process knows it by its service."""
    python = [str(machine.venv / "bin" / "python"), "/srv/app.py"]
    machine.proc.add(12, python, machine.python, group="/system.slice/shop.service")
    (found,) = machine.candidates().values()
    assert [process.unit for process in found.processes] == ["shop.service"]


def test_a_replaced_interpreter_is_named(machine: Computer) -> None:
    """Another file has its name by now, or the environment leads to another: the process runs the old one."""
    python = [str(machine.venv / "bin" / "python"), "/srv/app.py"]
    machine.proc.add(12, python, f"{machine.python} (deleted)")
    other = machine.python.with_name("python3.12")
    other.touch(0o755)
    machine.proc.add(13, python, other)
    (found,) = machine.candidates().values()
    assert found.unavailable == ""
    assert [one.replaced for one in found.processes] == [(str(machine.python),), (str(other),)]


def test_an_interpreter_that_is_gone_is_said_once(machine: Computer) -> None:
    """Where nothing has its name any more nothing is started, for all processes together."""
    for pid in (12, 13):
        machine.proc.add(pid, ["/gone/bin/python3", "/srv/app.py"], "/gone/bin/python3 (deleted)")
    (found,) = machine.candidates().values()
    reason = "/gone/bin/python3 is gone since processes 12, 13 started: restart what runs there"
    assert (found.unavailable, len(found.processes)) == (reason, 2)


def test_variables_that_cannot_be_read_are_not_taken_for_none(machine: Computer) -> None:
    """A process that wrote a title over its variables is not measured under none."""
    python = str(machine.venv / "bin" / "python")
    machine.proc.add(12, [python, "/srv/app.py"], machine.python, b"\0\0\0\0")
    machine.run(13)
    found = machine.candidates()
    assert found["running_shop_venv"].unavailable == ""
    assert "the variables of process 12 cannot be read" in found["running_shop_venv_unread"].unavailable


def test_programs_that_embed_python_are_measured_where_their_environment_shows(machine: Computer) -> None:
    """By its mapped packages one is measured, without one is named with the reason."""
    library = "/usr/lib/libpython3.11.so.1.0"
    module = f"{machine.venv}/lib/python3.11/site-packages/x.cpython-311-x86_64-linux-gnu.so"
    program = machine.folder / "uwsgi"
    program.touch()
    machine.proc.add(12, ["uwsgi", "--pass", "secret"], program, mapped=[library, module])
    machine.proc.add(13, ["gdb", "-p", "1"], program, mapped=[library])
    machine.proc.add(14, ["cat"], program, mapped=["/usr/lib/libc.so.6"])
    found = find_running({}, (), machine.proc.folder, OWN)
    assert [(one.path, one.processes[0].command) for one in found.candidates] == [
        (machine.venv / "bin" / "python", "uwsgi")
    ]
    (outside,) = found.outside
    assert (outside.id, outside.path) == ("running_uwsgi", str(program))
    assert outside.reason == (
        "process 13: Python is embedded, and no file that is mapped tells in which environment"
    )


@pytest.mark.parametrize("name", ["ld-linux-x86-64.so.2", "ld-2.31.so", "ld-musl-x86_64.so.1", "ld.so"])
def test_a_python_below_the_linkers_own_options_is_named(machine: Computer, name: str) -> None:
    """No variable tells what `ld.so --library-path` was told, whatever environment mapped files lie in."""
    library = "/usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so"
    module = f"{machine.venv}/lib/python3.11/site-packages/x.cpython-311-x86_64-linux-gnu.so"
    linker = machine.folder / name
    linker.touch(0o755)
    words = [str(linker), "--library-path", "/old", str(machine.venv / "bin/python")]
    machine.proc.add(12, words, linker, mapped=[library, module])
    found = find_running({}, (), machine.proc.folder, OWN)
    assert [one.processes for one in found.candidates] == []
    assert ["the dynamic linker was started" in one.reason for one in found.outside] == [True]


@pytest.fixture
def application(machine: Computer) -> Path:
    """Return the folder of an application that has the package of a client beside its script."""
    folder = machine.folder / "srv/shop/app"
    (folder / "urllib3").mkdir(parents=True)
    for name in ("urllib3/__init__.py", "app.py"):
        (folder / name).touch()
    (machine.folder / "link.py").symlink_to(folder / "app.py")
    return folder


@pytest.mark.parametrize(
    ("words", "has"),
    [
        (["{app}/app.py"], True),
        (["{home}/link.py"], True),
        (["app.py"], True),
        (["{app}"], True),
        (["-m", "app"], True),
        (["-c", "import app"], True),
        (["-sm", "app"], True),
        (["-P", "{app}/app.py"], False),
        (["-I", "{app}/app.py"], False),
        (["{home}/srv/other.py"], False),
        (["-"], True),
        (["-s"], True),
    ],
)
def test_packages_beside_a_script_are_measured(
    machine: Computer, application: Path, words: list[str], *, has: bool
) -> None:
    """Python takes what lies beside a script before what is installed: a fresh process gets it too."""
    words = [word.format(app=application, home=machine.folder) for word in words]
    python = str(machine.venv / "bin/python")
    machine.proc.add(12, [python, *words], machine.python, {"PYTHONPATH": "/lib"}, folder=application)
    (found,) = machine.candidates().values()
    assert found.variables["PYTHONPATH"] == (f"{application}:/lib" if has else "/lib")
    assert found.unavailable == ""


@pytest.mark.parametrize(
    ("words", "shell", "reason"),
    [
        (
            ["app.py"],
            "",
            "its script app.py is not in {home}, where it is at work: start it with a whole path",
        ),
        (["app.py"], "{app}", "its script app.py is not in {home}"),
        (
            ["-m", "app"],
            "{app}",
            "packages lie beside it in {app}, where it may have been started, or {home}",
        ),
        (["-m", "app"], "{home}", ""),
        (["-Im", "app"], "{app}", ""),
        (["{app}/app.py"], "{app}", ""),
    ],
)
def test_a_script_of_a_process_that_went_elsewhere_is_not_guessed(
    machine: Computer, application: Path, words: list[str], shell: str, reason: str
) -> None:
    """A daemon that left the folder with its packages is not measured without these."""
    words, (shell, reason) = (
        [text.format(app=application, home=machine.folder) for text in those]
        for those in (words, (shell, reason))
    )
    machine.proc.add(
        12, [f"{machine.venv}/bin/python", *words], machine.python, {"PWD": shell}, folder=machine.folder
    )
    (found,) = machine.candidates().values()
    assert reason in found.unavailable
    assert bool(found.unavailable) == bool(reason)


@pytest.mark.parametrize(("option", "reason"), [("-E", "which -E keeps from a fresh process"), ("-s", "")])
def test_packages_that_a_fresh_process_cannot_get_are_named(
    machine: Computer, application: Path, option: str, reason: str
) -> None:
    """With -E Python heeds no variable that could lead it there, and what is installed is not what runs."""
    machine.run(12, option, str(application / "app.py"))
    (found,) = machine.candidates().values()
    assert reason in found.unavailable
    assert bool(found.unavailable) == bool(reason)


def test_workers_of_multiprocessing_have_the_path_of_who_started_them(
    machine: Computer, application: Path
) -> None:
    """They are started with -c, wherever they are at work, and take over the path of their parent."""
    machine.run(12, str(application / "app.py"))
    python = str(machine.venv / "bin/python")
    for pid, parent, module in ((13, 12, "forkserver"), (14, 13, "spawn"), (15, 1, "spawn")):
        words = [python, "-c", f"from multiprocessing.{module} import main; main()"]
        machine.proc.add(pid, words, machine.python, parent=parent)
    pids = {
        one.variables.get("PYTHONPATH"): [process.pid for process in one.processes]
        for one in machine.candidates().values()
    }
    assert pids == {str(application): [12, 13, 14], None: [15]}


def test_one_path_is_one_candidate_whoever_set_it(machine: Computer, application: Path) -> None:
    """Where PYTHONPATH names the folder of another process's script, a fresh one of both is the same."""
    machine.run(12, str(application / "app.py"))
    machine.run(13, "/other.py", PYTHONPATH=str(application))
    found = find_running({}, (), machine.proc.folder, OWN).candidates
    assert [[process.pid for process in one.processes] for one in found] == [[12, 13]]


@pytest.mark.parametrize("name", ["sitecustomize.py", "usercustomize.py"])
def test_start_up_code_beside_a_script_is_not_run(machine: Computer, application: Path, name: str) -> None:
    """Python runs none that lies beside a script, and a fresh process with that folder on its path would."""
    (application / name).touch()
    machine.run(12, str(application / "app.py"))
    machine.run(13, "/other.py", PYTHONPATH="/nonexistent")
    reasons = {one.processes[0].pid: one.unavailable for one in machine.candidates().values()}
    assert reasons == {
        12: (
            f"process 12: a fresh process that has {application} on its path would run the {name} there:"
            " rename that"
        ),
        13: "",
    }


def test_a_variable_may_keep_packages_beside_a_script_away(machine: Computer, application: Path) -> None:
    """PYTHONSAFEPATH does, unless -E has it ignored."""
    machine.run(12, str(application / "app.py"), PYTHONSAFEPATH="1")
    (found,) = machine.candidates().values()
    assert "PYTHONPATH" not in found.variables


@pytest.mark.parametrize(
    ("variables", "doubted"),
    [
        (
            {"OPENSSL_CONF": "legacy.cnf", "PWD": "/srv/app"},
            "OPENSSL_CONF names the relative path legacy.cnf",
        ),
        ({"PYTHONPATH": "/lib:src", "PWD": "/srv/app"}, "PYTHONPATH names a relative path"),
        ({"LD_PRELOAD": "./shim.so", "PWD": "/srv/app"}, "LD_PRELOAD names the relative path ./shim.so"),
        ({"LD_PRELOAD": "shim.so", "PWD": "/srv/app"}, ""),
        ({"OPENSSL_CONF": "/legacy.cnf", "PWD": "/srv/app"}, ""),
        ({"OPENSSL_CONF": "legacy.cnf", "PWD": "/srv"}, ""),
        ({"OPENSSL_CONF": "legacy.cnf"}, ""),
        ({"PYTHONNOUSERSITE": "1", "PWD": "/srv/app"}, ""),
    ],
)
def test_a_relative_path_of_a_process_that_went_elsewhere_is_not_guessed(
    machine: Computer, variables: dict[str, str], doubted: str
) -> None:
    """A daemon is at work in another folder than it was started in, which its shell's PWD may tell."""
    python = str(machine.venv / "bin/python")
    machine.proc.add(12, [python, "/app.py"], machine.python, variables, folder="/srv")
    (found,) = machine.candidates().values()
    assert doubted in found.unavailable
    assert bool(found.unavailable) == bool(doubted)


def test_a_process_in_a_container_is_left_to_who_runs_there(machine: Computer) -> None:
    """A path that leads to another file here, or to none, is not started."""
    for pid in (12, 13):
        machine.proc.add(pid, ["python3", "/srv/app.py"], "/nonexistent/usr/bin/python3.12")
    found = find_running({}, (), machine.proc.folder, OWN)
    assert found.candidates == ()
    assert [one.reason for one in found.outside] == [
        "processes 12, 13: it has files of its own, as in a container; run nox there"
    ]


def test_it_is_said_how_far_it_could_be_looked(machine: Computer) -> None:
    """Processes that may not be looked into are counted, with their users, and those called like a Python."""
    machine.proc.add(12, ["/usr/bin/python3", "app.py"], uid=0)
    machine.proc.add(13, ["nginx"], uid=0)
    looked = find_running({}, (), machine.proc.folder, OWN).looked
    assert [(one.place, one.status) for one in looked] == [
        ("running processes", "looked"),
        ("running processes that are locked", "unreadable"),
    ]
    assert looked[1].reason == "2 of root, 1 of them called like a Python: only root looks there"


def test_a_system_that_tells_nothing_is_said(tmp_path: Path) -> None:
    """Where there is no /proc the run says that nobody could look."""
    (looked,) = find_running({}, (), tmp_path / "nonexistent", OWN).looked
    assert (looked.place, looked.status) == ("running processes", "unreadable")


@pytest.fixture
def root(machine: Computer, monkeypatch: pytest.MonkeyPatch) -> Computer:
    """Return the machine as root sees it, where everything is root's but what is below a folder `alices`."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for room in ("deployed.running", "locate"):
        monkeypatch.setattr(f"interpreters.{room}.not_as_root", lambda _: "")
    monkeypatch.setattr(
        "interpreters.deployed.running.others", lambda path: "alice" * ("alices" in path.parts)
    )
    return machine


def test_root_starts_nothing_under_the_variables_of_others(root: Computer) -> None:
    """Without variables that decide, a process of another user is started as any file of root's."""
    root.run(12)
    root.run(13, OPENSSL_CONF="/etc/hostname", PYTHONPATH="/etc")
    found = root.candidates()
    assert found.pop("running_shop_venv").unavailable == ""
    (other,) = found.values()
    assert other.unavailable == (
        f"process 13: not started as root under the OPENSSL_CONF, PYTHONPATH of user {ALICE};"
        f" run nox as user {ALICE}"
    )


@pytest.mark.parametrize(
    "name", ["OPENSSL_CONF", "LD_PRELOAD", "LD_LIBRARY_PATH", "OPENSSL_MODULES", "PYTHONPATH"]
)
def test_root_trusts_no_file_that_others_may_replace(root: Computer, name: str) -> None:
    """What a variable of root's own process names has to be root's, and has to be there."""
    alices, roots, none = (root.folder / name for name in ("alices", "roots", "nonexistent"))
    alices.mkdir()
    roots.mkdir()
    for pid, folder in ((12, alices), (13, roots), (14, none)):
        root.run(pid, uid=0, **{name: str(folder)})
    reasons = {one.processes[0].pid: one.unavailable for one in root.candidates().values()}
    alices_shown, none_shown = (NOT_SHOWN if name == "PYTHONPATH" else path for path in (alices, none))
    assert reasons == {
        12: f"process 12: {name} names {alices_shown}, which alice may replace: not started as root",
        13: "",
        14: f"process 14: {name} names {none_shown}, which is not there: not started as root",
    }


@pytest.mark.parametrize("what", ["usr/bin/python3.11", "srv/shop/venv", PACKAGES])
def test_root_starts_no_environment_that_others_may_change(
    root: Computer, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Neither the interpreter nor the environment, nor the packages in that, may be anybody else's."""
    (root.folder / PACKAGES).mkdir(parents=True)

    def refuse(path: str | Path) -> str:
        return "not started as root; run nox as alice" * (os.path.realpath(path) == str(root.folder / what))

    for room in ("deployed.running", "locate"):
        monkeypatch.setattr(f"interpreters.{room}.not_as_root", refuse)
    root.run(12)
    (found,) = root.candidates().values()
    assert found.unavailable == "process 12: not started as root; run nox as alice"
