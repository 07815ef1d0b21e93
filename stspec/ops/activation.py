"""Activations."""

from __future__ import annotations

from typing import ClassVar

from stspec.ops.base import Arg, Layer, Op, Site


class Activation(Op):
    """Base of the element-wise functions that stand behind a normalisation."""

    follows: ClassVar[bool] = True
    keeps_memory: ClassVar[bool] = False
    call: ClassVar[str]
    module: ClassVar[str]

    def function(self, site: Site) -> str:
        """Return the functional form, in place where nothing else reads the input."""
        return self.call + ("({0}, inplace=True)" if site.inplace else "({0})")

    def as_module(self, site: Site) -> Layer:
        """Return the module form, for use inside nn.Sequential."""
        return Layer(self.module, (Arg("inplace", site.inplace, False),))


class ReLU(Activation):
    """Rectified linear unit."""

    kind: ClassVar[str] = "relu"
    call: ClassVar[str] = "F.relu"
    module: ClassVar[str] = "nn.ReLU"


class ReLU6(Activation):
    """Rectified linear unit that saturates at 6."""

    kind: ClassVar[str] = "relu6"
    call: ClassVar[str] = "F.relu6"
    module: ClassVar[str] = "nn.ReLU6"


class Swish(Activation):
    """Swish, also called SiLU: x * sigmoid(x)."""

    kind: ClassVar[str] = "swish"
    call: ClassVar[str] = "F.silu"
    module: ClassVar[str] = "nn.SiLU"


class Gelu(Activation):
    """Gaussian error linear unit, x times the normal distribution's cumulative share."""

    kind: ClassVar[str] = "gelu"

    def function(self, site: Site) -> str:
        """Return the functional form; there is none in place."""
        return "F.gelu({0})"

    def as_module(self, site: Site) -> Layer:
        """Return the module form."""
        return Layer("nn.GELU")


class Tanh(Activation):
    """Hyperbolic tangent."""

    kind: ClassVar[str] = "tanh"

    def function(self, site: Site) -> str:
        """Return the functional form; its result may be needed for the gradient."""
        return "torch.tanh({0})"

    def as_module(self, site: Site) -> Layer:
        """Return the module form."""
        return Layer("nn.Tanh")
