"""Preprocessed frames on disk, memory-mapped, and the batches made of them."""
