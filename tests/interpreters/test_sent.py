"""What travels to Pythons of places: a small botocore, made once for each version, and rows of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters import sent as room
from interpreters.clients import ClientKey
from interpreters.environments import Installer, NoEnvironmentError
from interpreters.identify import FileFacts, parse_identity
from interpreters.interpreter import MADE
from interpreters.locate import Candidate
from interpreters.places import Place
from interpreters.prepared import Prepared
from interpreters.sent import Parcels, copy_small, sentence, with_sent
from tests.support.builders import keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WEB = Place("ssh", "web1", ("ssh", "web1"))
SSL, URLLIB3, BOTOCORE, BOTO3 = keys(["ssl", "urllib3", "botocore", "boto3"])
REQUIREMENTS = {URLLIB3: "botocore", BOTOCORE: "botocore", BOTO3: "boto3"}

INSTALLED = {
    "botocore/__init__.py": "",
    "botocore/cacert.pem": "large",
    "botocore/data/endpoints.json": json.dumps(
        {
            "partitions": [{"regions": {"here": {}}, "services": {"s3": {"a": 1}, "ec2": {"b": 2}}}],
            "version": 3,
        }
    ),
    "botocore/data/partitions.json": "{}",
    "botocore/data/s3/2006-03-01/service-2.json.gz": "model",
    "botocore/data/s3/2006-03-01/examples-1.json": "large",
    "botocore/data/ec2/2016-11-15/service-2.json.gz": "large",
    "botocore-1.99.0.dist-info/METADATA": "Name: botocore",
    "botocore-1.99.0.dist-info/RECORD": "large",
    "dateutil/zoneinfo/all.tar.gz": "large",
    "bin/jp.py": "",
    "six.py": "",
}
NEEDLESS = {name for name, text in INSTALLED.items() if text == "large"}


def install(folder: Path) -> None:
    """Do as an installer does."""
    for name, text in INSTALLED.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put an installer of ours in the place of uv, and note which versions of Python it is asked for."""
    versions: list[str] = []

    def run(command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        del env, folder
        versions.append(command[command.index("--python-version") + 1])
        if versions[-1] == "2.5":
            msg = "no such release"
            raise subprocess.SubprocessError(msg)
        install(Path(command[command.index("--target") + 1]))

    monkeypatch.setattr(room, "run_installer", run)
    return versions


@pytest.fixture
def parcels(tmp_path: Path) -> Parcels:
    """What is sent, in a folder of the test."""
    return Parcels(Installer("uv", tmp_path, Path(sys.executable)), {}, tmp_path)


def test_what_no_probe_reads_stays_at_home(tmp_path: Path) -> None:
    """Code, names and the data of S3 are copied; what is installed may be a cache's, and stays as it is."""
    install(tmp_path / "whole")
    copy_small(tmp_path / "whole", tmp_path / "small")
    small = tmp_path / "small"
    assert {str(file.relative_to(small)) for file in small.rglob("*") if file.is_file()} == {
        *INSTALLED
    } - NEEDLESS
    endpoints = json.loads((small / "botocore/data/endpoints.json").read_text())
    assert endpoints == {
        "partitions": [{"regions": {"here": {}}, "services": {"s3": {"a": 1}}}],
        "version": 3,
    }
    assert {name: (tmp_path / "whole" / name).read_text() for name in INSTALLED} == INSTALLED


def test_nothing_is_sent_where_nothing_was_installed(tmp_path: Path) -> None:
    """An installer that brings no botocore is found out before anything travels."""
    (tmp_path / "whole").mkdir()
    with pytest.raises(ValueError, match="the installer brought no botocore"):
        copy_small(tmp_path / "whole", tmp_path / "small")


def test_each_version_is_made_once(parcels: Parcels, asked: list[str]) -> None:
    """Pythons of one version share what is sent; where there is none, each has the same sentence."""
    assert parcels.of("3.9") == parcels.of("3.9") != parcels.of("2.7")
    for _ in range(2):
        with pytest.raises(
            NoEnvironmentError, match=r"no botocore to send to a Python 2\.5: no such release"
        ):
            parcels.of("2.5")
    assert asked == ["3.9", "2.7", "2.5"]
    assert sorted(path.name for path in parcels.folder.iterdir() if path.is_dir()) == ["2.7", "3.9"]


def there(facts: dict[str, Any], absent: tuple[str, ...] = ("botocore",), **changes: Any) -> Prepared:
    """Return an interpreter of a place, which lacks these modules."""
    identity = replace(parse_identity(facts | {"version": "3.9.18"}), files=FileFacts(absent=absent))
    candidate = Candidate("pyenv_3_9_18", "pyenv", Path("/opt/python3.9"), place=WEB, site=True, given=True)
    return Prepared.of(replace(candidate, **changes), identity)


@pytest.mark.usefixtures("asked")
def test_who_has_none_is_measured_with_what_is_sent_too(facts: dict[str, Any], parcels: Parcels) -> None:
    """It has an id of its own, an environment that was made, and a reason for what is not sent."""
    one = there(facts)
    found = with_sent(one, parcels, REQUIREMENTS)
    assert found is not None
    made = found.interpreter
    assert (made.id, made.environment, made.place) == ("newest_pyenv_3_9_18", MADE, WEB)
    assert (made.path, made.version) == (one.interpreter.path, one.interpreter.version)
    assert one.interpreter.environment not in ("", MADE)
    assert found.sent == parcels.folder / "3.9"
    assert found.places([SSL, *REQUIREMENTS]) == {one.executable: (SSL, URLLIB3, BOTOCORE)}
    assert found.uninstalled == {BOTO3: "botocore alone is sent, and not boto3"}
    assert "newest_pyenv_3_9_18" in sentence(found)


@pytest.mark.usefixtures("asked")
def test_where_none_can_be_had_the_row_says_so(facts: dict[str, Any], parcels: Parcels) -> None:
    """A Python that no release is for has its reason, and nothing is measured under its name."""
    old = there(facts | {"version": "2.5.6"})
    assert old.identity is not None
    old = replace(old, identity=replace(old.identity, version="2.5.6"))
    found = with_sent(old, parcels, REQUIREMENTS)
    assert found is not None
    assert found.interpreter.unavailable.endswith("to send to a Python 2.5: no such release")
    assert found.places([SSL, BOTOCORE]) == {}


def test_nothing_is_sent_to_others(facts: dict[str, Any], parcels: Parcels, asked: list[str]) -> None:
    """Who has a botocore, an application's environment, and who cannot be measured are left alone."""
    others = [
        there(facts, ()),
        there(facts, id="env_shop", environment=Path("/srv/shop")),
        there(facts).without("it has no ssl module"),
        replace(there(facts), identity=None),
    ]
    assert [with_sent(other, parcels, {ClientKey("botocore"): "botocore"}) for other in others] == [None] * 4
    assert asked == []
