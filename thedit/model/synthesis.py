"""Style-modulated synthesis (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020).

The paper modulates and demodulates the weights of every convolution (section 2.2, equations 1 to 3), which needs
other weights for every picture of a batch. The same result comes from one convolution whose weights all pictures
share: its input channels are multiplied by the style and its output channels by the demodulation factor. Noise inputs
are left out, so that a picture depends on its codes alone.

Shapes: B batch, I and O channels in and out, S style, H side of a square feature map.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from thedit.kernels import looped, processor
from thedit.kernels.blur import blur

GAIN = math.sqrt(2)
"""Restores the variance that a leaky ReLU takes; layers multiply by it before the ReLU, which commutes with it."""


SLOPE = 0.2
"""Of the leaky ReLU below 0."""


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2."""
    return functional.leaky_relu(x, SLOPE)


class Linear(nn.Module):
    """Fully connected layer with an equalised learning rate (Karras et al., ICLR 2018, section 4.1)."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return functional.linear(x, self.weight * self.scale, self.bias)


def together(layers: Sequence[Linear], x: Tensor) -> tuple[Tensor, ...]:
    """What each of ``layers`` makes of x (..., inputs), in one matrix product instead of many small ones."""
    weight = torch.cat([layer.weight for layer in layers]) * layers[0].scale
    bias = torch.cat([layer.bias for layer in layers])
    return functional.linear(x, weight, bias).split([len(layer.bias) for layer in layers], dim=-1)


class Conv(nn.Module):
    """Convolution with an equalised learning rate and, with ``active``, a leaky ReLU; 3 x 3 may have stride 2."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, active: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = (GAIN if active else 1.0) / math.sqrt(inputs * kernel**2)
        self.stride, self.active = stride, active

    def forward(self, x: Tensor) -> Tensor:
        """(B, I, H, H) -> (B, O, H / stride, H / stride)."""
        padding = self.weight.shape[-1] // 2
        if looped(x):
            x = functional.conv2d(x, self.weight, None, self.stride, padding)
            factor = x.new_full((len(x), len(self.bias)), self.scale)
            return processor.finish(x, factor, self.bias, SLOPE if self.active else 1.0)
        x = functional.conv2d(x, self.weight * self.scale, self.bias, self.stride, padding)
        return activate(x) if self.active else x


class StyledConv(nn.Module):
    """Modulated and demodulated 3 x 3 convolution with a leaky ReLU.

    ``up`` doubles the side by a transposed convolution and a low-pass filter. ``affine`` makes the modulation.
    """

    def __init__(self, inputs: int, outputs: int, style: int, up: bool = False):
        super().__init__()
        self.affine = Linear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = 1 / math.sqrt(inputs * 9)
        self.up = up
        self._kept = Kept(self._prepared)

    def forward(self, x: Tensor, scale: Tensor, added: Tensor | None = None) -> Tensor:
        """(B, I, H, H), modulation (B, I) -> (B, O, H, H), or (B, O, 2H, 2H) if ``up``, and what is ``added`` to it."""
        weight, power = self._kept(self.weight) if looped(x) else self._prepared(self.weight)
        factor = GAIN * torch.rsqrt(functional.linear(scale.square(), power) + 1e-8)  # (B, O), equation 3
        if looped(x) and len(x) == 1 and weight.numel() < x.numel():
            weight = weight * scale[:, :, None, None]
        else:
            x = x * scale.to(x.dtype)[..., None, None]
        if self.up:
            x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # (B, O, 2H + 1, 2H + 1)
            x = blur(x)  # (B, O, 2H, 2H)
        else:
            x = functional.conv2d(x, weight, padding=1)
        if looped(x):
            return processor.finish(x, factor, self.bias, SLOPE, added)
        x = activate(torch.addcmul(self.bias.to(x.dtype)[:, None, None], x, factor.to(x.dtype)[..., None, None]))
        return x if added is None else x + added

    def _prepared(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The weights (O, I, 3, 3) that convolve, and the sums (O, I) of their squares."""
        weight = weight * self.scale
        return weight, weight.square().sum((2, 3))


class Kept:
    """What ``make`` makes of a parameter that nothing learns, once until it is written to or moved.

    Of one that is learnt it is made every time: torch's fused optimisers write to it without counting.
    """

    def __init__(self, make: Callable[[Tensor], tuple[Tensor, ...]]):
        self._make = make
        self._key: tuple[object, ...] = ()
        self._made: tuple[Tensor, ...] = ()

    def __call__(self, parameter: Tensor) -> tuple[Tensor, ...]:
        """As ``make`` of it."""
        if parameter.requires_grad:
            return self._make(parameter)
        key = (parameter.data_ptr(), parameter._version, parameter.device, parameter.dtype)
        if key != self._key:
            self._made, self._key = self._make(parameter), key
        return self._made


class StyledMaps(nn.Module):
    """Modulated 1 x 1 convolution to output maps: no demodulation, no activation; ``affine`` makes the modulation."""

    def __init__(self, inputs: int, outputs: int, style: int):
        super().__init__()
        self.affine = Linear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        """(B, I, H, H), modulation (B, I) -> (B, O, H, H)."""
        scale = scale * self.scale
        if looped(x) and len(x) == 1:
            return functional.conv2d(x, self.weight * scale[..., None, None], self.bias)
        return functional.conv2d(x * scale.to(x.dtype)[..., None, None], self.weight, self.bias)


class SynthesisBlock(nn.Module):
    """Two modulated convolutions, and a skip connection that adds to the output maps (section 4.1, figure 7b)."""

    def __init__(self, inputs: int, channels: int, outputs: int, style: int, up: bool = True):
        super().__init__()
        self.first = StyledConv(inputs, channels, style, up=up)
        self.second = StyledConv(channels, channels, style)
        self.output = StyledMaps(channels, outputs, style)
        self.up = up

    def forward(
        self, x: Tensor, skip: Tensor | None, style: Tensor, added: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features (B, I, H, H) and output maps (B, outputs, H, H) -> both at the block's side.

        ``added``, of the block's side and channels, is added to the features between the convolutions.
        """
        first, second, output = together([self.first.affine, self.second.affine, self.output.affine], style)
        x = self.second(self.first(x, first, added), second)
        maps = self.output(x, output).float()
        if skip is not None:
            maps = maps + (upsample(skip) if self.up else skip)
        return x, maps


class Synthesis(nn.Module):
    """Maps of ``outputs`` channels and side ``size`` from a code that styles every layer, starting at 4 x 4.

    The block of side r has min(channel_base / r, channel_max) channels.
    """

    def __init__(self, style: int, outputs: int, size: int, channel_base: int, channel_max: int):
        super().__init__()
        sides = [2**k for k in range(2, int(math.log2(size)) + 1)]
        self.channels = {side: min(channel_base // side, channel_max) for side in sides}
        self.start = nn.Parameter(torch.randn(1, self.channels[4], 4, 4))
        self.blocks = nn.ModuleList(
            SynthesisBlock(self.channels[max(side // 2, 4)], self.channels[side], outputs, style, up=side > 4)
            for side in sides
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, style: Tensor, added: dict[int, Tensor] | None = None) -> Tensor:
        """(B, S) -> (B, outputs, size, size). ``added``: what is added to the features of a block, by its side."""
        added = added or {}
        x = self.start.expand(len(style), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x, maps = self.blocks[0](x, None, style, added.get(4))
        for side, block in [*zip(self.channels, self.blocks)][1:]:
            x, maps = block(x, maps, style, added.get(side))
        return maps


def upsample(x: Tensor, factor: int = 2) -> Tensor:
    """Bilinear enlargement (B, C, H, H) -> (B, C, factor * H, factor * H); by 2 this is the [1, 3, 3, 1] filter."""
    return functional.interpolate(x, scale_factor=factor, mode="bilinear") if factor > 1 else x
