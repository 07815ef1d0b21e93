"""The parts of training, each against its definition or torch's own."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stspec.diagnostics import SpecError
from stspec.module import build_module
from stspec.network import load
from stspec.train import LEFT, load_recipe, recipe_names
from stspec.train.ema import Average
from stspec.train.memory import recompute
from stspec.train.mixup import mix
from stspec.train.norms import batch_norms, freeze, frozen_norms, make_precise, train_mode
from stspec.train.optim import build_optimizer, kinds, set_rate
from stspec.train.recipe import Norm, Optimizer, Schedule, split_overrides
from stspec.train.run import Start, make_job
from stspec.train.schedule import peak_rate, rate
from stspec.train.stages import carry
from stspec.train.step import soft_targets
from tests.train.tiny import spec, tiny_train


def test_every_shipped_recipe_reads_back_as_it_was_written(tmp_path: Path) -> None:
    assert {"study2021", "sota2021", "transfer2021", "vmz2018", "comparison2020", "tsm"} <= set(
        recipe_names()
    )
    for name in recipe_names():
        recipe = load_recipe(name)
        path = tmp_path / f"{name}.yaml"
        path.write_text(recipe.text())
        assert load_recipe(path) == recipe
        assert load_recipe(path).text() == recipe.text()


def test_the_studies_numbers() -> None:
    """Table 3 of the 2021 study, its section 5.2.1, and the 2018 paper."""
    study = load_recipe("study2021")
    assert (study.batch, study.epochs, study.optimizer.lr) == (72, 75, 0.01)
    assert (study.optimizer.momentum, study.optimizer.weight_decay) == (0.9, 5e-4)
    longer = load_recipe("study2021_frames").phases
    assert [(p.frames, p.epochs, p.batch) for p in longer] == [
        (8, 75, 72), (16, 35, 72), (32, 35, 36), (64, 35, 36),
    ]  # fmt: skip
    sota = load_recipe("sota2021")
    assert (sota.batch, sota.epochs, sota.schedule.warmup, sota.test.clips) == (1024, 196, 34, 10)
    vmz = load_recipe("vmz2018")
    # 0.01 for 32 clips: eight GPUs of 32 have eight times that.
    assert peak_rate(vmz.optimizer.lr, 256, vmz.schedule) == pytest.approx(0.08)


def test_mistakes_in_recipes_are_told() -> None:
    for text, word in (("optimizer.lrr=1", "lr"), ("schedule.kind=cosin", "cosine")):
        with pytest.raises(SpecError, match=f"did you mean `{word}`"):
            load_recipe("motions", [text])
    with pytest.raises(SpecError, match="did you mean `study2021`"):
        load_recipe("study2012")
    with pytest.raises(SpecError, match="did you mean `batch`"):
        split_overrides(["bacth=3"])
    assert split_overrides(["clip.frames=8", "batch=4"]) == (["clip.frames=8"], ["batch=4"])


def test_rates_by_hand() -> None:
    cosine = Schedule(kind="cosine", warmup=2, warmup_lr=0.1)
    found = [rate(cosine, 1.0, step, 5, 6) for step in range(31)]
    assert found[0] == pytest.approx(0.1)
    assert found[5] == pytest.approx(0.55)
    assert found[10] == pytest.approx(1.0)
    assert found[20] == pytest.approx(0.5)
    assert found[30] == pytest.approx(0.0)
    steps = Schedule(kind="multi_step", milestones=[1, 3], gamma=0.1)
    found = [rate(steps, 1.0, step, 2, 4) for step in range(8)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_a_plateau_against_torch() -> None:
    """torch's own scheduler on the same losses."""
    losses = [3, 2, 2.1, 2.05, 2.2, 1.9, 1.95, 1.93, 1.94, 1.92, 1.91, 1.905]
    keys = Schedule(kind="plateau", patience=2, gamma=0.5)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    for count in range(1, len(losses) + 1):
        torchs.step(losses[count - 1])
        assert rate(keys, 1.0, 0, 1, 1, losses[:count]) == optimizer.param_groups[0]["lr"]


def test_policies_of_tsn_and_tsm() -> None:
    module = build_module(load("tsn_resnet18", ["classes=5"]))
    names = {id(p): name for name, p in module.named_parameters()}
    keys = Optimizer(kind="sgd", lr=0.1, weight_decay=0.01, groups="tsm")
    found = {names[id(p)]: (kind.lr, kind.decay) for p, kind in kinds(module, keys)}
    assert found.keys() == set(names.values())
    assert found["conv1.weight"] == (1, 1)
    assert found["bn1.weight"] == found["bn1.bias"] == (1, 0)
    assert found["fc.weight"] == (5, 1) and found["fc.bias"] == (10, 0)
    optimizer = build_optimizer(module, keys.model_copy(update={"groups": "tsn"}))
    set_rate(optimizer, 0.2)
    rates = {
        group["name"]: (group["lr"], group["weight_decay"]) for group in optimizer.param_groups
    }
    assert rates["biases"] == (0.4, 0.0) and rates["weights"] == (0.2, 0.01)


def test_smoothing_and_mixup_against_definitions() -> None:
    labels = torch.tensor([0, 2, 1, 1])
    scores = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    ours = F.cross_entropy(scores, soft_targets(labels, 3, 0.1))
    torch.testing.assert_close(ours, F.cross_entropy(scores, labels, label_smoothing=0.1))
    clips = torch.arange(4.0).view(4, 1, 1, 1, 1)
    mixed, targets = mix(clips, soft_targets(labels, 3, 0), 0.4, 0, 7)
    weight = float(mixed[0] - 1) / -1
    assert 0 <= weight <= 1
    expected = [1 - weight, weight, 2 * weight + 3 * (1 - weight), 3 * weight + 2 * (1 - weight)]
    assert mixed.flatten().tolist() == pytest.approx(expected)
    assert targets[0].tolist() == pytest.approx([weight, 0, 1 - weight])


def test_precise_statistics_are_those_of_all_clips() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.BatchNorm2d(3))
    batches = [torch.randn(8, 3, 5, 5) * (i + 1) + i for i in range(4)]
    make_precise(module, [], batches, lambda found: found)
    mean = torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0)
    var = torch.stack([b.var((0, 2, 3)) for b in batches]).mean(0)
    state = module.state_dict()
    torch.testing.assert_close(state["0.running_mean"], mean)
    torch.testing.assert_close(state["0.running_var"], var)
    assert batch_norms(module)[0].momentum == 0.1


@pytest.mark.parametrize(("mode", "still"), [("frozen", 2), ("partial", 1), ("train", 0)])
def test_frozen_norms_stay_as_they_are(mode: Any, still: int) -> None:
    module = build_module(load(spec(dropout=0)))
    found = frozen_norms(module, Norm(mode=mode))
    freeze(found)
    train_mode(module, found)
    before = [norm.state_dict() | {} for norm in batch_norms(module)]
    before = [{k: v.clone() for k, v in state.items()} for state in before]
    optimizer = build_optimizer(module, Optimizer(lr=0.1, weight_decay=0.1))
    module(torch.randn(2, 3, 4, 16, 16)).square().sum().backward()
    optimizer.step()
    same = [
        all(torch.equal(old[key], value) for key, value in norm.state_dict().items())
        for old, norm in zip(before, batch_norms(module), strict=True)
    ]
    assert same.count(True) == still
    assert not still or same[-1]


def test_recomputed_stages_give_the_same() -> None:
    """Gradients, and running statistics once, not twice."""
    network = load(spec())
    clips = torch.randn(2, 3, 4, 16, 16)
    found = []
    for stages in ([], [1, 2]):
        torch.manual_seed(0)
        module = build_module(network)
        recompute(module, network, stages)
        torch.manual_seed(1)
        module.train()
        module(clips).square().sum().backward()
        grads = {name: p.grad for name, p in module.named_parameters()}
        found.append((grads, {k: v.clone() for k, v in module.state_dict().items()}))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    with pytest.raises(SpecError, match="no stage 7"):
        recompute(build_module(network), network, [7])


def test_average_by_hand() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 1.0)
    average = Average(module, 0.75)
    for value in (2.0, 4.0):
        nn.init.constant_(module.weight, value)
        average.update(module)
    assert float(average.state["weight"]) == pytest.approx(0.75 * (0.75 + 0.5) + 0.25 * 4)
    with average.swapped(module):
        assert module.weight.item() == pytest.approx(1.9375)
    assert module.weight.item() == 4.0


def test_weights_that_depend_on_frames() -> None:
    """A classifier over two frames in a row; a clip with each frame twice gives the same."""
    torch.manual_seed(0)
    short = nn.Linear(2 * 3, 5)
    shapes = {"weight": (5, 12), "bias": (5,)}
    carried, stretched = carry(short.state_dict(), shapes, (2, 4))
    assert stretched == ["weight"]
    frames = torch.randn(7, 2, 3)
    doubled = frames.repeat_interleave(2, dim=1)
    ours = F.linear(doubled.flatten(1), carried["weight"], carried["bias"])
    torch.testing.assert_close(ours, short(frames.flatten(1)))
    with pytest.raises(SpecError, match="does not become"):
        carry(short.state_dict(), {"weight": (6, 6), "bias": (5,)}, (2, 4))


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_accumulated_parts_equal_the_large_batch(kind: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"optimizer.kind": kind, "spec": {"norm": False, "dropout": 0}}
    found: list[dict[str, Tensor]] = []
    for parts in (1, 4):
        run = tiny_train(tmp_path / str(parts), {**changes, "accumulate": parts})
        from stspec.weights.checkpoint import read_checkpoint

        state = read_checkpoint(run.weights()).state
        found.append({key: torch.from_numpy(value.copy()) for key, value in state.items()})
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_learns_about_the_same(precision: str, tmp_path: Path) -> None:
    losses = []
    for kind in ("float32", precision):
        run = tiny_train(tmp_path / kind, {"precision": kind, "spec": {"dropout": 0}})
        rows = [json.loads(line) for line in (run.folder / "log.jsonl").open()]
        losses.append([row["loss"] for row in rows if row["kind"] == "step"])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != losses[0]


@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_learns_the_same(tmp_path: Path) -> None:
    losses = []
    for compiled in (False, True):
        changes = {"compile": compiled, "spec": {"dropout": 0}, "epochs": 1}
        run = tiny_train(tmp_path / str(compiled), changes)
        rows = [json.loads(line) for line in (run.folder / "log.jsonl").open()]
        losses.append([row["loss"] for row in rows if row["kind"] == "step"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_status_of_leaving_is_the_one_of_sysexits() -> None:
    import os

    assert os.EX_TEMPFAIL == LEFT


def test_plan_counts_steps(tmp_path: Path) -> None:
    from stspec.train.distributed import World
    from stspec.train.plan import plan
    from stspec.train.run import Options
    from tests.train.tiny import TinyFeed

    recipe = load_recipe("motions", [("batch", 8), ("epochs", 3), ("schedule.base_batch", 4)])
    job = make_job(
        spec(), None, recipe, (), None, None, 0, Start(), TinyFeed(count=27), {}, Options()
    )  # fmt: skip
    found = plan(job, World())
    assert found.total_steps == 9
    assert found.stages[0].peak == pytest.approx(0.05 * 8 / 4)
    assert any("0.05 x 8 / 4" in note for note in found.notes)
    assert any("3 of 27 clips" in note for note in found.notes)
    assert math.isclose(found.stages[0].memory, found.to_json()["stages"][0]["memory"])
    with pytest.raises(SpecError, match="uneven-batch"):
        plan(job, World(0, 3))
