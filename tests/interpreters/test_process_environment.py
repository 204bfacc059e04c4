"""What a process under test sees of its caller: the machine's TLS settings, and nothing of the user's."""

from __future__ import annotations

import os
import pwd
import string
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.identify import identify
from interpreters.process_environment import PASSED_THROUGH, PATHS, absolute, sanitized_environment

if TYPE_CHECKING:
    from interpreters.locate import Candidate

HOME = Path("/empty/home")


@pytest.mark.parametrize(
    "name",
    [
        *("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"),
        *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSLKEYLOGFILE"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONHTTPSVERIFY"),
        *("VIRTUAL_ENV", "XDG_CONFIG_HOME", "BOTO_CONFIG"),
    ],
)
def test_the_users_settings_are_dropped(name: str) -> None:
    """A setting that could change what a client does is not passed on."""
    assert name not in sanitized_environment({name: "nonsense"}, HOME)


@pytest.mark.parametrize(
    "name", ["OPENSSL_CONF", "OPENSSL_MODULES", "LD_LIBRARY_PATH", "PATH", "LANG", "LC_ALL", "TMPDIR"]
)
def test_the_machines_settings_are_kept(name: str) -> None:
    """A setting of the machine, its OpenSSL configuration first of all, is passed on as it is."""
    assert sanitized_environment({name: "/some/where"}, HOME)[name] == "/some/where"


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("HOME", str(HOME)),
        ("AWS_CONFIG_FILE", os.devnull),
        ("AWS_SHARED_CREDENTIALS_FILE", os.devnull),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("NO_PROXY", "*"),
        ("no_proxy", "*"),
    ],
)
def test_ours_replace_the_users(name: str, ours: str) -> None:
    """Where a variable has to have a value, ours is there, whether or not the user has one."""
    assert sanitized_environment({}, HOME)[name] == ours
    assert sanitized_environment({name: "the user's"}, HOME)[name] == ours


@pytest.mark.skipif(sys.platform == "darwin", reason="a framework build has a folder for each version")
@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/home/her"}, "/home/her/.local"),
        ({"HOME": "/home/her", "PYTHONUSERBASE": "/else/where"}, "/else/where"),
        ({}, str(Path(pwd.getpwuid(os.getuid()).pw_dir) / ".local")),
    ],
)
def test_the_users_own_site_packages_stay_where_they_are(environment: dict[str, str], folder: str) -> None:
    """A home of ours does not hide the start-up code that the user's programs run."""
    assert sanitized_environment(environment, HOME)["PYTHONUSERBASE"] == folder


NAMES = st.one_of(
    st.sampled_from(sorted(PASSED_THROUGH)),
    st.text(string.ascii_letters + "_", min_size=1, max_size=20),
    st.builds(
        "{}_{}".format, st.sampled_from(["AWS", "LC", "PYTHON", "OPENSSL"]), st.text("ABC", min_size=1)
    ),
)


@given(st.dictionaries(NAMES, st.text()))
def test_only_what_is_listed_passes(environment: dict[str, str]) -> None:
    """Of any environment, exactly the listed variables and the locale pass, and it is not changed."""
    before = dict(environment)
    passed = {
        name
        for name, text in sanitized_environment(environment, HOME).items()
        if name not in sanitized_environment({}, HOME) and environment[name] == text
    }
    assert passed == {name for name in environment if name in PASSED_THROUGH or name.startswith("LC_")}
    assert environment == before


@pytest.mark.e2e
def test_a_real_interpreter_is_not_misled(pythons: tuple[Candidate, ...], tmp_path: Path) -> None:
    """A PYTHONPATH whose modules break everything changes nothing that an interpreter says of itself."""
    (tmp_path / "ssl.py").write_text("raise ImportError('misled')")
    (tmp_path / "sitecustomize.py").write_text("print('misled')")
    path = pythons[0].path
    home = tmp_path / "home"
    misled = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONHOME": str(tmp_path)}
    clean = identify(path, sanitized_environment(os.environ, home))
    assert clean.ssl is not None, clean.ssl_unavailable
    assert identify(path, sanitized_environment(misled, home)) == clean


@pytest.mark.parametrize("name", PATHS)
def test_a_relative_path_is_what_it_means_where_the_caller_is(name: str) -> None:
    """A path of the caller's is changed only if it is relative, and then to what it means there."""
    there = Path("/where/they/are")
    assert absolute({name: "h.cnf", "OTHER": "h.cnf"}, there) == {name: "/where/they/are/h.cnf"}
    assert absolute({name: "/etc/h.cnf"}, there) == {}
    # Empty, OPENSSL_CONF switches the configuration off: config(5).
    assert absolute({name: ""}, there) == absolute({}, there) == {}
