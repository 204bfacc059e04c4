"""The passenger program tells what each client met, cell by cell, and that it reached its end."""

from __future__ import annotations

import importlib
import io
import itertools
import json
import shutil
import socket
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from tests.support.checkout import ROOT
from tests.support.probing import asked, board, both_lines, records
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.verdicts.observations import Account
from runs.probe import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

    from interpreters.locate import Candidate

PROBES = ROOT / "probes"


@pytest.fixture
def program(passenger: Callable[[str], ModuleType]) -> ModuleType:
    """Return the program as a module."""
    passenger("identify")
    module = types.ModuleType("passenger_program")
    exec(compile((PROBES / "__main__.py").read_text(), PROBES / "__main__.py", "exec"), module.__dict__)  # noqa: S102
    return module


def cell(client: str, server: str = "open", port: int = 1) -> dict[str, Any]:
    """Return one cell of a plan."""
    return {
        "client": client,
        "server": server,
        "host": "localhost",
        "port": port,
        "cafile": "/nowhere/ca.pem",
    }


@pytest.fixture
def run(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that runs a plan in this process with made-up clients."""

    def run(
        *cells: dict[str, Any],
        snippets: dict[str, str] | None = None,
        given: Callable[..., Any] | None = None,
        modules: dict[str, list[str]] | None = None,
        sources: dict[str, str] | None = None,
        **clients: Callable[..., Any],
    ) -> list[dict[str, Any]]:
        for name, fetch in clients.items():
            module = types.ModuleType(f"clients.{name}")
            module.__dict__.update(fetch=fetch, version=lambda: "1.2.3")
            module.__dict__.update({"fetch_given": given} if given else {})
            monkeypatch.setitem(sys.modules, f"clients.{name}", module)
        plan = {"timeout": 7, "cells": cells} | ({"snippets": snippets} if snippets else {})
        plan["sources"] = sources or {}
        lines = [json.dumps({"modules": modules or {}}), json.dumps(plan)]
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
        program.main()
        return records(capsys.readouterr().out)

    return run


def fails(error: BaseException) -> Callable[..., Any]:
    """Return a fetch that raises."""

    def fetch(*_: object) -> Any:
        raise error

    return fetch


def test_the_mark_is_the_one_that_is_read(program: ModuleType) -> None:
    """The program marks its records as the one who reads them expects."""
    assert program.MARK == MARK


def test_the_program_has_its_own_modules(passenger: Callable[[str], ModuleType]) -> None:
    """What start-up code imported under the name of a module of ours is no module of ours."""
    # Those are started, and nothing imports them.
    started = {"__main__", "bundled", "described", "discover", "reach", "said"}
    folders = {"clients", *(path.stem for path in PROBES.glob("*.py"))} - started
    passenger("identify")
    sys.modules["clients"] = sys.modules["names"] = types.ModuleType("theirs")
    module = types.ModuleType("passenger_program")
    exec(compile((PROBES / "__main__.py").read_text(), PROBES / "__main__.py", "exec"), module.__dict__)  # noqa: S102
    assert set(module.OURS) == folders
    assert module.names.__name__ == "names"
    assert importlib.import_module("clients.ssl").REQUIREMENT == ""


@pytest.mark.parametrize("sets", [True, False])
def test_a_client_that_sets_openssl_conf_itself_is_said_to_be_late(
    run: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, *, sets: bool
) -> None:
    """Whoever sets OPENSSL_CONF in a process that has OpenSSL already changes nothing there, and is told so."""
    monkeypatch.setenv("OPENSSL_CONF", "/etc/ssl/openssl.cnf")
    line = 'os.environ["OPENSSL_CONF"] = "/floor.cnf"' if sets else "pass"
    source = f"import os\n{line}\ndef fetch(*_): return {{}}\n"
    client = next(one for one in run(cell("own"), sources={"own": source}) if one["kind"] == "client")
    assert client["remark"].startswith("its code sets OPENSSL_CONF, which is too late") is sets
    assert sets or not client["remark"]


def test_a_look_that_fails_costs_no_measurement(program: ModuleType) -> None:
    """Where what else is true of a stack cannot be found, that is said in its place."""
    said = program.remarks(types.SimpleNamespace(remark=fails(AttributeError("no such name"))))
    assert said == "what else is true of it could not be found: AttributeError: no such name"


def test_a_cell_is_told_from_begin_to_end(
    run: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cell gives identity, client, begin, account and end, in this order."""
    monkeypatch.setitem(sys.modules, "urllib3", types.SimpleNamespace(__version__="2.8.0"))
    said = run(cell("fine"), fine=lambda *_: {"version": "TLSv1.3", "cipher": "AES"})
    assert [record["kind"] for record in said] == ["identity", "client", "begin", "account", "end"]
    assert said[0]["identity"]["version"] == ".".join(str(n) for n in sys.version_info[:3])
    client = {"kind": "client", "client": "fine", "version": "1.2.3"}
    assert said[1] == {**client, "urllib3": "2.8.0", "tls": None, "remark": ""}
    assert said[2] == {"kind": "begin", "client": "fine", "server": "open"}


@pytest.fixture
def files(program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, str], None]:
    """Return a function that writes a client's file, or a package beside it, to where the program is."""
    probes, packages = tmp_path / "probes", tmp_path / "packages"
    for folder in (probes, packages):
        folder.mkdir()
        monkeypatch.syspath_prepend(str(folder))
    shutil.copytree(PROBES / "clients", probes / "clients")
    monkeypatch.delitem(sys.modules, "clients", raising=False)
    monkeypatch.setattr(program.identify, "__file__", str(probes / "identify.py"))

    def write(name: str, text: str) -> None:
        monkeypatch.delitem(sys.modules, name.replace("/", "."), raising=False)
        ((probes if name.startswith("clients/") else packages) / f"{name}.py").write_text(text)

    return write


def lacking(python: Path | str, **modules: Sequence[str]) -> dict[str, str]:
    """Return which clients a real interpreter says it lacks, each with a module, and check that all goes on."""
    said = asked(python, both_lines([], modules=modules))
    assert [record["kind"] for record in said] == ["identity", "end"]
    return dict(said[0]["lacking"])


@pytest.fixture
def packages(program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:  # noqa: ARG001
    """Return a folder in which this process looks for modules."""
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "is_there"),
    [
        ("lone.py", True),
        ("lone/__init__.py", True),
        ("lone/part.py", True),
        ("lone/part/__init__.py", True),
        ("lone/__pycache__/part.pyc", False),
        ("lone.txt", False),
        ("lone.dist-info/METADATA", False),
    ],
)
def test_what_is_installed_is_found_without_importing_anything(
    run: Callable[..., list[dict[str, Any]]],
    packages: Path,
    file: str,
    is_there: bool,  # noqa: FBT001
) -> None:
    """A module counts as there if its import would find code; that code is not run."""
    path = packages / file
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("raise SystemExit")
    said = run(modules={"one": ["json", "lone"], "two": ["json"], "three": []})
    assert said[0]["lacking"] == ({} if is_there else {"one": "lone"})
    assert "lone" not in sys.modules


def test_the_first_module_that_is_not_there_is_named(run: Callable[..., list[dict[str, Any]]]) -> None:
    """Of several modules that a client needs and that are not there, the answer has the first."""
    said = run(modules={"one": ["json", "nonesuch_b", "nonesuch_a"]})
    assert said[0]["lacking"] == {"one": "nonesuch_b"}


def test_a_module_that_cannot_say_what_it_is_is_tried(
    run: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where start-up code put something among the modules, the client is imported, which tells more."""
    monkeypatch.setitem(sys.modules, "put_there", types.SimpleNamespace())
    assert run(modules={"one": ["put_there"]})[0]["lacking"] == {}


def test_the_answer_comes_before_the_plan_is_read(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who asks gets the answer while the plan is not there yet, and without a plan nothing is run."""
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"modules": {"one": ["nonesuch"]}}\n'))
    with pytest.raises(ValueError, match="."):
        program.main()
    (said,) = records(capsys.readouterr().out)
    assert (said["kind"], said["lacking"]) == ("identity", {"one": "nonesuch"})


@pytest.mark.e2e
def test_every_real_interpreter_says_what_it_lacks(
    pythons: tuple[Candidate, ...], python27: Path, tmp_path: Path
) -> None:
    """Each real interpreter, back to 2.7, tells what is not there from modules of any kind."""
    there = ["sys", "zipimport", "json", "ssl", "_ssl"]
    for path in {*(one.path for one in pythons), python27}:
        asked_for = {"all": there, "some": [*there, "nonesuch_package"], "none": []}
        assert lacking(path, **asked_for) == {"some": "nonesuch_package"}, path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("client", "package"),
    [
        ("import some_package", "import nonesuch_package"),
        ("import some_package.part", ""),
        ("from some_package import part", ""),
        ("import some_package\nsome_package.part", ""),
    ],
)
def test_a_client_that_is_there_and_broken_says_why(
    run: Callable[..., list[dict[str, Any]]], files: Callable[[str, str], None], client: str, package: str
) -> None:
    """A client whose package is found and cannot be imported is told with the error, once."""
    files("some_package", package)
    files("clients/lone", client)
    answer, said, end = run(cell("lone"), cell("lone", "b"), modules={"lone": ["some_package"]})
    assert (answer["lacking"], said["version"], end["kind"]) == ({}, None, "end")
    assert said["error_class"]


OWN = '''# \u00fc: what a person may write
import status_page
from clients import ssl
note = ssl.__name__.upper
def fetch(host, port, cafile, timeout, retries=0):
    return {"version": status_page.VERSION_UNKNOWN, "cipher": "%s:%d" % (host, port)}
'''


@pytest.mark.e2e
def test_a_file_of_the_users_comes_with_the_plan(pythons: tuple[Candidate, ...]) -> None:
    """In every real interpreter it is a client like ours, under each name that it has in a run."""
    text = "# -*- coding: utf-8 -*-\n" + OWN
    names = ("shop", "shop@botocore-1", "shop+code")
    cells = [cell(name) for name in names]
    for candidate in pythons:
        found = asked(candidate.path, both_lines(cells, sources={"shop": text}))
        clients = {one["client"]: one["version"] for one in found if one["kind"] == "client"}
        assert clients == dict.fromkeys(names, ""), candidate
        accounts = [one["account"] for one in found if one["kind"] == "account"]
        assert [account["outcome"] for account in accounts] == ["connected"] * 3
        assert {(account["cipher"], account["note"]) for account in accounts} == {
            ("localhost:1", "CLIENTS.SSL")
        }


def test_a_file_of_the_users_that_cannot_be_run_says_why(run: Callable[..., list[dict[str, Any]]]) -> None:
    """What is no Python there is a client that cannot be had, and costs nobody else's cell."""
    cells = [cell("shop"), cell("quick")]
    found = run(*cells, sources={"shop": "def fetch(:"}, quick=lambda *_: {"version": "v", "cipher": "c"})
    failed = {one["client"]: one.get("error_class") for one in found if one["kind"] == "client"}
    assert failed == {"shop": "SyntaxError", "quick": None}
    assert [one["client"] for one in found if one["kind"] == "account"] == ["quick"]


def test_a_connection_is_told(run: Callable[..., list[dict[str, Any]]]) -> None:
    """A fetch that comes back is `connected`, with the version and cipher that the client named."""
    said = run(cell("fine"), fine=lambda *_: {"version": "TLSv1.3", "cipher": "AES"})
    account = Account(**said[3]["account"])
    assert account == Account("connected", "TLSv1.3", "AES", None, None, account.seconds)
    assert account.seconds >= 0


def test_a_failure_is_told(run: Callable[..., list[dict[str, Any]]]) -> None:
    """A fetch that raises is `failed`, with the error's class and text and no version."""
    said = run(cell("bad"), bad=fails(ConnectionResetError("reset by peer")))
    account = Account(**said[3]["account"])
    assert account == Account("failed", None, None, "ConnectionResetError", "reset by peer", account.seconds)


def test_a_variant_is_its_client_under_its_own_name(run: Callable[..., list[dict[str, Any]]]) -> None:
    """What stands behind @ in a client's name changes the name under which it is told, and nothing else."""
    said = run(cell("fine@botocore-1.20.*"), fine=lambda *_: {"version": "TLSv1.3", "cipher": "AES"})
    assert {one["client"] for one in said if "client" in one} == {"fine@botocore-1.20.*"}
    assert said[-2]["account"]["outcome"] == "connected"


def test_what_a_client_brings_along_is_told(
    run: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client with a TLS of its own, its own urllib3 and a note on each attempt has all of it told."""
    module = types.ModuleType("clients.own")
    attempts = itertools.count(1)
    module.__dict__.update(
        fetch=lambda *_: {},
        version=lambda: "1.0",
        note=lambda: f"attempt {next(attempts)}",
        urllib3=types.SimpleNamespace(__version__="1.2"),
        TLS="s2n",
        READS_OPENSSL_CONF=False,
    )
    monkeypatch.setitem(sys.modules, "clients.own", module)
    said = run(cell("own", "a"), cell("own", "b"))
    assert said[1]["urllib3"] == "1.2"
    assert said[1]["tls"] == {"name": "s2n", "reads_openssl_conf": False}
    notes = [record["account"]["note"] for record in said if record["kind"] == "account"]
    assert notes == ["attempt 1", "attempt 2"]


def test_a_client_gets_what_the_cell_says(run: Callable[..., list[dict[str, Any]]]) -> None:
    """A client is called with the cell's host, port and trust, the plan's timeout and the cell's retries."""
    seen: list[tuple[Any, ...]] = []

    def fetch(*arguments: Any) -> dict[str, str]:
        seen.append(arguments)
        return {}

    run(cell("fine", port=4433), {**cell("fine", port=4434), "retries": 3}, fine=fetch)
    assert seen == [
        ("localhost", 4433, "/nowhere/ca.pem", 7, 0),
        ("localhost", 4434, "/nowhere/ca.pem", 7, 3),
    ]


def test_a_snippet_runs_once_and_before_its_client(run: Callable[..., list[dict[str, Any]]]) -> None:
    """What a snippet changes holds for every cell of its client, and no other client's snippet is run."""
    seen: list[object] = []

    def fetch(*_: object) -> dict[str, str]:
        seen.append(getattr(sys.modules["clients.fine"], "changed", 0))
        return {}

    change = "import sys\nfine = sys.modules['clients.fine']\nfine.changed = getattr(fine, 'changed', 0) + 1"
    snippets = {"fine": change, "other": "raise SystemExit"}
    said = run(cell("fine", "a"), cell("fine", "b"), snippets=snippets, fine=fetch)
    assert seen == [1, 1]
    assert said[-1] == {"kind": "end"}


def test_what_a_snippet_leaves_goes_to_a_client_that_takes_it(
    run: Callable[..., list[dict[str, Any]]],
) -> None:
    """A client with `fetch_given` fetches with the snippet's names, and plainly where there is no snippet."""
    seen: list[object] = []

    def plain(*_: object) -> dict[str, str]:
        seen.append("plain")
        return {}

    def given(names: dict[str, object], host: str, *_: object) -> dict[str, str]:
        seen.append((names["context"], host))
        return {}

    run(cell("fine"), snippets={"fine": "context = 'floored'"}, given=given, fine=fails(AssertionError()))
    assert seen == [("floored", "localhost")]
    run(cell("fine"), given=fails(AssertionError()), fine=plain)
    assert seen[1:] == ["plain"]


@pytest.mark.parametrize(("snippet", "name"), [("context = 1", "theirs"), ("", "own")])
def test_lines_may_change_whose_tls_a_client_uses(
    run: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, snippet: str, name: str
) -> None:
    """A client says whose TLS it brings with its lines and without them."""
    module = types.ModuleType("clients.fine")
    module.__dict__.update(fetch=lambda *_: {}, version=lambda: "1", TLS="own", GIVEN_TLS="theirs")
    monkeypatch.setitem(sys.modules, "clients.fine", module)
    said = run(cell("fine"), snippets={"fine": snippet})
    assert said[1]["tls"]["name"] == name


@pytest.mark.parametrize("snippet", ["raise ValueError('no such option')", "this is no Python"])
def test_a_snippet_that_fails_leaves_its_client_unmeasured(
    run: Callable[..., list[dict[str, Any]]], snippet: str
) -> None:
    """Where a snippet cannot be run its client is not used without it, and the reason is said."""
    said = run(cell("fine"), snippets={"fine": snippet}, fine=fails(AssertionError()))
    assert [record["kind"] for record in said] == ["identity", "client", "end"]
    assert said[1]["version"] is None
    assert said[1]["error_class"] in ("ValueError", "SyntaxError")


def test_a_client_that_cannot_be_imported_is_said_once(run: Callable[..., list[dict[str, Any]]]) -> None:
    """A client that is missing is said to be, once, and the other clients' cells go on."""
    said = run(cell("none", "a"), cell("none", "b"), cell("fine", "a"), fine=lambda *_: {})
    missing, *rest = [record for record in said if record.get("client") == "none"]
    assert rest == []
    assert (missing["kind"], missing["version"]) == ("client", None)
    assert missing["error_class"] == "ModuleNotFoundError"
    assert "clients.none" in missing["error_text"]
    assert [record["server"] for record in said if record["kind"] == "account"] == ["a"]
    assert said[-1] == {"kind": "end"}


def test_a_client_that_breaks_on_import_is_said(
    run: Callable[..., list[dict[str, Any]]], files: Callable[[str, str], None]
) -> None:
    """A client whose own packages fail on import is said to be missing, with their error."""
    files("clients/broken", "raise RuntimeError('wrong libssl')")
    _, client, end = run(cell("broken"))
    assert (client["error_class"], client["error_text"]) == ("RuntimeError", "wrong libssl")
    assert end == {"kind": "end"}


def test_a_client_is_loaded_once(run: Callable[..., list[dict[str, Any]]]) -> None:
    """A client that has several cells is loaded, and says its version, once."""
    said = run(cell("fine", "a"), cell("fine", "b"), fine=lambda *_: {})
    assert [record["kind"] for record in said].count("client") == 1
    assert [record["server"] for record in said if record["kind"] == "account"] == ["a", "b"]


def test_an_empty_plan_reaches_its_end(run: Callable[..., list[dict[str, Any]]]) -> None:
    """A plan without cells gives the identity and the end."""
    assert [record["kind"] for record in run()] == ["identity", "end"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_what_ends_the_program_is_not_an_account(
    run: Callable[..., list[dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    """A client that ends the program leaves a begun cell without account or end: nothing is made up."""
    with pytest.raises(type(error)):
        run(cell("ends"), ends=fails(error))
    assert [record["kind"] for record in records(capsys.readouterr().out)] == ["identity", "client", "begin"]


def test_a_chatty_client_cannot_spoil_a_record(run: Callable[..., list[dict[str, Any]]]) -> None:
    """A client that prints without ending its line leaves every record on a line of its own."""

    def fetch(*_: object) -> dict[str, str]:
        sys.stdout.write("debug: no newline")
        return {"version": "TLSv1.2"}

    said = run(cell("fine"), fine=fetch)
    assert [record["kind"] for record in said] == ["identity", "client", "begin", "account", "end"]


class SpeechlessError(Exception):
    """An error whose text cannot be had."""

    def __str__(self) -> str:
        raise UnicodeError


class ForeignError(Exception):
    """An error of some package."""

    __module__ = "botocore.exceptions"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError("x"), "ValueError"),
        (ForeignError("x"), "botocore.exceptions.ForeignError"),
        (socket.gaierror("x"), "socket.gaierror"),
    ],
)
def test_an_error_is_named_by_its_module(program: ModuleType, error: Exception, name: str) -> None:
    """An error's class is named with its module, unless it is one of Python's own."""
    assert program.error_fields(error)["error_class"] == name


def test_an_error_without_a_text_is_still_told(program: ModuleType) -> None:
    """An error whose text cannot be had is told, with what went wrong about the text."""
    assert program.error_fields(SpeechlessError())["error_text"] == "its text cannot be had: UnicodeError"


@given(text=st.text() | st.builds("{}{}".format, st.text(), st.just("x" * 1000)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_errors_text_is_kept_up_to_the_limit(program: ModuleType, text: str) -> None:
    """An error's text is kept from its beginning, and is one line of JSON whatever it holds."""
    fields = program.error_fields(ValueError(text))
    assert fields["error_text"] == text[: program.TEXT_LIMIT]
    assert json.loads(json.dumps(fields)) == fields
    assert "\n" not in json.dumps(fields)


@pytest.mark.parametrize("over", [-1, 0, 1, 100_000])
def test_the_limit_is_exact(program: ModuleType, over: int) -> None:
    """A text at the limit is kept whole, and a longer one is cut to it."""
    text = "x" * (program.TEXT_LIMIT + over)
    kept = program.error_fields(ValueError(text))["error_text"]
    assert len(kept) == min(len(text), program.TEXT_LIMIT)


@pytest.fixture
def closed() -> Iterator[int]:
    """Return a port on which nothing listens while the test lasts."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def trust(tmp_path: Path) -> str:
    """Return the path of a certificate to trust."""
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)


@pytest.mark.e2e
def test_nothing_listens_to_any_interpreter(pythons: tuple[Candidate, ...], closed: int, trust: str) -> None:
    """In every real interpreter, a server that is not there gives failed accounts and an end."""
    cells = [{**cell(client, port=closed), "cafile": trust} for client in ("ssl", "relaxed")]
    for one in pythons:
        said = board(one.path, cells)
        accounts = [Account(**record["account"]) for record in said if record["kind"] == "account"]
        assert [account.outcome for account in accounts] == ["failed", "failed"], one.id
        assert all("refused" in (account.error_text or "") for account in accounts), one.id
        assert all(account.version is None for account in accounts)
        assert said[-1] == {"kind": "end"}


@pytest.mark.e2e
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_path_of_any_letters_is_within_reach(
    pythons: tuple[Candidate, ...],
    closed: int,
    tmp_path: Path,
    locale: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the locale, each real interpreter reads what it is to trust below a folder with an umlaut."""
    folder = tmp_path / "prüf"
    folder.mkdir()
    trustme.CA().cert_pem.write_to_path(str(folder / "ca.pem"))
    monkeypatch.setenv("LC_ALL", locale)
    cells = [{**cell("ssl", port=closed), "cafile": str(folder / "ca.pem")}] * 2
    for one in pythons:
        said = board(one.path, cells)
        errors = [record["account"]["error_text"] for record in said if record["kind"] == "account"]
        assert len(errors) == 2
        assert all("refused" in error for error in errors), (one.id, errors)


@pytest.mark.e2e
def test_a_missing_package_is_said_by_a_real_interpreter(python27: Path, closed: int, trust: str) -> None:
    """In a real interpreter without botocore that client is said to be missing, and others go on."""
    cells = [{**cell(client, port=closed), "cafile": trust} for client in ("botocore", "ssl")]
    _, missing, *_, account, end = board(python27, cells)
    assert (missing["client"], missing["version"], missing["error_class"]) == (
        "botocore",
        None,
        "ImportError",
    )
    assert "botocore" in missing["error_text"]
    assert (account["client"], account["account"]["outcome"]) == ("ssl", "failed")
    assert end == {"kind": "end"}


@pytest.mark.e2e
def test_errors_of_python_27_are_told(python27: Path, tmp_path: Path) -> None:
    """In a real Python 2.7, texts in bytes, in Unicode and beyond the limit are all told."""
    folder = tmp_path / "probes"
    shutil.copytree(PROBES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    texts = {"bytes": r"b'caf\xc3\xa9'", "unicode": r"u'caf\xe9'", "long": "'x' * 100000"}
    for name, text in texts.items():
        (folder / "clients" / f"{name}.py").write_text(
            f"def version():\n    return '1'\ndef fetch(*_):\n    raise ValueError({text})\n"
        )
    said = board(python27, [cell(name) for name in texts], folder=folder)
    told = {r["client"]: r["account"]["error_text"] for r in said if r["kind"] == "account"}
    assert told["bytes"] == told["unicode"] == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    assert set(told["long"]) == {"x"}
    assert len(told["long"]) < 100000
