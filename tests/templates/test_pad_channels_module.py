"""Channels of zeros against a concatenation."""

import pytest
import torch
from torch import Tensor

from templates.modules.pad_channels import PadChannels
from tests.templates import checks


@pytest.mark.parametrize("width", [4, 5, 9])
@pytest.mark.parametrize("shape", [(2, 4, 3, 5, 2), (6, 4, 5, 2), (2, 4, 3, 1, 1)])
def test_equals_the_definition(width: int, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))

    def naive(x: Tensor) -> Tensor:
        return torch.cat([x, x.new_zeros(len(x), width - 4, *x.shape[2:])], 1)

    checks.assert_same_function(PadChannels(width), naive, [x])
