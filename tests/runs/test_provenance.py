"""Where a run comes from: the tool's commit, the user and machine, and what it was asked to leave out."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import clients, default_clients
from interpreters.locate import Candidate
from interpreters.locations import SearchedLocation
from interpreters.prepared import Prepared
from interpreters.programs import read_programs
from interpreters.tables import TableError
from reports.verdicts.scope import LeftOut
from runs.provenance import commit_of, distribution, narrowings, not_chosen, same_twice, survey, user_name
from servers.conditions import Condition
from tests.support.builders import a_catalogue, a_run

if TYPE_CHECKING:
    from collections.abc import Callable

    Script = Callable[[str, str], Path]

ASKED = replace(a_run(a_catalogue()).asked, only=(), interpreters=())
PLAIN = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def _git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *settings, "-C", folder, *words], env=PLAIN, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit of one file, as the tool's own checkout has many."""
    if not shutil.which("git"):
        pytest.skip("there is no git here to make a repository with: install git")
    folder = tmp_path / "tool"
    folder.mkdir()
    (folder / "noxfile.py").write_text("one\n")
    (folder / ".gitignore").write_text("reports/latest\n")
    _git(folder, "init")
    _git(folder, "add", ".")
    _git(folder, "commit", "-m", "one")
    return folder


def test_the_commit_is_known_and_so_are_changes(checkout: Path) -> None:
    """An edited or added file of the tool is a local change, and an ignored one is none."""
    commit = _git(checkout, "rev-parse", "HEAD")
    assert commit_of(checkout, PLAIN) == (commit, False, "")
    (checkout / "policy.toml").write_text("partial = true\n")
    (checkout / "reports").mkdir()
    (checkout / "reports" / "latest").write_text("a run")
    assert commit_of(checkout, PLAIN) == (commit, False, "")
    (checkout / "noxfile.py").write_text("two\n")
    assert commit_of(checkout, PLAIN) == (commit, True, "")
    _git(checkout, "checkout", "noxfile.py")
    (checkout / "more.py").write_text("three\n")
    assert commit_of(checkout, PLAIN) == (commit, True, "")


def test_another_repository_is_not_taken_for_the_tools(checkout: Path, tmp_path: Path) -> None:
    """A copy that lies untracked in somebody's repository, or is pointed to by GIT_DIR, has no commit."""
    copy = checkout / "vendor" / "tool"
    copy.mkdir(parents=True)
    (copy / "noxfile.py").write_text("one\n")
    assert commit_of(copy, PLAIN)[0] == ""
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "noxfile.py").write_text("one\n")
    commit, changed, why = commit_of(alone, {**PLAIN, "GIT_DIR": str(checkout / ".git")})
    assert (commit, changed) == ("", False)
    assert "not a git repository" in why


def test_without_git_the_commit_is_said_to_be_unknown(checkout: Path) -> None:
    """Where git is not there, or the repository has no commit yet, a sentence says so."""
    commit, changed, why = commit_of(checkout, {"PATH": "/nonexistent"})
    assert (commit, changed) == ("", False)
    assert "git could not be asked" in why


def test_root_asks_no_git_that_others_could_replace(
    checkout: Path, script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A git on PATH that everybody may write to is not started by root."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("interpreters.owners.SYSTEM", tmp_path)  # whoever runs the tests is trusted
    git = script("bin/git", f"touch '{tmp_path}/ran'")
    git.chmod(0o777)
    commit, _, why = commit_of(checkout, {"PATH": str(git.parent)})
    assert (commit, "not started as root" in why, (tmp_path / "ran").exists()) == ("", True, False)


def test_git_gets_no_credentials(checkout: Path, script: Script, tmp_path: Path) -> None:
    """Whatever the caller's environment holds, git gets what it needs to look at a checkout."""
    git = script("bin/git", f"env > '{tmp_path}/env'")
    commit_of(checkout, {**PLAIN, "PATH": f"{git.parent}:{PLAIN['PATH']}", "AWS_SECRET_ACCESS_KEY": "x"})
    assert "AWS" not in (tmp_path / "env").read_text()


def test_looking_for_the_commit_writes_nothing(checkout: Path) -> None:
    """Git's index stays as it is, even where its record of the files' times is old."""
    index = checkout / ".git" / "index"
    os.utime(checkout / "noxfile.py", (1, 1))
    before = (index.stat().st_mtime_ns, index.read_bytes())
    commit_of(checkout, PLAIN)
    assert (index.stat().st_mtime_ns, index.read_bytes()) == before


def test_the_user_is_the_one_who_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is the process's own, whatever the environment says, or a number that has no name."""
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert user_name() == pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 3999999999)
    assert user_name() == "user 3999999999"


def test_the_distribution_is_named_or_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no os-release file, the kernel's own name and version stand in its place."""

    def none() -> dict[str, str]:
        raise OSError

    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"PRETTY_NAME": "Debian 12"})
    assert distribution() == "Debian 12"
    monkeypatch.setattr(platform, "freedesktop_os_release", none)
    assert distribution() == f"{platform.system()} {platform.release()}"
    monkeypatch.setattr(platform, "mac_ver", lambda: ("14.5", ("", "", ""), "arm64"))
    assert distribution() == "macOS 14.5"


def test_a_survey_records_what_is_set_and_what_was_not_asked_for(checkout: Path) -> None:
    """Variables that can decide TLS are kept, empty ones too, and clients not asked for are named."""
    environment = {**PLAIN, "OPENSSL_CONF": "", "SSL_CERT_FILE": "/roots.pem", "AWS_SECRET": "hush"}
    looked = (SearchedLocation("/usr/bin", "looked"),)
    scope = survey(checkout, ASKED, (), looked, environment)
    assert dict(scope.variables) == {"OPENSSL_CONF": "", "SSL_CERT_FILE": "/roots.pem"}
    known = {one.id for one in clients().values() if not one.reference}
    programs = {one.id for one in read_programs()}
    assert set(scope.clients_left_out) == (known - set(default_clients())) | programs
    both = survey(checkout, replace(ASKED, programs=True), (), looked, environment)
    assert set(both.clients_left_out) == known - set(default_clients())
    assert (scope.looked, scope.left_out, scope.narrowed) == (looked, (), ())
    assert (scope.user, scope.architecture) == (user_name(), platform.machine())


def test_a_table_of_programs_that_is_not_in_order_stops_nothing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was not asked for programs does not need their table."""

    def fail() -> None:
        raise TableError

    monkeypatch.setattr("runs.provenance.read_programs", fail)
    assert "curl" not in survey(checkout, ASKED, (), (), PLAIN).clients_left_out


PYTHONS = (LeftOut("pyenv_2_7_18", "/p", "--only system_*"), LeftOut("program_curl", "/c", "--only system_*"))

SHOPS = (LeftOut("env_shop", "/s", "--only system_*"), LeftOut("env_web", "/w", "--only system_*"))


@pytest.mark.parametrize(
    ("changes", "unchosen", "words"),
    [
        ({}, (), ()),
        ({"clients": (*default_clients(), "awscrt")}, (), ()),
        ({"clients": ("ssl", "urllib3", "botocore@botocore-1.20.*", "botocore@botocore-newest")}, (), ()),
        ({"only": ("*",)}, (), ()),
        ({"only": ("system_*",), "programs": True}, PYTHONS[1:], ()),
        ({"conditions": (Condition.PERMISSIVE, Condition.AMBIENT)}, (), ()),
        ({"only": ("system_*",)}, PYTHONS, ("--only system_* left out 1 interpreter",)),
        ({"only": ("system_*",)}, SHOPS, ("--only system_* left out 2 environments",)),
        ({"only": ("a",)}, (*PYTHONS, *SHOPS[:1]), ("--only a left out 1 interpreter and 1 environment",)),
        ({"clients": ("ssl", "awscrt")}, (), ("--clients left out urllib3, botocore",)),
        (
            {"conditions": (Condition.HARDENED,)},
            (),
            ("--conditions left out the machine's own configuration, ambient",),
        ),
        (
            {"only": ("a", "b*"), "clients": ("urllib3", "botocore")},
            (*PYTHONS[:1], LeftOut("c", "/c", "--only a --only b*")),
            ("--only a --only b* left out 2 interpreters", "--clients left out ssl"),
        ),
    ],
)
def test_what_narrows_a_run(
    changes: dict[str, object], unchosen: tuple[LeftOut, ...], words: tuple[str, ...]
) -> None:
    """A run is narrowed by leaving out what one without options measures, and by nothing added."""
    assert narrowings(replace(ASKED, **changes), unchosen) == words  # type: ignore[arg-type]


def test_of_many_environments_a_few_are_named(checkout: Path) -> None:
    """Thousands that --only left out are counted, and do not fill the report."""
    many = tuple(LeftOut(f"env_{number}", f"/{number}", "--only x") for number in range(2000))
    scope = survey(checkout, replace(ASKED, only=("x",)), (*PYTHONS, *many), (), PLAIN)
    assert scope.narrowed == ("--only x left out 1 interpreter and 2000 environments",)
    assert scope.left_out == (*PYTHONS, *many[:20], LeftOut("1980 more environments", "", "--only x"))
    assert survey(checkout, ASKED, many[:20], (), PLAIN).left_out == many[:20]


def test_what_was_found_and_not_measured_is_named_with_the_reason() -> None:
    """What --only left out, and what starts an interpreter that is measured, each has an entry."""
    one, other = (Candidate(name, "pyenv", Path(f"/{name}")) for name in ("one", "other"))
    own = replace(other, id="site_other", site=True)
    assert not_chosen([one, other, own], [one], ["on*"]) == (LeftOut("other", "/other", "--only on*"),)
    prepared = [Prepared.of(one), replace(Prepared.of(other), executable=Path("/one"))]
    assert same_twice(prepared) == (
        LeftOut("other", "/other", "it starts the same as /one, which is measured"),
    )
