"""`correspondence: self`: what a video tells without any truth, beside its pictures."""

from torch import Tensor
from torch.nn import functional

from thedit.model.dense.network import View
from thedit.model.dense.options import DenseOptions
from thedit.shards.batch import PARTS, FrameBatch

INSIDE = 0.99  # share of a cell that has to lie in the landmarks' hull
TRANSPARENT = 1e-3  # least opacity that counts, so that the loss is bounded


def losses(view: View, target: FrameBatch, options: DenseOptions) -> dict[str, Tensor]:
    """The head is opaque where the hull of the target's landmarks lies, or else it never forms."""
    opacity = view.drawing.opacity.float()
    face = functional.adaptive_avg_pool2d((target.parts > PARTS["outside"]).float(), opacity.shape[-1])
    face = (face > INSIDE).float()
    through = -(face * opacity.clamp(min=TRANSPARENT).log()).sum() / face.sum().clamp(min=1)
    return {"opacity": options.opacity * through}
