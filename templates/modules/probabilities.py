"""Scores in training, probabilities in evaluation. In and out are (..., classes)."""

import torch
from torch import Tensor, nn


class SoftmaxInEvaluation(nn.Module):
    """Softmax over the classes when the model is evaluated."""

    def forward(self, scores: Tensor) -> Tensor:
        """(..., classes) -> (..., classes)."""
        return scores if self.training else scores.softmax(-1)


class SigmoidInEvaluation(nn.Module):
    """Sigmoid of every class when the model is evaluated."""

    def forward(self, scores: Tensor) -> Tensor:
        """(..., classes) -> (..., classes)."""
        return scores if self.training else torch.sigmoid(scores)
