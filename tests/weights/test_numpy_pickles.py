"""Pickles of numpy arrays, as Caffe2's model zoos are, and what may be hidden in them."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.network import load
from stspec.weights.checkpoint import read_checkpoint
from stspec.weights.importer import import_state_dict
from stspec.weights.library import recognise

DTYPES = ["<f4", "<f8", "<f2", ">f4", "<i8", "<i4", "|i1", "|u1", "|b1", ">u2", "<c8"]


def arrays() -> dict[str, np.ndarray[Any, Any]]:
    """One array of every type and memory order, scalars and empties."""
    values = np.arange(24.0).reshape(2, 3, 4)
    found = {f"typed_{dtype}": values.astype(dtype) for dtype in DTYPES}
    found |= {"fortran": np.asfortranarray(values), "view": values[:, ::2], "empty": values[:0]}
    return found | {"scalar": np.array(3.0), "zero": np.zeros((3, 0, 2), "f4")}


def assert_read(path: Path, wanted: dict[str, np.ndarray[Any, Any]], container: str) -> None:
    found = read_checkpoint(path)
    assert found.container == container
    assert list(found.state) == list(wanted)
    for key, array in wanted.items():
        got = found.state[key]
        assert got.dtype == array.dtype.newbyteorder("="), key
        assert got.flags.c_contiguous and got.flags.writeable, key
        np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_numpy_writes_is_read(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"blobs": arrays(), "cfg": "text"}, protocol))
    assert_read(path, arrays(), "blobs")
    path.write_bytes(pickle.dumps(arrays(), protocol))
    assert_read(path, arrays(), "")


def of_python_2(state: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """A pickle as Python 2 wrote it: names and data are byte strings."""
    parts = [b"\x80\x02}(" + short(b"blobs") + b"}("]
    for name, array in state.items():
        shape = b"".join(b"J" + n.to_bytes(4, "little") for n in array.shape)
        kind = b"cnumpy\ndtype\n(" + short(array.dtype.str[1:].encode()) + b"K\x00K\x01tR"
        kind += b"(K\x03" + short(array.dtype.str[:1].encode()) + b"NNNJ\xff\xff\xff\xff"
        kind += b"J\xff\xff\xff\xffK\x00tb"
        data = array.tobytes()
        made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + short(b"b")
        made += b"tR(K\x01(" + shape + b"t" + kind + b"\x89T" + len(data).to_bytes(4, "little")
        parts.append(short(name.encode()) + made + data + b"tb")
    return b"".join(parts) + b"uu."


def short(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text


def test_what_python_2_wrote_is_read(tmp_path: Path) -> None:
    state: dict[str, np.ndarray[Any, Any]] = {
        "conv1_w": np.linspace(-1, 1, 300, dtype="<f4").reshape(4, 75)
    }
    state |= {"res2_0_branch2a_bn_s": np.arange(5, dtype="<f8"), "pred_b": np.full(2, 1e9, ">f4")}
    program = of_python_2(state)
    by_numpy = pickle.loads(program, encoding="latin1")["blobs"]
    assert all((by_numpy[key] == state[key]).all() for key in state)
    path = tmp_path / "model.pkl"
    path.write_bytes(program)
    assert_read(path, state, "blobs")


class Call:
    """An object whose pickle calls a function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> Any:
        return self.function, self.args


def test_code_beside_arrays_never_runs(tmp_path: Path) -> None:
    path, mark = tmp_path / "model.pkl", tmp_path / "mark"
    state: dict[str, np.ndarray[Any, Any]] = {"conv1_w": np.ones(2, "f4")}
    attack = Call(os.mkdir, str(mark))
    path.write_bytes(pickle.dumps({"blobs": state, "a": attack, "b": [attack]}))
    assert_read(path, state, "blobs")
    path.write_bytes(pickle.dumps({"blobs": {**state, "x": np.array([attack], object)}}))
    with pytest.raises(SpecError, match="no numbers"):
        read_checkpoint(path)
    assert not mark.exists()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_damaged_pickles_are_answered_or_read(
    tmp_path_factory: pytest.TempPathFactory, place: int, junk: bytes
) -> None:
    program = pickle.dumps({"blobs": {"conv1_w": np.ones((2, 3), "f4")}}, 2)
    at = place % len(program)
    path = tmp_path_factory.mktemp("damaged") / "model.pkl"
    path.write_bytes(program[:at] + junk + program[at + len(junk) :])
    try:
        read_checkpoint(path)
    except SpecError as error:
        assert error.diagnostics[0].code == "bad-checkpoint"


UNITS = {"conv1": "a", "conv2": "b", "conv3": "c", "bn1": "a_bn", "bn2": "b_bn", "bn3": "c_bn"}
LEAVES = {"running_mean": "rm", "running_var": "riv", "bias": "b"}
TOPS = {"conv1_t": "conv1", "bn1": "res_conv1_bn", "conv5.conv": "conv_5", "conv5.bn": "conv_5_bn"}
TOPS |= {"hidden": "lin_5", "fc": "pred"}


def caffe2_name(key: str, stem: str) -> str:
    """The zoo's name of one of our keys."""
    *owners, leaf = key.split(".")
    owner = ".".join(owners)
    is_norm = "bn" in owners[-1] or owner.endswith("downsample.1")
    end = LEAVES.get(leaf) or ("s" if is_norm else "w")
    if owner.startswith("fusion"):
        number = int(owner[6])
        last = {2: 2, 3: 3, 4: 5}.get(number)  # of a ResNet50's stages
        behind = "t_pool1" if last is None else f"t_res{number}_{last}_branch2c_bn"
        return f"{behind}_subsample{'_bn' * is_norm}_{end}"
    if owner.startswith("fast_"):
        return "t_" + caffe2_name(key.removeprefix("fast_"), stem)
    if not owner.startswith("layer"):
        return f"{ {'conv1': stem, **TOPS}[owner] }_{end}"
    stage, block, *inside = owners
    at = f"{int(stage[-1]) + 1}_{block}"
    if inside[0] == "nl":
        return f"nonlocal_conv{at}_{inside[1]}_{end}"
    if inside[0] == "downsample":
        return f"res{at}_branch1{'_bn' * int(inside[1])}_{end}"
    if inside[0] == "se":
        return f"res{at}_branch2b_bn_{inside[1]}_{end}"
    return f"res{at}_branch2{UNITS[inside[0]]}_{end}"


@pytest.mark.parametrize(
    "spec", ["i3d_nln_r50_8x8", "slow_r50_4x16", "slowfast_nln_r50_8x8", "x3d_m"]
)
def test_the_zoos_names_fill_a_network(tmp_path: Path, spec: str) -> None:
    network = load(spec)
    keys = {k: shape for k, shape in network.state.items() if not k.endswith("batches_tracked")}
    stem = "conv1_xy" if spec.startswith("x3d") else "conv1"
    blobs: dict[str, Any] = {
        caffe2_name(key, stem): np.full([n for n in shape if n > 1] or 1, i, "f4")
        for i, (key, shape) in enumerate(keys.items())
    }
    assert len(blobs) == len(keys)
    blobs |= {"conv1_w_momentum": np.zeros(3, "f4"), "lr": np.zeros(1, "f4")}
    blobs |= {"model_iter": np.zeros(1, "i8")}
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"blobs": blobs}, 2))
    public = read_checkpoint(path).state
    assert recognise(public) == "caffe2"
    imported = import_state_dict(public, network.state)
    assert {entry.key for entry in imported.report.left_out} == {
        "conv1_w_momentum",
        "lr",
        "model_iter",
    }
    assert set(keys) == set(imported.state)
    for i, (key, shape) in enumerate(keys.items()):
        assert imported.state[key].shape == tuple(shape)
        assert (imported.state[key] == i).all(), key
