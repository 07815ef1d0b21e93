"""What taps see is what the graph means, value by value."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from stspec.diagnostics import SpecError
from stspec.graph import Graph
from stspec.inference.taps import all_taps, find_tap, watch
from stspec.network import Network
from tests.interpreter import RULES
from tests.interpreter.values import Weights
from tests.networks import clip, run, seeded, small

NAMES = ["tam_resnet18", "i3d_resnet18_tp", "s3d_inceptionv1_tp", "tam_squeezenet", "nln_resnet50"]


def every_value(network: Network, state: dict[str, Tensor], x: Tensor) -> dict[str, Tensor]:
    """Every value of the graph by path, maps (N, C, T, H, W), features (N, T, C)."""
    found: dict[str, Tensor] = {"input": x}

    def visit(graph: Graph, inputs: list[Tensor], prefix: str) -> Tensor:
        known = dict(zip(graph.inputs, inputs, strict=True))
        for node in graph.nodes:
            values = [known[name] for name in node.inputs]
            path = prefix + node.name
            if isinstance(node.body, Graph):
                known[node.name] = visit(node.body, values, path + ".")
            else:
                rule: Any = RULES[type(node.body)]
                known[node.name] = rule(node.body, Weights(state, path), values)
            found[path] = known[node.name]
        return known[graph.output]

    visit(network.graph, [x], "")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_tap_sees_its_value(name: str) -> None:
    network = small(name)
    module, x = seeded(network), clip(network)
    taps = all_taps(network, module)
    with torch.no_grad():
        expected = every_value(network, dict(module.state_dict()), x)
    with watch(module, *taps.values()) as seen:
        run(module, x)
    assert set(seen.values) == set(taps)
    assert len(taps) > 0.75 * len(expected), "few values are out of reach"
    for path, tap in taps.items():
        value = expected[path]
        value = value.transpose(1, 2) if len(tap.shape.sizes) == 2 else value
        assert seen.values[path].shape == (2, *tap.shape.sizes), path
        torch.testing.assert_close(seen.values[path], value, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "path", "width"),
    [("tam_resnet18", "head_pool", 512), ("tam_squeezenet", "fire9.tam", 512),
     ("s3d_inceptionv1_tp", "head_pool", 1024)],
)  # fmt: skip
def test_features_are_what_enters_the_classifier(name: str, path: str, width: int) -> None:
    network = small(name)
    tap = find_tap(network, seeded(network))
    assert tap.path == path and tap.shape.channels == width


def test_pooling_averages() -> None:
    network = small("tam_resnet18")
    module, x = seeded(network), clip(network)
    tap = find_tap(network, module, "layer2.1")
    with watch(module, tap) as seen:
        run(module, x)
    whole = seen.values["layer2.1"]
    for pool, axes in (("frames", (-2, -1)), ("clip", (-3, -2, -1))):
        with watch(module, tap, pool=pool) as seen:  # type: ignore[arg-type]
            run(module, x)
        torch.testing.assert_close(seen.values["layer2.1"], whole.mean(axes))


def test_scores_are_unchanged_and_hooks_are_gone() -> None:
    network = small("tam_resnet18")
    module, x = seeded(network), clip(network)
    plain = run(module, x)
    taps = all_taps(network, module)
    with watch(module, *taps.values()) as seen:
        assert torch.equal(run(module, x), plain)
    assert torch.equal(seen.values["consensus"], plain)
    seen.values.clear()
    run(module, x)
    assert not seen.values


@pytest.mark.parametrize(
    ("path", "help"),
    [("layer4.1.con2", "did you mean `layer4.1.conv2`"), ("layr4", "did you mean `layer4`"),
     ("nothing like it", "choose from"), ("layer4.1.add", "cannot be tapped")],
)  # fmt: skip
def test_a_misspelt_tap_gets_the_nearest_name(path: str, help: str) -> None:
    network = small("tam_resnet18")
    with pytest.raises(SpecError) as caught:
        find_tap(network, seeded(network), path)
    assert help in " ".join(str(caught.value).split())
