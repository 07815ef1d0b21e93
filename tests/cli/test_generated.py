"""The folder `generated` is in step with the specs."""

from __future__ import annotations

import pytest

from stspec.cli.main import main


def test_generated_sources_are_as_the_specs_say(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["build", "--all", "--check"])
    assert code == 0, capsys.readouterr().out + "\nrun `stspec build --all`"
