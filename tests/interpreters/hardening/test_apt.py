"""Source packages come through apt, from the machine's own archives, in an order and a way that is said."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from interpreters.hardening import apt as module
from interpreters.hardening.apt import Apt, AptError, ForgedError, source_lists, upstream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Script = Callable[[str, str], Path]

ONE_LINE = """# deb http://a.example x main
deb [signed-by=/keys/a.gpg] http://a.example stable main contrib
deb-src [signed-by=/keys/a.gpg] http://a.example stable main contrib
  deb http://b.example stable main
deb cdrom:[a disk]/ stable main
"""

STANZAS = """Types: deb deb-src
URIs: http://c.example
Suites: stable
Components: main
Signed-By: /keys/c.gpg

Types: deb
URIs: http://d.example
Suites: stable
Components: main
Enabled: no
"""


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Return a folder like /etc/apt."""
    folder = tmp_path / "etc"
    (folder / "sources.list.d").mkdir(parents=True)
    (folder / "sources.list").write_text(ONE_LINE)
    (folder / "sources.list.d" / "c.sources").write_text(STANZAS)
    (folder / "sources.list.d" / "d.sources.disabled").write_text(STANZAS)
    return folder


def test_lists_of_one_line_are_turned_into_sources(lists: Path) -> None:
    """Every archive of the old format is asked for sources, once, with the key that has to sign it."""
    assert source_lists(lists)["sources.list"].splitlines() == [
        "deb-src [signed-by=/keys/a.gpg] http://a.example stable main contrib",
        "deb-src http://b.example stable main",
    ]


def test_stanzas_are_turned_into_sources(lists: Path) -> None:
    """Every archive of the new format is asked for sources, and all else in its stanza stays."""
    found = source_lists(lists)["c.sources"]
    assert found == STANZAS.replace("Types: deb deb-src\n", "Types: deb-src\n").replace(
        "Types: deb\n", "Types: deb-src\n"
    )


def test_disabled_lists_are_left_out(lists: Path) -> None:
    """A file that apt itself would not read is not read."""
    assert set(source_lists(lists)) == {"sources.list", "c.sources"}


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("3.0.20-1~deb12u2", "3.0.20"),
        ("3.11.2-6+deb12u8", "3.11.2"),
        ("1.1.1w-0+deb11u1", "1.1.1w"),
        ("3.0.2-0ubuntu1.18", "3.0.2"),
        ("2:1.1.1-1", "1.1.1"),
        ("5", "5"),
    ],
)
def test_the_upstream_release_is_read(version: str, release: str) -> None:
    """The upstream part of a package's version is told from the epoch and the revision."""
    assert upstream(version) == release


TOOLS = {
    "apt-get": """
echo "apt-get $*" >> "$LOG"
case "$*" in
  *update*) echo "E: The repository 'http://c.example stable Release' is not signed."; exit 100;;
  *thing=2.0.9-1) echo 'E: Failed to fetch http://a.example/thing.dsc  404  Not Found'; exit 100;;
  *thing=2.0.3-1) echo 'E: Failed to fetch http://a.example/thing.tar  Hash Sum mismatch'; exit 100;;
  *thing=*) touch "thing_${*##*=}.dsc"; exit 0;;
esac
""",
    "apt-cache": 'for one in $VERSIONS; do printf "Package: thing\\nVersion: %s\\n\\n" "$one"; done',
    "dpkg": 'test "$(printf "%s\\n%s\\n" "$2" "$4" | sort -V | head -1)" = "$2"',
}


@pytest.fixture
def apt(tmp_path: Path, script: Script, lists: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Apt]:
    """Return a function that makes an apt whose distribution has these versions of a package."""
    for name, body in TOOLS.items():
        script(f"bin/{name}", body)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    (tmp_path / "work").mkdir()

    def make(*versions: str) -> Apt:
        environment = {"PATH": path, "LOG": str(tmp_path / "log"), "VERSIONS": " ".join(versions)}
        return Apt(tmp_path / "work", environment, lists)

    return make


def any_of_2_0(version: str) -> bool:
    """Whether a release belongs to the series 2.0."""
    return version.startswith("2.0")


def test_the_newest_that_is_accepted_is_fetched(
    tmp_path: Path, apt: Callable[..., Apt], progress: list[str]
) -> None:
    """Of the versions that there are, the newest of the series is taken, however they are listed."""
    path, version = apt("2.0.1-1", "2.0.10-1", "3.0.1-1", "2.0.2-1").download("thing", any_of_2_0)
    assert (path, version) == (tmp_path / "work" / "thing_2.0.10-1.dsc", "2.0.10-1")
    assert path.exists()
    assert progress == []


def test_a_version_that_is_not_there_gives_way_and_that_is_said(
    apt: Callable[..., Apt], progress: list[str]
) -> None:
    """A version whose files are missing is replaced by the next older one, and the user hears of it."""
    _, version = apt("2.0.9-1", "2.0.8-1").download("thing", any_of_2_0)
    assert version == "2.0.8-1"
    assert progress == ["thing 2.0.9-1 could not be fetched whole, so 2.0.8-1 is taken"]


def test_a_hash_that_does_not_match_is_not_made_up_for(apt: Callable[..., Apt]) -> None:
    """A package that is not what was signed ends it, though an older version is there."""
    with pytest.raises(ForgedError, match=r"thing 2\.0\.3-1 is not what was signed: .*Hash Sum mismatch"):
        apt("2.0.3-1", "2.0.2-1").download("thing", any_of_2_0)


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        (["3.0.1-1"], r"has only 3\.0\.1-1 \(The repository .* is not signed"),
        ([], "does not have it"),
        (["2.0.9-1"], r"could not be fetched: Failed to fetch .*404"),
    ],
)
def test_what_cannot_be_had_is_said(apt: Callable[..., Apt], versions: list[str], said: str) -> None:
    """A package that is not there, of another series or not to be fetched is said in apt's own words."""
    with pytest.raises(AptError, match=said):
        apt(*versions).download("thing", any_of_2_0)


def test_the_machine_is_left_alone(tmp_path: Path, apt: Callable[..., Apt]) -> None:
    """Every call keeps its lists, its cache and its sources in our folder, and lists are fetched once."""
    one = apt("2.0.1-1")
    one.download("thing", any_of_2_0)
    one.download("thing", any_of_2_0)
    calls = (tmp_path / "log").read_text().splitlines()
    work = tmp_path / "work"
    for call in calls:
        assert f"Dir::Etc::sourceparts={work / 'sources.list.d'}" in call
        assert f"Dir::State::lists={work / 'lists'}" in call
        assert f"Dir::Cache={work / 'cache'}" in call
        assert "Dir::Etc::sourcelist=/dev/null" in call
    assert sum(" update" in call for call in calls) == 1


def test_a_machine_without_apt_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no apt, that is the reason."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AptError, match="there is no apt-get"):
        Apt(tmp_path, {"PATH": str(tmp_path)}).download("thing", any_of_2_0)


def test_a_machine_without_archives_is_said(apt: Callable[..., Apt], lists: Path) -> None:
    """Where apt knows no archive, that is the reason."""
    for path in (lists / "sources.list", lists / "sources.list.d" / "c.sources"):
        path.unlink()
    with pytest.raises(AptError, match="names no archive"):
        apt().download("thing", any_of_2_0)


def test_apt_that_hangs_is_ended(
    apt: Callable[..., Apt], script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apt that does not come to an end is ended, and that is the reason."""
    script("bin/apt-get", "sleep 60")
    monkeypatch.setattr(module, "UPDATE_LIMIT", 0.2)
    with pytest.raises(AptError, match="apt-get did not come to an end"):
        apt("2.0.1-1").download("thing", any_of_2_0)
