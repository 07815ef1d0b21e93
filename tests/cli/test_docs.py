"""The pages of docs/commands say what the commands say."""

from __future__ import annotations

from pathlib import Path

import pytest

from stspec.cli.docs import pages
from stspec.compose import data_root

FOLDER = data_root() / "docs" / "commands"
PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name], (
        "run python -m stspec.cli.docs"
    )


def test_no_page_is_left_over() -> None:
    assert {path.name for path in Path(FOLDER).glob("*.md")} == set(PAGES)
