"""Modules of heads against their definitions, written out."""

from itertools import combinations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from templates.canonical.conv_lstm import ConvLSTM as CanonicalConvLSTM
from templates.modules.conv_lstm import ConvLSTM
from templates.modules.forest import DecisionForest, DecisionTree
from templates.modules.relation import Relations, relation, relations
from templates.modules.segmentation import RefiningStage, TemporalStage
from templates.modules.transformer import Embedding, FrameAttention, TokenEmbedding
from tests.templates import checks


@pytest.mark.parametrize(("frames", "scale"), [(1, 1), (5, 1), (5, 2), (5, 5), (8, 3), (9, 8)])
def test_relations_are_numbered_in_lexicographic_order(frames: int, scale: int) -> None:
    every = [list(chosen) for chosen in combinations(range(frames), scale)]
    assert [relation(frames, scale, i) for i in range(len(every))] == every
    assert relations(frames, scale, 3, first=True) == every[:3]
    assert relations(frames, scale, len(every) + 1, first=False) == every


def test_spread_relations_are_apart() -> None:
    assert relations(8, 2, 3, first=False) == [[0, 5], [2, 4], [4, 6]]
    assert len(relations(40, 20, 5, first=False)) == 5


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("frames", "scales", "layers"), [(4, (), 1), (5, (3, 1), 2), (1, (), 1)])
def test_relations(frames: int, scales: tuple[int, ...], layers: int, first: bool) -> None:
    module = Relations(3, 2, frames, 4, scales, 3, first, layers).double()

    def naive(x: Tensor, *weights: Tensor) -> Tensor:
        left = list(weights)
        total = torch.zeros(len(x), 2, dtype=x.dtype)
        for scale in scales or (range(frames, 1, -1) if frames > 1 else (1,)):
            every = list(combinations(range(frames), scale))
            count = min(3, len(every))
            ranks = [i if first else int((i + 0.5) * len(every) / count) for i in range(count)]
            own, left = left[: 2 * layers + 2], left[2 * layers + 2 :]
            for rank in ranks:
                y = torch.cat([x[:, frame] for frame in every[rank]], 1).relu()
                for i in range(0, 2 * layers, 2):
                    y = (y @ own[i].t() + own[i + 1]).relu()
                total = total + y @ own[-2].t() + own[-1]
        assert not left
        return total

    checks.assert_same_function(module, naive, [checks.frames_like(2, frames, 3)])


@pytest.mark.parametrize(("frames", "kernel", "bias"), [(1, 3, True), (4, 3, True), (3, 1, False)])
def test_conv_lstm(frames: int, kernel: int, bias: bool) -> None:
    module = ConvLSTM(3, 2, frames, kernel, bias).double()

    def naive(x: Tensor, weight: Tensor, b: Tensor | None = None) -> Tensor:
        clips = torch.unflatten(x, 0, (-1, frames))
        h = c = torch.zeros(len(clips), 2, *x.shape[2:], dtype=x.dtype)
        states = []
        for t in range(frames):
            gates = F.conv2d(torch.cat([clips[:, t], h], 1), weight, b, padding=kernel // 2)
            i, f, o, g = gates[:, :2], gates[:, 2:4], gates[:, 4:6], gates[:, 6:]
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            states.append(h)
        return torch.stack(states, 1).flatten(0, 1)

    x = checks.frames_like(2 * frames, 3, 5, 4)
    checks.assert_same_function(module, naive, [x])
    canonical = CanonicalConvLSTM(3, 2, frames, kernel, bias).double()
    canonical.load_state_dict(module.state_dict())
    torch.testing.assert_close(canonical(x), module(x))


@pytest.mark.parametrize("heads", [1, 2, 6])
def test_frame_attention(heads: int) -> None:
    q, k, v = (checks.frames_like(2, 5, 6, seed=i) for i in range(3))

    def naive(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        size = 6 // heads
        outs = []
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            weights = torch.softmax(q[..., own] @ k[..., own].transpose(1, 2) / size**0.5, 2)
            outs.append(weights @ v[..., own])
        return torch.cat(outs, 2)

    checks.assert_same_function(FrameAttention(heads), naive, [q, k, v])


def test_embeddings() -> None:
    x = checks.frames_like(2, 4, 6)

    def with_token(x: Tensor, token: Tensor, positions: Tensor, segment: Tensor) -> Tensor:
        rows = [token.expand(len(x), -1), *x.unbind(1)]
        return torch.stack([row + positions[i] + segment for i, row in enumerate(rows)], 1)

    def without(x: Tensor, positions: Tensor, segment: Tensor) -> Tensor:
        rows = enumerate(x.unbind(1))
        return torch.stack([row + positions[i] + segment for i, row in rows], 1)

    checks.assert_same_function(TokenEmbedding(6, 9).double(), with_token, [x])
    checks.assert_same_function(Embedding(6, 9).double(), without, [x])


@pytest.mark.parametrize("depth", [1, 3])
def test_decision_forest(depth: int) -> None:
    torch.manual_seed(0)
    module = DecisionForest(6, 3, trees=2, depth=depth, share=0.5).double().eval()
    trees = [tree for tree in module.trees if isinstance(tree, DecisionTree)]
    assert len(trees) == 2
    for tree in trees:
        assert torch.equal(tree.mask.sum(0), torch.ones(3, dtype=torch.double))
        assert not tree.mask.requires_grad
    x = checks.frames_like(4, 2, 3).requires_grad_()
    y = module.bn(module.fc2(module.fc1(x.detach().flatten(1).relu()).relu()))
    total = torch.zeros(4, 3, dtype=torch.double)
    for tree in trees:
        decisions = torch.sigmoid(tree.decide(y @ tree.mask))
        for leaf in range(2**depth):
            probability = torch.ones(4, dtype=torch.double)
            for level in range(depth):
                node = 2**level + (leaf >> (depth - level))
                goes_right = leaf >> (depth - level - 1) & 1
                d = decisions[:, node]
                probability = probability * (1 - d if goes_right else d)
            total = total + probability[:, None] * torch.softmax(tree.leaves[leaf], 0) / 2
    torch.testing.assert_close(module(x), total)
    torch.testing.assert_close(total.sum(1), torch.ones(4, dtype=torch.double))
    assert torch.autograd.grad(module(x).square().sum(), x)[0].abs().sum() > 0


@pytest.mark.parametrize("refines", [False, True])
@pytest.mark.parametrize(("kernel", "growth", "layers"), [(3, 2, 3), (5, 1, 2), (1, 3, 1)])
def test_stage(kernel: int, growth: int, layers: int, refines: bool) -> None:
    sizes = {"channels": 3, "layers": layers, "kernel": kernel, "growth": growth}
    make = RefiningStage(4, **sizes) if refines else TemporalStage(4, 5, **sizes)
    module = make.double().eval()

    def along(x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
        taps = range(weight.shape[2])
        middle, length = weight.shape[2] // 2, x.shape[1]
        rows = []
        for t in range(length):
            row = bias.expand(len(x), -1)
            for i in taps:
                source = t + (i - middle) * dilation
                if 0 <= source < length:
                    row = row + x[:, source] @ weight[:, :, i].t()
            rows.append(row)
        return torch.stack(rows, 1)

    def naive(x: Tensor, *weights: Tensor) -> Tensor:
        pairs = [(weights[i], weights[i + 1]) for i in range(0, len(weights), 2)]
        y = along(torch.softmax(x, 2) if refines else x, *pairs[0], 1)
        for i in range(layers):
            z = along(y, *pairs[1 + 2 * i], growth**i).relu()
            y = y + along(z, *pairs[2 + 2 * i], 1)
        return along(y, *pairs[-1], 1)

    checks.assert_same_function(module, naive, [checks.frames_like(2, 6, 4)])
