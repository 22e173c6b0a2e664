"""Thedit: one-shot multi-view face reenactment with a plane dictionary, and the benchmark around it."""

__version__ = "0.2.0"
