"""Thedit: one-shot multi-view face reenactment with a plane dictionary, and the benchmark around it."""

import os

__version__ = "0.2.0"

# Threads that wait for each other sleep, and do not spin: beside another busy process two spinning ones take twenty
# times as long as one. OpenMP reads this when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
