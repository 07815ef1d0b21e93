"""Random specs: small backbones of every op and block, policies of every kind of rule."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Plain = dict[str, Any]

widths = st.sampled_from([4, 6, 8])
strides = st.sampled_from([1, 1, 1, 2])
ROLES = ("stem", *(f"spatial_pool_{level}" for level in range(1, 6)))


def keys(required: Plain, optional: Plain | None = None) -> st.SearchStrategy[Plain]:
    """Draw a mapping; optional keys are there now and then."""
    return st.fixed_dictionaries(
        {k: v if isinstance(v, st.SearchStrategy) else st.just(v) for k, v in required.items()},
        optional=optional or {},
    )


paddings = {"padding": st.integers(0, 2)}
convolutions = keys(
    {"op": "conv2d", "width": widths, "kernel": st.sampled_from([1, 3, 3, 5])},
    {
        "stride": strides,
        "bias": st.booleans(),
        "groups": st.sampled_from([1, 1, 2]),
        **paddings,
    },
)
depthwise = keys(
    {"op": "conv2d", "kernel": 3, "groups": "depthwise"}, {"bias": st.booleans(), **paddings}
)
pools = keys(
    {"op": st.sampled_from(["max_pool2d", "avg_pool2d"]), "kernel": st.sampled_from([2, 3])},
    {"stride": strides, "padding": st.integers(0, 1), "ceil_mode": st.booleans()},
)
plain_ops = keys({"op": st.sampled_from(["batch_norm", "relu", "relu6", "swish", "dropout"])})
temporal_ops = st.one_of(
    keys({"op": "tam"}, {"kernel": st.integers(1, 5), "depthwise": st.booleans()}),
    keys({"op": "shift", "fold_div": st.sampled_from([2, 4])}),
    keys({"op": st.sampled_from(["temporal_max_pool", "temporal_avg_pool"])}, {"stride": strides}),
    keys({"op": "conv3d", "width": widths, "kernel": 3, "kernel_t": st.integers(1, 3)}),
)

repeats = {"repeat": st.integers(1, 3)}
pairs = st.lists(widths, min_size=2, max_size=3)
blocks = st.one_of(
    keys({"block": "basic", "width": widths}, {"stride": strides, **repeats}),
    keys({"block": "bottleneck", "width": widths}, {"stride": strides, **repeats}),
    keys(
        {"block": "bottleneck", "width": widths, "expansion": st.integers(1, 2)},
        {"stride": strides, **repeats},
    ),
    keys(
        {"block": "inverted_residual", "width": widths, "expand": st.integers(1, 3)},
        {"stride": strides, **repeats},
    ),
    keys({"block": "fire", "squeeze": widths, "expand": widths}, {"bypass": st.booleans()}),
    keys(
        {"block": "inception", "branch2": pairs, "branch3": pairs},
        {"branch1": widths, "branch4": widths, "pool": st.sampled_from(["max", "avg"])},
    ),
    keys({"block": "inception", "branch2": pairs, "branch3": pairs, "stride": 2}),
    keys({"block": "conv_unit", "width": widths}, {"kernel": st.sampled_from([1, 3])}),
    keys({"block": "conv_sequence", "width": widths}, {"kernel": st.sampled_from([1, 3])}),
)
places = st.fixed_dictionaries(
    {}, optional={"stage": st.integers(1, 3), "role": st.sampled_from(ROLES)}
)


def placed(layer: Plain, place: Plain) -> Plain:
    return {**layer, **place}


single = st.builds(
    placed,
    st.one_of(convolutions, depthwise, blocks, blocks, pools, plain_ops, temporal_ops),
    places,
)
sequences = keys({"sequence": st.lists(single, min_size=1, max_size=4)}, {"stage": st.just(2)})
LAYERS = ("conv1", "bn1", "relu", "pool", "layer1", "layer2", "features", "x", "fire2")


@st.composite
def backbones(draw: st.DrawFn) -> Plain:
    """Draw a backbone that begins with a convolution."""
    stem = placed(
        {**draw(convolutions), "groups": 1}, {"role": ["stem", "spatial_pool_1"], "stage": 1}
    )
    rest = draw(st.lists(st.one_of(single, single, sequences), min_size=1, max_size=5))
    names = draw(st.permutations(LAYERS))
    backbone: Plain = {"layers": dict(zip(names, [stem, *rest], strict=False))}
    if draw(st.integers(0, 3)) == 0:
        backbone["norm"] = "none"
    backbone["activation"] = draw(st.sampled_from(["relu", "relu", "relu6", "swish"]))
    backbone["conv_bias"] = draw(st.booleans())
    return backbone


def each(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a value, or values that run along the sites."""
    runs = st.fixed_dictionaries(
        {"each": st.lists(values, min_size=1, max_size=3)},
        optional={"over": st.sampled_from(["stage", "model"])},
    )
    return st.one_of(values, values, runs)


conditions: Plain = {
    "stages": st.lists(st.integers(1, 5), min_size=1, max_size=3),
    "blocks": st.one_of(
        st.lists(st.integers(0, 2), min_size=1, max_size=2),
        st.fixed_dictionaries({"every": st.integers(1, 3)}, optional={"from": st.integers(0, 2)}),
    ),
    "not": st.fixed_dictionaries(
        {}, optional={"role": st.just("stem"), "stages": st.integers(1, 3)}
    ),
}
some_conditions = st.dictionaries(st.just(""), st.nothing(), max_size=0) | st.sampled_from(
    sorted(conditions)
).flatmap(lambda key: st.fixed_dictionaries({key: conditions[key]}))
of_convolutions = st.one_of(
    keys({"op": "conv"}, {"pointwise": st.booleans(), "depthwise": st.booleans()}),
    keys({"op": "conv"}),
    keys({"kernel": st.sampled_from([1, 3, [3, 5]])}),
    keys({"slot": st.sampled_from(["conv1", "conv2", ["conv", "depthwise"], "branch2.1"])}),
)
to_conv3d = keys(
    {"to": "conv3d", "kernel_t": each(st.integers(1, 4))},
    {"stride_t": strides, "bias": each(st.booleans()), "padding_t": st.integers(0, 2)},
)
to_two = keys(
    {"to": "conv2plus1d"},
    {
        "kernel_t": each(st.sampled_from([1, 3])),
        "bias": st.booleans(),
        "depthwise": st.booleans(),
        "width": st.sampled_from(["out", 5]),
    },
)
to_pool = keys(
    {
        "to": st.sampled_from(["max_pool3d", "avg_pool3d"]),
        "kernel_t": st.integers(1, 3),
    },
    {"stride_t": strides, "padding_t": st.integers(0, 1), "ceil_mode": st.booleans()},
)


def where(action: Plain, selector: Plain, more: Plain) -> Plain:
    return {**action, "where": {**selector, **more}}


def at(action: Plain, selector: Plain, more: Plain) -> Plain:
    return {**action, "at": {**selector, **more}}


everything = {"where": {"op": ["conv", "pool"]}, "to": "3d"}
spatial_rules = st.one_of(
    st.builds(where, st.one_of(to_conv3d, to_two, to_conv3d), of_convolutions, some_conditions),
    st.builds(where, to_pool, keys({"op": "pool"}), some_conditions),
    st.just(everything),
)
inserted = st.one_of(
    keys(
        {"insert": "tam"},
        {
            "kernel": each(st.integers(1, 5)),
            "reduce": st.sampled_from(["sum", "maximum"]),
            "depthwise": st.booleans(),
        },
    ),
    keys({"insert": "shift", "fold_div": each(st.sampled_from([2, 3, 4]))}),
    keys(
        {"insert": st.sampled_from(["temporal_max_pool", "temporal_avg_pool"]), "stride": 1},
        {"kernel": each(st.sampled_from([1, 3]))},
    ),
    keys(
        {"insert": "non_local"},
        {
            "mode": st.sampled_from(
                ["embedded_gaussian", "gaussian", "dot_product", "concatenation"]
            ),
            "reduction": st.integers(1, 3),
            "sub_sample": st.booleans(),
            "scale": st.booleans(),
            "norm": st.booleans(),
            "out_bias": each(st.booleans()),
        },
    ),
    keys({"insert": "conv3d", "kernel_t": st.sampled_from([1, 3])}, {"bias": st.booleans()}),
    keys({"insert": st.sampled_from(["batch_norm", "relu", "swish"])}),
    keys({"insert": "basic", "width": each(widths)}),
)
EDGES = (
    "residual_start",
    "residual_end",
    "module_input",
    "module_output",
    "block_input",
    "block_output",
)
points = {"point": st.sampled_from(["input", "raw", "output"])}
spots = st.one_of(
    keys({"role": st.sampled_from([*EDGES, *EDGES, "stem", ["residual_start", "module_output"]])}),
    keys({"op": "conv"}, points),
    keys({"slot": st.sampled_from(["conv1", "conv2", "project", "conv"])}, points),
    keys({"op": st.sampled_from(["batch_norm", "pool", "relu", "add", "concat"])}, points),
)
temporal_rules = st.builds(at, inserted, spots, some_conditions)
poolings = st.one_of(
    st.just("none"),
    st.fixed_dictionaries(
        {
            "beside": st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True),
            "realise": st.sampled_from(["separate", "joint"]),
        },
        optional={
            "op": st.sampled_from(["max", "avg"]),
            "kernel": st.integers(1, 4),
            "stride": st.integers(1, 3),
        },
    ),
)
RULES = ("a", "tam", "wide", "x", "conv1_t", "relu2")


def rules(kind: st.SearchStrategy[Plain]) -> st.SearchStrategy[Plain]:
    return st.dictionaries(st.sampled_from(RULES), kind, max_size=3)


policies = st.fixed_dictionaries(
    {},
    optional={
        "spatial": rules(spatial_rules),
        "temporal": rules(temporal_rules),
        "pooling": poolings,
    },
)
reductions = st.sampled_from(["average", "maximum"])
heads: st.SearchStrategy[Any] = st.one_of(
    st.just({}),
    st.just("none"),
    st.fixed_dictionaries(
        {
            "pool": reductions,
            "consensus": reductions,
            "classify": st.sampled_from(["per_frame", "per_clip"]),
            "name": st.sampled_from(["fc", "head", "classifier.1"]),
        }
    ),
    st.fixed_dictionaries({"kind": st.just("convolution"), "pool": reductions}),
)
sides = st.integers(5, 24)
clips = st.fixed_dictionaries(
    {
        "frames": st.integers(1, 9),
        "size": st.one_of(sides, st.lists(sides, min_size=2, max_size=2)),
    },
    optional={"channels": st.integers(1, 4)},
)


@st.composite
def specs(draw: st.DrawFn) -> Plain:
    """Draw a whole spec, mostly one that a person could mean."""
    return {
        "stspec": 1,
        "name": "random",
        "backbone": draw(backbones()),
        "clip": draw(clips),
        "policy": draw(policies),
        "head": draw(heads),
        "classes": 3,
    }
