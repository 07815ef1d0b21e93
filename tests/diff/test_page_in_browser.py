"""The page of a diff in a real browser: it shows what it says, on wide screens and narrow ones."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import stspec
from stspec.diff.page import render_page

MEASURE = """<script>
const root = document.documentElement;
document.title = `${root.scrollWidth} of ${root.clientWidth}`;
</script>"""


def visit(browser: Path, page: Path, width: int) -> str:
    """Return the document after the browser has laid it out in so many pixels."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent}/user"]
    command = [str(browser), *options, f"--window-size={width},900", "--dump-dom", page.as_uri()]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", check=True, timeout=120
    ).stdout


@pytest.mark.needs_browser
@pytest.mark.parametrize("width", [1200, 500])
def test_a_diff_fits_the_screen(width: int, browser: Path, tmp_path: Path) -> None:
    text = render_page(stspec.diff("i3d", "tam"))
    page = tmp_path / "diff.html"
    page.write_text(text + MEASURE, encoding="utf-8")
    shown = visit(browser, page, width)
    assert "16/16 blocks" in shown and "<table" in shown
    found = re.search(r"<title>(\d+) of (\d+)</title>", shown)
    assert found is not None
    assert int(found[1]) <= int(found[2]), "the page is wider than the screen"
