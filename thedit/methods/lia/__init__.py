"""LIA: Y. Wang et al., "Latent Image Animator", ICLR 2022, written from the paper."""

from thedit.methods.lia.method import Lia

__all__ = ["Lia"]
