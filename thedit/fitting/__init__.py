"""Fitting the head basis and a camera to 68 landmarks."""
