"""JSON Schema for editors: everything shipped is valid, typical mistakes are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stspec.blocks.registry import BLOCKS
from stspec.compose import data_root, resolve
from stspec.ops.registry import OPS
from stspec.schema.jsonschema import KINDS, json_schema
from stspec.source import read_file, to_plain

VALIDATORS = {kind: jsonschema.Draft7Validator(json_schema(kind)) for kind in KINDS}
SPECS = data_root() / "specs"
FILES = [
    *(("model", path) for path in sorted([*SPECS.glob("*.yaml"), *SPECS.glob("families/*.yaml")])),
    *(("backbone", path) for path in sorted(SPECS.glob("backbones/*.yaml"))),
    *(("policy", path) for path in sorted(SPECS.glob("policies/*.yaml"))),
]


def problems(kind: str, value: object) -> list[str]:
    return [error.message for error in VALIDATORS[kind].iter_errors(value)]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_schema(kind: str) -> None:
    jsonschema.Draft7Validator.check_schema(json_schema(kind))


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
