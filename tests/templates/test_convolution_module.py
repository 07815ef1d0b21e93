"""The convolution that is fast for a single clip gives what nn.Conv3d gives, wherever it runs."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from templates.modules.convolution import Conv3d

OPTIONS: list[dict[str, Any]] = [
    {"kernel_size": 1},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": (3, 1, 1), "stride": (2, 1, 1), "padding": (1, 0, 0), "bias": False},
    {"kernel_size": 1, "stride": (1, 2, 2), "bias": False},
    {"kernel_size": (1, 3, 3), "stride": (1, 2, 2), "padding": (0, 1, 1), "groups": 2},
]


def pair(options: dict[str, Any]) -> tuple[Conv3d, nn.Conv3d]:
    torch.manual_seed(0)
    ours, theirs = Conv3d(8, 6, **options), nn.Conv3d(8, 6, **options)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def clips(batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 8, 4, 9, 7, generator=generator)
    return x.contiguous(memory_format=torch.channels_last_3d)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """PyTorch chooses by the number of threads too."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("options", OPTIONS)
def test_values_and_gradients_are_those_of_torch(options: dict[str, Any], batch: int) -> None:
    results = []
    for module in pair(options):
        x = clips(batch).requires_grad_()
        out = module(x)
        out.square().sum().backward()
        results.append([out, x.grad, *(p.grad for p in module.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_single_clip_keeps_its_channels_last() -> None:
    """As torch's own choice for so small a clip does not: the reason for this module."""
    ours, theirs = pair(OPTIONS[1])
    with torch.no_grad():
        assert not theirs(clips()).is_contiguous(memory_format=torch.channels_last_3d)
        assert ours(clips()).is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[3]])
def test_gradients_of_a_single_clip_keep_their_channels_last(options: dict[str, Any]) -> None:
    ours, _ = pair(options)
    x = clips().requires_grad_()
    out = ours(x)
    (grad_x,) = torch.autograd.grad(out, x, torch.ones_like(out))
    assert grad_x.is_contiguous(memory_format=torch.channels_last_3d)


def test_one_thread_keeps_the_channels_of_several_clips_last() -> None:
    ours, _ = pair(OPTIONS[0])
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        out = ours(clips(2))
    torch.set_num_threads(before)
    assert out.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[3]])
def test_small_maps_in_bfloat16_are_a_product(options: dict[str, Any]) -> None:
    ours, theirs = pair(options)
    with torch.autocast("cpu", torch.bfloat16):
        out, expected = ours(clips(2)), theirs(clips(2))
    assert out.dtype is torch.bfloat16
    torch.testing.assert_close(out, expected, rtol=0.02, atol=0.02)
    found, names = [out.grad_fn], set()
    for node in found:
        names.add(type(node).__name__)
        found += [after for after, _ in node.next_functions if after is not None]
    assert "ConvolutionBackward0" not in names
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(clips(2)), out)
        assert ours(clips(0)).shape == theirs(clips(0)).shape


def test_what_onednn_does_not_take_is_torchs() -> None:
    ours, theirs = pair(OPTIONS[1])
    x = clips()
    with torch.no_grad():
        assert torch.equal(ours.double()(x.double()), theirs.double()(x.double()))
        ours, theirs = ours.float(), theirs.float()
        with torch.autocast("cpu", torch.bfloat16):
            assert ours(x).dtype is torch.bfloat16
            assert torch.equal(ours(x), theirs(x))
        assert ours.to("meta")(x.to("meta")).shape == theirs(x).shape
        compiled = torch.compile(pair(OPTIONS[1])[0], fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x), theirs(x))


def test_export_leaves_the_batch_dynamic() -> None:
    ours, theirs = pair(OPTIONS[1])
    batch = torch.export.Dim("batch", min=1, max=8)
    exported = torch.export.export(ours, (clips(2),), dynamic_shapes=({0: batch},)).module()
    with torch.no_grad():
        for count in (1, 3):
            torch.testing.assert_close(exported(clips(count)), theirs(clips(count)))


def test_counters_find_a_convolution() -> None:
    ours, _ = pair(OPTIONS[1])
    for batch in (1, 2):
        with FlopCounterMode(display=False) as counter:
            ours(clips(batch))
        assert counter.get_total_flops() == 2 * batch * 6 * 8 * 27 * 4 * 9 * 7


def test_a_trace_of_one_clip_takes_whatever_the_module_takes() -> None:
    ours, theirs = pair(OPTIONS[1])
    with torch.no_grad():
        traced = torch.jit.trace(ours, clips())
        assert "aten::_convolution" in str(traced.graph)
        assert torch.equal(traced(clips(3)), theirs(clips(3)))
        assert torch.equal(traced.double()(clips().double()), theirs.double()(clips().double()))


def test_a_symbolic_trace_takes_whatever_the_module_takes() -> None:
    ours, theirs = pair(OPTIONS[1])
    traced = torch.fx.symbolic_trace(ours)
    with torch.no_grad():
        assert torch.equal(traced(clips(3)), theirs(clips(3)))
        assert torch.equal(traced.double()(clips().double()), theirs.double()(clips().double()))
