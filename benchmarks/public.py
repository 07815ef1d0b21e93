"""The public code bases' models beside ours: how each is built, without a download."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

Code = Literal["torchvision", "ibm", "pytorchvideo"]
Input = Tensor | list[Tensor]
CLASSES = 400


@dataclass(frozen=True, slots=True)
class Peer:
    """A network of ours and the public model that computes the same.

    Attributes:
        name: the pair's name, which the command line takes.
        target: our spec, or family and variant.
        code: the public code base, whose importer also takes its checkpoints.
        builder: the public function that makes the model.
        arguments: what the function is called with.
        set: overrides of our spec.
        images: whether the public model takes the images of single-frame clips.
    """

    name: str
    target: str
    code: Code
    builder: str
    arguments: Mapping[str, Any]
    set: tuple[str, ...] = ()
    images: bool = False

    def public_input(self, clip: Tensor) -> Input:
        """Return a clip (N, 3, T, H, W) as the public model takes it."""
        if self.images:
            return clip.transpose(1, 2).flatten(0, 1)  # (N*T, 3, H, W)
        if self.code == "ibm" and self.target.startswith(("tsn", "tam")):
            return clip.transpose(1, 2).flatten(1, 2).contiguous()  # (N, T*3, H, W)
        if self.name.startswith("slowfast"):
            frames = clip.shape[2]
            slow = torch.linspace(0, frames - 1, frames // 4).long()
            return [clip[:, :, slow].contiguous(), clip]
        return clip


def _ibm(family: str, backbone: str) -> Peer:
    depth = int(backbone.removeprefix("resnet")) if backbone.startswith("resnet") else 0
    if family in ("i3d", "s3d"):
        builder = f"{family}_resnet" if depth else family
    else:
        builder = "resnet" if depth else "inception_v1"
    arguments = {
        "depth": depth,
        "num_classes": CLASSES,
        "groups": 8,
        "dropout": 0.5,
        "without_t_stride": True,
        "pooling_method": "max",
        "temporal_module_name": "TAM" if family == "tam" else None,
        "blending_frames": 3,
        "blending_method": "sum",
        "dw_conv": True,
        "dw_t_conv": False,
        "imagenet_pretrained": False,
    }
    name = f"{family}_{backbone}"
    return Peer(name, name, "ibm", builder, arguments)


def _video(name: str, target: str, *overrides: str) -> Peer:
    arguments = {"num_classes": CLASSES}
    return Peer(name, target, "torchvision", f"video.{name}", arguments, overrides)


def _image(name: str, target: str) -> Peer:
    arguments: dict[str, Any] = {"num_classes": CLASSES}
    if name == "googlenet":
        arguments |= {"aux_logits": False, "init_weights": False}
    return Peer(name, target, "torchvision", name, arguments, ("clip.frames=1",), images=True)


def _hub(name: str, target: str, *overrides: str, **arguments: object) -> Peer:
    return Peer(name, target, "pytorchvideo", f"hub.{name}", arguments, overrides)


PEERS: tuple[Peer, ...] = (
    *(
        _ibm(family, backbone)
        for backbone in ("resnet50", "resnet18", "inceptionv1")
        for family in ("tsn", "tam", "i3d", "s3d")
    ),
    _video("r3d_18", "r3d:18_torchvision"),
    _video("mc3_18", "mc3:18_torchvision"),
    _video("r2plus1d_18", "r2plus1d:18_torchvision"),
    _video("s3d", "s3d_torchvision", "clip.frames=16"),
    _image("resnet18", "tsn_resnet18"),
    _image("resnet50", "tsn_resnet50"),
    _image("squeezenet1_1", "tsn_squeezenet"),
    _image("googlenet", "tsn_inceptionv1"),
    _hub("slow_r50", "slow_r50_8x8"),
    _hub("c2d_r50", "c2d_r50_8x8"),
    _hub("i3d_r50", "i3d_r50_8x8"),
    _hub("slowfast_r50", "slowfast_r50_8x8"),
    _hub("r2plus1d_r50", "r2plus1d:50_pytorchvideo"),
    _hub("x3d_xs", "x3d:xs_pytorchvideo", head_activation=None),
    _hub("x3d_s", "x3d:s_pytorchvideo", head_activation=None),
    _hub("x3d_m", "x3d:m_pytorchvideo", head_activation=None),
    # The published one has a pool behind its stem; frames as in its R50's zoo entry at 8x8.
    *(
        Peer(
            f"csn_r{depth}",
            f"ir_csn:{depth}_pytorchvideo",
            "pytorchvideo",
            "create_csn",
            {"model_depth": depth, "stem_pool": nn.MaxPool3d},
            ("clip.frames=8",),
        )
        for depth in (50, 101)
    ),
)
BY_NAME: Mapping[str, Peer] = MappingProxyType({peer.name: peer for peer in PEERS})


class Clones:
    """The public code bases: torchvision as installed, the others as checkouts.

    Attributes:
        paths: a folder per code base that is not installed.
    """

    def __init__(self, paths: Mapping[str, Path | None]) -> None:
        self.paths = dict(paths)
        self._builders: dict[str, Callable[[str], Callable[..., nn.Module]]] = {}

    def has(self, peer: Peer) -> bool:
        """Tell whether the code base of a peer was named, or needs no name."""
        return peer.code == "torchvision" or self.paths.get(peer.code) is not None

    def build(self, peer: Peer) -> nn.Module:
        """Build a public model with random weights.

        Raises:
            SystemExit: if its code base is no checkout of what its option asks for.
        """
        if peer.code not in self._builders:
            _declare_detection_operators()
            self._builders[peer.code] = getattr(self, f"_open_{peer.code}")()
        with contextlib.redirect_stdout(io.StringIO()):
            return self._builders[peer.code](peer.builder)(**peer.arguments)

    def _open_torchvision(self) -> Callable[[str], Callable[..., nn.Module]]:
        models = importlib.import_module("torchvision.models")
        return lambda name: _within(models, name)

    def _open_ibm(self) -> Callable[[str], Callable[..., nn.Module]]:
        self._add("ibm", "models/model_builder.py")
        table = importlib.import_module("models.model_builder").MODEL_TABLE
        nothing = SimpleNamespace(load_url=lambda *args, **kwargs: {})
        for name, module in list(sys.modules.items()):
            if name.startswith("models.") and hasattr(module, "model_zoo"):
                vars(module)["model_zoo"] = nothing
        return cast("Callable[[str], Callable[..., nn.Module]]", table.__getitem__)

    def _open_pytorchvideo(self) -> Callable[[str], Callable[..., nn.Module]]:
        self._add("pytorchvideo", "pytorchvideo/models/hub/__init__.py")
        models = importlib.import_module("pytorchvideo.models")
        importlib.import_module("pytorchvideo.models.hub")
        return lambda name: _within(models, name)

    def _add(self, code: Code, file: str) -> None:
        path = self.paths[code]
        if path is None or not (path / file).is_file():
            sys.exit(f"{path} is no checkout of {code}: it has no {file}")
        sys.path.insert(0, str(path.resolve()))


def _within(module: object, name: str) -> Callable[..., nn.Module]:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    return cast("Callable[..., nn.Module]", found)


def _declare_detection_operators() -> None:
    """Let torchvision be imported beside a torch that its compiled operators were not made for."""
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(
                f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor"
            )
