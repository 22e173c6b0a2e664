"""What a method can tell of the picture that it makes, beside the picture."""

from typing import NamedTuple

from torch import Tensor


class Geometry(NamedTuple):
    """Of B results of G x G cells; None what the method has no notion of.

    place     (B, G, G, 2) where each cell is taken from: normalised coordinates of the source's picture
    distance  (B, G, G) from the camera's centre to what each cell shows, in world units
    """

    place: Tensor | None = None
    distance: Tensor | None = None
