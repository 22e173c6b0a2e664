"""`planedict-dense`: the plane dictionary with dense correspondence to the source's picture."""

from thedit.methods.dense.method import DensePlaneDict

__all__ = ["DensePlaneDict"]
