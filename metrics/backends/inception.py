"""Inception-2015 with the weights that FID is defined by (Heusel et al., 2017), in pytorch-fid's port."""

import torch
import torchvision
from pytorch_fid import inception as port
from torch import Tensor, nn

from thedit import weights
from thedit.metrics.images import resize

SIDE = 299


def network() -> nn.Module:
    """The graph without weights: (B, 3, 299, 299) in [-1, 1] -> pooled features (B, 2048)."""
    net = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    net.Mixed_5b = port.FIDInceptionA(192, pool_features=32)
    net.Mixed_5c = port.FIDInceptionA(256, pool_features=64)
    net.Mixed_5d = port.FIDInceptionA(288, pool_features=64)
    net.Mixed_6b = port.FIDInceptionC(768, channels_7x7=128)
    net.Mixed_6c = port.FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6d = port.FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6e = port.FIDInceptionC(768, channels_7x7=192)
    net.Mixed_7b = port.FIDInceptionE_1(1280)
    net.Mixed_7c = port.FIDInceptionE_2(2048)
    return net.eval().requires_grad_(False)


class Inception:
    """2,048 features. Pictures are resized with antialiasing, as clean-fid does and pytorch-fid does not."""

    name = "inception-2015"

    def __init__(self) -> None:
        path = weights.find("inception")
        self.sha256 = weights.digest(path)
        self._network = network()
        self._network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self._network.fc = nn.Identity()

    @torch.inference_mode()
    def features(self, pictures: Tensor) -> Tensor:
        """See `thedit.metrics.backends.Features`."""
        return self._network(resize(pictures.float(), SIDE))
