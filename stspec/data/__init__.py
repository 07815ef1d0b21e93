"""Videos as models see them: lists, decoding, sampling, augmentation, loading."""
