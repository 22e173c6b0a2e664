"""CSIM: does the result show the same person? Cosine similarity of face embeddings."""

import torch
from torch import Tensor


def csim(prediction: Tensor, reference: Tensor) -> Tensor:
    """Cosine similarity (B,) in [-1, 1], float64, of face embeddings (B, D); higher is better.

    The variant is what the reference shows: ``source`` (cross-identity), ``target`` (self-reenactment) or ``person``
    (the mean embedding of the source person's own frames). An embedding that is NaN, no face found, gives NaN. Raises
    ValueError for other shapes and for embeddings without length.
    """
    if prediction.ndim != 2 or prediction.shape != reference.shape:
        raise ValueError(
            f"embeddings must be two times (B, D), not {tuple(prediction.shape)} and {tuple(reference.shape)}"
        )
    prediction, reference = prediction.double(), reference.double()
    lengths = torch.linalg.vector_norm(prediction, dim=1) * torch.linalg.vector_norm(reference, dim=1)
    if (lengths == 0).any():
        raise ValueError("an embedding is zero; a face that was not found is NaN")
    return (prediction * reference).sum(1) / lengths


def rescaled(similarity: Tensor, same: float, different: float) -> Tensor:
    """``similarity`` on a scale where ``different`` (mean between people) is 0 and ``same`` (mean within) is 1.

    Networks squeeze their cosines into different ranges (dlib's lie above 0.9 for any two faces); this makes them
    comparable. Raises ValueError unless ``same`` exceeds ``different``.
    """
    if not same > different:
        raise ValueError(f"the same person's similarity {same:g} must exceed different people's {different:g}")
    return (similarity - different) / (same - different)
