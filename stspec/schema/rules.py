"""Rules of a policy: their keys, and beside them the fields of their operator or block."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from stspec.blocks.base import Block
from stspec.blocks.registry import BLOCKS
from stspec.ops.base import FROZEN, Op
from stspec.ops.conv import Conv3d
from stspec.ops.plugin import find_op
from stspec.ops.twins import ClipTwin
from stspec.schema.collect import Collector, names_of, split
from stspec.schema.layers import chainable, scalar
from stspec.schema.models import RuleKeys
from stspec.schema.names import check_known, check_name
from stspec.schema.validate import validate
from stspec.source.nodes import Mapping, Scalar, Sequence

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Each:
    """A parameter that runs along the sites that a rule matches, cycled."""

    values: tuple[Any, ...]
    over: Literal["stage", "model"] = "stage"


class EachKeys(BaseModel):
    """Values that run along the sites of a rule."""

    model_config = FROZEN

    each: list[Any] = Field(
        min_length=1, max_length=2000, description="one value for each site, cycled"
    )
    over: Literal["stage", "model"] = Field(
        default="stage", description="begin again in every stage, or count through"
    )


class Conv3dRule(Conv3d):
    """Convolution of a clip over time and space; a rule's may span all frames."""

    # Wider than the operator's own, which only gets it when it has become a number.
    kernel_t: Annotated[int, Field(ge=1)] | Literal["all"] = Field(  # type: ignore[assignment]
        default=1, description="temporal kernel, or all frames that arrive, none padded"
    )


InnerWidth = Annotated[int, Field(ge=1)] | Literal["out", "match_conv", "match_block"]


class Conv2Plus1dFields(BaseModel):
    """A spatial convolution, norm and activation, then a temporal convolution."""

    model_config = FROZEN

    kernel_t: int = Field(default=3, ge=1, description="temporal kernel")
    width: InnerWidth = Field(
        default="out",
        description="channels between the two: a number, as many as come out, or as many as make "
        "both cost what a 3D one would, for every convolution or once for its block",
    )
    first: Literal["spatial", "temporal"] = Field(
        default="spatial", description="which of the two stands first"
    )
    depthwise: bool | None = Field(
        default=None,
        description="temporal kernels channel by channel; where the spatial ones are, if left out",
    )
    bias: bool = Field(default=False, description="bias of the temporal convolution")
    inner_eps: float | None = Field(
        default=None, gt=0, description="added to the variance between the two; as behind them"
    )


CONV2PLUS1D = "conv2plus1d"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a policy; ``path`` is how overrides and messages speak of it."""

    path: str
    keys: RuleKeys
    target: type[Op] | type[Block] | Literal["conv2plus1d"]
    values: MappingType[str, Any]
    node: Mapping

    @property
    def name(self) -> str:
        """Return the rule's own name, which names what it inserts."""
        return self.path.rpartition(".")[2]


def parse_rules(
    policy: Mapping, errors: Collector, place: tuple[str, ...] = ()
) -> tuple[Rule, ...]:
    """Return the rules, in order, of a policy at a place in the tree.

    Mistakes go to the collector.
    """
    rules = []
    sections = {name: policy.get(name) for name in ("spatial", "temporal")}
    nodes = [node for node in sections.values() if isinstance(node, Mapping)]
    names = [key for node in nodes for key, _ in node.entries]
    for section, node in sections.items():
        for key, value in node.entries if isinstance(node, Mapping) else ():
            with errors.collect():
                check_name(key)
                if isinstance(value, Mapping):
                    check_known("rule", key, value, ("to", "insert", "where", "at"), names)
                    rules.append(_rule(section, key, value, place))
    return tuple(rules)


def _rule(section: str, key: Scalar, node: Mapping, place: tuple[str, ...]) -> Rule:
    path: Path = (*place, "policy", section, str(key.value))
    keys_node, fields = split(node, RuleKeys)
    keys = validate(keys_node, RuleKeys, path=path, key=key, also=("kernel", "kernel_t"))
    target: type[Op] | type[Block] | Literal["conv2plus1d"]
    model: type[BaseModel]
    if keys.to == CONV2PLUS1D:
        target, model = "conv2plus1d", Conv2Plus1dFields
    else:
        target = found = _target(node, keys)
        model = found if keys.insert is not None else partial(_in_rules(found))
    values = _values(fields, model, path, key)
    return Rule(f"{section}.{key.value}", keys, target, values, node)


def _in_rules(target: type[Op] | type[Block]) -> type[BaseModel]:
    return Conv3dRule if target is Conv3d else target


def _target(node: Mapping, keys: RuleKeys) -> type[Op] | type[Block]:
    value = scalar(node, "to" if keys.to is not None else "insert")
    if value.value in BLOCKS:
        return BLOCKS[str(value.value)]
    if keys.to == ClipTwin.kind:
        return ClipTwin
    own = [] if keys.insert is not None else [CONV2PLUS1D, ClipTwin.kind]
    others = sorted([*BLOCKS, *own])
    return chainable(find_op(value, others), value)


@cache
def partial(model: type[BaseModel]) -> type[BaseModel]:
    """Return a model whose fields may all be left out."""
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        annotation: Any = info.annotation
        if info.metadata:
            annotation = Annotated[annotation, *info.metadata]
        fields[name] = (annotation, None if info.is_required() else info.get_default())
    return create_model(f"{model.__name__}Fields", __config__=FROZEN, **fields)


def _values(fields: Mapping, model: type[BaseModel], path: Path, key: Scalar) -> dict[str, Any]:
    """Return the fields that were written, with parameters that run along sites as ``Each``."""
    runs = {str(k.value): v for k, v in fields.entries if isinstance(v, Mapping) and "each" in v}
    base = fields.without(*runs)
    also = names_of(RuleKeys)
    model = partial(model) if runs else model
    values: dict[str, Any] = validate(base, model, path=path, key=key, also=also).model_dump(
        exclude_unset=True
    )
    for name, node in runs.items():
        values[name] = _each(base, name, node, model, path)
    return values


def _each(base: Mapping, name: str, node: Mapping, model: type[BaseModel], path: Path) -> Each:
    keys = validate(node, EachKeys, path=(*path, name))
    items = node.get("each")
    assert isinstance(items, Sequence)
    values = []
    for item in items.items:
        one = base.with_entry(Scalar(name, node.span, node.origin), item)
        values.append(getattr(validate(one, model, path=path), name))
    return Each(tuple(values), keys.over)
