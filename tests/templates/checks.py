"""What every temporal module must stand: compilers, exporters, copies, layouts and dtypes."""

import copy
import io
import pickle
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn


def frames_like(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal values of a fixed seed, maps in channels-last memory; clips have five axes."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    format = formats.get(len(shape), torch.contiguous_format)
    return values.to(dtype).contiguous(memory_format=format)


def assert_same_function(
    module: nn.Module, reference: Callable[..., Tensor], inputs: list[Tensor], atol: float = 1e-12
) -> None:
    """Values and gradients agree with a naive function of the inputs and the parameters."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    parameters = list(module.parameters())
    ours, theirs = module(*leaves), reference(*leaves, *parameters)
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=atol)
    grad = frames_like(*ours.shape, seed=1)
    wanted = [*leaves, *parameters]
    pairs = zip(
        torch.autograd.grad(ours, wanted, grad),
        torch.autograd.grad(theirs, wanted, grad),
        strict=True,
    )
    for got, expected in pairs:
        torch.testing.assert_close(got, expected, rtol=1e-11, atol=atol * 100)


def assert_any_layout(module: nn.Module, inputs: list[Tensor]) -> None:
    """Contiguous frames give the values of channels-last ones, which stay channels-last.

    In single precision: convolutions in double precision answer contiguously.
    """
    module, inputs = copy.deepcopy(module).float(), [x.float() for x in inputs]
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # alone, a thread takes another path for convolutions this small
    expected = module(*inputs)
    torch.set_num_threads(threads)
    assert expected.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(module(*[x.contiguous() for x in inputs]), expected)


def assert_portable(module: nn.Module, inputs: list[Tensor], frames: int) -> None:
    """Compile, export, trace, copy and pickle give what the module gives."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    expected = module(*leaves)
    wanted = [*leaves, *module.parameters()]
    expected_grads = torch.autograd.grad(expected.square().sum(), wanted)

    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")(*leaves)
    torch.testing.assert_close(compiled, expected)
    compiled_grads = torch.autograd.grad(compiled.square().sum(), wanted)
    torch.testing.assert_close(compiled_grads, expected_grads)

    longer = [torch.cat((x, x.flip(0), x)) for x in inputs]
    batch = torch.export.Dim("batch", min=2, max=16)
    shapes = tuple({0: frames * batch} for _ in inputs)
    shaped = torch.export.export(module.eval(), tuple(inputs), dynamic_shapes=shapes, strict=False)
    with torch.no_grad():
        for other in (
            shaped.module(),
            reloaded_trace(module, tuple(inputs)),
            copy.deepcopy(module),
            pickle.loads(pickle.dumps(module)),
        ):
            torch.testing.assert_close(other(*longer), module(*longer))


def reloaded_trace(module: nn.Module, inputs: tuple[Tensor, ...]) -> nn.Module:
    """Return what torch.jit.trace records, gradients enabled, after a way through a file."""
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit is deprecated, and in use
        torch.jit.save(torch.jit.trace(module, inputs), file)
        file.seek(0)
        traced: nn.Module = torch.jit.load(file)
    return traced


def assert_low_precision(module: nn.Module, inputs: list[Tensor], atol: float) -> None:
    """bfloat16 and float16 weights, and autocast, stay near double precision, gradients too."""
    expected = module(*inputs)
    for dtype in (torch.bfloat16, torch.float16):
        small = copy.deepcopy(module).to(dtype)
        out = small(*[x.to(dtype).requires_grad_() for x in inputs])
        assert out.dtype == dtype
        torch.testing.assert_close(out.double(), expected, rtol=0.02, atol=atol)
        out.sum().backward()
    single = copy.deepcopy(module).float()
    leaves = [x.bfloat16().requires_grad_() for x in inputs]
    torch.compiler.reset()
    with torch.autocast("cpu", torch.bfloat16):
        out = single(*leaves)
        compiled = torch.compile(single, fullgraph=True, backend="aot_eager")(*leaves)
    assert out.dtype == compiled.dtype == torch.bfloat16
    torch.testing.assert_close(compiled, out)
    compiled.sum().backward()
    torch.testing.assert_close(out.double(), expected, rtol=0.02, atol=atol)
    out.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in single.parameters())
