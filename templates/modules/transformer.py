"""Parts of a transformer encoder over features of frames, (N, T, C)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Embedding(nn.Module):
    """Adds learnt positions and a segment to features (Devlin et al., "BERT", NAACL 2019)."""

    def __init__(self, features: int, positions: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.empty(positions, features))
        self.segment = nn.Parameter(torch.zeros(features))
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, T, C)."""
        return x + self.positions[: x.shape[1]] + self.segment


class TokenEmbedding(nn.Module):
    """Puts a class token in front of features, and adds learnt positions and a segment to all."""

    def __init__(self, features: int, positions: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(features))
        self.positions = nn.Parameter(torch.empty(positions, features))
        self.segment = nn.Parameter(torch.zeros(features))
        nn.init.normal_(self.token, std=0.02)
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, T + 1, C)."""
        both = torch.cat([self.token.to(x.dtype).expand(len(x), 1, -1), x], 1)
        return both + self.positions[: both.shape[1]] + self.segment


class FrameAttention(nn.Module):
    """y_i = sum_j softmax_j(q_i . k_j / sqrt(d)) v_j for every head; their results in a row."""

    def __init__(self, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Join queries, keys and values, (N, T, C) each."""
        sizes = (self.heads, -1)
        q, k, v = (torch.unflatten(x, 2, sizes).transpose(1, 2) for x in (query, key, value))
        p = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(q, k, v, dropout_p=p).transpose(1, 2).flatten(2)
