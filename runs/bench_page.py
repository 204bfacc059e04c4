"""Times how soon a report's page can be filtered: `python runs/bench_page.py CHROMIUM PAGE`.

Runs where Playwright is installed, in an environment of its own, and prints seconds from the start of the
navigation until what was typed into the filter is on the screen.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FILTERED = """\
async () => {
  const search = document.getElementById("search"), status = document.getElementById("status");
  search.value = "no such name";
  search.dispatchEvent(new Event("input"));
  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  await painted();
  return [performance.now(), status.textContent];
}
"""
"""Types a name that nothing has; gives milliseconds since the navigation began, and what the page says."""


def time_page(browser: str, page: Path) -> float:
    """Return the seconds after which a filter of a page works; raises ValueError where it does not."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        shown = started.new_page()
        shown.goto(page.resolve().as_uri(), wait_until="domcontentloaded")
        milliseconds, status = shown.evaluate(FILTERED)
        started.close()
    if not status.startswith("0 of "):
        msg = f"the filter of {page} does not work: it says {status!r}"
        raise ValueError(msg)
    return round(float(milliseconds) / 1000, 3)


if __name__ == "__main__":
    print(json.dumps({"interactive": time_page(sys.argv[1], Path(sys.argv[2]))}))
