"""A user's operator that an installed distribution offers by name."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

import stspec as api
from tests.plugin.project import BY_PATH, Answer, copy_files, install, stspec, write_spec

TARGET = "memories.leaky_memory:LeakyMemory"
LINES = {
    "check": ["check", "mine.yaml"],
    "cost": ["cost", "mine.yaml", "--per", "total", "--format", "csv"],
    "list": ["list", "ops"],
    "schema": ["schema", "model"],
    "show": ["show", "mine.yaml"],
    "eject": ["eject", "mine.yaml"],
    "diff": ["diff", "tsn_resnet18", "mine.yaml"],
    "typo": ["check", "mine.yaml", "--set", "policy.temporal.memory.insert=leaky_memori"],
    "build": ["build", "mine.yaml", "-o", "built.py"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    install(folder / "site", {"leaky_memory": TARGET})
    write_spec(folder, "leaky_memory")
    return folder


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, Answer]:
    """What every command says, in one process."""
    found = stspec(folder, *LINES.values(), site=folder / "site")
    return dict(zip(LINES, found, strict=True))


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same operator, named by path."""
    folder = tmp_path_factory.mktemp("beside")
    copy_files(folder)
    return write_spec(folder, BY_PATH)


def test_every_command_takes_it(answers: dict[str, Answer]) -> None:
    codes = {name: answer.code for name, answer in answers.items()}
    assert codes == dict.fromkeys(LINES, 0) | {"diff": 1, "typo": 2}, answers


def test_it_costs_what_it_costs_by_path(answers: dict[str, Answer], beside: Path) -> None:
    total = answers["cost"].out.splitlines()[1].split(",")
    facts = api.load(beside).facts
    assert (int(total[3]), int(total[4])) == (facts.params, sum(facts.macs().values()))


def test_list_tells_its_first_line_and_fields(answers: dict[str, Answer]) -> None:
    (line,) = (row for row in answers["list"].out.splitlines() if row.startswith("leaky_memory"))
    assert "Adds a moving average over time" in line
    assert "half_life" in line


def test_the_schema_knows_it(answers: dict[str, Answer], folder: Path) -> None:
    validator = jsonschema.Draft7Validator(json.loads(answers["schema"].out))
    spec = yaml.safe_load((folder / "mine.yaml").read_text(encoding="utf-8"))
    validator.validate(spec)
    memory = spec["policy"]["temporal"]["memory"]
    for wrong in ({"half_lief": 3.0}, {"half_life": 0}, {"start": "last"}, {"mix": "yes"}):
        spec["policy"]["temporal"]["memory"] = memory | wrong
        assert not validator.is_valid(spec), wrong


def test_a_mistyped_name_is_led_to_it(answers: dict[str, Answer]) -> None:
    assert "did you mean `leaky_memory`?" in answers["typo"].err


def test_source_built_ejected_and_by_path_are_the_same_code(
    answers: dict[str, Answer], folder: Path, beside: Path
) -> None:
    code = api.emit(beside).partition('"""\n\n')[2]
    assert "LeakyMemory(128, frames=4, half_life=3.0, mix=True)" in code
    assert (folder / "built.py").read_text(encoding="utf-8").partition('"""\n\n')[2] == code
    assert answers["eject"].out.partition('"""\n\n')[2].strip() == code.strip()


def test_show_keeps_its_name(answers: dict[str, Answer]) -> None:
    assert "insert: leaky_memory" in answers["show"].out
    assert "leaky memory (half life 3.0, mix)" in answers["diff"].out
