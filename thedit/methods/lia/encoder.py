"""From a picture to a point of the latent space and feature maps for the generator (Wang et al., 2022, section 3.1)."""

import torch
from torch import Tensor

from thedit.model.encoder import Encoder


class MapEncoder(Encoder):
    """The residual encoder of `thedit.model.encoder` that also hands out its feature maps."""

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:  # type: ignore[override]
        """(B, 3, S, S) in [-1, 1] -> codes (B, code) and maps (B, C, 8, 8), (B, C, 16, 16), ..., (B, C, S, S)."""
        features = self.stem(image.contiguous(memory_format=torch.channels_last))
        maps = []
        for block in self.blocks:
            maps.append(features)
            features = block(features)
        return self.head(features.flatten(1)).float(), maps[::-1]
