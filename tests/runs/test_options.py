"""The options of the sessions: each session has its own; sessions asked for together share the words."""

from __future__ import annotations

from pathlib import Path

import pytest

from runs.options import SESSIONS, OptionError, parse
from servers.conditions import Condition
from servers.protocols import Protocol


@pytest.mark.parametrize("name", SESSIONS)
def test_the_help_of_a_session_is_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help of each session names that session, what it is for and its options, and no other's."""
    if name == "tests":
        assert vars(parse(name, [name], ["--help"], "A summary.")) == {}
        return
    with pytest.raises(SystemExit) as end:
        parse(name, [name], ["--help"], "A summary.")
    shown = capsys.readouterr().out
    assert end.value.code == 0
    assert shown.startswith(f"usage: nox -s {name} -- ")
    assert "A summary." in shown
    own = {option.name for option in SESSIONS[name] if not option.positional}
    every = {option.name for options in SESSIONS.values() for option in options if not option.positional}
    words = set(shown.replace(",", " ").replace("]", " ").replace("[", " ").split())
    assert every & words == own


def test_the_help_of_harden_lists_the_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    """Each recipe of interpreters/hardening/builds.toml is in harden's help with both of its versions."""
    with pytest.raises(SystemExit):
        parse("harden", ["harden"], ["-h"], "")
    assert "debian_12: OpenSSL 3.0, Python 3.11" in capsys.readouterr().out


def test_the_defaults_of_a_matrix() -> None:
    """A matrix measures as the machine is; which clients, and the floor, it leaves to others to say."""
    options = parse("matrix", ["matrix"], [], "")
    assert (options.clients, options.conditions, options.floor) == ((), (Condition.AMBIENT,), None)
    assert (options.only, options.interpreter, options.fresh, options.programs) == ([], [], False, False)


@pytest.mark.parametrize(
    ("name", "words", "sentence"),
    [
        ("truth", ["--conditions", "ambient"], "unrecognized arguments: --conditions ambient"),
        ("truth", ["--programs"], "unrecognized arguments: --programs"),
        ("truth", ["--attacks"], "unrecognized arguments: --attacks"),
        ("remedy", ["--conditions", "all"], "unrecognized arguments: --conditions all"),
        ("remedy", ["--programs"], "unrecognized arguments: --programs"),
        ("serve", ["--only", "x"], "unrecognized arguments: --only x"),
        ("bench", ["--floor", "TLSv1.2"], "unrecognized arguments: --floor TLSv1.2"),
        ("gate", ["reports/history/one"], "unrecognized arguments: reports/history/one"),
        ("lint", ["--fix"], "unrecognized arguments: --fix"),
        ("merge", ["--floor", "TLSv1.2"], "unrecognized arguments: --floor"),
        (
            "harden",
            ["--floor", "TLSv1.1"],
            "argument --floor: there is no floor 'TLSv1.1'; there are TLSv1.2",
        ),
        ("harden", ["--jobs", "0"], "argument --jobs: '0' is not a whole number of 1 or more"),
        ("bench", ["--environments", "9"], "'9' is not a number of environments from 10 to 900"),
        ("matrix", ["--floor", "1.2"], "there is no floor '1.2'; there are TLSv1.1, TLSv1.2, TLSv1.3"),
        ("matrix", ["--keep", "0"], "argument --keep: '0' is not a whole number of 1 or more"),
        (
            "matrix",
            ["--clients", "nativ"],
            "argument --clients: there is no client or group 'nativ'; did you mean 'native'?",
        ),
        ("matrix", ["--find-links", "/nonexistent/wheels"], "there is no folder '/nonexistent/wheels'"),
        ("matrix", ["--openssl", "/nonexistent/openssl"], "there is no program '/nonexistent/openssl'"),
        (
            "matrix",
            ["--command-limit", "0"],
            "--command-limit: '0' is not a number of seconds from 1 to 3600",
        ),
        ("matrix", ["--shard", "1/2"], "--shard is about places: name some with --place or --places"),
        ("matrix", ["--at-once=2"], "--at-once is about places: name some with --place or --places"),
        ("verify", ["--signer", "x"], "--signer is a name in the file of --allowed: give that too"),
        ("matrix", ["--botocore", "1.40,x y"], "argument --botocore: 'xy' is no version and no specifier"),
        ("venv", ["--urllib3", "=2"], "argument --urllib3: '=2' is no version and no specifier"),
        ("remedy", ["--command", "true"], "unrecognized arguments: --command true"),
        ("matrix", ["--recipe", "aws_page"], "unrecognized arguments: --recipe aws_page"),
    ],
)
def test_what_a_session_would_ignore_is_refused(
    name: str, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word that a session does not know, or a value that is none, is one line and exit status 2."""
    with pytest.raises(SystemExit) as end:
        parse(name, [name], words, "")
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert sentence in said
    assert said.endswith(f"; see nox -s {name} -- --help\n")
    assert said.count("\n") == 1


def test_sessions_asked_for_together_share_the_words() -> None:
    """Each takes what it knows: --only is matrix's, --recipe harden's, --floor both's, and gate has none."""
    asked = ["matrix", "harden", "gate"]
    words = ["--only", "pyenv_*", "--recipe", "aws_page", "--floor", "TLSv1.3"]
    matrix, harden, gate = (parse(name, asked, words, "") for name in asked)
    assert (matrix.only, matrix.floor) == (["pyenv_*"], Protocol.TLSV1_3)
    assert (harden.recipe, harden.floor) == ("aws_page", Protocol.TLSV1_3)
    assert not hasattr(matrix, "recipe")
    assert not hasattr(harden, "only")
    assert vars(gate) == {}


def test_an_option_that_no_session_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Of sessions asked for together, none hides a word that none of them knows."""
    with pytest.raises(SystemExit) as end:
        parse("harden", ["gate", "harden"], ["--only", "x"], "")
    assert end.value.code == 2
    assert "unrecognized arguments: --only x" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--openssl", "3.0"], ["--openssl=3.0"], ["--fresh"]])
@pytest.mark.parametrize("name", ["matrix", "harden"])
def test_an_option_with_two_meanings_is_refused(name: str, words: list[str]) -> None:
    """An option by which two sessions mean different things is refused by both, with both meanings."""
    with pytest.raises(OptionError, match="ask for one session at a time") as refused:
        parse(name, ["matrix", "harden"], words, "")
    assert words[0].partition("=")[0] in str(refused.value)
    assert "matrix (" in str(refused.value)
    assert "harden (" in str(refused.value)


def test_words_without_an_option_cannot_be_shared(tmp_path: Path) -> None:
    """The folders of merge and the runs of compare cannot be told apart."""
    with pytest.raises(OptionError, match="ask for one session at a time"):
        parse("merge", ["merge", "compare"], [str(tmp_path)], "")
    assert parse("merge", ["merge", "compare"], [], "").folders == []
    both = parse("merge", ["matrix", "merge"], [str(tmp_path), "--only", "x", "--expect", "y", "there"], "")
    assert (both.folders, both.expect) == ([tmp_path, Path("there").absolute()], ["y"])


def test_pytest_gets_every_word() -> None:
    """What follows `tests --` is pytest's, unless a word is an option of another session asked for too."""
    assert vars(parse("tests", ["tests"], ["-k", "x", "--help"], "")) == {}
    assert vars(parse("lint", ["lint", "tests"], ["-k", "x"], "")) == {}
    for name in ("matrix", "tests"):
        with pytest.raises(OptionError, match="tests hands every word to pytest, and --only is an option of"):
            parse(name, ["matrix", "tests"], ["--only", "x"], "")


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is meant where the caller is, and stays that when the session changes its folder."""
    monkeypatch.chdir(tmp_path)
    options = parse("matrix", ["matrix"], ["--interpreter", "mine", "--find-links", "."], "")
    assert (options.interpreter, options.find_links) == ([tmp_path / "mine"], tmp_path)
    assert parse("harden", ["harden"], ["--prefix", "here"], "").prefix == Path(tmp_path, "here")
