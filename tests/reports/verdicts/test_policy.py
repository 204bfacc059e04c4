"""The policy: what a file says is what is applied, and what cannot be meant is refused with its remedy."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import reports.verdicts.policy
from interpreters.clients import clients
from interpreters.deployed.found import read_found
from interpreters.programs import read_programs
from interpreters.tables import TableError
from reports.verdicts.judge import Verdict
from reports.verdicts.policy import (
    CHOICES,
    KEYS,
    Policy,
    Waiver,
    interpreter_sources,
    read_policy,
    unknown_client,
)
from servers import protocols
from tests.support.builders import FLOORS, TLS1_2, a_policy
from tests.support.refusals import refusal

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """
floor = "TLSv1.2"
clients = ["botocore", "ssl"]
sources = ["system", "pyenv"]
environments = ["/srv/*", "env_shop"]
fails = ["inconclusive", "fragile"]
new_only = "baseline/matrix.json"
partial = true
max_age = 30
openssl_conf = ["/made/up/floor.cnf"]

[[waiver]]
interpreter = "pyenv_2_7_*"
reason = "it goes in spring"
expires = 2027-03-31

[[waiver]]
host = "build-?"
interpreter = "pyenv_3_6_15"
client = "bo*"
reason = "<it> is = hard\\u001b"
expires = 2026-12-31

[[waiver]]
environment = "/srv/old/*"
reason = "it is moving"
expires = 2026-12-31
"""
"""The file that says what `a_policy` is."""

WAIVER = '[[waiver]]\ninterpreter = "a"\nreason = "b"\nexpires = 2027-01-31\n'


def _read(folder: Path, text: str) -> Policy:
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return read_policy(path)


def _refusal(folder: Path, text: str) -> str:
    return refusal(TableError, _read, folder, text)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    """Each key of a file has its place in the policy, lists in the order in which we name things."""
    known = [one.id for one in clients().values()]
    policy = _read(tmp_path, WHOLE)
    assert policy.clients == tuple(sorted(a_policy().clients, key=known.index))
    assert policy.sources == tuple(sorted(a_policy().sources, key=interpreter_sources().index))
    for field in fields(Policy):
        if field.name not in ("clients", "sources"):
            assert getattr(policy, field.name) == getattr(a_policy(), field.name)


def test_without_a_file_everything_counts_and_fails(tmp_path: Path) -> None:
    """No file is the default policy: all that was measured counts, and all but `enforced` fails."""
    policy = read_policy(tmp_path / "policy.toml")
    assert policy == Policy()
    assert [verdict for verdict in Verdict if not policy.fails_on(verdict)] == [Verdict.ENFORCED]
    assert policy.fails_on("missing")


def test_an_empty_file_asks_for_the_same(tmp_path: Path) -> None:
    """A file that says nothing is the default policy, and is known to be there."""
    policy = _read(tmp_path, "# nothing yet\n")
    assert policy == Policy(file="policy.toml")
    assert policy.record() == {**Policy().record(), "file": "policy.toml"}


def test_this_repository_has_no_policy_of_its_own() -> None:
    """The file is looked for in the root of the repository, and none is shipped there."""
    root = reports.verdicts.policy.POLICY.parent
    assert reports.verdicts.policy.POLICY.name == "policy.toml"
    assert (root / "noxfile.py").exists()
    ignored = (root / ".gitignore").read_text(encoding="utf-8").split()
    assert "policy.toml" not in ignored


@pytest.mark.parametrize("floor", FLOORS)
def test_each_floor_may_be_asked_for(tmp_path: Path, floor: str) -> None:
    """Every version that a run can have as its floor may be a policy's."""
    assert _read(tmp_path, f'floor = "{floor}"').floor is floor
    assert tuple(protocols.FLOORS) == FLOORS


@pytest.mark.parametrize("verdict", CHOICES)
def test_each_choice_may_be_left_out(tmp_path: Path, verdict: str) -> None:
    """What is left out of `fails` does not fail, and the rest does, `downgraded` named or not."""
    rest = [other for other in CHOICES if other != verdict]
    for named in (rest, ["downgraded", *rest]):
        policy = _read(tmp_path, f"fails = {json.dumps(named)}")
        assert not policy.fails_on(verdict)
        assert all(policy.fails_on(other) for other in ("downgraded", *rest))
    assert _read(tmp_path, "fails = []").fails_on("downgraded")


def test_a_path_may_stand_alone(tmp_path: Path) -> None:
    """One OpenSSL configuration needs no list, and one that is named twice counts once."""
    assert _read(tmp_path, 'openssl_conf = "/a.cnf"').openssl_conf == ("/a.cnf",)
    assert _read(tmp_path, 'openssl_conf = ["/a.cnf", "/b", "/a.cnf"]').openssl_conf == ("/a.cnf", "/b")


def test_a_waiver_covers_what_its_globs_match() -> None:
    """A waiver covers a row only if its host, its interpreter and its client all match, case included."""
    waiver = Waiver("pyenv_3_[67]_*", "so it is", dt.date(2027, 1, 31), "bo*", "build-?")
    assert waiver.covers("build-1", "pyenv_3_6_15", "botocore")
    assert not waiver.covers("build-10", "pyenv_3_6_15", "botocore")
    assert not waiver.covers("build-1", "pyenv_3_8_18", "botocore")
    assert not waiver.covers("build-1", "pyenv_3_6_15", "ssl")
    assert not waiver.covers("build-1", "PYENV_3_6_15", "botocore")
    everywhere = Waiver("pyenv_*", "so it is", dt.date(2027, 1, 31))
    assert everywhere.covers("any", "pyenv_2_7_18", "ssl")
    assert everywhere.covers("any", "pyenv_2_7_18", "ssl", "/srv/shop")
    assert (str(waiver), str(everywhere)) == ("pyenv_3_[67]_*/bo* on build-?", "pyenv_*/*")


def test_a_waiver_may_name_an_environment_by_its_path() -> None:
    """It covers what was found there, whatever its id, and nothing else, least of all what was made."""
    waiver = Waiver("*", "it is moving", dt.date(2027, 1, 31), environment="/srv/old/*")
    assert waiver.covers("any", "env_venv", "ssl", "/srv/old/venv")
    assert not waiver.covers("any", "env_venv", "ssl", "/srv/new/venv")
    assert not waiver.covers("any", "system_3_11", "ssl")
    assert str(waiver) == "*/* in /srv/old/*"


def test_a_waiver_names_an_interpreter_or_an_environment(tmp_path: Path) -> None:
    """A waiver of everything there is has to be meant: one of the two is written down."""
    text = WAIVER.replace('interpreter = "a"\n', "")
    message = _refusal(tmp_path, text)
    assert message == "policy.toml [[waiver]] 1: 'interpreter' is missing; name it, or an environment"
    (waiver,) = _read(tmp_path, f'{text}environment = "/srv/*"').waivers
    assert (waiver.interpreter, waiver.environment) == ("*", "/srv/*")


def test_environments_are_globs_of_the_path_or_the_id(tmp_path: Path) -> None:
    """Without any, all that was found counts; an empty list is refused, because then nothing would."""
    policy = _read(tmp_path, 'environments = ["/srv/*", "env_shop", "/srv/*"]')
    assert policy.environments == ("/srv/*", "env_shop")
    assert policy.counts_environment("/srv/a/venv", "env_a")
    assert policy.counts_environment("/opt/shop", "env_shop")
    assert not policy.counts_environment("/opt/other", "env_other")
    assert Policy().counts_environment("/opt/other", "env_other")
    assert _refusal(tmp_path, "environments = []") == (
        "policy.toml: environments is empty, so none would count; name some, or leave it out for all"
    )
    assert "environments must be a list of globs" in _refusal(tmp_path, 'environments = "/srv/*"')


@pytest.mark.parametrize(
    ("policy", "opening"),
    [
        (
            Policy(),
            "no policy file, so the default: a run must be whole, at most 7 days old and under no variable",
        ),
        (
            Policy(file="policy.toml", partial=True, max_age=1, openssl_conf=("/a", "/b")),
            "policy.toml: a run may be partial, at most 1 day old and under OPENSSL_CONF=/a or /b or none.",
        ),
    ],
)
def test_a_policy_is_said_in_sentences(policy: Policy, opening: str) -> None:
    """The first sentence says which policy is in force and which runs it takes."""
    assert policy.sentences()[0].startswith(f"In force is {opening}")


def test_all_that_a_policy_asks_is_said() -> None:
    """Floor, what counts, what fails, the baseline and each waiver with its end have a sentence each."""
    assert a_policy().sentences()[1:] == [
        "The floor is TLSv1.2.",
        "Clients that count: ssl, botocore.",
        "Sources that count: pyenv, system.",
        "Environments as found that count: /srv/*, env_shop.",
        "Fails: downgraded, fragile, inconclusive.",
        "What failed alike in baseline/matrix.json is let pass.",
        "Waived until 2027-03-31: pyenv_2_7_*/*: it goes in spring.",
        "Waived until 2026-12-31: pyenv_3_6_15/bo* on build-?: <it> is = hard\x1b.",
        "Waived until 2026-12-31: */* in /srv/old/*: it is moving.",
    ]


def test_the_record_is_jsons_own_types() -> None:
    """The record of a policy can be written as JSON and has each of its facts, dates as ISO 8601 has them."""
    record = a_policy().record()
    assert json.loads(json.dumps(record)) == record
    assert record == {
        "file": "policy.toml",
        "floor": "TLSv1.2",
        "clients": ["ssl", "botocore"],
        "sources": ["pyenv", "system"],
        "environments": ["/srv/*", "env_shop"],
        "conditions": ["ambient"],
        "fails": ["downgraded", "fragile", "inconclusive"],
        "new_only": "baseline/matrix.json",
        "partial": True,
        "max_age": 30,
        "openssl_conf": ["/made/up/floor.cnf"],
        "waivers": [
            {
                "host": "*",
                "interpreter": "pyenv_2_7_*",
                "client": "*",
                "environment": "*",
                "reason": "it goes in spring",
                "expires": "2027-03-31",
            },
            {
                "host": "build-?",
                "interpreter": "pyenv_3_6_15",
                "client": "bo*",
                "environment": "*",
                "reason": "<it> is = hard\x1b",
                "expires": "2026-12-31",
            },
            {
                "host": "*",
                "interpreter": "*",
                "client": "*",
                "environment": "/srv/old/*",
                "reason": "it is moving",
                "expires": "2026-12-31",
            },
        ],
    }


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("flor", "floor"),
        ("FLOOR", "floor"),
        ("client", "clients"),
        ("source", "sources"),
        ("environment", "environments"),
        ("fail", "fails"),
        ("newonly", "new_only"),
        ("waivers", "waiver"),
    ],
)
def test_an_unknown_key_names_its_nearest(tmp_path: Path, wrong: str, nearest: str) -> None:
    """A misspelt key is refused with the one that was meant."""
    message = _refusal(tmp_path, f"{wrong} = 1")
    assert message == f"policy.toml: unknown key {wrong!r}; did you mean {nearest!r}?"


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("interpeter", "interpreter"), ("clients", "client"), ("expiry", "expires")],
)
def test_an_unknown_key_of_a_waiver_names_its_nearest(tmp_path: Path, wrong: str, nearest: str) -> None:
    """A misspelt key of a waiver is refused with the number of the waiver and the key that was meant."""
    message = _refusal(tmp_path, f"{WAIVER}\n{WAIVER}{wrong} = 1")
    assert message == f"policy.toml [[waiver]] 2: unknown key {wrong!r}; did you mean {nearest!r}?"


@example("\x1b")
@example("")
@given(st.text())
def test_any_unknown_key_is_refused_with_a_key_that_there_is(
    tmp_path_factory: pytest.TempPathFactory, key: str
) -> None:
    """Whatever is written in the place of a key, it is refused in one line with one of our own."""
    assume(key not in KEYS)
    # JSON's quoting is TOML's, save for this one character.
    written = json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")
    message = _refusal(tmp_path_factory.mktemp("policy"), f"{written} = 1")
    assert message.isprintable()
    known = f"the keys are {', '.join(KEYS)}"
    assert re.search(rf"(did you mean '({'|'.join(KEYS)})'\?|{known})$", message)


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ('floor = "tlsv1.2"', "floor", "TLSv1.2"),
        ('floor = "TLS1.3"', "floor", "TLSv1.3"),
        ('clients = ["ssl", "boto-core"]', "clients", "botocore"),
        ('clients = ["urllib 3"]', "clients", "urllib3"),
        ('sources = ["pyenvs"]', "sources", "pyenv"),
        ('fails = ["fragil"]', "fails", "fragile"),
        ('fails = ["Untestable"]', "fails", "untestable"),
    ],
)
def test_an_unknown_value_names_its_nearest(tmp_path: Path, text: str, key: str, nearest: str) -> None:
    """A value that there is not is refused with its key, the one that was meant, and all that there are."""
    message = _refusal(tmp_path, text)
    assert message.startswith(f"policy.toml: {key} has ")
    assert f"did you mean {nearest!r}?" in message


def test_the_reference_client_and_what_is_enforced_are_no_choice(tmp_path: Path) -> None:
    """The client that is there for reference cannot count, and `enforced` cannot fail."""
    assert "clients has 'relaxed'" in _refusal(tmp_path, 'clients = ["relaxed"]')
    assert "fails has 'enforced'" in _refusal(tmp_path, 'fails = ["enforced"]')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("floor = 1.2", "policy.toml: floor has 1.2; did you mean 'TLSv1.2'? It is one of TLSv1.1, "),
        ('floor = ["TLSv1.2"]', "policy.toml: floor has ['TLSv1.2']; did you mean 'TLSv1.2'?"),
        ('floor = ""', "policy.toml: floor has ''; it is one of TLSv1.1, "),
        ('clients = "ssl"', "policy.toml: clients must be a list"),
        ("clients = [1]", "policy.toml: clients has 1; it is one of ssl, "),
        ("sources = {}", "policy.toml: sources must be a list"),
        ("fails = true", "policy.toml: fails must be a list"),
        ("new_only = true", "policy.toml: new_only must be text"),
        ('new_only = " "', "policy.toml: new_only must be text"),
        ("waiver = 1", "policy.toml: waiver must be a list of tables"),
        ('waiver = ["a"]', "policy.toml: waiver must be a list of tables"),
        ('[waiver]\ninterpreter = "a"', "policy.toml: waiver must be a list of tables; write [[waiver]]"),
        (WAIVER.replace('"a"', "3"), "policy.toml [[waiver]] 1: interpreter must be text"),
        (WAIVER.replace('"b"', '""'), "policy.toml [[waiver]] 1: 'reason' is empty"),
        (f"{WAIVER}client = []", "policy.toml [[waiver]] 1: client must be text"),
        (f"{WAIVER}host = 1", "policy.toml [[waiver]] 1: host must be text"),
        (WAIVER.replace("2027-01-31", '"2027-01-31"'), "policy.toml [[waiver]] 1: expires must be a date"),
        (WAIVER.replace("2027-01-31", "2027-01-31T00:00:00Z"), "[[waiver]] 1: expires must be a date"),
        (WAIVER.replace("2027-01-31", "true"), "policy.toml [[waiver]] 1: expires must be a date"),
    ],
)
def test_a_value_of_another_type_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """A value of another type than is asked for is refused with its key and what to write."""
    assert said in _refusal(tmp_path, text)


@pytest.mark.parametrize("key", ["interpreter", "reason", "expires"])
def test_a_waiver_needs_a_reason_and_an_end(tmp_path: Path, key: str) -> None:
    """A waiver that does not say for what, why or until when is refused with the key that it lacks."""
    text = "\n".join(line for line in WAIVER.splitlines() if not line.startswith(key))
    assert _refusal(tmp_path, text).startswith(f"policy.toml [[waiver]] 1: {key!r} is missing")


def test_sources_are_those_of_interpreters(tmp_path: Path) -> None:
    """What only environments come from is refused: it would look as if those counted, and change nothing."""
    alone = {source.id for source in read_found()} - set(interpreter_sources())
    assert "pipx" in alone
    for source in alone:
        assert f"sources has '{source}'" in _refusal(tmp_path, f'sources = ["{source}"]')


@pytest.mark.parametrize("key", ["clients", "sources", "environments"])
def test_a_list_that_lets_nothing_count_is_refused(tmp_path: Path, key: str) -> None:
    """An empty list of what counts would pass everything, and is refused with its key."""
    assert f"{key} is empty" in _refusal(tmp_path, f"{key} = []")


def test_programs_are_clients_too(tmp_path: Path) -> None:
    """Each program may count by its id, beside clients or alone, and the policy knows which are programs."""
    every = [one.id for one in read_programs()]
    for known in every:
        policy = _read(tmp_path, f'clients = ["{known}", "ssl"]\nsources = ["pyenv", "program"]')
        assert (policy.clients, policy.programs) == (("ssl", known), (known,))
    assert _read(tmp_path, f"clients = {json.dumps(every)}").programs == tuple(every)
    assert _read(tmp_path, 'clients = ["ssl"]').programs == ()
    assert policy.record()["clients"] == ["ssl", every[-1]]


def test_what_may_be_a_client_of_the_users_is_left_to_the_report(tmp_path: Path) -> None:
    """A name that the tool does not know may be one of --client or --command: who has a report can tell."""
    policy = _read(tmp_path, 'clients = ["shop", "curl", "ssl", "curl_2", "shop"]\nsources = ["program"]')
    assert policy.clients == ("ssl", "curl", "shop", "curl_2")
    assert (policy.programs, policy.own) == (("curl",), ("shop", "curl_2"))
    assert _read(tmp_path, 'clients = ["shop"]').clients == ("shop",)
    assert unknown_client(policy, {"ssl", "shop", "curl_2"}) == ""
    assert unknown_client(Policy(clients=("ssl",)), ()) == ""


@pytest.mark.parametrize(
    ("name", "meant"), [("botocor", "botocore"), ("curl_3", "curl"), ("shopp", "shop"), ("zzz", "")]
)
def test_a_client_that_nobody_measured_is_refused_with_its_nearest(name: str, meant: str) -> None:
    """The sentence names the file, the name, the one that may be meant, and the remedy."""
    said = unknown_client(Policy(clients=("ssl", name), own=(name,), file="policy.toml"), {"ssl", "shop"})
    assert said.startswith(f"policy.toml: clients has '{name}', which is no client of the tool's")
    assert ("did you mean" in said) is bool(meant)
    assert not meant or f"did you mean '{meant}'? If not, measure it" in said
    assert said.endswith("measure it with --client or --command, or take it out")


def test_no_program_has_the_name_of_a_client() -> None:
    """A name in a policy means one thing."""
    assert not {one.id for one in read_programs()} & clients().keys()


def test_a_program_that_no_source_lets_count_is_refused(tmp_path: Path) -> None:
    """A program that is named, and whose source is not, would be asked for in vain."""
    said = _refusal(tmp_path, 'clients = ["ssl", "curl"]\nsources = ["pyenv"]')
    assert "clients has the program 'curl', which would never count, because sources lacks 'program'" in said


def test_programs_that_cannot_be_read_are_the_policys_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken file of programs is one sentence, and only for a policy that names clients."""

    def broken() -> None:
        msg = "programs.toml [curl]: 'fetch' is missing or empty"
        raise TableError(msg)

    monkeypatch.setattr("interpreters.programs.read_programs", broken)
    said = _refusal(tmp_path, 'clients = ["ssl"]')
    assert (
        said
        == "policy.toml: its clients cannot be checked: programs.toml [curl]: 'fetch' is missing or empty"
    )
    assert _read(tmp_path, 'sources = ["pyenv"]').sources == ("pyenv",)


@pytest.mark.parametrize(
    "content", [b"floor", b"a = 1\na = 2", b"\xff\xfe", b"a" + b" = [" + b"[" * 5000, b"\0"]
)
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is not TOML is refused with its name, however it fails to be."""
    path = tmp_path / "policy.toml"
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"policy\.toml is not valid TOML"):
        read_policy(path)


def test_a_file_that_is_there_and_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    """A folder in its place, or a link that leads nowhere, is not taken for the lack of a policy."""
    path = tmp_path / "policy.toml"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(TableError, match="cannot be read"):
        read_policy(path)
    os.unlink(path)  # noqa: PTH108  of a link that leads nowhere
    path.mkdir()
    with pytest.raises(TableError, match="cannot be read"):
        read_policy(path)


def test_the_default_floor_is_left_to_the_run() -> None:
    """Without a floor in it a policy asks for none, and with one for that."""
    assert Policy().floor is None
    assert Policy(floor=TLS1_2).record()["floor"] == "TLSv1.2"
