"""FOMM: A. Siarohin et al., "First Order Motion Model for Image Animation", NeurIPS 2019, written from the paper."""

from thedit.methods.fomm.method import Fomm

__all__ = ["Fomm"]
