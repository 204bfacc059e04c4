"""A place is its name and the words before its Python: the table of kinds, the names, and the command."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from interpreters.clients import PROBES
from interpreters.places import (
    LATER,
    PATH,
    TABLE,
    Passenger,
    Place,
    PlaceError,
    command,
    identity_of,
    read_kinds,
    ways_to,
)
from interpreters.process_environment import RUN_BY
from interpreters.tables import TableError

KEYS = "name = 'N'\nexample = 'a'\nabout = 'a thing'\n"


@pytest.fixture(autouse=True)
def _everything_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a", "is not valid TOML"),
        (f"[a]\n{KEYS}", "'ways' is missing"),
        (f"[a]\n{KEYS}ways = 'x'", "must be a list of texts"),
        (f"[a]\n{KEYS}ways = ['x']\npattern = '('", "no regular expression"),
        (f"[a]\n{KEYS}ways = ['x {{other}}']", "{other}, which is no group"),
        (f"[a]\n{KEYS}ways = ['x']\nshell = 1", "shell must be true or false"),
        (f"[a]\n{KEYS}ways = ['x']\nenv = 1", "unknown key 'env'"),
    ],
)
def test_a_table_without_sense_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """An entry that cannot be meant is refused by a sentence that names the file and the fact."""
    file = tmp_path / "places.toml"
    file.write_text(text)
    with pytest.raises(TableError, match=re.escape(says)) as refused:
        read_kinds(file)
    assert str(refused.value).startswith("places.toml")


@pytest.mark.parametrize("kind", read_kinds(), ids=lambda kind: kind.id)
def test_each_kind_has_an_example_that_means_a_place(kind: object, tmp_path: Path) -> None:
    """The example of each kind is a name of it, and every way fills in words without a brace left over."""
    name = str(tmp_path) if kind.id == "rootfs" else kind.example  # type: ignore[attr-defined]
    ways = ways_to(f"{kind.word}:{name}")  # type: ignore[attr-defined]
    assert ways
    later = {f"{{{word}}}" for word in LATER}
    assert not [word for way in ways for word in way.prefix if "{" in word and word not in later]
    assert {str(way) for way in ways} == {f"{kind.word}:{name}"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("exec:sudo nsenter -t 1 'a b'", ("sudo", "nsenter", "-t", "1", "a b")),
        ("pod:shop/web", ("kubectl", "exec", "-i", "--namespace=shop", "web", "--")),
        ("pod:shop/web/app", ("kubectl", "exec", "-i", "--namespace=shop", "web", "--container=app", "--")),
        ("container:web 1", ("podman", "exec", "-i", "web 1")),
    ],
)
def test_words_are_filled_in(text: str, prefix: tuple[str, ...]) -> None:
    """Of a name come its words, its groups or itself as one word; a group without a match, no word."""
    assert ways_to(text)[0].prefix == prefix


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("web1", "a place is local or one of exec:WORDS"),
        ("shh:web1", "a place is local or one of"),
        ("ssh:", "'' is no name of a host"),
        ("ssh:-oProxyCommand=touch /tmp/x", "is no name of a host"),
        ("image:--privileged", "is no name of an image"),
        ("container:-u0", "is no name of a container"),
        ("pod:shop", "such a place is pod:shop/web-7d4b9"),
        ("pod:shop/--token=x", "is no name of a pod"),
        ("rootfs:relative", "is no name of a root file system"),
        ("exec:'", "its words cannot be told apart"),
        ("ssh:a\0b", "is no name of a host"),
    ],
)
def test_a_name_without_sense_is_refused(text: str, says: str) -> None:
    """What could be an option of the command, or no name of the kind, is refused in a sentence."""
    with pytest.raises(PlaceError, match=re.escape(says)):
        ways_to(text)


def test_a_command_that_is_not_here_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none of the ways' commands is on PATH the sentence names each."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(PlaceError, match=r"no command 'podman' here.*no command 'docker' here"):
        ways_to("image:app")


def test_root_enters_nothing_by_chroot_that_somebody_else_could_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A way that gives root's rights to what is there is not taken into what another user could change."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("interpreters.places.not_as_root", lambda path: f"{path} is owned by alice")
    assert [way.prefix[0] for way in ways_to(f"rootfs:{tmp_path}")] == ["bwrap"]
    monkeypatch.setattr("shutil.which", lambda name: None if name == "bwrap" else name)
    with pytest.raises(PlaceError, match=r"chroot would give root's rights to what is there: .* by alice"):
        ways_to(f"rootfs:{tmp_path}")


def test_the_command_says_all_that_the_near_end_needs() -> None:
    """The words before the script, the script below probes/ and its arguments come apart; HOME is ours."""
    place = Place("ssh", "web1", ("ssh", "web1"), shell=True, passes=("*",))  # noqa: S604  a flag of ours
    passenger = Passenger(Path("/a/python"), ("app.pex", PROBES / "bundled.py", "x"), converse=True, limit=7)
    *_, text = command(place, passenger, {"OPENSSL_CONF": "/b.cnf", "LD_PRELOAD": None})
    spec = json.loads(text)
    assert (spec["words"], spec["script"], spec["arguments"]) == (["app.pex"], "bundled.py", ["x"])
    assert (spec["start"], spec["python"], spec["shell"]) == (["/a/python", "-c"], "/a/python", True)
    assert spec["set"]["OPENSSL_CONF"] == "/b.cnf"
    assert spec["set"]["LD_PRELOAD"] is None
    assert spec["set"]["HOME"] == "{folder}/home"
    assert not [name for name in spec["keep"] if name.startswith(("AWS", "PYTHON", "HOME"))]
    assert spec["path"] == ""


def test_a_place_whose_command_hands_its_variables_on_gets_none_of_ours() -> None:
    """What chroot and bwrap start has their own environment: nothing of ours is in that."""
    kinds = {kind.id: kind for kind in read_kinds()}
    assert kinds["rootfs"].passes == ()
    assert not [name for name in kinds["exec"].passes if re.match(r"AWS|\*", name)]
    place = Place("rootfs", "/x", ("chroot", "/x"))
    *_, text = command(place, Passenger(None, (PROBES,)), {})
    assert json.loads(text)["path"] == PATH


def test_the_table_is_the_one_beside_the_code() -> None:
    """Each kind of the issue is in the table."""
    assert {kind.id for kind in read_kinds(TABLE)} >= {"exec", "rootfs", "ssh", "image", "container", "pod"}


@pytest.mark.parametrize(
    ("said", "identity"),
    [
        (f"sha256:{'ab' * 32}", f"sha256:{'ab' * 32}"),
        (f"Host key fingerprint is SHA256:{'a+/' * 14}b", f"SHA256:{'a+/' * 14}b"),
        (f"sha256:{'ab' * 32} sha256:{'cd' * 32}", ""),
        ("no such image", ""),
    ],
)
def test_which_place_it_is_comes_from_here(said: str, identity: str) -> None:
    """A digest or a fingerprint is what the command here prints, whatever its status; several are none."""
    words = ("sh", "-c", 'echo "$1" >&2; exit 3', "sh", said)
    assert identity_of(Place("ssh", "web1", identity=words)) == identity


def test_a_place_that_cannot_be_told_has_no_identity() -> None:
    """A kind without such a command, and a command that is not here, say nothing and stop nothing."""
    assert identity_of(Place("exec", "env")) == ""
    assert identity_of(Place("image", "app", identity=("no-such-command",))) == ""


def test_each_way_has_a_command_for_the_identity_or_none_has(tmp_path: Path) -> None:
    """A kind whose ways and identities do not pair is refused by its name."""
    (file := tmp_path / "places.toml").write_text(f"[x]\n{KEYS}ways = ['a', 'b']\nidentities = ['c']\n")
    with pytest.raises(TableError, match=r"identities has 1 commands for 2 ways"):
        read_kinds(file)


def test_a_place_gets_a_path_without_our_own_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this tool runs in is no part of a place that gets our PATH."""
    ours = [str(PROBES.parent / ".nox/_nox_script_mode/bin"), f"{sys.prefix}/bin", "/opt/nox/bin"]
    monkeypatch.setenv(RUN_BY, "/opt/nox")
    monkeypatch.setenv("PATH", os.pathsep.join([*ours, "/opt/app/bin", "/usr/bin"]))
    *_, text = command(Place("exec", "env", ("env",), passes=("PATH",)), Passenger(None, (PROBES,)), {})
    assert json.loads(text)["path"] == "/opt/app/bin:/usr/bin"
