"""Weights of elsewhere become ours: key schemes, inflation, checkpoint files.

May import diagnostics, source and numpy; `checkpoint` alone imports torch.
Nothing here knows a model: it is told the keys and shapes that are expected.
"""
