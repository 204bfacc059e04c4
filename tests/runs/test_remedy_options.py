"""Collecting options: what there is to try is what was measured, can be had, and is still maintained."""

from __future__ import annotations

import ast
import datetime as dt
import re
import ssl
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runs.remedy_options
from interpreters.clients import Client, ClientKey, clients, default_clients, variants
from interpreters.deployed.managers import Management, Manager
from interpreters.environments import NoEnvironmentError
from interpreters.hardening.recipes import read_recipes, remedies
from interpreters.tables import TableError
from reports.verdicts.copies import EnvironmentCopies
from reports.verdicts.floor_file import floor_file_for
from reports.verdicts.judge import Verdict
from runs.remedy_options import FLOORS as FLOORS_FOLDER
from runs.remedy_options import Makers, closed_folder, collect_options, known_options, snippet, snippets
from servers.protocols import LADDER, Protocol
from tests.support.builders import FLOORS, TLS1_1, TLS1_2, TLS1_3, a_program, a_row, an_interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reports.verdicts.matrix import Row
    from reports.verdicts.remedies import RemedyOptions

KNOWN = clients()
NEWEST = variants([KNOWN["ssl"], KNOWN["requests"], KNOWN["botocore"]])
HELD_BACK = variants([KNOWN["ssl"], KNOWN["requests"], KNOWN["botocore"], KNOWN["urllib3"]], ["1.20.0"])
"""Clients of which those on botocore were measured in an old release."""
TODAY = dt.date(2026, 11, 28)


class _Shop:
    """In place of making environments: notes what it is asked for, and has none for some interpreters."""

    def __init__(self, *without: str) -> None:
        self.without = without
        self.asked: list[tuple[str, str]] = []

    @property
    def makers(self) -> Makers:
        return Makers(self.newest, self.copies)

    def copies(self, rows: Sequence[Row], libraries: Mapping[str, str]) -> EnvironmentCopies:
        self.asked += [(row.interpreter.id, f"a copy for {libraries[str(row.client)]}") for row in rows]
        return EnvironmentCopies((), (), Management(Manager.PIP))

    def newest(self, interpreter: str, library: str) -> Path:
        self.asked.append((interpreter, library))
        if interpreter in self.without:
            msg = f"no {library} for {interpreter}"
            raise NoEnvironmentError(msg)
        return Path("/made/up", interpreter, library)


def _row(name: str, client: str | ClientKey) -> Row:
    return a_row(Verdict.DOWNGRADED, name, client)


def _collect(
    rows: Sequence[Row], measured: Mapping[ClientKey, Client], shop: _Shop, floor: Protocol = TLS1_2
) -> RemedyOptions:
    return collect_options(rows, known_options(rows, measured, floor, TODAY), measured, shop.makers, {})


def test_a_newer_release_is_had_where_one_was_held_back() -> None:
    """Each row of a client that was pinned gets an environment with the newest, or the reason it has none."""
    shop = _Shop("two")
    rows = [_row("one", "botocore"), _row("one", "ssl"), _row("one", "requests"), _row("two", "botocore")]
    options = _collect(rows, HELD_BACK, shop)
    assert shop.asked == [("one", "botocore"), ("two", "botocore")]
    assert options.upgrades == {
        ("one", "botocore"): Path("/made/up/one/botocore"),
        ("two", "botocore"): "no botocore for two",
    }


def test_the_newest_is_not_made_again() -> None:
    """What was installed by its name alone, or comes with Python, is tried in no newer release."""
    shop = _Shop()
    options = _collect([_row("one", client) for client in NEWEST], NEWEST, shop)
    assert (shop.asked, options.upgrades) == ([], {})


def test_an_environment_that_was_found_is_copied() -> None:
    """What we did not install is tried in copies of its environment, made once for all its rows."""
    shop = _Shop()
    found = replace(an_interpreter("found"), environment="/its/own")
    rows = [a_row(Verdict.DOWNGRADED, client=name, interpreter=found) for name in NEWEST]
    options = _collect(rows, NEWEST, shop)
    assert shop.asked == [("found", f"a copy for {name}") for name in ("", "requests", "botocore")]
    assert not options.upgrades
    assert set(options.copies) == {"found"}


def test_nothing_is_made_for_rows_that_hold() -> None:
    """Where a row needs no remedy, neither an environment nor a configuration is made."""
    shop = _Shop()
    options = _collect([a_row(Verdict.ENFORCED, "one", "botocore")], HELD_BACK, shop)
    assert (shop.asked, options.upgrades, options.files) == ([], {}, {})


def test_the_library_that_decides_is_the_one_upgraded() -> None:
    """A client whose requirement is not what decides gets the newest of what does."""
    shop = _Shop()
    client = Client("it", "outer inner", reference=False, library="inner")
    _collect([_row("one", "it")], {ClientKey("it"): client}, shop)
    assert shop.asked == [("one", "inner")]


@pytest.mark.parametrize("floor", FLOORS)
def test_lines_libraries_and_builds_are_those_of_the_floor(floor: Protocol) -> None:
    """Without any row there is still what to advise: every measured client's lines, and the builds."""
    options = _collect([], HELD_BACK, _Shop(), floor)
    assert options.floor is floor
    assert options.libraries == {
        "ssl": "",
        "requests": "requests",
        "botocore": "botocore",
        "urllib3": "urllib3",
    }
    assert options.snippets == snippets(HELD_BACK.values(), floor)
    assert set(options.snippets) == {key.name for key in HELD_BACK}
    assert options.recipes == remedies(read_recipes(), floor)
    assert all((" --floor TLSv1.3" in words) is (floor is TLS1_3) for words in options.recipes.values())


def test_each_interpreter_gets_the_floor_on_top_of_what_it_reads(tmp_path: Path) -> None:
    """The configuration to try is made from the file in force, and where none can be made it says why."""
    texts = {"sound": "a = b\n", "broken": "this is an error\n"}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "openssl.cnf").write_text(text)
    one, two = (
        replace(an_interpreter(name), openssl_dir=str(folder), openssl_conf=str(folder / "openssl.cnf"))
        for name, folder in ((name, tmp_path / name) for name in texts)
    )
    options = _collect([a_row(Verdict.FRAGILE, interpreter=each) for each in (one, two)], NEWEST, _Shop())
    assert options.files["sound"] == floor_file_for(one, TLS1_2, {})
    assert "this is an error" in str(options.files["broken"])


def test_what_sets_the_variable_itself_gets_no_configuration() -> None:
    """A wrapper that exports OPENSSL_CONF is reached by no variable, so none is tried, and it says so."""
    wrapper = replace(an_interpreter("one"), openssl_dir="/usr/lib/ssl", openssl_conf="/its/own.cnf")
    rows = [a_row(Verdict.DOWNGRADED, interpreter=wrapper)]
    said = _collect(rows, NEWEST, _Shop()).files["one"]
    assert said == f"{wrapper.path} sets OPENSSL_CONF itself, to /its/own.cnf, whatever it is started with"
    under = {"OPENSSL_CONF": "/its/own.cnf"}
    options = collect_options(rows, known_options(rows, NEWEST, TLS1_2, TODAY), NEWEST, _Shop().makers, under)
    assert not isinstance(options.files["one"], str)


def test_what_a_process_was_started_with_is_no_wrapper(tmp_path: Path) -> None:
    """A service has its OPENSSL_CONF from its unit, which can name another file that includes the first."""
    (tmp_path / "legacy.cnf").write_text("a = b\n")
    variables = {"OPENSSL_CONF": str(tmp_path / "legacy.cnf")}
    process = replace(
        an_interpreter("running_shop"),
        environment="/srv/shop/venv",
        openssl_dir=str(tmp_path),
        openssl_conf=variables["OPENSSL_CONF"],
        variables=variables,
    )
    file = _collect([a_row(Verdict.DOWNGRADED, interpreter=process)], NEWEST, _Shop()).files["running_shop"]
    assert not isinstance(file, str)
    assert variables["OPENSSL_CONF"] in file.text


def test_a_damaged_file_of_recipes_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes that cannot be read are no empty list of recipes."""

    def damaged() -> None:
        msg = "builds.toml is not valid TOML"
        raise TableError(msg)

    monkeypatch.setattr(runs.remedy_options, "read_recipes", damaged)
    with pytest.raises(TableError, match=r"builds\.toml"):
        _collect([], NEWEST, _Shop())


def test_what_is_at_its_end_of_life_is_known() -> None:
    """Interpreters whose version ended before today are known with the day, and programs are none."""
    ended, lives = an_interpreter("ended", "3.9.18"), an_interpreter("lives", "3.13.0")
    rows = [a_row(interpreter=one) for one in (ended, lives, a_program())]
    assert known_options(rows, NEWEST, TLS1_2, TODAY).ends == {"ended": dt.date(2025, 10, 31)}
    assert known_options(rows, NEWEST, TLS1_2, dt.date(2025, 10, 31)).ends == {}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, as those that pytest makes are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        if closed := closed_folder(str(folder / "x")):
            pytest.skip(f"not everybody may enter {closed}: set TMPDIR to a folder that is open")
        yield folder


def test_a_folder_that_not_everybody_may_enter_is_found(open_folder: Path) -> None:
    """The first closed folder on the way to the real file is named, whichever link leads there."""
    inner = open_folder / "home" / "bin"
    inner.mkdir(parents=True)
    python, link = inner / "python", open_folder / "link"
    python.touch()
    link.symlink_to(python)
    (open_folder / "home").chmod(0o751)
    assert closed_folder(str(link)) == ""
    (open_folder / "home").chmod(0o750)
    inner.chmod(0o700)
    assert closed_folder(str(link)) == str(open_folder / "home")
    assert closed_folder(str(open_folder / "gone" / "python")) == str(open_folder / "gone")


def test_a_closed_folder_reaches_the_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of a folder is known by the interpreter in it."""
    monkeypatch.setattr(runs.remedy_options, "closed_folder", lambda path: "/made" if "one" in path else "")
    rows = [a_row(name="one"), a_row(name="two")]
    assert known_options(rows, NEWEST, TLS1_2, TODAY).closed == {"one": "/made"}


def test_a_file_that_would_not_hold_is_not_tried(tmp_path: Path) -> None:
    """Where the machine's own configuration keeps a floor from being read, its line is named instead."""
    own = tmp_path / "openssl.cnf"
    row = _row("one", "ssl")
    placed = replace(row.interpreter, openssl_dir=str(tmp_path), openssl_conf=str(own))
    row = replace(row, interpreter=placed)
    for text, words in (
        ("[init]\nssl_conf = x\n", ""),
        ("[init]\nMinProtocol = TLSv1.2\n", "line 3 has MinProtocol"),
    ):
        own.write_text("openssl_conf = init\n" + text)
        file = _collect([row], NEWEST, _Shop()).files["one"]
        assert isinstance(file, str) is bool(words)
        assert words in str(file)


# The lines that set a floor in code -----------------------------------------------------------------------

FILES = sorted(FLOORS_FOLDER.glob("*.py"))


def test_each_client_that_is_measured_by_default_has_lines() -> None:
    """The lines are there for the default clients, and for no client that there is not."""
    assert set(default_clients()) <= set(snippets(clients().values(), TLS1_2))
    assert {path.stem for path in FILES} <= set(clients())


def test_a_client_without_a_file_has_no_lines(tmp_path: Path) -> None:
    """Only the clients that were asked for and have a file are there."""
    (tmp_path / "a.py").write_text("TLSv1_2")
    (tmp_path / "c.py").write_text("TLSv1_2")
    wanted = [Client("a", "", reference=False), Client("b", "", reference=False)]
    assert snippets(wanted, TLS1_3, tmp_path) == {"a": "TLSv1_3"}


def test_a_client_may_have_the_lines_of_another(tmp_path: Path) -> None:
    """Where one client makes another's contexts, the other's lines are its own."""
    (tmp_path / "a.py").write_text("TLSv1_2")
    assert snippets([Client("b", "", reference=False, floor="a")], TLS1_2, tmp_path) == {"b": "TLSv1_2"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_files_are_as_they_are_shown(path: Path) -> None:
    """For the floor that the files are written for, nothing is changed."""
    text = path.read_text()
    assert snippet(text, TLS1_2) == text


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_floor_is_put_in(path: Path, floor: Protocol) -> None:
    """The floor is the only version that is set, and an old Python is told to leave out all that is below."""
    text = snippet(path.read_text(), floor)
    tree = ast.parse(text)
    set_to = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and "TLSv1" in node.attr
    } | {
        str(node.value).replace(".", "_")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and re.fullmatch(r"TLSv1\.\d", str(node.value))
    }
    assert set_to == {floor.replace(".", "_")}, (
        'write the floor as ssl.TLSVersion.TLSv1_2 or "TLSv1.2": a trial of another floor replaces that'
    )
    lists = [
        [ast.literal_eval(element) for element in node.elts]
        for node in ast.walk(tree)
        if isinstance(node, ast.Tuple)
    ]
    assert bool(lists) is ("OP_NO_" in text)
    for listed in lists:
        assert listed == [p.replace(".", "_") for p in LADDER if p.below(floor)]
        assert all(hasattr(ssl, "OP_NO_" + name) for name in listed)


def test_the_floors_differ() -> None:
    """Each floor gives a text of its own."""
    text = FILES[0].read_text()
    assert len({snippet(text, floor) for floor in (TLS1_1, TLS1_2, TLS1_3)}) == 3
