"""JSON Schema (draft 7) of model, backbone and policy files, and others of plain keys, for editors.

Made from the pydantic models, so that a field of an operator or block is known to editors as soon
as it is declared. Nothing is required but the version: `extends` may bring the rest. Whether a
name refers to a file that exists is for `stspec check` to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from stspec.blocks.heads import HEADS
from stspec.blocks.registry import BLOCKS
from stspec.compose.version import LANGUAGE
from stspec.ops.base import Op
from stspec.ops.conv import Conv3d
from stspec.ops.registry import OPS
from stspec.ops.twins import ClipTwin
from stspec.schema.models import (
    Backbone,
    Clip,
    Every,
    LateralKeys,
    LayerKeys,
    Model,
    NormKeys,
    PathwayKeys,
    Policy,
    Pooling,
    RuleKeys,
    Sample,
    Selector,
)
from stspec.schema.rules import Conv2Plus1dFields, Conv3dRule, EachKeys

Json = dict[str, Any]

KINDS = ("model", "backbone", "policy")
"""What there is a schema for, by the name of its file."""

_NULL = {"type": "null"}
_TEXT = {"type": "string"}
_OWN_FILE = {"pattern": r"\.py(:\w+)?$", "type": "string", "description": "an operator of your own"}
_DOTTED = r"^[^.\s]+(\.[^.\s]+)+$"
_NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
_LISTS = frozenset({"role", "slot", "op", "kernel", "stages", "blocks", "beside", "after"})


def json_schema(kind: str) -> Json:
    """Return the schema of a kind of file: model, backbone or policy."""
    definitions = _definitions()
    body = definitions[kind]
    assert isinstance(body, dict)
    properties = {"stspec": {}, **body["properties"]}
    properties["stspec"] = {"const": LANGUAGE, "description": "version of the language"}
    del properties["name"]
    if kind == "model":
        properties["variants"] = _variants(properties)
    used = _used({"properties": properties}, definitions)
    used_alone = {name: definitions[name] for name in sorted(used)}
    return _document(kind, {**body, "properties": properties}, used_alone)


def keys_schema(model: type[BaseModel], title: str, hidden: Iterable[str] = ()) -> Json:
    """Return the schema of a kind of file whose keys, at all depths, are those of plain models.

    Args:
        model: what its keys are.
        title: what the kind is called.
        hidden: keys that files do not have.
    """
    parts = _parts(model)
    properties = _keys(model)
    for name in hidden:
        del properties[name]
    properties |= {
        "stspec": {"const": LANGUAGE, "description": "version of the language"},
        "extends": _described(_TEXT, f"a {title} to start from: a name, or a relative path"),
    }
    found = _object(model, properties, required=["stspec"])
    definitions = {name.lower(): _object(part, _keys(part)) for name, part in parts.items()}
    return _document(title, found, {name: definitions[name] for name in sorted(definitions)})


def _parts(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the models within a model, by name."""
    inner = [t for f in model.model_fields.values() for t in _models(f.annotation)]
    found = {part.__name__: part for part in inner}
    for part in inner:
        found |= _parts(part)
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models(inner)]


def _keys(model: type[BaseModel]) -> Json:
    """Return fields; one that holds a model says what that is for."""
    fields = _fields(model)
    for name, field in model.model_fields.items():
        for part in _models(field.annotation):
            one, text = _ref(part.__name__.lower()), (part.__doc__ or "").strip().splitlines()[0]
            if get_origin(field.annotation) is list:
                text = field.description or text
                fields[name] = {"type": "array", "items": one, "description": text}
            elif get_origin(field.annotation) is dict:
                plain = str in get_args(get_args(field.annotation)[1])
                values = {"anyOf": [_TEXT, one, _NULL] if plain else [one, _NULL]}
                text = field.description or text
                fields[name] = {
                    "type": "object",
                    "additionalProperties": values,
                    "description": text,
                }
            else:
                fields[name] = _described(one, text)
    return fields


def schema_text(schema: Json) -> str:
    """Return the text of a schema's file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _document(title: str, body: Json, definitions: Json) -> Json:
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"stspec {title}",
        "description": body["description"],
        "type": "object",
        "properties": body["properties"],
        "required": ["stspec"],
        "additionalProperties": False,
        "definitions": definitions,
    }


def _definitions() -> Json:
    found: Json = {
        "clip": _object(Clip, _fields(Clip)),
        "sample": _object(Sample, _fields(Sample)),
        "pathway": _pathway(),
        "lateral": _lateral(),
        "every": _object(Every, _fields(Every), required=["every"]),
        "selector": _object(Selector, _fields(Selector, **{"not": _ref("selector")})),
        "pooling": _object(Pooling, _fields(Pooling)),
        "norm": _object(NormKeys, _fields(NormKeys)),
        "each": _object(EachKeys, _fields(EachKeys), required=["each"]),
        "rule": _rule(),
        "layer": _layer(),
        "head": {"anyOf": [_ref(f"head_{name}") for name in HEADS]},
        "backbone": _backbone(),
        "policy": _policy(),
        "model": _model(),
    }
    for name, target in _targets().items():
        found[f"to_{name}"] = _rule_fields(target, "where", "to")
    for name, target in _insertions().items():
        found[f"insert_{name}"] = _rule_fields(target, "at", "insert")
    for name, target in _ops().items():
        found[f"op_{name}"] = _layer_fields(target, "op")
    for name, target in BLOCKS.items():
        found[f"block_{name}"] = _layer_fields(target, "block")
    for name, target in HEADS.items():
        fields = _fields(target)
        fields.pop("classes")
        fields["kind"] = {"const": name, "description": "kind of head"}
        # Where the kind changes, null removes what another kind's head has said.
        found[f"head_{name}"] = {**_object(target, fields), "additionalProperties": _NULL}
    return found


def _model() -> Json:
    return _object(
        Model,
        _fields(
            Model,
            extends=_described(_TEXT, "a model to start from: a name, or a relative path"),
            backbone=_reference("backbone"),
            policy=_reference("policy"),
            clip=_ref("clip"),
            sample=_described(_ref("sample"), "what the trunk sees of the clip"),
            pathways=_named("pathway"),
            laterals=_named("lateral"),
            head={"anyOf": [{"const": "none"}, _ref("head")], "description": "the head"},
        ),
    )


def _pathway() -> Json:
    sample = _described(_ref("sample"), "frames and channels that it sees")
    references = {kind: _reference(kind) for kind in ("backbone", "policy")}
    return _object(PathwayKeys, _fields(PathwayKeys, sample=sample, **references))


def _lateral() -> Json:
    return _object(
        LateralKeys, _fields(LateralKeys, through=_named("layer")), required=["from", "after"]
    )


def _backbone() -> Json:
    layers = _named("layer")
    extends = _described(_TEXT, "a backbone to start from: a name, or a relative path")
    norm = {"anyOf": [{"const": "none"}, _ref("norm")], "description": "batch norm, or none"}
    return _object(
        Backbone, _fields(Backbone, extends=extends, layers=layers, norm=norm, head=_ref("head"))
    )


def _policy() -> Json:
    rules = _named("rule")
    extends = _described(_TEXT, "a policy to start from: a name, or a relative path")
    pooling = {"anyOf": [{"const": "none"}, _ref("pooling")], "description": "temporal pooling"}
    return _object(
        Policy, _fields(Policy, extends=extends, spatial=rules, temporal=rules, pooling=pooling)
    )


def _named(kind: str) -> Json:
    return {
        "type": "object",
        "propertyNames": {"pattern": _NAME},
        "additionalProperties": _or_null(_ref(kind)),
        "description": f"{kind}s by name",
    }


def _reference(kind: str) -> Json:
    return {"anyOf": [_TEXT, _ref(kind)], "description": f"a {kind}'s name, or its settings"}


def _variants(properties: Json) -> Json:
    """Return the schema of rows of overrides: top-level keys, and paths with dots."""
    keys = {key: value for key, value in properties.items() if key not in ("stspec", "extends")}
    row = {
        "type": "object",
        "properties": keys,
        "propertyNames": {"anyOf": [{"enum": sorted(keys)}, {"pattern": _DOTTED}]},
    }
    return {
        "type": "object",
        "description": "siblings: name, then overrides by path",
        "additionalProperties": _or_null(row),
    }


def _ops() -> dict[str, type[Op]]:
    return {name: op for name in OPS.names() if (op := OPS.get(name)) is not None}


def _targets() -> dict[str, type[BaseModel]]:
    """Return what a rule can convert to."""
    own: dict[str, type[BaseModel]] = {
        Conv3d.kind: Conv3dRule,
        ClipTwin.kind: ClipTwin,
        "conv2plus1d": Conv2Plus1dFields,
    }
    return {**_ops(), **BLOCKS, **own}


def _insertions() -> dict[str, type[BaseModel]]:
    return {**_ops(), **BLOCKS}


def _rule() -> Json:
    """Return the schema of a rule: its own keys, and the fields of what it makes."""
    targets, insertions = _targets(), _insertions()
    return {
        "type": "object",
        "description": "a rule: where and to, or insert and at, and the fields of what it makes",
        "not": {"required": ["to", "insert"]},
        "properties": _rule_keys(),
        "allOf": [
            *(_if("to", name, _ref(f"to_{name}")) for name in sorted(targets)),
            *(_if("insert", name, _ref(f"insert_{name}")) for name in sorted(insertions)),
        ],
    }


def _rule_keys() -> Json:
    return _fields(
        RuleKeys,
        where=_described(_ref("selector"), "what is converted"),
        at=_described(_ref("selector"), "where it is inserted"),
        to=_names(_targets(), "operator or block that a site becomes"),
        insert=_names(_insertions(), "operator or block that is inserted"),
    )


def _names(choices: Iterable[str], text: str) -> Json:
    return {"anyOf": [{"enum": sorted(choices)}, _OWN_FILE], "description": text}


def _rule_fields(target: type[BaseModel], where: str, action: str) -> Json:
    """Return the keys of a rule that makes an operator or block; fields may run along sites."""
    running = {name: _running(field) for name, field in _fields(target).items()}
    # The rule itself says what its own keys hold; here they are only allowed.
    return _object(target, running, also=(where, action, "inflate"))


def _running(field: Json) -> Json:
    inner = {key: value for key, value in field.items() if key not in ("description", "default")}
    outer = {key: value for key, value in field.items() if key in ("description", "default")}
    options = inner["anyOf"] if inner.keys() == {"anyOf"} else [inner]
    return {"anyOf": [*options, _ref("each")], **outer}


def _layer() -> Json:
    """Return the schema of a layer: an operator, a block or a sequence, and its fields."""
    return {
        "type": "object",
        "description": "a layer: an op, a block (repeat makes it a stage) or a sequence",
        "properties": {name: _or_null(key) for name, key in _layer_keys().items()},
        "allOf": [
            *(_if("op", name, _ref(f"op_{name}")) for name in sorted(_ops())),
            *(_if("block", name, _ref(f"block_{name}")) for name in sorted(BLOCKS)),
        ],
    }


def _layer_keys() -> Json:
    sequence = {"type": "array", "items": _ref("layer"), "description": "numbered layers"}
    return _fields(
        LayerKeys,
        op=_names(_ops(), "operator"),
        block={"enum": sorted(BLOCKS), "description": "block"},
        sequence=sequence,
    )


def _layer_fields(target: type[BaseModel], action: str) -> Json:
    return _object(target, _fields(target), also=(action, "repeat", "stage", "role", "narrows"))


def _if(key: str, value: str, then: Json) -> Json:
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def _object(
    model: type[BaseModel], properties: Json, required: list[str] | None = None,
    also: Iterable[str] = (),
) -> Json:  # fmt: skip
    text = (model.__doc__ or "").strip().splitlines()[0]
    known = {name: _or_null(value) for name, value in properties.items()}
    found: Json = {
        "type": "object",
        "description": text,
        "properties": {**dict.fromkeys(also, True), **known},
        "additionalProperties": False,
    }
    return found | ({"required": required} if required else {})


def _fields(model: type[BaseModel], **instead: Json) -> Json:
    """Return the fields of a model under the names that YAML has, some described by hand."""
    schema = model.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    if "$ref" in schema:  # a model that holds itself
        schema = schema["$defs"][model.__name__]
    found: Json = {}
    for name, field in schema.get("properties", {}).items():
        found[name] = instead.pop(name, None) or _tidy(field, name)
    return instead | found


def _tidy(field: Json, name: str) -> Json:
    """Return a field without pydantic's titles and nulls; one item may stand for a list of it."""
    kept = {k: v for k, v in field.items() if k != "title" and not (k == "default" and v is None)}
    options = [_lower(option) for option in kept.pop("anyOf", []) if option != _NULL]
    if len(options) == 1:
        kept = {**options[0], **kept}
    elif options:
        kept["anyOf"] = options
    return _or_one(kept) if name in _LISTS else _lower(kept)


def _lower(schema: Json) -> Json:
    """Return a schema whose reference is to our name of the definition."""
    if "$ref" in schema:
        return {**schema, "$ref": schema["$ref"].lower()}
    return schema


def _or_one(field: Json) -> Json:
    """Let one item stand for a list of it."""
    outer = {key: value for key, value in field.items() if key in ("description", "default")}
    inner = {key: value for key, value in field.items() if key not in outer}
    options = inner.get("anyOf", [inner])
    single = [option["items"] for option in options if option.get("type") == "array"]
    return {"anyOf": [*options, *single], **outer} if single else field


def _or_null(schema: Json) -> Json:
    """Let null stand for a value: it removes what `extends` brings."""
    if schema.get("const") == LANGUAGE and not isinstance(schema.get("const"), str):
        return schema
    outer = {key: value for key, value in schema.items() if key in ("description", "default")}
    inner = {key: value for key, value in schema.items() if key not in outer}
    if inner.keys() == {"anyOf"}:
        return {"anyOf": [*inner["anyOf"], _NULL], **outer}
    if inner.keys() == {"type"} or (isinstance(inner.get("type"), str) and "enum" not in inner):
        return {**inner, "type": [inner["type"], "null"], **outer}
    return {"anyOf": [inner, _NULL], **outer}


def _ref(name: str) -> Json:
    return {"$ref": f"#/definitions/{name}"}


def _described(schema: Json, text: str) -> Json:
    return {**({"allOf": [schema]} if "$ref" in schema else schema), "description": text}


def _used(schema: Any, definitions: Mapping[str, Any], found: set[str] | None = None) -> set[str]:
    """Return the names of the definitions that a schema refers to, directly or not."""
    found = set() if found is None else found
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).removeprefix("#/definitions/")
        if name and name not in found:
            found.add(name)
            _used(definitions[name], definitions, found)
        for value in schema.values():
            _used(value, definitions, found)
    elif isinstance(schema, list):
        for value in schema:
            _used(value, definitions, found)
    return found
