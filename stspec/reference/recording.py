"""Records an oracle from anyone's module, to port a network against."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stspec.diagnostics import Diagnostic, SpecError
from stspec.output import write_output
from stspec.reference.fill import fill_input, fill_state_dict


def record(
    module: nn.Module,
    clip: Sequence[int],
    *,
    name: str = "reference",
    source: str = "",
    note: str = "",
    prepare: Callable[[Tensor], Tensor] | None = None,
    macs_clip: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Run a module on deterministic weights and input, and return what it computed.

    Every tensor of its state dict is filled as a function of its key, so that a spec whose
    importer maps the keys can be filled with the same numbers. The module itself is not changed.

    Args:
        module: the public implementation.
        clip: shape of the input, (N, C, T, H, W), or (N*T, C, H, W) for an operator of frames.
        name: the oracle's name.
        source: where the implementation comes from.
        note: what one should know of it.
        prepare: turns the clip into what the module takes, where that is something else.
        macs_clip: shape at which multiply-accumulates are counted; the clip's by default.

    Returns:
        The oracle as plain values; ``save_oracle`` writes it.

    Raises:
        SpecError: if the module returns something else than a tensor.
    """
    model = copy.deepcopy(module)
    model.eval()  # a statement: wrappers that override train() often return nothing
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    filled = fill_state_dict(shapes)
    model.load_state_dict({key: torch.from_numpy(value) for key, value in filled.items()})
    prepared = prepare or _as_it_is
    with torch.no_grad():
        single = _scores(model(prepared(_input(clip))))
        model.double()
        trace = _trace(model, prepared(_input(clip).double()))
        double = _scores(model(prepared(_input(clip).double())))
    counted = tuple(macs_clip or clip)
    macs, by_op = _macs(model.float(), prepared(torch.zeros(counted)))
    return {
        "name": name,
        "input": list(clip),
        "source": source,
        "note": note,
        "params": sum(p.numel() for p in model.parameters()),
        "macs_input": list(counted),
        "macs": macs,
        "macs_by_op": by_op,
        "output_shape": list(single.shape),
        "logits": single.flatten().tolist(),
        "logits_fp64": double.flatten().tolist(),
        "torch": torch.__version__,
        "trace": trace,
        "state_dict": {key: list(shape) for key, shape in shapes.items()},
    }


def save_oracle(oracle: dict[str, Any], folder: Path | str) -> Path:
    """Write an oracle as ``NAME.json`` and return the file.

    Raises:
        SpecError: if it cannot be written.
    """
    import json

    path = Path(folder) / f"{oracle['name']}.json"
    write_output(path, json.dumps(oracle) + "\n")
    return path


def _as_it_is(clip: Tensor) -> Tensor:
    return clip


def _input(shape: Sequence[int]) -> Tensor:
    return torch.from_numpy(fill_input(tuple(shape)))


def _scores(output: Any) -> Tensor:
    if isinstance(output, Tensor):
        return output
    message = f"the module returns a value of type {type(output).__name__}, not a tensor of scores"
    help = "record a module of your own that calls it and returns its scores alone"
    raise SpecError(Diagnostic("no-scores", message, help=help))


def _trace(model: nn.Module, clip: Tensor) -> list[list[Any]]:
    rows: list[list[Any]] = []

    def watch(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                rows.append([name, list(output.shape), float(output.mean()), float(output.std())])

        return hook

    handles = [m.register_forward_hook(watch(n)) for n, m in model.named_modules() if n]
    try:
        model(clip)
    finally:
        for handle in handles:
            handle.remove()
    return rows


def _macs(model: nn.Module, clip: Tensor) -> tuple[int, dict[str, int]]:
    lstm = torch.ops.aten.mkldnn_rnn_layer
    counter = FlopCounterMode(display=False, custom_mapping={lstm: _lstm_flops})
    with torch.no_grad(), counter:
        model(clip)
    # The counter counts two operations per multiply-accumulate.
    by_op = {
        str(getattr(op, "__name__", op)): int(count) // 2
        for op, count in counter.get_flop_counts().get("Global", {}).items()
    }
    return counter.get_total_flops() // 2, by_op


def _lstm_flops(
    features: Sequence[int], of_features: Sequence[int], of_state: Sequence[int], *_: Any, **__: Any
) -> int:
    """Return the operations of a layer of an LSTM, which oneDNN runs as one that is not counted."""
    frames, clips = features[:2]
    return 2 * frames * clips * (math.prod(of_features) + math.prod(of_state))
