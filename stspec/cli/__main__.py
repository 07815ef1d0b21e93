"""`python -m stspec.cli`."""

from stspec.cli.main import run

run()
