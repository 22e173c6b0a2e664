"""The plane dictionary: motion as a linear code over orthonormal plane bases (Yang et al., AAAI 2024)."""

import torch
from torch import Tensor, nn

from thedit.kernels import planedict
from thedit.model.synthesis import Synthesis, upsample


class PlaneDictionary(nn.Module):
    """Motion code -> linear factors L -> displacement of the tri-planes, dP_m = Q L.

    W (U, U, C, N) holds N plane bases of C channels on a U x U grid; with ``orthogonal`` the C x N matrix of every
    position is orthonormalised to Q, otherwise W itself is used. A grid coarser than the planes is enlarged
    bilinearly.
    """

    def __init__(
        self,
        code: int,
        channels: int,
        bases: int,
        grid: int,
        plane_size: int,
        channel_base: int,
        channel_max: int,
        orthogonal: bool,
    ):
        super().__init__()
        self.generator = Synthesis(code, bases, grid, channel_base, channel_max)
        self.weight = nn.Parameter(torch.randn(channels, bases, grid, grid) / channels**0.5)
        self.orthogonal, self.factor = orthogonal, plane_size // grid
        self._cache = planedict.BasisCache()

    def factors(self, motion: Tensor) -> Tensor:
        """Motion codes (B, M) -> linear factors (B, N, U, U)."""
        return self.generator(motion)

    @property
    def w(self) -> Tensor:
        """W (U, U, C, N), a view of the parameter, which lies in memory as (C, N, U, U)."""
        return self.weight.permute(2, 3, 0, 1)

    def bases(self) -> Tensor:
        """The bases (U, U, C, N): orthonormal at every position if ``orthogonal``. Cached if nothing learns them."""
        if not self.orthogonal:
            return self.w
        learnt = torch.is_grad_enabled() or self.weight.requires_grad  # fused optimisers write without counting
        return planedict.orthonormalise(self.w) if learnt else self._cache(self.w)

    def combine(self, factors: Tensor) -> Tensor:
        """Linear factors (B, N, U, U) -> displacement (B, C, plane_size, plane_size)."""
        if self.orthogonal and torch.is_grad_enabled():
            displacement = planedict.displace(self.w, factors)
        else:
            displacement = planedict.combine(self.bases(), factors)
        return upsample(displacement.float(), self.factor)

    def forward(self, motion: Tensor) -> Tensor:
        """Motion codes (B, M) -> displacement (B, C, plane_size, plane_size)."""
        return self.combine(self.factors(motion))


class FreePlanes(nn.Module):
    """The ablation without a dictionary: the motion generator emits the displacement itself, every channel a basis."""

    def __init__(self, code: int, channels: int, grid: int, plane_size: int, channel_base: int, channel_max: int):
        super().__init__()
        self.generator = Synthesis(code, channels, grid, channel_base, channel_max)
        self.factor = plane_size // grid

    def factors(self, motion: Tensor) -> Tensor:
        """Motion codes (B, M) -> displacement (B, C, grid, grid)."""
        return self.generator(motion)

    def combine(self, factors: Tensor) -> Tensor:
        """Displacement (B, C, grid, grid) -> displacement (B, C, plane_size, plane_size)."""
        return upsample(factors, self.factor)

    def forward(self, motion: Tensor) -> Tensor:
        """Motion codes (B, M) -> displacement (B, C, plane_size, plane_size)."""
        return self.combine(self.factors(motion))


class FusedMotion(nn.Module):
    """The released code's motion condition: one transformer decoder layer asks the driver's code with the source's."""

    def __init__(self, code: int):
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(code, nhead=min(8, code // 8), batch_first=True, dropout=0.0)

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        """Source and driving motion codes (B, M) -> fused codes (B, M)."""
        return self.layer(source.unsqueeze(1), driving.unsqueeze(1)).squeeze(1)
