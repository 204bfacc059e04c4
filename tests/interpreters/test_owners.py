"""Root starts nothing that somebody else owns or could replace, and says whose it is."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.owners import Trust, not_as_root, others

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = Path("/home/alice/python/bin/python3")
ALICE, STRANGER, TEAM, EMPTY = 4001, 4002, 5001, 5002


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make whoever runs the tests root, on a machine with one user and two groups."""
    alice = pwd.struct_passwd(("alice", "x", ALICE, ALICE, "", "/home/alice", "/bin/sh"))
    groups = {TEAM: ["root", "bob"], EMPTY: ["root"]}
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("pwd.getpwuid", {ALICE: alice}.__getitem__)
    monkeypatch.setattr("pwd.getpwall", lambda: [alice])
    monkeypatch.setattr("grp.getgrgid", lambda group: _Group(groups[group]))


class _Group:
    def __init__(self, members: list[str]) -> None:
        self.gr_mem = members


def told(**changes: tuple[int, int, int]) -> Callable[[str], os.stat_result]:
    """Return a file system of root's, in which paths with these names have another owner, group and mode."""

    def status(path: str) -> os.stat_result:
        kind = stat.S_IFREG if path == str(FILE) else stat.S_IFDIR
        owner, group, mode = changes.get(path.rpartition("/")[2], (0, 0, 0o755))
        return os.stat_result((kind | mode, 0, 0, 0, owner, group, 0, 0, 0, 0))

    return status


def test_what_is_roots_alone_may_be_started() -> None:
    """A file of root's, in folders of root's, is nobody else's."""
    assert not_as_root(FILE, told()) == ""


def test_others_may_start_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not root risks no more than they have, and is hindered at nothing."""
    monkeypatch.setattr("os.geteuid", lambda: ALICE)
    assert not_as_root(FILE, told(python3=(STRANGER, 0, 0o777))) == ""


def test_a_users_own_interpreter_is_left_to_the_user() -> None:
    """A file of a user's is measured by that user, who is named."""
    assert not_as_root(FILE, told(python3=(ALICE, 0, 0o755))) == (
        "owned by alice: not started as root; run nox as alice"
    )


@pytest.mark.parametrize("folder", ["bin", "python", "alice", "home"])
def test_whoever_owns_a_folder_above_could_replace_it(folder: str) -> None:
    """A file of root's in a folder of a user's is not safe: the user can put another in its place."""
    path = next(one for one in FILE.parents if one.name == folder)
    assert not_as_root(FILE, told(**{folder: (ALICE, 0, 0o755)})) == (
        f"{path} is owned by alice: not started as root; run nox as alice"
    )


def test_an_owner_without_a_name_is_a_number() -> None:
    """An owner that no account belongs to is named by number, and nobody is told to become that."""
    said = not_as_root(FILE, told(python3=(STRANGER, 0, 0o755)))
    assert str(STRANGER) in said
    assert "run nox as" not in said


@pytest.mark.parametrize("name", ["python3", "bin", "home"])
@pytest.mark.parametrize(
    ("group", "mode", "who"),
    [
        (0, 0o757, "everybody"),
        (TEAM, 0o775, "bob"),
        (ALICE, 0o775, "alice"),
        (0, 0o775, ""),
        (EMPTY, 0o775, ""),
        (TEAM, 0o755, ""),
    ],
)
def test_whoever_may_write_could_replace_it(
    monkeypatch: pytest.MonkeyPatch, name: str, group: int, mode: int, who: str
) -> None:
    """A file or a folder above that others may write to is not safe; a group of nobody's is no others."""
    groups = {TEAM: ["root", "bob"], EMPTY: ["root"], ALICE: []}
    monkeypatch.setattr("grp.getgrgid", lambda group: _Group(groups[group]))
    said = not_as_root(FILE, told(**{name: (0, group, mode)}))
    assert f"is writable by {who}:" in said if who else said == ""


@pytest.mark.parametrize(("name", "safe"), [("home", True), ("python3", False)])
def test_a_sticky_folder_lets_nobody_replace(name: str, *, safe: bool) -> None:
    """In a folder such as /tmp nobody can replace what is another's; on a file that bit means nothing."""
    assert (not_as_root(FILE, told(**{name: (0, 0, 0o1777)})) == "") is safe


def test_whoever_owns_the_system_is_trusted() -> None:
    """Where the system is another's, as in a user namespace, what that other owns is as safe as it is."""
    beyond = (65534, 65534, 0o755)
    assert not_as_root(FILE, told(usr=beyond, python3=beyond, bin=beyond)) == ""


def test_what_cannot_be_looked_at_is_not_started() -> None:
    """A file whose owner cannot be found out is not started, with the system's reason."""

    def refuse(path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    assert not_as_root(FILE, refuse) == f"who owns {FILE} cannot be found out: Permission denied"


@pytest.mark.parametrize("user", [0, ALICE])
def test_who_may_change_a_file_is_known_to_everybody(monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    """Whoever asks, it is the owner or the writer of the file or of a folder above, by name."""
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert others(FILE, told()) == ""
    assert others(FILE, told(python3=(ALICE, 0, 0o644))) == "alice"
    assert others(FILE, told(alice=(STRANGER, 0, 0o755))) == f"user {STRANGER}"
    assert others(FILE, told(bin=(0, 0, 0o777))) == "everybody"
    assert others(FILE, told(bin=(0, TEAM, 0o775))) == "bob"
    assert others(FILE, told(bin=(0, EMPTY, 0o775))) == ""


def test_what_cannot_be_looked_at_may_be_anybodys() -> None:
    """Where an owner cannot be found out, a file is not taken to be root's alone."""

    def refused(path: str) -> os.stat_result:
        raise PermissionError(path)

    assert others(FILE, refused) == "somebody"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with links of each kind: to a file, a folder, upwards, to each other and to nothing."""
    (tmp_path / "base/bin").mkdir(parents=True)
    (tmp_path / "base/bin/python3").touch()
    for name, target in {
        "absolute": str(tmp_path / "base/bin/python3"),
        "relative": "base/bin/python3",
        "base/bin/python": "python3",
        "folder": "base",
        "base/up": "../base/bin",
        "deep": "base/bin",
        "chain": "folder/bin/python",
        "one": "two",
        "two": "one",
        "nothing": "base/none/file",
    }.items():
        (tmp_path / name).symlink_to(target)
    return tmp_path


PATHS = ("absolute", "relative", "base/bin/python", "folder/bin/python", "base/up/python", "chain")


def owned_by_alice(path: str) -> Callable[[str], os.stat_result]:
    """Return the real file system as if it were root's, but for one path."""

    def status(asked: str) -> os.stat_result:
        mode = os.lstat(asked).st_mode & ~0o022
        return os.stat_result((mode, 0, 0, 0, ALICE if asked == path else 0, 0, 0, 0, 0, 0))

    return status


@pytest.mark.parametrize("order", [PATHS, PATHS[::-1]])
@pytest.mark.parametrize("theirs", ["base/bin/python3", "base/bin", "base"])
def test_where_a_link_leads_is_what_counts(tree: Path, order: tuple[str, ...], theirs: str) -> None:
    """In whatever order paths are asked for, each is refused for what root would start in the end."""
    trust = Trust(owned_by_alice(str(tree / theirs)))
    for name in order:
        real = os.path.realpath(tree / name)
        assert "owned by alice" in trust.not_as_root(tree / name)
        assert trust.not_as_root(tree / name) == trust.not_as_root(real)
    assert trust.not_as_root(tree) == ""


def test_what_is_above_a_link_is_not_what_the_text_says(tree: Path) -> None:
    """A path that goes up from where a link leads is followed as the system does."""
    (tree / "python3").touch()
    trust = Trust(owned_by_alice(str(tree / "base")))
    assert trust.not_as_root(tree / "python3") == ""
    assert "base is owned by alice" in trust.not_as_root(f"{tree}/deep/../bin/python3")


@pytest.mark.parametrize("name", ["one", "nothing", "base/none", "none/at/all"])
def test_what_leads_nowhere_is_not_started(tree: Path, name: str) -> None:
    """Links that lead to each other, or to what is not there, are nobody's to start."""
    assert "cannot be found out" in Trust(owned_by_alice("")).not_as_root(tree / name)


def test_each_file_and_folder_is_looked_at_once(tree: Path) -> None:
    """Of a thousand files in a folder behind a link, each is looked at once, and what is above them too."""
    for number in range(1000):
        (tree / f"base/{number}").touch()
    looked: list[str] = []
    tell = owned_by_alice("")

    def status(path: str) -> os.stat_result:
        looked.append(path)
        return tell(path)

    trust = Trust(status)
    for number in [*range(1000), *range(1000)]:
        assert trust.not_as_root(tree / f"folder/{number}") == ""
    for number in range(1000):
        assert looked.count(str(tree / f"base/{number}")) == 1
    above = len(tree.parts)
    assert len(looked) <= 1000 + above + len(("base", "folder", "/usr", "folder's end"))


def test_in_a_folder_only_what_may_be_unsafe_is_asked_about(tree: Path) -> None:
    """Links, and what others may write to or own, have to be asked about; the other files have not."""
    owner = os.getuid()
    folder = tree / "base"
    for name, mode in {"plain": 0o755, "everybodys": 0o757, "groups": 0o775}.items():
        (folder / name).touch()
        (folder / name).chmod(mode)
    folder.joinpath("bin").chmod(0o755)

    def suspects(trusted: int) -> set[str]:
        trust = Trust(lambda _: os.stat_result((0, 0, 0, 0, trusted, 0, 0, 0, 0, 0)))
        return {Path(path).name for path in trust.suspects(str(folder))}

    assert suspects(owner) == {"everybodys", "groups", "up"}
    if owner:  # root is always trusted
        assert suspects(owner + 1) == {path.name for path in folder.iterdir()}
