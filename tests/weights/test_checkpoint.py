"""Files of weights: what torch writes, what others write, and what attackers write."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save, save_file

from stspec.diagnostics import SpecError
from stspec.weights.checkpoint import Checkpoint, read_checkpoint, write_safetensors

FORMATS = ["zip", "legacy", "safetensors"]

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
    torch.complex64,
]


def state_of(seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict with everything that real ones have: views, strides, scalars, empties."""
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(4, 3, 5, 5, generator=generator)
    state = {
        "conv.weight": base.to(memory_format=torch.channels_last),
        "conv.tied": base,
        "conv.view": base[1:3, :, 2],
        "conv.transposed": base.permute(3, 1, 0, 2),
        "conv.expanded": base[:1].expand(6, 3, 5, 5),
        "bn.num_batches_tracked": torch.tensor(7),
        "nothing": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(base[0].clone()),
    }
    for dtype in DTYPES:
        state[f"typed.{dtype}"] = (base[0] * 10).to(dtype)
    return state


def assert_read(checkpoint: Checkpoint, state: dict[str, torch.Tensor]) -> None:
    assert list(checkpoint.state) == list(state)
    for key, tensor in state.items():
        array = checkpoint.state[key]
        expected = tensor.detach()
        expected = expected.float() if expected.dtype == torch.bfloat16 else expected
        assert array.dtype == expected.numpy().dtype, key
        assert array.flags.c_contiguous and array.flags.writeable, key
        np.testing.assert_array_equal(array, expected.numpy(), strict=True)


def refused(path: Path) -> str:
    """The message about a file that cannot be read."""
    with pytest.raises(SpecError) as caught:
        read_checkpoint(path)
    (found,) = caught.value.diagnostics
    assert found.code == "bad-checkpoint"
    assert path.name in found.message
    return f"{found.message.partition(': ')[2]} ({found.help})"


# --------------------------------------------------------------------------- torch's files


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_torch_saves_is_read(tmp_path: Path, new: bool, protocol: int) -> None:
    state = state_of()
    path = tmp_path / "model.pth.tar"
    torch.save(state, path, _use_new_zipfile_serialization=new, pickle_protocol=protocol)
    checkpoint = read_checkpoint(path)
    assert_read(checkpoint, state)
    assert checkpoint.container == ""


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    ("nest", "container"),
    [
        (lambda state: {"best_prec1": torch.tensor(1.0), "state_dict": state}, "state_dict"),
        (lambda state: {"epoch": 3, "state_dict": state}, "state_dict"),
        (lambda state: {"optimizer": {"state": {0: state}}, "model": state}, "model"),
        (lambda state: {"model": {"state_dict": state}}, "model.state_dict"),
        (lambda state: {"model_state": state, "cfg": "text"}, "model_state"),
        (lambda state: collections.OrderedDict(state), ""),
    ],
)
def test_nested_state_dicts_are_found(
    tmp_path: Path, new: bool, nest: Callable[[Any], Any], container: str
) -> None:
    state = {"conv.weight": torch.arange(6.0).reshape(2, 3)}
    path = tmp_path / "model.pth"
    torch.save(nest(state), path, _use_new_zipfile_serialization=new)
    checkpoint = read_checkpoint(path)
    assert_read(checkpoint, state)
    assert checkpoint.container == container


def test_a_modules_state_dict_with_its_versions(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    path = tmp_path / "model.pt"
    torch.save(module.state_dict(), path)
    assert_read(read_checkpoint(path), dict(module.state_dict()))


class Settings(dict[str, Any]):
    """A class of someone's training program."""


class History:
    def __init__(self, values: list[float]) -> None:
        self.values = values
        self.array = np.arange(3)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_objects_of_unknown_classes_are_left_out(tmp_path: Path, new: bool) -> None:
    """As mmengine's checkpoints hold them, which torch refuses to read with weights alone."""
    state = {"backbone.conv1.weight": torch.randn(2, 3)}
    path = tmp_path / "model.pth"
    content = {
        "meta": {"cfg": Settings(a=Settings()), "time": np.float64(1.0), "seed": np.arange(2)},
        "message_hub": {"loss": History([1.0, 2.0])},
        "state_dict": Settings(state),
    }
    torch.save(content, path, _use_new_zipfile_serialization=new)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    assert_read(read_checkpoint(path), state)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_view_of_a_storage(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    base = torch.arange(float(np.prod(shape))).reshape(shape)
    order = data.draw(st.permutations(range(len(shape))))
    view = base.permute(*order)
    for axis, size in enumerate(view.shape):
        start = data.draw(st.integers(0, size - 1))
        view = view.narrow(axis, start, data.draw(st.integers(1, size - start)))
    path = tmp_path_factory.getbasetemp() / "view.pth"
    torch.save({"view": view}, path)
    assert_read(read_checkpoint(path), {"view": view})


# ------------------------------------------------------------------------------- attackers


class Attack:
    """Makes whoever unpickles it create a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (open, (str(self.target), "w"))


class Call:
    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> Any:
        return (self.function, self.args)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_code_of_a_file_never_runs(tmp_path: Path, new: bool) -> None:
    path, mark = tmp_path / "model.pth", tmp_path / "mark"
    state = {"conv.weight": torch.ones(2)}
    content = {"state_dict": state, "a": Attack(mark), "b": [Call(eval, "1/0"), Call(os.getcwd)]}
    torch.save(content, path, _use_new_zipfile_serialization=new)
    assert_read(read_checkpoint(path), state)
    assert not mark.exists()


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_a_file_that_is_an_attack_alone(tmp_path: Path, new: bool) -> None:
    path, mark = tmp_path / "model.pth", tmp_path / "mark"
    torch.save(Attack(mark), path, _use_new_zipfile_serialization=new)
    assert "and no state dict" in refused(path)
    assert not mark.exists()


def test_a_plain_pickle_runs_nothing(tmp_path: Path) -> None:
    path, mark = tmp_path / "model.pth", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Attack(mark)))
    assert "torch.save did not write" in refused(path)
    assert not mark.exists()


def zip_of(path: Path, program: bytes, data: bytes = b"\0" * 24) -> Path:
    """A torch file whose pickle is a given program."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", program)
        archive.writestr("m/data/0", data)
    return path


def tensor_program(offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """A pickle of {"w": tensor} over 6 floats, with a view of the caller's choice."""

    class Writer(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            if isinstance(obj, bytes):
                return ("storage", torch.FloatStorage, "0", "cpu", 6)
            return None

    rebuild = torch._utils._rebuild_tensor_v2
    hooks: collections.OrderedDict[Any, Any] = collections.OrderedDict()
    file = io.BytesIO()
    tensor = Call(rebuild, b"storage", offset, shape, strides, False, hooks)
    Writer(file, 2).dump({"w": tensor})
    return file.getvalue()


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (7,), (1,)),
        (3, (4,), (1,)),
        (0, (2, 3), (1 << 62, 1)),
        (-1, (2,), (1,)),
        (0, (-2,), (1,)),
        (5, (2,), (-1,)),
        (0, (2, 3), (3,)),
        (0, (1 << 40,), (0,)),
        (0, (1 << 62, 1 << 62), (0, 0)),
    ],
)
def test_tensors_that_reach_beyond_their_storage(
    tmp_path: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    path = zip_of(tmp_path / "model.pth", tensor_program(offset, shape, strides))
    assert "its tensor `w` is damaged" in refused(path)


def test_the_attack_above_is_well_formed_where_the_view_is(tmp_path: Path) -> None:
    data = np.arange(6, dtype="<f4")
    path = zip_of(tmp_path / "model.pth", tensor_program(1, (2, 2), (3, 1)), data.tobytes())
    assert read_checkpoint(path).state["w"].tolist() == [[1, 2], [4, 5]]


@cache
def whole_file(kind: str) -> bytes:
    state = {"conv.weight": torch.ones(2, 2), "bn.bias": torch.zeros(2)}
    if kind == "safetensors":
        return save(state)
    file = io.BytesIO()
    torch.save({"state_dict": state}, file, _use_new_zipfile_serialization=kind == "zip")
    return file.getvalue()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_are_answered_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    damaged = bytearray(whole_file(data.draw(st.sampled_from(FORMATS))))
    places = st.integers(0, 1 << 20).map(lambda place: place % len(damaged))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(places)] = data.draw(st.integers(0, 255))
    cut = data.draw(places)
    if data.draw(st.booleans()):
        del damaged[cut:]
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    path.write_bytes(damaged)
    try:
        read_checkpoint(path)
    except SpecError as error:
        assert error.diagnostics[0].code == "bad-checkpoint"


# ------------------------------------------------------------------------------ wrong files


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "absent.pth")
    assert "is a directory" in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "run `git lfs pull`"),
        (b"PK\x03\x04 and no more", "cut short"),
        (b"hello, world", "neither torch's nor safetensors'"),
        (b"\x80\x02K\x01.", "torch.save did not write"),
        (struct.pack("<Q", 6) + b"{not json}", "its header is damaged"),
    ],
)
def test_files_of_other_kinds(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    assert why in refused(path)


def test_other_archives(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "holds no state dict of torch" in refused(path)
    path = tmp_path / "model.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(tmp_path / "model.zip", "storages")
    assert "tar format" in refused(path)


def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02}.")
        archive.writestr("m/constants.pkl", b"\x80\x02).")
    assert "TorchScript" in refused(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({}, "only an empty mapping"),
        ({"epoch": 3, "lr": 0.1}, "only `epoch`, `lr`"),
        ([1, 2], "holds a list"),
        (torch.zeros(2), "holds a tensor and no state dict"),
        (torch.nn.Linear(2, 2), "an object of `torch.nn.modules.linear.Linear`"),
        ({"net": torch.nn.Linear(2, 2)}, "an object of `torch.nn.modules.linear.Linear`"),
    ],
)
def test_files_without_a_state_dict(tmp_path: Path, content: Any, why: str) -> None:
    path = tmp_path / "model.pth"
    torch.save(content, path)
    assert why in refused(path)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_truncated_files(tmp_path: Path, new: bool) -> None:
    path = tmp_path / "model.pth"
    torch.save(state_of(), path, _use_new_zipfile_serialization=new)
    whole = path.read_bytes()
    for part in (0.1, 0.5, 0.99):
        path.write_bytes(whole[: int(len(whole) * part)])
        assert "cut short" in refused(path)


# ------------------------------------------------------------------------------ safetensors


def test_safetensors_round_trip(tmp_path: Path) -> None:
    state = state_of()
    del state["typed.torch.complex64"]
    path = tmp_path / "model.safetensors"
    write_safetensors(path, state, {"spec": "tam", "epoch": 3})
    checkpoint = read_checkpoint(path)
    assert {key: value.shape for key, value in checkpoint.state.items()} == {
        key: tuple(value.shape) for key, value in state.items()
    }
    ordered = {key: state[key] for key in checkpoint.state}
    assert_read(checkpoint, ordered)
    assert checkpoint.meta == {"spec": "tam", "epoch": 3}
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, path.name + ".json"]


def test_what_others_write_as_safetensors_is_read(tmp_path: Path) -> None:
    state = {"a": torch.randn(2, 3), "b": torch.randn(4).bfloat16(), "c": torch.tensor(3)}
    path = tmp_path / "model.safetensors"
    save_file(state, path, {"format": "pt"})
    checkpoint = read_checkpoint(path)
    assert_read(checkpoint, {key: state[key] for key in checkpoint.state})
    assert checkpoint.meta == {}


def test_others_read_what_is_written(tmp_path: Path) -> None:
    state = state_of()
    del state["typed.torch.complex64"]
    path = tmp_path / "model.safetensors"
    write_safetensors(path, state)
    for key, tensor in load_file(path).items():
        assert torch.equal(tensor, state[key].to(tensor.dtype)), key


def test_a_description_of_other_weights_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"a": np.zeros(2)}, {"epoch": 1})
    described = path.with_name("model.safetensors.json").read_bytes()
    write_safetensors(path, {"a": np.ones(2)}, {"epoch": 2})
    path.with_name("model.safetensors.json").write_bytes(described)
    with pytest.raises(SpecError) as caught:
        read_checkpoint(path)
    assert "belongs to other weights" in caught.value.diagnostics[0].message


def test_truncated_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"a": np.zeros((20, 20))})
    path.write_bytes(path.read_bytes()[:-8])
    assert "cut short" in refused(path)


def test_unwritable_places_are_answered_and_left_clean(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        write_safetensors(tmp_path / "absent" / "model.safetensors", {"a": np.zeros(2)})
    assert caught.value.diagnostics[0].code == "unwritable-file"
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(SpecError):
        write_safetensors(tmp_path / "model.safetensors", {"a": np.zeros(2)})
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save(state_of(), path)
    program = (
        "import sys; from stspec.weights.checkpoint import read_checkpoint; "
        f"read_checkpoint({str(path)!r}); sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


@pytest.mark.parametrize(
    ("likely", "other"),
    [
        ("state_dict", "state_dict_ema"),
        ("model", "model_ema"),
        ("model.module", "ema.module"),
        ("state_dict", "ema_state_dict"),
    ],
)
def test_one_of_several_state_dicts_is_read_and_the_others_are_told(
    tmp_path: Path, likely: str, other: str
) -> None:
    path, root = tmp_path / "both.pth", {"epoch": 3, "best": {"top1": torch.zeros(())}}
    for number, name in enumerate((other, likely)):
        outer, _, inner = name.partition(".")
        state = {key: torch.full((2,), float(number)) for key in ("a", "b", "c")}
        root[outer] = {inner: state} if inner else state
    torch.save(root, path)
    first, second = read_checkpoint(path), read_checkpoint(path, other)
    assert (first.container, first.others) == (likely, (other,))
    assert (second.container, second.others) == (other, (likely,))
    assert first.state["a"].all() and not second.state["a"].any()
    with pytest.raises(SpecError) as caught:
        read_checkpoint(path, "ema_dict")
    (found,) = caught.value.diagnostics
    assert found.message.endswith("it has no state dict `ema_dict`")
    assert found.help is not None and f"`{other}`" in found.help


def test_averaged_weights_alone_are_found(tmp_path: Path) -> None:
    torch.save({"model_ema": {"a": torch.ones(2)}}, tmp_path / "ema.pth")
    found = read_checkpoint(tmp_path / "ema.pth")
    assert (found.container, found.others) == ("model_ema", ())
