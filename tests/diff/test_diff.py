"""What a diff says of models that the field compares."""

from __future__ import annotations

import pytest

from stspec.diff import Change, Diff, PatchError, diff
from stspec.diff.canonical import canonical
from stspec.diff.fills import fill, shares
from stspec.network import Network, load


def told(a: str | Network, b: str | Network) -> Diff:
    old = load(a) if isinstance(a, str) else a
    return diff(old, load(b) if isinstance(b, str) else b)


def sentences(found: Diff) -> list[tuple[str, str, str, str]]:
    return [(g.sign, g.subject, g.text, g.where) for g in found.groups]


EVERY_BLOCK = "16/16 blocks, stages 2-5"


def test_equal_edits_are_told_once() -> None:
    assert sentences(told("i3d", "tam")) == [
        ("~", "stem", "3x7x7 becomes 7x7", ""),
        ("~", "conv2", "3x3x3 becomes 3x3", EVERY_BLOCK),
        (
            "+",
            "tam",
            "TAM (3 frames, depth-wise) in front of conv1 of the residual branch",
            EVERY_BLOCK,
        ),
    ]


def test_what_stands_in_one_place_is_exchanged() -> None:
    assert sentences(told("tam", "tsm")) == [
        (
            "~",
            "tam → shift",
            "TAM (3 frames, depth-wise) becomes shift (1/8 of the channels each way)",
            EVERY_BLOCK,
        )
    ]


def test_a_run_of_nodes_is_one_edit() -> None:
    assert sentences(told("i3d", "s3d")) == [
        ("~", "conv2", "3x3x3 becomes 3x3", EVERY_BLOCK),
        ("+", "conv2_t", "3x1x1 convolution, norm and ReLU behind conv2", EVERY_BLOCK),
    ]


def test_further_blocks_misalign_nothing() -> None:
    deeper = load("tam", ["backbone=resnet101"])
    assert sentences(told("tam", deeper)) == [("+", "layer3.6-22", "bottleneck", "")]


def test_a_block_that_is_moved_is_told_with_both_of_its_places() -> None:
    found = sentences(told("tsn_squeezenet", "tsn_squeezenet1_0"))
    blocks = [(sign, text) for sign, subject, text, _ in found if subject == "fire4"]
    assert blocks == [("+", "Fire module behind fire3"), ("-", "Fire module behind maxpool2")]


def test_partial_coverage_names_the_blocks() -> None:
    at = "{role: residual_start, stages: 4, blocks: {every: 2}}"
    found = told("tsn", load("tsn", [f"policy.temporal.s={{insert: shift, at: {at}}}"]))
    assert [g.where for g in found.groups] == ["3/16 blocks: layer3.0, .2, .4"]


def test_another_size_of_the_clip_leaves_the_operators() -> None:
    found = told("i3d", load("i3d", ["clip.frames=16"]))
    assert not found.edits and not found.empty
    assert [f.key for f in found.policy if not f.same] == ["input"]
    assert (found.a.label, found.b.label) == ("i3d, 8 frames", "i3d, 16 frames")


def test_a_3d_convolution_of_single_frames_is_the_2d_one() -> None:
    flat = {"where": {"op": "conv"}, "to": "conv3d"}
    lifted = load("tsn", [("policy.spatial.clips", flat)])
    found = told("tsn", lifted)
    assert not found.edits
    assert set(shares(found.tensors)) == {"as it is", "reshaped"}
    assert not found.empty  # their checkpoints differ in shape


def test_another_backbone_is_summarised() -> None:
    found = told("i3d_resnet50", "i3d_inceptionv1")
    assert not found.alike
    assert [stage.number for stage in found.stages] == [1, 2, 3, 4, 5]
    assert found.stages[1].a == "3 x bottleneck to 256"
    assert found.matched + found.removed == found.a.operators
    assert found.matched + found.inserted == found.b.operators


def test_the_policy_is_read_off_the_graph() -> None:
    rows = {facet.key: facet for facet in told("s3d_inceptionv1_tp", "tam_resnet50").policy}
    assert rows["backbone"].a == "InceptionV1" and rows["backbone"].b == "ResNet50"
    assert rows["spatial"].a == "stem 3x7x7, 3x3"
    assert rows["temporal"].a == "the same convolutions; 3x1x1 convolution; max-pools"
    assert rows["temporal"].b == "TAM (3 frames, depth-wise)"
    assert rows["place"].b == f"in front of conv1 of the residual branch, {EVERY_BLOCK}"
    assert "beside spatial pooling" in rows["pooling"].a
    assert rows["inflation"].b == "nothing to inflate"
    assert rows["input"].same


def test_costs_are_those_of_the_facts() -> None:
    a, b = load("tsn"), load("nln")
    rows = {quantity.key: quantity for quantity in diff(a, b).costs}
    assert (rows["params"].a, rows["params"].b) == (a.facts.params, b.facts.params)
    assert rows["macs"].b == sum(b.facts.macs().values())
    assert rows["macs_matmul"].b == b.facts.macs()["matmul"]
    assert rows["time_field"].a == 1 and rows["time_field"].b is None
    outputs = sum(4 * fact.output.numel for fact in a.facts.operators())
    assert rows["activations"].a == outputs


def test_checkpoints_fill_each_other() -> None:
    found = told("tam", "i3d")
    forth, back = shares(found.tensors), shares(found.tensors, back=True)
    assert {how: share.tensors for how, share in forth.items()} == {
        "as it is": 267, "reshaped": 36, "inflated (repeat)": 17, "left over": 16,
    }  # fmt: skip
    assert {how: share.tensors for how, share in back.items()} == {
        "as it is": 267, "reshaped": 36, "does not fit": 17, "missing": 16,
    }  # fmt: skip
    assert "layer1.0.tam.weight" in back["missing"].keys


@pytest.mark.parametrize(
    ("source", "target", "way", "how"),
    [
        ((8, 4, 3, 3), (8, 4, 3, 3), "repeat", ("as it is", None)),
        ((8, 4, 3, 3), (8, 4, 1, 3, 3), "repeat", ("reshaped", None)),
        ((8, 4, 3, 3), (8, 4, 1, 3, 3), "zero_init", ("inflated", "zero_init")),
        ((8, 4, 3, 3), (8, 4, 3, 3, 3), "average", ("inflated", "average")),
        ((8, 4, 3, 3), (8, 4, 3, 3, 3), "scratch", ("from scratch", None)),
        ((8, 4, 3, 3, 3), (8, 4, 3, 3), "repeat", ("does not fit", None)),
        ((8, 3, 7, 7), (8, 10, 7, 7), "repeat", ("adapted", None)),
        ((8, 3, 7, 7), (8, 10, 3, 7, 7), "center", ("adapted", "center")),
        ((400, 64), (200, 64), "repeat", ("does not fit", None)),
        ((4, 1, 3, 1, 1), (4, 1, 5, 1, 1), "repeat", ("does not fit", None)),
    ],
)
def test_filling(
    source: tuple[int, ...], target: tuple[int, ...], way: str, how: tuple[str, str | None]
) -> None:
    assert fill(source, target, way) == how


def test_a_rule_may_inflate_by_its_own_way() -> None:
    own = load("i3d", ["policy.spatial.wide.inflate=center"])
    found = told("tsn", own)
    assert shares(found.tensors)["inflated (center)"].tensors == 17


def test_another_graph_is_refused() -> None:
    with pytest.raises(PatchError, match="not what the diff was made from"):
        told("i3d", "tam").apply(load("tsn").graph)


def test_the_canonical_form_is_its_own() -> None:
    graph = canonical(load("s3d_inceptionv1").graph, [3])
    assert canonical(graph, [3]) == graph


def test_edits_are_typed() -> None:
    found = told("tam", load("tam", ["policy.temporal.tam.kernel=5"]))
    assert all(isinstance(edit, Change) for edit in found.edits)
    assert len(found.edits) == 16
