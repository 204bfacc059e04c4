"""An application's own session by --client: measured where the application is, and nowhere else."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e

SESSION = """\
import ssl, urllib.request
class Session:
    def get(self, url, verify, timeout):
        context = ssl.create_default_context(cafile=verify)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
        return urllib.request.urlopen(url, context=context, timeout=timeout).read()
session = Session()
"""
"""What an application may do with a context, and a client of ours in the same environment does not."""

CLIENT = """\
import status_page
from shop.http import session
def fetch(host, port, cafile, timeout, retries=0):
    return status_page.connection(session.get("https://%s:%d/" % (host, port), cafile, timeout))
"""


def test_an_applications_own_session_is_measured_where_it_is(
    checkout: Checkout, strict: Interpreter, tmp_path: Path
) -> None:
    """It goes below where Python's own context holds; an interpreter without the application has no row."""
    folder = tmp_path / "shop-app"
    subprocess.run([strict.path, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "shop").mkdir()
    (packages / "shop" / "__init__.py").touch()
    (packages / "shop" / "http.py").write_text(SESSION)
    client = tmp_path / "shop_session.py"
    client.write_text(CLIENT)
    before = sorted(tmp_path.rglob("*"))
    options = ("--client", str(client), "--environment", str(folder), "--clients", "ssl")
    rows = checkout.measure(*options, "--only", "env_shop_app", "--only", strict.id)
    assert set(rows) == {(strict.id, "ssl"), ("env_shop_app", "ssl"), ("env_shop_app", "shop_session")}
    own = rows["env_shop_app", "shop_session"]
    assert (own["verdict"], own["lowest_negotiated"], own["held_by"]) == ("downgraded", "TLSv1", "nothing")
    assert rows["env_shop_app", "ssl"]["verdict"] == "enforced"
    assert sorted(tmp_path.rglob("*")) == before
    run = (checkout.latest / "run.json").read_text()
    assert hashlib.sha256(client.read_bytes()).hexdigest() in run
    texts = [path.read_text() for path in checkout.latest.iterdir() if path.is_file()]
    assert not [text for text in texts if "session.get(" in text]


def test_an_application_that_is_nowhere_is_named(
    checkout: Checkout, sample: Interpreter, tmp_path: Path
) -> None:
    """Without an environment that has the application the report says that its client has no row."""
    client = tmp_path / "shop_session.py"
    client.write_text(CLIENT.replace("shop.http", "nonesuch_shop.http"))
    rows = checkout.measure("--made", "--client", str(client), "--clients", "ssl", "--only", sample.id)
    assert set(rows) == {(sample.id, "ssl")}
    sentence = "measured nowhere: no environment that could be looked into has nonesuch_shop."
    assert sentence in (checkout.latest / "run.json").read_text()


def test_a_file_that_cannot_be_measured_ends_the_session(checkout: Checkout, tmp_path: Path) -> None:
    """It is one sentence before anything is measured."""
    path = tmp_path / "shop.py"
    path.write_text("REQUIREMENT = ''")
    status, said = checkout.nox("-s", "matrix", "--", "--client", str(path))
    assert status == 1
    assert f"--client {str(path)!r}: it has no function fetch" in said
