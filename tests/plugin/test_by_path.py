"""A user's operator beside a spec, from its declaration to a checkpoint's lock."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import stspec as api
from stspec.cli.main import main
from tests.plugin.project import BY_PATH, FILES, SITES, copy_files, remembered, write_spec

Capture = pytest.CaptureFixture[str]
FRAMES = 4


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    copy_files(folder)
    return write_spec(folder, BY_PATH)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network without the operator."""
    path = tmp_path_factory.mktemp("plain") / "plain.yaml"
    clip = f"clip: {{frames: {FRAMES}, size: 32}}\n"
    path.write_text(f"stspec: 1\nextends: families/tsn\nbackbone: resnet18\n{clip}classes: 10\n")
    return path


def run(capsys: Capture, *arguments: str | Path) -> str:
    """Run a command line that must go well, and return its output."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    monkeypatch.setenv("NO_COLOR", "1")


def test_its_state_parameters_and_macs_are_those_counted_by_hand(spec: Path, plain: Path) -> None:
    ours, without = api.load(spec), api.load(plain)
    added = {k: v for k, v in ours.state.items() if k not in without.state}
    expected: dict[str, tuple[int, ...]] = {}
    for site, (c, _) in SITES.items():
        shapes = {"decay": (c,), "gain": (c,), "seen": (1,), "mixing.weight": (c, c, 1, 1)}
        expected |= {f"{site}.memory.{name}": shape for name, shape in shapes.items()}
    assert added == expected
    learnt = sum(c * c + 2 * c for c, _ in SITES.values())
    assert ours.facts.params - without.facts.params == learnt
    more = ours.facts.macs() - without.facts.macs()
    elements = sum(c * FRAMES * side * side for c, side in SITES.values())
    products = sum(c * c * FRAMES * side * side for c, side in SITES.values())
    assert more == {"linear": 2 * elements, "convolution": products}


def test_cost_counts_it_node_by_node(spec: Path, capsys: Capture) -> None:
    out = run(capsys, "cost", spec, "--per", "node", "--format", "csv")
    rows = {row["label"]: row for row in csv.DictReader(io.StringIO(out))}
    for site, (c, side) in SITES.items():
        row = rows[f"{site}.memory"]
        positions = FRAMES * side * side
        assert row["kind"] == "leaky_memory"
        assert int(row["params"]) == c * c + 2 * c
        assert int(row["macs"]) == (c * c + 2 * c) * positions
        assert int(row["activation_bytes"]) == 4 * c * positions
    conv = run(capsys, "cost", spec, "--per", "node", "--format", "csv", "--count", "conv")
    counted = {row["label"]: row for row in csv.DictReader(io.StringIO(conv))}
    assert int(counted["layer2.1.memory"]["macs"]) == 128 * 128 * FRAMES * 4 * 4


def test_the_whole_clip_is_seen_from_there_on(spec: Path, capsys: Capture) -> None:
    out = run(capsys, "cost", spec, "--format", "csv")
    seen = [row["time_rf"] for row in csv.DictReader(io.StringIO(out))]
    assert seen[:2] == ["1", "1"]
    assert not {"1", "2", "3"} & set(seen[2:])


def test_a_setting_reaches_it_and_changes_what_is_counted(spec: Path) -> None:
    bare = api.load(spec, ["policy.temporal.memory.mix=false"])
    assert not [key for key in bare.state if "mixing" in key]
    assert bare.hashes.math != api.load(spec).hashes.math
    elements = sum(c * FRAMES * side * side for c, side in SITES.values())
    assert bare.facts.macs()["linear"] == 2 * elements + FRAMES * 512 * 10


def test_show_prints_a_spec_that_is_the_same_model(spec: Path, capsys: Capture) -> None:
    again = spec.with_name("again.yaml")
    again.write_text(run(capsys, "show", spec))
    assert api.load(again).hashes.math == api.load(spec).hashes.math


def test_diff_names_it_and_what_it_adds(spec: Path, plain: Path, capsys: Capture) -> None:
    assert main(["diff", str(plain), str(spec)]) == 1
    out = capsys.readouterr().out
    assert "leaky memory (half life 3.0, mix)" in out
    assert "layer2.0-1" in out
    assert "+20,864" in out  # 64 * 64 + 2 * 64 and 128 * 128 + 2 * 128
    assert "all T" in out
    assert "layer2.0.memory.mixing.weight" in out


def test_diff_of_two_settings_tells_the_setting(spec: Path, capsys: Capture) -> None:
    changed = "policy.temporal.memory.half_life=6.5"
    assert main(["diff", str(spec), str(spec), "--set-b", changed]) == 1
    out = capsys.readouterr().out
    assert "half life 3.0" in out
    assert "half life 6.5" in out
    assert "missing" not in out


def inserted(model: nn.Module, site: str) -> nn.Module:
    return model.get_submodule(f"{site}.memory")


@pytest.mark.parametrize("start", ["zero", "first"])
@pytest.mark.parametrize("mix", [True, False])
def test_the_module_built_is_the_closed_form(spec: Path, start: str, mix: bool) -> None:
    name = "policy.temporal.memory."
    model = api.build(spec, [f"{name}start={start}", f"{name}mix={str(mix).lower()}"])
    generator = torch.Generator().manual_seed(5)
    for site, (c, side) in SITES.items():
        module = inserted(model, site)
        clip = torch.randn(2, FRAMES, c, side, side, generator=generator)
        gain = torch.randn(c, generator=generator)
        module.get_parameter("gain").data.copy_(gain)
        mixing = module.get_parameter("mixing.weight")[:, :, 0, 0] if mix else None
        expected = remembered(clip, 3.0, gain, mixing, start)
        found = module(clip.flatten(0, 1)).unflatten(0, (2, FRAMES))
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_the_model_puts_it_in_front_of_the_residual_branch(spec: Path) -> None:
    model = api.build(spec).eval()
    seen: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> None:
        seen[name] = value

    block = model.get_submodule("layer2.1")
    block.register_forward_hook(lambda _m, inputs, _o: keep("block", inputs[0]))
    inner = block.get_submodule("conv1")
    inner.register_forward_hook(lambda _m, inputs, _o: keep("conv1", inputs[0]))
    with torch.inference_mode():
        model(torch.randn(2, 3, FRAMES, 32, 32))
    module = inserted(model, "layer2.1")
    mixing = module.get_parameter("mixing.weight")[:, :, 0, 0]
    clip = seen["block"].unflatten(0, (2, FRAMES))
    expected = remembered(clip, 3.0, module.get_parameter("gain"), mixing).flatten(0, 1)
    torch.testing.assert_close(seen["conv1"].double(), expected, rtol=1e-4, atol=1e-4)


def test_with_no_gain_it_is_the_network_without_it(spec: Path, plain: Path) -> None:
    ours, without = api.build(spec).eval(), api.build(plain).eval()
    assert not ours.load_state_dict(without.state_dict(), strict=False).unexpected_keys
    clip = torch.randn(1, 3, FRAMES, 32, 32)
    with torch.inference_mode():
        assert not torch.equal(ours(clip), without(clip))
        for site in SITES:
            inserted(ours, site).get_parameter("gain").zero_()
        assert torch.equal(ours(clip), without(clip))


ALONE = """\
import sys, json
sys.path.insert(0, {folder!r})
class Torch:
    def find_spec(self, name, path=None, target=None):
        assert name.partition(".")[0] not in {forbidden!r}, name
sys.meta_path.insert(0, Torch())
import torch, emitted
torch.manual_seed(0)
model = emitted.Mine().eval()
clip = torch.linspace(-1, 1, 3 * 4 * 32 * 32).reshape(1, 3, 4, 32, 32)
with torch.inference_mode():
    scores = model(clip)[0].tolist()
print(json.dumps([scores, list(model.state_dict()), sorted(sys.modules)]))
"""


def test_the_source_stands_alone(spec: Path, tmp_path: Path, capsys: Capture) -> None:
    run(capsys, "build", spec, "-o", tmp_path / "emitted.py", "--no-instantiate")
    run(capsys, "build", spec, "-o", tmp_path / "emitted.py", "--check")
    forbidden = ("stspec", *(name.removesuffix(".py") for name in FILES))
    code = ALONE.format(folder=str(tmp_path), forbidden=forbidden)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    scores, keys, modules = json.loads(done.stdout)
    torch.manual_seed(0)
    model = api.build(spec).eval()
    assert keys == list(api.load(spec).state)
    assert not [name for name in modules if "stspec" in name or "leaky" in name]
    with torch.inference_mode():
        ours = model(torch.linspace(-1, 1, 3 * 4 * 32 * 32).reshape(1, 3, 4, 32, 32))[0]
    torch.testing.assert_close(torch.tensor(scores), ours, rtol=1e-4, atol=1e-5)


def test_the_source_imports_torch_alone_and_copies_all_that_is_used(spec: Path) -> None:
    text = api.emit(spec)
    found = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert all(line.split()[1].partition(".")[0] == "torch" for line in found)
    for definition in ("class LeakyMemory(nn.Module):", "def decay_of(", "GAIN = 0.25"):
        assert text.count(definition) == 1


def test_eject_hands_over_the_same_code(spec: Path, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "mine.py"
    run(capsys, "eject", spec, "-o", path)
    text = path.read_text(encoding="utf-8")
    assert "Written by stspec" not in text
    code = text.partition('"""\n\n')[2]
    assert code == api.emit(spec).partition('"""\n\n')[2]
    assert "class LeakyMemory(nn.Module):" in code


def test_what_it_starts_with_is_what_its_setting_says(spec: Path) -> None:
    module = inserted(api.build(spec, ["policy.temporal.memory.half_life=5.0"]), "layer2.0")
    kept = module.get_parameter("decay").detach().sigmoid()
    assert math.isclose(float(kept.pow(5.0)[0]), 0.5, rel_tol=1e-5)
    assert (module.get_parameter("gain") == 0.25).all()


def test_it_learns_and_its_buffer_is_no_parameter(spec: Path) -> None:
    model = api.build(spec)
    model(torch.randn(2, 3, FRAMES, 32, 32)).square().sum().backward()
    for site in SITES:
        learnt = dict(inserted(model, site).named_parameters())
        assert set(learnt) == {"decay", "gain", "mixing.weight"}
        for parameter in learnt.values():
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0


def test_a_changed_template_changes_the_fingerprint(spec: Path, tmp_path: Path) -> None:
    copy_files(tmp_path)
    other = write_spec(tmp_path, BY_PATH)
    assert api.load(other).hashes.math == api.load(spec).hashes.math
    template = tmp_path / FILES[1]
    template.write_text(template.read_text().replace("GAIN = 0.25", "GAIN = 0.5  # more"))
    third = tmp_path / "b"
    third.mkdir()
    for name in FILES:
        (tmp_path / name).rename(third / name)
    assert api.load(write_spec(third, BY_PATH)).hashes.math != api.load(spec).hashes.math
