"""What a spec may say, as frozen models. Operators and blocks bring their own fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from stspec.diagnostics import Diagnostic, SpecError
from stspec.ops.base import Shape
from stspec.schema.validate import InvalidError


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


MOST_NAMED = 256
MOST_RULES = 64

Names = Annotated[list[str], BeforeValidator(_as_list), Field(max_length=MOST_NAMED)]
Numbers = Annotated[list[int], BeforeValidator(_as_list), Field(max_length=MOST_NAMED)]
Rules = Annotated[dict[str, dict[str, Any]], Field(max_length=MOST_RULES)]


class Strict(BaseModel):
    """Base: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Every(Strict):
    """Every n-th block of a stage, counted from 0."""

    every: int = Field(ge=1, description="take every n-th block")
    start: int = Field(default=0, ge=0, alias="from", description="first block taken")


class Selector(Strict):
    """Which sites of the backbone a rule means; all conditions hold at once."""

    role: Names | None = Field(default=None, description="roles that the backbone gives")
    slot: Names | None = Field(default=None, description="convolutions by name in their block")
    op: Names | None = Field(default=None, description="operators by name")
    kernel: Numbers | None = Field(default=None, description="spatial kernels")
    pointwise: bool | None = Field(default=None, description="kernel 1, or larger")
    depthwise: bool | None = Field(default=None, description="one group per channel, or not")
    stages: Numbers | None = Field(default=None, description="stages, 1 being the stem")
    blocks: Numbers | Every | None = Field(
        default=None, description="blocks of a stage, from 0; -1 the last"
    )
    point: Literal["input", "raw", "norm", "output"] | None = Field(
        default=None,
        description="in front of the convolution, behind it, behind its norm, behind its unit",
    )
    exclude: Selector | None = Field(default=None, alias="not", description="but none of these")

    @model_validator(mode="after")
    def _one_negation(self) -> Self:
        if self.exclude is not None and self.exclude.exclude is not None:
            raise InvalidError("`not` stands within `not`", at=("not", "not"))
        return self


class Pooling(Strict):
    """Where time is pooled: beside spatial poolings, 1 to 5."""

    op: Literal["max", "avg"] = Field(default="max", description="maximum or average")
    kernel: int = Field(default=3, ge=1, description="frames that are pooled")
    stride: int = Field(default=2, ge=1, description="temporal stride")
    beside: Numbers = Field(description="spatial poolings that time is pooled beside")
    realise: Literal["separate", "joint"] = Field(
        default="separate",
        description="a pool of its own, or the temporal stride of what pools space",
    )

    @model_validator(mode="after")
    def _each_level_once(self) -> Self:
        for index, level in enumerate(self.beside):
            if level in self.beside[:index]:
                raise InvalidError(
                    f"time is pooled twice beside spatial pooling {level}", at=("beside", index)
                )
        return self


Inflate = Literal["repeat", "average", "center", "zero_init", "scratch"]


class RuleKeys(Strict):
    """The keys that every rule may have; the others are fields of its operator or block."""

    where: Selector | None = Field(default=None, description="what is converted")
    to: str | None = Field(default=None, description="operator or block that a site becomes")
    insert: str | None = Field(default=None, description="operator or block that is inserted")
    at: Selector | None = Field(default=None, description="where it is inserted")
    inflate: Inflate | None = Field(default=None, description="how 2D weights fill it")

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if (self.to is None) == (self.insert is None):
            raise InvalidError(
                "a rule either converts or inserts",
                help="say `where:` and `to:`, or `insert:` and `at:`",
            )
        if self.where is not None and self.where.point is not None:
            raise InvalidError("a conversion has no `point`", at=("where", "point"))
        if self.at is not None and self.at.role is not None and self.at.point is not None:
            raise InvalidError(
                "a role names its edge itself", help="leave `point` out", at=("at", "point")
            )
        if self.to is not None and (self.where is None or self.at is not None):
            raise InvalidError(
                f"a rule that converts to {self.to} must say what it converts",
                help="add `where: {role: ...}`, with a role, slot, op or kernel",
            )
        if self.insert is not None and (self.at is None or self.where is not None):
            raise InvalidError(
                f"a rule that inserts {self.insert} must say where",
                help="add `at: {role: ...}`, with a role or a slot of the backbone",
            )
        return self


class Clip(Strict):
    """The input: clips (N, channels, frames, height, width), or features (N, frames, features)."""

    frames: int = Field(ge=1, le=4096, description="frames of a clip (segments)")
    size: int | Annotated[list[int], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="height and width, or one number for both"
    )
    channels: int = Field(default=3, ge=1, le=65536, description="3 for RGB, 2 x L for flow")
    features: int | None = Field(
        default=None, ge=1, le=65536, description="features of a frame, in place of maps"
    )

    @model_validator(mode="after")
    def _maps_or_features(self) -> Self:
        if (self.size is None) == (self.features is None):
            raise InvalidError(
                "the input is either clips of a `size`, or `features` of frames",
                help="say `size: 224`, or `features: 256` for a head that is fed alone",
            )
        if self.features is not None and "channels" in self.model_fields_set:
            raise InvalidError("features have no `channels`", at=("channels",))
        for index, side in enumerate(self.sides if self.size is not None else ()):
            if not 1 <= side <= 16384:
                at = ("size",) if isinstance(self.size, int) else ("size", index)
                raise InvalidError(f"a clip has 1 to 16384 pixels a side, not {side}", at=at)
        return self

    @property
    def sides(self) -> tuple[int, int]:
        """Return height and width.

        Raises:
            SpecError: if the input is features: no video has them.
        """
        if self.size is None:
            message = "this model reads features of frames, and no videos"
            help = "extract them with `stspec features`, and give the module their tensor"
            raise SpecError(Diagnostic("reads-features", message, help=help))
        if isinstance(self.size, int):
            return self.size, self.size
        return self.size[0], self.size[1]

    @property
    def shape(self) -> Shape:
        """Return the named axes of the input."""
        if self.features is not None:
            return Shape(self.features, self.frames)
        return Shape(self.channels, self.frames, *self.sides)


class Sample(Strict):
    """Which frames and channels of the clip a pathway sees."""

    every: int = Field(default=1, ge=1, le=4096, description="one frame of so many")
    start: int = Field(default=0, ge=0, le=4095, description="first frame, counted from 0")
    rule: Literal["stride", "linspace", "nearest"] = Field(
        default="stride",
        description="every n-th frame; T // n frames from the first to the last; T // n by stride",
    )
    channels: Annotated[list[int], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="first channel, and the one behind the last"
    )
    differences: int | None = Field(
        default=None, ge=2, le=64, description="of so many neighbouring frames each, as channels"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.channels is not None and not 0 <= self.channels[0] < self.channels[1]:
            raise InvalidError(
                "a range of channels is [first, behind the last]",
                help="[0, 3] means the first three",
                at=("channels",),
            )
        if self.start and self.rule != "stride":
            raise InvalidError(
                f"rule {self.rule} begins with the first frame",
                help="`start` goes with rule stride",
                at=("start",),
            )
        return self


class NormKeys(Strict):
    """Batch norm of a backbone."""

    eps: float = Field(default=1e-5, gt=0, description="added to the variance")
    momentum: float = Field(default=0.1, gt=0, le=1, description="weight of the newest batch")


class LayerKeys(Strict):
    """The keys that every layer of a backbone may have beside its operator's or block's fields."""

    op: str | None = Field(default=None, description="operator")
    block: str | None = Field(default=None, description="block")
    sequence: list[dict[str, Any]] | None = Field(default=None, description="numbered layers")
    repeat: int = Field(default=1, ge=1, le=1000, description="blocks of a stage")
    stage: int | None = Field(default=None, ge=1, description="stage, 1 being the stem")
    role: Names = Field(default_factory=list, description="roles, for selectors")
    narrows: bool = Field(
        default=True, description="whether a width of the backbone below 1 narrows it"
    )

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if sum(body is not None for body in (self.op, self.block, self.sequence)) != 1:
            raise InvalidError("a layer has one of `op`, `block` and `sequence`")
        return self


class Backbone(Strict):
    """An image backbone: layers in order, each reading the one before."""

    stspec: int = 1
    name: str = "custom"
    about: str | None = Field(default=None, description="one line")
    title: str | None = Field(default=None, description="name as printed: ResNet50")
    paper: str | None = Field(default=None, description="reference")
    norm: NormKeys | Literal["none"] = Field(default=NormKeys(), description="batch norm, or none")
    activation: Literal["relu", "relu6", "swish"] = Field(default="relu", description="activation")
    conv_bias: bool = Field(default=False, description="whether convolutions have a bias")
    width: float = Field(
        default=1.0, gt=0, le=64, description="factor on the channels of every layer"
    )
    divisor: int = Field(
        default=1, ge=1, le=1024, description="channels are rounded to multiples of it"
    )
    rounding: Literal["nearest", "down"] | None = Field(
        default=None, description="to which multiple; nearest, but down where the divisor is 1"
    )
    depth: float = Field(
        default=1.0, gt=0, le=64, description="factor on the blocks of every stage, rounded up"
    )
    layers: dict[str, dict[str, Any]] = Field(description="layers by name")
    head: dict[str, Any] = Field(default_factory=dict, description="defaults of the head")

    @property
    def cuts_off(self) -> bool:
        """Whether scaled channels are rounded down rather than to the nearest multiple."""
        return self.rounding == "down" or (self.rounding is None and self.divisor == 1)


class Policy(Strict):
    """A policy for time: what is converted, inserted and pooled, and how weights are inflated."""

    stspec: int = 1
    name: str = "custom"
    about: str | None = Field(default=None, description="one line")
    title: str | None = Field(default=None, description="name as printed: TAM")
    paper: str | None = Field(default=None, description="reference")
    spatial: Rules = Field(default_factory=dict, description="rules by name")
    temporal: Rules = Field(default_factory=dict, description="rules by name")
    pooling: Pooling | Literal["none"] = Field(default="none", description="temporal pooling")
    inflate: Inflate = Field(default="repeat", description="how 2D weights fill 3D ones")


class PathwayKeys(Strict):
    """A stack beside the trunk: its own backbone and policy, on the clip or on a trunk's value."""

    about: str | None = Field(default=None, description="one line")
    backbone: dict[str, Any] = Field(description="a backbone's name, or its settings")
    policy: dict[str, Any] = Field(
        default_factory=dict, description="a policy's name, or its settings; none"
    )
    sample: Sample | None = Field(default=None, description="frames and channels that it sees")
    tap: str | None = Field(
        default=None, description="the trunk's layer that it reads instead of the clip"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.tap is not None and self.sample is not None:
            raise InvalidError("a pathway reads the clip or a tap", at=("sample",))
        return self


class LateralKeys(Strict):
    """An edge from one pathway into another, behind some of its layers."""

    source: str = Field(alias="from", description="pathway that gives; `trunk` is the model's own")
    into: str = Field(default="trunk", description="pathway that takes")
    after: Names = Field(description="layers of both pathways that it joins")
    reads: str | None = Field(
        default=None, description="layer of the giving pathway, where it has another name"
    )
    through: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="layers by name that it passes"
    )
    join: Literal["concat", "add", "average"] = Field(
        default="concat", description="channels side by side, summed, or averaged"
    )
    weights: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="of an average: the taking pathway's, and of what it is given"
    )
    resize: bool = Field(
        default=False, description="to the taking pathway's height and width, by nearest neighbours"
    )

    @model_validator(mode="after")
    def _two_pathways(self) -> Self:
        if self.source == self.into:
            raise InvalidError("a lateral joins two pathways", at=("into",))
        if self.weights is not None and self.join != "average":
            raise InvalidError("weights are those of an average", at=("weights",))
        return self


MOST_PATHWAYS = 16


class Model(Strict):
    """A video network: an image backbone and a policy for time."""

    stspec: int
    name: str
    about: str | None = Field(default=None, description="one line")
    title: str | None = Field(default=None, description="name as printed")
    paper: str | None = Field(default=None, description="reference")
    backbone: dict[str, Any] = Field(description="a backbone's name, or its settings")
    clip: Clip = Field(description="the input")
    policy: dict[str, Any] = Field(description="a policy's name, or its settings")
    sample: Sample | None = Field(
        default=None, description="frames and channels of the clip that the trunk sees"
    )
    pathways: dict[str, dict[str, Any]] = Field(
        default_factory=dict, max_length=MOST_PATHWAYS, description="stacks beside the trunk"
    )
    laterals: dict[str, dict[str, Any]] = Field(
        default_factory=dict, max_length=MOST_PATHWAYS, description="edges between pathways"
    )
    head: dict[str, Any] | Literal["none"] = Field(default_factory=dict, description="the head")
    classes: int = Field(default=400, ge=1, le=10_000_000, description="number of classes")
    weights: str = Field(default="scratch", description="imagenet, scratch, or a checkpoint")
