"""Client files of the user's own: what is read of a file without running it, and what is wrong with it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from interpreters.own_clients import ClientFileError, own_clients
from tests.support.refusals import lock

GOOD = '''\
"""The session of our shop: ü."""
import ssl
import status_page
from shop.http import session
REQUIREMENT = ""
def fetch(host, port, cafile, timeout, retries=0):
    import only_here
'''


def a_file(folder: Path, text: str | bytes = GOOD, name: str = "shop_session.py") -> Path:
    """Return a client file with this text."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_is_read_as_one_of_ours(tmp_path: Path) -> None:
    """Its id is the file's name, it needs the modules at its top, and its bytes are what will be run."""
    path = a_file(tmp_path)
    (own,) = own_clients([path])
    assert (own.client.id, own.client.requirement, own.client.modules) == ("shop_session", "", ("shop",))
    assert (own.path, own.text) == (path, GOOD)
    assert own.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert own_clients([]) == ()


@pytest.mark.parametrize(
    ("old", "new", "needs"),
    [
        ("shop.http", "shop.http", True),
        ("shop.http", "http", False),
        ('REQUIREMENT = ""', 'REQUIREMENT = "shop"', False),
        ('REQUIREMENT = ""\n', "", True),
    ],
)
def test_what_cannot_be_installed_has_to_be_found(tmp_path: Path, old: str, new: str, *, needs: bool) -> None:
    """Without a requirement only the standard library is in an environment that is made."""
    (own,) = own_clients([a_file(tmp_path, GOOD.replace(old, new))])
    assert own.client.needs_environment is needs


def test_nothing_of_a_file_is_run(tmp_path: Path) -> None:
    """What a file does when it is imported does not happen when it is read."""
    own_clients([a_file(tmp_path, f"open({str(tmp_path / 'was_run')!r}, 'w')\n{GOOD}")])
    assert not (tmp_path / "was_run").exists()


def test_a_file_may_find_out_which_tls_library_it_has(tmp_path: Path) -> None:
    """As in our own files TLS may be what a function tells: only the probe reads it."""
    named = "import linked\nimport shop\nTLS = linked.brought(shop)\nREADS_OPENSSL_CONF = False\n"
    (own,) = own_clients([a_file(tmp_path, GOOD + named)])
    assert "shop" in own.client.modules


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (GOOD.replace("def fetch", "def fetched"), "shop.py", "it has no function fetch; probes/README.md"),
        (GOOD.replace('= ""', "= words()"), "shop.py", 'REQUIREMENT must be a plain text, such as "..."'),
        (GOOD.replace('= ""', "= None"), "shop.py", "REQUIREMENT must be a plain text"),
        (GOOD + "LOOKS_UP = 1\n", "shop.py", "LOOKS_UP must be True or False"),
        (GOOD + "REFERENCE = True\n", "shop.py", "REFERENCE is for a client of the tool's"),
        (GOOD + "FLOOR = 'boto'\n", "shop.py", "FLOOR names 'boto'; it is one of ssl, urllib3, botocore"),
        (GOOD, "botocore.py", "the tool has a client botocore already; give the file another name"),
        (GOOD, "relaxed.py", "the tool has a client relaxed already"),
        (GOOD, "shop-session.py", "its name names the client: give it one of letters, digits and _"),
        (GOOD, "2shop.py", "its name names the client"),
        (GOOD, "shop.txt", "its name names the client"),
        (GOOD + "def f(:\n", "shop.py", "which runs the tool, cannot parse it: line 8: "),
        (GOOD + "print 'two'\n", "shop.py", "which runs the tool, cannot parse it: line 8: "),
        (b"x = '\xff'\n", "shop.py", "it is no UTF-8 (invalid start byte at byte 5)"),
        (b"x = 1\0\n", "shop.py", "which runs the tool, cannot parse it: "),
        (b"#" * (1 << 20) + b"#", "shop.py", "it is longer than 1048576 bytes"),
    ],
)
def test_what_is_wrong_with_a_file_is_a_sentence(
    tmp_path: Path, text: str | bytes, name: str, words: str
) -> None:
    """A file that cannot be measured is named with the reason."""
    path = a_file(tmp_path, text, name)
    with pytest.raises(ClientFileError) as raised:
        own_clients([path])
    assert str(raised.value).startswith(f"--client {str(path)!r}: ")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_no_file_is_a_sentence(tmp_path: Path) -> None:
    """A path at which nothing is, or a folder, says so."""
    for path, words in ((tmp_path / "absent.py", "there is no such file"), (tmp_path, "it is no file")):
        with pytest.raises(ClientFileError, match=words):
            own_clients([path])


def test_a_locked_folder_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody may look whether the file is there, that is the reason, and nothing broke off."""
    lock(monkeypatch, "/locked")
    with pytest.raises(ClientFileError, match=r"'/locked/x\.py': it cannot be read: Permission denied"):
        own_clients([Path("/locked/x.py")])


def test_two_files_of_one_name_are_a_sentence(tmp_path: Path) -> None:
    """Of two clients of one name nobody could tell whose row is whose."""
    (tmp_path / "other").mkdir()
    with pytest.raises(ClientFileError, match="gives a client shop_session too"):
        own_clients([a_file(tmp_path), a_file(tmp_path / "other")])


def test_root_runs_no_file_that_others_could_replace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write to the file would get root's rights by it."""
    monkeypatch.setattr(
        "interpreters.own_clients.not_as_root", lambda _: "owned by alice: not started as root"
    )
    with pytest.raises(ClientFileError, match="owned by alice"):
        own_clients([a_file(tmp_path)])
