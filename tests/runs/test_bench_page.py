"""The page whose time is taken is one whose filter works."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reports.formats.html import build_html
from tests.support.builders import a_catalogue, a_matrix, a_row, a_run

PROGRAM = Path(__file__).parents[2] / "runs" / "bench_page.py"


@pytest.mark.browser
@pytest.mark.e2e
def test_the_filter_of_a_page_has_a_time_or_an_error(tmp_path: Path) -> None:
    """A report's page takes more than no time; one whose script is gone has no time at all."""
    pytest.importorskip("playwright.sync_api", reason="Playwright comes with the dependency group `test`")
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no Chromium was found on this machine: `apt-get install chromium` enables this")
    page, catalogue = tmp_path / "matrix.html", a_catalogue()
    html = build_html(a_matrix([a_row()], a_run(catalogue), catalogue))
    command: list[str | Path] = [sys.executable, PROGRAM, browser, page]
    page.write_text(html, encoding="utf-8")
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["interactive"] > 0
    page.write_text(html.replace("<script>", "<script>return;"), encoding="utf-8")
    broken = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert broken.returncode == 1
    assert "does not work" in broken.stderr
