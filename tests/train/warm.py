"""What the processes of `killing` find done when they are forked: the small network is emitted."""

from __future__ import annotations

import torch

from stspec.module import build_module
from stspec.network import load
from tests.train.tiny import spec

torch.set_num_threads(1)  # threads do not survive a fork
for classes in (4, 12):
    build_module(load(spec(classes=classes)))
