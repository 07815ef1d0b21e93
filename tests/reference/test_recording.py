"""A network is ported by recording the original and verifying a spec against it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stspec.cli.main import main
from stspec.diagnostics import SpecError
from stspec.reference import record, save_oracle
from stspec.reference.verify import verify_table

LAYERS = (
    "{conv1: {op: conv2d, width: 8, kernel: 3, stride: 2}, bn1: {op: batch_norm}, relu: {op: relu}}"
)
SPEC = f"{{name: mine, clip: {{frames: 2, size: 8}}, policy: {{}}, backbone: {{layers: {LAYERS}}}}}"


class Original(nn.Module):
    """Someone's network, with names of their own."""

    def __init__(self, padding: int = 1) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=padding, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)

    def forward(self, clip: Tensor) -> Tensor:
        frames = clip.transpose(1, 2).flatten(0, 1)
        features = torch.relu(self.norm(self.stem(frames))).mean((2, 3))
        scores: Tensor = self.head(features)
        by_clip: Tensor = scores.unflatten(0, (clip.shape[0], -1))
        return by_clip.mean(1)


IMPORTER = """\
stspec: 1
about: someone's names
code_base: https://example.org/someone
recognise: ["stem.{leaf}"]
rules:
  - {rename: "stem.{leaf}", to: "conv1.{leaf}"}
  - {rename: "norm.{leaf}", to: "bn1.{leaf}"}
  - {rename: "head.{leaf}", to: "fc.{leaf}"}
"""


OF_UNITS = """\
stspec: 1
about: someone's names
code_base: https://example.org/someone
recognise: ["first.{n}.{leaf}"]
rules:
  - rename: "{unit}.0.{leaf}"
    to: "layer1.{unit}.{leaf}"
    with: {unit: {first: conv1, second: conv2}}
  - rename: "{unit}.1.{leaf}"
    to: "layer1.{unit}.{leaf}"
    with: {unit: {first: bn1, second: bn2}}
  - {rename: "head.{leaf}", to: "fc.{leaf}"}
"""


def write(folder: Path, module: nn.Module) -> Path:
    oracle = record(
        module, (1, 3, 4, 17, 20), name="original", source="someone", macs_clip=(1, 3, 4, 32, 32)
    )
    save_oracle(oracle, folder)
    (folder / "someone.yaml").write_text(IMPORTER)
    table = folder / "table.yaml"
    table.write_text(
        f"stspec: 1\nrows:\n  - oracle: original\n    importer: {folder / 'someone.yaml'}\n"
        f"    spec: {SPEC}\n"
    )
    return table


def test_a_port_that_is_right(tmp_path: Path) -> None:
    (result,) = verify_table(write(tmp_path, Original()), tmp_path)
    assert result.ok, result.checks
    assert {check.name for check in result.checks} >= {
        "state dict",
        "params",
        "macs",
        "logits fp64",
    }


def test_a_port_that_is_wrong_says_where_they_part(tmp_path: Path) -> None:
    (result,) = verify_table(write(tmp_path, Original(padding=0)), tmp_path)
    assert not result.ok
    assert result.parts is not None and "stem (ours: conv1)" in result.parts


class Units(Original):
    """A residual block whose convolutions and norms are units; the second wraps around."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3))
        wrong = nn.Conv2d(3, 3, 3, padding=1, bias=False, padding_mode="circular")
        self.second = nn.Sequential(wrong, nn.BatchNorm2d(3))
        self.head = nn.Linear(3, 5)
        del self.stem, self.norm

    def forward(self, clip: Tensor) -> Tensor:
        frames = clip.transpose(1, 2).flatten(0, 1)
        block = torch.relu(self.second(torch.relu(self.first(frames))) + frames)
        scores: Tensor = self.head(block.mean((2, 3)))
        return scores.mean(0, keepdim=True)


def test_a_unit_is_not_the_block_of_ours_that_holds_its_parts(tmp_path: Path) -> None:
    table = write(tmp_path, Units())
    spec = SPEC.replace(LAYERS, "{layer1: {block: basic, width: 3}}")
    table.write_text(table.read_text().replace(SPEC, spec))
    (tmp_path / "someone.yaml").write_text(OF_UNITS)
    (result,) = verify_table(table, tmp_path)
    assert [check.name for check in result.checks if not check.ok] == ["logits fp64", "logits fp32"]
    assert result.parts is not None and "second.0 (ours: layer1.conv2)" in result.parts


class Wrapper(Original):
    """Overrides train() as wrappers that freeze norms do, and returns nothing."""

    def train(self, mode: bool = True) -> Any:
        super().train(mode)


def test_a_module_whose_train_returns_nothing(tmp_path: Path) -> None:
    (result,) = verify_table(write(tmp_path, Wrapper()), tmp_path)
    assert result.ok, result.checks


class Cancelling(Original):
    """Adds and takes away what fp32 cannot hold beside the scores."""

    def forward(self, clip: Tensor) -> Tensor:
        return super().forward(clip) + 1e4 - 1e4


def test_what_single_precision_costs_the_original_is_told(tmp_path: Path) -> None:
    (result,) = verify_table(write(tmp_path, Cancelling()), tmp_path)
    (wrong,) = (check for check in result.checks if not check.ok)
    assert wrong.name == "logits fp32"
    assert "the original itself loses" in wrong.detail


def test_a_wrong_override_is_pointed_at_in_the_table(tmp_path: Path) -> None:
    table = write(tmp_path, Original())
    table.write_text(table.read_text() + "    set: {backbone.scale: 8}\n")
    (result,) = verify_table(table, tmp_path)
    (check,) = result.checks
    assert "table.yaml:6:27\n" in check.detail, check.detail


def test_recording_leaves_the_module_as_it_was() -> None:
    module = Original()
    before = module.stem.weight.detach().clone()
    record(module, (1, 3, 2, 8, 8))
    assert torch.equal(before, module.stem.weight)
    assert module.training


def test_what_is_asked_for_must_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped name verifies nothing, which must not look like agreement."""
    table = tmp_path / "table.yaml"
    table.write_text("stspec: 1\nrows:\n  - {oracle: mine, spec: tsn_resnet18, importer: ibm}\n")
    folder = tmp_path / "oracles"
    assert main(["verify", str(table), "--oracles", str(folder)]) == 2
    assert "there is no folder" in capsys.readouterr().err
    folder.mkdir()
    assert main(["verify", str(table), "--oracles", str(folder), "--only", "mien"]) == 2
    assert "did you mean `mine`?" in " ".join(capsys.readouterr().err.split())
    (folder / "mine.json").mkdir()  # a folder is no oracle to be named
    assert main(["verify", str(table), "--oracles", str(folder)]) == 1
    assert "did you mean" not in capsys.readouterr().out


class Reading(nn.Module):
    """Reads features of frames, (N, T, C), in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(12, 10, 2, batch_first=True)

    def forward(self, features: Tensor) -> Tensor:
        read: Tensor = self.rnn(features)[0]
        return read


def test_products_of_an_lstm_are_counted() -> None:
    """Four gates of ten numbers per frame and layer, from what arrives and from the state."""
    assert record(Reading(), (2, 5, 12))["macs"] == 2 * 5 * 4 * 10 * ((12 + 10) + (10 + 10))


def test_what_returns_no_tensor_is_told(tmp_path: Path) -> None:
    class Two(Original):
        def forward(self, clip: Tensor) -> Any:
            return super().forward(clip), clip

    with pytest.raises(SpecError, match="a value of type tuple, not a tensor"):
        record(Two(), (1, 3, 2, 8, 8))
