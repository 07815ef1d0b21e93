from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from stspec.diagnostics import SpecError
from stspec.reference import fill_state_dict
from stspec.weights.arrays import Array, Shape
from stspec.weights.imagenet import fill_from_image
from stspec.weights.importer import import_state_dict

RESNET: dict[str, Shape] = {
    "conv1.weight": (4, 3, 7, 7),
    "bn1.weight": (4,),
    "bn1.num_batches_tracked": (),
    "layer1.0.conv1.weight": (4, 4, 3, 3),
    "fc.weight": (11, 4),
    "fc.bias": (11,),
}


def codes(error: pytest.ExceptionInfo[SpecError]) -> list[str]:
    return [found.code for found in error.value.diagnostics]


def test_values_are_taken_over() -> None:
    public = fill_state_dict(RESNET)
    imported = import_state_dict(public, RESNET)
    assert list(imported.state) == list(RESNET)
    for key, value in imported.state.items():
        np.testing.assert_array_equal(value, public[key])
    assert imported.report.complete
    assert imported.report.summary() == "6 loaded"


def test_tensors_of_torch_are_taken_as_they_are() -> None:
    half = torch.tensor([0.5, 2.0], dtype=torch.bfloat16)
    public = {"fc.weight": torch.nn.Parameter(torch.ones(2, 3)), "fc.bias": half}
    state = import_state_dict(public, {"fc.weight": (2, 3), "fc.bias": (2,)}).state
    assert state["fc.weight"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert state["fc.bias"].dtype == np.float32
    assert state["fc.bias"].tolist() == [0.5, 2.0]


def test_a_model_without_parameters() -> None:
    imported = import_state_dict({}, {})
    assert imported.report.complete
    assert imported.report.summary() == "nothing to load"


@pytest.mark.parametrize("width", [1, 4])
def test_tam_is_stacked_from_the_earliest_frame(width: int) -> None:
    frames = ("prev", "curr", "next")
    public = {
        f"module.layer1.0.tam.{frame}_se.fc1.weight": np.full((4, width, 1, 1), i, np.float32)
        for i, frame in enumerate(frames)
    }
    # The order in which the public module registers them differs from that of time.
    public = dict(sorted(public.items(), key=lambda item: "curr" in item[0]))
    expected = {"layer1.0.tam.weight": (4, width, 3, 1, 1)}
    imported = import_state_dict(public, expected, "ibm")
    taps = imported.state["layer1.0.tam.weight"][0, 0, :, 0, 0]
    assert taps.tolist() == [0, 1, 2]
    (entry,) = imported.report.loaded
    assert entry.how == ("stacked",)
    assert entry.sources == tuple(f"module.layer1.0.tam.{frame}_se.fc1.weight" for frame in frames)


def test_more_than_nine_frames_are_ordered_as_numbers() -> None:
    public = {
        f"layer1.0.tam.blending_layers.{i}.fc1.weight": np.full((2, 1, 1, 1), i, np.float32)
        for i in sorted(range(11), key=str)
    }
    imported = import_state_dict(public, {"layer1.0.tam.weight": (2, 1, 11, 1, 1)})
    assert imported.state["layer1.0.tam.weight"][1, 0, :, 0, 0].tolist() == list(range(11))


def test_a_stack_that_lacks_a_part_is_answered() -> None:
    public = fill_state_dict({"layer1.0.tam.prev_se.fc1.weight": (4, 1, 1, 1)})
    with pytest.raises(SpecError) as caught:
        import_state_dict(public, {"layer1.0.tam.weight": (4, 1, 3, 1, 1)})
    (found,) = caught.value.diagnostics
    assert found.code == "incomplete-stack"
    assert "lacks number 2, 3" in found.message


def test_a_stack_of_unequal_parts_is_answered() -> None:
    public = fill_state_dict(
        {
            "tam1.blending_layers.0.fc1.weight": (4, 1, 1, 1),
            "tam1.blending_layers.1.fc1.weight": (4, 4, 1, 1),
        }
    )
    with pytest.raises(SpecError) as caught:
        import_state_dict(public, {"conv1.tam.weight": (4, 1, 2, 1, 1)})
    assert codes(caught) == ["incomplete-stack"]


def test_axes_of_size_one_come_and_go() -> None:
    public = fill_state_dict(RESNET | {"bn1.weight": (1, 4)})
    expected = RESNET | {"layer1.0.conv1.weight": (4, 4, 1, 3, 3)}
    imported = import_state_dict(public, expected)
    assert imported.state["layer1.0.conv1.weight"].shape == (4, 4, 1, 3, 3)
    assert imported.report.summary() == "4 loaded, 2 reshaped"


def test_what_one_side_lacks_is_named() -> None:
    public = fill_state_dict(RESNET | {"layer1.0.tam.weight": (4, 1, 3, 1, 1)})
    expected = RESNET | {"layer1.0.nl.bn.weight": (4,)}
    report = import_state_dict(public, expected, "stspec").report
    assert [entry.key for entry in report.filled] == ["layer1.0.nl.bn.weight"]
    (left,) = report.left_out
    assert (left.key, left.reason) == ("layer1.0.tam.weight", "the model has no such key")
    assert not report.complete


def test_whose_keys_they_are_is_told_where_another_code_base_was_named() -> None:
    public = {"backbone.layer1.0.conv1.conv.weight": np.zeros((4, 4, 3, 3), "float32")}
    with pytest.raises(SpecError) as caught:
        import_state_dict(public, RESNET, "tsn_pytorch")
    (found,) = caught.value.diagnostics
    assert found.code == "foreign-checkpoint"
    assert (found.help or "").endswith("its keys are mmaction2's")


def test_what_an_averaged_model_counts_is_no_tensor_of_it() -> None:
    inner = {key: np.zeros(shape, "float32") for key, shape in RESNET.items()}
    public = {"n_averaged": np.array(3), **{f"model.module.{k}": v for k, v in inner.items()}}
    found = import_state_dict(public, RESNET)
    assert found.report.complete
    assert set(found.state) == set(RESNET)


@pytest.mark.parametrize("here", [True, False])
def test_batch_counters_may_be_missing(here: bool) -> None:
    without = {k: v for k, v in RESNET.items() if "tracked" not in k}
    public, expected = (without, RESNET) if here else (RESNET, without)
    report = import_state_dict(fill_state_dict(public), expected).report
    assert report.complete
    assert [entry.action for entry in report.entries].count("counter") == 1


def test_auxiliary_classifiers_are_left_out_with_their_reason() -> None:
    shapes: dict[str, Shape] = {"inception3a.branch1.conv.weight": (4, 4, 1, 1)}
    public = fill_state_dict(shapes | {"aux1.conv.bn.bias": (4,), "aux2.fc2.weight": (1000, 8)})
    report = import_state_dict(public, shapes).report
    assert [entry.key for entry in report.left_out] == ["aux1.conv.bn.bias", "aux2.fc2.weight"]
    assert all("auxiliary" in (entry.reason or "") for entry in report.left_out)
    assert report.complete and report.inert_elements == 4 + 8000


def test_what_an_importer_leaves_out_is_accounted_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "stspec: 1\nabout: x\ncode_base: https://example.com\nextends: torchvision\n"
        "rules:\n  - {drop: '{name}_momentum', reason: the optimiser's momentum}\n"
    )
    public = fill_state_dict(RESNET | {"conv1_momentum": (4, 3, 7, 7)})
    report = import_state_dict(public, RESNET, str(path)).report
    assert report.complete and not report.inert_elements
    assert not import_state_dict(public, RESNET, "torchvision").report.complete


def test_inert_parameters_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "tdn.yaml"
    path.write_text(
        "stspec: 1\nabout: x\ncode_base: https://github.com/MCG-NJU/TDN\nextends: torchvision\n"
        "rules:\n  - drop: 'conv1_temp.{leaf}'\n    reason: registered and never used\n"
        "    inert: true\n"
    )
    public = fill_state_dict(RESNET | {"conv1_temp.weight": (4, 3, 7, 7)})
    report = import_state_dict(public, RESNET, str(path)).report
    assert report.complete
    assert report.inert_elements == 4 * 3 * 7 * 7
    row = report.table().split("\n")[-1]
    assert row == "inert   1  588 parameters: conv1_temp.weight: registered and never used"


# ------------------------------------------------------------------------------ mistakes


def test_another_number_of_classes_is_one_diagnosis() -> None:
    public = fill_state_dict(RESNET | {"fc.weight": (400, 4), "fc.bias": (400,)})
    with pytest.raises(SpecError) as caught:
        import_state_dict(public, RESNET)
    (found,) = caught.value.diagnostics
    assert found.code == "class-count"
    assert found.message == "the checkpoint has 400 classes, the model 11 (`fc.weight`)"
    assert found.help is not None and "`classes: 400`" in found.help
    # Whatever runs: `weights convert`, for one, cannot replace them.
    assert "`stspec train --weights`" in found.help and "load_weights" in found.help


def test_classes_are_replaced_on_request() -> None:
    public = fill_state_dict(RESNET | {"fc.weight": (400, 4), "fc.bias": (400,)})
    imported = import_state_dict(public, RESNET, classes="replace")
    assert "fc.weight" not in imported.state
    assert imported.report.summary() == (
        "4 loaded, 2 filled: fc.weight, fc.bias, "
        "2 left out: fc.weight (400 classes), fc.bias (400 classes)"
    )


def misfit(there: Mapping[str, Shape], here: Mapping[str, Shape]) -> tuple[str, str, str | None]:
    with pytest.raises(SpecError) as caught:
        import_state_dict(fill_state_dict(RESNET | dict(there)), RESNET | dict(here))
    (found,) = caught.value.diagnostics
    return found.code, found.message, found.help


def test_another_number_of_input_channels() -> None:
    code, message, _ = misfit({"conv1.weight": (4, 10, 7, 7)}, {})
    assert code == "weight-channels"
    assert message == (
        "`conv1.weight` takes 10 input channels in the checkpoint and 3 in the model"
    )


def test_2d_weights_for_a_3d_model() -> None:
    code, message, help_text = misfit({}, {"conv1.weight": (4, 3, 5, 7, 7)})
    assert code == "weight-rank"
    assert message == (
        "one tensor is 2D in the checkpoint and 3D in the model: "
        "`conv1.weight` is 4x3x7x7 there and 4x3x5x7x7 here"
    )
    assert help_text is not None and "image weights" in help_text


def test_another_temporal_extent() -> None:
    code, message, _ = misfit({"conv1.weight": (4, 3, 3, 7, 7)}, {"conv1.weight": (4, 3, 5, 7, 7)})
    assert code == "weight-frames"
    assert message == (
        "one tensor is of another temporal extent: `conv1.weight` spans 3 frames "
        "in the checkpoint and 5 in the model"
    )


def test_another_backbone() -> None:
    there: dict[str, Shape] = {"conv1.weight": (8, 3, 7, 7), "bn1.weight": (8,)}
    code, message, help_text = misfit(there, {})
    assert code == "weight-shape"
    assert message.startswith("2 tensors are of another shape in the checkpoint: `conv1.weight`")
    assert help_text == "the checkpoint seems to be of another backbone or depth"


@pytest.mark.parametrize("image", [False, True])
def test_a_kernel_that_lies_across_is_another_one(image: bool) -> None:
    """TSN's InceptionV3 has 7x1 kernels where torchvision's has 1x7: what it is here is told."""
    public = {"base_model.mixed_4_tower_conv_1_Conv2D.weight": np.zeros((4, 4, 7, 1), "float32")}
    ours = {"inception6b.branch2.1.conv.weight": (4, 4, 1, 7)}
    with pytest.raises(SpecError) as caught:
        if image:
            fill_from_image(public, ours, lambda key: "repeat")
        else:
            import_state_dict(public, ours)
    (found,) = caught.value.diagnostics
    assert found.code == "weight-shape"
    assert "is 4x4x7x1 there and 4x4x1x7 here" in found.message
    assert "set `backbone` to inceptionv3_tsn" in (found.help or "")


def test_a_foreign_checkpoint() -> None:
    public = fill_state_dict({"backbone.stem.weight": (1,)})
    with pytest.raises(SpecError) as caught:
        import_state_dict(public, RESNET)
    (found,) = caught.value.diagnostics
    assert found.code == "foreign-checkpoint"
    assert found.help is not None and "`backbone.stem.weight`, read as mmaction2's" in found.help


def test_unknown_keys_and_importers() -> None:
    public = fill_state_dict({"entry.0.weight": (1,)})
    with pytest.raises(SpecError) as caught:
        import_state_dict(public, RESNET)
    assert codes(caught) == ["unknown-checkpoint"]
    with pytest.raises(SpecError) as caught:
        import_state_dict(public, RESNET, "mmaction")
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("unknown-importer", "did you mean `mmaction2`?")


def test_two_tensors_for_one_key() -> None:
    public = fill_state_dict({"base_model.fc.weight": (2, 2), "new_fc.weight": (2, 2)})
    with pytest.raises(SpecError) as caught:
        import_state_dict(public, {"fc.weight": (2, 2)})
    assert codes(caught) == ["ambiguous-weights"]


# -------------------------------------------------------------------------------- report


def report_of_everything() -> tuple[Mapping[str, Array], str, dict[str, object]]:
    public = fill_state_dict(
        {
            "module.base_model.conv1.weight": (4, 3, 7, 7),
            "module.base_model.layer1.0.net.conv1.weight": (4, 4, 3, 3),
            "module.base_model.bn1.num_batches_tracked": (),
            "module.new_fc.weight": (400, 4),
            "module.new_fc.bias": (400,),
        }
    )
    expected = RESNET | {"layer1.0.conv1.weight": (4, 4, 1, 3, 3)}
    imported = import_state_dict(public, expected, classes="replace")
    return imported.state, imported.report.table(), imported.report.to_json()


def test_table() -> None:
    _, table, _ = report_of_everything()
    assert table == (
        "from         mit_han_lab\n"
        "renamed   2  module.base_model.conv1.weight -> conv1.weight, "
        "module.base_model.bn1.num_batches_tracked -> bn1.num_batches_tracked\n"
        "reshaped  1  module.base_model.layer1.0.net.conv1.weight -> layer1.0.conv1.weight\n"
        "filled    3  keep their initial values: bn1.weight, fc.weight, fc.bias\n"
        "left out  2  module.new_fc.weight, module.new_fc.bias: 400 classes"
    )


def test_json() -> None:
    state, _, told = report_of_everything()
    assert json.loads(json.dumps(told)) == told
    assert told["from"] == "mit_han_lab"
    assert told["complete"] is False
    entries = told["entries"]
    assert isinstance(entries, list)
    assert len(entries) == len(RESNET) + 2
    assert {row["key"] for row in entries if row["action"] == "loaded"} == set(state)
    assert {
        "key": "layer1.0.conv1.weight",
        "action": "loaded",
        "shape": [4, 4, 1, 3, 3],
        "sources": ["module.base_model.layer1.0.net.conv1.weight"],
        "how": ["renamed", "reshaped"],
    } in entries


TIED = """
stspec: 1
about: a code base
code_base: https://example.org/code
rules:
  - {rename: "shift.net.{leaf}", to: "conv1.{leaf}", tied: true}
"""


@pytest.mark.parametrize("first", ["conv1.weight", "shift.net.weight"])
def test_of_a_tensor_with_two_names_the_tied_one_counts(tmp_path: Path, first: str) -> None:
    (tmp_path / "mine.yaml").write_text(TIED)
    public = {"conv1.weight": np.zeros(3, np.float32), "shift.net.weight": np.ones(3, np.float32)}
    public = {first: public.pop(first), **public}
    imported = import_state_dict(public, {"conv1.weight": (3,)}, str(tmp_path / "mine.yaml"))
    assert imported.state["conv1.weight"].tolist() == [1, 1, 1]
    (entry,) = imported.report.entries
    assert entry.sources == ("shift.net.weight", "conv1.weight")
    assert imported.report.complete and imported.report.summary() == "1 tied"


@pytest.mark.parametrize("name", ["conv1.weight", "shift.net.weight"])
def test_either_name_of_a_tied_tensor_is_enough(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.yaml").write_text(TIED)
    public = {name: np.ones(3, np.float32)}
    imported = import_state_dict(public, {"conv1.weight": (3,)}, str(tmp_path / "mine.yaml"))
    assert imported.report.complete and imported.state["conv1.weight"].tolist() == [1, 1, 1]


def test_two_tied_names_do_not_settle_which_counts(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(TIED.replace("shift", "{path}"))
    public = {f"{path}.net.weight": np.ones(3, np.float32) for path in "ab"}
    with pytest.raises(SpecError) as error:
        import_state_dict(public, {"conv1.weight": (3,)}, str(tmp_path / "mine.yaml"))
    assert codes(error) == ["ambiguous-weights"]
