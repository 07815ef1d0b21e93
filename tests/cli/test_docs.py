"""The pages of docs/commands say what the commands say."""

from __future__ import annotations

from functools import cache

import pytest

from stspec.cli import docs
from stspec.compose import data_root

PAGES = {path.name: path for path in (data_root() / "docs" / "commands").glob("*.md")}

pages = cache(docs.pages)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_page_is_up_to_date(name: str) -> None:
    assert PAGES[name].read_text(encoding="utf-8") == pages().get(name), (
        "run python -m stspec.cli.docs"
    )


def test_every_page_is_there() -> None:
    assert set(PAGES) == set(pages())
