"""The README and docs/: every table, command and link in them held against the code that it is about."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from docs import tables
from docs.example import make
from interpreters.clients import clients
from interpreters.programs import read_programs
from reports.files import LATEST, publish
from reports.formats.frame import COLUMNS
from reports.verdicts.cells import CellKind
from reports.verdicts.decision import GateOutcome
from reports.verdicts.judge import HeldBy, PageCheck, Verdict
from reports.verdicts.policy import KEYS, Waiver, read_policy
from runs.options import SESSIONS
from servers.catalogue import read_catalogue
from servers.conditions import Condition
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


README = ROOT / "README.md"
REFERENCE = ROOT / "docs" / "reference.md"
HOW_TO = ROOT / "docs" / "how-to.md"
PAGES = sorted(
    path
    for pattern in (
        "*.md",
        *(f"{room}/**/*.md" for room in (".github", "docs", "findings", "probes", "tests")),
    )
    for path in ROOT.glob(pattern)
)
USE = re.compile(r"\bnox -s ((?:[a-z]+ ?)+?)(?: -- ([^`#\n]*))?(?=[`#;&|'\n]|\s{2}|$)")
"""A command in a text: its sessions, and the words behind `--`."""

LONGEST_README = 150


def name(path: Path) -> str:
    """Return a file's name as a person would give it."""
    return str(path.relative_to(ROOT))


@cache
def text(path: Path) -> str:
    """Return the text of a page."""
    return path.read_text(encoding="utf-8")


def section(path: Path, title: str) -> str:
    """Return what is below a heading, up to the next of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}$", text(path), re.MULTILINE)
    assert found, f"{path.name} has no section {title!r}"
    rest = text(path)[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def table(path: Path, title: str) -> list[list[str]]:
    """Return the rows of the tables in a section, without their heads."""
    lines = [line for line in section(path, title).splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    rules = [number for number, row in enumerate(rows) if set("".join(row)) <= set("|-: ")]
    heads = {number - 1 for number in rules}
    return [row for number, row in enumerate(rows) if number not in heads and number not in rules]


def ids(rows: Iterable[list[str]]) -> list[str]:
    """Return everything in code marks in the first cells of rows."""
    return list(chain.from_iterable(re.findall(r"`([^`]+)`", row[0]) for row in rows))


def agree(
    page: Path, title: str, documented: Iterable[str], known: Iterable[str], *, ordered: bool = False
) -> None:
    """Fail unless a page's table has what the code has; say which row to add, and which to remove."""
    rows, wanted = list(documented), list(known)
    steps = [f"add a row for {one}" for one in wanted if one not in rows]
    steps += [f"remove the row of {one}" for one in dict.fromkeys(rows) if one not in wanted]
    steps += [f"keep a single row of {one}" for one in dict.fromkeys(rows) if rows.count(one) > 1]
    if ordered and not steps and rows != wanted:
        steps.append(f"put the rows into this order: {', '.join(wanted)}")
    assert not steps, f"{name(page)}, {title}: {'; '.join(steps)}"


@pytest.mark.parametrize(
    ("documented", "ordered", "message"),
    [
        (["a"], False, "add a row for b"),
        (["b", "a", "c"], False, "remove the row of c"),
        (["a", "b", "b"], False, "keep a single row of b"),
        (["b", "a"], True, "put the rows into this order: a, b"),
    ],
)
def test_a_table_that_differs_is_named(documented: list[str], ordered: bool, message: str) -> None:  # noqa: FBT001
    """A table that does not have what the code has is named with its page, its section and what to do."""
    with pytest.raises(AssertionError) as caught:
        agree(REFERENCE, "Servers", documented, ["a", "b"], ordered=ordered)
    assert str(caught.value).partition("\n")[0] == f"docs/reference.md, Servers: {message}"


def options() -> set[tuple[str, str]]:
    """Return each option of each session, as its table has to have it."""
    found = set()
    for session, own in SESSIONS.items():
        for option in own:
            metavar = option.settings.get("metavar", "")
            word = f"{metavar}..." if option.positional else f"{option.name} {metavar}".strip()
            found.add((session, word))
    return found


def test_the_readme_is_short() -> None:
    """The README has at most 150 lines: what is looked up stands in docs."""
    assert len(text(README).splitlines()) <= LONGEST_README


def test_the_reference_has_every_session() -> None:
    """The table of sessions is the noxfile's, as a test of the noxfile has it, in its order."""
    agree(REFERENCE, "Sessions", ids(table(REFERENCE, "Sessions")), SESSIONS, ordered=True)


def test_the_reference_has_every_option() -> None:
    """The tables of options name each option of each session with its value, and no other."""
    rows = table(REFERENCE, "Options")
    named = [(session, ids([row])[0]) for row in rows for session in re.findall(r"`(\w+)`", row[1])]
    documented = (f"`{word}` of `{session}`" for session, word in named)
    agree(
        REFERENCE, "Options", documented, (f"`{word}` of `{session}`" for session, word in sorted(options()))
    )


def test_the_options_are_found() -> None:
    """The options that the reference has to have include those that have been there from the start."""
    words = {"--interpreter PATH", "--only GLOB", "--floor VERSION", "--botocore SPEC", "DIR..."}
    assert words <= {word for _, word in options()}


@pytest.mark.parametrize("page", tables.PAGES, ids=name)
def test_the_tables_of_the_code_are_up_to_date(page: Path) -> None:
    """Each marked table is what the code has now."""
    assert tables.filled(text(page)) == text(page), f"run {tables.COMMAND}"


def test_each_table_of_the_code_is_in_a_page() -> None:
    """Every table that can be made is marked once, in one of the pages."""
    marked = [found[2] for page in tables.PAGES for found in tables.MARKED.finditer(text(page))]
    assert sorted(marked) == sorted(tables.TABLES)


SAMPLE = """\
[tls1_1_ecdsa]
why = "an old | appliance"
protocols = ["TLSv1.1", "TLSv1"]
key_exchange = "ecdhe"
certificate = "ecdsa"

[closes]
why = "hangs up"
role = "attack"
protocols = ["TLSv1.2"]
key_exchange = "any"
certificate = "rsa"
engine = "script"
script = "close"
source = "RFC 1"
"""


def test_a_new_server_has_a_row(tmp_path: Path) -> None:
    """A server's row has its versions from the oldest up, and words of the catalogue that end no cell."""
    path = tmp_path / "catalogue.toml"
    path.write_text(SAMPLE)
    servers = read_catalogue(path).servers
    assert tables.markdown(tables.server_rows(servers)) == (
        "| id | speaks | key exchange | tells |\n|---|---|---|---|\n"
        "| `tls1_1_ecdsa` | TLSv1, TLSv1.1 | ECDHE with an ECDSA certificate | an old \\| appliance |\n"
    )
    (_, row) = tables.attack_rows(servers)
    assert row == ("`closes`", "hangs up", "not come back with less (RFC 1)")


def test_a_new_client_has_a_row(tmp_path: Path) -> None:
    """A row has the first line of the client's file, its requirement and groups; a reference has none."""
    for client, constants in (
        ("a", 'REQUIREMENT = "b[c] d"\nGROUPS = "s3 aws"'),
        ("e", 'REQUIREMENT = ""\nREFERENCE = True'),
    ):
        (tmp_path / f"{client}.py").write_text(
            f'"""Client `{client}`: fetches: a page.\n\nMore.\n"""\n{constants}\n'
        )
    with_head = list(tables.client_rows(clients(tmp_path).values(), tmp_path))
    assert with_head[1:] == [("`a`", "fetches: a page", "`b[c]`, `d`", "`s3`, `aws`")]


def test_the_command_writes_what_is_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --write a page that is out of date is named; with it, the table alone is replaced."""
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- table programs -->\n| old |\n<!-- end -->\nAfter.\n")
    monkeypatch.setattr(tables, "PAGES", (page,))
    assert (tables.main([]), tables.COMMAND in capsys.readouterr().out) == (1, True)
    assert (tables.main(["--write"]), tables.main([]), capsys.readouterr().out) == (0, 0, "")
    rows = tables.markdown(tables.program_rows(read_programs(own=None)))
    assert page.read_text() == f"Before.\n<!-- table programs -->\n{rows}<!-- end -->\nAfter.\n"


def test_the_reference_has_every_condition() -> None:
    """The table of conditions is that of the code."""
    agree(REFERENCE, "Conditions", ids(table(REFERENCE, "Conditions")), Condition, ordered=True)


@pytest.mark.parametrize("page", [README, REFERENCE], ids=name)
def test_the_pages_have_every_verdict(page: Path) -> None:
    """The tables of verdicts, in the README and in the reference, have each of them."""
    title = "How to read it" if page == README else "Verdicts"
    agree(page, title, ids(table(page, title)), Verdict)


def test_the_reference_has_every_kind_of_cell() -> None:
    """The table of cells has each kind but a connection, which shows its version."""
    known = (kind for kind in CellKind if kind is not CellKind.CONNECTED)
    agree(REFERENCE, "Cells", ids(table(REFERENCE, "Cells")), known)


def test_the_reference_has_all_that_holds_a_floor() -> None:
    """The table of what holds the floor, and the conclusions of the page's check, are those of the code."""
    title = "What holds the floor"
    agree(REFERENCE, title, ids(table(REFERENCE, title)), (by for by in HeldBy if by is not HeldBy.UNKNOWN))
    said = re.findall(r"`([^`]+)`", section(REFERENCE, "What holds the floor"))
    assert set(PageCheck) - {PageCheck.UNKNOWN} <= set(said)


def test_the_reference_has_every_column() -> None:
    """The table of columns is matrix.csv's, in its order."""
    title = "Columns of matrix.csv"
    agree(REFERENCE, title, ids(table(REFERENCE, title)), COLUMNS, ordered=True)


def test_the_reference_has_every_exit_code() -> None:
    """The table of exit codes is the gate's."""
    rows = table(REFERENCE, "Exit codes")
    documented = (f"{row[0]} `{ids([row[1:]])[0]}`" for row in rows)
    known = (f"{outcome.exit_code} `{outcome}`" for outcome in GateOutcome)
    agree(REFERENCE, "Exit codes", documented, known, ordered=True)


def _toml(page: Path, title: str) -> str:
    """Return the TOML that a section shows."""
    (found,) = re.findall(r"^```toml\n(.*?)^```$", section(page, title), re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_sample_policy_has_every_key() -> None:
    """The policy in the reference has each key that there is, and each of a waiver."""
    document = tomllib.loads(_toml(REFERENCE, "Policy"))
    assert sorted(document) == sorted(KEYS)
    assert sorted(document["waiver"][0]) == sorted(field.name for field in fields(Waiver))


def test_the_sample_policy_is_one(tmp_path: Path) -> None:
    """The policy in the reference can be read."""
    path = tmp_path / "policy.toml"
    path.write_text(_toml(REFERENCE, "Policy"))
    assert read_policy(path).file == "policy.toml"


def test_the_reference_has_every_file_of_a_run(tmp_path: Path) -> None:
    """The table of files has each that a run, its remedies and its gate write, and no other of theirs."""
    with publish("run", tmp_path) as folder:
        make.rebuild(folder)
    latest = tmp_path / LATEST
    written = {f"{path.name}/" if path.is_dir() else path.name for path in latest.iterdir()}
    rows = [row for row in table(REFERENCE, "Files") if row[1] in ("every run", "`remedy`", "`gate`")]
    agree(REFERENCE, "Files", ids(rows), sorted(written))


@pytest.mark.parametrize("row", table(REFERENCE, "Files"), ids=lambda row: str(row[0]))
def test_the_code_knows_each_other_file(row: list[str]) -> None:
    """What other sessions, or options, write stands in the code by the name that the table of files has."""
    if row[1] in ("every run", "`remedy`", "`gate`"):
        return
    (file,) = ids([row])
    code = "".join(text(path) for room in ("reports", "runs") for path in (ROOT / room).rglob("*.py"))
    assert row[1].strip("`") in {*SESSIONS, *(option.name for own in SESSIONS.values() for option in own)}
    assert f'"{file}"' in code


def test_the_sample_server_is_one(tmp_path: Path) -> None:
    """The server that the guide adds can be read, and is none that there is."""
    path = tmp_path / "catalogue.toml"
    path.write_text(text(ROOT / "servers" / "catalogue.toml") + _toml(HOW_TO, "Add a server of your own"))
    assert len(read_catalogue(path).servers) == len(read_catalogue().servers) + 1


def test_the_sample_program_is_one(tmp_path: Path) -> None:
    """The program of one's own that the guide keeps can be read, beside ours, and is judged by the wire."""
    path = tmp_path / "programs.toml"
    path.write_text(_toml(HOW_TO, "Measure a program of your own"))
    *ours, own = read_programs(own=path)
    assert len(ours) == len(read_programs(own=None))
    assert (own.prints_answer, bool(own.relaxed)) == (False, True)


def commands() -> list[tuple[str, str, tuple[str, ...]]]:
    """Return each use of nox in the pages: where it is, its sessions, and the options behind `--`."""
    found = set()
    for page in PAGES:
        for named, words in USE.findall(text(page)):
            # What is quoted is another program's, as after --command.
            own = re.sub(r"'[^']*'|\"[^\"]*\"", "", words)
            found.add((name(page), named.strip(), tuple(re.findall(r"(?<!\S)--[\w-]+", own))))
    return sorted(found)


def test_the_commands_are_found() -> None:
    """The commands that are checked include plain ones, some with options, and two sessions in one."""
    found = {(named, words) for _, named, words in commands()}
    assert {
        ("matrix", ()),
        ("matrix gate", ("--only",)),
        ("merge", ("--expect", "--expect")),
        ("matrix", ("--environment", "--only")),
    } <= found


@pytest.mark.parametrize(("page", "named", "words"), commands())
def test_every_command_can_be_given(page: str, named: str, words: tuple[str, ...]) -> None:
    """Every command in the pages is of sessions that there are, with options that these take."""
    del page
    if named == "NAME":
        return
    assert set(named.split()) <= set(SESSIONS)
    own = {option.name for session in named.split() for option in SESSIONS[session]}
    assert set(words) - own - {"--help"} == set() or named == "tests"


def links(path: Path) -> Iterator[str]:
    """Yield the targets of a page's links and pictures, without those in code and those to the web."""
    prose = re.sub(r"^```.*?^```$", "", text(path), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose)):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Every link in a page that stays in the repository has a file and, where it names one, a heading."""
    broken = []
    for target in links(page):
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def test_links_are_found() -> None:
    """The links that are checked include files, headings of the same page and of others."""
    assert {"LICENSE", "docs/reference.md"} <= set(links(README))
    assert {"#policy", "how-to.md", "../interpreters/locations.toml"} <= set(links(REFERENCE))


def test_the_how_to_leads_to_every_guide() -> None:
    """The list at the head of the page has each guide, in the order of the page."""
    guides = re.findall(r"^## (.+)$", re.sub(r"```.*?```", "", text(HOW_TO), flags=re.DOTALL), re.MULTILINE)
    assert re.findall(r"^- \[(.+)\]\(#", text(HOW_TO), re.MULTILINE) == guides


def test_the_readme_of_the_probe_has_every_file() -> None:
    """Each file of the folder has a row that says its job."""
    page = (ROOT / "probes" / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "probes").glob("*.py") if f"| `{path.name}`" not in page] == []


def test_the_reference_leads_to_every_schema() -> None:
    """The table of files has a link to the JSON Schema of each file that has one."""
    schemas = {path.name for path in (ROOT / "reports" / "formats").glob("*.schema.json")}
    assert schemas
    linked = {target.rpartition("/")[2] for target in links(REFERENCE) if target.endswith(".schema.json")}
    assert linked == schemas


def test_each_line_of_the_threat_model_names_a_test_that_is_there() -> None:
    """Where the design says what a hostile place comes to, the test that it names is in the file it names."""
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = page.partition("## Places are not trusted")[2].partition("\n## ")[0]
    texts = [(ROOT / file).read_text(encoding="utf-8") for file in re.findall(r"`(tests/\S+\.py)`", section)]
    defined = {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 10
    assert all("test" in line.rpartition(" | ")[2] for line in lines)
    assert {*re.findall(r"`(test_\w+)`", section)} <= defined
