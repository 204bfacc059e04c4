"""Reading distributions: what the metadata of an environment says, whatever somebody put in its place."""

from __future__ import annotations

import json
import os
import string
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from interpreters.distributions import Distribution, listing_sha256, read_distributions

NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
VERSIONS = st.lists(st.integers(0, 99), min_size=1, max_size=4).map(lambda n: ".".join(map(str, n)))


def install(site: Path, name: str, version: str, requires: tuple[str, ...] = (), **files: str) -> Path:
    """Put the metadata of a distribution into a folder, with further files; return the metadata's folder."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    (folder / "METADATA").write_text("\n".join([*lines, "", "Its description."]))
    for file, text in files.items():
        (folder / file.replace("_json", ".json")).write_text(text)
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of distributions."""
    return tmp_path / "site-packages"


@given(there=st.dictionaries(NAMES, VERSIONS, max_size=6))
def test_what_is_installed_is_read(there: dict[str, str]) -> None:
    """Each distribution is there once, by its normalized name, with its version."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, version) in enumerate(there.items()):
            install(Path(folder, str(number)), name, version)
        found = read_distributions([str(Path(folder, str(number))) for number in range(len(there))])
    expected: dict[str, Version] = {}
    for name, version in there.items():
        expected.setdefault(canonicalize_name(name), Version(version))
    assert {one.name: Version(one.version) for one in found} == expected


def test_what_it_asks_for_and_who_installed_it(site: Path) -> None:
    """Requirements are as the metadata has them, markers included."""
    asks = ("urllib3<1.27,>=1.25.4 ; python_version < '3.10'", "awscrt==0.19.12 ; extra == 'crt'")
    install(site, "botocore", "1.31.85", asks, INSTALLER="pip\n")
    assert read_distributions([str(site)]) == (Distribution("botocore", "1.31.85", asks, "", "pip"),)


def test_the_first_on_the_path_counts(tmp_path: Path) -> None:
    """Of two with one name Python imports the first, so that is the one which is there."""
    for place, version in (("a", "2.8.0"), ("b", "1.26.20")):
        install(tmp_path / place, "urllib3", version)
    (found,) = read_distributions([str(tmp_path / "a"), str(tmp_path / "b")])
    assert found.version == "2.8.0"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"url": "file:///srv/shop", "dir_info": {"editable": True}}, "the folder /srv/shop, editable"),
        ({"url": "file:///srv/shop", "dir_info": {}}, "the folder /srv/shop"),
        ({"url": "https://example.org/shop.git", "vcs_info": {"vcs": "git"}}, "the repository https"),
        ({"url": "https://example.org/shop.zip", "archive_info": {}}, "the archive https"),
    ],
)
def test_what_no_index_has_says_where_it_is_from(site: Path, facts: dict[str, object], words: str) -> None:
    """By its direct_url.json."""
    install(site, "shop", "1.0", direct_url_json=json.dumps(facts))
    (found,) = read_distributions([str(site)])
    assert found.origin.startswith(words)


def test_a_checkout_on_the_path_is_from_no_index(tmp_path: Path, site: Path) -> None:
    """What `setup.py develop` put on the path is a folder, and an old egg-info in site-packages is not."""
    for place in (tmp_path / "shop", site):
        folder = place / f"{place.name.replace('-', '')}.egg-info"
        folder.mkdir(parents=True)
        (folder / "PKG-INFO").write_text(f"Name: {folder.stem}\nVersion: 1.0\n")
        (folder / "requires.txt").write_text("urllib3<2\n")
    found = {one.name: one for one in read_distributions([str(tmp_path / "shop"), str(site)])}
    assert found["shop"].origin == f"the folder {tmp_path / 'shop'}"
    assert found["sitepackages"].origin == ""
    assert all(one.requires == ("urllib3<2",) for one in found.values())


def test_an_archive_is_read(tmp_path: Path) -> None:
    """A zipapp has its distributions within."""
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("urllib3-2.0.7.dist-info/METADATA", "Name: urllib3\nVersion: 2.0.7\n")
    assert read_distributions([str(tmp_path / "app.pyz")]) == (Distribution("urllib3", "2.0.7"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Name: x y\nVersion: 1\n",
        "Name: x\nVersion: one\n",
        "Name: --index-url\nVersion: 1\n",
        "Version: 1\n",
        "\xff",
    ],
)
def test_what_makes_no_sense_is_left_out(site: Path, text: str) -> None:
    """A name or version that no index has cannot be asked for, and nothing else is lost by it."""
    (install(site, "broken", "1.0") / "METADATA").write_text(text, encoding="latin-1")
    install(site, "urllib3", "2.8.0")
    install(site, "odd", "1.0", direct_url_json="[")
    install(site, "deep", "1.0", direct_url_json="[" * 200_000)
    assert [one.name for one in read_distributions([str(site)])] == ["urllib3"]


@pytest.mark.parametrize("name", ["METADATA", "INSTALLER", "direct_url.json"])
def test_a_pipe_in_place_of_metadata_is_not_waited_for(site: Path, name: str) -> None:
    """Somebody else may have put anything there."""
    folder = install(site, "urllib3", "2.8.0")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    os.mkfifo(site / "pipe.egg-info")
    assert read_distributions([str(site), str(site / "pipe.egg-info")]) == ()


def test_the_list_changes_with_what_comes_and_goes(site: Path) -> None:
    """Another release, one more and one less are another list; an edited file is not, and none is empty."""
    install(site, "urllib3", "2.8.0")
    seen = [listing_sha256([str(site)])]
    install(site, "flask", "3.1.3")
    seen.append(listing_sha256([str(site)]))
    (site / "urllib3-2.8.0.dist-info").rename(site / "urllib3-2.0.7.dist-info")
    seen.append(listing_sha256([str(site)]))
    assert len(set(seen)) == len(seen)
    (site / "flask-3.1.3.dist-info" / "METADATA").write_text("Name: flask\nVersion: 3.1.3\n")
    assert listing_sha256([str(site)]) == seen[-1]
    assert listing_sha256([str(site / "nowhere"), *string.ascii_letters]) == ""
