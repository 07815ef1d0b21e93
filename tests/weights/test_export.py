"""The way back: from our keys to a code base's, by a template and by the importer's rules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from stspec.diagnostics import SpecError
from stspec.module.convert import kinds_of
from stspec.network import Network
from stspec.reference import fill_state_dict, load_oracle
from stspec.reference.verify import Row, _network, read_table
from stspec.weights.arrays import Array, Shape
from stspec.weights.export import Blank, export_state_dict
from stspec.weights.importer import import_state_dict
from stspec.weights.invert import public_template
from stspec.weights.library import load_importer

TESTS = Path(__file__).parents[1]
ORACLES = TESTS / "data" / "oracles"
ROWS = {row.name: row for row in read_table(TESTS / "oracles.yaml")}
SOME = [name for n, name in enumerate(sorted(ROWS)) if n % 4 == 0]

TELLS = {
    "ibm": "ibm_tam_inceptionv1_f8",
    "piergiaj": "piergiaj_i3d_small",
    "torchvision": "tv_r2plus1d_18",
    "pytorchvideo": "ptv_slow_r50",
    "pyslowfast": "psf_i3d_nln_r50",
    "tsn_pytorch": "tsnpt_bninception_rgb_s3",
    "two_stream": "ts_rgb_resnet18",
    "p3d": "p3d_63",
    "davidea": "davidea_c3d",
    "gst": "gst_resnet50_a4_b1",
    "hara": "hara_r2p1d_18",
    "kylemin": "kylemin_s3d",
    "mstcn": "mstcn_4stages",
}
"""Code bases whose keys follow from the rules, each with a row that shows it."""


@lru_cache(maxsize=1)
def model(name: str) -> tuple[Network, dict[str, Array]]:
    """The network of a row, and the public state dict; a tensor of two names is one."""
    row: Row = ROWS[name]
    oracle = load_oracle(ORACLES, name)
    network = _network(row, oracle, oracle.input)
    public = fill_state_dict(oracle.state_dict)
    report = import_state_dict(public, network.state, row.keys.importer).report
    for entry in report.loaded:
        if "tied" in entry.how:
            public |= dict.fromkeys(entry.sources, public[entry.sources[0]])
    return network, public


def shapes(state: Mapping[str, Blank]) -> dict[str, Shape]:
    return {key: value.shape for key, value in state.items() if "num_batches" not in key}


@pytest.mark.parametrize("name", sorted({*SOME, *TELLS.values()}))
def test_there_and_back(name: str) -> None:
    """By a template, and by rules alone where they tell the keys; a wrong key is never written."""
    network, public = model(name)
    importer = ROWS[name].keys.importer
    assert importer is not None
    scheme = load_importer(importer)
    ours = import_state_dict(public, network.state, importer).state
    back = export_state_dict(ours, public, scheme)
    assert list(back.state) == list(public)
    for key, value in public.items():
        np.testing.assert_array_equal(back.state[key], value, strict=True)
    assert not back.report.left_out
    try:
        found = public_template(network.state, scheme, kinds_of(network))
    except SpecError as error:
        assert error.diagnostics[0].code == "no-way-back"
        assert name not in TELLS.values()
        return
    expected = {key: Blank(value.shape) for key, value in public.items()}
    assert shapes(found) == shapes(expected)


@pytest.mark.parametrize("importer", TELLS)
def test_what_is_written_is_read_back(importer: str) -> None:
    network, _ = model(TELLS[importer])
    scheme = load_importer(importer)
    ours = fill_state_dict(network.state)
    theirs = export_state_dict(
        ours, public_template(network.state, scheme, kinds_of(network)), scheme
    )
    again = import_state_dict(theirs.state, network.state, importer)
    assert again.report.complete
    for key, value in ours.items():
        np.testing.assert_array_equal(again.state[key], value)


def test_a_template_of_another_model_is_answered() -> None:
    network, public = model("ibm_tsn_resnet18_f8")
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
        "stspec: 1\nabout: x\ncode_base: https://example.org\nback: all\nrules:\n"
        "  - join: 'head.{part}.weight'\n    to: fc.weight\n    along: part\n    order: [a, b]\n"
        "  - stack: 'tap.{i}.weight'\n    to: tap.weight\n    along: i\n    dim: 1\n"
    )
    scheme = load_importer(str(path))
    ours = fill_state_dict({"fc.weight": (6, 2), "tap.weight": (4, 3)})
    found = public_template({key: value.shape for key, value in ours.items()}, scheme)
    assert {key: value.shape for key, value in found.items()} == {
        "head.a.weight": (3, 2), "head.b.weight": (3, 2),
        "tap.0.weight": (4,), "tap.1.weight": (4,), "tap.2.weight": (4,),
    }  # fmt: skip
    back = export_state_dict(ours, found, scheme).state
    np.testing.assert_array_equal(back["head.b.weight"], ours["fc.weight"][3:])
    np.testing.assert_array_equal(back["tap.2.weight"], ours["tap.weight"][:, 2])
