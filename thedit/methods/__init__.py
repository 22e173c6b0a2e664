"""Reenactment methods: one interface, one spec a method, found by name."""
