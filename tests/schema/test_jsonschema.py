"""JSON Schema for editors: everything shipped is valid, typical mistakes are not."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from stspec.blocks.registry import BLOCKS
from stspec.compose import data_root, resolve
from stspec.diagnostics import SpecError
from stspec.ops.registry import OPS
from stspec.schema.jsonschema import KINDS, json_schema
from stspec.source import read_file, to_plain
from stspec.train.recipe import Recipe, load_recipe, recipe_schema

SPECS = data_root() / "specs"
FILES = [
    *(("model", path) for path in sorted([*SPECS.glob("*.yaml"), *SPECS.glob("families/*.yaml")])),
    *(("backbone", path) for path in sorted(SPECS.glob("backbones/*.yaml"))),
    *(("policy", path) for path in sorted(SPECS.glob("policies/*.yaml"))),
    *(("recipe", path) for path in sorted(SPECS.glob("recipes/*.yaml"))),
]


@cache
def schema_of(kind: str) -> dict[str, Any]:
    return recipe_schema() if kind == "recipe" else json_schema(kind)


def problems(kind: str, value: object) -> list[str]:
    validator = jsonschema.Draft7Validator(schema_of(kind))
    return [error.message for error in validator.iter_errors(value)]


@pytest.mark.parametrize("kind", [*KINDS, "recipe"])
def test_it_is_a_schema(kind: str) -> None:
    jsonschema.Draft7Validator.check_schema(schema_of(kind))


@pytest.mark.parametrize(("kind", "path"), FILES, ids=[path.stem for _, path in FILES])
def test_everything_shipped_is_valid(kind: str, path: Path) -> None:
    assert problems(kind, to_plain(read_file(path))) == []


def test_a_resolved_spec_is_valid() -> None:
    tree = resolve("i3d_inceptionv1_tp").tree.without("name")
    assert problems("model", to_plain(tree)) == []


def rule(**fields: object) -> dict[str, object]:
    return {"stspec": 1, "policy": {"temporal": {"tam": fields}}}


def layer(**fields: object) -> dict[str, object]:
    return {"stspec": 1, "backbone": {"layers": {"conv1": fields}}}


RIGHT: dict[str, Any] = {
    "null removes": {"stspec": 1, "policy": {"temporal": {"tam": None}}, "weights": None},
    "part of a rule": rule(kernel=5),
    "runs along sites": rule(insert="tam", kernel={"each": [3, 5], "over": "model"}),
    "one for a list": rule(insert="tam", at={"role": "stem", "stages": 3, "not": {"blocks": [0]}}),
    "every other block": rule(insert="shift", at={"blocks": {"every": 2, "from": 1}}),
    "own operator": rule(insert="./gate.py:Gate", anything=3),
    "no head": {"stspec": 1, "head": "none"},
    "head without its kind": {"stspec": 1, "head": {"dropout": 0.2, "classify": "per_clip"}},
    "variant": {"stspec": 1, "variants": {"a": {"clip.frames": 16, "backbone": "resnet18"}}},
    "sides": {"stspec": 1, "clip": {"size": [224, 256]}},
    "sequence": layer(sequence=[{"op": "conv2d", "width": 3}, {"block": "basic", "width": 64}]),
    "part of a layer": layer(repeat=3),
}

WRONG: dict[str, Any] = {
    "no version": {"backbone": "resnet50"},
    "newer version": {"stspec": 2},
    "unknown key": {"stspec": 1, "clipp": {}},
    "text for a number": {"stspec": 1, "clip": {"frames": "8"}},
    "no frames": {"stspec": 1, "clip": {"frames": 0}},
    "three sides": {"stspec": 1, "clip": {"size": [1, 2, 3]}},
    "unknown field of an op": rule(insert="tam", kernl=3),
    "text for a field": rule(insert="tam", kernel="3"),
    "unknown op": rule(insert="tamm"),
    "unknown target": rule(to="conv4d", where={"kernel": 3}),
    "both actions": rule(to="3d", insert="tam"),
    "place of the other action": rule(insert="tam", where={"role": "stem"}),
    "unknown condition": rule(insert="tam", at={"rolle": "stem"}),
    "unknown pooling": {"stspec": 1, "policy": {"pooling": {"op": "mix", "beside": [3]}}},
    "unknown inflation": {"stspec": 1, "policy": {"inflate": "blow"}},
    "unknown head": {"stspec": 1, "head": {"kind": "hydra"}},
    "unknown field of a head": {"stspec": 1, "head": {"kind": "linear", "drop": 0.5}},
    "unknown block": layer(block="bottelneck"),
    "field of another block": layer(block="basic", expansion=4),
    "no width": layer(op="conv2d", width=0),
    "bad name": {"stspec": 1, "backbone": {"layers": {"conv-1": {"op": "relu"}}}},
    "override of nothing": {"stspec": 1, "variants": {"a": {"clap": 3}}},
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_one_may_write(name: str) -> None:
    assert problems("model", RIGHT[name]) == []


@pytest.mark.parametrize("name", WRONG)
def test_typical_mistakes(name: str) -> None:
    assert problems("model", WRONG[name])


def test_every_op_and_block_has_its_fields() -> None:
    definitions = json_schema("model")["definitions"]
    for name in OPS.names():
        op = OPS.get(name)
        assert op is not None
        for definition in (f"to_{name}", f"insert_{name}", f"op_{name}"):
            assert set(op.model_fields) <= set(definitions[definition]["properties"])
    for name, block in BLOCKS.items():
        for definition in (f"insert_{name}", f"block_{name}"):
            assert set(block.model_fields) <= set(definitions[definition]["properties"])


def test_fields_are_described() -> None:
    fields = json_schema("policy")["definitions"]["insert_tam"]["properties"]
    assert fields["kernel"]["description"] == "frames that are blended (b)"
    assert fields["kernel"]["default"] == 3


@pytest.mark.parametrize("path", sorted(SPECS.glob("recipes/*.yaml")), ids=lambda path: path.stem)
def test_recipes_name_their_schema(path: Path) -> None:
    _, _, name = path.read_text().partition("\n")[0].partition("$schema=")
    assert json.loads((path.parent / name).read_text()) == schema_of("recipe")


RECIPES_RIGHT: dict[str, Any] = {
    "nothing": {"stspec": 1},
    "child": {"stspec": 1, "extends": "study2021", "epochs": 3, "clip_norm": None},
    "range": {"stspec": 1, "data": {"short_side": [256, 320], "flip": False}},
    "stages": {"stspec": 1, "stages": [{"frames": 8}, {"frames": 16, "norm": {"mode": "sync"}}]},
}

RECIPES_WRONG: dict[str, Any] = {
    "no version": {"epochs": 3},
    "unknown key": {"stspec": 1, "epoch": 3},
    "unknown key within": {"stspec": 1, "optimizer": {"learning_rate": 0.1}},
    "unknown key of a stage": {"stspec": 1, "stages": [{"clips": 8}]},
    "unknown choice": {"stspec": 1, "schedule": {"kind": "step"}},
    "text for a number": {"stspec": 1, "batch": "64"},
    "out of range": {"stspec": 1, "label_smoothing": 1},
    "three sides": {"stspec": 1, "data": {"resize": [1, 2, 3]}},
    "a name is the file's": {"stspec": 1, "name": "mine"},
}


@pytest.mark.parametrize("name", RECIPES_RIGHT)
def test_what_one_may_write_in_a_recipe(name: str) -> None:
    assert problems("recipe", RECIPES_RIGHT[name]) == []


@pytest.mark.parametrize("name", RECIPES_WRONG)
def test_typical_mistakes_in_a_recipe(name: str, tmp_path: Path) -> None:
    assert problems("recipe", RECIPES_WRONG[name])
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(RECIPES_WRONG[name]))
    if "name" not in RECIPES_WRONG[name]:
        with pytest.raises(SpecError):
            load_recipe(path)


def test_a_resolved_recipe_is_valid() -> None:
    plain = yaml.safe_load(load_recipe("study2021_frames").text())
    assert set(Recipe.model_fields) - {"name"} <= set(schema_of("recipe")["properties"])
    assert problems("recipe", plain) == []
