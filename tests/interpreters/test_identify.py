"""A candidate says what it is, or gives a reason that a report can print; answers are remembered by file."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import string
import sys
import time
import venv
import zipapp
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.deployed.bundles import ENTRANCE
from interpreters.identify import (
    MARK,
    SCRIPT,
    IdentifyError,
    Identity,
    LinkedLibrary,
    build_of,
    fingerprint,
    forget,
    identify,
    identify_there,
    parse_identity,
)
from interpreters.locate import locate
from interpreters.places import MARK as REACH_MARK
from interpreters.places import Place
from interpreters.process_environment import sanitized_environment
from tests.support.installations import installation, site_packages
from tests.support.probing import says

if TYPE_CHECKING:
    from collections.abc import Callable

    from interpreters.locate import Candidate
    from tests.support.processes import Witness

    Script = Callable[[str, str], Path]

PLACE = Place("exec", "env", ("env",))


def refusal(path: Path, limit: float = 60.0) -> str:
    """Return the reason for which an executable is refused."""
    with pytest.raises(IdentifyError) as refused:
        identify(path, os.environ, limit=limit)
    return str(refused.value)


def test_the_mark_is_the_scripts_own() -> None:
    """The mark that is looked for is the one that the script in the interpreter prints."""
    assert f'MARK = "{MARK}"' in SCRIPT.read_text()


def test_facts_become_an_identity(script: Script, facts: dict[str, Any]) -> None:
    """What an interpreter prints of itself is what its identity holds."""
    facts |= {
        "start_up": ["/made/up/site-packages/sitecustomize.py"],
        "path": ["/made/up/site-packages"],
        "contexts": {"SSLContext": {"minimum_version": "TLSv1"}},
    }
    identity = identify(script("python3", says(facts)), os.environ)
    assert identity == Identity(
        version=facts["version"],
        implementation=facts["implementation"],
        executable=facts["executable"],
        prefix=facts["prefix"],
        base_prefix=facts["base_prefix"],
        configure_flags=tuple(facts["configure_flags"]),
        ssl=LinkedLibrary(**facts["ssl"]),
        ssl_unavailable="",
        start_up=("/made/up/site-packages/sitecustomize.py",),
        path=("/made/up/site-packages",),
        contexts={"SSLContext": {"minimum_version": "TLSv1"}},
    )


@pytest.mark.parametrize(("base", "is_venv"), [("/made/up", False), ("/another", True)])
def test_another_base_prefix_means_a_venv(facts: dict[str, Any], base: str, *, is_venv: bool) -> None:
    """An interpreter whose base is elsewhere is a virtual environment."""
    assert parse_identity(facts | {"base_prefix": base}).is_venv is is_venv


def test_a_python_without_ssl_is_identified(script: Script, facts: dict[str, Any]) -> None:
    """A missing ssl module is a fact of the identity, with the import's own error."""
    facts |= {"ssl": None, "ssl_unavailable": "ImportError: No module named _ssl"}
    identity = identify(script("python3", says(facts)), os.environ)
    assert (identity.ssl, identity.ssl_unavailable) == (None, facts["ssl_unavailable"])


@pytest.mark.parametrize(
    "noise",
    ["echo hello", "printf hello", "echo hello >&2", r"printf '\377\n'", "echo TLS-FLOOR", "echo '{}'"],
)
def test_chatter_does_not_hide_the_identity(script: Script, facts: dict[str, Any], noise: str) -> None:
    """Whatever a start-up file prints before and after, on either stream, the identity is found."""
    chatty = script("python3", f"{noise}\nprintf '\\n'\n{says(facts)}\n{noise}")
    assert identify(chatty, os.environ).version == facts["version"]


def test_a_real_interpreter_talks_through_chatter(script: Script) -> None:
    """The script's own line starts afresh after chatter that did not end its line."""
    chatty = script("python3", f'printf "no newline here"; exec "{sys.executable}" "$@"')
    assert identify(chatty, os.environ).version == ".".join(str(n) for n in sys.version_info[:3])


def test_a_candidate_that_hangs_is_ended(script: Script, witness: Witness) -> None:
    """A candidate that sleeps is refused after the limit, and nothing that it started is left."""
    path = script("python3", f"{witness.watch}; sleep 60 & sleep 60")
    assert refusal(path, limit=0.3) == f"{path} did not say what it is within 0.3 s"
    assert witness.all_gone()


def test_an_answer_does_not_wait_for_helpers(script: Script, facts: dict[str, Any], witness: Witness) -> None:
    """A candidate that leaves a helper behind is identified at once, and the helper is ended."""
    path = script("python3", f"{witness.watch}; sleep 60 & {says(facts)}")
    assert identify(path, os.environ, limit=30).version == facts["version"]
    assert witness.all_gone()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGILL])
def test_a_candidate_that_crashes_is_refused(script: Script, number: signal.Signals) -> None:
    """A candidate that a signal ends is refused with the signal's name."""
    path = script("python3", f"kill -{number} $$")
    assert refusal(path) == f"{path} died of {number.name} when asked what it is"


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="a platform with real-time signals enables this")
def test_a_signal_without_a_name_is_a_reason_too(script: Script) -> None:
    """A candidate that ends by a signal that has no name is refused like any other."""
    path = script("python3", f"kill -{signal.SIGRTMIN + 2} $$")
    assert str(signal.SIGRTMIN + 2) in refusal(path)


def test_an_answer_is_believed_at_once(script: Script, facts: dict[str, Any], witness: Witness) -> None:
    """What comes after a complete answer, a slow end or a thread that stays, costs nothing, and is ended."""
    path = script("python3", f"{witness.watch}; {says(facts)}; sleep 60")
    assert identify(path, os.environ, limit=30).version == facts["version"]
    assert witness.all_gone()


def test_half_an_answer_is_waited_for(script: Script, facts: dict[str, Any]) -> None:
    """An answer that comes in two pieces is believed once its line is complete."""
    whole = MARK + json.dumps(facts)
    path = script(
        "python3", f"printf '%s' '{whole[:40]}'; sleep 0.3; printf '%s\\n' '{whole[40:]}'; sleep 60"
    )
    assert identify(path, os.environ, limit=30).version == facts["version"]


def test_what_happens_after_the_answer_does_not_matter(script: Script, facts: dict[str, Any]) -> None:
    """An interpreter that answers and then crashes is believed, as one that had more time to crash is."""
    path = script("python3", f"{says(facts)}; kill -SEGV $$")
    assert identify(path, os.environ).version == facts["version"]


def test_output_without_end_is_refused(script: Script) -> None:
    """A candidate that prints without end is ended, and refused for that."""
    path = script("python3", "yes TLS-FLOOR")
    assert "printed more than" in refusal(path)


def test_rubbish_is_quoted(script: Script) -> None:
    """A candidate that prints something else is refused with the beginning of it, on one line."""
    path = script("python3", "echo 'usage:   frobnicate'; echo '[-v]'")
    assert refusal(path) == (
        f"{path} is not a Python that can say what it is: it printed 'usage: frobnicate [-v]'"
    )


def test_root_starts_nothing_that_others_could_replace(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that everybody may write to is not even asked what it is, if root would be asking."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("interpreters.owners.SYSTEM", tmp_path)  # whoever runs the tests is trusted
    path = script("python3", f"touch '{tmp_path}/ran'")
    path.chmod(0o777)
    assert "not started as root" in refusal(path)
    assert not (tmp_path / "ran").exists()


def test_root_uses_no_wrapper_of_what_others_could_replace(
    script: Script, facts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrapper whose interpreter everybody may write to is refused once that is known, if root asks."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("interpreters.owners.SYSTEM", tmp_path)  # whoever runs the tests is trusted
    real = script("real/python3", ":")
    real.chmod(0o777)
    path = script("python3", says(facts | {"executable": str(real)}))
    assert refusal(path).startswith(f"{path} starts {real}, {real} is writable by everybody")


def test_a_lot_of_rubbish_is_cut(script: Script) -> None:
    """However much a candidate prints, the reason stays short."""
    path = script("python3", "printf '%010000d' 7")
    assert refusal(path).endswith(f"it printed {'0' * 80!r}")


def test_silence_is_named(script: Script) -> None:
    """A candidate that prints nothing is refused for that."""
    assert refusal(script("python3", ":")).endswith("it printed nothing")


def test_a_file_in_no_format_is_refused(tmp_path: Path) -> None:
    """An executable that the system cannot run is refused with the system's reason."""
    path = tmp_path / "python3"
    path.write_bytes(b"\x7fnothing that runs")
    path.chmod(0o755)
    assert refusal(path) == f"{path} cannot be run: Exec format error"


def test_a_file_that_may_not_be_run_is_refused(script: Script) -> None:
    """A file without the permission to run it is refused with the system's reason."""
    path = script("python3", ":")
    path.chmod(0o644)
    assert refusal(path) == f"{path} cannot be run: Permission denied"


def test_a_missing_interpreter_of_a_script_is_refused(tmp_path: Path) -> None:
    """A wrapper script whose own interpreter is gone is refused with the system's reason."""
    path = tmp_path / "python3"
    path.write_text("#!/nowhere/sh\n")
    path.chmod(0o755)
    assert refusal(path) == f"{path} cannot be run: No such file or directory"


@pytest.mark.parametrize("remember", [False, True])
def test_a_file_that_is_gone_is_refused(tmp_path: Path, *, remember: bool) -> None:
    """A candidate that vanished since it was found is refused with the system's reason."""
    path = tmp_path / "python3"
    with pytest.raises(IdentifyError, match="No such file or directory"):
        identify(path, os.environ, tmp_path / "cache" if remember else None)


@pytest.mark.parametrize(
    "change",
    [
        {"ssl": "OpenSSL"},
        {"ssl": {"openssl": "OpenSSL 3.0.19"}},
        {"configure_flags": None},
        {"start_up": None},
        {"path": None},
        {"contexts": None},
        {"contexts": {"SSLContext": None}},
        {"version": None},
        {"version": "three"},
        {"version": "3.12<script>"},
        {"version": "3.12.1\n"},
        {"version": "3"},
        {"version": 3.12},
        {"implementation": ["CPython"]},
        {"executable": None},
        {"executable": "/bin/\0"},
        {"prefix": "x" * 100_000},
        {"variables": 3},
        {"variables": {"LD_PRELOAD": 1}},
        {"variables": {"LD_\0": ""}},
        {"variables": {"LD_PRELOAD": "\ud800"}},
        {"variables": {"LD_A=B": ""}},
        {"changed": [[1, 2]]},
    ],
)
def test_facts_of_another_shape_are_refused(script: Script, facts: dict[str, Any], change: Any) -> None:
    """A marked line whose facts make no sense is refused as such."""
    path = script("python3", says(facts | change))
    assert refusal(path).startswith(f"{path} gave a malformed identity: ")


@pytest.mark.parametrize(
    "key", ["version", "executable", "ssl", "ssl_unavailable", "start_up", "path", "contexts"]
)
def test_a_missing_fact_is_refused(script: Script, facts: dict[str, Any], key: str) -> None:
    """A marked line that lacks a fact is refused with the fact's name."""
    del facts[key]
    assert refusal(script("python3", says(facts))).endswith(f"malformed identity: {key!r}")


@pytest.mark.parametrize("said", [[], "text", 3, None])
def test_marked_json_of_another_kind_is_refused(script: Script, said: object) -> None:
    """A marked line that holds no object is refused as making no sense."""
    assert "malformed identity" in refusal(script("python3", says(said)))


@pytest.mark.parametrize("deep", [20_000, 200_000])
def test_marked_json_that_is_too_deep_is_refused(script: Script, deep: int) -> None:
    """A marked line that is nested deeper than anything can be read is refused as making no sense."""
    path = script("python3", f"""printf '{MARK}'; head -c {deep} /dev/zero | tr '\\0' '['; echo""")
    assert "malformed identity" in refusal(path)


@pytest.mark.parametrize(
    "version", ["2.7.18", "3.6.15", "3.15.0a1", "3.12.0rc1", "3.11.2+", "3.14", "3.13.0b3+"]
)
def test_every_version_of_python_is_one(facts: dict[str, Any], version: str) -> None:
    """What Pythons say of their version, pre-releases and builds between releases included, is taken."""
    assert parse_identity(facts | {"version": version}).version == version


def test_what_cannot_run_the_probe_says_so(script: Script, facts: dict[str, Any]) -> None:
    """A Python that lacks what the probe needs, as MicroPython and Jython do, is refused in words."""
    micro = script("micropython", """echo "ImportError: no module named '__future__'"; exit 1""")
    assert refusal(micro) == (
        f"{micro} cannot run the probe: it has no __future__ module, as MicroPython has none"
    )
    lacks = {"implementation": "Jython", "lacks": "gc.disable (NotImplementedError: )"}
    jython = script("jython", says(facts | lacks))
    assert refusal(jython).startswith(f"{jython} cannot run the probe, as Jython lacks what that needs: gc")


def test_a_marked_line_that_breaks_off_is_refused(script: Script) -> None:
    """A marked line that is no JSON is refused as making no sense."""
    assert "malformed identity" in refusal(script("python3", f"echo '{MARK}{{\"version\": '"))


@pytest.fixture
def counted(script: Script, facts: dict[str, Any], tmp_path: Path) -> tuple[Path, Callable[[], int]]:
    """Return a healthy candidate, and a function that counts how often it was started."""
    log = tmp_path / "starts"
    log.touch()
    path = script("bin/python3", f"echo start >>'{log}'\n{says(facts)}")
    return path, lambda: len(log.read_text().splitlines())


def test_an_answer_is_remembered(counted: tuple[Path, Callable[[], int]], tmp_path: Path) -> None:
    """The same file is asked once, and the remembered answer is the one that it gave."""
    path, starts = counted
    answers = [identify(path, os.environ, tmp_path / "cache") for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert starts() == 1


def test_words_stand_before_the_script_and_belong_to_the_answer(
    script: Script, facts: dict[str, Any], tmp_path: Path
) -> None:
    """A zipapp is named before the script, and another file there, or other contents, are asked anew."""
    python = script("python3", f'echo "$1" >>"$0.log"\n{says(facts)}')
    app, cache = tmp_path / "app.pyz", tmp_path / "cache"
    for contents in ("first", "first", "another"):
        if not app.exists() or app.read_text() != contents:
            app.write_text(contents)
        identify(python, {}, cache, words=(str(app),))
    identify(python, {}, cache)
    assert Path(f"{python}.log").read_text().splitlines() == [str(app), str(app), str(SCRIPT)]


def test_nothing_is_remembered_without_a_cache(counted: tuple[Path, Callable[[], int]]) -> None:
    """Without a folder to remember in, a candidate is asked each time."""
    path, starts = counted
    for _ in range(2):
        identify(path, os.environ)
    assert starts() == 2


def _rewrite(path: Path) -> None:
    path.write_text(path.read_text() + "# rebuilt\n")


def _replace(path: Path) -> None:
    aside = path.with_name("aside")
    aside.write_bytes(path.read_bytes())
    aside.chmod(0o755)
    os.utime(aside, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    aside.replace(path)


def _touch(path: Path) -> None:
    os.utime(path, ns=(0, 1))


@pytest.mark.parametrize("change", [_rewrite, _replace, _touch])
def test_a_changed_file_is_asked_again(
    counted: tuple[Path, Callable[[], int]], tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """A file that was rewritten, replaced by its like or touched is another one, and is asked."""
    path, starts = counted
    before = fingerprint(path)
    identify(path, os.environ, tmp_path / "cache")
    change(path)
    identify(path, os.environ, tmp_path / "cache")
    assert fingerprint(path) != before
    assert starts() == 2


def test_a_fingerprint_is_stable_and_the_paths_own(script: Script, tmp_path: Path) -> None:
    """A fingerprint stays while the file does, and one file under two paths has two."""
    path = script("python3", ":")
    other = tmp_path / "python4"
    other.hardlink_to(path)
    assert fingerprint(path) == fingerprint(path) != fingerprint(other)


def built(facts: dict[str, Any], module: Path | str | None) -> Identity:
    """Return an identity whose ssl module is this file."""
    return parse_identity(facts | {"ssl": facts["ssl"] | {"module": module and str(module)}})


def test_a_build_is_known_by_what_it_consists_of(facts: dict[str, Any], tmp_path: Path) -> None:
    """Another executable or ssl module is another build; a copy, or a touched file, is the same."""
    path, copy, module = tmp_path / "python3", tmp_path / "copy", tmp_path / "_ssl.so"
    for file in (path, copy):
        file.write_bytes(b"launcher")
    module.write_bytes(b"linked to 1.1.1")
    first = build_of(path, built(facts, module))
    os.utime(path, (0, 0))
    assert build_of(path, built(facts, module)) == build_of(copy, built(facts, module)) == first
    module.write_bytes(b"linked to 3.0.19")
    second = build_of(path, built(facts, module))
    path.write_bytes(b"another")
    third = build_of(path, built(facts, module))
    alone = build_of(path, built(facts, None))
    assert len({first, second, third, alone}) == 4
    assert build_of(path, None) == alone
    assert all(re.fullmatch("[0-9a-f]{16}", build) for build in (first, second, third, alone))


@pytest.mark.parametrize("module", ["/dev/zero", "/nonexistent/_ssl.so"])
def test_a_build_that_cannot_be_read_is_unknown(facts: dict[str, Any], tmp_path: Path, module: str) -> None:
    """Where a file is not there, or is none, nothing is said of the build and nothing hangs."""
    path = tmp_path / "python3"
    path.write_bytes(b"launcher")
    assert build_of(path, built(facts, module)) == ""
    assert build_of(tmp_path / "gone", None) == ""


def test_a_module_larger_than_any_is_not_hashed(facts: dict[str, Any], tmp_path: Path) -> None:
    """A sparse file that an interpreter names as its ssl module takes neither memory nor time."""
    path, module = tmp_path / "python3", tmp_path / "_ssl.so"
    path.write_bytes(b"launcher")
    with module.open("wb") as file:
        file.truncate(60 << 30)
    assert build_of(path, built(facts, module)) == ""


@pytest.mark.parametrize("damage", ["", "{", "{}", "[]", "null", "\x00"])
def test_a_damaged_memory_is_mended(
    counted: tuple[Path, Callable[[], int]], tmp_path: Path, damage: str
) -> None:
    """A remembered answer that cannot be read is asked for again, and then remembered."""
    path, starts = counted
    cache = tmp_path / "cache"
    known = identify(path, os.environ, cache)
    (remembered,) = cache.iterdir()
    remembered.write_text(damage)
    assert [identify(path, os.environ, cache) for _ in range(2)] == [known, known]
    assert starts() == 2


def test_a_refusal_is_not_remembered(script: Script, facts: dict[str, Any], tmp_path: Path) -> None:
    """A candidate that failed once is asked again, although its file is the same."""
    cache, healed = tmp_path / "cache", tmp_path / "healed"
    path = script("python3", f"[ -e '{healed}' ] && {says(facts)}")
    with pytest.raises(IdentifyError):
        identify(path, os.environ, cache)
    healed.touch()
    assert identify(path, os.environ, cache).version == facts["version"]


@pytest.fixture
def hanging(script: Script, facts: dict[str, Any], tmp_path: Path) -> Path:
    """Return a candidate that hangs until it is healed, by a file beside it."""
    return script("python3", f"[ -e '{tmp_path}/healed' ] || exec sleep 60; {says(facts)}")


def ask(path: Path, cache: Path, limit: float = 0.3) -> str:
    """Return a candidate's version or the reason it was refused for."""
    try:
        return identify(path, os.environ, cache, limit).version
    except IdentifyError as error:
        return str(error)


def test_one_that_hangs_is_waited_for_once_a_day(
    hanging: Path, facts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a day the reason is remembered, with the date and how to ask sooner; then it is asked again."""
    cache, now = tmp_path / "cache", time.time()
    assert ask(hanging, cache) == f"{hanging} did not say what it is within 0.3 s"
    (tmp_path / "healed").touch()
    day = dt.datetime.fromtimestamp(now, dt.UTC).date()
    again = f"{hanging} did not say what it is within 0.3 s on {day}; it is asked again with --fresh"
    assert ask(hanging, cache) == again
    for later, said in ((23 * 3600, again), (25 * 3600, facts["version"])):
        monkeypatch.setattr("time.time", lambda later=later: now + later)
        assert ask(hanging, cache) == said


@pytest.mark.parametrize("how", ["fresh", "longer", "clock set back", "damaged", "another environment"])
def test_one_that_hung_is_asked_again(
    hanging: Path, facts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It is asked again where that was asked for, where it gets longer, and where the memory is of no use."""
    cache = tmp_path / "cache"
    ask(hanging, cache)
    (tmp_path / "healed").touch()
    if how == "fresh":
        forget(hanging, cache)
    elif how == "clock set back":
        now = time.time()
        monkeypatch.setattr("time.time", lambda: now - 3600)
    elif how == "damaged":
        (remembered,) = cache.iterdir()
        remembered.write_text('{"limit": 1e999, "at": 1e999}')
    elif how == "another environment":
        monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert ask(hanging, cache, 30 if how == "longer" else 0.3) == facts["version"]


def test_a_missing_ssl_module_is_not_remembered(
    script: Script, facts: dict[str, Any], tmp_path: Path
) -> None:
    """An interpreter that lacked ssl is asked again: its missing library may be back, its file the same."""
    cache, healed = tmp_path / "cache", tmp_path / "healed"
    without = facts | {
        "ssl": None,
        "ssl_unavailable": "ImportError: libssl.so.1.1: cannot open shared object file",
    }
    path = script("python3", f"if [ -e '{healed}' ]; then {says(facts)}; else {says(without)}; fi")
    assert identify(path, os.environ, cache).ssl is None
    healed.touch()
    assert identify(path, os.environ, cache).ssl == LinkedLibrary(**facts["ssl"])


def test_nothing_unfinished_is_left_in_the_cache(
    counted: tuple[Path, Callable[[], int]], tmp_path: Path
) -> None:
    """A remembered answer is one file, whole, under the fingerprint."""
    identify(counted[0], os.environ, tmp_path / "cache")
    (remembered,) = (tmp_path / "cache").iterdir()
    assert re.fullmatch(f"{fingerprint(counted[0])}-[0-9a-f]{{8}}[.]json", remembered.name)


TEXT = st.text(string.printable, max_size=20)
IDENTITIES = st.builds(
    Identity,
    version=st.builds("{}.{}.{}".format, st.integers(2, 4), st.integers(0, 20), st.integers(0, 20)),
    implementation=TEXT,
    executable=TEXT,
    prefix=TEXT,
    base_prefix=TEXT,
    configure_flags=st.lists(TEXT, max_size=3).map(tuple),
    ssl=st.none()
    | st.builds(
        LinkedLibrary,
        openssl=TEXT,
        has=st.dictionaries(TEXT, st.booleans(), max_size=3),
        default_minimum=st.none() | TEXT,
        module=st.none() | TEXT,
        directory=TEXT,
    ),
    ssl_unavailable=TEXT,
    changed=st.dictionaries(
        st.just("LD_").flatmap(lambda s: TEXT.map(s.__add__)), st.none() | TEXT, max_size=3
    ),
)


def wrapper(script: Script, lines: str) -> Path:
    """Return a wrapper of this Python that runs some lines first."""
    return script("python3", f'{lines}\nexec "{sys.executable}" "$@"')


@pytest.mark.parametrize(
    ("lines", "changed"),
    [
        ("", {}),
        ("export PATH=/bin:$PATH TZ=UTC HARMLESS=1", {}),
        ("export OPENSSL_CONF=/w/legacy.cnf", {"OPENSSL_CONF": "/w/legacy.cnf"}),
        ("export LD_LIBRARY_PATH=/w/ä SSL_CERT_FILE=", {"LD_LIBRARY_PATH": "/w/ä", "SSL_CERT_FILE": ""}),
        ("unset OPENSSL_MODULES", {"OPENSSL_MODULES": None}),
        ("export OPENSSL_MODULES=/given", {}),
    ],
)
def test_what_a_wrapper_changes_is_known(
    script: Script, tmp_path: Path, lines: str, changed: dict[str, str | None]
) -> None:
    """The variables that decide what is measured are compared with those that were given, each time alike."""
    path = wrapper(script, lines)
    given = {"PATH": os.environ["PATH"], "OPENSSL_MODULES": "/given", "LC_ALL": "C"}
    for _ in ("first", "again"):
        assert identify(path, given, tmp_path / "cache").changed == changed


def test_what_a_wrapper_changes_depends_on_what_it_is_given(script: Script, tmp_path: Path) -> None:
    """What was remembered under other variables does not count: a wrapper may set only what is not set."""
    path = wrapper(script, "export OPENSSL_CONF=${OPENSSL_CONF:-/w/own.cnf}")
    bare = {"PATH": os.environ["PATH"]}
    assert identify(path, bare, tmp_path).changed == {"OPENSSL_CONF": "/w/own.cnf"}
    assert identify(path, {**bare, "OPENSSL_CONF": "/given.cnf"}, tmp_path).changed == {}
    assert identify(path, bare, tmp_path).changed == {"OPENSSL_CONF": "/w/own.cnf"}


@pytest.mark.parametrize("before", ["", "export OPENSSL_CONF=/w/floor.cnf"])
def test_what_a_wrapper_reads_is_read_each_time(script: Script, tmp_path: Path, before: str) -> None:
    """A wrapper that reads its variables from a file sets others as soon as the file has others."""
    settings = tmp_path / "settings"
    settings.write_text(before)
    path, given = wrapper(script, f". '{settings}'"), {"PATH": os.environ["PATH"]}
    identify(path, given, tmp_path / "cache")
    settings.write_text("export OPENSSL_CONF=/w/legacy.cnf")
    assert identify(path, given, tmp_path / "cache").changed == {"OPENSSL_CONF": "/w/legacy.cnf"}


def test_start_up_code_that_is_gone_sets_nothing(tmp_path: Path) -> None:
    """A hook that set OPENSSL_CONF for an environment does so no more once it was removed."""
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv/bin/python"
    hook = site_packages(python) / "hook.pth"
    hook.write_text("import os; os.environ['OPENSSL_CONF'] = '/w/floor.cnf'\n")
    given = {"PATH": os.environ["PATH"]}
    assert identify(python, given, tmp_path / "cache").changed == {"OPENSSL_CONF": "/w/floor.cnf"}
    hook.unlink()
    assert identify(python, given, tmp_path / "cache").changed == {}


def test_start_up_code_that_came_is_asked_about(tmp_path: Path) -> None:
    """A hook that adds a folder of packages is known in the next run; what stayed as it was is not asked."""
    venv.create(tmp_path / "venv", symlinks=True)
    python, cache = tmp_path / "venv/bin/python", tmp_path / "cache"
    # Not sitecustomize: Debian's Python finds its own before that of an environment.
    hook, given = site_packages(python) / "hook.pth", {"PATH": os.environ["PATH"]}
    for folder in ("", "/w/shared", "/w/other"):
        time.sleep(0.05)  # the kernel's clock for files has ticks of a hundredth of a second
        if folder:
            hook.write_text(f"import sys; sys.path.append({folder!r})\n")
        before = identify(python, given, cache)
        assert (folder in before.path) is bool(folder)
    (remembered,) = cache.glob("*.json")
    asked = remembered.stat().st_mtime_ns
    assert identify(python, given, cache) == before
    assert remembered.stat().st_mtime_ns == asked


@given(IDENTITIES)
def test_an_identity_survives_being_written(identity: Identity) -> None:
    """An identity that is written as JSON and read again is the same."""
    assert parse_identity(json.loads(json.dumps(asdict(identity)))) == identity


@pytest.mark.e2e
def test_real_interpreters_say_what_they_are(pythons: tuple[Candidate, ...], tmp_path: Path) -> None:
    """On this machine, every usable interpreter names its path, its library and the version in its name."""
    for one in pythons:
        identity = identify(one.path, sanitized_environment(os.environ, tmp_path))
        # A wrapper, which may be among what this machine has, starts another file.
        wrapped = one.path.read_bytes()[:2] == b"#!"
        assert wrapped or Path(identity.executable) == one.path
        named = re.fullmatch(r"python([0-9.]+)t?", one.path.name)
        assert named is None or identity.version.startswith(named[1])
        assert identity.ssl is not None
        assert identity.ssl.openssl.startswith(("OpenSSL ", "LibreSSL ", "BoringSSL", "AWS-LC"))
        newer = tuple(int(n) for n in identity.version.split(".")[:2]) >= (3, 7)
        assert ("HAS_TLSv1" in identity.ssl.has) is newer
        assert (identity.ssl.default_minimum is not None) is newer


@pytest.mark.e2e
def test_a_real_crash_is_named(script: Script) -> None:
    """A real interpreter that crashes while it starts is refused with the signal's name."""
    program = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    path = script("python3", f'exec "{sys.executable}" -c "{program}"')
    assert refusal(path) == f"{path} died of SIGSEGV when asked what it is"


AGENTS = {
    "flushes at its end": "import atexit, time; atexit.register(time.sleep, 60)",
    "leaves a thread": "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()",
    "prints": "import sys; sys.stdout.write('tracing enabled')",
}
"""What tracing agents do in start-up code, as one line of a `.pth` file."""


@pytest.mark.e2e
@pytest.mark.parametrize("agent", AGENTS)
def test_a_real_interpreter_with_an_agent_is_believed_at_once(
    pythons: tuple[Candidate, ...], tmp_path: Path, agent: str
) -> None:
    """A real interpreter whose start-up code prints, or keeps it from ending, is identified without delay."""
    python = next((one.path for one in pythons if one.source == "pyenv"), None)
    if python is None:
        pytest.skip("no Python of pyenv was found on this machine: `pyenv install 3.9` enables this")
    made = installation(python, tmp_path / "made")
    (site_packages(made) / "agent.pth").write_text(AGENTS[agent] + "\n")
    identity = identify(made, sanitized_environment(os.environ, tmp_path), limit=30)
    assert identity.prefix == str(tmp_path / "made")


@pytest.mark.e2e
def test_a_stray_pyvenv_cfg_makes_no_venv(pythons: tuple[Candidate, ...], tmp_path: Path) -> None:
    """A real installation with a pyvenv.cfg that names itself is found, and says that it is none."""
    python = next((one.path for one in pythons if one.source == "pyenv"), None)
    if python is None:
        pytest.skip("no Python of pyenv was found on this machine: `pyenv install 3.9` enables this")
    made = installation(python, tmp_path / "made")
    (tmp_path / "made/pyvenv.cfg").write_text(f"home = {made.parent}\n")
    assert made in {one.path for one in locate({"HOME": str(tmp_path), "PATH": str(made.parent)})}
    assert not identify(made, sanitized_environment(os.environ, tmp_path)).is_venv


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("[]", "gave an answer that makes no sense"),
        ('{"kind": "problem"}', "gave an answer that makes no sense"),
        ('{"kind": "problem", "text": "gone"}', "^gone$"),
    ],
)
def test_what_a_channel_says_without_sense_is_a_reason(
    monkeypatch: pytest.MonkeyPatch, printed: str, reason: str
) -> None:
    """Whatever stands where the near end of a channel speaks, the candidate alone is refused."""
    monkeypatch.setattr("interpreters.identify.run", lambda *_: (1, f"x\n{REACH_MARK}{printed}\n"))
    with pytest.raises(IdentifyError, match=reason):
        identify_there(PLACE, Path("/usr/bin/python3"))


def test_a_place_says_which_modules_it_lacks() -> None:
    """Of those that it is asked for, whether or not anything lies there by the name of one."""
    here = Place("exec", "env", ("env",), passes=("PATH",))
    found = identify_there(here, Path(sys.executable), ("json", "no_module_of_this_name", "os"))
    assert found.files is not None
    assert found.files.absent == ("no_module_of_this_name",)
    found = identify_there(here, Path(sys.executable))
    assert found.files is not None
    assert (found.files.absent, len(found.files.build)) == ((), 16)


def test_a_zipapp_of_a_place_is_entered_there(tmp_path: Path) -> None:
    """Inside it are its own packages, and what is of the probe's is found in the folder there."""
    (app := tmp_path / "app").mkdir()
    (app / "__main__.py").write_text("raise SystemExit('the application itself was run')")
    (app / "shop_of_this_test.py").touch()
    zipapp.create_archive(app, tmp_path / "shop.pyz")
    here = Place("exec", "env", ("env",), passes=("PATH",))
    words = (str(ENTRANCE), str(tmp_path / "shop.pyz"))
    modules = ("shop_of_this_test", "no_module_of_this_name")
    found = identify_there(here, Path(sys.executable), modules, words, {"SHOP": "1"})
    assert found.files is not None
    assert found.files.absent == ("no_module_of_this_name",)


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x85", "\u2028"])
def test_a_place_cannot_speak_as_the_near_end(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """What ends a line for some readers, and none for the near end, begins no line of that."""
    forged = f'x{end}{REACH_MARK}{{"kind": "problem", "text": "forged"}}\n'
    monkeypatch.setattr("interpreters.identify.run", lambda *_: (0, forged))
    with pytest.raises(IdentifyError, match="did not say what it is, and ended with status 0"):
        identify_there(PLACE, Path("/usr/bin/python3"))
