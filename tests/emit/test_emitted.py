"""Emitted source is a good module by itself: clean, stable, and all that torch can do works."""

from __future__ import annotations

import ast
import copy
import hashlib
import importlib.util
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stspec.cli.shipped import shipped
from stspec.compose import find
from stspec.diagnostics import SpecError
from stspec.module import build_module
from stspec.network import Network, load
from tests.networks import sized, whole
from tests.noise import quick_noise
from tests.templates.checks import reloaded_trace

SHIPPED = [
    name
    for name in shipped()
    if find("model", name).parent.name != "families" or name == "eco_full"
]
"""The named models, and a family whose model no other resembles."""
FAMILIES = ["tsn", "tam", "tsm", "nln", "i3d", "s3d", "avg", "max"]
REPO = Path(__file__).parents[2]
SIDES = {"eco_full": "64"}
"""Sides of maps of which pools that round up and strided convolutions make the same."""


@cache
def small(name: str) -> Network:
    """A shipped model on clips that are quick to run; its last maps are larger than 1 x 1."""
    own = [*sized(name, SIDES.get(name, "40")), "classes=5"]
    given = whole(name).facts.input.frames or 1
    for frames in (8, 16):
        if frames < given:
            with suppress(SpecError):  # too few for what pools time
                return load(name, [*own, f"clip.frames={frames}"])
    return load(name, own)


def clips(network: Network, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, *network.facts.input.dims, generator=generator)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All shipped models as files."""
    path = tmp_path_factory.mktemp("emitted")
    for name in SHIPPED:
        (path / f"{name}.py").write_text(whole(name).emit().text, encoding="utf-8")
    yield path


def test_ruff_finds_nothing(folder: Path) -> None:
    config = str(REPO / "pyproject.toml")
    for command in (["check"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [
                "ruff",
                *command,
                "--config",
                config,
                "--ignore",
                "D102,D107",
                "--no-cache",
                str(folder),
            ]
            if command == ["check"]
            else ["ruff", *command, "--config", config, "--no-cache", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_finds_nothing(folder: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-incremental",
            "--config-file=",
            str(folder),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SHIPPED)
def test_imports_torch_alone_and_uses_what_it_defines(name: str) -> None:
    emitted = whole(name).emit()
    tree = ast.parse(emitted.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(alias.name.partition(".")[0] == "torch" for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] == "torch"
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | {emitted.class_name}
    defined = [n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    assert set(defined) <= used
    assert defined[-1] == emitted.class_name


@pytest.mark.parametrize("name", SHIPPED)
def test_every_attribute_is_used(name: str) -> None:
    """No dead module: what ``__init__`` of a class makes, its ``forward`` calls."""
    tree = ast.parse(whole(name).emit().text)
    for cls in (n for n in tree.body if isinstance(n, ast.ClassDef)):
        own = [n for n in ast.walk(cls) if isinstance(n, ast.Attribute) and _is_self(n.value)]
        stored = {n.attr for n in own if isinstance(n.ctx, ast.Store)}
        read = {n.attr for n in own if isinstance(n.ctx, ast.Load)}
        assert stored <= read, (cls.name, stored - read)


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def test_bytes_do_not_depend_on_the_process() -> None:
    script = (
        "import hashlib; from stspec.network import load; from stspec.cli.shipped import shipped;"
        "texts = ''.join(load(name).emit().text for name in shipped());"
        "print(hashlib.sha256(texts.encode()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "2718281828"},  # ours is random
        capture_output=True,
        text=True,
        check=True,
    )
    texts = "".join(whole(name).emit().text for name in shipped())
    assert done.stdout.strip() == hashlib.sha256(texts.encode()).hexdigest()


@pytest.mark.parametrize("name", ["tam_resnet18", "i3d_inceptionv1_tp", "nln_resnet50"])
def test_a_file_gives_what_the_built_module_gives(name: str, tmp_path: Path) -> None:
    network = small(name)
    emitted = network.emit()
    path = tmp_path / "anyone.py"
    path.write_text(emitted.text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("anyone", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    theirs: nn.Module = getattr(module, emitted.class_name)(num_classes=5).eval()
    ours = build_module(network).eval()
    theirs.load_state_dict(ours.state_dict())
    x = clips(network)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("name", SHIPPED)
def test_torch_can_compile_copy_and_pickle_it_and_halve_its_weights(name: str) -> None:
    with quick_noise():
        model = build_module(small(name)).eval()
    x = clips(small(name))
    with torch.no_grad():
        wanted = model(x)
        torch._dynamo.reset()
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x), wanted, rtol=1e-4, atol=1e-4)
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert torch.equal(twin(x), wanted)
        _let_norms_see(model, x)
        for dtype in (torch.bfloat16, torch.float16):
            scores = copy.deepcopy(model).to(dtype)(x[:1].to(dtype))
            assert scores.dtype is dtype and bool(scores.isfinite().all())


def _let_norms_see(model: nn.Module, x: Tensor) -> None:
    """Give norms the statistics of clips, without which values of deep networks leave float16."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the average of all that is seen
    model.train()(x)
    model.eval()


@pytest.mark.parametrize("name", FAMILIES)
def test_export_has_a_dynamic_batch(name: str) -> None:
    network = load(name, ["clip.size=40", "classes=5", "backbone=resnet18", "clip.frames=4"])
    model = build_module(network).eval()
    x = clips(network)
    with torch.no_grad():
        batch = torch.export.Dim("batch", min=1, max=16)
        exported = torch.export.export(model, (x,), dynamic_shapes=({0: batch},)).module()
        more = clips(network, 3)
        torch.testing.assert_close(exported(more), model(more), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*FAMILIES, "x3d_xs", "ip_csn_50"])
def test_a_trace_of_one_clip_takes_several_and_is_counted(name: str) -> None:
    network = small(name)
    with quick_noise():
        model = build_module(network).eval()
    traced = reloaded_trace(model, (clips(network, 1),))
    with torch.no_grad():
        torch.testing.assert_close(traced(clips(network)), model(clips(network)))
        with FlopCounterMode(display=False) as counter:
            model(clips(network, 1))
    assert counter.get_total_flops() == 2 * sum(network.facts.macs().values())


@pytest.mark.parametrize("name", FAMILIES)
def test_inductor_compiles(name: str) -> None:
    network = load(name, ["clip.size=40", "classes=5", "backbone=resnet18", "clip.frames=2"])
    model = build_module(network).eval()
    x = clips(network)
    with torch.no_grad():
        torch._dynamo.reset()
        compiled = torch.compile(model, fullgraph=True)
        torch.testing.assert_close(compiled(x), model(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_training_step_reaches_every_parameter(name: str) -> None:
    network = load(name, ["clip.size=40", "classes=5", "backbone=resnet18", "clip.frames=4"])
    model = build_module(network).train()
    model(clips(network)).logsumexp(1).sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), key


@pytest.mark.parametrize("name", ["tam_resnet18_tp", "s3d_inceptionv1", "i3d_resnet18"])
def test_memory_format_and_batch_do_not_matter(name: str) -> None:
    network = small(name)
    model = build_module(network).eval().double()
    x = clips(network, 3).double()
    with torch.no_grad():
        together = model(x)
        apart = torch.cat([model(clip) for clip in x.split(1)])
        torch.testing.assert_close(together, apart, rtol=1e-9, atol=1e-9)
        lasting = model(x.contiguous(memory_format=torch.channels_last_3d))
        torch.testing.assert_close(together, lasting, rtol=1e-9, atol=1e-9)


def test_a_source_map_leads_from_lines_to_yaml() -> None:
    network = load("tam_resnet50_tp")
    lines = network.emit().text.splitlines()
    found = {path: (lines[line - 1], span) for line, (path, span) in network.source_map().items()}
    text, span = found["layer1.0.tam"]
    assert "TemporalAggregation" in text
    assert span.file.endswith("policies/tam.yaml")
    assert found["t_pool1"][1].file.endswith("tam_resnet50_tp.yaml")
    assert found["conv1"][1].file.endswith("backbones/resnet.yaml")
