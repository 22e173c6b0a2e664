"""The trainer: losses, loop, checkpoints, log."""
