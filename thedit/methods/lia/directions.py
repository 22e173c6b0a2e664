"""Motion as a walk along learned orthonormal directions (Wang et al., 2022, section 3.1, equations 2 to 4)."""

import torch
from torch import Tensor, nn

from thedit.model.synthesis import Linear, activate


class MotionDictionary(nn.Module):
    """M orthonormal directions of the latent space and the network that finds how far to walk along each."""

    def __init__(self, latent: int, directions: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(latent, directions))
        self.hidden = nn.ModuleList(Linear(latent, latent) for _ in range(4))
        self.last = Linear(latent, directions)

    def directions(self) -> Tensor:
        """The dictionary D (latent, M) with D^T D = 1: the Q of W = QR, with R's diagonal positive."""
        q, r = torch.linalg.qr(self.weight.float())
        return q * r.diagonal().sign()

    def magnitudes(self, driving: Tensor) -> Tensor:
        """Latent codes of driving pictures (B, latent) -> how far to walk along each direction (B, M)."""
        for layer in self.hidden:
            driving = activate(layer(driving))
        return self.last(driving)

    def forward(self, driving: Tensor) -> Tensor:
        """Latent codes of driving pictures (B, latent) -> walks w = sum_i a_i d_i (B, latent)."""
        return self.magnitudes(driving).float() @ self.directions().mT
