"""Other programs: what a table may say, which of them this machine has, and what they say of themselves."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.describe import describe, describe_program
from interpreters.interpreter import PROGRAM
from interpreters.locate import Candidate
from interpreters.programs import (
    PLACEHOLDERS,
    InstalledProgram,
    Program,
    commands,
    identify_program,
    locate_programs,
    missing_command,
    programs_of,
    read_programs,
)
from interpreters.tables import TableError

if TYPE_CHECKING:
    from collections.abc import Callable

    Script = Callable[[str, str], Path]

GOOD = """\
[tool]
command = "tool"
prints_answer = true
ask = ["--version"]
version = 'tool (\\S+)'
fetch = ["{program}", "{cafile}", "{url}"]
"""

TOOL = Program(
    "tool",
    "tool",
    ("{program}", "{cafile}", "{url}"),
    ask=("--version",),
    version=r"tool (\S+)",
    prints_answer=True,
    library=r"with (\S+)",
    relaxed=("{program}", "--old", "{cafile}", "{port}"),
    request="GET",
)


def a_file(folder: Path, text: str) -> Path:
    """Return a file of programs with this text."""
    path = folder / "programs.toml"
    path.write_text(text)
    return path


def test_our_own_file_can_be_read() -> None:
    """Every table of the file that comes with the tool can be meant, and the promised ones are there."""
    programs = {one.id: one for one in read_programs()}
    assert {"curl", "wget", "openssl", "node", "java", "aws"} <= programs.keys()
    assert all("{program}" in one.fetch for one in programs.values())


def test_a_table_is_read_as_it_stands(tmp_path: Path) -> None:
    """What a table says is in the program, and what it leaves out is empty."""
    (one,) = read_programs(a_file(tmp_path, GOOD))
    assert one == replace(TOOL, library="", relaxed=(), request="")
    assert not any((one.library, one.only, one.relaxed, one.request, one.limit, one.folder))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[tool]", "[Tool-1]", ["[Tool-1]", "lower-case"]),
        ("[tool]", "tool = 1\n[other]", ["[tool]", "is not a table"]),
        ("[tool]", "[tool", ["not valid TOML"]),
        ("command =", "comand =", ["unknown key 'comand'", "did you mean 'command'?"]),
        ("command =", "zzz =", ["unknown key 'zzz'", *(f.name for f in fields(Program) if f.name != "id")]),
        ('command = "tool"\n', "", ["'command' is missing"]),
        ('["--version"]', "[]", ["version is looked for in what the program answers", "no key 'ask'"]),
        ("version = 'tool (\\S+)'\n", "", ["'version' is missing", "'ask'"]),
        ("fetch", "limit = 0\nfetch", ["limit must be seconds from 1 to 3600, such as 20, not 0"]),
        ("true", "'yes'", ["prints_answer must be true or false, without quotes"]),
        ('["--version"]', '"--version"', ["ask must be a list of texts", "'--version'"]),
        ('["--version"]', "[1]", ["ask must be a list of texts"]),
        ("'tool (\\S+)'", "5", ["version must be text", "5"]),
        ("'tool (\\S+)'", "'tool (\\S+'", ["version is no regular expression"]),
        ("'tool (\\S+)'", "'tool'", ["version must have 1 group, not 0"]),
        ("fetch", "only = '(a)'\nfetch", ["only must have no group"]),
        ('"{url}"', '"{uri}"', ["fetch has {uri}", *PLACEHOLDERS]),
        ('"{url}"', '"{"', ["fetch has a brace that means nothing"]),
        ('"{url}"', '"https://here/"', ["fetch lacks {url}"]),
        ('"{cafile}", ', "", ["fetch lacks {cafile}"]),
        ('"{program}", ', "", ["fetch lacks {program}"]),
        ("fetch", 'relaxed = ["{program}", "{url}"]\nfetch', ["relaxed lacks {cafile}"]),
        ("fetch", 'floor = ["--new"]\nfetch', ["a floor needs a word '{floor}' in fetch or relaxed"]),
        ('"{url}"', '"{url}", "{floor}"', ["such a word needs a floor"]),
        ('"{url}"', '"{url}", "--least={floor}"', ["fetch has {floor}"]),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    """A table at fault is named, with what is wrong with it and what there is instead."""
    assert GOOD.count(old) == 1
    with pytest.raises(TableError) as raised:
        read_programs(a_file(tmp_path, GOOD.replace(old, new)))
    said = str(raised.value)
    assert said.startswith("programs.toml")
    assert "\n" not in said
    for word in words:
        assert word in said


OWN = """\
[shop]
command = "bin/shop"
fetch = ["{program}", "--endpoint", "{url}"]
folder = "app"
limit = 60
"""


def test_the_users_own_programs_stand_beside_ours(tmp_path: Path) -> None:
    """A programs.toml of one's own has the same keys; of what it names the wire alone has to tell."""
    own = tmp_path / "own" / "programs.toml"
    own.parent.mkdir()
    assert [one.id for one in read_programs(own=own)] == [one.id for one in read_programs()]
    (own.parent / "app").mkdir()
    own.write_text(OWN)
    *ours, shop = read_programs(own=own)
    assert [one.id for one in ours] == [one.id for one in read_programs()]
    app = own.parent / "app"
    fetch = ("{program}", "--endpoint", "{url}")
    assert shop == Program("shop", str(app / "bin/shop"), fetch, limit=60, folder=str(app))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "[shop]",
            "[curl]",
            [
                "programs.toml [curl]: the tool has a program curl already, in probes/programs.toml",
                "another name",
            ],
        ),
        ('"app"', '"nowhere"', ["programs.toml [shop]: there is no folder", "nowhere"]),
        ("60", "4000", ["programs.toml [shop]: limit must be seconds from 1 to 3600, such as 20, not 4000"]),
        ("limit = 60", "version = '(x)'", ["there is no key 'ask'"]),
        ("{url}", "{uri}", ["fetch has {uri}", *PLACEHOLDERS]),
    ],
)
def test_what_cannot_be_meant_of_ones_own_is_a_sentence(
    tmp_path: Path, old: str, new: str, words: list[str]
) -> None:
    """A table of the user's at fault is named with what is wrong with it, before anything is measured."""
    (tmp_path / "app").mkdir()
    assert OWN.count(old) == 1
    own = a_file(tmp_path, OWN.replace(old, new))
    with pytest.raises(TableError) as raised:
        read_programs(own=own)
    for word in words:
        assert word in str(raised.value)


def test_a_file_of_ones_own_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    """A folder in its place, or a link that leads nowhere, says so."""
    (tmp_path / "programs.toml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(TableError, match=r"programs.toml cannot be read: No such file or directory; repair"):
        read_programs(own=tmp_path / "programs.toml")


def test_a_command_is_a_program_of_that_name(tmp_path: Path) -> None:
    """A command's first word is the program, which gives the name, a number where several have that."""
    texts = ["My-App --endpoint '{url}'", "./bin/run.sh {host} {port}", "my-app", "sh -c 'x {cafile}'"]
    found = programs_of(texts, tmp_path, 7, ["sh", "sh_2"])
    assert [one.id for one in found] == ["my_app", "run_sh", "my_app_2", "sh_3"]
    assert [one.command for one in found] == ["My-App", str(tmp_path / "bin/run.sh"), "my-app", "sh"]
    assert [one.fetch for one in found] == [
        ("{program}", "--endpoint", "{url}"),
        ("{program}", "{host}", "{port}"),
        ("{program}",),
        ("{program}", "-c", "x {cafile}"),
    ]
    assert {(one.limit, one.folder, one.prints_answer, one.ask) for one in found} == {
        (7, str(tmp_path), False, ())
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["--command '' has no word in it", "myapp"]),
        ("app 'x", ["cannot be taken apart", "No closing quotation"]),
        ("app {uri}", ["--command 'app {uri}': it has {uri}; there are", *PLACEHOLDERS]),
        ('app {"a":1}', ["write {{ and }} for braces"]),
        ("app {", ["write {{ and }} for braces"]),
    ],
)
def test_a_command_that_cannot_be_meant_is_a_sentence(tmp_path: Path, text: str, words: list[str]) -> None:
    """What is wrong with a command is said with the command, in one sentence."""
    with pytest.raises(TableError) as raised:
        programs_of([text], tmp_path, 10, [])
    for word in words:
        assert word in str(raised.value)


def test_a_command_that_starts_nothing_is_a_sentence(tmp_path: Path, script: Script) -> None:
    """The first command whose program is not there is named, with what to write for a shell's words."""
    script("bin/there", "")
    for text, missing in (
        ("./bin/there", ""),
        ("there x", ""),
        ("NAME=VALUE there", "NAME=VALUE"),
        ("./absent", str(tmp_path / "absent")),
    ):
        found = programs_of(["there", text], tmp_path, 10, [])
        said = missing_command(found, ["there", text], {"PATH": str(tmp_path / "bin")})
        assert bool(said) is bool(missing)
        if missing:
            assert said.startswith(f"--command {text!r}: there is no program {missing!r}")
            assert "sh -c" in said


def test_a_command_is_not_asked_what_it_is(script: Script, tmp_path: Path) -> None:
    """Nobody knows how to ask a program of the user's, so it is not run before it is measured."""
    path = script("app", f"touch {tmp_path}/was_run")
    known = programs_of([str(path)], tmp_path, 10, [])
    (candidate,) = locate_programs(known, {})
    found = identify_program(candidate, known, {})
    assert found
    assert (found.interpreter.path, found.interpreter.version, found.interpreter.unavailable) == (
        *(str(path), "", ""),
    )
    assert not (tmp_path / "was_run").exists()


def test_a_command_is_led_by_variables_and_a_program_of_ours_by_its_words(tmp_path: Path) -> None:
    """The probe is told how long, where and with what a command runs, and that it need not say anything."""
    (program,) = programs_of(["sh {url}"], tmp_path, 7, [])
    (candidate,) = locate_programs([program], os.environ)
    told = commands(InstalledProgram(describe(candidate), program), "relaxed")["sh"]
    assert (told["limit"], told["folder"], told["prints_answer"]) == (7, str(tmp_path), False)
    assert told["variables"]["SSL_CERT_FILE"] == "{cafile}"
    told = commands(InstalledProgram(describe(candidate), TOOL), "relaxed")["tool"]
    assert (told["prints_answer"], told["variables"]) == (True, {})


def test_root_starts_no_program_that_others_could_replace(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the program nor another one among its words, such as behind env; it has a row that says why."""
    mine, theirs = script("mine", ""), script("theirs", "")
    monkeypatch.setattr(
        "interpreters.programs.not_as_root", lambda path: "owned by alice" if path == theirs else ""
    )
    texts = [str(mine), str(theirs), "./mine -x ./theirs", f"./mine {tmp_path}/absent"]
    known = programs_of(texts, tmp_path, 10, [])
    found = locate_programs(known, {})
    refusal = f"{theirs}: owned by alice"
    assert [one.unavailable for one in found] == ["", refusal, refusal, ""]
    refused = identify_program(found[1], known, {})
    assert refused
    assert refused.interpreter.unavailable == refusal


def test_only_what_is_on_the_path_is_a_candidate(tmp_path: Path, script: Script) -> None:
    """A command that is there and can be run is found under its own name; nothing is run for that."""
    (tmp_path / "plain").write_text("no program")
    there = script("there", f"touch {tmp_path}/was_run")
    (tmp_path / "link").symlink_to(there)
    known = [
        Program(name, name, ("{program}",), ask=("x",), version="(x)")
        for name in ("there", "plain", "absent", "link")
    ]
    found = locate_programs(known, {"PATH": str(tmp_path)})
    assert found == (
        Candidate("program_there", PROGRAM, there),
        Candidate("program_link", PROGRAM, tmp_path / "link"),
    )
    assert not (tmp_path / "was_run").exists()


def ask(script: Script, body: str, program: Program = TOOL, limit: float = 10.0) -> InstalledProgram | None:
    """Return what a program that is this shell script says of itself."""
    candidate = Candidate("program_tool", PROGRAM, script("tool", body))
    return identify_program(candidate, [program], {"PATH": os.environ["PATH"]}, limit)


def test_a_program_is_asked_what_it_is(script: Script) -> None:
    """Version and library come from what it prints, on either stream, when asked as its table says."""
    unwritten = '[ "$PYTHONDONTWRITEBYTECODE" = 1 ]'
    found = ask(script, f'[ "$*" = --version ] && {unwritten} && echo "tool 1.2.3 with SomeSSL/4" >&2')
    assert found
    assert (found.interpreter.version, found.interpreter.openssl, found.interpreter.unavailable) == (
        "1.2.3",
        "SomeSSL/4",
        "",
    )


def test_a_program_that_keeps_its_library_to_itself_can_be_measured(script: Script) -> None:
    """Without a word about the library that is empty, and no problem."""
    found = ask(script, "echo tool 1.2.3")
    assert found
    assert (found.interpreter.version, found.interpreter.openssl, found.interpreter.unavailable) == (
        "1.2.3",
        "",
        "",
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo rubbish; exit 3", ["did not say its version", "'rubbish'", "status 3"]),
        ("kill -SEGV $$", ["nothing", "died of SIGSEGV"]),
        ("yes", ["did not say what it is"]),
        ("sleep 1000", ["did not say what it is within 0.5 s"]),
    ],
)
def test_a_program_that_cannot_say_has_a_reason(script: Script, body: str, words: list[str]) -> None:
    """One that prints rubbish, crashes, prints without end or hangs cannot be measured, and it says why."""
    found = ask(script, body, limit=10.0 if body == "yes" else 0.5)
    assert found
    assert Path(found.interpreter.path).name == "tool"
    for word in [found.interpreter.path, *words]:
        assert word in found.interpreter.unavailable


def test_a_program_that_cannot_be_run_has_a_reason(tmp_path: Path) -> None:
    """An executable that the system refuses to run has the system's reason."""
    path = tmp_path / "tool"
    path.write_text("neither a script nor a binary")
    path.chmod(0o755)
    found = identify_program(Candidate("program_tool", PROGRAM, path), [TOOL], {})
    assert found
    assert "cannot be run" in found.interpreter.unavailable


@pytest.mark.parametrize(("said", "there"), [("tool 2.1", True), ("tool 1.9", False), ("no such", False)])
def test_another_program_of_the_same_name_is_none(script: Script, *, said: str, there: bool) -> None:
    """A table that is about one kind of a program only is not taken for another."""
    one = replace(TOOL, version=r"tool (2\S*)", only="tool 2")
    found = ask(script, f"echo {said}; exit 1", one)
    assert (found is not None) is there


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("aws-cli/1.44.87 Python/3.9.18 Linux/6.1 botocore/1.42.97", "1.44.87"),
        ("aws-cli/2.9.19 Python/3.11.2 Linux/6.1 source/x86_64.debian.12 prompt/off", "2.9.19"),
    ],
)
def test_either_version_of_the_aws_cli_has_a_row(script: Script, said: str, version: str) -> None:
    """The command aws is measured whichever version it is: on this PATH it is what people run."""
    (aws,) = [one for one in read_programs() if one.id == "aws"]
    candidate = Candidate("program_aws", PROGRAM, script("aws", f"echo '{said}'"))
    found = identify_program(candidate, [aws], {"PATH": os.environ["PATH"]})
    assert found
    assert (found.interpreter.version, found.interpreter.unavailable) == (version, "")


def test_a_floor_stands_in_its_place_only_where_it_is_asked_for(script: Script) -> None:
    """A program is measured without the words that are advised, unless it is they that are measured."""
    words = ("{program}", "{floor}", "{cafile}", "{url}")
    program = replace(TOOL, fetch=words, relaxed=(), floor=("--least", "1.2"))
    found = InstalledProgram(describe(Candidate("program_tool", PROGRAM, script("tool", ""))), program)
    assert commands(found, "relaxed")["tool"]["words"] == ["{program}", "{cafile}", "{url}"]
    floored = commands(found, "relaxed", program.floor)["tool"]["words"]
    assert floored == ["{program}", "--least", "1.2", "{cafile}", "{url}"]


def test_commands_are_the_program_s_own_and_the_relaxed(script: Script) -> None:
    """A probe is told how to run the program under its id, and under the reference's name if it can be."""
    candidate = Candidate("program_tool", PROGRAM, script("tool", ""))
    told = commands(InstalledProgram(describe_program(candidate, "1.2.3", ""), TOOL), "relaxed")
    assert {name: one["words"] for name, one in told.items()} == {
        "tool": list(TOOL.fetch),
        "relaxed": list(TOOL.relaxed),
    }
    assert {one["path"] for one in told.values()} == {str(candidate.path)}
    assert {one["version"] for one in told.values()} == {"1.2.3"}
    strict = replace(TOOL, relaxed=())
    assert list(commands(InstalledProgram(describe(candidate), strict), "relaxed")) == ["tool"]
