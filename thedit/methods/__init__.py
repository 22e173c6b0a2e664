"""Reenactment methods: one interface, one spec per method, found by name."""
