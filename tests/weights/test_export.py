"""The way back: from our keys to a code base's, by a template and by the importer's rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stspec.diagnostics import SpecError
from stspec.module.convert import lost, model_of
from stspec.network import Network, load
from stspec.reference import Oracle, fill_state_dict, load_oracle
from stspec.reference.verify import Row, _network, read_table
from stspec.weights.arrays import is_counter
from stspec.weights.export import Blank, export_state_dict
from stspec.weights.importer import import_state_dict
from stspec.weights.invert import public_template
from stspec.weights.library import importer_names, load_importer, recognise
from stspec.weights.rules import Model

TESTS = Path(__file__).parents[1]
ORACLES = TESTS / "data" / "oracles"
ROWS = {row.name: row for row in read_table(TESTS / "oracles.yaml")}
WITHOUT_ORACLE = {"caffe2", "res2net"}


def framed(key: str) -> str:
    """The name in the frame of tsn-pytorch, which puts a classifier of its own behind dropout."""
    layer, _, leaf = key.rpartition(".")
    return f"new_fc.{leaf}" if layer.startswith("fc") else f"base_model.{key}"


FRAMED = {"eco": framed}
"""Code bases whose files are of framed networks, and whose references are of networks alone."""


def compiled(name: str) -> tuple[Network, Oracle, str]:
    """The network of a row, its oracle, and the importer."""
    row: Row = ROWS[name]
    oracle = load_oracle(ORACLES, name)
    importer = row.keys.importer or recognise(oracle.state_dict)
    return _network(row, oracle, oracle.input), oracle, importer


def smallest() -> dict[str, str]:
    """Of each importer that rows name, the row with the fewest parameters."""
    found: dict[str, str] = {}
    sizes = {name: load_oracle(ORACLES, name).params for name in ROWS}
    for name in sorted(ROWS, key=lambda name: sizes[name], reverse=True):
        if (importer := ROWS[name].keys.importer) and sizes[name]:
            found[importer] = name
    return found


SMALLEST = smallest()


@pytest.mark.parametrize("name", ROWS)
def test_the_rules_alone_tell_the_public_keys(name: str) -> None:
    """Of every reference: all keys with their shapes, those that are never read too."""
    network, oracle, importer = compiled(name)
    found = public_template(model_of(network), load_importer(importer))
    public = {FRAMED.get(importer, str)(key): shape for key, shape in oracle.state_dict.items()}
    counters = {key for key in (*found, *public) if is_counter(key)}
    there = {key: tuple(shape) for key, shape in public.items() if key not in counters}
    assert {key: blank.shape for key, blank in found.items() if key not in counters} == there


def test_every_importer_has_a_way_back_that_is_tested() -> None:
    used = {row.keys.importer for row in ROWS.values()}
    assert set(importer_names()) - used == WITHOUT_ORACLE


@pytest.mark.parametrize("importer", sorted(SMALLEST))
def test_there_and_back(importer: str) -> None:
    """By a template, and by what the rules tell: no value changes, whichever way."""
    network, oracle, _ = compiled(SMALLEST[importer])
    scheme = load_importer(importer)
    public = fill_state_dict(oracle.state_dict)
    imported = import_state_dict(public, network.state, importer)
    for entry in imported.report.loaded:
        if "tied" in entry.how:
            public |= dict.fromkeys(entry.sources, public[entry.sources[0]])
    back = export_state_dict(imported.state, public, scheme)
    assert list(back.state) == list(public)
    assert not back.report.left_out
    template = public_template(model_of(network), scheme)
    told = export_state_dict(imported.state, template, scheme)
    unread = {entry.sources[0] for entry in imported.report.left_out if entry.sources}
    again = import_state_dict(told.state, network.state, importer)
    assert again.report.complete
    for key, value in public.items():
        np.testing.assert_array_equal(back.state[key], value, strict=True)
        if key not in unread and not is_counter(key):
            assert told.state[FRAMED.get(importer, str)(key)].shape == value.shape
    for key, value in imported.state.items():
        np.testing.assert_array_equal(again.state[key], value)


def test_res2net_lists_its_splits() -> None:
    network = load("tea_res2net50", [("policy", "none")])
    found = public_template(model_of(network), load_importer("res2net"))
    assert found["layer1.0.convs.2.weight"].shape == (26, 26, 3, 3)
    assert found["layer4.2.bns.0.running_var"].shape == (208,)


def test_nothing_is_written_for_caffe2() -> None:
    network = load("slow_r50_8x8")
    with pytest.raises(SpecError) as caught:
        public_template(model_of(network), load_importer("caffe2"))
    (found,) = caught.value.diagnostics
    assert found.code == "no-way-back" and "--to pyslowfast" in found.message


def test_a_template_of_another_model_is_answered() -> None:
    network, oracle, _ = compiled("ibm_tsn_resnet18_f8")
    public = fill_state_dict(oracle.state_dict)
    ours = fill_state_dict(network.state)
    scheme = load_importer("ibm")
    with pytest.raises(SpecError) as caught:
        export_state_dict(ours, {**public, "layer9.0.conv1.weight": np.zeros(3)}, scheme)
    assert [found.code for found in caught.value.diagnostics] == ["no-such-tensor"]
    with pytest.raises(SpecError) as caught:
        export_state_dict(ours, {**public, "conv1.weight": Blank((64, 3, 5, 5))}, scheme)
    (found,) = caught.value.diagnostics
    assert found.code == "weight-shape" and "64x3x5x5 there" in found.message


def test_registered_and_never_used_is_taken_from_the_template(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(
        "stspec: 1\nabout: x\ncode_base: https://example.org\nrules:\n"
        "  - drop: 'spare.{leaf}'\n    reason: never used\n    inert: true\n"
    )
    scheme = load_importer(str(path))
    ours = {"fc.weight": np.ones((2, 3), np.float32)}
    like = {**ours, "spare.weight": np.full(4, 7.0)}
    back = export_state_dict(ours, like, scheme)
    assert back.state["spare.weight"].tolist() == [7, 7, 7, 7]
    blank = export_state_dict(ours, {**ours, "spare.weight": Blank((4,))}, scheme)
    assert not blank.state["spare.weight"].any()
    assert [entry.key for entry in blank.report.filled] == ["spare.weight"]


def test_what_a_rule_takes_apart_or_apart_of(tmp_path: Path) -> None:
    path = tmp_path / "joined.yaml"
    path.write_text(
        "stspec: 1\nabout: x\ncode_base: https://example.org\nrules:\n"
        "  - join: 'head.{part}.weight'\n    to: fc.weight\n    along: part\n    order: [a, b]\n"
        "  - stack: 'tap.{i}.weight'\n    to: tap.weight\n    along: i\n    dim: 1\n"
    )
    scheme = load_importer(str(path))
    ours = fill_state_dict({"fc.weight": (6, 2), "tap.weight": (4, 3)})
    found = public_template(Model({key: value.shape for key, value in ours.items()}), scheme)
    assert {key: value.shape for key, value in found.items()} == {
        "head.a.weight": (3, 2), "head.b.weight": (3, 2),
        "tap.0.weight": (4,), "tap.1.weight": (4,), "tap.2.weight": (4,),
    }  # fmt: skip
    back = export_state_dict(ours, found, scheme).state
    np.testing.assert_array_equal(back["head.b.weight"], ours["fc.weight"][3:])
    np.testing.assert_array_equal(back["tap.2.weight"], ours["tap.weight"][:, 2])


def test_files_of_eco_are_framed() -> None:
    """As its training writes them, in DataParallel; without dropout the classifier stays inside."""
    _, oracle, _ = compiled("eco_lite_f4")
    assert recognise(f"module.{framed(key)}" for key in oracle.state_dict) == "eco"
    names = {"eco_lite": "fc_final", "eco_full": "fc_final", "eco_resnet18": "fc8"}
    for name, classifier in names.items():
        network = load(name, ["head.dropout=0"])
        found = public_template(model_of(network), load_importer("eco"))
        assert f"base_model.{classifier}.weight" in found
        assert "new_fc.weight" not in found


def test_mobilenets_classifier_stays_inside_without_dropout() -> None:
    network = load("tsn_mobilenetv2", ["head.dropout=0"])
    found = public_template(model_of(network), load_importer("mit_han_lab"))
    assert "base_model.classifier.weight" in found
    assert "new_fc.weight" not in found


def test_what_tins_code_base_shifts_whole_blocks_for() -> None:
    network = load("tsm_resnet50_in_place")
    found = public_template(model_of(network), load_importer("tin"))
    assert "base_model.layer1.0.net.downsample.0.weight" in found
    state = {key: np.broadcast_to(np.float32(0), blank.shape) for key, blank in found.items()}
    assert import_state_dict(state, network.state, "tin").report.complete


@pytest.mark.parametrize(
    ("name", "shifts", "importers"),
    [
        ("tsm_resnet18", True, ("mit_han_lab", "tin", "x_temporal", "mmaction2")),
        ("tsm_resnet50_in_place", True, ("mit_han_lab", "tin", "x_temporal", "mmaction2")),
        ("tsm_mobilenetv2", True, ("mit_han_lab", "mmaction2")),
        ("tsn_resnet18", False, ("mit_han_lab", "tin", "mmaction2")),
        ("tsn_resnet18_tp", False, ("mit_han_lab", "mmaction2")),
    ],
)
def test_keys_tell_of_the_shift_that_they_are_wrapped_for(
    name: str, shifts: bool, importers: tuple[str, ...]
) -> None:
    model = model_of(load(name))
    for scheme in map(load_importer, importers):
        found = public_template(model, scheme)
        assert scheme.operators(found) == (("shift",) if shifts else ()), scheme.name


def test_weights_of_a_shift_in_a_network_without_are_remarked_on() -> None:
    theirs, ours = load("tsm_resnet18"), load("tsn_resnet18")
    found = public_template(model_of(theirs), load_importer("mit_han_lab"))
    state = {key: np.broadcast_to(np.float32(0), blank.shape) for key, blank in found.items()}
    report = import_state_dict(state, ours.state, "mit_han_lab").report
    assert lost(ours, report) == ("shift",) and not lost(theirs, report)


@pytest.mark.parametrize("importer", ["tin", "x_temporal"])
def test_non_local_blocks_wrap_blocks_of_tins_descendants(importer: str) -> None:
    network = load("tsm_resnet50_nl", ["clip.frames=4"])
    found = public_template(model_of(network), load_importer(importer))
    assert "base_model.layer3.4.block.conv1.net.weight" in found
    assert found["base_model.layer2.0.nl.W.0.weight"].shape == (512, 256, 1, 1, 1)


def test_bottlenecks_have_one_pair_of_convolutions_in_x_temporal() -> None:
    backbone = ("backbone", {"extends": "resnet50", "norm": {"eps": 0.00001}})
    network = load("r2plus1d_18_x_temporal", [backbone])
    found = public_template(model_of(network), load_importer("x_temporal"))
    assert {"layer1.0.bn1.weight", "layer1.0.bn3.weight", "layer1.0.conv2.bn.weight"} <= set(found)
    assert recognise(found) == "x_temporal"
    state = {key: np.broadcast_to(np.float32(0), blank.shape) for key, blank in found.items()}
    assert import_state_dict(state, network.state, "x_temporal").report.complete
