"""The names that `import stspec` offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import stspec


def test_every_public_name_is_there() -> None:
    assert set(stspec.__all__) <= set(dir(stspec))
    assert all(getattr(stspec, name) is not None for name in stspec.__all__)


@pytest.mark.parametrize("first", ["stspec.emit.source", "stspec.diff", "stspec.api"])
def test_functions_stay_functions_where_packages_bear_their_names(first: str) -> None:
    code = (
        f"import importlib; importlib.import_module('{first}'); import stspec;"
        "assert stspec.emit('tsn_resnet18') == stspec.emit('tsn_resnet18');"
        "assert stspec.diff('tsn', 'tsn').empty and stspec.diff('tsm', 'tsm').empty;"
        "from stspec.diff import Diff; assert isinstance(stspec.diff('tsn', 'tsn'), Diff)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        stspec.nothing  # noqa: B018
