"""What was set for pip alone is there for uv, from files and variables, unless uv was given something."""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters import indexes
from interpreters.environments import Installer, VenvRequest, prepare
from interpreters.identify import identify
from interpreters.indexes import pip_sources
from interpreters.process_environment import sanitized_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MIRROR = "http://127.0.0.1:8099/simple"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home on a machine where neither installer is configured."""
    real = indexes._pip_files
    monkeypatch.setattr(
        indexes,
        "_pip_files",
        lambda environment: [p for p in real(environment) if not p.is_relative_to("/etc")],
    )
    ours = indexes._names_an_index
    monkeypatch.setattr(
        indexes, "_names_an_index", lambda path: not path.is_relative_to("/etc") and ours(path)
    )
    return tmp_path


def _sources(home: Path, **variables: str) -> dict[str, str]:
    return pip_sources({"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "xdg"), **variables})


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_mirror_for_pip_is_uv_s_index(home: Path) -> None:
    """PIP_INDEX_URL alone becomes uv's default index, and nothing else."""
    assert _sources(home, PIP_INDEX_URL=MIRROR) == {"UV_DEFAULT_INDEX": MIRROR}


@pytest.mark.parametrize("place", ["xdg/pip/pip.conf", ".pip/pip.conf", ".config/pip/pip.conf", "named"])
@pytest.mark.parametrize("key", ["index-url", "index_url"])
@pytest.mark.parametrize("section", ["global", "install"])
def test_pip_s_files_are_read(home: Path, place: str, key: str, section: str) -> None:
    """An index in one of pip's files is passed on, wherever pip looks for them."""
    _write(home / place, f"[{section}]\n{key} = {MIRROR}\n")
    named = {"PIP_CONFIG_FILE": str(home / place)} if place == "named" else {}
    assert _sources(home, **named) == {"UV_DEFAULT_INDEX": MIRROR}


def test_the_stronger_setting_counts(home: Path) -> None:
    """A variable outweighs the user's file, which outweighs the machine's; install outweighs global."""
    _write(home / "xdg/pip/pip.conf", "[global]\nindex-url = http://machine\n")
    assert _sources(home) == {"UV_DEFAULT_INDEX": "http://machine"}
    _write(home / ".config/pip/pip.conf", "[install]\nindex-url = http://i\n[global]\nindex-url = http://g\n")
    assert _sources(home) == {"UV_DEFAULT_INDEX": "http://i"}
    assert _sources(home, PIP_INDEX_URL="http://variable") == {"UV_DEFAULT_INDEX": "http://variable"}
    assert _sources(home, PIP_CONFIG_FILE=os.devnull) == {}


def test_all_that_belongs_to_a_mirror_comes_along(home: Path) -> None:
    """With the index come the further ones, as pip weighs them, folders, trusted hosts and certificates."""
    (home / "there").mkdir()
    assert _sources(
        home,
        PIP_INDEX_URL=MIRROR,
        PIP_EXTRA_INDEX_URL=f"http://more file://{home}/there file://{home}/gone",
        PIP_FIND_LINKS="/wheels /other",
        PIP_TRUSTED_HOST="a b",
        PIP_CERT="/company.pem",
    ) == {
        "UV_DEFAULT_INDEX": MIRROR,
        "UV_INDEX": f"http://more file://{home}/there",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/other",
        "UV_INSECURE_HOST": "a b",
        "SSL_CERT_FILE": "/company.pem",
    }


@pytest.mark.parametrize(
    "variables",
    [{"UV_DEFAULT_INDEX": "http://u"}, {"UV_INDEX_URL": "http://u"}, {"UV_EXTRA_INDEX_URL": "http://u"}],
)
def test_what_uv_was_given_counts(home: Path, variables: Mapping[str, str]) -> None:
    """Where uv has an index of its own, pip's is not put in its place."""
    assert _sources(home, PIP_INDEX_URL=MIRROR, **variables) == {}


@pytest.mark.parametrize("text", ['[[index]]\nurl = "http://u"\n', '[pip]\nindex-url = "http://u"\n'])
def test_uv_s_own_file_counts(home: Path, text: str) -> None:
    """An index in uv's file is left alone, as a file without one does not count."""
    _write(home / ".config/uv/uv.toml", 'link-mode = "copy"\n')
    assert _sources(home, PIP_INDEX_URL=MIRROR) == {"UV_DEFAULT_INDEX": MIRROR}
    _write(home / ".config/uv/uv.toml", text)
    assert _sources(home, PIP_INDEX_URL=MIRROR) == {}


@pytest.mark.parametrize(
    "variables", [{}, {"PIP_EXTRA_INDEX_URL": "http://m"}, {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/w"}]
)
def test_without_a_mirror_nothing_is_passed_on(home: Path, variables: Mapping[str, str]) -> None:
    """Where pip asks the usual index, so does uv, by its own means."""
    assert _sources(home, **variables) == {}


@pytest.mark.parametrize("text", [b"\xff\xfe", b"no section\n", b"[global]\nindex-url\n"])
def test_a_broken_file_is_as_good_as_none(home: Path, text: bytes) -> None:
    """A file that pip could not read either does not end a run."""
    (home / ".pip").mkdir()
    (home / ".pip" / "pip.conf").write_bytes(text)
    assert _sources(home) == {}


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """An index on this machine, with one wheel in it."""
    folder = tmp_path / "simple" / "floorthing"
    folder.mkdir(parents=True)
    name, info = "floorthing-1.0-py3-none-any.whl", "floorthing-1.0.dist-info"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("floorthing.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: floorthing\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')
    handler = partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.e2e
def test_the_real_uv_installs_from_pip_s_mirror(tmp_path: Path, mirror: str) -> None:
    """With nothing but PIP_INDEX_URL, a requirement that only the mirror has is installed by uv."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv is None:
        pytest.skip("no uv was found: `python -m pip install uv` enables this")
    here = Path(sys.executable)
    settings = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_INDEX_URL": mirror}
    identity = identify(here, sanitized_environment(os.environ, tmp_path))
    made = prepare(
        VenvRequest(here, identity, ("floorthing",), tmp_path / "environment"),
        Installer(uv, tmp_path / "cache", here),
        settings,
    )
    assert made.unavailable == ""
    assert made.python
    assert subprocess.run([made.python, "-c", "import floorthing"], check=False).returncode == 0


def test_a_certificate_of_the_caller_s_stays(home: Path) -> None:
    """SSL_CERT_FILE, where it is set, is not replaced by pip's."""
    found = _sources(home, PIP_INDEX_URL=MIRROR, PIP_CERT="/c.pem", SSL_CERT_FILE="/own.pem")
    assert "SSL_CERT_FILE" not in found
