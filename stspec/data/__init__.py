"""Videos as models see them: lists, decoding, sampling, augmentation, loading.

May import `diagnostics`, `output`, `rng`. What lists or parses imports no torch.
"""
