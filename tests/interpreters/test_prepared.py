"""What becomes of a candidate: an environment, or a reason why there is none."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters import prepared as prepared_module
from interpreters.clients import ClientKey
from interpreters.environments import ClientVenv, Installer, NoEnvironmentError, is_made
from interpreters.identify import parse_identity
from interpreters.interpreter import MADE
from interpreters.locate import Candidate
from interpreters.locks import BusyError, locked
from interpreters.prepared import (
    ATTEMPTS,
    EnvironmentMaker,
    Prepared,
    distinct,
    forget,
    prepare_and_hold,
    prepare_apart,
    prepare_candidate,
    twins,
)
from interpreters.ways import PYTHON
from tests.support.builders import by_key, keys
from tests.support.probing import says

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Script = Callable[[str, str], Path]

WANTED = by_key({"urllib3": "botocore", "botocore": "botocore"})
SSL = ClientKey("ssl")

UV = """
echo "$*" >>"$0.log"
for last; do :; done
case "$1" in
pip) case " $UV_LACKS " in *" $last "*) echo "error: no $last"; exit 1 ;; esac ;;
venv) mkdir -p "$last/bin" && ln -s /bin/sh "$last/bin/python" ;;
esac
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return the folder for all that is kept."""
    return tmp_path / "cache"


@pytest.fixture
def prepare(script: Script, cache: Path) -> Callable[..., Prepared]:
    """Return a function that prepares a candidate with a made-up uv."""
    uv = script("uv", UV)

    def prepare(candidate: Candidate, wanted: Mapping[ClientKey, str] = WANTED, lacks: str = "") -> Prepared:
        environment = {"PATH": os.environ["PATH"], "UV_LACKS": lacks}
        return prepare_candidate(candidate, wanted, Installer(str(uv), cache, Path("/tool")), environment)

    return prepare


def candidate(path: Path, unavailable: str = "") -> Candidate:
    """Return a candidate at a path."""
    return Candidate("opt_one", "opt", path, unavailable)


def is_ready(one: Candidate, wanted: Mapping[ClientKey, str], cache: Path) -> bool:
    """Whether nothing is left to prepare for a candidate."""
    places = {text: prepared_module._environment(cache, one, text) for text in wanted.values()}
    return bool(one.unavailable or one.environment) or all(
        is_made(one.path, text.split(), at) for text, at in places.items()
    )


def test_a_healthy_candidate_gets_an_environment(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], cache: Path
) -> None:
    """A candidate that says what it is has its identity and its environment, and no problem."""
    one = candidate(script("python3", says(facts)))
    python = cache / "environments" / one.id / "botocore" / PYTHON
    prepared = prepare(one)
    assert prepared.venvs == (ClientVenv(python, tuple(WANTED)),)
    assert (prepared.interpreter.version, prepared.interpreter.unavailable) == (facts["version"], "")
    assert is_ready(one, WANTED, cache)


def test_what_several_clients_need_is_installed_once(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], tmp_path: Path
) -> None:
    """Two clients with one requirement are one installation of it."""
    prepare(candidate(script("python3", says(facts))))
    installed = [line for line in (tmp_path / "uv.log").read_text().splitlines() if line.startswith("pip")]
    assert [line.split().count("botocore") for line in installed] == [1]


WAITS = """
[ "$1" = pip ] || exec "$0.makes" "$@"
for last; do :; done
touch "$0.$last"
for try in $(seq 200); do
    [ -e "$0.one" ] && [ -e "$0.two" ] && exit 0
    sleep 0.05
done
echo "error: $last is alone"
exit 1
"""


@pytest.mark.parametrize("at_once", [2, 1])
def test_environments_are_made_side_by_side(
    script: Script, facts: dict[str, Any], cache: Path, at_once: int
) -> None:
    """An installer that waits for another environment's ends where both may run, and only there."""
    script("uv.makes", UV)
    waits = WAITS if at_once > 1 else WAITS.replace("200", "4")
    installer = Installer(str(script("uv", waits)), cache, Path("/tool"), turns=threading.Semaphore(at_once))
    wanted = by_key({"httpx": "one", "requests": "two"})
    one = candidate(script("python3", says(facts)))
    prepared = prepare_candidate(one, wanted, installer, {"PATH": os.environ["PATH"]})
    assert [bool(venv.unavailable) for venv in prepared.venvs].count(True) == 2 - at_once
    assert [venv.clients for venv in prepared.venvs] == [(key,) for key in wanted]


def test_a_problem_that_is_known_is_passed_on(prepare: Callable[..., Prepared], cache: Path) -> None:
    """A candidate that discovery found a problem with is not started, and nothing is left to prepare."""
    one = candidate(Path("/opt/gone/bin/python3"), "it is a dangling link")
    assert prepare(one) == Prepared.of(one, unavailable="it is a dangling link")
    assert is_ready(one, WANTED, cache)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo rubbish", "is not a Python that can say what it is: it printed 'rubbish'"),
        ("kill -SEGV $$", "died of SIGSEGV when asked what it is"),
        (":", "it printed nothing"),
    ],
)
def test_what_is_no_python_has_a_problem(
    script: Script, prepare: Callable[..., Prepared], body: str, reason: str, tmp_path: Path
) -> None:
    """A candidate that is refused has the reason as its problem, and no environment is made for it."""
    prepared = prepare(candidate(script("python3", body)))
    assert prepared.interpreter.unavailable.endswith(reason)
    assert (prepared.interpreter.version, prepared.python) == ("", None)
    assert not (tmp_path / "uv.log").exists()


@pytest.mark.parametrize("version", ["three", "", "3"])
def test_an_impossible_version_is_a_problem(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], version: str
) -> None:
    """A candidate whose version is no version has a problem, and raises nothing."""
    assert prepare(candidate(script("python3", says(facts | {"version": version})))).interpreter.unavailable


def test_a_candidate_that_vanished_has_a_problem(prepare: Callable[..., Prepared], tmp_path: Path) -> None:
    """A candidate whose file is gone since it was found has a problem, and raises nothing."""
    assert prepare(candidate(tmp_path / "gone")).interpreter.unavailable


def test_a_python_without_ssl_has_a_problem(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any]
) -> None:
    """An interpreter without an ssl module has that as its problem, with the import's own error."""
    facts |= {"ssl": None, "ssl_unavailable": "ImportError: No module named _ssl"}
    one = candidate(script("python3", says(facts)))
    interpreter = prepare(one).interpreter
    assert interpreter.unavailable == "it has no ssl module: ImportError: No module named _ssl"
    assert (interpreter.version, interpreter.openssl) == (facts["version"], "")


def test_a_failed_installation_names_the_clients(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], cache: Path
) -> None:
    """When packages cannot be installed, the environment stays and the clients are named."""
    one = candidate(script("python3", says(facts)))
    prepared = prepare(one, lacks="botocore")
    assert prepared.python is not None
    assert prepared.interpreter.unavailable == ""
    why = (
        "botocore could not be installed: error: no botocore"
        " (of wheels alone: --build also builds from source)"
    )
    assert prepared.uninstalled == dict.fromkeys(WANTED, why)
    assert not is_ready(one, WANTED, cache)


MANY = WANTED | by_key({"lone": "lone", "crt": "boto3[crt]", "pair": "one two"})


@pytest.mark.parametrize("lacks", ["", "lone", "lone two", "botocore boto3[crt]"])
def test_what_cannot_be_installed_disturbs_no_other_client(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], cache: Path, lacks: str
) -> None:
    """Each requirement has an environment of its own, and only those who share one that fails are without."""
    one = candidate(script("python3", says(facts)))
    prepared = prepare(one, MANY, lacks)
    hit = {client for client, words in MANY.items() if words.split()[-1] in lacks.split()}
    assert set(prepared.uninstalled) == hit
    assert [made.clients for made in prepared.venvs] == [
        keys(["urllib3", "botocore"]),
        keys(["lone"]),
        keys(["crt"]),
        keys(["pair"]),
    ]
    assert len({made.python for made in prepared.venvs}) == len(prepared.venvs)
    assert is_ready(one, MANY, cache) is not bool(hit)
    places = prepared.places((SSL, *MANY))
    assert {client for clients in places.values() for client in clients} == {SSL, *MANY} - hit
    assert next(iter(places.items())) == (one.path, (SSL,))
    for made in prepared.venvs:
        assert set(places.get(made.python or Path(), ())) == set(made.clients) - hit


def test_words_of_a_requirement_are_installed_together(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], tmp_path: Path
) -> None:
    """A requirement of two words is one installation of both."""
    prepare(candidate(script("python3", says(facts))), by_key({"pair": "one two"}))
    assert (tmp_path / "uv.log").read_text().splitlines()[-1].endswith(" one two")


@pytest.mark.parametrize(
    ("one", "other"), [("a<1", "a>1"), ("a==1.*", "a==1"), ("a b", "a_b"), ("", "plain-")]
)
def test_requirements_never_share_a_folder(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], one: str, other: str
) -> None:
    """Two requirements that read alike as a folder's name are two folders."""
    made = candidate(script("python3", says(facts)))
    assert prepare(made, {SSL: one}).python != prepare(made, {SSL: other}).python


def test_a_later_environment_that_cannot_be_made_concerns_its_clients_alone(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], cache: Path
) -> None:
    """When only one of several environments cannot be made, its clients are without and the rest is there."""
    one = candidate(script("python3", says(facts)))
    prepare(one)
    blocked = cache / "environments" / one.id / "lone"
    blocked.symlink_to("/dev/null/nowhere")
    lone = ClientKey("lone")
    prepared = prepare(one, {**WANTED, lone: "lone"})
    assert prepared.interpreter.unavailable == ""
    assert list(prepared.uninstalled) == [lone]
    botocore = keys(["botocore"])
    assert prepared.places((lone, *botocore)) == {one.path: (), prepared.python: botocore}


def test_where_nothing_is_required_there_is_no_environment(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], tmp_path: Path, cache: Path
) -> None:
    """Clients of the standard library are measured in the interpreter itself, which has its start-up code."""
    one = candidate(script("python3", says(facts)))
    prepared = prepare(one, {})
    assert (prepared.venvs, prepared.places((SSL,))) == ((), {one.path: (SSL,)})
    assert is_ready(one, {}, cache)
    assert not (tmp_path / "uv.log").exists()


def test_an_environment_as_found_has_its_own_clients(facts: dict[str, Any]) -> None:
    """What is found is asked for its own list, each client once."""
    found = Prepared.of(replace(ONE, environment=Path("/srv/app")), parse_identity(facts))
    wanted, others = keys(["ssl", "botocore@botocore-1.20.*", "botocore@newest"]), keys(["ssl", "httpx"])
    assert found.places(wanted) == {ONE.path: keys(["ssl", "botocore"])}
    assert found.places(wanted, others) == {ONE.path: others}
    made = Prepared.of(ONE, parse_identity(facts))
    assert made.places((SSL,), others) == {ONE.path: (SSL,)}


def test_where_there_is_a_problem_nothing_is_anywhere() -> None:
    """A candidate that has a problem has no place for any client."""
    assert Prepared.of(ONE, unavailable="it hangs").places((SSL,)) == {}


def test_without_an_environment_the_interpreter_itself_is_measured(
    script: Script, facts: dict[str, Any], cache: Path
) -> None:
    """When no environment can be made, those clients have the reason, and what requires nothing is there."""
    one = candidate(script("python3", says(facts)))
    prepared = prepare_candidate(one, WANTED, Installer("/nowhere/uv", cache, Path("/tool")), {})
    assert prepared.interpreter.version == facts["version"]
    assert (prepared.python, prepared.interpreter.unavailable) == (None, "")
    assert prepared.places((SSL, *WANTED)) == {one.path: (SSL,)}
    assert prepared.uninstalled.keys() == WANTED.keys()
    assert all("/nowhere/uv cannot be run" in why for why in prepared.uninstalled.values())


def test_a_wrapper_is_the_same_as_what_it_starts(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any]
) -> None:
    """A script that starts another interpreter names it, and can stand for it where nothing else finds it."""
    real = script("real/python3", ":")
    wrapper = candidate(script("python3", says(facts | {"executable": str(real)})))
    prepared = prepare(wrapper)
    assert (prepared.same_as, prepared.interpreter.unavailable) == (real, "")
    assert prepared.python


def test_an_environment_leads_past_a_wrapper(script: Script, facts: dict[str, Any], tmp_path: Path) -> None:
    """An environment is made of what a wrapper starts, with the libraries that only the wrapper knows of."""
    uv = script("uv", f"env >>'{tmp_path}/seen'\n{UV}")
    real = script("real/python3", ":")
    sets = {"LD_LIBRARY_PATH": "/w/lib", "OPENSSL_CONF": "/w/legacy.cnf", "PYTHONPATH": "/w/py"}
    facts |= {"executable": str(real), "variables": sets}
    prepared = prepare_candidate(
        candidate(script("python3", says(facts))),
        WANTED,
        Installer(str(uv), tmp_path / "cache", Path("/tool")),
        {"PATH": os.environ["PATH"]},
    )
    assert sets.items() <= prepared.changed.items()
    assert prepared.executable == real
    (made,) = [line for line in Path(f"{uv}.log").read_text().splitlines() if line.startswith("venv")]
    assert str(real) in made.split()
    seen = (tmp_path / "seen").read_text()
    assert "LD_LIBRARY_PATH=/w/lib\n" in seen
    assert "/w/legacy.cnf" not in seen
    assert "/w/py" not in seen


def test_an_executable_that_is_not_there_says_nothing(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any]
) -> None:
    """An interpreter that names an executable where there is none is still measured."""
    prepared = prepare(candidate(script("python3", says(facts | {"executable": "/nowhere/python3"}))))
    assert (prepared.same_as, prepared.interpreter.unavailable) == (None, "")


def test_a_candidate_sees_none_of_the_users_settings(
    script: Script, facts: dict[str, Any], cache: Path, tmp_path: Path
) -> None:
    """A candidate is asked in the environment of a process under test."""
    one = candidate(script("python3", f"env >'{tmp_path}/seen'; {says(facts)}"))
    environment = {"PATH": os.environ["PATH"], "AWS_PROFILE": "nonsense", "PYTHONPATH": "/nonsense"}
    prepare_candidate(one, {}, Installer("/nowhere/uv", cache, Path("/tool")), environment)
    seen = (tmp_path / "seen").read_text()
    assert "PYTHONDONTWRITEBYTECODE=1\n" in seen
    assert f"HOME={cache / 'home'}\n" in seen
    assert "nonsense" not in seen


def test_a_forgotten_environment_is_not_ready(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], cache: Path
) -> None:
    """After its environment was forgotten a candidate has to be prepared again; twice does no harm."""
    one = candidate(script("python3", says(facts)))
    prepare(one)
    for _ in range(2):
        forget(one, cache)
        assert not is_ready(one, WANTED, cache)


def test_a_library_apart_has_an_environment_of_its_own(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], cache: Path, tmp_path: Path
) -> None:
    """A library by itself goes into an environment beside the candidate's, and is forgotten with it."""
    one = candidate(script("python3", says(facts)))
    python = prepare(one).python
    environment = {"PATH": os.environ["PATH"]}
    installer = Installer(str(tmp_path / "uv"), cache, Path("/tool"))
    with contextlib.ExitStack() as held:
        apart = prepare_apart(one, "urllib3", EnvironmentMaker(installer, environment, held))
        assert apart != python
        assert apart.exists()
        with pytest.raises(BusyError), locked(apart.parents[1], shared=False, limit=0):
            pass
    log = (tmp_path / "uv.log").read_text().splitlines()
    assert [line.split()[-1] for line in log if line.startswith("pip")] == ["botocore", "urllib3"]
    forget(one, cache)
    assert not apart.exists()


@pytest.mark.parametrize("body", ["fails", "no python"])
def test_a_library_that_cannot_be_had_apart_is_a_reason(
    script: Script, facts: dict[str, Any], cache: Path, body: str
) -> None:
    """Where a library cannot be installed, or the candidate is none, the reason is raised."""
    one = candidate(script("python3", says(facts) if body == "fails" else ":"))
    installer = Installer(str(script("uv", UV)), cache, Path("/tool"))
    environment = {"PATH": os.environ["PATH"], "UV_LACKS": "urllib3"}
    with pytest.raises(NoEnvironmentError, match="no urllib3" if body == "fails" else "printed nothing"):
        prepare_apart(one, "urllib3", EnvironmentMaker(installer, environment, contextlib.ExitStack()))


def test_other_requirements_are_not_ready(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], cache: Path
) -> None:
    """A candidate whose environment holds something else has to be prepared again."""
    one = candidate(script("python3", says(facts)))
    prepare(one)
    assert not is_ready(one, {SSL: "botocore==1.34.0"}, cache)


ONE = candidate(Path("/opt/one/bin/python3"))
TWO = Candidate("opt_two", "opt", Path("/opt/two/bin/python3"))
THIRD = Path("/srv/shop/bin/python3")


def starting(started: Candidate, wrapper: Candidate) -> Prepared:
    """Return a wrapper that starts another candidate."""
    return replace(Prepared.of(wrapper), executable=started.path)


def test_copies_of_an_interpreter_are_alike(facts: dict[str, Any], tmp_path: Path) -> None:
    """Wherever they are, unless build or account differ, or variables are not left as they are."""
    one, other, third = (tmp_path / name / "bin" / "python3" for name in ("one", "other", "third"))

    def alike(path: Path, build: str, **changes: Any) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(build)
        prefix = str(path.parents[1])
        said = {**facts, "prefix": prefix, "base_prefix": prefix, "executable": str(path), **changes}
        return prepared_module._alike(Prepared.of(candidate(path), parse_identity(said)))

    same = alike(one, "a build")
    assert same
    assert alike(other, "a build") == same
    assert alike(third, "another build") != same
    assert alike(third, "a build", version="3.12.99") != same
    assert alike(third, "a build", changed={"OPENSSL_CONF": "/w/legacy.cnf"}) == ""
    assert prepared_module._alike(Prepared.of(candidate(one))) == ""


def test_twins_are_dropped_where_the_interpreter_is_known() -> None:
    """A candidate that starts an interpreter which has a row of its own gets none."""
    known, twin = Prepared.of(ONE), starting(ONE, TWO)
    assert distinct([twin, known]) == distinct([known, twin]) == (known,)


@pytest.mark.parametrize("changed", [{"OPENSSL_CONF": "/w/legacy.cnf"}, {"LD_PRELOAD": None}])
def test_a_wrapper_that_changes_the_environment_is_no_twin(
    facts: dict[str, Any], changed: dict[str, str | None]
) -> None:
    """A candidate that starts a known interpreter with other variables is an interpreter of its own."""
    known, twin = Prepared.of(ONE), starting(ONE, TWO)
    wrapper = replace(twin, changed=parse_identity(facts | {"changed": changed}).changed)
    assert distinct([wrapper, known]) == (wrapper, known)
    assert distinct([twin, known]) == (known,)


def test_a_twin_that_the_user_named_is_kept() -> None:
    """A candidate that the user gave by name has a row, even if it starts an interpreter that has one."""
    known, twin = Prepared.of(ONE), starting(ONE, replace(TWO, given=True))
    assert distinct([twin, known]) == (twin, known)


def test_a_twin_of_the_unknown_is_measured_in_its_place() -> None:
    """A candidate that starts an interpreter which nothing else found is kept as it is."""
    twin = starting(ONE, TWO)
    assert distinct([twin]) == (twin,)


def entering(facts: dict[str, Any], name: str, **said: object) -> Prepared:
    """Return a way into an environment whose Python says this of itself."""
    suffix = "" if name == "python" else f"_{name}"
    way = Candidate(f"env_shop{suffix}", "venv", Path("/srv/shop/bin", name), environment=Path("/srv/shop"))
    return Prepared.of(way, parse_identity({**facts, "executable": str(way.path), **said}))


def test_ways_into_an_environment_that_differ_are_all_kept(facts: dict[str, Any]) -> None:
    """Each names the others where one starts under other variables; what starts the same is dropped."""
    usual = entering(facts, "python", changed={"OPENSSL_CONF": "/etc/strict.cnf"})
    other, same = entering(facts, "python3"), entering(facts, "python3_11", executable=str(THIRD))
    kept = distinct([usual, other, same])
    assert [each.interpreter.id for each in kept] == ["env_shop", "env_shop_python3"]
    assert [each.interpreter.other_ways for each in kept] == [
        (other.interpreter.path,),
        (usual.interpreter.path,),
    ]
    assert twins([usual, other, same]) == {"env_shop_python3_11": THIRD}


@pytest.mark.parametrize("said", [{"prefix": "/usr"}, {"version": "3.12.1"}, {"executable": "/usr/bin/env"}])
def test_what_is_outside_or_another_python_is_another_way(
    facts: dict[str, Any], said: dict[str, str]
) -> None:
    """A wrapper that leaves the environment, or starts another Python, is not the same as the usual one."""
    ways = [
        entering(facts, "python"),
        entering(facts, "python3", **{"executable": "/srv/shop/bin/python", **said}),
    ]
    assert [each.interpreter.id for each in distinct(ways)] == ["env_shop", "env_shop_python3"]


def test_a_wrapper_that_changes_nothing_is_the_same_way(facts: dict[str, Any]) -> None:
    """An environment that comes out the same by each of its names is one, and names no other way."""
    ways = [entering(facts, "python", executable=str(THIRD)), entering(facts, "python3")]
    (one,) = distinct(ways)
    assert (one.interpreter.id, one.interpreter.other_ways) == ("env_shop", ())


@pytest.mark.parametrize("known", [False, True])
def test_an_environment_is_measured_as_it_is(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], tmp_path: Path, *, known: bool
) -> None:
    """Nothing is made for a virtual environment: all is measured there, once for all versions asked for."""
    real = script("real/python3", ":")
    said = {"executable": str(real), "base_prefix": "/its/base", "prefix": str(tmp_path / "venv")}
    path = script("venv/bin/python", says(facts | said))
    one = replace(candidate(path), environment=tmp_path / "venv" if known else None)
    prepared = prepare(one)
    assert (prepared.venvs, prepared.executable) == ((), path)
    assert prepared.interpreter.environment == str(tmp_path / "venv")
    asked = ("ssl", "botocore@botocore-1.20.*", "botocore@botocore-newest", "urllib3@botocore-newest")
    assert prepared.places(keys(asked)) == {path: keys(["ssl", "botocore", "urllib3"])}
    own = replace(candidate(real), id="own")
    assert distinct([prepared, Prepared.of(own)])[0] == prepared
    assert not (tmp_path / "uv.log").exists()


def test_a_folder_given_as_an_environment_is_measured_as_it_is(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], cache: Path
) -> None:
    """What does not say that it is an environment, such as conda's, is one where the user says so."""
    one = replace(candidate(script("bin/python", says(facts))), environment=Path("/srv/app"))
    assert is_ready(one, WANTED, cache)
    prepared = prepare(one)
    assert prepared.interpreter.environment == "/srv/app"
    both = keys(["ssl", "botocore"])
    assert prepared.places(both) == {one.path: both}
    assert prepare(candidate(one.path)).interpreter.environment == MADE


def test_an_environment_without_ssl_has_a_problem(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any]
) -> None:
    """An environment whose Python has no ssl module has that as its problem."""
    facts |= {"ssl": None, "ssl_unavailable": "ImportError: no _ssl"}
    one = replace(candidate(script("bin/python", says(facts))), environment=Path("/srv/app"))
    assert prepare(one).interpreter.unavailable == "it has no ssl module: ImportError: no _ssl"


@pytest.mark.parametrize(
    "prepared",
    [
        Prepared.of(ONE),
        Prepared.of(ONE, unavailable="it hangs"),
        replace(Prepared.of(ONE), venvs=(ClientVenv(None),)),
    ],
)
def test_all_others_are_kept_as_they_are(prepared: Prepared) -> None:
    """A candidate that is no twin keeps its row, whatever its state."""
    assert distinct([prepared, Prepared.of(TWO)]) == (prepared, Prepared.of(TWO))


@pytest.mark.parametrize(
    ("variables", "named"),
    [({}, "/usr/lib/ssl/openssl.cnf"), ({"OPENSSL_CONF": "/etc/fips.cnf"}, "/etc/fips.cnf")],
)
def test_a_configuration_that_allows_no_context_is_named(
    script: Script, facts: dict[str, Any], cache: Path, variables: dict[str, str], named: str
) -> None:
    """Where the ssl module is there and makes no context, the reason names the configuration in force."""
    facts["ssl"]["directory"] = "/usr/lib/ssl"
    facts["contexts"] = {"SSLContext": {"error": "SSLError: library has no ciphers"}}
    one = candidate(script("python3", says(facts)))
    installer = Installer("/nowhere/uv", cache, Path("/tool"))
    found = prepare_candidate(one, WANTED, installer, {"PATH": os.environ["PATH"], **variables})
    assert found.interpreter.unavailable == (
        f"its ssl module makes no context under {named}: SSLError: library has no ciphers"
    )
    assert found.venvs == ()


def test_environments_are_held_while_a_run_measures(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], cache: Path
) -> None:
    """What was settled can be used by others, and is not removed by them, until the run lets go."""
    one = candidate(script("python3", says(facts)))
    with contextlib.ExitStack() as held:
        settled = prepare_and_hold(lambda: prepare(one), held)
        (folder,) = {place.python.parents[1] for place in settled.venvs if place.python}
        with locked(folder, shared=True, limit=0):
            pass
        with pytest.raises(BusyError), locked(folder, shared=False, limit=0):
            pass
    with locked(folder, shared=False, limit=0):
        pass
    forget(one, cache)
    assert not folder.exists()


@pytest.mark.parametrize("times", [1, ATTEMPTS])
def test_what_another_run_removed_is_prepared_again(
    script: Script, prepare: Callable[..., Prepared], facts: dict[str, Any], times: int
) -> None:
    """An environment that is gone before it could be held is made again; for ever gone, it is a reason."""
    one = candidate(script("python3", says(facts)))
    left = [times]

    def undone() -> Prepared:
        prepared = prepare(one)
        if left[0]:
            left[0] -= 1
            for place in prepared.venvs:
                assert place.python
                shutil.rmtree(place.python.parents[1])
        return prepared

    with contextlib.ExitStack() as held:
        settled = prepare_and_hold(undone, held)
    if times < ATTEMPTS:
        assert settled.interpreter.unavailable == ""
        assert all(place.python and place.python.exists() for place in settled.venvs)
    else:
        assert settled.venvs == ()
        assert "other runs keep removing its environments" in settled.interpreter.unavailable
