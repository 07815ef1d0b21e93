"""What can go wrong with a run is told, and what was saved stays good."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from stspec.data.motions import make_motions
from stspec.diagnostics import SpecError
from stspec.runs.checkpoint import latest_checkpoint
from stspec.runs.directory import RunFolder, open_run
from stspec.train.feed import Batch
from stspec.train.step import Stepper
from tests.forking import CONTEXT, ask, start
from tests.train.killing import result, run_tiny
from tests.train.tiny import BASE, TinyFeed, spec, tiny_train

CHANGES: dict[str, Any] = {"epochs": 2}


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("complete") / "run"
    assert run_tiny(run, changes=CHANGES, save_steps=2) == 0
    return run


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed after its fifth step; steps 3 and 4 are saved."""
    run = tmp_path_factory.mktemp("killed") / "run"
    assert run_tiny(run, ("step", 5, True), changes=CHANGES, save_steps=2) == -9
    return run


@pytest.fixture
def halfway(killed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(killed, tmp_path / "run")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the processes that die have it: with more, sums round otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def said(call: Callable[[], Any]) -> str:
    """What a refusal says, on one line."""
    with pytest.raises(SpecError) as caught:
        call()
    return " ".join(str(caught.value).split())


def saved(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_two_checkpoints_are_kept(halfway: Path) -> None:
    assert saved(halfway) == [
        "step-00000003.json", "step-00000003.safetensors",
        "step-00000004.json", "step-00000004.safetensors",
    ]  # fmt: skip


@pytest.mark.parametrize("ending", ["json", "safetensors"])
@pytest.mark.parametrize("how", ["cut", "flipped", "gone"])
def test_a_bad_checkpoint_is_passed_over(
    ending: str, how: str, halfway: Path, complete: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = halfway / "checkpoints" / f"step-00000004.{ending}"
    data = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 4
        path.write_bytes(data[: len(data) // 2] if how == "cut" else data)
    tiny_train(halfway, CHANGES, save_steps=2, quiet=False)
    told = " ".join(capfd.readouterr().err.split())
    assert "going on from step 3, bit for bit" in told
    assert ("passing over step-00000004" in told) == ((ending, how) != ("json", "gone"))
    assert result(halfway) == result(complete)


def test_no_good_checkpoint(halfway: Path) -> None:
    for path in (halfway / "checkpoints").glob("*.safetensors"):
        path.write_bytes(b"")
    assert "no checkpoint" in said(lambda: tiny_train(halfway, CHANGES))


def test_a_log_that_was_changed_is_not_built_upon(halfway: Path) -> None:
    log = halfway / "log.jsonl"
    log.write_text(log.read_text().replace("0.0", "0.1", 1))
    assert "no checkpoint" in said(lambda: tiny_train(halfway, CHANGES))


def test_another_spec_is_refused_with_the_difference(halfway: Path) -> None:
    path = halfway / "spec.yaml"
    path.write_text(path.read_text().replace("width: 8", "width: 9"))
    told = said(lambda: tiny_train(halfway, CHANGES))
    assert "another spec" in told
    assert "width: 8" in told and "width: 9" in told


def test_another_recipe_is_refused_with_the_difference(halfway: Path) -> None:
    path = halfway / "recipe.yaml"
    path.write_text(path.read_text().replace("lr: 0.05", "lr: 0.5"))
    told = said(lambda: tiny_train(halfway, CHANGES))
    assert "- lr: 0.05 " in told and "+ lr: 0.5 " in told


def test_other_data_are_refused(halfway: Path) -> None:
    told = said(lambda: tiny_train(halfway, {"feed": {"count": 25}}))
    assert "not those that the run was started with" in told


def test_wrong_number_of_classes(tmp_path: Path) -> None:
    told = said(lambda: tiny_train(tmp_path / "run", {"spec": {"classes": 5}}))
    assert "the data have 4 classes, the spec has 5" in told
    assert "classes=4" in told
    assert not (tmp_path / "run").exists()


def test_classes_of_a_shipped_spec_follow_the_data() -> None:
    from stspec.network import load
    from stspec.train.run import with_classes

    network, notes = with_classes(load("tsn_resnet18"), 7)
    assert network.spec.model.classes == 7
    assert "400" in notes[0]
    assert "has 9" in said(lambda: with_classes(load("tsn_resnet18", ["classes=9"]), 7))


def test_a_folder_that_holds_a_run_is_refused(complete: Path) -> None:
    def again(**changes: Any) -> Any:
        from stspec.train import load_recipe, train

        return train(
            spec(**changes), recipe=load_recipe("motions", BASE.items()), run=complete,
            feed=TinyFeed(), quiet=True,
        )  # fmt: skip

    assert "--resume" in said(again)
    told = said(lambda: again(dropout=0.25))
    assert "another spec" in told and "0.25" in told


def test_two_runs_in_one_folder(tmp_path: Path, complete: Path) -> None:
    """The second is refused while the first lives, and welcome once it was killed."""
    run = tmp_path / "run"
    holder = start(_hold, run, started := CONTEXT.Event())
    assert started.wait(60)
    told = said(lambda: tiny_train(run, CHANGES))
    assert "another run is training" in told and f"process {holder.pid}" in told
    holder.kill()
    holder.join()
    tiny_train(run, CHANGES, save_steps=2)
    assert result(run) == result(complete)


def _hold(run: Path, started: Any) -> None:
    folder = RunFolder(run)
    folder.lock()
    started.set()
    signal.pause()


def test_a_full_disk_leaves_what_was_saved(tmp_path: Path, complete: Path) -> None:
    run = tmp_path / "run"
    text = ask(_fill, run)
    assert "cannot write" in text and "file too large" in text and "--resume" in text
    assert saved(run) == ["step-00000000.json", "step-00000000.safetensors",
                          "step-00000002.json", "step-00000002.safetensors"]  # fmt: skip
    assert run_tiny(run, changes=CHANGES, save_steps=2) == 0
    assert result(run) == result(complete)


def _fill(run: Path, told: Any) -> None:
    """Train where no file may grow beyond 1,500 bytes after the fourth step."""
    torch.set_num_threads(1)
    own = Stepper.step

    def step(self: Stepper, batch: Batch, step: int, asked: bool) -> Tensor:
        if step == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
        return own(self, batch, step, asked)

    setattr(Stepper, "step", step)  # noqa: B010 (mypy knows that methods stay)
    try:
        tiny_train(run, CHANGES, save_steps=2)
    except SpecError as error:
        told.put(" ".join(str(error).split()))
    else:
        told.put("nothing was said")


class _Blinding(TinyFeed):
    """From some step on clips that are not numbers."""

    def train(self, *arguments: Any) -> Any:
        for number, batch in enumerate(super().train(*arguments)):
            clips = batch["clips"].float()
            if number == 2:
                clips[0, 0, 0, 0, 0] = float("nan")
            yield {**batch, "clips": clips}


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    told = said(lambda: tiny_train(run, CHANGES, feed=_Blinding(), save_steps=1))
    assert "loss at step 2 is not a finite number" in told
    assert "step-00000002.json" in told
    assert saved(run)[-1] == "step-00000002.safetensors"


def test_weights_that_are_no_numbers_are_never_saved(tmp_path: Path) -> None:
    changes = {"optimizer.lr": 1e38, "schedule.warmup": 0, "epochs": 1}
    told = said(lambda: tiny_train(tmp_path / "run", changes, save_steps=1))
    assert "is not a finite number" in told
    found = latest_checkpoint(tmp_path / "run" / "checkpoints", print, lambda _: None)
    assert found is not None
    assert all(tensor.isfinite().all() for tensor in found.tensors.values())


def test_scores_that_are_no_numbers_end_it_as_a_loss_does(tmp_path: Path) -> None:
    """Weights may still be numbers when what they give no longer is."""
    run, data = tmp_path / "run", tmp_path / "data"
    make_motions(data, train=24, val=12, frames=6, size=32, seed=0, workers=0)
    changes: dict[str, Any] = {
        "optimizer.lr": 1e28, "schedule.warmup": 0, "epochs": 1, "batch": 24,
        "spec": {"classes": 12, "norm": False},
    }  # fmt: skip
    videos = {"data": data, "workers": 0, "persistent": False}
    told = said(lambda: tiny_train(run, changes, videos=videos))
    assert "validation loss at step 1 is not a finite number" in told
    assert "step-00000000.json" in told and "optimizer.lr" in told


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_no_memory(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(*arguments: Any) -> Tensor:
        raise error

    monkeypatch.setattr(Stepper, "step", step)
    told = said(lambda: tiny_train(tmp_path / "run", CHANGES))
    assert "memory ran out: 8 clips" in told
    for word in ("accumulate=2", "checkpoint_stages", "bfloat16"):
        assert word in told


def test_nothing_in_a_checkpoint_can_execute(halfway: Path) -> None:
    """Neither file is a pickle; one that stands in its place is not loaded."""
    for path in (halfway / "checkpoints").iterdir():
        assert b"\x80\x02" not in path.read_bytes()[:2]
    marker = halfway / "executed"

    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(marker),)

    torch.save(Trap(), halfway / "checkpoints" / "step-00000004.safetensors")
    tiny_train(halfway, CHANGES)
    assert not marker.exists()


def test_random_damage_is_diagnosed_or_harmless(halfway: Path, complete: Path) -> None:
    """A diagnosis, or the very run: never a traceback, never another result."""
    whole = {p: p.read_bytes() for p in sorted(halfway.rglob("*")) if p.is_file()}
    wanted = result(complete)
    rng = Random(4)
    outcomes = []
    for _ in range(40):
        for path, data in whole.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        for path in halfway.rglob("*.json"):
            if path not in whole:
                path.unlink()
        victim = rng.choice(list(whole))
        victim.write_bytes(_damaged(whole[victim], rng))
        try:
            tiny_train(halfway, CHANGES, save_steps=2)
        except SpecError:
            outcomes.append("diagnosed")
            continue
        outcomes.append("same")
        assert result(halfway) == wanted, victim
    assert set(outcomes) == {"diagnosed", "same"}


def _damaged(data: bytes, rng: Random) -> bytes:
    if not data or rng.random() < 0.2:
        return rng.randbytes(rng.randrange(40))
    at = rng.randrange(len(data))
    kind = rng.randrange(3)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    return data[:at] + rng.randbytes(8) + data[at:]


def test_open_run(complete: Path) -> None:
    run = open_run(complete)
    assert run.classes == TinyFeed().classes
    assert run.network().name == "tiny"
    assert run.network().state.keys() == run.network(8).state.keys()
    assert json.loads((complete / "metrics.json").read_text())["epoch"] == 1
    assert run.weights().is_file()
    assert "did you mean" in said(lambda: open_run(complete.with_name("rum")))
