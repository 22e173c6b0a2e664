"""The trainer: loop, checkpoints, log."""
